"""One `[[case]]` of a test file, read strictly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from alerts.cases.ages import AgeSupply
from alerts.cases.collectors import CollectorSupply
from alerts.cases.devices import DeviceSupply
from alerts.cases.links import LinkSupply
from alerts.cases.ports import PortSupply
from alerts.cases.readings import ReadingSupply
from alerts.cases.strict import LENGTHS, MINUTE_SECONDS, MOST_STEPS, count, finite, mapping, only_keys, tables, typed
from alerts.cases.supply import ReadSupply, Supply
from alerts.parameters import RuleError
from alerts.ports import Inputs
from alerts.rules import Rule
from alerts.state import STATES

# One more kind of input: its file in this folder and one row here.
SUPPLIES: dict[str, ReadSupply] = {
    "link": LinkSupply,
    "age": AgeSupply,
    "reading": ReadingSupply,
    "device": DeviceSupply,
    "collector": CollectorSupply,
    "port": PortSupply,
}

_CASE_KEYS = ("name", "start", "parameters", *SUPPLIES, "step_minutes", "expect")
_AFTER = {f"after_{name}": seconds for name, seconds in LENGTHS.items()}
_EXPECT_KEYS = (*_AFTER, "subject", "from", "to", "reason", "readings", "severity")


@dataclass(frozen=True, slots=True)
class Case:
    """One case, read: what there is to see as time goes on, and what is expected of it."""

    name: str
    rule: Rule
    start_seconds: int
    step_seconds: int
    steps: int
    supplies: tuple[Supply, ...]
    expected: tuple[Mapping[str, Any], ...]

    def times(self) -> Iterator[int]:
        """The times it is judged at."""
        return iter(range(self.start_seconds, self.start_seconds + self.steps * self.step_seconds, self.step_seconds))

    def inputs(self, now: int) -> Inputs:
        """What the collector would hand to the rule at one of its times; to be called for each in order."""
        parts: dict[str, Any] = {}
        for supply in self.supplies:
            parts |= supply.at(now, self.rule.condition)
        return Inputs(**parts)


def read_case(table: Any, rule: Rule, where: str) -> Case:
    """One `[[case]]` of a test file.

    Raises:
        RuleError: a key or value that is not as the format says; the text names the place.
    """
    only_keys(table, _CASE_KEYS, where)
    name = typed(table, "name", str, where)
    where = f"{where} ({name})"
    start = typed(table, "start", datetime, where)
    if start.tzinfo is None or start.second or start.microsecond:
        raise RuleError(
            f"{where}: start is {start.isoformat()}, expected a full minute with a time zone, as ...T00:00:00Z"
        )
    start_seconds = int(start.astimezone(UTC).timestamp())
    changed = mapping(table, "parameters", where)
    supplies = tuple(
        read(stated, start_seconds, f"{where}: {key}")
        for key, read in SUPPLIES.items()
        if (stated := tables(table, key, where))
    )
    if not supplies:
        raise RuleError(f"{where}: expected at least one of {', '.join(f'[[case.{key}]]' for key in SUPPLIES)}")
    step_seconds = min(supply.step_seconds for supply in supplies)
    if "step_minutes" in table:
        step_seconds = count(table, "step_minutes", where) * MINUTE_SECONDS
    steps = -(-max(supply.length_seconds for supply in supplies) // step_seconds)
    if steps > MOST_STEPS:
        raise RuleError(f"{where}: {steps} steps, expected at most {MOST_STEPS}")
    expected = tuple(tables(table, "expect", where))
    for number, each in enumerate(expected, 1):
        _check_expected(each, f"{where}: expect {number}")
    return Case(
        name,
        rule.with_parameters(changed, f"{where}: parameters") if changed else rule,
        start_seconds,
        step_seconds,
        steps,
        supplies,
        expected,
    )


def after_seconds(expected: Mapping[str, Any]) -> int:
    """When an expected transition is to come, from the case's start."""
    return int(sum(expected.get(name, 0) * seconds for name, seconds in _AFTER.items()))


def _check_expected(table: Any, where: str) -> None:
    only_keys(table, _EXPECT_KEYS, where)
    for key in ("from", "to"):
        if (key in table or key == "to") and table.get(key) not in STATES:
            raise RuleError(f"{where}: {key} is {table.get(key)!r}, expected one of {', '.join(STATES)}")
    stated = [name for name in _AFTER if name in table]
    if not stated:
        raise RuleError(f"{where}: expected one of {', '.join(_AFTER)}")
    for name in stated:
        finite(table, name, None, where)
    for key in ("subject", "reason", "severity"):
        if key in table:
            typed(table, key, str, where)
    mapping(table, "readings", where)
