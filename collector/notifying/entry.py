"""What people type about receivers, silences, maintenance and rosters, made into what routing understands.

Pages, API and commands all come through here, so that they refuse the same things with the same words.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.wire.message import Message, mark
from alerts.route.matching import Matcher
from alerts.route.model import SEVERITIES
from alerts.route.rules import DAY_MINUTES, MOST_STEPS
from collector.clock import LOCAL_ZONE
from collector.db.decisions import DecisionError
from collector.notifiers.contract import AddressError, Notifier
from inventory.collation import search_key
from inventory.units import UnitError, find_unit, load_units

LONGEST_NAME = 64
LONGEST_TEXT = 500
LONGEST_ADDRESS = 500
LANGUAGES = ("vi", "en")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK_MINUTES = 7 * DAY_MINUTES
# A silence that nobody ends hides things for ever.
LONGEST_SILENCE_SECONDS = 90 * 86400.0
# The whole of time that calendars and databases agree on.
EARLIEST_YEAR, LATEST_YEAR = 2000, 2200

# Fields by their own names: what commands, JSON and forms call them; pages show the translation.
FIELDS = (
    mark("name"),
    mark("channel"),
    mark("address"),
    mark("language"),
    mark("time_zone"),
    mark("min_severity"),
    mark("quiet_below"),
    mark("rules"),
    mark("units"),
    mark("districts"),
    mark("severities"),
    mark("step"),
    mark("fallback"),
    mark("quiet"),
    mark("starts"),
    mark("ends"),
    mark("reason"),
    mark("note"),
    mark("assigned_to"),
    mark("weekdays"),
    mark("start_clock"),
    mark("duration_minutes"),
    mark("receiver"),
    mark("first_day"),
    mark("last_day"),
    mark("every_weeks"),
)
ENDS_EXPECTED = mark("a time after the start, and not past")
WANTED = mark("{field}: {text}: expected {expected}")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_KIND = re.compile(r"^(huyen|thanh pho|thi xa) ")
_MOMENTS = ("%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M", "%H:%M %d/%m/%Y")
_DAYS = ("%Y-%m-%d", "%d/%m/%Y")


class EntryError(DecisionError):
    """Something typed that cannot be used.

    Args:
        field: which field.
        text: what was typed.
        expected: what was expected, an English msgid.
    """

    def __init__(self, field: str, text: object, expected: str) -> None:
        self.field = field
        shown = f"“{str(text)[:60]}”" if str(text) else "—"
        super().__init__(Message(WANTED, {"field": field, "text": shown, "expected": expected}))


@dataclass(frozen=True)
class ReceiverEntry:
    """A receiver as it was typed; lists are parted by commas."""

    name: str
    channel: str
    address: str
    language: str = "vi"
    time_zone: str = "Asia/Ho_Chi_Minh"
    min_severity: str = "warning"
    rules: str = ""
    units: str = ""
    districts: str = ""
    step: int = 0
    duty_only: bool = False
    fallback: bool = False
    quiet: str = ""
    quiet_below: str = "critical"


@dataclass(frozen=True)
class MatcherEntry:
    """What a silence or a maintenance window is about, as it was typed; lists are parted by commas."""

    rules: str = ""
    units: str = ""
    districts: str = ""
    sites: str = ""
    devices: str = ""
    severities: str = ""


def receiver_values(entry: ReceiverEntry, notifiers: Mapping[str, Notifier]) -> dict[str, Any]:
    """Columns of `receiver`.

    Raises:
        EntryError: names the field and what was expected.
    """
    name = entry.name.strip()
    if not _NAME.fullmatch(name):
        raise EntryError("name", entry.name, mark("1 to 64 characters"))
    if entry.channel not in notifiers:
        raise EntryError("channel", entry.channel, ", ".join(notifiers))
    address = _address(entry, notifiers[entry.channel])
    if entry.language not in LANGUAGES:
        raise EntryError("language", entry.language, ", ".join(LANGUAGES))
    if entry.time_zone not in zoneinfo.available_timezones():
        raise EntryError("time_zone", entry.time_zone, mark("a time zone as Asia/Ho_Chi_Minh"))
    for column, word in (("min_severity", entry.min_severity), ("quiet_below", entry.quiet_below)):
        if word not in SEVERITIES:
            raise EntryError(column, word, ", ".join(SEVERITIES))
    if not 0 <= entry.step <= MOST_STEPS:
        raise EntryError("step", entry.step, f"0 - {MOST_STEPS}")
    if entry.duty_only and entry.fallback:
        raise EntryError("fallback", "duty_only", mark("either on duty or standing in, not both"))
    quiet = _quiet(entry.quiet.strip())
    return {
        "name": name,
        "channel": entry.channel,
        "address": address,
        "language": entry.language,
        "time_zone": entry.time_zone,
        "min_severity": entry.min_severity,
        "rules": words(entry.rules),
        "units": unit_codes(entry.units),
        "districts": district_names(entry.districts),
        "step": entry.step,
        "duty_only": entry.duty_only,
        "fallback": entry.fallback,
        "quiet_start_minute": quiet[0] if quiet else None,
        "quiet_end_minute": quiet[1] if quiet else None,
        "quiet_below": entry.quiet_below,
    }


def _address(entry: ReceiverEntry, notifier: Notifier) -> str:
    address = entry.address.strip()
    if not address or len(address) > LONGEST_ADDRESS:
        raise EntryError("address", address, mark("1 to 500 characters"))
    try:
        notifier.check_address(address)
    except AddressError as error:
        raise EntryError("address", address, str(error)) from error
    return address


def matcher_of(entry: MatcherEntry) -> Matcher:
    """What was typed as a matcher.

    Raises:
        EntryError: an unknown unit, district or severity, or nothing at all.
    """
    severities = words(entry.severities)
    for word in severities:
        if word not in SEVERITIES:
            raise EntryError("severities", word, ", ".join(SEVERITIES))
    made = Matcher(
        rules=tuple(words(entry.rules)),
        units=tuple(unit_codes(entry.units)),
        districts=tuple(district_names(entry.districts)),
        sites=tuple(words(entry.sites)),
        devices=tuple(word.lower() for word in words(entry.devices)),
        severities=tuple(severities),
    )
    if made.is_empty():
        expected = mark("at least one of rule, unit, district, site, terminal, severity; * as the rule means all")
        raise EntryError("rules", "", expected)
    return made


def words(text: str) -> list[str]:
    """The words between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def unit_codes(text: str) -> list[str]:
    """Codes of units given by code or name.

    Raises:
        EntryError: there is no such unit, or there are several.
    """
    codes = []
    for word in words(text):
        try:
            codes.append(find_unit(word).code)
        except UnitError as error:
            raise EntryError("units", word, mark("the code or the name of a unit")) from error
    return codes


