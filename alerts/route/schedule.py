"""Times of people: quiet hours, silences, maintenance windows, and who is on duty."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alerts.route.matching import Matcher
from alerts.route.model import Incident, Receiver, rank

# Maintenance and duty are agreed in the province, wherever their readers are.
PROVINCE_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
WEEK_DAYS = 7
DAY_MINUTES = 1440
PROVINCE = "province"
DISTRICT = "district"
UNIT = "unit"
DUTY_SCOPES = (PROVINCE, DISTRICT, UNIT)


@dataclass(frozen=True, slots=True)
class Silence:
    """What nobody wants to hear of for a while.

    Args:
        id: number.
        matcher: what.
        starts_at: seconds since 1970-01-01 UTC, itself included.
        ends_at: the same, itself not.
        author: who asked for it.
        reason: why.
    """

    id: int
    matcher: Matcher
    starts_at: float
    ends_at: float
    author: str
    reason: str

    def covers(self, now: float) -> bool:
        """Whether it holds at that moment."""
        return self.starts_at <= now < self.ends_at


@dataclass(frozen=True, slots=True)
class Window:
    """A time of maintenance, once or every week.

    Args:
        id: number.
        matcher: what is worked on.
        starts_at: of a single window the begin; of a weekly one when it begins to apply.
        ends_at: of a single window the end; of a weekly one when it ceases to apply, None for never.
        weekdays: 0 is Monday; empty for a single window.
        start_minute: of a weekly window, minutes after midnight (UTC+7).
        duration_minutes: of a weekly window, at most a week; it may pass midnight.
        author: who entered it.
        reason: why.
    """

    id: int
    matcher: Matcher
    starts_at: float
    ends_at: float | None
    weekdays: tuple[int, ...]
    start_minute: int
    duration_minutes: int
    author: str
    reason: str

    def covers(self, now: float) -> bool:
        """Whether work goes on at that moment."""
        if now < self.starts_at or (self.ends_at is not None and now >= self.ends_at):
            return False
        if not self.weekdays:
            return True
        local = dt.datetime.fromtimestamp(now, PROVINCE_ZONE)
        # No daylight saving time there: minutes of the week are minutes of the clock.
        minute = local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute
        week = WEEK_DAYS * DAY_MINUTES
        begins = (day * DAY_MINUTES + self.start_minute for day in self.weekdays)
        return any((minute - begin) % week < self.duration_minutes for begin in begins)


@dataclass(frozen=True, slots=True)
class Shift:
    """Who is on duty where, once or in turn.

    Args:
        receiver_id: who.
        scope: of `DUTY_SCOPES`.
        place: unit code or former district; empty for the province.
        first_day: its first day; duty changes hands at the rules' handover time.
        last_day: its last day, that day included; None for never.
        every_weeks: 0: from the first day to the last without a break; n: seven days from the first day, then
            again every n weeks.
    """

    receiver_id: int
    scope: str
    place: str
    first_day: dt.date
    last_day: dt.date | None
    every_weeks: int

    def covers(self, day: dt.date) -> bool:
        """Whether it holds for the duty that begins on that day."""
        if day < self.first_day or (self.last_day is not None and day > self.last_day):
            return False
        return self.every_weeks == 0 or (day - self.first_day).days // WEEK_DAYS % self.every_weeks == 0


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is on duty for one place now.

    Args:
        receivers: numbers; empty where there is nobody.
        scope: the scope that decided; empty where there is nobody.
    """

    receivers: frozenset[int]
    scope: str


def duty_day(now: float, handover_minute: int) -> dt.date:
    """The day whose duty is on at that moment."""
    return (dt.datetime.fromtimestamp(now, PROVINCE_ZONE) - dt.timedelta(minutes=handover_minute)).date()


def on_duty(shifts: Iterable[Shift], unit_code: str, district: str, day: dt.date, among: Collection[int]) -> Duty:
    """Who is on duty for a unit (or, with both empty, the province): the narrowest scope that has somebody.

    Args:
        shifts: all of them.
        unit_code: empty for what is about the whole province.
        district: former district of the unit.
        day: as `duty_day` gives it.
        among: receivers that count.
    """
    found: dict[str, set[int]] = {}
    for shift in shifts:
        here = {PROVINCE: True, DISTRICT: shift.place == district != "", UNIT: shift.place == unit_code != ""}
        if shift.receiver_id in among and here[shift.scope] and shift.covers(day):
            found.setdefault(shift.scope, set()).add(shift.receiver_id)
    for scope in (UNIT, DISTRICT, PROVINCE):
        if scope in found:
            return Duty(frozenset(found[scope]), scope)
    return Duty(frozenset(), "")


def quiet_until(receiver: Receiver, severity: str, now: float) -> float | None:
    """When the receiver may be told of something of that severity, if it must wait; None: at once."""
    quiet = receiver.quiet
    if quiet is None or rank(severity) >= rank(quiet.below):
        return None
    zone = ZoneInfo(receiver.time_zone)
    local = dt.datetime.fromtimestamp(now, zone)
    minute = local.hour * 60 + local.minute
    overnight = quiet.end_minute < quiet.start_minute
    inside = (
        minute >= quiet.start_minute or minute < quiet.end_minute
        if overnight
        else quiet.start_minute <= minute < quiet.end_minute
    )
    if not inside:
        return None
    day = local.date() + dt.timedelta(days=1 if overnight and minute >= quiet.start_minute else 0)
    end = dt.datetime.combine(day, dt.time(quiet.end_minute // 60, quiet.end_minute % 60), zone)
    # A clock set back within the quiet hours could put the end before now.
    return max(end.timestamp(), now + 60.0)


def covering_silence(silences: Iterable[Silence], incident: Incident, now: float) -> Silence | None:
    """The first silence that holds for the incident."""
    return next((one for one in silences if one.covers(now) and one.matcher.matches(incident)), None)


def covering_window(windows: Iterable[Window], incident: Incident, now: float) -> Window | None:
    """The first maintenance window that holds for the incident."""
    return next((one for one in windows if one.covers(now) and one.matcher.matches(incident)), None)
