"""The routing rules: a TOML file, read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerts.parameters import RuleError
from alerts.route.matching import Matcher, MatcherError, fits
from alerts.route.model import SEVERITIES, Incident
from alerts.rules import read_toml

SHIPPED_ROUTING = Path(__file__).parents[1] / "routing.toml"
OTHER_FAMILY = "other"
EQUALS = ("unit", "site", "place", "district")
LONGEST_SECONDS = 31 * 86400
MOST_STEPS = 9
DAY_MINUTES = 1440
SOURCED = (
    "family",
    "group.wait_seconds",
    "group.interval_seconds",
    "reminder.seconds",
    "escalation.minutes",
    "flapping.firings",
    "flapping.window_seconds",
    "flapping.stable_seconds",
    "duty.handover",
)
_SECTIONS = ("family", "inhibit", "group", "reminder", "escalation", "flapping", "duty", "sources")
_INHIBIT = ("name", "source", "target", "equal", "hold_seconds", "release_seconds", "why")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Family:
    """Rules that a person deals with in one go."""

    name: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inhibition:
    """Sources that explain their targets.

    Args:
        name: unique.
        source: what explains.
        target: what is explained.
        equal: of `EQUALS`: what both must have in common.
        hold_seconds: how long targets wait for a source to appear.
        release_seconds: how long a source explains its targets after its own end.
        why: where the rule comes from.
    """

    name: str
    source: Matcher
    target: Matcher
    equal: tuple[str, ...]
    hold_seconds: float
    release_seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class RoutingRules:
    """Everything of the file.

    Args:
        families: in their order.
        inhibitions: in their order.
        wait_seconds: by severity: how long a group's first alert waits for others.
        interval_seconds: by severity: the least time between two notifications of one group.
        reminder_seconds: by severity; 0: never.
        escalation_minutes: by severity: after how long step 1, 2, ... is told.
        flap_firings: so many firings within the window are flapping.
        flap_window_seconds: that window.
        flap_stable_seconds: how long without a change ends it.
        handover_minute: minutes after midnight (UTC+7) at which duty changes.
    """

    families: tuple[Family, ...]
    inhibitions: tuple[Inhibition, ...]
    wait_seconds: Mapping[str, float]
    interval_seconds: Mapping[str, float]
    reminder_seconds: Mapping[str, float]
    escalation_minutes: Mapping[str, tuple[float, ...]]
    flap_firings: int
    flap_window_seconds: float
    flap_stable_seconds: float
    handover_minute: int

    def family_of(self, rule: str) -> str:
        """The family of a rule."""
        return next((family.name for family in self.families if fits(family.rules, rule)), OTHER_FAMILY)

    def group_of(self, incident: Incident) -> str:
        """What the incident is told together with: those of the same unit and family."""
        return f"{incident.unit_code}/{self.family_of(incident.rule)}"

    def may_inhibit(self, rule: str) -> bool:
        """Whether incidents of that rule can explain others."""
        return any(not one.source.rules or fits(one.source.rules, rule) for one in self.inhibitions)


def load_routing(path: Path = SHIPPED_ROUTING) -> RoutingRules:
    """The routing rules of a file.

    Raises:
        RuleError: it cannot be read; a key is unknown or missing, a value not allowed, a figure without its source.
    """
    table = read_toml(path)
    _known(table, _SECTIONS, str(path))
    group = _table(table, "group", ("wait_seconds", "interval_seconds"), path)
    flapping = _table(table, "flapping", ("firings", "window_seconds", "stable_seconds"), path)
    duty = _table(table, "duty", ("handover",), path)
    sources = _table(table, "sources", SOURCED, path)
    for name in SOURCED:
        if not isinstance(sources[name], str) or not sources[name].strip():
            raise RuleError(f"{path}: sources: {name} has no text that says where its figure comes from")
    return RoutingRules(
        families=_families(table.get("family", []), path),
        inhibitions=_inhibitions(table.get("inhibit", []), path),
        wait_seconds=_by_severity(group["wait_seconds"], f"{path}: group.wait_seconds"),
        interval_seconds=_by_severity(group["interval_seconds"], f"{path}: group.interval_seconds"),
        reminder_seconds=_by_severity(
            _table(table, "reminder", ("seconds",), path)["seconds"], f"{path}: reminder.seconds"
        ),
        escalation_minutes=_steps(_table(table, "escalation", ("minutes",), path)["minutes"], path),
        flap_firings=int(_number(flapping["firings"], f"{path}: flapping.firings", 2, 100)),
        flap_window_seconds=_number(flapping["window_seconds"], f"{path}: flapping.window_seconds", 60),
        flap_stable_seconds=_number(flapping["stable_seconds"], f"{path}: flapping.stable_seconds", 60),
        handover_minute=clock_minute(duty["handover"], f"{path}: duty.handover"),
    )


def clock_minute(text: object, where: str) -> int:
    """Minutes after midnight of a time as `07:30`.

    Raises:
        RuleError: it is no such time.
    """
    found = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise RuleError(f"{where} is {text!r}, expected a time from 00:00 to 23:59")
    return int(found[1]) * 60 + int(found[2])


def _families(rows: object, path: Path) -> tuple[Family, ...]:
    families: list[Family] = []
    for number, row in enumerate(_rows(rows, "family", path), start=1):
        where = f"{path}: family {number}"
        _exactly(row, ("name", "rules"), where)
        name = row["name"]
        if not isinstance(name, str) or not name or name in {OTHER_FAMILY, *(known.name for known in families)}:
            raise RuleError(
                f"{where}: name is {name!r}, expected a text that no other family has, nor {OTHER_FAMILY!r}"
            )
        families.append(Family(name, _matcher({"rules": row["rules"]}, where).rules))
    return tuple(families)


def _inhibitions(rows: object, path: Path) -> tuple[Inhibition, ...]:
    made: list[Inhibition] = []
    for number, row in enumerate(_rows(rows, "inhibit", path), start=1):
        where = f"{path}: inhibit {number}"
        _exactly(row, _INHIBIT, where)
        name, why, equal = row["name"], row["why"], row["equal"]
        if not isinstance(name, str) or not name or name in {known.name for known in made}:
            raise RuleError(f"{where}: name is {name!r}, expected a text that no other inhibition has")
        if not isinstance(why, str) or not why.strip():
            raise RuleError(f"{where}: why has no text that says where the rule comes from")
        if not isinstance(equal, list) or not all(word in EQUALS for word in equal):
            raise RuleError(f"{where}: equal is {equal!r}, expected a list of {', '.join(EQUALS)}")
        source = _matcher(row["source"], f"{where}: source")
        if source.is_empty():
            raise RuleError(f"{where}: source is empty: every alert would silence its targets")
        made.append(
            Inhibition(
                name,
                source,
                _matcher(row["target"], f"{where}: target"),
                tuple(equal),
                _number(row["hold_seconds"], f"{where}: hold_seconds", 0, 3600),
                _number(row["release_seconds"], f"{where}: release_seconds", 0, 86400),
                why,
            )
        )
    return tuple(made)


def _steps(value: object, path: Path) -> dict[str, tuple[float, ...]]:
    where = f"{path}: escalation.minutes"
    steps: dict[str, tuple[float, ...]] = {}
    for severity, minutes in _severities(value, where).items():
        if not isinstance(minutes, list) or len(minutes) > MOST_STEPS:
            raise RuleError(f"{where}: {severity} is {minutes!r}, expected a list of at most {MOST_STEPS} numbers")
        numbers = tuple(_number(one, f"{where}: {severity}", 1, LONGEST_SECONDS / 60) for one in minutes)
        if list(numbers) != sorted(set(numbers)):
            raise RuleError(f"{where}: {severity} is {minutes!r}, expected numbers that grow")
        steps[severity] = numbers
    return steps


def _by_severity(value: object, where: str) -> dict[str, float]:
    return {name: _number(number, f"{where}: {name}", 0) for name, number in _severities(value, where).items()}


def _severities(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RuleError(f"{where} is {value!r}, expected a table with {', '.join(SEVERITIES)}")
    _exactly(value, SEVERITIES, where)
    return value


def _rows(value: object, name: str, path: Path) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise RuleError(f"{path}: {name} is {value!r}, expected tables [[{name}]]")
    return value


def _table(table: Mapping[str, Any], name: str, keys: tuple[str, ...], path: Path) -> Mapping[str, Any]:
    value = table.get(name)
    if not isinstance(value, dict):
        raise RuleError(f"{path}: {name} is {value!r}, expected a table with {', '.join(keys)}")
    _exactly(value, keys, f"{path}: {name}")
    return value


def _exactly(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    _known(table, keys, where)
    for key in keys:
        if key not in table:
            raise RuleError(f"{where}: key {key!r} is missing")


def _known(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in keys:
            raise RuleError(f"{where}: unknown key {key!r}, expected one of {', '.join(keys)}")


def _number(value: object, where: str, least: float, most: float = LONGEST_SECONDS) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise RuleError(f"{where} is {value!r}, expected a number from {least:g} to {most:g}")
    return float(value)


def _matcher(table: object, where: str) -> Matcher:
    if not isinstance(table, dict):
        raise RuleError(f"{where} is {table!r}, expected a table of lists")
    try:
        return Matcher.from_dict(table)
    except MatcherError as error:
        raise RuleError(f"{where}: {error}") from error
