"""From the steps of terminals to the steps of sites: excess over each line's own baseline, agreed by the terminals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alerts.congestion.baselines import Baseline
from alerts.congestion.parameters import CongestionParameters
from alerts.minutes import Floats, Link, LinkWindow

Indexes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_USUAL_LOSS_LEAST_RATIO = 0.001
# A poor guess where a line's own spread is not known yet.
_SPREAD_UNKNOWN_US = 4000.0
_WOBBLE_UNKNOWN_US = 1000.0
_MANY = 3


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
        targets: names of the far targets.
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


@dataclass(frozen=True, slots=True)
class Steps:
    """The judged steps of one window.

    Args:
        sites: per step the sites that reported, by site.
        own: (steps, terminals): excess of the terminal over its site, microseconds; NaN where not measured.
        own_gateway: (steps, terminals): whether it is the way to the gateway that is raised.
    """

    sites: list[dict[Site, SiteStep]]
    own: Floats
    own_gateway: Flags


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
        beyond = [targets[name] for name in sorted(targets) if name not in near]
        # Where nothing lies beyond the edge, the edge is the farthest that is measured.
        far.append(beyond or [targets[parameters.edge_target]] if parameters.edge_target in targets else beyond)
    names = tuple(sorted({link.target for link in links} - near))
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


def steps_of(
    window: LinkWindow,
    baseline: Baseline,
    layout: Layout,
    first: int,
    parameters: CongestionParameters,
) -> Steps:
    """Judges the rows of a window from `first` on; the rows before serve the evidence over several steps.

    Args:
        window: at least `evidence_steps - 1` rows before `first` where there are such.
        baseline: of the window's links, holding for all judged rows.
        layout: of the window's links.
        first: row.
        parameters: of the rule `congestion`.
    """
    of = _Columns(window, baseline, layout)
    gateway_excess = of.gateway("rtt_p50_us") - of.gateway_floor
    lan = np.maximum(np.nan_to_num(gateway_excess, nan=0.0), 0.0)
    far_each = of.far("rtt_p50_us") - of.far_floor - lan[:, :, None]
    # Of several far targets the least raised speaks for the network: the others' trouble is their own.
    far = _nanmin(far_each)
    far_floor = _nanmin(of.far("rtt_min_us") - of.far_floor)
    edge = of.edge("rtt_p50_us") - of.edge_floor - lan
    edge_floor = of.edge("rtt_min_us") - of.edge_floor
    sent, received = of.far("sent"), of.far("received")
    reported = np.isfinite(sent).any(axis=2)
    answered = np.nansum(received, axis=2) > 0
    gateway_sent, gateway_received = of.gateway("sent"), of.gateway("received")
    lost, pooled_sent = _lost_beyond_gateway(sent, received, gateway_sent, gateway_received, answered)
    loss = _Loss(lost, pooled_sent, of.usual_loss, layout, parameters)
    large = _large_evidence(of, parameters)
    first_byte = of.far("first_byte_us") - 2 * of.far("rtt_p50_us") - of.far_service
    tried = np.nansum(of.far("connect_tried"), axis=2)
    slow = np.nansum(of.far("connect_slow"), axis=2) + np.nansum(of.far("connect_failed"), axis=2)

    by_site = _BySite(layout, first)
    terminals = by_site.count(_finite(far))
    has_gateway = by_site.count(_finite(gateway_excess)) > 0
    has_edge = by_site.count(_finite(edge)) > 0
    edge_sent, edge_received = by_site.total(of.edge("sent")), by_site.total(of.edge("received"))
    site_sent, site_tried = by_site.total(np.nansum(sent, axis=2)), by_site.total(tried)
    columns = {
        "terminals": terminals,
        "reporting": by_site.count(_flags(reported)),
        "confirmed": has_gateway | has_edge | (terminals > 1),
        "far": by_site.lower_median(far),
        "far_floor": by_site.lower_median(far_floor),
        "edge": by_site.lower_median(edge),
        "edge_floor": by_site.lower_median(edge_floor),
        "lan": by_site.lower_median(gateway_excess),
        "spread": np.nan_to_num(by_site.lower_median(of.usual("spread_us")), nan=_SPREAD_UNKNOWN_US),
        "wobble": np.nan_to_num(by_site.lower_median(of.usual("wobble_us")), nan=_WOBBLE_UNKNOWN_US),
        "floor": np.nan_to_num(by_site.lower_median(of.usual("floor_us")), nan=0.0),
        "loss_ratio": loss.ratio[first:],
        "lost": by_site.total(lost),
        "loss_significant": loss.significant[first:],
        "large_ratio": by_site.pooled_ratio(*large, parameters.evidence_steps, parameters.large_loss_min_count),
        "dead": (site_sent > 0) & (by_site.total(np.nansum(received, axis=2)) == 0),
        "gateway_dead": (by_site.total(gateway_sent) > 0) & (by_site.total(gateway_received) == 0),
        "edge_sent": edge_sent,
        "edge_received": edge_received,
        "service_us": by_site.lower_median(_nanmin(first_byte)),
        "slow_ratio": np.where(site_tried > 0, by_site.total(slow) / np.maximum(site_tried, 1), np.nan),
    }
    own, own_gateway = _own(far, gateway_excess, by_site)
    rows = _rows(columns, layout.sites)
    if len(layout.targets) > 1:
        _add_targets(rows, window, layout, by_site)
    return Steps(rows, own, own_gateway)


def _rows(columns: dict[str, npt.NDArray[np.generic]], sites: Sequence[Site]) -> list[dict[Site, SiteStep]]:
    lists = {name: values.tolist() for name, values in columns.items()}
    result: list[dict[Site, SiteStep]] = []
    for at in range(len(lists["reporting"])):
        row = {name: values[at] for name, values in lists.items()}
        step: dict[Site, SiteStep] = {}
        for column, site in enumerate(sites):
            if not row["reporting"][column]:
                continue
            fields = {name: values[column] for name, values in row.items()}
            fields["edge_dead"] = fields["edge_received"] == 0 if fields["edge_sent"] > 0 else None
            step[site] = SiteStep(**fields)
        result.append(step)
    return result


def _add_targets(rows: list[dict[Site, SiteStep]], window: LinkWindow, layout: Layout, by_site: _BySite) -> None:
    """Says of each far target whether it answered; with one far target alone, that is the site's own outage."""
    totals = [
        (
            by_site.total(_take(window.values["sent"], columns)),
            by_site.total(_take(window.values["received"], columns)),
        )
        for columns in layout.by_target
    ]
    for at, row in enumerate(rows):
        for number, site in enumerate(layout.sites):
            if site not in row:
                continue
            asked = [name for name, (sent, _) in zip(layout.targets, totals, strict=True) if sent[at, number] > 0]
            dead = [
                name
                for name, (sent, received) in zip(layout.targets, totals, strict=True)
                if sent[at, number] > 0 and received[at, number] == 0
            ]
            if len(dead) < len(asked):
                row[site] = row[site]._replace(asked_targets=tuple(asked), dead_targets=tuple(dead))


