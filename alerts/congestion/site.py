"""One site, step by step: is its line raised above what is usual, and since when. Where that is, `place` says."""

from __future__ import annotations

import math
from typing import NamedTuple

from alerts.congestion.layout import SiteStep
from alerts.congestion.parameters import CongestionParameters, DetectorParameters
from alerts.congestion.path import PathChange, PathLevel, follow

_STRENGTH_OF_ONE_STEP_MAX = 2.0
_VOTES = 12
_VOTES_TO_MOVE = 9
_EDGE_ANSWERS_RATIO = 0.9

ACCESS = "access"
CORE = "core"


class Evidence(NamedTuple):
    """One step that is still looked at; microseconds above the baseline."""

    step: int
    far: float
    lossy: bool
    loss_ratio: float
    large_ratio: float


class Alarm(NamedTuple):
    """An alarm under way; times are step numbers.

    Args:
        pending_since: first raised step of the evidence.
        fired_at: None while pending.
        place: `access` or `core`.
        votes: the newest raised steps' places.
        quiet: the newest steps, whether quiet.
        last_seen: newest step with a reading.
        peak: greatest added delay, microseconds.
        added: newest added delay.
        loss_ratio: greatest loss.
        large_ratio: greatest loss of large probes or share of slow connects.
        hot_steps: raised steps so far.
        terminals: most terminals that reported together.
        threshold: from which the newest raised step counted as such.
        lines: most access lines that were congested at the same time, this one included.
    """

    pending_since: int
    fired_at: int | None = None
    place: str = ACCESS
    votes: tuple[str, ...] = ()
    quiet: tuple[tuple[int, bool], ...] = ()
    last_seen: int = -1
    peak: float = 0.0
    added: float = 0.0
    loss_ratio: float = 0.0
    large_ratio: float = 0.0
    hot_steps: int = 0
    terminals: int = 0
    threshold: float = 0.0
    lines: int = 1


class SiteState(NamedTuple):
    """Memory of one site between steps.

    Args:
        far: length of the whole path.
        edge: length of the path to the edge.
        window: evidence steps.
        edge_probes: (step, sent, received) of the edge target over the last half hour.
        alarm: pending or firing, None if neither.
        last_seen: newest step with a reading.
        judged: newest step that could be judged against a baseline.
    """

    far: PathLevel = PathLevel()
    edge: PathLevel = PathLevel()
    window: tuple[Evidence, ...] = ()
    edge_probes: tuple[tuple[int, float, float], ...] = ()
    alarm: Alarm | None = None
    last_seen: int = -1
    judged: int = -1


class View(NamedTuple):
    """What one step of one site comes to.

    Args:
        added: delay above the baseline and the accepted path, microseconds.
        edge_added: the same up to the edge; NaN where the edge does not tell.
        threshold: from which a step is raised.
        hot: whether it is raised.
        lossy: whether by loss.
        hot_steps: raised steps of the evidence.
        first_hot: first of them.
        strength: sum of excess over threshold.
        suspected: a change of path is likelier than congestion, for now.
        enough: evidence to fire.
        loss_ratio, large_ratio: as measured.
        terminals: that reported.
        changes: path changes accepted in this step, of the whole path and of the path to the edge.
    """

    added: float
    edge_added: float
    threshold: float
    hot: bool
    lossy: bool
    hot_steps: int
    first_hot: int
    strength: float
    suspected: bool
    enough: bool
    loss_ratio: float
    large_ratio: float
    terminals: int
    changes: tuple[PathChange | None, PathChange | None]


def look(
    state: SiteState, step: int, seen: SiteStep, parameters: DetectorParameters, *, gap_steps: int, edge_steps: int
) -> tuple[SiteState, View | None]:
    """Judges one step of a site, alone; None where there is nothing to judge: learning, or nothing answered.

    Args:
        state: as the last step left it.
        step: its number.
        seen: what was measured.
        parameters: of all rules.
        gap_steps: after so long a silence what was seen before it is no evidence any more.
        edge_steps: over how many steps the edge must have answered to be believed.
    """
    terms = parameters.congestion
    probes = (
        *(each for each in state.edge_probes if each[0] > step - edge_steps),
        (step, seen.edge_sent, seen.edge_received),
    )
    if math.isnan(seen.far):
        return state._replace(edge_probes=probes, last_seen=step), None
    window = () if step - state.judged > gap_steps else state.window
    levels = [PathLevel(level.shift) if step - state.judged > gap_steps else level for level in (state.far, state.edge)]
    lossy_now = seen.loss_significant and seen.lost > 0

    path = parameters.path
    calm_us = max(path.calm_us, path.calm_spread_ratio * seen.spread)

    def followed(level: PathLevel, floor: float, middle: float) -> tuple[PathLevel, PathChange | None]:
        return follow(
            level,
            step,
            floor,
            calm=middle - floor <= calm_us,
            wobble=seen.wobble,
            base=seen.floor,
            lossy=seen.loss_significant,
            window=terms.evidence_steps,
            parameters=path,
        )

    far, far_change = followed(levels[0], seen.far_floor, seen.far)
    edge, edge_change = levels[1], None
    if not math.isnan(seen.edge_floor):
        edge, edge_change = followed(levels[1], seen.edge_floor, seen.edge)
    window = (
        *(each for each in window if each.step > step - terms.evidence_steps),
        Evidence(step, seen.far, lossy_now, seen.loss_ratio, seen.large_ratio),
    )
    edge_tells = _edge_answers(probes) and not math.isnan(seen.edge)
    view = _view(step, seen, window, far, parameters.congestion, seen.edge - edge.effective if edge_tells else math.nan)
    view = view._replace(changes=(far_change, edge_change))
    return SiteState(far, edge, window, probes, state.alarm, step, step), view


