"""The state machine: what follows what, when, and why."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.message import Message
from alerts.state import (
    CLEAR,
    FIRING,
    INACTIVE,
    LEVELS,
    NO_DATA,
    PENDING,
    RAISED,
    RESOLVED,
    SUSPECT,
    AlertState,
    Observation,
    Subject,
    Timing,
    step,
)

WHO = Subject("pc1/server", "pc1", "17029")
START = 1_800_000_000.0
TIMING = Timing(
    for_seconds=60,
    pending_seconds=300,
    keep_firing_seconds=120,
    linger_seconds=900,
    no_data_seconds=600,
    resolved_seconds=180,
)


def seen(level, *, quiet=None, magnitude=0.0):
    quiet = level == CLEAR if quiet is None else quiet
    return Observation(level, Message(f"seen {level}"), {"level": level}, quiet, magnitude)


def play(timing, events):
    """Steps through (seconds after the start, observation); returns (seconds, from, to) of each change, and the end."""
    state, changes = AlertState(WHO, INACTIVE, START), []
    for after, observation in events:
        state, new = step(timing, state, observation, START + after)
        changes += [(change.at - START, change.from_state, change.to_state) for change in new]
    return changes, state


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([(0, CLEAR), (60, CLEAR)], [], id="nothing bad"),
        pytest.param([(0, NO_DATA), (900, NO_DATA)], [], id="nothing known"),
        pytest.param(
            [(0, RAISED), (59, RAISED), (60, RAISED)],
            [(0, INACTIVE, PENDING), (60, PENDING, FIRING)],
            id="fires after for_seconds, not before",
        ),
        pytest.param(
            [(0, SUSPECT), (60, SUSPECT), (120, RAISED)],
            [(0, INACTIVE, PENDING), (120, PENDING, FIRING)],
            id="the waiting counts from the first suspicion",
        ),
        pytest.param(
            [(0, SUSPECT), (60, CLEAR)],
            [(0, INACTIVE, PENDING), (60, PENDING, INACTIVE)],
            id="a clear reading ends pending",
        ),
        pytest.param(
            [(0, SUSPECT), (299, SUSPECT), (300, SUSPECT), (301, SUSPECT)],
            [(0, INACTIVE, PENDING), (300, PENDING, INACTIVE), (301, INACTIVE, PENDING)],
            id="suspicion alone lapses",
        ),
        pytest.param(
            [(0, SUSPECT), (299, NO_DATA), (300, NO_DATA)],
            [(0, INACTIVE, PENDING), (300, PENDING, INACTIVE)],
            id="pending lapses without data",
        ),
        pytest.param(
            [(0, RAISED), (60, RAISED), (120, CLEAR), (239, CLEAR), (240, CLEAR), (419, CLEAR), (420, CLEAR)],
            [(0, INACTIVE, PENDING), (60, PENDING, FIRING), (240, FIRING, RESOLVED), (420, RESOLVED, INACTIVE)],
            id="resolved after keep_firing_seconds of quiet, forgotten after resolved_seconds",
        ),
        pytest.param(
            [(0, RAISED), (60, RAISED), (120, CLEAR), (180, SUSPECT), (240, CLEAR), (360, CLEAR)],
            [(0, INACTIVE, PENDING), (60, PENDING, FIRING), (360, FIRING, RESOLVED)],
            id="quiet that is broken starts anew",
        ),
        pytest.param(
            [(0, RAISED), (60, RAISED), (120, CLEAR), (180, NO_DATA), (240, CLEAR), (360, CLEAR)],
            [(0, INACTIVE, PENDING), (60, PENDING, FIRING), (360, FIRING, RESOLVED)],
            id="silence is not quiet",
        ),
        pytest.param(
            [(0, RAISED), (60, RAISED), (120, NO_DATA), (719, NO_DATA), (720, NO_DATA)],
            [(0, INACTIVE, PENDING), (60, PENDING, FIRING), (720, FIRING, RESOLVED)],
            id="firing is kept without data, then closed",
        ),
        pytest.param(
            [(0, RAISED), (60, RAISED), (120, NO_DATA), (600, RAISED), (660, NO_DATA), (1259, NO_DATA)],
            [(0, INACTIVE, PENDING), (60, PENDING, FIRING)],
            id="data in between starts the silence anew",
        ),
        pytest.param(
            [(0, RAISED), (60, RAISED), (120, CLEAR), (240, CLEAR), (300, SUSPECT), (360, RAISED)],
            [
                (0, INACTIVE, PENDING),
                (60, PENDING, FIRING),
                (240, FIRING, RESOLVED),
                (300, RESOLVED, PENDING),
                (360, PENDING, FIRING),
            ],
            id="it may come back while it is still shown as resolved",
        ),
        pytest.param(
            [(0, RAISED), (60, RAISED), (-86_400, RAISED), (120, CLEAR), (240, CLEAR)],
            [(0, INACTIVE, PENDING), (60, PENDING, FIRING), (240, FIRING, RESOLVED)],
            id="a clock set back changes nothing",
        ),
    ],
)
def test_changes(events, expected):
    changes, _ = play(TIMING, [(after, seen(level)) for after, level in events])
    assert changes == expected


def test_an_alert_without_waiting_time_is_pending_and_firing_at_once():
    timing = Timing(0, 300, 0, 900, 600, 180)
    changes, state = play(timing, [(0, seen(RAISED))])
    assert changes == [(0, INACTIVE, PENDING), (0, PENDING, FIRING)]
    assert state.fired_at == START


def test_quiet_counts_although_something_is_still_suspect():
    timing = Timing(0, 300, 0, 900, 600, 180)
    changes, _ = play(timing, [(0, seen(RAISED)), (60, seen(SUSPECT)), (120, seen(SUSPECT, quiet=True))])
    assert changes[-1] == (120, FIRING, RESOLVED)


def test_clear_without_quiet_ends_after_a_while():
    timing = Timing(0, 300, 0, 900, 600, 180)
    events = [(0, seen(RAISED)), (60, seen(CLEAR, quiet=False)), (500, seen(SUSPECT))]
    events += [(600, seen(CLEAR, quiet=False)), (1499, seen(CLEAR, quiet=False)), (1500, seen(CLEAR, quiet=False))]
    changes, _ = play(timing, events)
    assert changes[2:] == [(1500, FIRING, RESOLVED)]


def test_reasons_say_how_it_ended():
    state = AlertState(WHO, FIRING, START, fired_at=START, no_data_since=START, peak=7.0)
    _, (closed,) = step(TIMING, state, seen(NO_DATA), START + 1800)
    assert closed.reason.render() == "No readings for 30 minutes: closed as “no data”, how it ended is not known."
    assert closed.readings == {"no_data": True, "duration_seconds": 1800, "peak": 7.0}
    state = AlertState(WHO, FIRING, START, fired_at=START, quiet_since=START)
    _, (resolved,) = step(TIMING, state, seen(CLEAR), START + 300)
    assert resolved.reason.render() == "seen clear"
    assert resolved.readings == {"level": "clear", "duration_seconds": 300, "peak": 0.0}
    _, (lapsed,) = step(TIMING, AlertState(WHO, PENDING, START), seen(SUSPECT), START + 300)
    assert lapsed.reason.render() == "No further evidence within 5 minutes."


def test_the_worst_is_kept_until_it_is_resolved():
    timing = Timing(0, 300, 0, 900, 600, 180)
    events = [
        (0, seen(RAISED, magnitude=20.0)),
        (60, seen(RAISED, magnitude=90.0)),
        (120, seen(RAISED, magnitude=30.0)),
    ]
    _, state = play(timing, events)
    assert state.peak == 90.0
    _, (resolved,) = step(timing, state, seen(CLEAR), START + 180)
    assert resolved.readings["peak"] == 90.0


def test_memory_survives_json():
    _, state = play(
        TIMING, [(0, seen(RAISED)), (60, seen(RAISED, magnitude=3.5)), (120, seen(CLEAR)), (130, seen(NO_DATA))]
    )
    assert AlertState.from_json(json.loads(json.dumps(state.to_json()))) == state


def test_memory_of_an_older_version_is_read():
    state = AlertState.from_json({"subject": "pc1", "state": FIRING, "since": START})
    assert state == AlertState(Subject("pc1", "", ""), FIRING, START)


def test_memory_with_a_foreign_state_is_refused():
    with pytest.raises(ValueError, match="alert state 'open' of 'pc1': expected inactive, pending, firing, resolved"):
        AlertState.from_json({"subject": "pc1", "state": "open", "since": START})


timings = st.builds(
    Timing,
    for_seconds=st.integers(0, 300),
    pending_seconds=st.integers(300, 900),
    keep_firing_seconds=st.integers(0, 600),
    linger_seconds=st.integers(0, 1200),
    no_data_seconds=st.integers(0, 1800),
    resolved_seconds=st.integers(0, 900),
)
histories = st.lists(
    st.tuples(st.integers(1, 400), st.sampled_from(LEVELS), st.booleans(), st.integers(0, 9)), max_size=60
)
ALLOWED = {
    (INACTIVE, PENDING),
    (PENDING, INACTIVE),
    (PENDING, FIRING),
    (FIRING, RESOLVED),
    (RESOLVED, INACTIVE),
    (RESOLVED, PENDING),
}


def walk(timing, history):
    """Every step of a history: (time, state before, observation, state after, changes)."""
    state, now = AlertState(WHO, INACTIVE, START), START
    for pause, level, quiet, magnitude in history:
        now += pause
        observation = seen(level, quiet=quiet and level in (CLEAR, SUSPECT), magnitude=magnitude)
        after, changes = step(timing, state, observation, now)
        yield now, state, observation, after, changes
        state = after


@given(timings, histories)
def test_every_change_is_allowed_connected_timed_and_has_a_reason(timing, history):
    for now, before, _, after, changes in walk(timing, history):
        place = before.state
        for change in changes:
            assert (change.from_state, change.to_state) in ALLOWED
            assert change.from_state == place
            assert change.at == now
            assert change.reason.render()
            json.dumps(dict(change.readings))
            place = change.to_state
        assert after.state == place
        assert after.since == (now if changes else before.since)


@given(timings, histories)
def test_every_pending_ends_in_time(timing, history):
    for now, before, observation, after, _ in walk(timing, history):
        if before.state == PENDING and after.state == PENDING and observation.level != RAISED:
            assert now - after.since < timing.pending_seconds
        if after.state == PENDING and observation.level == RAISED:
            assert now - after.since < timing.for_seconds


@given(timings, histories)
def test_nothing_fires_without_enough_evidence_or_too_early(timing, history):
    for now, before, observation, _, changes in walk(timing, history):
        if any(change.to_state == FIRING for change in changes):
            assert observation.level == RAISED
            pending_since = before.since if before.state == PENDING else now
            assert now - pending_since >= timing.for_seconds


@given(timings, histories)
def test_the_same_history_ends_in_the_same_state_through_json(timing, history):
    state, now = AlertState(WHO, INACTIVE, START), START
    for now, _, observation, after, _ in walk(timing, history):
        state, _ = step(timing, AlertState.from_json(json.loads(json.dumps(state.to_json()))), observation, now)
        assert state == after


@given(timings, histories)
def test_silence_or_quiet_end_every_alert(timing, history):
    states = [after for *_, after, _ in walk(timing, history)]
    end = START + sum(pause for pause, *_ in history)
    for level in (CLEAR, NO_DATA):
        state, now = states[-1] if states else AlertState(WHO, INACTIVE, START), end
        for _ in range(120):
            now += 60
            state, _ = step(timing, state, seen(level), now)
        assert state.state == INACTIVE
