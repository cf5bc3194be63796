"""Minutes of many links as arrays, which is how rules on latency read them: row = minute, column = link."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alerts.ports import StoredReading

MINUTE_SECONDS = 60

Floats = npt.NDArray[np.float64]

# Store fields of measurement `link_latency` (agent/wire/catalogue.py) that rules read; the arrays bear these names.
WINDOW_FIELDS = (
    "sent",
    "received",
    "rtt_min_us",
    "rtt_p50_us",
    "rtt_p95_us",
    "rtt_mean_us",
    "ipdv_us",
    "large_sent",
    "large_received",
    "connect_tried",
    "connect_slow",
    "connect_failed",
    "connect_p50_us",
    "first_byte_us",
)


class Link(NamedTuple):
    """One terminal and one of its targets."""

    device_id: str
    unit_code: str
    site: str
    target: str


@dataclass(frozen=True, slots=True)
class LinkWindow:
    """The newest minutes of every link.

    Args:
        links: of each column.
        minutes: of each row, the minute's first second since 1970-01-01 UTC, without gaps, oldest first.
        values: store field -> array (rows, columns) in the catalogue's scaled unit; NaN where nothing was measured.
    """

    links: tuple[Link, ...]
    minutes: npt.NDArray[np.int64]
    values: Mapping[str, Floats]


def link_window(
    readings: Iterable[StoredReading], now: float, minutes: int, fields: Sequence[str] = WINDOW_FIELDS
) -> LinkWindow:
    """Arrays of the last whole minutes that began at or before `now`, the minute of `now` included.

    A minute that comes twice counts once: of two reports of the same minute the one with more probes, then the one with
    greater values, so that the order of arrival does not matter. A negative round trip (a clock stepped between sending
    and answer) is as if it had not been measured.

    Args:
        readings: of measurement `link_latency`, in any order; those outside the window do no harm.
        now: seconds since 1970-01-01 UTC.
        minutes: rows of the result.
        fields: store fields wanted.
    """
    last = int(now) // MINUTE_SECONDS
    first = last - minutes + 1
    kept: dict[tuple[Link, int], tuple[float, ...]] = {}
    for reading in readings:
        minute = reading.time_seconds // MINUTE_SECONDS
        if not first <= minute <= last:
            continue
        tags = reading.tags
        link = Link(tags["device_id"], tags["unit"], tags["site"], tags["target"])
        row = tuple(_value(reading.fields, name) for name in fields)
        known = kept.get((link, minute))
        if known is None or _rank(row) > _rank(known):
            kept[link, minute] = row
    links = sorted({link for link, _ in kept})
    column = {link: at for at, link in enumerate(links)}
    block = np.full((len(fields), minutes, len(links)), np.nan)
    for (link, minute), row in kept.items():
        block[:, minute - first, column[link]] = row
    return LinkWindow(
        tuple(links),
        np.arange(first, last + 1, dtype=np.int64) * MINUTE_SECONDS,
        {name: block[at] for at, name in enumerate(fields)},
    )


def _value(fields: Mapping[str, int], name: str) -> float:
    value = fields.get(name)
    return np.nan if value is None or value < 0 else float(value)


def _rank(row: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(-1.0 if value != value else value for value in row)  # noqa: PLR0124 - NaN is not itself


_COUNTS = frozenset(
    {"sent", "received", "large_sent", "large_received", "connect_tried", "connect_slow", "connect_failed"}
)
_COUNT_MISSING = 65_535
_COUNT_MOST = 65_534
_FIRST_COLUMNS = 64


class LinkRing:
    """The newest steps of every link, as they come in, in whatever order.

    A step that comes twice counts once, as in `link_window`. What is older than the ring, or further ahead than
    `ahead_steps`, is not taken.

    Args:
        step_seconds: interval of the readings.
        rows: steps that are kept.
        ahead_steps: how far ahead of the newest step that was asked for a reading may be.
    """

    def __init__(self, *, step_seconds: int, rows: int, ahead_steps: int = 5) -> None:
        self.step_seconds = step_seconds
        self.rows = rows
        self._ahead = ahead_steps
        self._column: dict[Link, int] = {}
        self._values: dict[str, npt.NDArray[np.generic]] = {}
        self._newest: int | None = None
        self._dirty: int | None = None
        self.too_late = 0
        self._grow(_FIRST_COLUMNS)

    @property
    def links(self) -> tuple[Link, ...]:
        """Of each column."""
        return tuple(self._column)

    @property
    def oldest(self) -> int:
        """The oldest step there is room for; 0 before the first reading."""
        return 0 if self._newest is None else self._newest - self.rows + 1

    def is_before(self, step: int) -> bool:
        """Whether there is no room for that step yet, nor for any later one."""
        return self._newest is None or self._newest < step

    def take_dirty(self) -> int | None:
        """The oldest step that has changed since this was asked last; None where none has."""
        dirty, self._dirty = self._dirty, None
        return dirty

    def move_to(self, newest: int) -> None:
        """Makes room up to that step; what falls out at the other end is forgotten."""
        if self._newest is None:
            self._newest = newest
            return
        if newest <= self._newest:
            return
        for step in range(max(self._newest + 1, newest - self.rows + 1), newest + 1):
            self._clear(step % self.rows)
        self._newest = newest

    def put(self, readings: Iterable[StoredReading], now_step: int) -> None:
        """Takes readings of measurement `link_latency` in.

        Args:
            readings: in any order.
            now_step: the present step; later ones than `ahead_steps` beyond it are not believed.
        """
        self.move_to(now_step + self._ahead)
        for reading in readings:
            step = reading.time_seconds // self.step_seconds
            if step > now_step + self._ahead or not self.holds(step):
                self.too_late += 1
                continue
            tags = reading.tags
            self._put(Link(tags["device_id"], tags["unit"], tags["site"], tags["target"]), step, reading.fields)

    def put_arrays(
        self,
        links: Sequence[Link],
        of_link: npt.NDArray[np.int64],
        steps: npt.NDArray[np.int64],
        values: Mapping[str, Floats],
    ) -> None:
        """Takes many readings at once, each link and step once; the way of a trace that lies on disk.

        Args:
            links: that `of_link` counts through.
            of_link: of each reading.
            steps: of each reading, all within the ring once its newest is reached.
            values: store field -> value of each reading, NaN where it was not measured.
        """
        if not len(steps):
            return
        self.move_to(int(steps.max()))
        for link in links:
            self._column.setdefault(link, len(self._column))
        if len(self._column) > self._values["sent"].shape[1]:
            self._grow(2 * len(self._column))
        columns = np.array([self._column[link] for link in links], dtype=np.int64)[of_link]
        rows = steps % self.rows
        for name in WINDOW_FIELDS:
            given = values.get(name)
            if given is None:
                continue
            if name in _COUNTS:
                counts = np.where(np.isnan(given), _COUNT_MISSING, np.clip(np.nan_to_num(given), 0, _COUNT_MOST))
                self._values[name][rows, columns] = counts.astype(np.uint16)
            else:
                self._values[name][rows, columns] = np.where(given < 0, np.nan, given).astype(np.float32)
        first = int(steps.min())
        self._dirty = first if self._dirty is None else min(first, self._dirty)

    def holds(self, step: int) -> bool:
        """Whether that step lies within the ring."""
        newest = self._newest
        return newest is not None and newest - self.rows < step <= newest

    def window(self, first: int, last: int, fields: Sequence[str] = WINDOW_FIELDS) -> LinkWindow:
        """The steps from `first` to `last`, both included; a step outside the ring is empty."""
        width = len(self._column)
        at = [step % self.rows if self.holds(step) else -1 for step in range(first, last + 1)]
        inside = np.array(at) >= 0
        values: dict[str, Floats] = {}
        for name in fields:
            taken = self._values[name][at, :width].astype(np.float64)
            if name in _COUNTS:
                taken[taken == _COUNT_MISSING] = np.nan
            taken[~inside] = np.nan
            values[name] = taken
        minutes = np.arange(first, last + 1, dtype=np.int64) * self.step_seconds
        return LinkWindow(self.links, minutes, values)

    def _put(self, link: Link, step: int, fields: Mapping[str, int]) -> None:
        column = self._column.get(link)
        if column is None:
            column = self._column[link] = len(self._column)
            if column >= self._values["sent"].shape[1]:
                self._grow(2 * column)
        row = step % self.rows
        new = {name: _value(fields, name) for name in WINDOW_FIELDS}
        if self._values["sent"][row, column] != _COUNT_MISSING:
            old = {name: float(self._values[name][row, column]) for name in WINDOW_FIELDS}
            old = {
                name: np.nan if name in _COUNTS and value == _COUNT_MISSING else value for name, value in old.items()
            }
            if _rank(tuple(new.values())) <= _rank(tuple(old.values())):
                return
        for name, value in new.items():
            if name in _COUNTS:
                self._values[name][row, column] = _COUNT_MISSING if value != value else min(value, _COUNT_MOST)  # noqa: PLR0124 - NaN is not itself
            else:
                self._values[name][row, column] = value
        if self._dirty is None or step < self._dirty:
            self._dirty = step

    def _clear(self, row: int) -> None:
        for name, values in self._values.items():
            values[row] = _COUNT_MISSING if name in _COUNTS else np.nan

    def _grow(self, width: int) -> None:
        for name in WINDOW_FIELDS:
            wider: npt.NDArray[np.generic]
            if name in _COUNTS:
                wider = np.full((self.rows, width), _COUNT_MISSING, dtype=np.uint16)
            else:
                wider = np.full((self.rows, width), np.nan, dtype=np.float32)
            known = self._values.get(name)
            if known is not None:
                wider[:, : known.shape[1]] = known
            self._values[name] = wider
