"""The detector's parameters out of the rules that state them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self, TypeVar

from alerts.congestion.parameters import (
    CongestionParameters,
    DetectorParameters,
    OutageParameters,
    PathChangeParameters,
    ServiceParameters,
)
from alerts.parameters import RuleError, Value, specs

_Part = TypeVar("_Part")
RuleT = TypeVar("RuleT", bound="ChangeableRule")


PARTS: dict[str, type[Any]] = {
    "congestion": CongestionParameters,
    "path_change": PathChangeParameters,
    "outage": OutageParameters,
    "service_slow": ServiceParameters,
}


class RuleLike(Protocol):
    """What is read of a rule."""

    @property
    def name(self) -> str:
        """That of its file."""

    @property
    def condition(self) -> Any:
        """Its parameters."""


class ChangeableRule(RuleLike, Protocol):
    """A rule whose figures can be tried out."""

    def with_parameters(self, changed: Mapping[str, Value], where: str) -> Self:
        """The same with other figures."""


def detector_parameters(
    rules: Iterable[RuleLike], defaults: Mapping[str, RuleLike] | None = None
) -> DetectorParameters:
    """The parameters of the four kinds the detector judges.

    Args:
        rules: any; of each of the four kinds there is to be one.
        defaults: rules to take where `rules` has none of a kind.

    Raises:
        RuleError: a kind is missing, or there are two rules of it: there is one detector.
    """
    given, spare = list(rules), list((defaults or {}).values())
    return DetectorParameters(
        _only(CongestionParameters, given, spare),
        _only(PathChangeParameters, given, spare),
        _only(OutageParameters, given, spare),
        _only(ServiceParameters, given, spare),
    )


def _only(part: type[_Part], given: list[RuleLike], spare: list[RuleLike]) -> _Part:
    for rules in (given, spare):
        found = [rule for rule in rules if isinstance(rule.condition, part)]
        if len(found) > 1:
            names = ", ".join(sorted(rule.name for rule in found))
            raise RuleError(f"rules {names}: there is one detector, expected one rule of the kind of {part.__name__}")
        if found:
            condition: _Part = found[0].condition
            return condition
    raise RuleError(f"no rule of the kind of {part.__name__}: the detector needs one")


def changed_rules(rules: Mapping[str, RuleT], stated: Iterable[str], where: str) -> dict[str, RuleT]:
    """The same rules with other figures, to try them out.

    Args:
        rules: by name.
        stated: as `on_min_us=8000`, or `service_slow.clear_steps=3` where several rules have that key.
        where: for the error's text.

    Raises:
        RuleError: not of that form, no rule of the detector has such a key or several have, or a value not allowed.
    """
    changes: dict[str, dict[str, Value]] = {}
    texts: dict[str, list[str]] = {}
    detected = {name: rule for name, rule in rules.items() if isinstance(rule.condition, tuple(PARTS.values()))}
    for text in stated:
        key, equals, value = text.partition("=")
        rule_name, _, short = key.rpartition(".")
        owners = [
            name
            for name, rule in detected.items()
            if (not rule_name or name == rule_name) and short in specs(type(rule.condition))
        ]
        if not equals or not owners:
            known = ", ".join(sorted({each for rule in detected.values() for each in specs(type(rule.condition))}))
            raise RuleError(f"{where}: {text!r}: expected KEY=VALUE, KEY one of {known}")
        if len(owners) > 1:
            forms = " or ".join(f"{name}.{short}={value}" for name in owners)
            raise RuleError(f"{where}: {text!r}: several rules have that key, expected {forms}")
        spec = specs(type(detected[owners[0]].condition))[short]
        changes.setdefault(owners[0], {})[short] = _number(value, spec.kind)
        texts.setdefault(owners[0], []).append(repr(text))
    # All of a rule's at once: a lower and an upper bound may both move past where the other was.
    changed = {
        name: rules[name].with_parameters(values, f"{where}: {', '.join(texts[name])}")
        for name, values in changes.items()
    }
    return {**rules, **changed}


def _number(text: str, kind: type) -> Value:
    if kind is str:
        return text
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            # Not a number: the rule says what it expects instead.
            return text
