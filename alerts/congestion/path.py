"""Follows the length of a site's path: a change of route lifts the shortest round trips by the same, steady amount.

A queue lifts them too, but not steadily: the shortest of a minute's probes differs from minute to minute by what the
queue differs, and a queue that is always full loses probes.
"""

from __future__ import annotations

from typing import NamedTuple

from alerts.congestion.parameters import PathChangeParameters


class PathLevel(NamedTuple):
    """What is known of one path; times are step numbers, lengths microseconds above the baseline.

    Args:
        shift: accepted length.
        recent: the newest steps: number, floor, whether calm.
        candidate: a length that was seen steadily, not accepted yet.
        candidate_steps: for how many steps.
        candidate_since: first step of it.
        suspected: the newest two floors agree on a new length; too early to call it a candidate.
    """

    shift: float = 0.0
    recent: tuple[tuple[int, float, bool], ...] = ()
    candidate: float | None = None
    candidate_steps: int = 0
    candidate_since: int = 0
    suspected: bool = False

    @property
    def effective(self) -> float:
        """The length to judge by now: an unaccepted candidate counts too, or its first steps would alarm."""
        return self.shift if self.candidate is None else self.candidate


class PathChange(NamedTuple):
    """A new length was accepted.

    Args:
        since: step in which it was first seen.
        at: step in which it was accepted.
        change: microseconds against the length before.
        shift: microseconds against the baseline now.
    """

    since: int
    at: int
    change: float
    shift: float


def follow(
    level: PathLevel,
    step: int,
    floor: float,
    *,
    calm: bool,
    wobble: float,
    base: float,
    lossy: bool,
    window: int,
    parameters: PathChangeParameters,
) -> tuple[PathLevel, PathChange | None]:
    """Takes one step's floor into account.

    Args:
        level: as the last step left it.
        step: number of the step.
        floor: shortest round trips of the site above their baseline, microseconds.
        calm: the middle round trip stands no further above the shortest than usual: no queue in this step.
        wobble: by how much they usually differ, microseconds.
        base: round trip of the empty line, microseconds.
        lossy: significant loss: what looks steady may be a full queue.
        window: steps that are looked at.
        parameters: of the rule `path_change`.
    """
    tolerance = min(max(parameters.steady_ratio * wobble, parameters.steady_min_us), parameters.steady_max_us)
    least = max(parameters.step_min_us, 2 * tolerance)
    most = max(parameters.step_max_us, parameters.step_max_ratio * base)
    recent = (*(each for each in level.recent if each[0] > step - window), (step, floor, calm))
    floors = [each[1] for each in recent]
    steady = _steady(recent, tolerance, parameters.steady_steps, parameters.calm_steps)
    change = steady - level.shift if steady is not None else 0.0
    if steady is None or abs(change) < least or change > most or (lossy and change > 0):
        suspected = (
            len(floors) > 1
            and not lossy
            and abs(floors[-1] - floors[-2]) <= tolerance
            and least <= floors[-1] - level.shift <= most
            and (len(floors) == 2 or abs(floors[-3] - floors[-1]) > tolerance)  # noqa: PLR2004 - the two just compared
        )
        return PathLevel(level.shift, recent, suspected=suspected), None
    goes_on = level.candidate is not None and abs(level.candidate - steady) <= 2 * tolerance
    steps = level.candidate_steps + 1 if goes_on else parameters.steady_steps
    since = level.candidate_since if goes_on else recent[-min(len(recent), parameters.steady_steps)][0]
    if steps >= parameters.accept_steps:
        return PathLevel(steady, recent), PathChange(since, step, change, steady)
    return PathLevel(level.shift, recent, steady, steps, since), None


def _steady(recent: tuple[tuple[int, float, bool], ...], tolerance: float, steps: int, calm_steps: int) -> float | None:
    """The length that enough of these floors agree on, None if they do not.

    Either the newest ones agree; or, in busy minutes, enough of all stand just above the lowest. Some of them must be
    calm: a queue that is always full lifts the shortest round trips steadily too, but never lets a probe pass at once.
    """
    newest = recent[-steps:]
    floors = [each[1] for each in newest]
    if len(newest) < steps or max(floors) - min(floors) > tolerance:
        lowest = min(each[1] for each in recent)
        newest = tuple(each for each in recent if each[1] - lowest <= tolerance)
        floors = [each[1] for each in newest]
    if len(newest) < steps or sum(each[2] for each in newest) < calm_steps:
        return None
    return sorted(floors)[len(floors) // 2]
