"""Quiet hours, windows, rosters and who is told when nobody is on duty."""

from __future__ import annotations

import datetime as dt

import pytest

from alerts.route.matching import Matcher, MatcherError
from alerts.route.model import QuietHours, Receiver
from alerts.route.schedule import Shift, Window, duty_day, on_duty, quiet_until

MONDAY = dt.date(2026, 3, 2)
LAN = Receiver(1, "lan", duty_only=True)
HUNG = Receiver(2, "hung", duty_only=True)
OFFICE = Receiver(3, "office", fallback=True)


def turns(*receivers):
    return [
        Shift(receiver, "province", "", MONDAY + dt.timedelta(weeks=week), None, len(receivers))
        for week, receiver in enumerate(receivers)
    ]


@pytest.mark.parametrize(("day", "who"), [("03-02", 1), ("03-08", 1), ("03-09", 2), ("03-15", 2), ("03-16", 1)])
def test_turns_by_week(day, who):
    found = on_duty(turns(1, 2), "16681", "Nghi Lộc", dt.date.fromisoformat(f"2026-{day}"), {1, 2})
    assert (found.receivers, found.scope) == ({who}, "province")


def test_the_narrowest_scope_decides():
    shifts = [
        Shift(1, "province", "", MONDAY, None, 0),
        Shift(2, "district", "Nghi Lộc", MONDAY, None, 0),
        Shift(3, "unit", "16681", MONDAY, MONDAY, 0),
    ]
    among = {1, 2, 3}
    assert on_duty(shifts, "16681", "Nghi Lộc", MONDAY, among).receivers == {3}
    assert on_duty(shifts, "16681", "Nghi Lộc", MONDAY + dt.timedelta(1), among).receivers == {2}
    assert on_duty(shifts, "17827", "Hưng Nguyên", MONDAY, among).receivers == {1}
    # What is about the province is nobody's of a single unit or district.
    assert on_duty(shifts, "", "", MONDAY, among).receivers == {1}
    assert on_duty(shifts[1:], "", "", MONDAY, among).receivers == set()


def test_duty_changes_hands_at_the_handover(at):
    assert duty_day(at("2026-03-09 06:59"), 420) == dt.date(2026, 3, 8)
    assert duty_day(at("2026-03-09 07:00"), 420) == dt.date(2026, 3, 9)


def test_who_is_on_duty_is_told_and_the_other_not(province, at):
    all_of_it = province(LAN, HUNG, OFFICE, shifts=turns(1, 2))
    all_of_it.fire(at("2026-03-09 06:50"))
    all_of_it.fire(at("2026-03-09 07:05"), "disk_full", "pc1", device_id="pc1")
    told = all_of_it.run(at("2026-03-09 07:05"), 600)
    assert [letter[2] for letter in told] == ["lan", "hung"]
    assert all_of_it.gaps == set()


def test_a_gap_falls_to_the_fallback_and_is_shown(province, at):
    all_of_it = province(LAN, HUNG, OFFICE, shifts=[Shift(1, "province", "", MONDAY, MONDAY, 0)])
    number = all_of_it.fire(at("2026-03-10 09:00"))
    assert [letter[2] for letter in all_of_it.run(at("2026-03-10 09:00"), 600)] == ["office"]
    assert all_of_it.gaps == {number}


def test_the_fallback_is_left_alone_while_somebody_is_told(province, start):
    all_of_it = province(Receiver(1, "it"), OFFICE)
    all_of_it.fire(start)
    assert [letter[2] for letter in all_of_it.run(start, 600)] == ["it"]


def test_the_fallback_stands_in_where_only_later_steps_would_be_told(province, start):
    all_of_it = province(Receiver(1, "boss", step=1), OFFICE)
    all_of_it.fire(start)
    assert [letter[2] for letter in all_of_it.run(start, 600)] == ["office"]


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-03-02 21:59", None),
        ("2026-03-02 22:00", "2026-03-03 06:30"),
        ("2026-03-03 06:29", "2026-03-03 06:30"),
        ("2026-03-03 06:30", None),
    ],
)
def test_quiet_hours_over_midnight(at, now, end):
    receiver = Receiver(1, "it", quiet=QuietHours(22 * 60, 6 * 60 + 30))
    found = quiet_until(receiver, "warning", at(now))
    assert found == (None if end is None else max(at(end), at(now) + 60))
    assert quiet_until(receiver, "critical", at(now)) is None


def test_quiet_hours_where_the_clock_is_put_back_end_in_the_future():
    receiver = Receiver(1, "it", quiet=QuietHours(60, 180), time_zone="Europe/Paris")
    # 2026-10-25, 02:30 comes twice in Paris.
    first = dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC).timestamp()
    for now in (first, first + 3600):
        assert quiet_until(receiver, "info", now) > now


@pytest.mark.parametrize(
    ("now", "covered"),
    [
        ("2026-03-06 21:59", False),
        ("2026-03-06 22:00", True),
        ("2026-03-07 01:59", True),
        ("2026-03-07 02:00", False),
        ("2026-03-08 23:00", True),
        ("2026-03-09 00:30", True),
    ],
)
def test_weekly_windows_pass_midnight_and_the_end_of_the_week(at, now, covered):
    window = Window(1, Matcher(), 0.0, None, (4, 6), 22 * 60, 240, "Lan", "")
    assert window.covers(at(now)) is covered


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"rule": ["x"]}, "unknown key 'rule'"),
        ({"rules": "x"}, "list of texts"),
        ({"severities": ["bad"]}, "info, warning, critical"),
        ({"scopes": ["pc"]}, "terminal, site"),
    ],
)
def test_bad_matchers_say_what_was_expected(table, words):
    with pytest.raises(MatcherError, match=words):
        Matcher.from_dict(table)


def test_matchers_keep_themselves_as_json():
    matcher = Matcher(rules=("congestion*",), units=("16681",), unless=("x",))
    assert Matcher.from_dict(matcher.as_dict()) == matcher
    assert Matcher(unless=("x",)).is_empty()
