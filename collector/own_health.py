"""The collector's own numbers, as the alert rules read them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, func, select

from collector.db.tables import rejected
from collector.metrics.port import StoreHealth

HOUR_SECONDS = 3600.0


class Backlog(Protocol):
    """What waits to be written: the journal."""

    def backlog(self) -> tuple[int, float | None]:
        """How many entries wait, and when the oldest was received."""


class Watch(Protocol):
    """Who asks the store for its health."""

    @property
    def health(self) -> StoreHealth:
        """Its newest answer."""


class Part(Protocol):
    """A part that says what is wrong with it."""

    @property
    def problem(self) -> str:
        """In words, empty if nothing is."""


@dataclass(frozen=True)
class OwnNumbers:
    """The numbers at one moment; see `alerts.ports.CollectorHealth`."""

    numbers: Mapping[str, float]
    details: Mapping[str, str]


@dataclass(frozen=True)
class OwnHealth:
    """Asks the parts of one collector.

    Args:
        engine: the registry.
        state: the folder that everything is kept in.
        journal: what waits to be written.
        store_watch: the metric store's health.
        writer: its problem.
        jobs_problem: what failing jobs say.
    """

    engine: Engine
    state: Path
    journal: Backlog
    store_watch: Watch
    writer: Part
    jobs_problem: Callable[[], str]

    def __call__(self, now: float) -> OwnNumbers:
        """The numbers now (seconds since 1970-01-01 UTC)."""
        _, oldest = self.journal.backlog()
        store = self.store_watch.health
        problems = {
            "store_failing": "" if store.ok else store.detail or "?",
            "writer_failing": self.writer.problem,
            "jobs_failing": self.jobs_problem(),
        }
        disk = shutil.disk_usage(self.state)
        numbers = {
            "journal_oldest_seconds": round(max(0.0, now - oldest), 1) if oldest is not None else 0.0,
            "rejected_last_hour": float(self._rejected(now)),
            "disk_free_bytes": float(disk.free),
            "disk_free_ratio": round(disk.free / disk.total, 4),
            **{name: float(bool(text)) for name, text in problems.items()},
        }
        return OwnNumbers(numbers, {name: text for name, text in problems.items() if text})

    def _rejected(self, now: float) -> int:
        since = now - HOUR_SECONDS
        with self.engine.connect().execution_options(read_only=True) as connection:
            statement = select(func.count()).select_from(rejected).where(rejected.c.received_at >= since)
            return int(connection.execute(statement).scalar_one())
