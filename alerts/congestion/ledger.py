"""Events as they are written down: the alarms of the fold with step numbers turned into times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from alerts.congestion.events import (
    ACCESS,
    CONGESTION,
    CORE,
    LAN,
    OUTAGE,
    PATH_CHANGE,
    SERVICE,
    SERVICE_SLOW,
    TERMINAL,
    Event,
)
from alerts.congestion.latch import Latch
from alerts.congestion.layout import Site, Terminal
from alerts.congestion.path import PathChange
from alerts.congestion.site import Alarm


@dataclass(frozen=True, slots=True)
class Clock:
    """Step numbers and times: step n begins at n x `step_seconds`."""

    step_seconds: int

    def steps(self, seconds: int) -> int:
        """How many steps last at least so long."""
        return max(1, -(-seconds // self.step_seconds))

    def time(self, step: int) -> int:
        """When a step begins."""
        return step * self.step_seconds


class Core(NamedTuple):
    """The province-wide alarm; times are step numbers."""

    pending_since: int
    fired_at: int
    peak: float
    added: float
    loss_ratio: float
    large_ratio: float
    threshold: float
    hot_steps: int
    terminals: int
    sites: frozenset[Site]


class Dead(NamedTuple):
    """Steps without any answer, and with answers again, of one site; `last_seen` is the newest step that told."""

    since: int
    steps: int
    alive_steps: int
    fired_at: int | None
    place: str
    last_seen: int


def line_event(site: Site, alarm: Alarm, clock: Clock, end: int | None, *, no_data: bool = False) -> Event:
    """An alarm of one access line; pending where it has not fired."""
    return Event(
        CONGESTION,
        alarm.place,
        site,
        "",
        "",
        clock.time(alarm.pending_since),
        None if alarm.fired_at is None else clock.time(alarm.fired_at),
        None if end is None else clock.time(end),
        alarm.peak,
        alarm.added,
        alarm.loss_ratio,
        alarm.large_ratio,
        alarm.threshold,
        alarm.hot_steps,
        alarm.terminals,
        alarm.lines,
        no_data,
    )


def core_event(core: Core, clock: Clock, end: int | None) -> Event:
    """The alarm of the core, which stands for its sites' own."""
    return Event(
        CONGESTION,
        CORE,
        None,
        "",
        "",
        clock.time(core.pending_since),
        clock.time(core.fired_at),
        None if end is None else clock.time(end),
        core.peak,
        core.added,
        core.loss_ratio,
        core.large_ratio,
        core.threshold,
        core.hot_steps,
        core.terminals,
        len(core.sites),
    )


def lan_event(
    site: Site, latch: Latch, threshold: float, terminals: int, clock: Clock, end: int | None, *, no_data: bool = False
) -> Event:
    """An office's own network; with one terminal it cannot be told from that terminal's own link."""
    return _latched(CONGESTION, LAN, (site, ""), latch, threshold, terminals, clock, end, no_data=no_data)


def terminal_event(
    terminal: Terminal, latch: Latch, threshold: float, clock: Clock, end: int | None, *, no_data: bool = False
) -> Event:
    """One terminal's own link."""
    site = Site(terminal.unit_code, terminal.site)
    return _latched(CONGESTION, TERMINAL, (site, terminal.device_id), latch, threshold, 1, clock, end, no_data=no_data)


def service_event(latch: Latch, sites: int, threshold: float, clock: Clock, end: int | None) -> Event:
    """A slow service, seen by many sites."""
    made = _latched(SERVICE_SLOW, SERVICE, (None, ""), latch, threshold, 0, clock, end, no_data=False)
    return made._replace(sites=sites)


def _latched(
    rule: str,
    place: str,
    where: tuple[Site | None, str],
    latch: Latch,
    threshold: float,
    terminals: int,
    clock: Clock,
    end: int | None,
    *,
    no_data: bool,
) -> Event:
    site, device_id = where
    pending = latch.pending_since if latch.pending_since is not None else latch.last_seen
    return Event(
        rule,
        place,
        site,
        device_id,
        "",
        clock.time(pending),
        None if latch.on_since is None else clock.time(latch.on_since),
        None if end is None else clock.time(end),
        latch.peak,
        latch.peak,
        0.0,
        0.0,
        threshold,
        sum(each[1] for each in latch.seen),
        terminals,
        1,
        no_data,
    )


def outage_event(site: Site, dead: Dead, terminals: int, clock: Clock, end: int | None) -> Event:
    """Nothing answers one site."""
    fired_at = None if dead.fired_at is None else clock.time(dead.fired_at)
    return _outage(dead.place, site, clock.time(dead.since), fired_at, clock, end)._replace(
        hot_steps=dead.steps, terminals=terminals
    )


def core_outage_event(known: tuple[int, int, frozenset[Site]], clock: Clock, end: int | None) -> Event:
    """Nothing behind the access lines answers many sites."""
    since, fired_at, sites = known
    return _outage(CORE, None, clock.time(since), clock.time(fired_at), clock, end)._replace(sites=len(sites))


def target_outage_event(target: str, latch: Latch, sites: int, clock: Clock, end: int | None) -> Event:
    """One target that does not answer while others do."""
    made = _latched(OUTAGE, SERVICE, (None, ""), latch, 0.0, 0, clock, end, no_data=False)
    return made._replace(target=target, sites=sites, loss_ratio=1.0, peak_us=0.0, added_us=0.0)


def _outage(place: str, site: Site | None, since: int, fired_at: int | None, clock: Clock, end: int | None) -> Event:
    resolved_at = None if end is None else clock.time(end)
    return Event(OUTAGE, place, site, "", "", since, fired_at, resolved_at, 0.0, 0.0, 1.0, 0.0, 0.0, 0, 0, 1)


def path_event(site: Site, change: PathChange, clock: Clock, end: int | None) -> Event:
    """A change of route, from its first step until it is taken back or followed by another."""
    return Event(
        PATH_CHANGE,
        ACCESS,
        site,
        "",
        "",
        clock.time(change.since),
        clock.time(change.at),
        None if end is None else clock.time(end),
        change.change,
        change.change,
        0.0,
        0.0,
        0.0,
        0,
        0,
        1,
    )
