"""Lets the rules judge what is stored, and keeps every change of state with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from agent.wire.catalogue import LINK_LATENCY
from alerts.baseline import BaselineBook, refresh
from alerts.evaluate import Evaluation, evaluate
from alerts.ports import LINK_FIELDS, Inputs, StoredReading
from alerts.rules import SHIPPED_RULES, Rule, load_rules
from alerts.state import AlertState
from collector.ageing import stored_estimate
from collector.db.tables import alert_state, device, device_age, transition
from collector.metrics.port import MetricStore
from collector.selfmetrics import SelfMetrics
from collector.settings import Alerts
from inventory.age.evidence import AgeEstimate


@dataclass(frozen=True)
class StoredAge:
    """The age estimate of one enrolled device, as the age rules read it."""

    device_id: str
    unit_code: str
    estimate: AgeEstimate


class Judge:
    """Evaluates every enabled rule; its only memory beside the registry is the links' baselines.

    Raises:
        alerts.parameters.RuleError: a rule file cannot be used; names file, key and what was expected.
    """

    def __init__(self, engine: Engine, store: MetricStore, metrics: SelfMetrics, settings: Alerts) -> None:
        self._engine = engine
        self._store = store
        self._metrics = metrics
        self.rules = load_rules(Path(settings.rules_directory) if settings.rules_directory else SHIPPED_RULES)
        self._baselines = BaselineBook()

    def judge(self, now: float) -> int:
        """Judges everything at that moment; returns how many states changed.

        Raises:
            MetricStoreError: what the rules need cannot be read; no state has changed.
        """
        enabled = [rule for rule in self.rules.values() if rule.enabled]
        on_links = [rule for rule in enabled if rule.condition.reads == "links"]
        readings: list[StoredReading] = []
        if on_links:
            refresh(self._baselines, self._read_links, now, max(rule.condition.history_days for rule in on_links))
            window_seconds = max(rule.condition.window_seconds for rule in on_links)
            readings = list(self._read_links(int(now - window_seconds), int(now) + 1))
        changed = 0
        for rule in enabled:
            with self._engine.begin() as connection:
                inputs = Inputs(readings, self._baselines, _ages(connection) if rule.condition.reads == "ages" else ())
                result = evaluate(rule, inputs, _states(connection, rule), now)
                _keep(connection, rule, result)
            changed += len(result.transitions)
            for one in result.transitions:
                self._metrics.transitions.labels(one.rule, one.to_state).inc()
        return changed

    def _read_links(self, start_seconds: int, end_seconds: int) -> Iterable[StoredReading]:
        return self._store.read(LINK_LATENCY, LINK_FIELDS, start_seconds=start_seconds, end_seconds=end_seconds)


def _ages(connection: Connection) -> list[StoredAge]:
    rows = connection.execute(
        select(device_age, device.c.unit_code)
        .join(device, device.c.id == device_age.c.device_id)
        .where(device.c.revoked_at.is_(None)),
    )
    return [StoredAge(row.device_id, row.unit_code, stored_estimate(row)) for row in rows]


def _states(connection: Connection, rule: Rule) -> dict[str, AlertState]:
    rows = connection.execute(select(alert_state).where(alert_state.c.rule == rule.name))
    return {row.subject: AlertState.from_json(row.memory) for row in rows}


def _keep(connection: Connection, rule: Rule, result: Evaluation) -> None:
    for key, state in result.states.items():
        values: dict[str, Any] = {"state": state.state, "since": state.since, "memory": state.to_json()}
        connection.execute(
            upsert(alert_state)
            .values(rule=rule.name, subject=key, **values)
            .on_conflict_do_update(index_elements=["rule", "subject"], set_=values),
        )
    if result.transitions:
        connection.execute(
            insert(transition),
            [
                {
                    "rule": one.rule,
                    "subject": one.subject,
                    "device_id": one.device_id or None,
                    "unit_code": one.unit_code or None,
                    "from_state": one.from_state,
                    "to_state": one.to_state,
                    "at": one.at,
                    "reason": one.reason.as_dict(),
                    "readings": dict(one.readings),
                }
                for one in result.transitions
            ],
        )