def district_names(text: str) -> list[str]:
    """Former districts as they are written; accents and case do not matter.

    Raises:
        EntryError: there is no such district.
    """
    known = {search_key(unit.former_district): unit.former_district for unit in load_units()}
    # Without the word for what kind of district it is, too.
    known |= {_KIND.sub("", key): name for key, name in known.items()}
    names = []
    for word in words(text):
        if search_key(word) not in known:
            raise EntryError("districts", word, ", ".join(sorted(set(known.values()))))
        names.append(known[search_key(word)])
    return names


def moment(text: str, column: str) -> float:
    """Seconds since 1970-01-01 UTC of a time in the province, as 2026-11-22 09:30 or 22/11/2026 09:30.

    Raises:
        EntryError: it is none.
    """
    for pattern in _MOMENTS:
        try:
            local = dt.datetime.strptime(text.strip(), pattern).replace(tzinfo=LOCAL_ZONE)
        except ValueError:
            continue
        if EARLIEST_YEAR <= local.year < LATEST_YEAR:
            return local.timestamp()
    raise EntryError(column, text, mark("a time as 22/11/2026 09:30"))


def day(text: str, column: str) -> dt.date:
    """A day as 2026-11-23 or 23/11/2026.

    Raises:
        EntryError: it is none.
    """
    for pattern in _DAYS:
        try:
            found = dt.datetime.strptime(text.strip(), pattern).replace(tzinfo=LOCAL_ZONE).date()
        except ValueError:
            continue
        if EARLIEST_YEAR <= found.year < LATEST_YEAR:
            return found
    raise EntryError(column, text, mark("a day as 23/11/2026"))


