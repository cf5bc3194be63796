"""Tests of rules as data files: series of readings in, expected transitions out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerts.cases.case import Case, after_seconds, read_case
from alerts.cases.strict import DAY_SECONDS, MINUTE_SECONDS, only_keys
from alerts.evaluate import evaluate, is_due
from alerts.parameters import RuleError
from alerts.rules import TEST_SUFFIX, Rule, load_rules, read_toml
from alerts.state import AlertState, Transition


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case of a rule's test went: it passed if there is no difference."""

    rule: str
    case: str
    differences: tuple[str, ...]


def check_directory(directory: Path) -> list[CaseResult]:
    """Runs the tests of every rule of a folder; a rule without any is a difference too.

    Raises:
        RuleError: a rule or a test file cannot be used, or a test file belongs to no rule.
    """
    rules = load_rules(directory)
    for path in sorted(directory.glob("*" + TEST_SUFFIX)):
        if path.name.removesuffix(TEST_SUFFIX) not in rules:
            raise RuleError(f"{path}: there is no rule {path.name.removesuffix(TEST_SUFFIX)}.toml beside it")
    results = []
    for name, rule in rules.items():
        path = directory / (name + TEST_SUFFIX)
        if path.exists():
            results += check_rule(rule, path)
        else:
            results.append(CaseResult(name, "", (f"there is no {path.name} beside the rule",)))
    return results


def check_rule(rule: Rule, path: Path) -> list[CaseResult]:
    """Runs every case of one test file.

    Raises:
        RuleError: the file cannot be used; the text names the case and the key.
    """
    table = read_toml(path)
    only_keys(table, ("case",), str(path))
    cases = table.get("case")
    if not isinstance(cases, list) or not cases:
        raise RuleError(f"{path}: expected at least one [[case]]")
    return [_run(read_case(case, rule, f"{path}: case {number}")) for number, case in enumerate(cases, 1)]


def _run(case: Case) -> CaseResult:
    states: dict[str, AlertState] = {}
    transitions: list[Transition] = []
    judged_at: float | None = None
    for now in case.times():
        inputs = case.inputs(now)
        if is_due(case.rule, judged_at, now):
            judged_at = now
            result = evaluate(case.rule, inputs, states, now)
            states.update(result.states)
            transitions += result.transitions
    return CaseResult(case.rule.name, case.name, tuple(_differences(case, transitions)))


def _differences(case: Case, transitions: list[Transition]) -> Iterator[str]:
    for number in range(max(len(case.expected), len(transitions))):
        got = transitions[number] if number < len(transitions) else None
        if number >= len(case.expected):
            yield f"not expected: {_described(case, got)}"
            continue
        expected = case.expected[number]
        wanted = ", ".join(f"{key} {value!r}" for key, value in expected.items())
        if got is None:
            yield f"did not come: {wanted}"
        elif not _matches(case, expected, got):
            yield f"expected {wanted}; came {_described(case, got)}"


def _matches(case: Case, expected: Mapping[str, Any], got: Transition) -> bool:
    at = case.start_seconds + after_seconds(expected)
    return (
        got.at == at
        and got.to_state == expected["to"]
        and got.from_state == expected.get("from", got.from_state)
        and got.subject == expected.get("subject", got.subject)
        and got.severity == expected.get("severity", got.severity)
        and expected.get("reason", "") in got.reason.render()
        and all(got.readings.get(name) == value for name, value in expected.get("readings", {}).items())
    )


def _described(case: Case, got: Transition | None) -> str:
    if got is None:
        return "nothing"
    unit_seconds, unit = (MINUTE_SECONDS, "minutes") if case.step_seconds < DAY_SECONDS else (DAY_SECONDS, "days")
    after = (got.at - case.start_seconds) / unit_seconds
    return (
        f"after_{unit} {after:g}, subject {got.subject!r}, from {got.from_state!r}, to {got.to_state!r}, "
        f"reason {got.reason.render()!r}, readings {dict(got.readings)!r}"
    )
