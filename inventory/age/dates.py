"""Dates as firmware writes them, and arithmetic in months."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

MEAN_MONTH_DAYS = 365.2425 / 12
# Nothing this product meets was made earlier; firmware with an older date has lost its clock.
FIRST_PLAUSIBLE_YEAR = 1995
LAST_PLAUSIBLE_YEAR = 2099
_TWO_DIGIT_PIVOT = 80

_MONTHS = {name.casefold(): number for number, name in enumerate(calendar.month_abbr) if name}
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})\s?[-/.\s]\s?(\d{1,2})\s?[-/.\s]\s?(\d{1,2})(?!\d)")
_YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})\s?[-/.,\s]\s?(\d{1,2})\s?[-/.,\s]\s?(\d{4}|\d{2})(?!\d)")
_COMPACT = re.compile(r"(?<!\d)((?:19|20)\d{2})(\d{2})(\d{2})(?!\d{1,5}(?!\d)(?!\.))")
_NAMED_MONTH_FIRST = re.compile(r"([A-Za-z]{3})[a-z]*[\s.,/-]+(\d{1,2})(?:st|nd|rd|th)?[\s.,/-]+(\d{4})(?!\d)")
_NAMED_MONTH_SECOND = re.compile(r"(?<!\d)(\d{1,2})[\s.,/-]*([A-Za-z]{3})[a-z]*[\s.,/-]*(\d{4}|\d{2})(?!\d)")


def parse_firmware_date(text: str) -> date | None:
    """The day that a firmware string means, None where it means none.

    The specification asks for MM/DD/YYYY; day-first, year-first, dotted, named months, two-digit years and trailing
    remarks occur as well. A day-first date is taken as such only when the month-first reading is not a day.
    """
    text = text.strip()[:80]
    if found := _YEAR_FIRST.search(text):
        year, first, second = (int(part) for part in found.groups())
        return _day(year, first, second) or _day(year, second, first)
    if found := _YEAR_LAST.search(text):
        first, second = int(found[1]), int(found[2])
        year = _full_year(found[3])
        month_first, day_first = _day(year, first, second), _day(year, second, first)
        if month_first and day_first and "." in found[0]:
            # Dots mean either order; a firmware date only ever serves as an upper bound, so the later one is safe.
            return max(month_first, day_first)
        return month_first or day_first
    if found := _COMPACT.search(text):
        return _day(int(found[1]), int(found[2]), int(found[3]))
    if found := _NAMED_MONTH_FIRST.search(text):
        return _day(int(found[3]), _MONTHS.get(found[1].casefold(), 0), int(found[2]))
    if found := _NAMED_MONTH_SECOND.search(text):
        return _day(_full_year(found[3]), _MONTHS.get(found[2].casefold(), 0), int(found[1]))
    return None


def parse_iso_date(text: str) -> date | None:
    """The day at the beginning of an ISO date or date-time, None where there is none."""
    found = re.match(r"(\d{4})-(\d{2})-(\d{2})(?!\d)", text.strip())
    return _day(int(found[1]), int(found[2]), int(found[3])) if found else None


def month_start(text: str) -> date:
    """First day of a month written as YYYY-MM.

    Raises:
        ValueError: the text is not a month.
    """
    year, month = text.split("-")
    return date(int(year), int(month), 1)


def month_end(day: date) -> date:
    """Last day of the month that `day` lies in."""
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def add_months(day: date, months: float) -> date:
    """The day so many mean months later (earlier if negative); whole months keep the day where the calendar has it."""
    whole = int(months // 1)
    index = day.year * 12 + day.month - 1 + whole
    year, month = index // 12, index % 12 + 1
    if year > date.max.year - 1:
        return date.max
    if year < date.min.year:
        return date.min
    shifted = date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
    return shifted + timedelta(days=round((months - whole) * MEAN_MONTH_DAYS))


def add_years(day: date, years: int) -> date:
    """The same calendar day so many years later; 29 February becomes the 28th where need be."""
    return add_months(day, 12 * years)


def months_between(start: date, end: date) -> float:
    """Mean months from `start` to `end`, negative if `end` is the earlier."""
    return (end - start).days / MEAN_MONTH_DAYS


def as_month(day: date) -> str:
    """The month of `day` as a message's parameter, YYYY-MM."""
    return f"{day.year:04d}-{day.month:02d}"


def _full_year(digits: str) -> int:
    year = int(digits)
    if len(digits) > 2:  # noqa: PLR2004 - two is what the name says
        return year
    return year + (1900 if year >= _TWO_DIGIT_PIVOT else 2000)


def _day(year: int, month: int, day: int) -> date | None:
    if not FIRST_PLAUSIBLE_YEAR <= year <= LAST_PLAUSIBLE_YEAR:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None
