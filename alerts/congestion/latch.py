"""A yes or no with memory: so many raised steps of the last ones turn it on, so many quiet ones turn it off."""

from __future__ import annotations

from typing import NamedTuple


class Latch(NamedTuple):
    """Memory of one latch; steps are numbers.

    Args:
        seen: the newest steps as (step, raised, quiet).
        pending_since: first raised step of the evidence, None without any.
        on_since: step in which it turned on, None while off.
        last_seen: newest step with a reading.
        peak: greatest magnitude while on.
    """

    seen: tuple[tuple[int, bool, bool], ...] = ()
    pending_since: int | None = None
    on_since: int | None = None
    last_seen: int = -1
    peak: float = 0.0


class LatchTerms(NamedTuple):
    """How much it takes, in steps."""

    window: int
    raised: int
    clear_window: int
    clear: int


def turn(latch: Latch, step: int, terms: LatchTerms, *, raised: bool, quiet: bool, magnitude: float = 0.0) -> Latch:
    """Takes one step's reading into account; a step without a reading is simply not given."""
    keep = max(terms.window, terms.clear_window)
    seen = (*(each for each in latch.seen if each[0] > step - keep), (step, raised, quiet))
    hot = [each[0] for each in seen if each[1] and each[0] > step - terms.window]
    if latch.on_since is None:
        pending_since = hot[0] if hot else None
        if raised and len(hot) >= terms.raised:
            return Latch(seen, pending_since, step, step, magnitude)
        return Latch(seen, pending_since, None, step, 0.0)
    calm = sum(each[2] for each in seen if each[0] > max(step - terms.clear_window, latch.on_since))
    if quiet and calm >= terms.clear:
        return Latch((), None, None, step, 0.0)
    peak = max(latch.peak, magnitude) if raised else latch.peak
    return Latch(seen, latch.pending_since, latch.on_since, step, peak)
