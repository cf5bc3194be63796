"""Slots of polled ports as arrays: the newest days of every port, kept in memory and added to.

A slot is one interval of polling, numbered by its first second divided by its length. What was never measured is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from alerts.ports import StoredReading

Floats = npt.NDArray[np.float64]

# Store fields of measurement `interface` (agent/wire/catalogue.py) that the rules read.
INTERFACE_FIELDS = (
    "interval_ms",
    "received_bytes",
    "transmitted_bytes",
    "receive_errors",
    "transmit_errors",
    "speed_kbit_s",
    "up",
    "half_duplex",
)

# Rows of the arrays.
RECEIVED_KBIT_S, TRANSMITTED_KBIT_S, ERRORS, ERROR_RATIO, SPEED_KBIT_S, HALF_DUPLEX = range(6)
_ROWS = 6

# Two readings this much nearer or further apart than a slot still make the slot's sample: a collector that was started
# again in the middle of a slot does not lose it. Further apart they would hide the slots in between.
_SHORTEST_SLOTS = 0.5
_LONGEST_SLOTS = 1.5

# The shortest frame: so many bytes make at most so many frames, so the share of bad ones is never overstated.
_FRAME_BYTES_LEAST = 64

_MILLISECONDS = 1000
_BITS = 8


class PortKey(NamedTuple):
    """One port of one polled device."""

    device_id: str
    interface: str


class LinePort(Protocol):
    """The port at the end of a site's line, and what is known of that line."""

    @property
    def device_id(self) -> str:
        """Identity of the polled device."""

    @property
    def name(self) -> str:
        """The device's name, for people."""

    @property
    def unit_code(self) -> str:
        """Official code of the unit it stands in."""

    @property
    def site(self) -> str:
        """The site within the unit."""

    @property
    def interface(self) -> str:
        """The port, as its readings are labelled."""

    @property
    def received_is_down(self) -> bool:
        """Whether what the port receives goes to the site; False: what it transmits does."""

    @property
    def capacity_down_kbit_s(self) -> int | None:
        """Capacity of the line towards the site, kbit/s; None: not configured."""

    @property
    def capacity_up_kbit_s(self) -> int | None:
        """Capacity of the line from the site, kbit/s; None: not configured."""

    @property
    def expected_speed_kbit_s(self) -> int | None:
        """The speed the port should agree on, kbit/s; None: not configured."""


ReadPorts = Callable[[int, int], Iterable[StoredReading]]
"""Readings of `interface` with start <= time < end (seconds), of every device and port, in any order."""


class _Ring:
    """The newest slots of one port; each place remembers which slot it holds, so that an older one never shows."""

    __slots__ = ("numbers", "values")

    def __init__(self, size: int) -> None:
        self.numbers = np.full(size, -1, dtype=np.int64)
        self.values = np.full((_ROWS, size), np.nan)

    def put(self, slot: int, column: Sequence[float]) -> None:
        at = slot % len(self.numbers)
        if slot >= self.numbers[at]:
            self.numbers[at] = slot
            self.values[:, at] = column

    def between(self, first: int, last: int, rows: list[int]) -> Floats:
        wanted = np.arange(first, last + 1)
        at = wanted % len(self.numbers)
        return np.where(self.numbers[at] == wanted, self.values[:, at][rows], np.nan)


