"""Where the delay is: beyond the access line, or on it. By near and far targets, by agreement of the sites, or both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median_low
from typing import NamedTuple

from alerts.congestion.layout import Site
from alerts.congestion.parameters import CongestionParameters
from alerts.congestion.site import ACCESS, CORE, View

_SITES_THAT_TELL = 2
_SAME_QUEUE_RATIO = 2.0
_SAME_QUEUE_US = 10_000.0


class Province(NamedTuple):
    """What all sites of one step say together.

    Args:
        quorum: so many sites are raised at once that it cannot be their own lines.
        core_us: delay between edge and far target, the middle of the sites whose edge answers; NaN where too few do.
        raised: sites raised in this step.
        reporting: sites judged in this step.
    """

    quorum: bool
    core_us: float
    raised: int
    reporting: int


def together(views: Mapping[Site, View], terms: CongestionParameters) -> Province:
    """Joins the sites of one step."""
    raised = sum(view.hot for view in views.values())
    beyond = [view.added - max(view.edge_added, 0.0) for view in views.values() if not math.isnan(view.edge_added)]
    core_us = median_low(beyond) if len(beyond) >= _SITES_THAT_TELL else math.nan
    quorum = raised >= terms.quorum_sites and raised >= terms.quorum_ratio * len(views)
    return Province(quorum, core_us, raised, len(views))


def place_of(view: View, province: Province) -> str:
    """`access` or `core` for a raised step.

    With an edge that answers: the longer part of the two. Without: a core queue is the same queue for all sites, so
    what the sites with an edge see beyond it must be there too and must explain this site's delay. Without any such
    site, only many sites raised at once speak for the core.
    """
    if not math.isnan(view.edge_added):
        if view.lossy and view.added <= view.threshold:
            return CORE if province.quorum else ACCESS
        on_line = max(view.edge_added, 0.0)
        return CORE if view.added - on_line > on_line else ACCESS
    if not math.isnan(province.core_us):
        shared = province.core_us > view.threshold / 2
        return CORE if shared and view.added < _SAME_QUEUE_RATIO * province.core_us + _SAME_QUEUE_US else ACCESS
    return CORE if province.quorum else ACCESS
