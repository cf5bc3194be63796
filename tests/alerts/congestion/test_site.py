"""One site: what it takes to fire, to go on and to end."""

from __future__ import annotations

import math

import pytest

from alerts.congestion.layout import SiteStep
from alerts.congestion.site import SiteState, decide, look


def step_of(far_us=0.0, **changed):
    """A step of a site of two terminals with everything at its baseline but what is stated."""
    values = {
        "terminals": 2,
        "reporting": 2,
        "confirmed": True,
        "far": far_us,
        "far_floor": 0.0 if far_us < 8_000 else far_us * 0.4,
        "edge": math.nan,
        "edge_floor": math.nan,
        "lan": 0.0,
        "spread": 2_000.0,
        "wobble": 300.0,
        "floor": 16_000.0,
        "loss_ratio": 0.0,
        "lost": 0.0,
        "loss_significant": False,
        "large_ratio": 0.0,
        "dead": False,
        "gateway_dead": False,
        "edge_dead": None,
        "edge_sent": 0.0,
        "edge_received": 0.0,
        "service_us": math.nan,
        "slow_ratio": math.nan,
    }
    return SiteStep(**(values | changed))


@pytest.fixture
def run(parameters):
    """Steps of a site (None: no report) -> (steps in which it fired, alarms that ended, last state)."""

    def ran(steps, state=None):
        state, fired, ended = state or SiteState(), [], []
        for number, seen in enumerate(steps):
            if seen is None:
                continue
            before = state.alarm.fired_at if state.alarm else None
            state, view = look(state, number, seen, parameters, gap_steps=10, edge_steps=30)
            if view is None:
                continue
            state, end = decide(state, number, view, "access" if view.hot else None, parameters.congestion)
            ended += [(number, end)] if end else []
            if state.alarm and state.alarm.fired_at is not None and before is None:
                fired.append(number)
        return fired, ended, state

    return ran


QUIET, HOT = step_of(), step_of(40_000.0)
HOTTER = step_of(50_000.0)
MILD = step_of(9_000.0)


@pytest.mark.parametrize(
    ("steps", "fired"),
    [
        ([QUIET, HOT, HOT, QUIET, QUIET, QUIET], []),
        ([QUIET, HOT, QUIET, HOT, QUIET], [3]),
        ([HOT, HOT, HOT], [2]),
        ([HOT, None, HOTTER], [2]),
        # Two floors that agree may be a new route: one step more is waited for.
        ([HOT, None, HOT, HOT], [3]),
        ([HOT, QUIET, QUIET, QUIET, QUIET, HOT], []),
        ([HOT, QUIET, QUIET, QUIET, HOT], [4]),
        # Just above the threshold one step is worth little: the sum must reach four.
        ([MILD] * 3, []),
        ([MILD] * 4, [3]),
    ],
    ids=[
        "touching",
        "apart",
        "three",
        "with a gap",
        "with a gap, two floors alike",
        "too far apart",
        "just near enough",
        "mild",
        "mild for long",
    ],
)
def test_bursts(run, steps, fired):
    assert run(steps)[0] == fired


@pytest.mark.parametrize(("confirmed", "needed"), [(True, 3), (False, 4)])
def test_a_terminal_alone_needs_more_and_without_any_other_witness_still_more(run, confirmed, needed):
    alone = step_of(40_000.0, terminals=1, confirmed=confirmed)
    steps = [alone] * (needed - 1)
    assert run([alone, *[QUIET] * 1, alone])[0] == []
    assert run(steps + [QUIET] * 5)[0] == []
    assert run([*steps, alone])[0] == [needed - 1]


def lossy(ratio, far_us=0.0, *, significant=True):
    return step_of(far_us, loss_ratio=ratio, lost=2.0, loss_significant=significant)


def test_loss_alone_and_loss_with_a_little_delay(run):
    assert run([lossy(0.06)] * 4)[0] == [2]
    assert run([lossy(0.04)] * 20)[0] == []
    assert run([lossy(0.04, 4_500.0)] * 4)[0] == [2]
    assert run([lossy(0.3, significant=False)] * 20)[0] == []
    # Loss of an earlier step still counts in the ratio; this step itself lost nothing.
    assert run([lossy(0.3)._replace(lost=0.0)] * 20)[0] == []


def test_large_packets_or_connects_that_are_lost_where_small_probes_pass(run):
    assert run([step_of(large_ratio=0.3)] * 4)[0] == [2]
    assert run([step_of(large_ratio=0.09)] * 20)[0] == []


def test_the_threshold_follows_the_lines_spread_between_its_bounds(parameters):
    def threshold(spread):
        return look(SiteState(), 0, step_of(spread=spread), parameters, gap_steps=10, edge_steps=30)[1].threshold

    assert [threshold(us) for us in (0.0, 10_000.0, 500_000.0)] == [8_000, 14_000, 50_000]


def test_a_change_of_route_does_not_fire(run):
    longer = step_of(20_000.0, far_floor=20_000.0)
    assert run([QUIET] * 5 + [longer] * 30)[0] == []
    # The same delay without a steady floor is congestion.
    assert run([QUIET] * 5 + [step_of(20_000.0, far_floor=3_000.0 * (n % 4)) for n in range(30)])[0] == [7]


def test_between_half_the_threshold_and_the_threshold_it_goes_on(run):
    fired, ended, state = run([HOT] * 5 + [step_of(5_000.0)] * 60)
    assert (fired, ended) == ([2], [])
    assert state.alarm.fired_at == 2


def test_eight_quiet_steps_of_ten_end_it(run):
    fired, ended, _ = run([HOT] * 5 + [QUIET] * 20)
    assert fired == [2]
    ((at, alarm),) = ended
    # Steps 5 to 12 are quiet.
    assert (at, alarm.pending_since, alarm.peak, alarm.hot_steps) == (12, 0, 40_000.0, 5)
    _, ended, _ = run([HOT] * 5 + [QUIET, QUIET, HOT] * 10)
    assert ended == []


def test_it_comes_back_while_recovering(run):
    fired, ended, state = run([HOT] * 5 + [QUIET] * 6 + [HOT] * 3)
    assert (fired, ended) == ([2], [])
    assert state.alarm.hot_steps == 8


def test_doubt_that_comes_to_nothing_leaves_no_trace(run):
    fired, ended, state = run([HOT, HOT] + [QUIET] * 5)
    assert (fired, ended, state.alarm) == ([], [], None)


def test_after_a_silence_earlier_steps_are_no_evidence(run):
    assert run([HOT, HOT, *[None] * 11, HOT, HOT])[0] == []


def test_while_learning_nothing_is_judged(run):
    fired, _, state = run([step_of(math.nan)] * 30)
    assert fired == []
    assert (state.last_seen, state.judged) == (29, -1)
