"""Keeps the book of when terminals are usually on: read from the metric store, a slice of each half-hour."""

from __future__ import annotations

import logging
from pathlib import Path

from agent.wire.catalogue import DEVICE_HEALTH
from alerts.presence import SLOT_SECONDS, PresenceBook
from collector.metrics.port import MetricStore

log = logging.getLogger(__name__)

FILE_NAME = "presence.npz"
# Two rounds of one minute in the middle of a half-hour.
SLICE_SECONDS = 120
# Reports of an ordinary terminal come in batches of a quarter of an hour: a half-hour is read when its own have come.
BATCH_SECONDS = 600
# Half-hours that are read in one call, so that a province's weeks come in while it is judged.
SLOTS_AT_ONCE = 4
# Terminals that were cut off send what they kept: a half-hour is read again a day later.
LATE_SLOTS = 48


class Presence:
    """The book and its file; what is lost is read from the store again.

    Args:
        store: where readings are.
        folder: where the file is kept; None keeps none.
    """

    def __init__(self, store: MetricStore, folder: Path | None) -> None:
        self._store = store
        self._path = folder / FILE_NAME if folder else None
        self._book: PresenceBook | None = None

    def current(self, now: float, since: float) -> PresenceBook:
        """The book with every half-hour that has ended, as far as they have been read yet.

        Args:
            now: seconds since 1970-01-01 UTC.
            since: before this there was no terminal.

        Raises:
            MetricStoreError: the store cannot be read; the book is as before.
        """
        if self._book is None:
            self._book = self._kept()
        book, newest = self._book, int(now - BATCH_SECONDS) // SLOT_SECONDS - 1
        todo = book.slots_to_read(newest, SLOTS_AT_ONCE)
        if not todo:
            return book
        if newest in todo and newest - LATE_SLOTS not in todo:
            todo.append(newest - LATE_SLOTS)
        for slot in todo:
            book.put_slot(slot, self._read(slot) if (slot + 1) * SLOT_SECONDS >= since else ())
        self._keep(book)
        return book

    def _read(self, slot: int) -> set[str]:
        """Who reported in the middle of a half-hour."""
        start = slot * SLOT_SECONDS + (SLOT_SECONDS - SLICE_SECONDS) // 2
        readings = self._store.read(
            DEVICE_HEALTH, ("uptime_s",), start_seconds=start, end_seconds=start + SLICE_SECONDS
        )
        return {reading.tags["device_id"] for reading in readings}

    def _kept(self) -> PresenceBook:
        if self._path is None or not self._path.exists():
            return PresenceBook()
        try:
            return PresenceBook.loaded(self._path.read_bytes())
        except (OSError, ValueError) as error:
            log.warning("%s cannot be used (%s); its weeks are read from the metric store again", self._path, error)
            return PresenceBook()

    def _keep(self, book: PresenceBook) -> None:
        if self._path is None:
            return
        new = self._path.with_suffix(".new")
        try:
            new.write_bytes(book.dump())
            new.replace(self._path)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error.strerror)
