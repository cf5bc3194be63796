"""Judges one rule at one time over everything it watches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from alerts.ports import Inputs
from alerts.rules import Rule
from alerts.state import FIRING, INACTIVE, NOTHING_READ, RAISED, AlertState, Observation, Subject, Transition, step


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one judgement of one rule changed.

    Args:
        transitions: in order of subject, each with its reason; they and `states` belong into one database transaction.
        states: by subject key, only those that differ from before; one that is `inactive` may be deleted.
    """

    transitions: tuple[Transition, ...]
    states: dict[str, AlertState]


def is_due(rule: Rule, judged_at: float | None, now: float) -> bool:
    """Whether a rule wants to be judged again; a clock that was set back makes it due.

    Args:
        rule: its condition says how often.
        judged_at: when it was judged last, None if never.
        now: seconds since 1970-01-01 UTC.
    """
    return judged_at is None or not judged_at <= now < judged_at + rule.condition.every_seconds


def evaluate(rule: Rule, inputs: Inputs, states: Mapping[str, AlertState], now: float) -> Evaluation:
    """Judges every subject of one rule.

    The same readings, states and time give the same result, in whatever order readings arrived.

    Args:
        rule: whether it is enabled is the caller's affair.
        inputs: see `Inputs`; the rule's condition says what it needs.
        states: what earlier evaluations of this rule left, by subject key.
        now: seconds since 1970-01-01 UTC.
    """
    open_states = {key: state for key, state in states.items() if state.state != INACTIVE}
    observed = {
        subject.key: (subject, observation)
        for subject, observation in rule.condition.judge(inputs, open_states.keys(), now)
    }
    changed: dict[str, AlertState] = {}
    transitions: list[Transition] = []
    for key in sorted(observed.keys() | open_states.keys()):
        known = open_states.get(key)
        if key in observed:
            subject, observation = observed[key]
            if known is not None and _goes_on(known, subject, observation):
                continue
            before = AlertState(subject, INACTIVE, now) if known is None else replace(known, subject=subject)
        else:
            before, observation = open_states[key], NOTHING_READ
        after, changes = step(rule.timing, before, observation, now)
        if changes or (known is not None and after != known):
            changed[key] = after
        who = after.subject
        transitions.extend(
            Transition(
                rule.name,
                key,
                who.device_id,
                who.unit_code,
                change.from_state,
                change.to_state,
                change.at,
                change.reason,
                change.readings,
                who.site,
                change.severity or rule.severity,
            )
            for change in changes
        )
    return Evaluation(tuple(transitions), changed)


def _goes_on(state: AlertState, subject: Subject, observation: Observation) -> bool:
    """Whether a step could change nothing; the short way for the thousands of alerts that stand for months."""
    return (
        state.state == FIRING
        and observation.level == RAISED
        and observation.magnitude <= state.peak
        and state.quiet_since is None
        and state.clear_since is None
        and state.no_data_since is None
        and state.subject == subject
    )
