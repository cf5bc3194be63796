"""Latency of whole offices over time, as charts draw it: the middle of the terminals, minute by minute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts.congestion.layout import Site
from alerts.congestion.parameters import CongestionParameters
from alerts.replay.trace import Trace
from collector.web.chart import MOST_COLUMNS, LatencyPoint

# Less is chance on many minutes together, and would fill the chart with marks.
SHOWN_LOSS_RATIO = 0.02


@dataclass(frozen=True, slots=True)
class SiteLines:
    """One office's latency.

    Args:
        site: the office.
        target: the far target that the main line tells of; empty where none was measured.
        points: of that target: the middle of the minutes of each column, and the lowest and highest of them.
        gateway, edge: of the near targets; empty where they were not measured.
        terminals: how many reported.
    """

    site: Site
    target: str
    points: tuple[LatencyPoint, ...]
    gateway: tuple[LatencyPoint, ...]
    edge: tuple[LatencyPoint, ...]
    terminals: int


def site_lines(trace: Trace, start: int, end: int, terms: CongestionParameters) -> tuple[SiteLines, ...]:
    """The lines of every office of a trace, in order of their codes.

    Of several far targets the one with most readings is taken.

    Args:
        trace: readings.
        start: left edge, seconds since 1970-01-01 UTC.
        end: right edge.
        terms: names of the near targets.
    """
    times = trace.steps * trace.step_seconds
    shown = (times >= start) & (times < end)
    near = terms.gateway_target, terms.edge_target
    columns: dict[Site, dict[str, list[int]]] = {}
    for number, link in enumerate(trace.links):
        columns.setdefault(Site(link.unit_code, link.site), {}).setdefault(link.target, []).append(number)
    counts = np.bincount(trace.of_link[shown], minlength=len(trace.links))
    result = []
    for site, targets in sorted(columns.items()):
        links = [number for numbers in targets.values() for number in numbers if counts[number]]
        if not links:
            continue
        far = {name: int(counts[numbers].sum()) for name, numbers in targets.items() if name not in near}
        main = max(sorted(far), key=lambda name: far[name], default="")

        def line(name: str, targets: dict[str, list[int]] = targets) -> tuple[LatencyPoint, ...]:
            member = shown & np.isin(trace.of_link, targets.get(name, []))
            return _points(trace, member, start, end)

        terminals = len({trace.links[number].device_id for number in links})
        result.append(SiteLines(site, main, line(main), line(near[0]), line(near[1]), terminals))
    return tuple(result)


def _points(trace: Trace, member: npt.NDArray[np.bool_], start: int, end: int) -> tuple[LatencyPoint, ...]:
    steps = trace.steps[member]
    if not len(steps):
        return ()
    order = np.argsort(steps, kind="stable")
    steps = steps[order]
    median_us, sent, received = (trace.values[name][member][order] for name in ("rtt_p50_us", "sent", "received"))
    first = np.flatnonzero(np.diff(steps, prepend=steps[0] - 1))
    minutes = steps[first] * trace.step_seconds
    middle = np.array([_middle(part) for part in np.split(median_us, first[1:])])
    sent, received = np.add.reduceat(np.nan_to_num(sent), first), np.add.reduceat(np.nan_to_num(received), first)
    width = max(trace.step_seconds, -(-(end - start) // MOST_COLUMNS))
    cuts = np.flatnonzero(np.diff((minutes - start) // width, prepend=-1))
    points = []
    for low, high in zip(cuts, (*cuts[1:], len(minutes)), strict=True):
        part = slice(int(low), int(high))
        known = middle[part][np.isfinite(middle[part])]
        asked, answered = int(sent[part].sum()), int(received[part].sum())
        lost = asked > 0 and asked - answered >= SHOWN_LOSS_RATIO * asked
        points.append(
            LatencyPoint(
                time_seconds=int(minutes[(int(low) + int(high) - 1) // 2]),
                minimum_us=round(float(known.min())) if len(known) else None,
                median_us=round(float(np.median(known))) if len(known) else None,
                p95_us=round(float(known.max())) if len(known) else None,
                sent=asked,
                received=answered if lost else asked,
            )
        )
    return tuple(points)


def _middle(values: npt.NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
