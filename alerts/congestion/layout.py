"""Which terminals and sites there are, and which columns of a window are theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alerts.congestion.parameters import CongestionParameters
from alerts.minutes import Link

Indexes = npt.NDArray[np.int64]

# Twice what a terminal is told to measure: names that one terminal makes up must not widen everybody's arrays.
_MOST_FAR = 32


class Site(NamedTuple):
    """One place with its own line."""

    unit_code: str
    site: str


class SiteStep(NamedTuple):
    """One site in one step; times in microseconds, NaN where nothing was measured.

    Args:
        terminals: how many have a judged far target in this step.
        reporting: how many reported any far target, answered or not.
        confirmed: whether a gateway, an edge target or a second terminal stands beside the far target.
        far: median excess of the far targets, less the gateway's own.
        far_floor: excess of their shortest round trips.
        edge: as `far`, of the edge target.
        edge_floor: as `far_floor`, of the edge target.
        lan: median excess of the gateway.
        spread: usual spread of the far targets.
        wobble: usual wobble of their shortest round trips.
        floor: round trip of the empty line.
        loss_ratio: loss over the evidence steps, beyond the gateway's, the worst of many terminals left out.
        lost: probes lost in this very step.
        loss_significant: whether that loss is more than chance and the line's usual loss give.
        large_ratio: loss of large probes, or slow connects, over the evidence steps where small probes do not show it.
        dead: nothing far answered at any terminal, though probes were sent.
        gateway_dead: the gateway did not answer at any terminal either.
        edge_dead: the edge target did not answer at any terminal; None where there is none.
        edge_sent, edge_received: its probes.
        service_us: first byte beyond two round trips, above what is usual.
        slow_ratio: share of connects slow or failed.
        asked_targets: far targets that were probed.
        dead_targets: those of them that did not answer while another did.
    """

    terminals: int
    reporting: int
    confirmed: bool
    far: float
    far_floor: float
    edge: float
    edge_floor: float
    lan: float
    spread: float
    wobble: float
    floor: float
    loss_ratio: float
    lost: float
    loss_significant: bool
    large_ratio: float
    dead: bool
    gateway_dead: bool
    edge_dead: bool | None
    edge_sent: float
    edge_received: float
    service_us: float
    slow_ratio: float
    asked_targets: tuple[str, ...] = ()
    dead_targets: tuple[str, ...] = ()


class Terminal(NamedTuple):
    """One terminal and where it stands."""

    device_id: str
    unit_code: str
    site: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns of a window belong to which terminal and site.

    Args:
        sites: in their order.
        terminals: in their order.
        members: (sites, most terminals of a site): index of the terminal, -1 where there is none.
        gateway, edge: per terminal its column, -1 without one.
        far: (terminals, most far targets): columns, -1 where there is none.
        targets: names of the far targets that are the whole province's.
        by_target: (far targets, terminals): columns, -1 where there is none.
    """

    sites: tuple[Site, ...]
    terminals: tuple[Terminal, ...]
    members: Indexes
    gateway: Indexes
    edge: Indexes
    far: Indexes
    targets: tuple[str, ...]
    by_target: Indexes


def layout_of(links: Sequence[Link], parameters: CongestionParameters) -> Layout:
    """The layout of a window's links: far is every target that is neither gateway nor edge."""
    by_terminal: dict[Terminal, dict[str, int]] = defaultdict(dict)
    for column, link in enumerate(links):
        by_terminal[Terminal(link.device_id, link.unit_code, link.site)][link.target] = column
    terminals = tuple(sorted(by_terminal, key=lambda one: (one.unit_code, one.site, one.device_id)))
    sites = tuple(sorted({Site(one.unit_code, one.site) for one in terminals}))
    row = {site: at for at, site in enumerate(sites)}
    members: list[list[int]] = [[] for _ in sites]
    far: list[list[int]] = []
    gateway, edge = [], []
    near = {parameters.gateway_target, parameters.edge_target}
    for at, one in enumerate(terminals):
        targets = by_terminal[one]
        members[row[Site(one.unit_code, one.site)]].append(at)
        gateway.append(targets.get(parameters.gateway_target, -1))
        edge.append(targets.get(parameters.edge_target, -1))
        beyond = [targets[name] for name in sorted(targets) if name not in near][:_MOST_FAR]
        # Where nothing lies beyond the edge, the edge is the farthest that is measured.
        far.append(beyond or [targets[parameters.edge_target]] if parameters.edge_target in targets else beyond)
    names = _province_targets(links, near)
    by_target = [[by_terminal[one].get(name, -1) for one in terminals] for name in names]
    return Layout(
        sites,
        terminals,
        _padded(members),
        np.array(gateway, dtype=np.int64),
        np.array(edge, dtype=np.int64),
        _padded(far),
        names,
        np.array(by_target, dtype=np.int64).reshape(len(names), len(terminals)),
    )


def _province_targets(links: Sequence[Link], near: Collection[str]) -> tuple[str, ...]:
    """The far targets; where there are too many to be told ones, those that more than one site measures."""
    measured: dict[str, set[Site]] = defaultdict(set)
    for link in links:
        if link.target not in near:
            measured[link.target].add(Site(link.unit_code, link.site))
    if len(measured) > _MOST_FAR:
        measured = {name: where for name, where in measured.items() if len(where) > 1}
    return tuple(sorted(measured))


def _padded(rows: Sequence[Sequence[int]]) -> Indexes:
    width = max((len(row) for row in rows), default=0)
    result = np.full((len(rows), max(width, 1)), -1, dtype=np.int64)
    for at, row in enumerate(rows):
        result[at, : len(row)] = row
    return result