def _own(far: Floats, gateway_excess: Floats, by_site: _BySite) -> tuple[Floats, Flags]:
    """How far each terminal stands above the other terminals of its site, and whether already at the gateway."""
    first = by_site.first
    far_above = far[first:] - by_site.spread_out(by_site.lower_median(far))
    gateway_above = gateway_excess[first:] - by_site.spread_out(by_site.lower_median(gateway_excess))
    # The far excess has lost the gateway's share already: a bad own link shows at the gateway.
    both = np.fmax(far_above, gateway_above)
    return both, np.nan_to_num(gateway_above, nan=-np.inf) >= np.nan_to_num(far_above, nan=-np.inf)


class _Columns:
    """Values of a window per terminal."""

    def __init__(self, window: LinkWindow, baseline: Baseline, layout: Layout) -> None:
        self._window = window
        self._layout = layout
        self._baseline = baseline
        self.gateway_floor = _take_row(baseline.floor_us, layout.gateway)
        self.edge_floor = _take_row(baseline.floor_us, layout.edge)
        self.far_floor = _take_row(baseline.floor_us, layout.far)
        self.far_service = np.nan_to_num(_take_row(baseline.service_us, layout.far), nan=0.0)
        self.usual_loss = np.nan_to_num(_nanmin(_take_row(baseline.loss_ratio, layout.far)), nan=0.0)

    def gateway(self, field: str) -> Floats:
        """(steps, terminals)."""
        return _take(self._window.values[field], self._layout.gateway)

    def edge(self, field: str) -> Floats:
        """(steps, terminals)."""
        return _take(self._window.values[field], self._layout.edge)

    def far(self, field: str) -> Floats:
        """(steps, terminals, far targets)."""
        return _take(self._window.values[field], self._layout.far)

    def usual(self, name: str) -> Floats:
        """(steps, terminals): a statistic of the far targets where the terminal reports."""
        row = _nanmin(_take_row(getattr(self._baseline, name), self._layout.far))
        reported = np.isfinite(self.far("sent")).any(axis=2)
        return np.where(reported, row[None, :], np.nan)


