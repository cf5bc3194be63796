"""Whatever happens in whatever order: no alert is lost, and nobody hears of an end without a beginning."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.route import model
from alerts.route.matching import Matcher
from alerts.route.model import QuietHours, Receiver
from alerts.route.schedule import Silence, Window

RECEIVERS = (
    Receiver(1, "it", quiet=QuietHours(22 * 60, 6 * 60 + 30)),
    Receiver(2, "phone", min_severity="critical"),
    Receiver(3, "boss", step=1),
    Receiver(4, "commune", units=("16681",)),
    Receiver(5, "stands in", fallback=True),
)
ALERTS = (
    ("outage", "16681/main", "critical", {}),
    ("congestion", "access/16681/main", "warning", {"place": "access"}),
    ("congestion", "core", "critical", {"unit_code": "", "district": "", "site": ""}),
    ("terminal_silent", "pc1", "info", {"device_id": "pc1"}),
    ("disk_full", "pc1", "warning", {"device_id": "pc1"}),
    ("link_loss", "pc2/core", "warning", {"device_id": "pc2", "unit_code": "17827"}),
)
ENDS = {"resolved", "digest"}

steps = st.lists(
    st.tuples(
        st.sampled_from(["change", "change", "change", "acknowledge", "silence", "maintain", "remove", "wait"]),
        st.integers(0, len(ALERTS) - 1),
        st.integers(1, 240),
    ),
    min_size=1,
    max_size=40,
)


def live(all_of_it, start, story):
    """Plays a story of (what, which alert, minutes until the next step); returns when it is over."""
    now, open_ones = start, {}
    for what, index, minutes in story:
        rule, subject, severity, place = ALERTS[index]
        if what == "change" and index in open_ones:
            all_of_it.resolve(open_ones.pop(index), now)
        elif what == "change":
            open_ones[index] = all_of_it.fire(now, rule, subject, severity, **place)
        elif what == "acknowledge" and index in open_ones:
            all_of_it.acknowledge(open_ones[index])
        elif what == "silence":
            matcher = Matcher(rules=(rule,))
            all_of_it.silences.append(Silence(1, matcher, now, now + minutes * 120, "Lan", "thử"))
        elif what == "maintain":
            all_of_it.windows.append(
                Window(1, Matcher(sites=("main",)), now, now + minutes * 60, (), 0, 1, "Lan", "thử")
            )
        elif what == "remove" and len(all_of_it.receivers) > 3 and index == 5:
            all_of_it.receivers = [one for one in all_of_it.receivers if one.id != 4]
        for offset in range(0, minutes * 60, 60 if minutes < 30 else 600):
            all_of_it.tick(now + offset)
        now += minutes * 60
    for number in open_ones.values():
        all_of_it.resolve(number, now)
    for offset in range(0, 30 * 3600, 300):
        all_of_it.tick(now + offset)
    return now + 30 * 3600


@given(story=steps)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_firing_is_told_or_says_why_not_and_every_telling_ends_once(province, start, story):
    all_of_it = province(*RECEIVERS)
    live(all_of_it, start, story)
    by_incident = defaultdict(list)
    for notice in all_of_it.notices.values():
        by_incident[notice.incident_id].append(notice)
        assert notice.state in model.FINAL_STATES
        assert notice.due_at is None
        assert (notice.told_at is not None) == (notice.state in {model.DONE, model.MERGED})
        if notice.state == model.SPARED:
            assert notice.cause is not None
            assert notice.cause.kind in model.CAUSES
            assert notice.cause.text.render()
    for number in all_of_it.incidents:
        assert by_incident[number] or number in all_of_it.unrouted
    gone = {one.name for one in RECEIVERS} - {one.name for one in all_of_it.receivers}
    heard = defaultdict(list)
    for at, kind, name, numbers in all_of_it.letters:
        for number in numbers:
            ended = all_of_it.incidents[number].ended_at
            over = kind == "resolved" or (kind == "digest" and ended is not None and ended <= at)
            heard[name, all_of_it.incidents[number].key].append((kind, over, number))
    for (name, _), story_of_one in heard.items():
        known = None
        for kind, over, number in story_of_one:
            if kind in {"resolved", "reminder"}:
                assert known == number, story_of_one
            known = None if over else number
        assert known is None or name in gone, story_of_one


@given(story=steps, again=st.integers(0, 10))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_deciding_twice_at_the_same_moment_tells_nothing_twice(province, start, story, again):
    all_of_it = province(*RECEIVERS)
    now = live(all_of_it, start, story)
    all_of_it.fire(now)
    for offset in range(0, 300, 15):
        all_of_it.tick(now + offset)
        assert [all_of_it.tick(now + offset) for _ in range(again)] == [[]] * again


def test_a_storm_of_one_place_is_one_letter_a_receiver(province, start):
    all_of_it = province()
    for number in range(500):
        all_of_it.fire(start, "disk_full", f"pc{number}", "warning", device_id=f"pc{number}")
    letters = all_of_it.run(start, 600, step=60)
    assert [(letter[1], len(letter[3])) for letter in letters] == [("firing", 500)]


def test_nobody_set_up_leaves_the_incident_unrouted(province, start):
    all_of_it = province(Receiver(1, "commune", units=("17827",)))
    number = all_of_it.fire(start)
    assert all_of_it.run(start, 600) == []
    assert all_of_it.unrouted == {number}
    assert replace(all_of_it.incidents[number]).ended_at is None
