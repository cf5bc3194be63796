"""The collector's own numbers, for `/metrics` (prometheus-client)."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from agent.wire.catalogue import PREFIX


class SelfMetrics:
    """One set of counters for one collector; nothing is registered globally, so tests may make many."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reports = self._counter("collector_reports", "Reports answered, by answer.", "status")
        self.uploads = self._counter("collector_uploads", "Uploads answered, by HTTP status.", "code")
        self.rejected = self._counter("collector_rejected", "Things refused for good and kept aside.", "kind")
        self.enrolments = self._counter("collector_enrolments", "Enrolments, by outcome.", "outcome")
        self.points_written = self._counter("collector_points_written", "Points written to the metric store.")
        self.writer_errors = self._counter("collector_writer_errors", "Failed attempts of the writer.")
        self.job_errors = self._counter("collector_job_errors", "Failed runs of a job.", "job")
        self.transitions = self._counter("collector_transitions", "Changes of alert states.", "rule", "to_state")
        self.notifications = self._counter(
            "collector_notifications", "Attempts to deliver notifications.", "channel", "outcome"
        )
        self.upload_seconds = Histogram(
            f"{PREFIX}collector_upload_seconds",
            "Time from an upload's first byte to its answer.",
            registry=self.registry,
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A number that is looked up whenever somebody asks."""
        Gauge(PREFIX + name, text, registry=self.registry).set_function(value)

    def exposition(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self.registry)
