"""Single cells as values: years and dates, money, numbers. Pure; every refusal says what was expected."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from agent.wire.message import Message, mark
from inventory.collation import search_key
from inventory.register.sheet import Cell, cell_text

# No computer of an office was bought earlier; spreadsheets write 1900 for an empty date.
FIRST_YEAR = 1980
LARGEST_COST_VND = 10**13
SMALLEST_COST_VND = 1000
LARGEST_QUANTITY = 10_000

_EXCEL_EPOCH = dt.date(1899, 12, 30)
# Day numbers of 1980 to 2063: an unformatted date cell. A year is far below, money far above.
_EXCEL_DAYS = range(29_221, 60_000)

_DAY_FIRST = re.compile(r"(\d{1,2})\s*[/.\-]\s*(\d{1,2})\s*[/.\-]\s*(\d{4})(?:\s+[\d:]+)?")
_YEAR_FIRST = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ][\d:.]+)?")
_MONTH_YEAR = re.compile(r"(?:tháng\s*|t)?(\d{1,2})\s*[/.\-]\s*(\d{4})", re.IGNORECASE)
_YEAR_ALONE = re.compile(r"(?:năm\s*|nam\s*|q(?:uý)?\s*[ivx\d]+\s*[/\-]\s*)?(\d{4})(?:\.0)?", re.IGNORECASE)
_LONG_DATE = re.compile(r"(?:ngày\s*)?(\d{1,2})\s*tháng\s*(\d{1,2})\s*năm\s*(\d{4})", re.IGNORECASE)

_AMOUNT = re.compile(r"(-?\s*[\d.,\s]*\d)\s*(.*)")
_GROUPED = re.compile(r"-?\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*(?:(?!\1)[.,](\d{1,2}))?")
_PLAIN = re.compile(r"-?\d+(?:[.,]\d+)?")
_MULTIPLIERS = {
    "": 1,
    "d": 1,
    "dong": 1,
    "vnd": 1,
    "vn d": 1,
    "nghin": 1000,
    "nghin dong": 1000,
    "ngan": 1000,
    "ngan dong": 1000,
    "tr": 10**6,
    "trd": 10**6,
    "trieu": 10**6,
    "trieu dong": 10**6,
    "ty": 10**9,
    "ty dong": 10**9,
}


@dataclass(frozen=True, slots=True)
class Problem(Exception):  # noqa: N818 - a cell's problem, caught by the row
    """A cell that is not what its column asks for.

    Args:
        found: what is wrong.
        expected: what should stand there.
    """

    found: Message
    expected: Message


def year_and_day(cell: Cell, as_of: dt.date) -> tuple[int, dt.date | None]:
    """The year put into use, and the day where the cell states one. Days come before months: 03/04/2015 is 3 April.

    Raises:
        Problem: no year, or one before 1980 or after `as_of`.
    """
    expected = Message(
        mark("a year from {first} to {last} or a date dd/mm/yyyy"), {"first": FIRST_YEAR, "last": as_of.year}
    )
    try:
        year, day = _year_and_day(cell)
    except ValueError as error:
        raise Problem(Message(mark("“{text}” is no year and no date"), {"text": _short(cell)}), expected) from error
    if not FIRST_YEAR <= year <= as_of.year or (day is not None and day > as_of):
        raise Problem(Message(mark("“{text}” cannot be when it was put into use"), {"text": _short(cell)}), expected)
    return year, day


def _year_and_day(cell: Cell) -> tuple[int, dt.date | None]:
    if isinstance(cell, dt.datetime):
        return cell.year, cell.date()
    if isinstance(cell, dt.date):
        return cell.year, cell
    text = cell_text(cell).strip()
    if isinstance(cell, int | float) and text.isdecimal() and int(text) in _EXCEL_DAYS:
        day = _EXCEL_EPOCH + dt.timedelta(days=int(text))
        return day.year, day
    if match := _DAY_FIRST.fullmatch(text) or _LONG_DATE.fullmatch(text):
        day = dt.date(int(match[3]), int(match[2]), int(match[1]))
        return day.year, day
    if match := _YEAR_FIRST.fullmatch(text):
        day = dt.date(int(match[1]), int(match[2]), int(match[3]))
        return day.year, day
    if match := _MONTH_YEAR.fullmatch(text):
        return dt.date(int(match[2]), int(match[1]), 1).year, None
    if match := _YEAR_ALONE.fullmatch(text):
        return int(match[1]), None
    raise ValueError(text)


def money_vnd(cell: Cell, multiplier: int = 1) -> int:
    """An amount in whole đồng.

    `1.250.000`, `1,250,000`, `1 250 000 đ`, `12,5 triệu` and numbers are read; fractions are rounded half up.

    Args:
        cell: as it stands.
        multiplier: what the column's title says (`nghìn đồng` 1,000, `triệu đồng` 1,000,000).

    Raises:
        Problem: not an amount, negative, or so small or large that the unit must be wrong.
    """
    expected = Message(mark("an amount in đồng, as 12.500.000"))
    try:
        amount = _amount(cell) * multiplier
    except ValueError as error:
        raise Problem(Message(mark("“{text}” is no amount of money"), {"text": _short(cell)}), expected) from error
    if amount < 0:
        raise Problem(Message(mark("“{text}” is negative"), {"text": _short(cell)}), expected)
    if amount > LARGEST_COST_VND or 0 < amount < SMALLEST_COST_VND:
        raise Problem(Message(mark("“{text}” cannot be a price in đồng"), {"text": _short(cell)}), expected)
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def _amount(cell: Cell) -> Decimal:
    if isinstance(cell, bool | dt.date | dt.time):
        raise ValueError(cell)  # noqa: TRY004 - to the caller it is one more unusable cell
    if isinstance(cell, int | float):
        amount = Decimal(str(cell))
        if not amount.is_finite():
            raise ValueError(cell)
        return amount
    match = _AMOUNT.fullmatch(cell_text(cell).strip())
    unit = _MULTIPLIERS.get(search_key(match[2])) if match else None
    if match is None or unit is None:
        raise ValueError(cell)
    digits = "".join(match[1].split())
    if grouped := _GROUPED.fullmatch(digits):
        whole, fraction = digits, grouped[2] or ""
        if fraction:
            whole = digits[: -len(fraction) - 1]
        number = Decimal(f"{whole.replace('.', '').replace(',', '')}.{fraction or 0}")
        # `12,500 triệu` is as likely 12.5 as 12,500 million: no amount can be read from it.
        if unit > 1 and grouped[1] and not fraction and digits.count(grouped[1]) == 1:
            raise ValueError(cell)
        return number * unit
    if _PLAIN.fullmatch(digits) and (unit > 1 or digits.lstrip("-").isdecimal() or _ends_in_zeros(digits)):
        return Decimal(digits.replace(",", ".")) * unit
    raise ValueError(cell)


def _ends_in_zeros(digits: str) -> bool:
    """`1250000.0`, as programs export whole numbers."""
    return re.fullmatch(r"-?\d+[.,]0{1,2}", digits) is not None


def quantity(cell: Cell) -> int:
    """How many pieces a row stands for.

    Raises:
        Problem: not a whole number from 1 on.
    """
    text = cell_text(cell).strip()
    match = re.fullmatch(r"0*(\d{1,6})(?:\s*(?:cái|chiếc|bộ|máy|cai|chiec|bo|may))?", text, re.IGNORECASE)
    if match is None or not 1 <= int(match[1]) <= LARGEST_QUANTITY:
        raise Problem(
            Message(mark("“{text}” is no number of pieces"), {"text": _short(cell)}),
            Message(mark("a whole number from 1 to {last}"), {"last": LARGEST_QUANTITY}),
        )
    return int(match[1])


def mac_address(cell: Cell) -> str:
    """A MAC address as AA:BB:CC:DD:EE:FF.

    Raises:
        Problem: not twelve hexadecimal digits.
    """
    digits = re.sub(r"[:\-. ]", "", cell_text(cell)).upper()
    if not re.fullmatch(r"[0-9A-F]{12}", digits):
        raise Problem(
            Message(mark("“{text}” is no MAC address"), {"text": _short(cell)}),
            Message(mark("twelve hexadecimal digits, as 00:1A:2B:3C:4D:5E")),
        )
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def _short(cell: Cell) -> str:
    text = cell_text(cell)
    return text if len(text) <= 60 else text[:59] + "…"  # noqa: PLR2004 - fits one line of a message
