"""Carries acknowledged reports from the journal into the registry and the metric store.

At least once by construction, exactly once in effect: an entry is let go only after both have it, and both take the
same report twice without a trace.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, Engine

from agent.wire.report import Report
from collector.clock import now_seconds
from collector.db.devices import keep_rejected, part_body, places, record_report
from collector.journal import Entry, Journal
from collector.metrics.port import MetricStore, MetricStoreError, Point, RefusedPoint
from collector.points import points_from_report
from collector.selfmetrics import SelfMetrics

log = logging.getLogger(__name__)

BATCH_ENTRIES = 1000
IDLE_SECONDS = 0.5
RETRY_FIRST_SECONDS = 1.0
RETRY_MOST_SECONDS = 60.0
# Longer than any spool keeps a report (30 days), so that no repeat can outlive its receipt.
RECEIPT_SECONDS = 45 * 86400.0
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
        rejected_rows: int,
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._store = store
        self._metrics = metrics
        self._rejected_rows = rejected_rows
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._registered_id = 0
        self._forgot_at = 0.0
        self._storage_ready = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
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
        """
        if not self._storage_ready:
            self._store.ensure_storage()
            self._storage_ready = True
        entries = self._journal.waiting(0, BATCH_ENTRIES)
        if not entries:
            return 0
        points = self._register(entries)
        refused = self._store.write(points)
        if refused:
            self._keep_refused(refused)
        self._journal.mark_written(entry.id for entry in entries)
        self._metrics.points_written.inc(len(points) - len(refused))
        return len(entries)

    def _register(self, entries: Sequence[Entry]) -> list[Point]:
        """Brings the registry up to these entries and returns their points."""
        points: list[Point] = []
        with self._engine.begin() as connection:
            where = places(connection, list({entry.device_id for entry in entries}))
            for entry in entries:
                place = where.get(entry.device_id)
                if place is None:
                    # The registry came back from a backup older than this device's enrolment.
                    self._keep_orphan(connection, entry)
                    continue
                report = _decode_report.decode(entry.body)
                points += points_from_report(
                    report,
                    unit_code=place.unit_code,
                    site=place.site,
                    time_seconds=entry.time_seconds,
                )
                # While the store is away the same entries come again; the registry needs them once.
                if entry.id > self._registered_id:
                    record_report(
                        connection,
                        report,
                        time_seconds=entry.time_seconds,
                        received_at=entry.received_at,
                    )
        self._registered_id = max(self._registered_id, entries[-1].id)
        return points

    def _keep_orphan(self, connection: Connection, entry: Entry) -> None:
        row = {
            "kind": "report",
            "device_id": entry.device_id,
            "received_at": entry.received_at,
            "reason": "the registry does not know this device (any more)",
            "body": entry.body,
        }
        keep_rejected(connection, [row], most=self._rejected_rows)
        self._metrics.rejected.labels("report").inc()

    def _keep_refused(self, refused: Sequence[RefusedPoint]) -> None:
        now = now_seconds()
        rows = [
            {
                "kind": "point",
                "device_id": item.point.tags["device_id"],
                "received_at": now,
                "reason": item.reason,
                "body": part_body(
                    {
                        "measurement": item.point.measurement,
                        "tags": dict(item.point.tags),
                        "fields": dict(item.point.fields),
                        "time_seconds": item.point.time_seconds,
                    },
                ),
            }
            for item in refused
        ]
        with self._engine.begin() as connection:
            keep_rejected(connection, rows, most=self._rejected_rows)
        self._metrics.rejected.labels("point").inc(len(refused))
        log.warning("metric store refused %d points, first: %s", len(refused), refused[0].reason)

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
            self._journal.forget(now - RECEIPT_SECONDS)