class SlotBook:
    """What the rules on ports remember; can be made again from stored readings at any time.

    Args:
        slot_seconds: length of a slot.
        days: how many days are kept.
    """

    def __init__(self, slot_seconds: int, days: int) -> None:
        self.slot_seconds = slot_seconds
        self.size = days * 86_400 // slot_seconds
        self._rings: dict[PortKey, _Ring] = {}
        self.read_at: float | None = None
        self.reread_at: float | None = None

    def slot_of(self, seconds: float) -> int:
        """The slot that holds this moment."""
        return int(seconds // self.slot_seconds)

    def put(self, readings: Iterable[StoredReading]) -> None:
        """Takes readings of `interface`, in any order; one that is put again replaces itself."""
        for reading in readings:
            tags = reading.tags
            key = PortKey(tags["device_id"], tags["interface"])
            ring = self._rings.get(key)
            if ring is None:
                ring = self._rings[key] = _Ring(self.size)
            ring.put(self.slot_of(reading.time_seconds), _column(reading.fields, self.slot_seconds))

    def forget_before(self, seconds: float) -> None:
        """Drops ports without a reading since then."""
        slot = self.slot_of(seconds)
        for key in [key for key, ring in self._rings.items() if ring.numbers.max() < slot]:
            del self._rings[key]

    def between(self, key: PortKey, first: int, last: int, *rows: int) -> Floats:
        """Array (rows, slots) of the slots from `first` to `last`, both included; NaN where nothing is known.

        Args:
            key: of the port; one that was never read is all NaN.
            first: number of a slot.
            last: number of a slot.
            rows: those wanted, of the rows named above.

        Raises:
            ValueError: more slots than are kept.
        """
        slots = last - first + 1
        if slots > self.size:
            raise ValueError(f"{slots} slots: {self.size} are kept")
        ring = self._rings.get(key)
        return np.full((len(rows), slots), np.nan) if ring is None else ring.between(first, last, list(rows))


@dataclass(frozen=True, slots=True)
class PortInputs:
    """What rules on ports look at.

    Args:
        lines: every configured port; one without readings is there too.
        book: their slots.
    """

    lines: Sequence[LinePort]
    book: SlotBook


# Reports of a slot wait in the journal while the store is away; so long back they are looked for at every refresh, ...
LATE_SECONDS = 3 * 3600
# ... and once an hour so long; older ones when the collector is started again.
REREAD_EVERY_SECONDS = 3600
REREAD_SECONDS = 86_400


def refresh(book: SlotBook, read: ReadPorts, now: float) -> None:
    """Brings the book up to now: everything the first time, then only what is new or may have come late.

    Args:
        book: is changed.
        read: the metric store; if it fails the book is as before, and the next call reads the same again.
        now: seconds since 1970-01-01 UTC.
    """
    kept_seconds = book.size * book.slot_seconds
    again = book.reread_at is None or not 0 <= now - book.reread_at < REREAD_EVERY_SECONDS
    if book.read_at is None:
        start = now - kept_seconds
    else:
        back = REREAD_SECONDS if again else LATE_SECONDS
        start = max(now - kept_seconds, min(now, book.read_at) - back)
    book.put(read(int(start), int(now) + 1))
    book.read_at = now
    if again:
        book.reread_at = now
        book.forget_before(now - kept_seconds)


def _column(fields: Mapping[str, int], slot_seconds: int) -> tuple[float, ...]:
    """One slot's values in the order of the rows."""
    interval_ms = fields.get("interval_ms")
    shortest, longest = _SHORTEST_SLOTS * slot_seconds, _LONGEST_SLOTS * slot_seconds
    fits = interval_ms is not None and shortest * _MILLISECONDS <= interval_ms <= longest * _MILLISECONDS
    received = _rate(fields.get("received_bytes"), interval_ms if fits else None)
    transmitted = _rate(fields.get("transmitted_bytes"), interval_ms if fits else None)
    errors = [float(fields[name]) for name in ("receive_errors", "transmit_errors") if name in fields]
    frames = (fields.get("received_bytes", 0) + fields.get("transmitted_bytes", 0)) / _FRAME_BYTES_LEAST
    total = sum(errors) if errors else np.nan
    up = fields.get("up", 1) != 0
    return (
        received,
        transmitted,
        total,
        total / (total + frames) if total else total,
        # A port that is down keeps the speed it last had, or shows one it would never agree on.
        float(fields["speed_kbit_s"]) if up and "speed_kbit_s" in fields else np.nan,
        float(fields["half_duplex"]) if up and "half_duplex" in fields else np.nan,
    )


def _rate(amount_bytes: int | None, interval_ms: int | None) -> float:
    """kbit/s, NaN where it is not known."""
    return np.nan if amount_bytes is None or interval_ms is None else amount_bytes * _BITS / interval_ms
