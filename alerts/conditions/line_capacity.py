"""Condition `line_capacity`: a line is loaded above the legal limit, by traffic counters. No other rule speaks of it.

The figures of the limit are the law's (`alerts/norms`); the parameters say only which samples are enough to judge by.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.wire.message import Message, mark
from alerts.capacity import DOWN, EACH_DAY, EXCEEDED, UP, WHOLE_PERIOD, WITHIN, Verdict, judge_lines, megabits
from alerts.laws import CapacityLaw, sample_seconds
from alerts.parameters import number, whole
from alerts.ports import PORTS, Inputs
from alerts.slots import LinePort
from alerts.state import CLEAR, NOTHING_READ, RAISED, Observation, Subject

_BOTH_DOWN = mark(
    "Violates {law}, by both readings of it: traffic to the site through {name} reached {p95} Mbit/s ({percentile}th "
    "percentile over {days} days), and on each of the last {days} days at least {lowest} Mbit/s; allowed are {limit} "
    "Mbit/s, {share} percent of the line's {capacity} Mbit/s. {samples} of {expected} samples, {missing} missing."
)
_BOTH_UP = mark(
    "Violates {law}, by both readings of it: traffic from the site through {name} reached {p95} Mbit/s "
    "({percentile}th percentile over {days} days), and on each of the last {days} days at least {lowest} Mbit/s; "
    "allowed are {limit} Mbit/s, {share} percent of the line's {capacity} Mbit/s. {samples} of {expected} samples, "
    "{missing} missing."
)
_PERIOD_DOWN = mark(
    "Violates {law}, read as one percentile over {days} days: traffic to the site through {name} reached {p95} Mbit/s"
    " ({percentile}th percentile); allowed are {limit} Mbit/s, {share} percent of the line's {capacity} Mbit/s. Read "
    "as a percentile of each day it is not shown to be violated. {samples} of {expected} samples, {missing} missing."
)
_PERIOD_UP = mark(
    "Violates {law}, read as one percentile over {days} days: traffic from the site through {name} reached {p95} "
    "Mbit/s ({percentile}th percentile); allowed are {limit} Mbit/s, {share} percent of the line's {capacity} Mbit/s."
    " Read as a percentile of each day it is not shown to be violated. {samples} of {expected} samples, {missing} "
    "missing."
)
_DAYS_DOWN = mark(
    "Violates {law}, read as a percentile of each day: traffic to the site through {name} reached at least {lowest} "
    "Mbit/s on each of the last {days} days ({percentile}th percentile); allowed are {limit} Mbit/s, {share} percent "
    "of the line's {capacity} Mbit/s. Read as one percentile over {days} days it is not shown to be violated. "
    "{samples} of {expected} samples, {missing} missing."
)
_DAYS_UP = mark(
    "Violates {law}, read as a percentile of each day: traffic from the site through {name} reached at least {lowest}"
    " Mbit/s on each of the last {days} days ({percentile}th percentile); allowed are {limit} Mbit/s, {share} percent"
    " of the line's {capacity} Mbit/s. Read as one percentile over {days} days it is not shown to be violated. "
    "{samples} of {expected} samples, {missing} missing."
)
_WITHIN_DOWN = mark(
    "Within {law} again: traffic to the site through {name} {p95} Mbit/s ({percentile}th percentile over {days} "
    "days), allowed are {limit} Mbit/s. {samples} of {expected} samples, {missing} missing."
)
_WITHIN_UP = mark(
    "Within {law} again: traffic from the site through {name} {p95} Mbit/s ({percentile}th percentile over {days} "
    "days), allowed are {limit} Mbit/s. {samples} of {expected} samples, {missing} missing."
)
_EXCEEDED_TEXTS = {
    (WHOLE_PERIOD, EACH_DAY): {DOWN: _BOTH_DOWN, UP: _BOTH_UP},
    (WHOLE_PERIOD,): {DOWN: _PERIOD_DOWN, UP: _PERIOD_UP},
    (EACH_DAY,): {DOWN: _DAYS_DOWN, UP: _DAYS_UP},
}
_WITHIN_TEXTS = {DOWN: _WITHIN_DOWN, UP: _WITHIN_UP}


@dataclass(frozen=True, slots=True)
class LineCapacity:
    """The parameters of the condition and its judgement."""

    reads: ClassVar[Mapping[str, int]] = {PORTS: 0}

    complete_ratio: float = number(
        0.5, 1, "ratio", "A day with a smaller share of its samples is not judged, nor a period that holds one."
    )
    settle_seconds: int = whole(0, 3600, "seconds", "A slot is looked at so long after its end.")

    @property
    def every_seconds(self) -> int:
        """Once for each sample."""
        return sample_seconds()

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed: nothing can be."""
        return ""

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:
        """Every direction of a line above the limit, and those in `open_subjects` that no longer are.

        A line without a configured capacity, or with too few samples, is not judged either way.
        """
        if inputs.ports is None:
            return
        for line, direction, verdict, law in judge_lines(
            inputs.ports, now, complete_ratio=self.complete_ratio, settle_seconds=self.settle_seconds
        ):
            subject = Subject(f"{line.device_id}/{direction}", "", line.unit_code, line.site)
            if verdict.outcome == EXCEEDED:
                text = _EXCEEDED_TEXTS[verdict.fired][direction]
                yield (
                    subject,
                    Observation(
                        RAISED,
                        _sentence(text, line, verdict, law),
                        capacity_readings(line, direction, verdict, law),
                        magnitude=_load_ratio(verdict),
                    ),
                )
            elif subject.key in open_subjects:
                yield subject, self._not_exceeded(line, direction, verdict, law)

    def _not_exceeded(self, line: LinePort, direction: str, verdict: Verdict, law: CapacityLaw) -> Observation:
        if verdict.outcome != WITHIN:
            return NOTHING_READ
        sentence = _sentence(_WITHIN_TEXTS[direction], line, verdict, law)
        return Observation(CLEAR, sentence, capacity_readings(line, direction, verdict, law), quiet=True)


