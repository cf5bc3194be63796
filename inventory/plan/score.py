"""The priority score of one candidate with its parts. Pure: what is known, weights and day come as arguments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from agent.wire.message import Message, mark
from inventory.age.dates import add_months
from inventory.age.evidence import Confidence, Decision
from inventory.assets import CONDITION_BROKEN, CONDITION_GOOD, CONDITION_USABLE
from inventory.operating_systems import OperatingSystemSupport
from inventory.plan.model import PartState, Score, ScorePart
from inventory.plan.weights import PartCode, PartWeight, PlanWeights

_FULL = 1000
_THOUSANDTHS_PER_PERCENT = 10
_MONTHS_PER_YEAR = 12


@dataclass(frozen=True, slots=True)
class UnitNeed:
    """How a unit stands for computers, in pieces.

    Args:
        computers: what it has.
        unfit: of these, over the age threshold or broken.
        missing: what it is short of.
    """

    computers: int
    unfit: int
    missing: int


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of a candidate that bears on its priority; None is "not known".

    Args:
        is_addition: whether there is no device yet; then only `need` is looked at.
        is_computer: whether it has an operating system and could be monitored.
        age_months: its age in whole months.
        over: whether it is over the threshold.
        certainty: how far the age may be trusted; `register` is the register's word alone.
        expired: whether its useful life is over.
        condition: `good`, `usable` or `broken`.
        support: that of its operating system, with the sentences that say so.
        findings: what monitoring finds wrong with it, None where it is not monitored.
        need: its unit's.
    """

    is_addition: bool
    is_computer: bool
    age_months: int | None = None
    over: Decision = "uncertain"
    certainty: Confidence | Literal["register"] | None = None
    expired: Decision = "uncertain"
    condition: str | None = None
    support: OperatingSystemSupport | None = None
    findings: tuple[Message, ...] | None = None
    need: UnitNeed | None = None


class _Value(NamedTuple):
    state: PartState
    thousandths: int
    reason: Message


_NO_DEVICE = Message(mark("There is no device yet; the part counts as set for additions."))


def score(signals: Signals, weights: PlanWeights, *, as_of: dt.date, threshold_years: int) -> Score:
    """The score: every part of the weights, in their order, whether known or not."""
    parts = []
    for part in weights.parts:
        if signals.is_addition and part.code != "unit_need":
            value = _Value("not_applicable", part.addition_percent * _THOUSANDTHS_PER_PERCENT, _NO_DEVICE)
        else:
            value = _JUDGES[part.code](_Question(signals, weights, part, as_of, threshold_years))
        parts.append(ScorePart(part.code, part.label, value.state, value.thousandths, part.weight, value.reason))
    return Score(tuple(parts))


@dataclass(frozen=True, slots=True)
class _Question:
    """One part to be judged, and what answers that several parts share look like."""

    signals: Signals
    weights: PlanWeights
    part: PartWeight
    as_of: dt.date
    threshold_years: int

    def known(self, percent: int, reason: Message) -> _Value:
        return _Value("known", percent * _THOUSANDTHS_PER_PERCENT, reason)

    def unknown(self, reason: Message) -> _Value:
        return _Value("unknown", self.part.unknown_percent * _THOUSANDTHS_PER_PERCENT, reason)

    def not_applicable(self, reason: Message) -> _Value:
        return _Value("not_applicable", self.part.not_applicable_percent * _THOUSANDTHS_PER_PERCENT, reason)


