"""The parts of notifying, put together: one router, one delivery a channel, and the feed of Alertmanager."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine

from alerts.route.rules import SHIPPED_ROUTING, load_routing
from collector.clock import now_seconds
from collector.notifiers import NOTIFIERS
from collector.notifiers.alertmanager import AlertmanagerFeed
from collector.notifiers.contract import DeliveryError, Notifier, NotifierMaker
from collector.notifying import outbox
from collector.notifying.delivery import Delivery
from collector.notifying.outbox import Backoff
from collector.notifying.router import Router
from collector.notifying.wording import RuleNames, Wording
from collector.selfmetrics import SelfMetrics
from collector.settings import Settings

log = logging.getLogger(__name__)

HOUR_SECONDS = 3600.0
ALERTS_PATH = "/alerts"


class Notifying:
    """Decides who is told of what, and delivers it.

    Args:
        engine: the registry.
        settings: of `collector.toml`.
        metrics: counts deliveries.
        rule_names: a language to the rules' summaries by name.
        makers: the channels; the shipped ones but in tests.

    Raises:
        alerts.parameters.RuleError: the file of routing rules cannot be used.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        metrics: SelfMetrics,
        rule_names: RuleNames,
        makers: Mapping[str, NotifierMaker] = NOTIFIERS,
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._settings = settings.notify
        rules = load_routing(Path(settings.notify.routing_file) if settings.notify.routing_file else SHIPPED_ROUTING)
        public_url = settings.server.public_url.rstrip("/")
        self.wording = Wording(rule_names, f"{public_url}{ALERTS_PATH}" if public_url else "")
        self.notifiers: dict[str, Notifier] = {name: make(settings) for name, make in makers.items()}
        self.router = Router(
            engine,
            rules,
            self.wording,
            keep_days=settings.notify.keep_days,
        )
        backoff = Backoff(
            settings.notify.retry_first_seconds,
            settings.notify.retry_longest_seconds,
            settings.notify.give_up_hours * HOUR_SECONDS,
        )
        self.deliveries = {
            name: Delivery(
                engine,
                name,
                notifier,
                rules,
                backoff,
                settings.notify.interval_seconds,
                metrics.notifications,
            )
            for name, notifier in self.notifiers.items()
        }
        metrics.gauge(
            "collector_notifications_waiting",
            "Notifications decided and not delivered yet.",
            self._waiting,
        )
        self._feed = AlertmanagerFeed(engine, settings)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, name="notifying", daemon=True)]
        if settings.alertmanager.urls:
            self._threads.append(threading.Thread(target=self._run_feed, name="alertmanager", daemon=True))
        self._problem = ""
        self._feed_problem = ""

    @property
    def problem(self) -> str:
        """What stands against telling people, empty where nothing does."""
        texts = (self._problem, self._feed_problem, *(one.problem for one in self.deliveries.values()))
        return "; ".join(text for text in texts if text)

    def start(self) -> None:
        """Begins with what an earlier process left."""
        for delivery in self.deliveries.values():
            delivery.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends after the delivery under way; the rest waits in the outbox."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for delivery in self.deliveries.values():
            delivery.stop()

    def tick(self, now: float) -> int:
        """Decides everything that is due at that moment; returns how many notifications are to be delivered."""
        written = self.router.route(now, self._stop)
        if written:
            self.wake()
        return written

    def wake(self) -> None:
        """Says that the outbox holds something new."""
        for delivery in self.deliveries.values():
            delivery.wake()

    def _waiting(self) -> float:
        with self._engine.connect().execution_options(read_only=True) as connection:
            return float(outbox.waiting_count(connection))

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.tick(now_seconds())
            except Exception as error:  # the loop's edge: counted and said; the next tick tries again
                self._problem = str(error)
                self._metrics.job_errors.labels("notify").inc()
                log.exception("alerts could not be routed")
            else:
                self._problem = ""
            self._stop.wait(self._settings.interval_seconds)

    def _run_feed(self) -> None:
        while not self._stop.is_set():
            try:
                self._feed.tick(now_seconds())
            except DeliveryError as error:
                # Alertmanager is away: it is tried again, and everything is told anew.
                self._feed_problem = str(error)
            except Exception as error:  # the loop's edge: counted and said; the next tick tries again
                self._feed_problem = str(error)
                self._metrics.job_errors.labels("alertmanager").inc()
                log.exception("Alertmanager could not be told")
            else:
                self._feed_problem = ""
            self._stop.wait(self._settings.interval_seconds)
