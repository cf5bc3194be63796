"""Silences, windows and rosters in words, for pages, API and commands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row

from agent.wire.message import Message, mark
from alerts.route.matching import Matcher
from alerts.route.schedule import DISTRICT, PROVINCE, UNIT, Shift, on_duty
from collector.language import format_date, format_moment, render_message, translator
from inventory.units import load_units

WORDS = {
    "rules": mark("rule {words}"),
    "units": mark("unit {words}"),
    "districts": mark("district {words}"),
    "sites": mark("site {words}"),
    "devices": mark("terminal {words}"),
    "severities": mark("severity {words}"),
}
WEEKDAY_NAMES = (
    mark("Monday"),
    mark("Tuesday"),
    mark("Wednesday"),
    mark("Thursday"),
    mark("Friday"),
    mark("Saturday"),
    mark("Sunday"),
)
ONCE = mark("{start} to {end}")
WEEKLY = mark("every {days} at {clock} for {minutes} minutes")
WEEKLY_UNTIL = mark("every {days} at {clock} for {minutes} minutes, until {end}")
WHOLE_PROVINCE = mark("the whole province")
STRAIGHT = mark("{place}: {first} to {last}")
STRAIGHT_ON = mark("{place}: from {first} on")
TURN = mark("{place}: the week from {first}, then every {weeks} weeks")
TURN_UNTIL = mark("{place}: the week from {first}, then every {weeks} weeks until {last}")


def matcher_words(matcher: Matcher, language: str) -> str:
    """What a matcher is about, in one line."""
    translate = translator(language)
    names = {unit.code: unit.name for unit in load_units()}
    told = []
    for name, pattern in WORDS.items():
        words = getattr(matcher, name)
        if words:
            shown = ", ".join(names.get(word, word) if name == "units" else translate(word) for word in words)
            told.append(translate(pattern).format(words=shown))
    return "; ".join(told)


def window_words(row: Row[Any], language: str) -> str:
    """When a maintenance window holds (a row of `maintenance_window`)."""
    translate = translator(language)
    if not row.weekdays:
        return translate(ONCE).format(start=format_moment(row.starts_at), end=format_moment(row.ends_at))
    days = ", ".join(translate(WEEKDAY_NAMES[number]) for number in row.weekdays)
    clock = f"{row.start_minute // 60:02}:{row.start_minute % 60:02}"
    pattern = WEEKLY if row.ends_at is None else WEEKLY_UNTIL
    end = "" if row.ends_at is None else format_moment(row.ends_at)
    return translate(pattern).format(days=days, clock=clock, minutes=row.duration_minutes, end=end)


def place_words(scope: str, place: str, language: str) -> str:
    """Where a duty is."""
    if scope == PROVINCE:
        return translator(language)(WHOLE_PROVINCE)
    if scope == UNIT:
        return next((unit.name for unit in load_units() if unit.code == place), place)
    return place


def shift_words(row: Row[Any], language: str) -> str:
    """Where and when a duty is (a row of `duty_shift`)."""
    first, last = format_date(row.first_day, language), format_date(row.last_day, language)
    if row.every_weeks == 0:
        pattern = STRAIGHT_ON if row.last_day is None else STRAIGHT
    else:
        pattern = TURN if row.last_day is None else TURN_UNTIL
    place = place_words(row.scope, row.place, language)
    return render_message(
        Message(pattern, {"place": place, "first": first, "last": last, "weeks": row.every_weeks}), language
    )


def shift_of(row: Row[Any]) -> Shift:
    """A row of `duty_shift` as routing sees it."""
    last = dt.date.fromisoformat(row.last_day) if row.last_day else None
    return Shift(row.receiver_id, row.scope, row.place, dt.date.fromisoformat(row.first_day), last, row.every_weeks)


def duty_today(rows: Iterable[Row[Any]], day: dt.date, language: str) -> Sequence[tuple[str, list[str]]]:
    """For each place that has a roster who is told of its alerts on that day; an empty list is a gap.

    Where nobody of a unit or a district is on duty that day, the wider place's people are named, as they are told.
    """
    kept = list(rows)
    shifts = [shift_of(row) for row in kept]
    names = {row.receiver_id: row.receiver_name for row in kept}
    districts = {unit.code: unit.former_district for unit in load_units()}
    order = {PROVINCE: 0, DISTRICT: 1, UNIT: 2}
    told = []
    for scope, place in sorted({(one.scope, one.place) for one in shifts}, key=lambda one: (order[one[0]], one[1])):
        unit_code = place if scope == UNIT else ""
        district = place if scope == DISTRICT else districts.get(unit_code, "")
        duty = on_duty(shifts, unit_code, district, day, names.keys())
        told.append((place_words(scope, place, language), sorted(names[number] for number in duty.receivers)))
    return told