def _view(
    step: int, seen: SiteStep, window: tuple[Evidence, ...], path: PathLevel, terms: CongestionParameters, edge: float
) -> View:
    threshold = min(max(terms.on_base_us + seen.spread, terms.on_min_us), terms.on_max_us)
    length = path.effective
    hot_steps, strength, first_hot, hot, lossy = 0, 0.0, step, False, False
    for each in window:
        added = each.far - length
        lossy = each.lossy and (
            (each.loss_ratio >= terms.loss_with_delay_min_ratio and added > terms.loss_delay_min_us)
            or each.loss_ratio >= terms.loss_alone_min_ratio
        )
        # Byte-limited queues drop large packets first: small echoes pass where documents do not.
        lossy = lossy or each.large_ratio >= terms.large_loss_min_ratio
        hot = added > threshold or lossy
        if hot:
            by_loss = max(
                each.loss_ratio / terms.loss_with_delay_min_ratio, each.large_ratio / terms.large_loss_min_ratio
            )
            strength += min(_STRENGTH_OF_ONE_STEP_MAX, max(added / threshold, by_loss if lossy else 0.0))
            first_hot = min(first_hot, each.step)
            hot_steps += 1
    needed = terms.hot_steps
    if seen.terminals == 1:
        needed = terms.hot_steps_alone if seen.confirmed else terms.hot_steps_unconfirmed
    enough = (
        hot
        and not path.suspected
        and hot_steps >= needed
        and step - first_hot + 1 >= terms.span_steps
        and strength >= terms.strength_min
    )
    return View(
        seen.far - length,
        edge,
        threshold,
        hot,
        lossy,
        hot_steps,
        first_hot,
        strength,
        path.suspected,
        enough,
        seen.loss_ratio,
        seen.large_ratio,
        seen.terminals,
        (None, None),
    )


def decide(
    state: SiteState, step: int, view: View, place: str | None, terms: CongestionParameters
) -> tuple[SiteState, Alarm | None]:
    """Moves the site's alarm on; returns the alarm that ended, if one did.

    Args:
        state: of the site.
        step: number.
        view: of this step.
        place: where the delay is, for a raised step.
        terms: of the rule `congestion`.
    """
    alarm = state.alarm
    if alarm is None or alarm.fired_at is None:
        if view.hot_steps == 0:
            return state._replace(alarm=None), None
        votes = ((alarm.votes if alarm else ()) + ((place,) if place else ()))[-_VOTES:]
        alarm = Alarm(
            view.first_hot,
            step if view.enough else None,
            _majority(votes),
            votes,
            (),
            step,
            max(view.added, alarm.peak if alarm else 0.0),
            view.added,
            max(view.loss_ratio, alarm.loss_ratio if alarm else 0.0),
            max(view.large_ratio, alarm.large_ratio if alarm else 0.0),
            view.hot_steps,
            max(view.terminals, alarm.terminals if alarm else 0),
            view.threshold,
        )
        return state._replace(alarm=alarm), None
    calm = view.added < terms.clear_threshold_ratio * view.threshold and not view.lossy
    quiet = (*(each for each in alarm.quiet if each[0] > step - terms.clear_window_steps), (step, calm))
    votes = (alarm.votes + ((place,) if place else ()))[-_VOTES:]
    moved = alarm.place
    if sum(vote != alarm.place for vote in votes) >= _VOTES_TO_MOVE:
        moved = _majority(votes)
    alarm = alarm._replace(
        place=moved,
        votes=votes,
        quiet=quiet,
        last_seen=step,
        peak=max(alarm.peak, view.added),
        added=view.added,
        loss_ratio=max(alarm.loss_ratio, view.loss_ratio),
        large_ratio=max(alarm.large_ratio, view.large_ratio),
        hot_steps=alarm.hot_steps + view.hot,
        terminals=max(alarm.terminals, view.terminals),
        threshold=view.threshold if view.hot else alarm.threshold,
    )
    if sum(each[1] for each in quiet) >= terms.clear_steps:
        return state._replace(alarm=None), alarm
    return state._replace(alarm=alarm), None


def _edge_answers(probes: tuple[tuple[int, float, float], ...]) -> bool:
    sent = sum(each[1] for each in probes)
    return sent > 0 and sum(each[2] for each in probes) >= _EDGE_ANSWERS_RATIO * sent


def _majority(votes: tuple[str, ...]) -> str:
    """The place most of the votes name; the newer one where they are even, the line where there is none."""
    if not votes:
        return ACCESS
    core = sum(vote == CORE for vote in votes)
    if 2 * core == len(votes):
        return votes[-1]
    return CORE if 2 * core > len(votes) else ACCESS