def _age(question: _Question) -> _Value:
    months = question.signals.age_months
    if months is None:
        return question.unknown(Message(mark("Its age is not known.")))
    beyond = months - question.threshold_years * _MONTHS_PER_YEAR
    full = question.weights.age.full_years_beyond * _MONTHS_PER_YEAR
    thousandths = min(max(beyond, 0) * _FULL // full, _FULL)
    parameters = {
        "years": months // _MONTHS_PER_YEAR,
        "months": months % _MONTHS_PER_YEAR,
        "threshold": question.threshold_years,
        "full": question.threshold_years + question.weights.age.full_years_beyond,
    }
    pattern = mark(
        "Age {years} years {months} months; counts from {threshold} years on and in full from {full} years on."
    )
    return _Value("known", thousandths, Message(pattern, parameters))


def _age_certainty(question: _Question) -> _Value:
    scale, certainty = question.weights.age_certainty, question.signals.certainty
    if certainty is None or question.signals.over == "uncertain":
        return question.unknown(Message(mark("Whether it is over the age threshold is not certain.")))
    percent, reason = {
        "high": (scale.high_percent, Message(mark("The evidence of its age is strong."))),
        "medium": (scale.medium_percent, Message(mark("The evidence of its age is fair."))),
        "low": (scale.low_percent, Message(mark("The evidence of its age is weak or contradicts itself."))),
        "register": (scale.register_percent, Message(mark("Its age is the register's word."))),
    }[certainty]
    return question.known(percent, reason)


def _expired(question: _Question) -> _Value:
    if question.signals.expired == "yes":
        return question.known(100, Message(mark("Its useful life by law is over.")))
    if question.signals.expired == "no":
        return question.known(0, Message(mark("Its useful life by law is not over.")))
    return question.unknown(Message(mark("Whether its useful life by law is over is not known.")))


def _condition(question: _Question) -> _Value:
    scale = question.weights.condition
    if question.signals.condition == CONDITION_BROKEN:
        return question.known(scale.broken_percent, Message(mark("The register calls it broken.")))
    if question.signals.condition == CONDITION_USABLE:
        return question.known(scale.usable_percent, Message(mark("The register calls it usable.")))
    if question.signals.condition == CONDITION_GOOD:
        return question.known(scale.good_percent, Message(mark("The register calls it good.")))
    return question.unknown(Message(mark("The register does not tell its condition.")))


def _os_support(question: _Question) -> _Value:
    if not question.signals.is_computer:
        return question.not_applicable(Message(mark("It has no operating system to be judged.")))
    support, scale = question.signals.support, question.weights.os_support
    if support is None or support.state == "unknown":
        told = support.messages[0] if support else Message(mark("The support of its operating system is not known."))
        return question.unknown(told)
    if support.state == "out_of_support":
        return question.known(scale.ended_percent, support.messages[0])
    if support.newer_in_place:
        return question.known(0, Message(mark("A newer version comes free to the same machine.")))
    soon = add_months(question.as_of, scale.ending_within_months)
    ends_soon = support.ends is not None and support.ends <= soon
    return question.known(scale.ending_percent if ends_soon else 0, support.messages[0])


def _health(question: _Question) -> _Value:
    if not question.signals.is_computer:
        return question.not_applicable(Message(mark("It cannot be monitored.")))
    if question.signals.findings is None:
        return question.unknown(Message(mark("It is not monitored.")))
    scale = question.weights.health
    of_lines = set(scale.parameters_of_lines)
    count = sum(1 for finding in question.signals.findings if of_lines.isdisjoint(finding.parameters))
    if not count:
        return question.known(0, Message(mark("Monitoring finds nothing wrong with it now.")))
    return question.known(
        min(count * scale.percent_per_finding, 100), Message(mark("Findings of monitoring: {count}."), {"count": count})
    )


def _unit_need(question: _Question) -> _Value:
    need = question.signals.need
    if need is None or need.computers + need.missing == 0:
        return question.unknown(Message(mark("No computer of its unit is known.")))
    parameters = {
        "computers": need.computers,
        "unfit": need.unfit,
        "missing": need.missing,
        "threshold": question.threshold_years,
    }
    return _Value(
        "known",
        (need.unfit + need.missing) * _FULL // (need.computers + need.missing),
        Message(
            mark(
                "Of the unit's {computers} computers {unfit} are over {threshold} years old or broken; "
                "{missing} are missing."
            ),
            parameters,
        ),
    )


_JUDGES: dict[PartCode, Callable[[_Question], _Value]] = {
    "age": _age,
    "age_certainty": _age_certainty,
    "expired": _expired,
    "condition": _condition,
    "os_support": _os_support,
    "health": _health,
    "unit_need": _unit_need,
}
