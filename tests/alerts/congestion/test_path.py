"""Changes of route and what only looks like one."""

from __future__ import annotations

import pytest

from alerts.congestion.path import PathLevel, follow

WOBBLE_US = 300.0
BASE_US = 16_000.0


@pytest.fixture
def walk(parameters):
    """Floors step by step -> (levels after each step, changes)."""

    def walked(floors, *, calm=True, lossy=False, wobble=WOBBLE_US, level=None):
        levels, changes = [level or PathLevel()], []
        for step, floor in enumerate(floors):
            is_calm = calm if isinstance(calm, bool) else calm[step]
            level, change = follow(
                levels[-1],
                step,
                floor,
                calm=is_calm,
                wobble=wobble,
                base=BASE_US,
                lossy=lossy,
                window=parameters.congestion.evidence_steps,
                parameters=parameters.path,
            )
            levels.append(level)
            changes += [change] if change else []
        return levels[1:], changes

    return walked


def test_a_new_route_is_suspected_at_two_steps_judged_by_at_three_and_accepted_at_six(walk, parameters):
    levels, changes = walk([0, 0, 0, *[20_000 + 100 * (n % 3) for n in range(6)]])
    assert [level.suspected for level in levels] == [False, False, False, False, True, False, False, False, False]
    assert [level.candidate is not None for level in levels] == [False] * 5 + [True] * 3 + [False]
    assert levels[4].effective == 0
    assert levels[5].effective == pytest.approx(20_000, abs=300)
    (change,) = changes
    assert (change.since, change.at) == (3, 3 + parameters.path.accept_steps - 1)
    assert change.shift == levels[-1].shift == pytest.approx(20_000, abs=300)


def test_the_way_back_is_a_change_too(walk):
    there, _ = walk([20_000] * 8)
    back, changes = walk([0] * 8, level=there[-1]._replace(recent=()))
    assert back[-1].shift == 0
    assert changes[0].change == pytest.approx(-20_000)


def test_a_shorter_route(walk):
    levels, changes = walk([-6_000] * 8)
    assert levels[-1].shift == -6_000
    assert [change.change for change in changes] == [-6_000]


def test_with_loss_a_longer_floor_is_a_queue_but_a_shorter_one_is_a_route(walk):
    levels, changes = walk([20_000] * 12, lossy=True)
    assert changes == []
    assert not any(level.suspected or level.candidate for level in levels)
    assert len(walk([-6_000] * 12, lossy=True)[1]) == 1


def test_a_queue_that_a_constant_overload_keeps_full_is_no_route_however_flat(walk):
    levels, changes = walk([300_000] * 30)
    assert changes == []
    assert all(level.effective == 0 and not level.suspected for level in levels)


def test_a_floor_that_is_steady_but_never_calm_is_a_tiny_buffer_that_is_full(walk):
    assert walk([14_000] * 30, calm=False)[1] == []
    # One calm step of three is not enough, two are.
    assert walk([14_000] * 30, calm=[n % 3 == 0 for n in range(30)])[1] == []
    assert len(walk([14_000] * 30, calm=[n % 3 != 0 for n in range(30)])[1]) == 1


@pytest.mark.parametrize(
    "floors",
    [[2_900] * 30, [0, 20_000] * 15, [n * 3_000 for n in range(20)]],
    ids=["too small", "not steady", "rising"],
)
def test_no_route(walk, floors):
    assert walk(floors)[1] == []


def test_what_is_small_beside_a_lines_own_wobble_is_no_route(walk):
    assert walk([5_000] * 12, wobble=2_500)[1] == []
    assert len(walk([5_000] * 12, wobble=500)[1]) == 1


def test_steps_that_lie_apart_are_not_the_newest(parameters):
    level = PathLevel()
    for step in (0, 10, 20, 30, 40, 50, 60):
        level, change = follow(
            level,
            step,
            20_000,
            calm=True,
            wobble=WOBBLE_US,
            base=BASE_US,
            lossy=False,
            window=5,
            parameters=parameters.path,
        )
        assert change is None
        assert len(level.recent) == 1
