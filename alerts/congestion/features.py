"""From the steps of terminals to the steps of sites: excess over each line's own baseline, agreed by the terminals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts.congestion.baselines import Baseline
from alerts.congestion.gathering import BySite, Columns, Flags, Loss, as_flags, finite, nan_min, take
from alerts.congestion.layout import Layout, Site, SiteStep
from alerts.congestion.parameters import CongestionParameters
from alerts.minutes import Floats, LinkWindow

# A poor guess where a line's own spread is not known yet.
_SPREAD_UNKNOWN_US = 4000.0
_WOBBLE_UNKNOWN_US = 1000.0


@dataclass(frozen=True, slots=True)
class Steps:
    """The judged steps of one window.

    Args:
        sites: per step the sites that reported, by site.
        own: (steps, terminals): excess of the terminal over its site, microseconds; NaN where not measured.
    """

    sites: list[dict[Site, SiteStep]]
    own: Floats


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
    of = Columns(window, baseline, layout)
    gateway_excess = of.gateway("rtt_p50_us") - of.gateway_floor
    lan = np.maximum(np.nan_to_num(gateway_excess, nan=0.0), 0.0)
    far_each = of.far("rtt_p50_us") - of.far_floor - lan[:, :, None]
    # Of several far targets the least raised speaks for the network: the others' trouble is their own.
    far = nan_min(far_each)
    # What the office's own network adds even to the shortest round trips is no change of route either.
    lan_floor = np.maximum(np.nan_to_num(of.gateway("rtt_min_us") - of.gateway_floor, nan=0.0), 0.0)
    far_floor = nan_min(of.far("rtt_min_us") - of.far_floor - lan_floor[:, :, None])
    edge = of.edge("rtt_p50_us") - of.edge_floor - lan
    edge_floor = of.edge("rtt_min_us") - of.edge_floor - lan_floor
    sent, received = of.far("sent"), of.far("received")
    reported = np.isfinite(sent).any(axis=2)
    answered = np.nansum(received, axis=2) > 0
    gateway_sent, gateway_received = of.gateway("sent"), of.gateway("received")
    lost, pooled_sent = _lost_beyond_gateway(sent, received, gateway_sent, gateway_received, answered)
    loss = Loss(lost, pooled_sent, of.usual_loss, layout, parameters)
    large = _large_evidence(of, parameters)
    first_byte = of.far("first_byte_us") - 2 * of.far("rtt_p50_us") - of.far_service
    tried = np.nansum(of.far("connect_tried"), axis=2)
    slow = np.nansum(of.far("connect_slow"), axis=2) + np.nansum(of.far("connect_failed"), axis=2)

    by_site = BySite(layout, first)
    terminals = by_site.count(finite(far))
    has_gateway = by_site.count(finite(gateway_excess)) > 0
    has_edge = by_site.count(finite(edge)) > 0
    edge_sent, edge_received = by_site.total(of.edge("sent")), by_site.total(of.edge("received"))
    site_sent, site_tried = by_site.total(np.nansum(sent, axis=2)), by_site.total(tried)
    columns = {
        "terminals": terminals,
        "reporting": by_site.count(as_flags(reported)),
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
        "service_us": by_site.lower_median(nan_min(first_byte)),
        "slow_ratio": np.where(site_tried > 0, by_site.total(slow) / np.maximum(site_tried, 1), np.nan),
    }
    own = _own(far, gateway_excess, by_site)
    rows = _rows(columns, layout.sites)
    if len(layout.targets) > 1:
        _add_targets(rows, window, layout, by_site)
    return Steps(rows, own)


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


def _add_targets(rows: list[dict[Site, SiteStep]], window: LinkWindow, layout: Layout, by_site: BySite) -> None:
    """Says of each far target whether it answered; with one far target alone, that is the site's own outage."""
    totals = [
        (
            by_site.total(take(window.values["sent"], columns)),
            by_site.total(take(window.values["received"], columns)),
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


def _own(far: Floats, gateway_excess: Floats, by_site: BySite) -> Floats:
    """How far each terminal stands above the other terminals of its site, on the way to the gateway or beyond it."""
    first = by_site.first
    far_above = far[first:] - by_site.spread_out(by_site.lower_median(far))
    gateway_above = gateway_excess[first:] - by_site.spread_out(by_site.lower_median(gateway_excess))
    # The far excess has lost the gateway's share already: a bad own link shows at the gateway.
    above: Floats = np.fmax(far_above, gateway_above)
    return above


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


def _large_evidence(of: Columns, parameters: CongestionParameters) -> tuple[Floats, Floats]:
    """Large probes lost and connects slow, and how many were tried; nothing where the gateway loses small ones too."""
    large_sent, large_received = of.far("large_sent"), of.far("large_received")
    bad = np.nansum(np.maximum(large_sent - large_received, 0), axis=2) + np.nansum(of.far("connect_slow"), axis=2)
    tried = np.nansum(large_sent, axis=2) + np.nansum(of.far("connect_tried"), axis=2)
    lossy = of.gateway("received") < (1 - parameters.loss_with_delay_min_ratio) * of.gateway("sent")
    answered = np.nansum(of.far("received"), axis=2) > 0
    usable = ~lossy & answered
    return np.where(usable, bad, 0.0), np.where(usable, tried, 0.0)