def capacity_readings(line: LinePort, direction: str, verdict: Verdict, law: CapacityLaw) -> dict[str, Any]:
    """The numbers behind a verdict, as JSON can keep them; rates in kbit/s, rounded to whole ones."""
    return {
        "network_device": line.name,
        "network_device_id": line.device_id,
        "interface": line.interface,
        "direction": direction,
        "outcome": verdict.outcome,
        "fired": list(verdict.fired),
        "p95_kbit_s": _rounded(verdict.percentile),
        "daily_p95_kbit_s": [_rounded(value) for value in verdict.daily],
        "limit_kbit_s": _rounded(verdict.limit),
        "capacity_kbit_s": verdict.capacity,
        "samples": verdict.samples,
        "expected": verdict.expected,
        "missing": verdict.missing,
        "certain": verdict.certain,
        "law": f"{law.article} {law.title}",
        "effective_from": law.effective_from.isoformat(),
    }


def _sentence(text: str, line: LinePort, verdict: Verdict, law: CapacityLaw) -> Message:
    known = [value for value in verdict.daily if value is not None]
    return Message(
        text,
        {
            "law": f"{law.article} {law.title}",
            "name": line.name,
            "p95": megabits(verdict.percentile),
            "percentile": law.limit.percentile,
            "days": law.limit.days,
            "lowest": megabits(min(known, default=0.0)),
            "limit": megabits(verdict.limit),
            "share": law.limit.capacity_percent,
            "capacity": megabits(verdict.capacity),
            "samples": verdict.samples,
            "expected": verdict.expected,
            "missing": verdict.missing,
        },
    )


def _load_ratio(verdict: Verdict) -> float:
    """How full the line is by the reading that fired and is the worse."""
    rates = [verdict.percentile or 0.0] if WHOLE_PERIOD in verdict.fired else []
    if EACH_DAY in verdict.fired:
        rates.append(min(value for value in verdict.daily if value is not None))
    return round(max(rates) / (verdict.capacity or 1), 4)


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
