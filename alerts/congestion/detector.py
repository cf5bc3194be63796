"""The detector: readings in, in whatever order they arrive; events and the states of the sites out.

It judges whole steps up to the present one, and judges again from the oldest step that has changed: the same readings
end in the same events in whatever order they came within `settle_seconds`. Later ones are history, not alarms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from alerts.congestion.baselines import DAY_SECONDS, Baseline, Baselines
from alerts.congestion.events import Event
from alerts.congestion.features import Steps, steps_of
from alerts.congestion.fold import EMPTY, Memory
from alerts.congestion.layout import Layout, Site, Terminal, layout_of
from alerts.congestion.ledger import Clock
from alerts.congestion.listing import closed_events, open_events
from alerts.congestion.parameters import CongestionParameters, DetectorParameters
from alerts.congestion.province import advance
from alerts.minutes import MINUTE_SECONDS, Link, LinkRing
from alerts.ports import StoredReading

SETTLE_SECONDS = 3600
# A baseline that moves by less than this is the same.
_REBASED_US = 500.0


class Judged(NamedTuple):
    """What the detector holds to be true at its newest step.

    Args:
        step_seconds: interval.
        at: when the newest judged step began, seconds since 1970-01-01 UTC.
        events: pending and firing ones, and those that ended within `settle_seconds`.
        terms: of the rule `congestion`, for grades.
        names: how a site is called; None where its codes must do.
    """

    step_seconds: int
    at: int
    events: tuple[Event, ...]
    terms: CongestionParameters
    names: Callable[[Site], str] | None


class Detector:
    """Judges links as their readings come in.

    Args:
        parameters: of the four rules.
        step_seconds: interval of the readings.
        settle_seconds: how late a reading may come and still be judged.
    """

    def __init__(
        self, parameters: DetectorParameters, *, step_seconds: int = 60, settle_seconds: int = SETTLE_SECONDS
    ) -> None:
        self.parameters = parameters
        self.clock = Clock(step_seconds)
        terms = parameters.congestion
        self.baselines = Baselines(
            step_seconds=step_seconds, days=terms.baseline_days, learning_minutes=terms.learning_minutes
        )
        self._block_steps = self.baselines.block_seconds // step_seconds
        self._settle_steps = max(1, settle_seconds // step_seconds)
        # What is closed for want of readings ended that long before.
        silence = self.clock.steps(terms.no_data_minutes * MINUTE_SECONDS)
        self._closed_steps = 2 * self._settle_steps + silence
        # Without readings for so long nothing is under way and nothing is known of any line.
        self._silent_steps = silence + (terms.baseline_days * DAY_SECONDS) // step_seconds + 4 * self._block_steps
        self._history = terms.evidence_steps - 1
        rows = 2 * max(self._block_steps, self._settle_steps) + self._block_steps + self._history + 8
        self.ring = LinkRing(step_seconds=step_seconds, rows=rows)
        self._memories: dict[int, Memory] = {}
        self._newest: int | None = None
        self._settled: dict[Event, None] = {}
        self._told: frozenset[Event] = frozenset()
        self._layout: tuple[int, Layout] = 0, layout_of((), terms)

    def again(self) -> Detector:
        """A detector that knows what this one has learned of the lines, and nothing else."""
        made = Detector(
            self.parameters,
            step_seconds=self.clock.step_seconds,
            settle_seconds=self._settle_steps * self.clock.step_seconds,
        )
        made.baselines = self.baselines
        return made

    def put(self, readings: Iterable[StoredReading], now: float) -> None:
        """Takes readings in; they are judged at the next `advance`. Of what is settled nothing is taken any more."""
        seconds = self.clock.step_seconds
        if self._newest is not None:
            settled = (self._newest - self._settle_steps + 1) * seconds
            readings = (reading for reading in readings if reading.time_seconds >= settled)
        self.ring.put(readings, int(now) // seconds)

    def advance(self, last: int) -> None:
        """Judges every step up to number `last`, and again those that have changed.

        Args:
            last: number of a step: seconds since 1970-01-01 UTC over `step_seconds`.
        """
        dirty = self.ring.take_dirty()
        if self._newest is None:
            if dirty is None:
                return
            self._newest = min(dirty, last) - 1
        settled = self._newest - self._settle_steps
        first = self._newest + 1 if dirty is None else min(dirty, self._newest + 1)
        first = max(first, settled + 1)
        if first > last:
            return
        memory = self._memories.get(first - 1, EMPTY) if self._memories else EMPTY
        silent_since = first
        while first <= last:
            first = self._past_silence(first, last, silent_since)
            # Rows of one block are judged by one baseline.
            end = min(last, (first // self._block_steps + 1) * self._block_steps - 1)
            self._learn(first)
            memory = self._judge(memory, first, end)
            first = end + 1
        self._newest = max(self._newest, last)
        self._forget()

    def judged(self, names: Callable[[Site], str] | None = None) -> Judged:
        """What is held to be true at the newest step; nothing before the first."""
        terms = self.parameters.congestion
        if self._newest is None or self._newest not in self._memories:
            return Judged(self.clock.step_seconds, 0, (), terms, names)
        memory = self._memories[self._newest]
        events = (*open_events(memory, self.clock), *closed_events(memory.closed))
        return Judged(self.clock.step_seconds, self.clock.time(self._newest), events, terms, names)

    def memory(self) -> Memory:
        """The fold's memory at the newest step."""
        return self._memories.get(self._newest, EMPTY) if self._newest is not None else EMPTY

    def take_settled(self) -> list[Event]:
        """Events that ended and can change no more, each handed out once."""
        taken = list(self._settled)
        self._settled = {}
        return taken

    def settle(self) -> list[Event]:
        """Every event not handed out yet, as if nothing came in any more; for the end of a trace."""
        if self._newest is None:
            return []
        memory = self._memories[self._newest]
        self._settled |= {event: None for event in memory.closed if event not in self._told}
        self._told = frozenset(memory.closed)
        return [*self.take_settled(), *open_events(memory, self.clock)]

    def _judge(self, memory: Memory, first: int, last: int) -> Memory:
        window = self.ring.window(first - self._history, last)
        layout = self._layout_of(window.links)
        baseline = self.baselines.at(self.clock.time(first), window.links)
        steps = steps_of(window, baseline, layout, self._history, self.parameters.congestion)
        rebased: Mapping[Site, tuple[float, float]] = {}
        if first % self._block_steps == 0:
            rebased = self._rebased(baseline, window.links, layout, first)
        raised = _raised(steps, self.parameters.congestion.terminal_on_us)
        index = {terminal: at for at, terminal in enumerate(layout.terminals)} if memory.terminals or raised else {}
        for at, sites in enumerate(steps.sites):
            step = first + at
            own: dict[Terminal, float] = {}
            for column in {*raised.get(at, ()), *(index[one] for one in memory.terminals if one in index)}:
                own[layout.terminals[column]] = float(steps.own[at, column])
            memory = advance(memory, step, sites, own, rebased if at == 0 else {}, self.parameters, self.clock)
            old = self.clock.time(step - self._closed_steps)
            if memory.closed and (memory.closed[0].resolved_at or 0) < old:
                memory = memory._replace(closed=tuple(each for each in memory.closed if (each.resolved_at or 0) >= old))
            self._memories[step] = memory
        return memory

    def _past_silence(self, first: int, last: int, silent_since: int) -> int:
        """The step to go on with: of a silence of years, as a wrong clock leaves in a trace, only days are judged."""
        if first - silent_since < self._silent_steps or first % self._block_steps:
            return first
        # What may still come is not older than that.
        wanted = last - self._settle_steps if self.ring.is_before(first - self._history) else self.ring.oldest
        return max(first, (wanted - self._history) // self._block_steps * self._block_steps)

    def _learn(self, step: int) -> None:
        """Learns the blocks that are complete and late enough, oldest first."""
        number = step // self._block_steps
        for each in (number - 3, number - 2):
            start = each * self._block_steps
            if self.baselines.has_block(self.clock.time(start)) or not self.ring.holds(start):
                continue
            window = self.ring.window(start, start + self._block_steps - 1)
            if np.isfinite(window.values["rtt_min_us"]).any():
                self.baselines.put_block(self.clock.time(start), window)

    def _rebased(
        self, baseline: Baseline, links: Sequence[Link], layout: Layout, first: int
    ) -> dict[Site, tuple[float, float]]:
        before = self.baselines.at(self.clock.time(first - 1), links)
        moved = np.append(baseline.floor_us - before.floor_us, np.nan)
        if not (np.abs(np.nan_to_num(moved)) >= _REBASED_US).any():
            return {}
        far = np.fmin.reduce(moved[layout.far], axis=1)
        edge = moved[layout.edge]
        result = {}
        for at, site in enumerate(layout.sites):
            members = layout.members[at][layout.members[at] >= 0]
            by = _lower_middle(far[members]), _lower_middle(edge[members])
            if max(abs(by[0]), abs(by[1])) >= _REBASED_US:
                result[site] = by
        return result

    def _layout_of(self, links: Sequence[Link]) -> Layout:
        if self._layout[0] != len(links):
            self._layout = len(links), layout_of(links, self.parameters.congestion)
        return self._layout[1]

    def _forget(self) -> None:
        if self._newest is None:
            return
        oldest = self._newest - self._settle_steps
        for step in sorted(each for each in self._memories if each < oldest):
            closed = self._memories.pop(step).closed
            self._settled |= {event: None for event in closed if event not in self._told}
            self._told = frozenset(closed)


def _raised(steps: Steps, limit: float) -> dict[int, list[int]]:
    """Per row the terminals that stand above their site."""
    rows: dict[int, list[int]] = {}
    with np.errstate(invalid="ignore"):
        for at, column in np.argwhere(steps.own > limit).tolist():
            rows.setdefault(at, []).append(column)
    return rows


def _lower_middle(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    known = np.sort(values[np.isfinite(values)])
    return float(known[(len(known) - 1) // 2]) if len(known) else 0.0
