"""Lets the rules judge what is stored, and keeps every change of state with its reason."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from sqlalchemy import Connection, Engine, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from agent.wire.message import Message, mark
from alerts.evaluate import Evaluation, evaluate, is_due
from alerts.ports import AGES, COLLECTOR, DEVICES, Inputs
from alerts.rules import SHIPPED_RULES, Rule, load_rules
from alerts.state import FIRING, INACTIVE, RESOLVED, AlertState, Transition
from collector.db.tables import alert_state, transition
from collector.judging_inputs import Health, JudgingInputs
from collector.metrics.port import MetricStore, MetricStoreError
from collector.selfmetrics import SelfMetrics
from collector.settings import Alerts

# Parts that come from the registry and the collector itself.
WITHOUT_STORE = frozenset({AGES, DEVICES, COLLECTOR})

NOT_JUDGED = mark("The rule was switched off while this lasted: it is not judged any more.")


class Judge:
    """Evaluates every enabled rule that is due.

    Args:
        engine: the registry; states and transitions are kept there.
        store: the metric store.
        metrics: the collector's counters.
        settings: where the rules are.
        health: the collector's own numbers, for the rules on them.

    Raises:
        alerts.parameters.RuleError: a rule file cannot be used; names file, key and what was expected.
    """

    def __init__(
        self,
        engine: Engine,
        store: MetricStore,
        metrics: SelfMetrics,
        settings: Alerts,
        health: Health | None = None,
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self.rules = load_rules(Path(settings.rules_directory) if settings.rules_directory else SHIPPED_RULES)
        self._enabled = [rule for rule in self.rules.values() if rule.enabled]
        self._inputs = JudgingInputs(engine, store, self._enabled, health)
        self.watch = self._inputs.watch
        self._judged_at: dict[str, float] = {}
        # By rule, as the registry has them: nobody else writes them.
        self._states: dict[str, dict[str, AlertState]] = {}
        self._others_ended = False

    def judge(self, now: float, *, store_ready: bool = True) -> int:
        """Judges at that moment whatever is due; returns how many states changed.

        Rules that need nothing of the metric store are judged although it is away.

        Args:
            now: seconds since 1970-01-01 UTC.
            store_ready: false while the store has no tables yet; what needs it is left for later.

        Raises:
            MetricStoreError: what some rules need cannot be read; their states have not changed.
        """
        if not self._others_ended:
            with self._engine.begin() as connection:
                _end_others(connection, {rule.name for rule in self._enabled}, now)
            self._others_ended = True
        due = [rule for rule in self._enabled if is_due(rule, self._judged_at.get(rule.name), now)]
        if not store_ready:
            due = [rule for rule in due if _needs_no_store(rule)]
        with _garbage_left_lying():
            return self._judge_all(due, now)

    def _judge_all(self, due: Sequence[Rule], now: float) -> int:
        parts = self._inputs.at(now, due)
        changed = 0
        problem: MetricStoreError | None = None
        for rule in due:
            try:
                inputs = parts.inputs(rule)
            except MetricStoreError as error:
                problem = problem or error
                continue
            changed += self._judge_one(rule, inputs, now)
            self._judged_at[rule.name] = now if rule.name in self._judged_at else now - _spread_seconds(rule)
        if problem is not None:
            raise problem
        return changed

    def _judge_one(self, rule: Rule, inputs: Inputs, now: float) -> int:
        # What could not be written is read again.
        states = self._states.pop(rule.name, None)
        with self._engine.begin() as connection:
            if states is None:
                states = _states(connection, rule)
            result = evaluate(rule, inputs, states, now)
            _keep(connection, rule, result)
        states.update(result.states)
        self._states[rule.name] = {key: state for key, state in states.items() if state.state != INACTIVE}
        for one in result.transitions:
            self._metrics.transitions.labels(one.rule, one.to_state).inc()
        return len(result.transitions)


@contextmanager
def _garbage_left_lying() -> Iterator[None]:
    """Looks for no reference cycles meanwhile: a tick makes none, and looking through all it reads is as dear again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _needs_no_store(rule: Rule) -> bool:
    return WITHOUT_STORE.issuperset(rule.condition.reads)


def _spread_seconds(rule: Rule) -> int:
    """So that rules that are judged now and then are not all judged in the same tick."""
    return crc32(rule.name.encode()) % max(1, rule.condition.every_seconds)


def _states(connection: Connection, rule: Rule) -> dict[str, AlertState]:
    rows = connection.execute(select(alert_state).where(alert_state.c.rule == rule.name))
    return {row.subject: AlertState.from_json(row.memory) for row in rows}


def _end_others(connection: Connection, judged: Collection[str], now: float) -> None:
    """Ends what stands of rules that nobody judges any more: else it would be told of for ever."""
    others = alert_state.c.rule.not_in(judged)
    rows = connection.execute(select(alert_state).where(others, alert_state.c.state != INACTIVE)).all()
    if rows:
        connection.execute(insert(transition), [_row(_ended(row.rule, row.memory, now)) for row in rows])
    connection.execute(delete(alert_state).where(others))


def _ended(rule: str, memory: Mapping[str, Any], now: float) -> Transition:
    state = AlertState.from_json(memory)
    who, to_state = state.subject, RESOLVED if state.state == FIRING else INACTIVE
    at, why = max(now, state.since), Message(NOT_JUDGED)
    return Transition(rule, who.key, who.device_id, who.unit_code, state.state, to_state, at, why, {}, who.site)


def _row(one: Transition) -> dict[str, Any]:
    """A row of the registry."""
    return {
        "rule": one.rule,
        "subject": one.subject,
        "device_id": one.device_id or None,
        "unit_code": one.unit_code or None,
        "from_state": one.from_state,
        "to_state": one.to_state,
        "at": one.at,
        "reason": one.reason.as_dict(),
        "readings": dict(one.readings),
        "site": one.site or None,
        "severity": one.severity,
    }


def _keep(connection: Connection, rule: Rule, result: Evaluation) -> None:
    if result.states:
        statement = upsert(alert_state)
        columns = ("state", "since", "memory")
        statement = statement.on_conflict_do_update(
            index_elements=["rule", "subject"], set_={name: statement.excluded[name] for name in columns}
        )
        connection.execute(
            statement,
            [
                {
                    "rule": rule.name,
                    "subject": key,
                    "state": state.state,
                    "since": state.since,
                    "memory": state.to_json(),
                }
                for key, state in result.states.items()
            ],
        )
    if result.transitions:
        connection.execute(insert(transition), [_row(one) for one in result.transitions])
