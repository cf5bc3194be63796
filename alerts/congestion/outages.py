"""Outages: sites, the core and single targets that answer nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from alerts.congestion.events import ACCESS, CORE, LAN, TERMINAL
from alerts.congestion.fold import StepFold
from alerts.congestion.latch import Latch, LatchTerms, turn
from alerts.congestion.layout import Site, SiteStep
from alerts.congestion.ledger import Dead, core_outage_event, outage_event, target_outage_event


class OutageFold(StepFold):
    """One step under way, as far as it is about outages."""

    def judge_outage(self, sites: Mapping[Site, SiteStep]) -> None:
        """Sites where nothing far answers, and the core where many of them are dead at once."""
        terms = self._parameters.outage
        dead_now = sum(seen.dead for seen in sites.values())
        many = dead_now >= self._terms.quorum_sites and dead_now >= self._terms.quorum_ratio * len(sites)
        for site, seen in sites.items():
            known = self._dead.get(site)
            if known is not None and known.fired_at is None and self._step - known.last_seen > self._unknown_steps:
                # The last minute before an evening and the first of the next morning are not one outage.
                del self._dead[site]
                known = None
            if seen.dead:
                known = known or Dead(self._step, 0, 0, None, "", self._step)
                fired_at = known.fired_at
                place = known.place
                if fired_at is None:
                    place = CORE if many and seen.edge_dead is not True else _outage_place(seen)
                    fired_at = self._step if known.steps + 1 >= terms.dead_steps else None
                self._dead[site] = Dead(known.since, known.steps + 1, 0, fired_at, place, self._step)
            elif known is not None:
                self._alive_again(site, known, seen.terminals)
        for site, dead in [(site, dead) for site, dead in self._dead.items() if self._is_silent(dead.last_seen)]:
            del self._dead[site]
            if dead.fired_at is not None and dead.place != CORE:
                made = outage_event(site, dead, 0, self._clock, dead.last_seen + 1)
                self._closed.append(made._replace(no_data=True))
        self._judge_core_outage()

    def _alive_again(self, site: Site, known: Dead, terminals: int) -> None:
        alive = known.alive_steps + 1
        if known.fired_at is not None and alive < self._parameters.outage.alive_steps:
            self._dead[site] = known._replace(alive_steps=alive, last_seen=self._step)
            return
        del self._dead[site]
        if known.fired_at is not None and known.place != CORE:
            self._closed.append(outage_event(site, known, terminals, self._clock, self._step))

    def _judge_core_outage(self) -> None:
        inside = {site: dead for site, dead in self._dead.items() if dead.place == CORE and dead.fired_at is not None}
        known = self._core_outage
        if inside:
            since = min(dead.since for dead in inside.values())
            self._core_outage = (
                (known[0], known[1], known[2] | frozenset(inside)) if known else (since, self._step, frozenset(inside))
            )
        elif known:
            self._closed.append(core_outage_event(known, self._clock, self._step))
            self._core_outage = None

    def judge_targets(self, sites: Mapping[Site, SiteStep]) -> None:
        """Far targets that do not answer while others do."""
        terms = self._parameters.outage
        asked: Counter[str] = Counter(name for seen in sites.values() for name in seen.asked_targets)
        dead: Counter[str] = Counter(name for seen in sites.values() for name in seen.dead_targets)
        latch_terms = LatchTerms(terms.dead_steps, terms.dead_steps, terms.alive_steps, terms.alive_steps)
        for name in sorted(asked.keys() & (dead.keys() | self._targets.keys())):
            # What only some sites miss is the way there, not the target.
            # And of one site among several alone nobody is told in the whole province's name.
            least = max(min(len(sites), 2), self._parameters.service.sites_ratio * asked[name])
            raised = dead[name] >= least
            latch, most = self._targets.get(name, (Latch(), 0))
            before = self._rested(latch)
            after = turn(before, self._step, latch_terms, raised=raised, quiet=not raised)
            most = max(most, dead[name])
            if before.on_since is not None and after.on_since is None:
                self._closed.append(target_outage_event(name, before, most, self._clock, self._step))
            if after.on_since is None and after.pending_since is None:
                self._targets.pop(name, None)
            else:
                self._targets[name] = after, most
        for name, (latch, most) in list(self._targets.items()):
            if self._is_silent(latch.last_seen):
                del self._targets[name]
                if latch.on_since is not None:
                    made = target_outage_event(name, latch, most, self._clock, latch.last_seen + 1)
                    self._closed.append(made._replace(no_data=True))


def _outage_place(seen: SiteStep) -> str:
    if seen.gateway_dead:
        return TERMINAL if seen.reporting == 1 else LAN
    return CORE if seen.edge_dead is False else ACCESS
