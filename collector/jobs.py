"""What happens by the clock: ages are estimated, rules are judged, old samples are forgotten."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial

from sqlalchemy import Engine, delete, func, select

from collector.ageing import estimate_due_ages
from collector.clock import now_seconds
from collector.db.register import SqlRegister, link_sure_pairs
from collector.db.tables import asset, device, transition
from collector.judging import Judge
from collector.judging_inputs import Health
from collector.language import translator
from collector.metrics.port import MetricStore
from collector.selfmetrics import SelfMetrics
from collector.settings import Settings

log = logging.getLogger(__name__)

PURGE_EVERY_SECONDS = 3600.0
DAY_SECONDS = 86400.0
DOUBT_DAYS = 30


class Jobs:
    """Runs `tick` at the interval of the settings, in a thread of its own."""

    def __init__(
        self,
        engine: Engine,
        store: MetricStore,
        metrics: SelfMetrics,
        settings: Settings,
        *,
        store_ready: threading.Event,
        own_health: Health | None = None,
    ) -> None:
        self._store_ready = store_ready
        self._engine = engine
        self._store = store
        self._metrics = metrics
        self._settings = settings
        self._judge = Judge(engine, store, metrics, settings.alerts, own_health)
        self.watch = self._judge.watch
        self.rules = self._judge.rules
        # What others have done in every tick, by the name of the job.
        self.others: dict[str, Callable[[float], object]] = {}
        self._purged_at = 0.0
        self._linked_marker: tuple[object, ...] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """What the jobs that failed at their last run said, empty where none did."""
        return "; ".join(f"{job}: {text}" for job, text in sorted(self._problems.items()))

    def rule_names(self, language: str) -> dict[str, str]:
        """The rules' one-line summaries in a language, by name."""
        translate = translator(language)
        return {name: translate(rule.summary) for name, rule in self._judge.rules.items()}

    def start(self) -> None:
        """Begins at once: a restarted collector has judging to catch up with."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the tick under way."""
        self._stop.set()
        self._thread.join()

    def tick(self, now: float) -> None:
        """Everything that is due at that moment; one job's failure does not keep another from running."""
        self._attempt("links", self._link_register)
        self._attempt("ages", lambda: estimate_due_ages(self._engine, now))
        for name, run in self.others.items():
            self._attempt(name, partial(run, now))
        store_ready = self._store_ready.is_set()
        self._attempt("rules", lambda: self._judge.judge(now, store_ready=store_ready))
        # Before the writer has made the store's tables there is nothing to forget.
        if not store_ready:
            return
        if now - self._purged_at > PURGE_EVERY_SECONDS:
            self._purged_at = now
            before = int(now - self._settings.store.retention_days * DAY_SECONDS)
            self._attempt("purge", lambda: self._store.purge(before))
            self._attempt("forget", lambda: self._forget_passing_doubts(now))

    def _link_register(self) -> None:
        """Links register rows to the terminals they surely are, when either has changed since the last time."""
        with self._engine.begin() as connection:
            marker = (
                connection.execute(select(func.max(device.c.facts_changed_at))).scalar_one(),
                *connection.execute(select(func.max(asset.c.updated_at), func.count(asset.c.id))).one(),
            )
            if marker != self._linked_marker:
                link_sure_pairs(SqlRegister(connection))
        self._linked_marker = marker

    def _forget_passing_doubts(self, now: float) -> None:
        """Drops old transitions that never came to an alert: a terminal makes several a day, and they tell nothing."""
        doubts = (transition.c.to_state == "pending") | (transition.c.from_state == "pending")
        with self._engine.begin() as connection:
            connection.execute(
                delete(transition).where(
                    doubts,
                    transition.c.to_state != "firing",
                    transition.c.at < now - DOUBT_DAYS * DAY_SECONDS,
                    # SQLite would give the number of the newest away again, behind those who read by numbers.
                    transition.c.id < select(func.max(transition.c.id)).scalar_subquery(),
                ),
            )

    def _attempt(self, job: str, run: Callable[[], object]) -> None:
        try:
            run()
        except Exception as error:  # the loop's edge: counted and said; the next tick tries again
            self._problems[job] = str(error)
            self._metrics.job_errors.labels(job).inc()
            log.exception("job %s failed", job)
        else:
            self._problems.pop(job, None)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.tick(now_seconds())
            self._stop.wait(self._settings.alerts.interval_seconds)
