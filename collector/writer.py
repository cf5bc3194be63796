"""Carries acknowledged reports from the journal into the registry and the metric store.

At least once by construction, exactly once in effect: an entry is let go only after both have it, and both take the
same report twice without a trace.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from agent.wire.report import Report
from collector.clock import now_seconds
from collector.db.devices import Refused, SeenReport, keep_rejected, part_body, places, record_reports
from collector.journal import Entry, Journal
from collector.metrics.port import MetricStore, MetricStoreError, Point, RefusedPoint
from collector.points import points_from_report
from collector.selfmetrics import SelfMetrics
from collector.settings import Limits

log = logging.getLogger(__name__)

BATCH_ENTRIES = 1000
IDLE_SECONDS = 0.5
RETRY_FIRST_SECONDS = 1.0
RETRY_MOST_SECONDS = 60.0
# The registry's write lock is held for so many at a time, so that logins and enrolments get their turn.
REGISTER_ENTRIES = 100
# Written entries keep a row of their own this long; then a boot's numbers become ranges.
FOLD_SECONDS = 3600.0
# Longer than any spool keeps a report (30 days), so that no repeat can outlive its receipt.
RECEIPT_SECONDS = 400 * 86400.0
FORGET_EVERY_SECONDS = 3600.0

_decode_report = msgspec.json.Decoder(Report)


class Writer:
    """The loop between journal and stores, in a thread of its own."""

    def __init__(
        self,
        journal: Journal,
        engine: Engine,
        store: MetricStore,
        metrics: SelfMetrics,
        *,
        limits: Limits,
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._store = store
        self._metrics = metrics
        self._limits = limits
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._registered_id = 0
        self._forgot_at = 0.0
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self.storage_ready = threading.Event()
        # Who wants to know what was written, besides the store.
        self.on_written: Callable[[Sequence[Point]], None] | None = None
        self.problem = ""

    def start(self) -> None:
        """Begins with whatever the journal still holds from before."""
        self._thread.start()

    def wake(self) -> None:
        """Tells the writer that there is something to do."""
        self._wake.set()

    def stop(self) -> None:
        """Ends after the batch under way; what is left waits in the journal."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def write_once(self) -> int:
        """Writes one batch; returns how many entries are through.

        Raises:
            MetricStoreError: the batch stays in the journal; the registry has it already.
            sqlalchemy.exc.OperationalError: the batch stays in the journal.
        """
        if not self.storage_ready.is_set():
            self._store.ensure_storage()
            self.storage_ready.set()
        entries = self._journal.waiting(0, BATCH_ENTRIES)
        points: list[Point] = []
        for start in range(0, len(entries), REGISTER_ENTRIES):
            points += self._register_or_set_aside(entries[start : start + REGISTER_ENTRIES])
        if not entries:
            return 0
        refused = self._store.write(points)
        if refused:
            self._keep_refused(refused)
        if self.on_written is not None:
            self.on_written(points)
        self._journal.mark_written(entry.id for entry in entries)
        self._metrics.points_written.inc(len(points) - len(refused))
        return len(entries)

    def _register_or_set_aside(self, entries: Sequence[Entry]) -> list[Point]:
        """Registers these entries; one that cannot be read must not stop the rest, so it is found and set aside."""
        try:
            return self._register(entries)
        except OperationalError:
            raise
        except Exception as error:  # a surprise in one entry's content; the others are done one by one
            if len(entries) > 1:
                return [point for entry in entries for point in self._register_or_set_aside([entry])]
            log.exception("entry %d of device %s cannot be read", entries[0].id, entries[0].device_id)
            self._set_aside(entries[0], f"the collector could not read it: {type(error).__name__}: {error}")
            return []

    def _register(self, entries: Sequence[Entry]) -> list[Point]:
        """Brings the registry up to these entries and returns their points."""
        points: list[Point] = []
        seen: list[SeenReport] = []
        orphans: list[Entry] = []
        with self._engine.begin() as connection:
            where = places(connection, list({entry.device_id for entry in entries}))
            for entry in entries:
                place = where.get(entry.device_id)
                if place is None:
                    orphans.append(entry)
                    continue
                report = _decode_report.decode(entry.body)
                points += points_from_report(
                    report,
                    unit_code=place.unit_code,
                    site=place.site,
                    time_seconds=entry.time_seconds,
                )
                # While the store is away the same entries come again; the registry needs them once.
                if place.terminal and entry.id > self._registered_id:
                    seen.append(SeenReport(report, entry.time_seconds, entry.received_at, entry.skew_seconds))
            if seen:
                record_reports(connection, seen)
        for entry in orphans:
            # The registry came back from a backup older than this device's enrolment.
            self._set_aside(entry, "the registry does not know this device (any more)")
        self._registered_id = max(self._registered_id, entries[-1].id)
        return points

    def _set_aside(self, entry: Entry, reason: str) -> None:
        self._keep([Refused("report", entry.device_id, entry.received_at, reason, entry.body)])

    def _keep_refused(self, refused: Sequence[RefusedPoint]) -> None:
        now = now_seconds()
        self._keep(
            [
                Refused(
                    "point",
                    item.point.tags["device_id"],
                    now,
                    item.reason,
                    part_body(
                        {
                            "measurement": item.point.measurement,
                            "tags": dict(item.point.tags),
                            "fields": dict(item.point.fields),
                            "time_seconds": item.point.time_seconds,
                        },
                    ),
                )
                for item in refused
            ],
        )
        log.warning("metric store refused %d points, first: %s", len(refused), refused[0].reason)

    def _keep(self, items: Sequence[Refused]) -> None:
        limits = self._limits
        with self._engine.begin() as connection:
            new = keep_rejected(connection, items, most=limits.rejected_rows, item_bytes=limits.rejected_item_bytes)
        self._metrics.rejected.labels(items[0].kind).inc(new)

    def _run(self) -> None:
        delay = RETRY_FIRST_SECONDS
        while not self._stop.is_set():
            try:
                written = self.write_once()
                self._forget()
            except Exception as error:  # the loop's edge: counted, said, tried again; nothing is let go of
                self.problem = str(error)
                self._metrics.writer_errors.inc()
                expected = isinstance(error, MetricStoreError)
                log.log(logging.WARNING if expected else logging.ERROR, "writer: %s", error, exc_info=not expected)
                self._stop.wait(delay)
                delay = min(delay * 2, RETRY_MOST_SECONDS)
                continue
            self.problem = ""
            delay = RETRY_FIRST_SECONDS
            if not written:
                self._wake.wait(IDLE_SECONDS)
                self._wake.clear()

    def _forget(self) -> None:
        now = now_seconds()
        if now - self._forgot_at > FORGET_EVERY_SECONDS:
            self._forgot_at = now
            self._journal.fold(now - FOLD_SECONDS)
            self._journal.forget(now - RECEIPT_SECONDS)
