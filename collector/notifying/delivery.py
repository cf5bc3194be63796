"""Takes notifications out of the outbox and hands them to a channel, until the other side has taken them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from prometheus_client import Counter
from sqlalchemy import Engine, Row
from sqlalchemy.exc import SQLAlchemyError

from alerts.route.rules import RoutingRules
from collector.clock import now_seconds
from collector.notifiers.contract import (
    Notifier,
    PermanentDeliveryError,
    TemporaryDeliveryError,
)
from collector.notifying import ledger, outbox
from collector.notifying.outbox import Backoff

log = logging.getLogger(__name__)


class Delivery:
    """One channel's deliveries, in a thread of its own, so that a slow channel holds no other up.

    Args:
        engine: the registry.
        channel: its name.
        notifier: its other end.
        rules: the routing rules.
        backoff: when failed deliveries are tried again.
        interval_seconds: how often the outbox is looked at; `wake` does not wait for that.
        counter: counts deliveries by channel and outcome.
    """

    def __init__(
        self,
        engine: Engine,
        channel: str,
        notifier: Notifier,
        rules: RoutingRules,
        backoff: Backoff,
        interval_seconds: float,
        counter: Counter,
    ) -> None:
        self._engine = engine
        self._channel = channel
        self._notifier = notifier
        self._rules = rules
        self._backoff = backoff
        self._interval_seconds = interval_seconds
        self._counter = counter
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"delivery-{channel}", daemon=True)
        # What the other side has taken while the registry could not be written: noted before anything else.
        self._unnoted: set[int] = set()
        self.problem = ""

    def start(self) -> None:
        """Begins with what an earlier process left."""
        self._thread.start()

    def wake(self) -> None:
        """Says that there is something new."""
        self._wake.set()

    def stop(self) -> None:
        """Ends after the delivery under way."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def deliver_due(self, now: Callable[[], float] = now_seconds) -> int:
        """Tries everything that is due; returns how much arrived."""
        count = 0
        while not self._stop.is_set():
            with self._engine.connect().execution_options(read_only=True) as connection:
                rows = outbox.heads(connection, self._channel, now())
            if not rows:
                return count
            for row in rows:
                if self._stop.is_set():
                    break
                count += self._deliver(row, now)
        return count

    def _deliver(self, row: Row[Any], now: Callable[[], float]) -> bool:
        if row.id not in self._unnoted:
            try:
                with self._engine.begin() as connection:
                    if not outbox.begin(connection, row.id, now()):
                        return False
            except outbox.ReceiverRemovedError as error:
                self._give_up(row, str(error), now())
                return False
            try:
                self._notifier.deliver(outbox.content_of(row))
            except PermanentDeliveryError as error:
                self._give_up(row, str(error), now())
                return False
            except TemporaryDeliveryError as error:
                self._postpone(row, error, now())
                return False
            except Exception as error:
                # A fault in a channel must neither lose a notification nor end the thread: it is a failed attempt.
                log.exception("channel %s failed", self._channel)
                self._postpone(row, TemporaryDeliveryError(f"{type(error).__name__} in the channel"), now())
                return False
            self._unnoted.add(row.id)
            self._counter.labels(self._channel, "delivered").inc()
        with self._engine.begin() as connection:
            outbox.arrived(connection, row.id, now())
        self._unnoted.discard(row.id)
        return True

    def _postpone(self, row: Row[Any], error: TemporaryDeliveryError, now: float) -> None:
        if now - row.decided_at >= self._backoff.give_up_seconds:
            self._give_up(row, f"given up after {row.attempts + 1} attempts: {error}", now)
            return
        pause = error.retry_after_seconds or self._backoff.pause_seconds(row.attempts + 1)
        with self._engine.begin() as connection:
            outbox.postpone(connection, row.id, now + min(pause, self._backoff.longest_seconds), str(error))
        self._counter.labels(self._channel, "retried").inc()
        log.warning("%s %s did not arrive: %s", self._channel, row.key, error)

    def _give_up(self, row: Row[Any], error: str, now: float) -> None:
        with self._engine.begin() as connection:
            known = ledger.receivers(connection)
            standing_in = [one for one in known.values() if one.route.fallback]
            outbox.give_up(connection, row.id, error, now, standing_in, self._rules)
        self._counter.labels(self._channel, "failed").inc()
        log.error("%s %s will never arrive: %s", self._channel, row.key, error)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self.deliver_due()
                self.problem = ""
            except SQLAlchemyError as error:
                # Nothing is sent that cannot be noted before and after; the next round tries again.
                self.problem = f"{self._channel}: the registry cannot be used: {error}"
                log.exception("the outbox of %s cannot be read or written", self._channel)
            self._wake.wait(self._interval_seconds)