class _BySite:
    """Brings (steps, terminals) to (steps, sites), from row `first` on."""

    def __init__(self, layout: Layout, first: int) -> None:
        self.first = first
        self._members = layout.members
        self._site_of = np.zeros(len(layout.terminals), dtype=np.int64)
        for site, row in enumerate(layout.members):
            self._site_of[row[row >= 0]] = site

    def lower_median(self, values: Floats) -> Floats:
        """The lower of the two middle values where their number is even: with two terminals both must agree."""
        ordered = np.sort(_take(values[self.first :], self._members), axis=2)
        count = np.isfinite(ordered).sum(axis=2)
        middle = np.maximum((count - 1) // 2, 0)
        found: Floats = np.take_along_axis(ordered, middle[:, :, None], axis=2)[:, :, 0]
        return found

    def count(self, flags: Flags) -> Indexes:
        """How many terminals."""
        padded = np.concatenate([flags[self.first :], np.zeros((len(flags) - self.first, 1), dtype=bool)], axis=1)
        counted: Indexes = padded[:, self._members].sum(axis=2)
        return counted

    def total(self, values: Floats) -> Floats:
        """Sum over the terminals, missing values as nothing."""
        summed: Floats = np.nansum(_take(values[self.first :], self._members), axis=2)
        return summed

    def spread_out(self, values: Floats) -> Floats:
        """(steps, sites) -> (steps, terminals)."""
        return values[:, self._site_of]

    def pooled_ratio(self, bad: Floats, tried: Floats, steps: int, least: int) -> Floats:
        """Share of bad ones over the last steps, the site's terminals together; 0 below `least` bad ones."""
        members = self._members
        bad_total = np.nansum(_take(_rolling(bad, steps), members), axis=2)[self.first :]
        tried_total = np.nansum(_take(_rolling(tried, steps), members), axis=2)[self.first :]
        enough = (bad_total >= least) & (tried_total > 0)
        return np.where(enough, bad_total / np.maximum(tried_total, 1), 0.0)


class _Loss:
    """Loss of each site over the evidence steps: (steps, sites)."""

    def __init__(
        self, lost: Floats, sent: Floats, usual: Floats, layout: Layout, parameters: CongestionParameters
    ) -> None:
        steps = parameters.evidence_steps
        members = layout.members
        pool_sent, pool_lost = _take(_rolling(sent, steps), members), _take(_rolling(lost, steps), members)
        pool_sent, pool_lost = np.nan_to_num(pool_sent), np.nan_to_num(pool_lost)
        with np.errstate(invalid="ignore", divide="ignore"):
            each = np.where(pool_sent > 0, pool_lost / pool_sent, -1.0)
        # One terminal's own radio link must not pass for the line's loss.
        worst = each.argmax(axis=2)[:, :, None]
        many = ((pool_sent > 0).sum(axis=2) >= _MANY)[:, :, None]
        keep = ~((np.arange(members.shape[1])[None, None, :] == worst) & many)
        site_sent, site_lost = (pool_sent * keep).sum(axis=2), (pool_lost * keep).sum(axis=2)
        usual_each = np.where(pool_sent > 0, np.append(usual, np.nan)[members][None], np.nan)
        with np.errstate(invalid="ignore"):
            counted = np.isfinite(usual_each).sum(axis=2)
            usual_site = np.nansum(usual_each, axis=2) / np.maximum(counted, 1)
        expected = site_sent * np.clip(usual_site, _USUAL_LOSS_LEAST_RATIO, parameters.usual_loss_max_ratio)
        with_loss = _rolling((np.nansum(_take(lost, members), axis=2) > 0).astype(np.float64), steps)
        self.ratio: Floats = np.where(site_sent > 0, site_lost / np.maximum(site_sent, 1), 0.0)
        self.significant: Flags = (site_lost >= expected + 4 * np.sqrt(expected) + 2) & (
            with_loss >= parameters.loss_steps
        )


def _lost_beyond_gateway(
    sent: Floats, received: Floats, gateway_sent: Floats, gateway_received: Floats, answered: Flags
) -> tuple[Floats, Floats]:
    """Probes lost beyond the gateway's own share, and probes sent, of the steps in which anything was answered."""
    with np.errstate(invalid="ignore", divide="ignore"):
        gateway_loss = np.clip((gateway_sent - gateway_received) / gateway_sent, 0, 1)
    # A gateway that answers nothing at all is one that does not answer, not one that loses everything.
    gateway_loss = np.where(np.nan_to_num(gateway_received, nan=0.0) > 0, np.nan_to_num(gateway_loss, nan=0.0), 0.0)
    each = np.where(np.isfinite(sent) & (received > 0), sent - received - gateway_loss[:, :, None] * sent, np.nan)
    counted = np.where(np.isfinite(each), sent, np.nan)
    lost = np.maximum(np.nansum(each, axis=2), 0.0)
    return np.where(answered, lost, np.nan), np.where(answered, np.nansum(counted, axis=2), np.nan)


def _large_evidence(of: _Columns, parameters: CongestionParameters) -> tuple[Floats, Floats]:
    """Large probes lost and connects slow, and how many were tried; nothing where the gateway loses small ones too."""
    large_sent, large_received = of.far("large_sent"), of.far("large_received")
    bad = np.nansum(np.maximum(large_sent - large_received, 0), axis=2) + np.nansum(of.far("connect_slow"), axis=2)
    tried = np.nansum(large_sent, axis=2) + np.nansum(of.far("connect_tried"), axis=2)
    lossy = of.gateway("received") < (1 - parameters.loss_with_delay_min_ratio) * of.gateway("sent")
    answered = np.nansum(of.far("received"), axis=2) > 0
    usable = ~lossy & answered
    return np.where(usable, bad, 0.0), np.where(usable, tried, 0.0)


def _rolling(values: Floats, steps: int) -> Floats:
    """Sum over the last `steps` rows, missing values as nothing."""
    filled = np.nan_to_num(values, nan=0.0)
    summed = np.cumsum(filled, axis=0)
    result: Floats = summed.copy()
    result[steps:] -= summed[:-steps]
    return result


def _take(values: npt.NDArray[np.floating], columns: Indexes) -> Floats:
    """Columns of (steps, n) by an index array of any shape; NaN where the index is -1."""
    padded = np.concatenate([values, np.full((len(values), 1), np.nan)], axis=1)
    taken: Floats = padded[:, columns]
    return taken


def _take_row(values: Floats, columns: Indexes) -> Floats:
    padded = np.append(values, np.nan)
    taken: Floats = padded[columns]
    return taken


def _flags(values: npt.ArrayLike) -> Flags:
    return np.asarray(values, dtype=np.bool_)


def _finite(values: Floats) -> Flags:
    return _flags(np.isfinite(values))


def _nanmin(values: Floats) -> Floats:
    """Least along the last axis, NaN where there is none."""
    if not values.shape[-1]:
        return np.full(values.shape[:-1], np.nan)
    result: Floats = np.fmin.reduce(values, axis=-1)
    return result


def _padded(rows: Sequence[Sequence[int]]) -> Indexes:
    width = max((len(row) for row in rows), default=0)
    result = np.full((len(rows), max(width, 1)), -1, dtype=np.int64)
    for at, row in enumerate(rows):
        result[at, : len(row)] = row
    return result
