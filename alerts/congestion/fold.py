"""What the fold over the steps remembers, and one step of it under way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from alerts.congestion.events import Event
from alerts.congestion.latch import Latch
from alerts.congestion.layout import Site, Terminal
from alerts.congestion.ledger import Clock, Core, Dead
from alerts.congestion.parameters import DetectorParameters
from alerts.congestion.path import PathChange
from alerts.congestion.site import SiteState

_MINUTE_SECONDS = 60

_Key = TypeVar("_Key")


class Memory(NamedTuple):
    """Everything the fold keeps from step to step; never changed in place, so that an older one can be taken up again.

    Args:
        step: number of the newest step taken in.
        sites: of each site seen.
        lan, terminals: latches that are not at rest.
        service: of the province's service.
        service_us: newest excess of the service, and how many sites saw it.
        dead: sites without answers.
        core: the alarm of the core, None without one.
        targets: latches of far targets that do not answer while others do, and how many sites saw it.
        core_outage: (first step, step in which it fired, sites) of an outage behind the access lines.
        paths: latest accepted change of each site that still holds.
        closed: events that ended.
    """

    step: int
    sites: Mapping[Site, SiteState]
    lan: Mapping[Site, Latch]
    terminals: Mapping[Terminal, Latch]
    service: Latch
    service_us: float
    service_sites: int
    dead: Mapping[Site, Dead]
    core: Core | None
    targets: Mapping[str, tuple[Latch, int]]
    core_outage: tuple[int, int, frozenset[Site]] | None
    paths: Mapping[Site, PathChange]
    closed: tuple[Event, ...]


EMPTY = Memory(-1, {}, {}, {}, Latch(), 0.0, 0, {}, None, {}, None, {}, ())


class StepFold:
    """One step under way; copies of what changes."""

    def __init__(self, memory: Memory, step: int, parameters: DetectorParameters, clock: Clock) -> None:
        self._step = step
        self._parameters = parameters
        self._terms = parameters.congestion
        self._clock = clock
        self._sites = dict(memory.sites)
        self._lan = dict(memory.lan)
        self._terminals = dict(memory.terminals)
        self._service = memory.service
        self._service_seen = memory.service_us, memory.service_sites
        self._dead = dict(memory.dead)
        self._core = memory.core
        self._targets = dict(memory.targets)
        self._core_outage = memory.core_outage
        self._paths = dict(memory.paths)
        self._closed = list(memory.closed)
        self._unknown_steps = clock.steps(self._terms.unknown_minutes * _MINUTE_SECONDS)
        self._no_data_steps = clock.steps(self._terms.no_data_minutes * _MINUTE_SECONDS)

    def memory(self) -> Memory:
        """What is remembered after this step."""
        return Memory(
            self._step,
            self._sites,
            self._lan,
            self._terminals,
            self._service,
            *self._service_seen,
            self._dead,
            self._core,
            self._targets,
            self._core_outage,
            self._paths,
            tuple(self._closed),
        )

    def _rested(self, latch: Latch) -> Latch:
        """After a silence, what was seen before it is no evidence any more."""
        if latch.on_since is None and self._step - latch.last_seen > self._unknown_steps:
            return Latch()
        return latch

    def _silent(self, kept: Mapping[_Key, Latch]) -> list[tuple[_Key, Latch]]:
        return [(key, latch) for key, latch in kept.items() if self._is_silent(latch.last_seen)]

    def _is_silent(self, last_seen: int) -> bool:
        return self._step - last_seen > self._no_data_steps