def text_of(text: str, column: str, *, least: int = 1) -> str:
    """A text of people, neither empty (unless it may be) nor endless.

    Raises:
        EntryError: it is.
    """
    clean = " ".join(text.split())
    if not least <= len(clean) <= LONGEST_TEXT:
        raise EntryError(column, clean, mark("1 to 500 characters"))
    return clean


def span(starts: str, ends: str, now: float) -> tuple[float, float]:
    """A time from one moment to another; without a start it begins now.

    Raises:
        EntryError: no moments, or an end that is past or not after the start.
    """
    starts_at = moment(starts, "starts") if starts.strip() else now
    ends_at = moment(ends, "ends")
    if ends_at <= max(starts_at, now):
        raise EntryError("ends", ends, ENDS_EXPECTED)
    return starts_at, ends_at


def silence_span(starts: str, ends: str, now: float) -> tuple[float, float]:
    """The time of a silence.

    Raises:
        EntryError: as `span`, or longer than 90 days.
    """
    starts_at, ends_at = span(starts, ends, now)
    if ends_at - starts_at > LONGEST_SILENCE_SECONDS:
        raise EntryError("ends", ends, mark("at most 90 days after the start; maintenance may be for ever"))
    return starts_at, ends_at


@dataclass(frozen=True)
class WindowEntry:
    """A maintenance window as it was typed: once from one time to another, or on days of the week."""

    matcher: MatcherEntry = field(default_factory=MatcherEntry)
    starts: str = ""
    ends: str = ""
    weekdays: str = ""
    start_clock: str = ""
    duration_minutes: int = 0


def window_values(entry: WindowEntry, now: float) -> dict[str, Any]:
    """Columns of `maintenance_window` but author and reason.

    Raises:
        EntryError: names the field and what was expected.
    """
    matcher = matcher_of(entry.matcher).as_dict()
    days = sorted({_weekday(word) for word in words(entry.weekdays)})
    if not days:
        return _window(matcher, *span(entry.starts, entry.ends, now), [], 0, 0)
    clock = _CLOCK.fullmatch(entry.start_clock.strip())
    if clock is None:
        raise EntryError("start_clock", entry.start_clock, mark("a time as 22:00"))
    if not 1 <= entry.duration_minutes <= WEEK_MINUTES:
        raise EntryError("duration_minutes", entry.duration_minutes, f"1 - {WEEK_MINUTES}")
    starts_at = moment(entry.starts, "starts") if entry.starts.strip() else now
    ends_at = span(entry.starts, entry.ends, now)[1] if entry.ends.strip() else None
    start_minute = int(clock[1]) * 60 + int(clock[2])
    return _window(matcher, starts_at, ends_at, days, start_minute, entry.duration_minutes)


def _window(
    matcher: dict[str, list[str]], starts_at: float, ends_at: float | None, days: list[int], start: int, duration: int
) -> dict[str, Any]:
    return {
        "matcher": matcher,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "weekdays": days,
        "start_minute": start,
        "duration_minutes": duration,
    }


def _weekday(word: str) -> int:
    if word.lower() in WEEKDAYS:
        return WEEKDAYS.index(word.lower())
    raise EntryError("weekdays", word, ", ".join(WEEKDAYS))


def _quiet(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    found = _QUIET.fullmatch(text)
    if found is None:
        raise EntryError("quiet", text, mark("two times as 22:00-06:30"))
    start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if start == end:
        raise EntryError("quiet", text, mark("two times as 22:00-06:30"))
    return start, end
