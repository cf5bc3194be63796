"""Events and the states of sites out of the fold's memory; path changes of many sites at once told as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from alerts.congestion.events import CONGESTION, CORE, LAN, OUTAGE, PATH_CHANGE, Event
from alerts.congestion.fold import Memory
from alerts.congestion.layout import Site
from alerts.congestion.ledger import (
    Clock,
    core_event,
    core_outage_event,
    lan_event,
    line_event,
    outage_event,
    path_event,
    service_event,
    target_outage_event,
    terminal_event,
)
from alerts.congestion.parameters import DetectorParameters
from alerts.congestion.site import SiteState

# Path changes of so many sites within this time, by about the same, are one change behind their lines.
_TOGETHER_SITES = 3
_TOGETHER_SECONDS = 600
_TOGETHER_RATIO = 0.3
_TOGETHER_US = 3000.0

_MINUTE_SECONDS = 60
RESOLVED_SECONDS = 900

LEARNING = "learning"
OK = "ok"
PENDING = "pending"
FIRING = "firing"
RECOVERING = "recovering"
ROUTE_CHANGED = "path-change"
OUT = "outage"
UNKNOWN = "unknown"
RESOLVED = "resolved"
# The worst first.
STATES = (OUT, FIRING, PENDING, RECOVERING, UNKNOWN, ROUTE_CHANGED, LEARNING, RESOLVED, OK)


class SiteStatus(NamedTuple):
    """How one site's line is; times are seconds since 1970-01-01 UTC.

    Args:
        state: one of `STATES`.
        since: when that began; of `pending` and `firing` when its evidence began. None where it is not known.
        added_us: newest delay above the line's own baseline and accepted path, of `path-change` that path's own; None
            where nothing was judged.
        place: of an alarm, `lan`, `access` or `core`; of an outage also `terminal`; else empty.
        last_seen: when the newest step with a reading began; None without any.
    """

    state: str
    since: int | None = None
    added_us: float | None = None
    place: str = ""
    last_seen: int | None = None


def site_states(memory: Memory, clock: Clock, parameters: DetectorParameters) -> dict[Site, SiteStatus]:
    """The state of every site that was ever seen, at the memory's newest step.

    Of several that hold at once the one people must know first is told: without readings nothing else is known; an
    outage comes before congestion, congestion before doubt, doubt before another route. One terminal's own link is not
    the site's line and is left out. What ended without readings is not told as resolved.

    Args:
        memory: of the fold.
        clock: of its steps.
        parameters: of all rules.
    """
    ended = _sites_ended(memory, clock)
    return {site: _status(site, state, memory, clock, parameters, ended) for site, state in memory.sites.items()}


def province_status(memory: Memory, clock: Clock, parameters: DetectorParameters) -> SiteStatus:
    """The state of what lies behind all access lines; `place` is `core` where something is wrong there."""
    newest = max((state.last_seen for state in memory.sites.values()), default=None)
    if newest is None:
        return SiteStatus(UNKNOWN)
    last_seen = clock.time(newest)
    if memory.step - newest > clock.steps(parameters.congestion.unknown_minutes * _MINUTE_SECONDS):
        return SiteStatus(UNKNOWN, last_seen + clock.step_seconds, last_seen=last_seen)
    if memory.core_outage is not None:
        return SiteStatus(OUT, clock.time(memory.core_outage[0]), place=CORE, last_seen=last_seen)
    core = memory.core
    if core is not None:
        # Nothing is told of its delay in a step in which none of its sites is raised.
        state = FIRING if core.added > 0 else RECOVERING
        return SiteStatus(state, clock.time(core.pending_since), core.added, CORE, last_seen)
    recent = [at for event, at in _recently_ended(memory, clock) if event.site is None and event.place == CORE]
    if recent:
        return SiteStatus(RESOLVED, max(recent), last_seen=last_seen)
    judged = any(state.judged >= 0 for state in memory.sites.values())
    return SiteStatus(OK if judged else LEARNING, last_seen=last_seen)


def open_events(memory: Memory, clock: Clock) -> list[Event]:
    """Pending and firing events."""
    events = [
        line_event(site, state.alarm, clock, None)
        for site, state in memory.sites.items()
        # A site of a firing core alarm is told by that; a pending one is told by itself.
        if state.alarm is not None and not (state.alarm.place == CORE and state.alarm.fired_at is not None)
    ]
    if memory.core is not None:
        events.append(core_event(memory.core, clock, None))
    events += [lan_event(site, latch, 0.0, 0, clock, None) for site, latch in memory.lan.items()]
    events += [terminal_event(terminal, latch, 0.0, clock, None) for terminal, latch in memory.terminals.items()]
    if memory.service.pending_since is not None:
        events.append(service_event(memory.service, memory.service_sites, 0.0, clock, None))
    events += [outage_event(site, dead, 0, clock, None) for site, dead in memory.dead.items() if dead.place != CORE]
    events += [target_outage_event(name, latch, sites, clock, None) for name, (latch, sites) in memory.targets.items()]
    if memory.core_outage is not None:
        events.append(core_outage_event(memory.core_outage, clock, None))
    changes = [path_event(site, change, clock, None) for site, change in memory.paths.items()]
    return [*events, *joined_paths(changes)]


def closed_events(events: Iterable[Event]) -> list[Event]:
    """Events that ended, path changes of many sites joined."""
    every = list(events)
    paths = [event for event in every if event.rule == PATH_CHANGE]
    return [*(event for event in every if event.rule != PATH_CHANGE), *joined_paths(paths)]


def joined_paths(changes: Sequence[Event]) -> list[Event]:
    """The same path changes, those of many sites at once as one of the province."""
    left = sorted(changes, key=lambda event: (event.pending_at, event.site or ("", "")))
    result: list[Event] = []
    while left:
        first = left[0]
        same = [event for event in left if _same(first, event)]
        if len({event.site for event in same}) >= _TOGETHER_SITES:
            ends = [event.resolved_at for event in same]
            last = None if None in ends else max(end for end in ends if end is not None)
            middle = sorted(event.peak_us for event in same)[len(same) // 2]
            joined = first._replace(place=CORE, site=None, resolved_at=last, peak_us=middle, added_us=middle)
            result.append(joined._replace(sites=len({event.site for event in same})))
            left = [event for event in left if event not in same]
        else:
            result.append(first)
            left = left[1:]
    return result


def _same(first: Event, other: Event) -> bool:
    by = abs(first.peak_us - other.peak_us)
    return (
        other.pending_at - first.pending_at <= _TOGETHER_SECONDS
        and first.peak_us * other.peak_us > 0
        and by <= max(_TOGETHER_US, _TOGETHER_RATIO * abs(first.peak_us))
    )


class _Look(NamedTuple):
    """What is looked at for one site."""

    site: Site
    state: SiteState
    memory: Memory
    clock: Clock
    last_seen: int
    added: float | None


def _status(
    site: Site,
    state: SiteState,
    memory: Memory,
    clock: Clock,
    parameters: DetectorParameters,
    ended: Mapping[Site, int],
) -> SiteStatus:
    unknown_steps = clock.steps(parameters.congestion.unknown_minutes * _MINUTE_SECONDS)
    judged = state.judged >= 0 and state.last_seen - state.judged <= unknown_steps
    added = state.window[-1].far - state.far.effective if judged and state.window else None
    at = _Look(site, state, memory, clock, clock.time(state.last_seen), added)
    if memory.step - state.last_seen > unknown_steps:
        # An alarm that is still open is told with it: what became of it is not known.
        alarm, dead = state.alarm, memory.dead.get(site)
        place = alarm.place if alarm is not None and alarm.fired_at is not None else dead.place if dead else ""
        return SiteStatus(UNKNOWN, at.last_seen + clock.step_seconds, None, place, at.last_seen)
    found = _raised(at) or _dead_for_now(at)
    if found is None and not judged:
        return SiteStatus(LEARNING, last_seen=at.last_seen)
    found = found or _doubted(at)
    if found is None and site in ended:
        return SiteStatus(RESOLVED, ended[site], added, "", at.last_seen)
    return found or _at_rest(at, parameters.path.step_min_us)


def _raised(at: _Look) -> SiteStatus | None:
    """What has fired: an outage, congestion of the line or of the office's network."""
    clock, dead, alarm, lan = at.clock, at.memory.dead.get(at.site), at.state.alarm, at.memory.lan.get(at.site)
    if dead is not None and dead.fired_at is not None:
        return SiteStatus(OUT, clock.time(dead.since), None, dead.place, at.last_seen)
    if alarm is not None and alarm.fired_at is not None:
        calm_since = _calm_since(alarm.quiet)
        if calm_since is not None:
            return SiteStatus(RECOVERING, clock.time(calm_since), at.added, alarm.place, at.last_seen)
        return SiteStatus(FIRING, clock.time(alarm.pending_since), alarm.added, alarm.place, at.last_seen)
    if lan is not None and lan.on_since is not None:
        calm_since = _calm_since([(step, quiet) for step, _, quiet in lan.seen])
        if calm_since is not None:
            return SiteStatus(RECOVERING, clock.time(calm_since), None, LAN, at.last_seen)
        began = lan.on_since if lan.pending_since is None else lan.pending_since
        return SiteStatus(FIRING, clock.time(began), lan.peak, LAN, at.last_seen)
    return None


