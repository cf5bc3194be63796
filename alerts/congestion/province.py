"""All sites of a step together: alarms of lines, offices, the core, services and terminals, and their events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from alerts.congestion.events import ACCESS, CORE
from alerts.congestion.fold import Memory
from alerts.congestion.latch import Latch, LatchTerms, turn
from alerts.congestion.layout import Site, SiteStep, Terminal
from alerts.congestion.ledger import (
    Clock,
    Core,
    core_event,
    lan_event,
    line_event,
    path_event,
    service_event,
    terminal_event,
)
from alerts.congestion.outages import OutageFold
from alerts.congestion.parameters import DetectorParameters
from alerts.congestion.path import PathChange
from alerts.congestion.place import Province, place_of, together
from alerts.congestion.site import Alarm, SiteState, View, decide, look

_HALF_HOUR_SECONDS = 1800

_Key = TypeVar("_Key")


def advance(
    memory: Memory,
    step: int,
    sites: Mapping[Site, SiteStep],
    raised_terminals: Mapping[Terminal, float],
    rebased: Mapping[Site, tuple[float, float]],
    parameters: DetectorParameters,
    clock: Clock,
) -> Memory:
    """Takes one step of the whole province into account.

    Args:
        memory: as the last step left it.
        step: number; greater than `memory.step`.
        sites: that reported in this step.
        raised_terminals: those that stand above their site, with how far (microseconds), and those with a latch.
        rebased: sites whose baseline has moved since the last step, by how much (far, edge; microseconds).
        parameters: of all rules.
        clock: of the steps.
    """
    fold = _Fold(memory, step, parameters, clock)
    fold.rebase(rebased)
    views = fold.look(sites)
    province = together(views, parameters.congestion)
    fold.judge_lines(views, province)
    fold.close_silent()
    fold.count_lines()
    fold.judge_core(views)
    fold.judge_lan(sites)
    fold.judge_terminals(raised_terminals)
    fold.judge_service(sites, views)
    fold.judge_outage(sites)
    fold.judge_targets(sites)
    return fold.memory()


class _Fold(OutageFold):
    """One step under way; copies of what changes."""

    def rebase(self, rebased: Mapping[Site, tuple[float, float]]) -> None:
        """A baseline that has learned a longer path takes that much off the accepted shift."""
        for site, (far, edge) in rebased.items():
            state = self._sites.get(site)
            if state is None:
                continue
            self._sites[site] = state._replace(
                far=state.far._replace(shift=_towards_zero(state.far.shift, far)),
                edge=state.edge._replace(shift=_towards_zero(state.edge.shift, edge)),
            )
            if abs(self._sites[site].far.shift) < self._parameters.path.step_min_us:
                # The line does not differ from its baseline any more.
                learned = self._paths.pop(site, None)
                if learned is not None:
                    self._closed.append(path_event(site, learned, self._clock, self._step))

    def look(self, sites: Mapping[Site, SiteStep]) -> dict[Site, View]:
        views: dict[Site, View] = {}
        edge_steps = max(self._terms.evidence_steps, self._clock.steps(_HALF_HOUR_SECONDS))
        for site, seen in sites.items():
            state, view = look(
                self._sites.get(site, SiteState()),
                self._step,
                seen,
                self._parameters,
                gap_steps=self._unknown_steps,
                edge_steps=edge_steps,
            )
            self._sites[site] = state
            if view is not None:
                views[site] = view
                if view.changes[0] is not None:
                    self._path_changed(site, view.changes[0])
        return views

    def judge_lines(self, views: Mapping[Site, View], province: Province) -> None:
        for site, view in views.items():
            place = place_of(view, province) if view.hot else None
            before = self._sites[site].alarm
            state, ended = decide(self._sites[site], self._step, view, place, self._terms)
            self._sites[site] = state
            if ended is not None:
                self._close_line(site, ended, no_data=False)
            elif _fired(before) and _fired(state.alarm) and before is not None and state.alarm is not None:
                self._move_line(site, before, state.alarm)

    def close_silent(self) -> None:
        """Alarms of sites that report no more are kept for a while, then closed: how they ended is not known."""
        for site, state in self._sites.items():
            alarm = state.alarm
            if alarm is None or self._step - max(alarm.last_seen, alarm.pending_since) <= self._no_data_steps:
                continue
            self._sites[site] = state._replace(alarm=None, window=())
            if alarm.fired_at is not None:
                self._close_line(site, alarm, no_data=True)

    def _close_line(self, site: Site, alarm: Alarm, *, no_data: bool) -> None:
        # The core's own alarm tells what its sites suffered, and ends with the last of them.
        if alarm.place == ACCESS:
            end = (alarm.last_seen + 1) if no_data else self._step
            self._closed.append(line_event(site, alarm, self._clock, end, no_data=no_data))

    def _move_line(self, site: Site, before: Alarm, now: Alarm) -> None:
        """The delay is somewhere else now: one alarm ends, another begins."""
        if before.place == now.place:
            return
        if before.place == ACCESS:
            self._closed.append(line_event(site, before, self._clock, self._step))
        else:
            state = self._sites[site]
            moved = now._replace(pending_since=self._step, fired_at=self._step, peak=now.added)
            self._sites[site] = state._replace(alarm=moved)

    def count_lines(self) -> None:
        """Each congested line is told with how many others are."""
        congested = {
            site: state
            for site, state in self._sites.items()
            if state.alarm is not None and state.alarm.fired_at is not None and state.alarm.place == ACCESS
        }
        for site, state in congested.items():
            if state.alarm is not None and state.alarm.lines < len(congested):
                self._sites[site] = state._replace(alarm=state.alarm._replace(lines=len(congested)))

    def judge_core(self, views: Mapping[Site, View]) -> None:
        inside = {
            site: state.alarm
            for site, state in self._sites.items()
            if state.alarm is not None and state.alarm.fired_at is not None and state.alarm.place == CORE
        }
        core = self._core
        if not inside:
            if core is not None:
                self._closed.append(core_event(core, self._clock, self._step))
            self._core = None
            return
        hot = [view for site, view in views.items() if site in inside and view.hot]
        worst = max((view.added for view in hot), default=0.0)
        fresh = core is None
        if core is None:
            core = Core(
                min(alarm.pending_since for alarm in inside.values()),
                self._step,
                0.0,
                0.0,
                0.0,
                0.0,
                0.0,
                0,
                0,
                frozenset(),
            )
        self._core = Core(
            core.pending_since,
            core.fired_at,
            max(core.peak, worst, *((alarm.peak for alarm in inside.values()) if fresh else (0.0,))),
            worst,
            max(core.loss_ratio, *(alarm.loss_ratio for alarm in inside.values())),
            max(core.large_ratio, *(alarm.large_ratio for alarm in inside.values())),
            max((view.threshold for view in hot), default=core.threshold),
            core.hot_steps + bool(hot),
            max(core.terminals, sum(alarm.terminals for alarm in inside.values())),
            core.sites | frozenset(inside),
        )

    def judge_lan(self, sites: Mapping[Site, SiteStep]) -> None:
        terms = self._terms
        latch_terms = LatchTerms(terms.evidence_steps, terms.lan_hot_steps, terms.clear_window_steps, terms.clear_steps)
        for site, seen in sites.items():
            if math.isnan(seen.lan):
                continue
            raised = seen.lan > terms.lan_on_us
            known = self._lan.get(site)
            if known is None and not raised:
                continue
            before = self._rested(known or Latch())
            quiet = seen.lan < terms.clear_threshold_ratio * terms.lan_on_us
            latch = turn(before, self._step, latch_terms, raised=raised, quiet=quiet, magnitude=seen.lan)
            _keep(self._lan, site, latch)
            if before.on_since is not None and latch.on_since is None:
                self._closed.append(lan_event(site, before, terms.lan_on_us, seen.terminals, self._clock, self._step))
        for site, latch in self._silent(self._lan):
            del self._lan[site]
            if latch.on_since is not None:
                end = latch.last_seen + 1
                self._closed.append(lan_event(site, latch, terms.lan_on_us, 0, self._clock, end, no_data=True))

    def judge_terminals(self, raised: Mapping[Terminal, float]) -> None:
        terms = self._terms
        latch_terms = LatchTerms(
            terms.terminal_window_steps, terms.terminal_hot_steps, terms.terminal_window_steps, terms.terminal_hot_steps
        )
        for terminal, above in raised.items():
            if math.isnan(above):
                continue
            before = self._rested(self._terminals.get(terminal, Latch()))
            hot = above > terms.terminal_on_us
            quiet = above < terms.clear_threshold_ratio * terms.terminal_on_us
            latch = turn(before, self._step, latch_terms, raised=hot, quiet=quiet, magnitude=above)
            _keep(self._terminals, terminal, latch)
            if before.on_since is not None and latch.on_since is None:
                self._closed.append(terminal_event(terminal, before, terms.terminal_on_us, self._clock, self._step))
        for terminal, latch in self._silent(self._terminals):
            del self._terminals[terminal]
            if latch.on_since is not None:
                end = latch.last_seen + 1
                self._closed.append(
                    terminal_event(terminal, latch, terms.terminal_on_us, self._clock, end, no_data=True)
                )

    def judge_service(self, sites: Mapping[Site, SiteStep], views: Mapping[Site, View]) -> None:
        terms = self._parameters.service
        asked = slow = 0
        excess: list[float] = []
        for site, seen in sites.items():
            view = views.get(site)
            if view is None or (math.isnan(seen.service_us) and math.isnan(seen.slow_ratio)):
                continue
            asked += 1
            late = not math.isnan(seen.service_us) and seen.service_us > terms.on_us
            # Where the line itself is raised, its delay is in the first byte too.
            if (late or seen.slow_ratio >= terms.slow_connects_ratio) and not view.hot:
                slow += 1
                excess.append(seen.service_us if late else 0.0)
        if not asked:
            self._service_silent()
            return
        raised = slow > 0 and slow >= terms.sites_ratio * asked
        latch_terms = LatchTerms(terms.window_steps, terms.hot_steps, terms.window_steps, terms.clear_steps)
        before = self._rested(self._service)
        worst = max(excess, default=0.0)
        self._service = turn(before, self._step, latch_terms, raised=raised, quiet=not raised, magnitude=worst)
        if raised:
            self._service_seen = worst, max(slow, self._service_seen[1] if before.on_since is not None else 0)
        if before.on_since is not None and self._service.on_since is None:
            self._closed.append(service_event(before, self._service_seen[1], terms.on_us, self._clock, self._step))

    def _service_silent(self) -> None:
        latch = self._service
        if not self._is_silent(latch.last_seen):
            return
        self._service = Latch()
        if latch.on_since is not None:
            count, limit = self._service_seen[1], self._parameters.service.on_us
            made = service_event(latch, count, limit, self._clock, latch.last_seen + 1)
            self._closed.append(made._replace(no_data=True))

    def _path_changed(self, site: Site, change: PathChange) -> None:
        """Keeps the change while it holds; back at the baseline, it is over."""
        previous = self._paths.pop(site, None)
        if previous is not None:
            self._closed.append(path_event(site, previous, self._clock, change.since))
        if abs(change.shift) >= self._parameters.path.step_min_us:
            self._paths[site] = change


def _keep(kept: dict[_Key, Latch], key: _Key, latch: Latch) -> None:
    """A latch at rest is not kept: thousands of terminals are well."""
    if latch.on_since is None and latch.pending_since is None:
        kept.pop(key, None)
    else:
        kept[key] = latch


def _fired(alarm: Alarm | None) -> bool:
    return alarm is not None and alarm.fired_at is not None


def _towards_zero(shift: float, learned: float) -> float:
    """A shift less what the baseline has learned of it, never past nothing."""
    if shift * learned <= 0:
        return shift
    return math.copysign(max(abs(shift) - abs(learned), 0.0), shift)
