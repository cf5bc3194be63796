"""The labels of a simulated province, taken from its queues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.provinces.queues import Queue
from benchmarks.provinces.sites import Core, Site
from benchmarks.provinces.trouble import MINUTES_PER_DAY, Flags, Floats, covered

CONGESTED_RATIO = 0.6
GREY_RATIO = 0.25
GAP_MINUTES = 3
EVENT_MINUTES = 5
GREY_MINUTES = 3
LEARNING_DAYS = 7


@dataclass(frozen=True)
class Label:
    """What truly was at a site (`*`: everywhere) from minute `start` to `end`, exclusive."""

    site: str
    kind: str
    start: int
    end: int


def runs(flags: Flags, *, gap: int, shortest: int) -> list[tuple[int, int]]:
    """Return the runs of set minutes as (start, end), joined over gaps of at most `gap` minutes."""
    found: list[tuple[int, int]] = []
    for minute in np.flatnonzero(flags).tolist():
        if found and minute - found[-1][1] <= gap:
            found[-1] = (found[-1][0], minute + 1)
        else:
            found.append((minute, minute + 1))
    return [(start, end) for start, end in found if end - start >= shortest]


def label_site(site: Site, access: Queue, core: Queue, reporting: Flags) -> list[Label]:
    """Return a site's labels; only minutes in which a terminal reported can be congested.

    Args:
        site: The site.
        access: The queue of its access line.
        core: The queue of the core.
        reporting: Minutes in which at least one terminal of the site reported.
    """
    near, far = access.congested_ratio(), core.congested_ratio()
    labels = [
        Label(site.name, _kind(near[start:end], far[start:end]), start, end)
        for start, end in runs(
            (np.maximum(near, far) >= CONGESTED_RATIO) & reporting, gap=GAP_MINUTES, shortest=EVENT_MINUTES
        )
        if start >= LEARNING_DAYS * MINUTES_PER_DAY
    ]
    out = covered(site.outages, reporting.size)
    grey = runs((np.maximum(near, far) >= GREY_RATIO) & reporting, gap=GAP_MINUTES, shortest=GREY_MINUTES)
    outages = runs(out, gap=0, shortest=1)
    labels += [Label(site.name, "neither", start, end) for start, end in grey + outages]
    labels += [Label(site.name, "outage", start, end) for start, end in outages]
    labels += [Label(site.name, "lan", period.start, period.end) for period in site.lan_overloads]
    return labels


def label_core(core: Core) -> list[Label]:
    """Return the labels of the service behind the core."""
    return [Label("*", "service", period.start, period.end) for period in core.slow_service]


def _kind(near: Floats, far: Floats) -> str:
    """Return whose queue was congested in more of the minutes."""
    return "core" if (far >= CONGESTED_RATIO).sum() > (near >= CONGESTED_RATIO).sum() else "access"
