"""In which half-hours of the week each terminal is usually on, learned from the weeks before.

Viet Nam has no summer time, so a week of 336 half-hours counted from 1970-01-01 UTC has the same hours of the clock
every time, and needs no time zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

SLOT_SECONDS = 1800
WEEK_SLOTS = 336
WEEK_SECONDS = SLOT_SECONDS * WEEK_SLOTS
BOOK_WEEKS = 6

_PROVINCE_OFFSET_SECONDS = 7 * 3600
_DAY_SECONDS = 86_400
# 1970-01-01 was a Thursday; Monday is 0.
_FIRST_WEEKDAY = 3

Bools = npt.NDArray[np.bool_]


def province_weekday(at_seconds: float) -> tuple[int, int]:
    """Weekday (Monday is 0) and second of the day in the province (UTC+7)."""
    local = int(at_seconds) + _PROVINCE_OFFSET_SECONDS
    return (local // _DAY_SECONDS + _FIRST_WEEKDAY) % 7, local % _DAY_SECONDS


@dataclass(frozen=True, slots=True)
class HabitTerms:
    """How weeks become a habit.

    Args:
        weeks_min: a half-hour of the week is learned once so many weeks have it.
        usual_ratio: a terminal that was on in at least this share of those weeks is usually on.
        holiday_ratio: a half-hour in which less than this share of its best week's terminals were on is a holiday (or
            an outage of everything) and is left out.
    """

    weeks_min: int
    usual_ratio: float
    holiday_ratio: float


class PresenceBook:
    """Who reported in the middle of each half-hour of the last weeks; bits that are never taken back."""

    def __init__(self, weeks: int = BOOK_WEEKS) -> None:
        self._slots = weeks * WEEK_SLOTS
        self._rows: dict[str, int] = {}
        self._seen: Bools = np.zeros((0, self._slots), dtype=np.bool_)
        self._known: Bools = np.zeros(self._slots, dtype=np.bool_)
        self._newest: int | None = None
        self._habits: dict[HabitTerms, Habits] = {}

    @property
    def device_ids(self) -> Sequence[str]:
        """Every device that was ever seen, in the order of the rows."""
        return list(self._rows)

    def put_slot(self, slot: int, device_ids: Iterable[str]) -> None:
        """Notes who reported in a half-hour (seconds // 1800); one that is too old is passed over.

        Doing it again adds those who were not there the first time.
        """
        self._advance(slot)
        if not self._holds(slot):
            return
        column = slot % self._slots
        self._known[column] = True
        self._habits.clear()
        at = [self._row(device_id) for device_id in device_ids]
        self._seen[at, column] = True

    def _advance(self, slot: int) -> None:
        if self._newest is None:
            self._newest = slot
        elif slot > self._newest:
            # The columns come round again.
            gone = np.arange(self._newest + 1, min(slot, self._newest + self._slots) + 1) % self._slots
            self._seen[:, gone] = False
            self._known[gone] = False
            self._newest = slot

    def _holds(self, slot: int) -> bool:
        return self._newest is not None and self._newest - self._slots < slot <= self._newest

    def _row(self, device_id: str) -> int:
        row = self._rows.get(device_id)
        if row is None:
            row = self._rows[device_id] = len(self._rows)
            if row >= len(self._seen):
                more = np.zeros((max(64, len(self._seen)), self._slots), dtype=np.bool_)
                self._seen = np.concatenate([self._seen, more])
        return row

    def slots_to_read(self, newest: int, most: int) -> list[int]:
        """Half-hours up to `newest` that nobody has put yet, newest first, at most so many."""
        wanted = (slot for slot in range(newest, newest - self._slots, -1))
        missing = (slot for slot in wanted if not (self._holds(slot) and self._known[slot % self._slots]))
        return [slot for slot, _ in zip(missing, range(most), strict=False)]

    def dump(self) -> bytes:
        """Everything, to be kept and handed to `loaded` later."""
        file = BytesIO()
        columns = self._columns()
        np.savez(
            file,
            newest=np.array([0 if self._newest is None else self._newest]),
            device_ids=np.array(list(self._rows), dtype=np.str_),
            known=np.packbits(self._known[columns]),
            seen=np.packbits(self._seen[: len(self._rows), columns], axis=1),
        )
        return file.getvalue()

    @classmethod
    def loaded(cls, kept: bytes, weeks: int = BOOK_WEEKS) -> PresenceBook:
        """The book of which `dump` made these bytes.

        Raises:
            ValueError: they are not such, or of another number of weeks.
        """
        book = cls(weeks)
        try:
            with np.load(BytesIO(kept), allow_pickle=False) as arrays:
                newest, device_ids = int(arrays["newest"][0]), [str(each) for each in arrays["device_ids"]]
                known, seen = np.unpackbits(arrays["known"]), np.unpackbits(arrays["seen"], axis=1)
        except (KeyError, IndexError, EOFError, BadZipFile, OSError) as error:
            raise ValueError(f"not a book of presence: {error}") from error
        if known.shape != (book._slots,) or seen.shape != (len(device_ids), book._slots):
            raise ValueError(f"a book of {known.size} half-hours, expected {book._slots}")
        if known.any():
            book._newest = newest
            columns = book._columns()
            book._rows = {device_id: row for row, device_id in enumerate(device_ids)}
            book._seen, book._known = np.zeros(seen.shape, dtype=np.bool_), np.zeros(known.shape, dtype=np.bool_)
            book._seen[:, columns], book._known[columns] = seen.astype(np.bool_), known.astype(np.bool_)
        return book

    def _columns(self) -> npt.NDArray[np.int64]:
        """The columns, oldest first."""
        newest = -1 if self._newest is None else self._newest
        return np.arange(newest - self._slots + 1, newest + 1) % self._slots

    def habits(self, terms: HabitTerms) -> Habits:
        """What these weeks show, up to the newest half-hour that was put; made again only after another was."""
        known = self._habits.get(terms)
        if known is None:
            known = self._habits[terms] = self._made(terms)
        return known

    def _made(self, terms: HabitTerms) -> Habits:
        newest = -1 if self._newest is None else self._newest
        order = np.arange(newest - self._slots + 1, newest + 1)
        columns = self._columns()
        seen = self._seen[: len(self._rows), columns]
        known = self._known[columns]
        first = np.where(seen.any(axis=1), seen.argmax(axis=1), self._slots)
        counted = known & _working(seen, first, order, terms.holiday_ratio)
        seen &= counted
        return Habits(dict(self._rows), newest, seen, counted, _usual(seen, counted, first, order, terms))


@dataclass(frozen=True, slots=True)
class Habits:
    """The weeks of a book, and what is usual in them.

    Args:
        rows: device -> its row.
        newest: the slot of the last column.
        seen: rows x slots, oldest first: on, in a half-hour that counts.
        counted: the half-hours that count: known, and no holiday.
        usual: rows x half-hours of the week (slot % 336): whether it is usually on then.
    """

    rows: dict[str, int]
    newest: int
    seen: Bools
    counted: Bools
    usual: Bools

    def usual_at(self, at_seconds: float) -> Bools:
        """Which devices are usually on at that moment."""
        return self.usual[:, int(at_seconds) // SLOT_SECONDS % WEEK_SLOTS]

    def slot_weeks(self) -> npt.NDArray[np.int64]:
        """Of each column of `seen`, which half-hour of the week it is."""
        return np.arange(self.newest - self.seen.shape[1] + 1, self.newest + 1) % WEEK_SLOTS

    def longest_absence(self, row: int, counted: Bools) -> int:
        """How many of its usual half-hours in a row it was not on before it came back, at most, in these weeks.

        Args:
            row: the device.
            counted: which columns count for it.
        """
        expected = self.usual[row, self.slot_weeks()] & counted
        seen = self.seen[row]
        missed = np.cumsum(expected & ~seen)
        back = missed[np.flatnonzero(seen)]
        # The absence before the first time it was seen is none of its.
        return int(np.diff(back).max(initial=0))


def _working(seen: Bools, first: npt.NDArray[np.int64], order: npt.NDArray[np.int64], holiday_ratio: float) -> Bools:
    """Which columns are no holiday: their share of terminals is not far below that of the same half-hour's best."""
    places = np.arange(seen.shape[1])
    enrolled = np.searchsorted(np.sort(first), places, side="right")
    share = seen.sum(axis=0) / np.maximum(enrolled, 1)
    best = np.zeros(WEEK_SLOTS)
    np.maximum.at(best, order % WEEK_SLOTS, share)
    working: Bools = share >= holiday_ratio * best[order % WEEK_SLOTS]
    return working


def _usual(
    seen: Bools,
    counted: Bools,
    first: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
    terms: HabitTerms,
) -> Bools:
    """Rows x half-hours of the week: on in enough of the weeks that count since it was first seen."""
    weeks = np.zeros((len(seen), WEEK_SLOTS), dtype=np.uint8)
    places = np.arange(seen.shape[1])
    for begin in range(0, seen.shape[1], WEEK_SLOTS):
        week = slice(begin, begin + WEEK_SLOTS)
        weeks += counted[week] & (places[week] >= first[:, None])
    times = seen.reshape(len(seen), seen.shape[1] // WEEK_SLOTS, WEEK_SLOTS).sum(axis=1, dtype=np.uint8)
    usual = (weeks >= terms.weeks_min) & (times >= terms.usual_ratio * weeks) & (times > 0)
    # The oldest column need not be the week's first half-hour.
    rolled: Bools = np.roll(usual, int(order[0]) % WEEK_SLOTS, axis=1)
    return rolled
