"""One simulated terminal: what it measures each minute, and what of it still waits to be sent."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.wire.columns import COLUMNS_ENCODING, compress_columns, encode_batch
from agent.wire.document import document_hash
from agent.wire.exchange import Moment, ReportName, UploadAnswer, UploadHead
from agent.wire.report import ACCEPTED, RETRY, WIRE_VERSION

ORDINARY = "ordinary"
PROBER = "prober"
MINUTE_SECONDS = 60
# Where it is worth more, a batch is the agent's own largest.
BATCH_REPORTS = 60

_FACTS: tuple[tuple[str, Any], ...] = (
    ("agent_version", "simulated"),
    ("os_name", "Windows 10 Pro (simulated)"),
    ("os_version", "10.0.19045"),
    ("os_family", "windows"),
)
_PROBES = (("uptime", 0.0), ("processor", 0.0), ("memory", 0.0), ("filesystems", 0.0), ("latency", 54.0))


@dataclass
class SimulatedTerminal:
    """A terminal between two uploads.

    Args:
        device_id: given by the collector.
        token: its secret.
        unit_code, site: where it is counted.
        seed: of everything random about it.
        booted_at: when its present boot began, seconds since 1970-01-01 UTC.
        upload_interval_seconds: as the collector wants it.
    """

    device_id: str
    token: str
    unit_code: str
    site: str
    seed: int
    booted_at: float
    upload_interval_seconds: float = 900.0
    role: str = ORDINARY
    targets: tuple[str, ...] = ()
    configuration_hash: str = ""
    sequence: int = 0
    acknowledged: ReportName | None = None
    waiting: deque[tuple[int, bytes]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - measurements, not secrets
        self.boot_id = f"{self._random.getrandbits(128):032x}"
        self._memory_kib = self._random.randrange(600_000, 2_500_000)
        self._base_us = self._random.randrange(4_000, 30_000)

    def measure(self, at: float) -> None:
        """Adds the report of one minute to what waits."""
        self.sequence += 1
        report = {
            "wire_version": WIRE_VERSION,
            "device_id": self.device_id,
            "boot_id": self.boot_id,
            "sequence": self.sequence,
            "wall_time_seconds": round(at, 3),
            "monotonic_time_seconds": round(at - self.booted_at, 3),
            "outcomes": [
                {"probe": probe, "outcome": "ok", "duration_seconds": seconds, "message": ""}
                for probe, seconds in _PROBES
            ],
            "samples": self._samples(at),
            "facts": [{"name": name, "value": value} for name, value in _FACTS] if self.sequence == 1 else [],
        }
        body = json.dumps(report, separators=(",", ":"), ensure_ascii=False).encode()
        self.waiting.append((self.sequence, body))

    def batch(self) -> list[tuple[int, bytes]]:
        """The newest reports that wait, in their order; those of the past follow in later batches."""
        return list(self.waiting)[-BATCH_REPORTS:]

    def body(self, batch: Sequence[tuple[int, bytes]], now: float) -> tuple[bytes, str]:
        """(body, Content-Encoding) of an upload of these reports."""
        head = UploadHead(self.configuration_hash, self.acknowledged, Moment(self.boot_id, now, now - self.booted_at))
        return compress_columns(encode_batch([body for _sequence, body in batch], head)), COLUMNS_ENCODING

    def settle(self, batch: Sequence[tuple[int, bytes]], answer: UploadAnswer) -> tuple[int, int, int]:
        """(accepted, refused, to be sent again); follows what the collector wants from now on."""
        statuses = {result.sequence: result.status for result in answer.results}
        again = {sequence for sequence, status in statuses.items() if status == RETRY}
        sent = {sequence for sequence, _body in batch}
        self.waiting = deque(item for item in self.waiting if item[0] not in sent or item[0] in again)
        accepted = [sequence for sequence, status in statuses.items() if status == ACCEPTED]
        if accepted:
            newest = max(accepted)
            if self.acknowledged is None or newest > self.acknowledged.sequence:
                self.acknowledged = ReportName(self.boot_id, newest)
        if answer.configuration is not None:
            self.follow(answer.configuration)
        return len(accepted), len(batch) - len(accepted) - len(again), len(again)

    def follow(self, document: Mapping[str, Any]) -> None:
        """Does from now on what the collector says."""
        self.configuration_hash = document_hash(document)
        self.role = str(document.get("role", ORDINARY))
        self.upload_interval_seconds = float(document.get("upload_interval_seconds", self.upload_interval_seconds))
        self.targets = tuple(str(target["name"]) for target in document.get("targets", ()))

    def names(self, batch: Sequence[tuple[int, bytes]]) -> list[ReportName]:
        """What the reports of a batch are called."""
        return [ReportName(self.boot_id, sequence) for sequence, _body in batch]

    def _samples(self, at: float) -> list[dict[str, Any]]:
        draw = self._random
        self._memory_kib = max(200_000, self._memory_kib + draw.randrange(-3_000, 3_001))
        samples: list[dict[str, Any]] = [
            _sample("uptime_seconds", round(at - self.booted_at, 1)),
            _sample("cpu_utilisation_ratio", round(min(1.0, abs(draw.gauss(0.06, 0.05))), 3)),
            _sample("memory_total_bytes", 4_194_304 * 1024),
            _sample("memory_available_bytes", self._memory_kib * 1024),
            _sample("swap_used_bytes", 0),
            _sample("spool_reports", len(self.waiting)),
            _sample("spool_dropped_total", 0),
            _sample("filesystem_size_bytes", 128_000_000 * 1024, filesystem="C:"),
            _sample("filesystem_available_bytes", (40_000_000 - self.sequence * 3) * 1024, filesystem="C:"),
        ]
        samples += self._link("gateway", 400, 10)
        if self.role == PROBER:
            for target in self.targets:
                samples += self._link(target, self._base_us, 4)
        return samples

    def _link(self, target: str, base_us: int, sent: int) -> list[dict[str, Any]]:
        times = sorted(base_us + self._random.expovariate(1 / (base_us * 0.15)) for _ in range(sent))
        seconds = [round(value * 1e-6, 6) for value in times]
        return [
            _sample("link_probes_sent", sent, target=target),
            _sample("link_probes_received", sent, target=target),
            _sample("link_rtt_min_seconds", seconds[0], target=target),
            _sample("link_rtt_p50_seconds", seconds[(sent - 1) // 2], target=target),
            _sample("link_rtt_p95_seconds", seconds[-1], target=target),
            _sample("link_rtt_max_seconds", seconds[-1], target=target),
            _sample("link_rtt_mean_seconds", round(sum(seconds) / sent, 6), target=target),
            _sample("link_ipdv_seconds", round((seconds[-1] - seconds[0]) / sent, 6), target=target),
        ]


def _sample(metric: str, value: float, **labels: str) -> dict[str, Any]:
    return {"metric": metric, "value": value, "labels": labels}