def _dead_for_now(at: _Look) -> SiteStatus | None:
    """Nothing answers, not long enough for an outage."""
    dead = at.memory.dead.get(at.site)
    if dead is None:
        return None
    return SiteStatus(PENDING, at.clock.time(dead.since), None, dead.place, at.last_seen)


def _doubted(at: _Look) -> SiteStatus | None:
    """Evidence that is not enough yet."""
    alarm, lan = at.state.alarm, at.memory.lan.get(at.site)
    if alarm is not None:
        return SiteStatus(PENDING, at.clock.time(alarm.pending_since), at.added, alarm.place, at.last_seen)
    if lan is not None and lan.pending_since is not None:
        return SiteStatus(PENDING, at.clock.time(lan.pending_since), None, LAN, at.last_seen)
    return None


def _at_rest(at: _Look, step_min_us: int) -> SiteStatus:
    """Another route, or nothing at all."""
    far = at.state.far
    if far.candidate is not None:
        since = at.clock.time(far.candidate_since)
        return SiteStatus(ROUTE_CHANGED, since, far.candidate - far.shift, "", at.last_seen)
    # A baseline that has learned the new length has taken it off the shift: then it is the line's own.
    if abs(far.shift) >= step_min_us:
        known = at.memory.paths.get(at.site)
        return SiteStatus(
            ROUTE_CHANGED, None if known is None else at.clock.time(known.since), far.shift, "", at.last_seen
        )
    return SiteStatus(OK, None, at.added, "", at.last_seen)


def _calm_since(quiet: Sequence[tuple[int, bool]]) -> int | None:
    """First of the newest steps that were all quiet; None where the newest was not."""
    since = None
    for step, calm in reversed(quiet):
        if not calm:
            break
        since = step
    return since


def _recently_ended(memory: Memory, clock: Clock) -> list[tuple[Event, int]]:
    """Congestion and outages that ended a short while ago, and when; not those that ended for want of readings."""
    now = clock.time(memory.step + 1)
    return [
        (event, event.resolved_at)
        for event in memory.closed
        if event.rule in (CONGESTION, OUTAGE)
        and event.fired_at is not None
        and event.resolved_at is not None
        and not event.no_data
        and now - event.resolved_at <= RESOLVED_SECONDS
    ]


def _sites_ended(memory: Memory, clock: Clock) -> dict[Site, int]:
    ended: dict[Site, int] = {}
    for event, at in _recently_ended(memory, clock):
        if event.site is not None and not event.device_id:
            ended[event.site] = max(at, ended.get(event.site, 0))
    return ended
