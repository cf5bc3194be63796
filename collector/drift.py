"""How the map from a monotonic clock to the collector's time follows a clock that drifts. Pure.

A main board that no network corrects is wrong by some tens of parts in a million: by 60 of them 100 s in 20 days of
running.
"""

from __future__ import annotations

# A monotonic clock is wrong by less.
DRIFT_RATIO = 1e-4
# Of less than this a map is not worth changing.
REFINE_SECONDS = 0.25
MOST_KNOTS = 16

# (monotonic seconds, seconds since 1970-01-01 UTC)
Knot = tuple[float, float]


def refined(knots: tuple[Knot, ...], now: float, difference: float) -> tuple[Knot, ...]:
    """The knots of a running boot after one more upload: the quickest tells best, but a drift is followed.

    The last knot is the newest upload; what was made since the one before lies between the two in proportion.

    Args:
        knots: as they were known.
        now: monotonic second at which the upload left, later than the last knot.
        difference: by how many seconds it came later than the last knot says.
    """
    base, time_seconds = knots[-1]
    drift = DRIFT_RATIO * (now - base)
    # Earlier than any drift explains: the uploads before were slow, and what they told was late.
    late = min(difference + drift, 0.0)
    time_seconds += late
    known = (*(knot for knot in knots[:-1] if knot[1] < time_seconds), (base, time_seconds))
    told = (now, time_seconds + now - base + min(max(difference - late, -drift), drift))
    if len(known) > 1 and _is_between(known[-2], known[-1], told):
        known = known[:-1]
    return (*known, told)[-MOST_KNOTS:]


def _is_between(before: Knot, one: Knot, after: Knot) -> bool:
    """Whether a knot adds nothing to those around it."""
    ratio = (after[1] - before[1]) / (after[0] - before[0])
    return abs(before[1] + (one[0] - before[0]) * ratio - one[1]) < REFINE_SECONDS
