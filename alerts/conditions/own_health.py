"""Condition `collector_number`: one of the collector's own numbers is beyond a limit."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.wire.message import Parameter
from alerts.conditions.sentences import fault, filled, rounded
from alerts.parameters import choice, number, whole, word
from alerts.ports import COLLECTOR, Inputs
from alerts.state import CLEAR, RAISED, Observation, Subject

SIDES = ("below", "above")
_PLACES = ("value", "detail")


@dataclass(frozen=True, slots=True)
class CollectorNumber:
    """The subject is the collector itself: no unit, no site, no device."""

    reads: ClassVar[Mapping[str, int]] = {COLLECTOR: 0}

    number_name: str = word("Name of the number, as journal_oldest_seconds.")
    side: str = choice(SIDES, "On which side of the limits it is bad.")
    raise_value: float = number(-1e18, 1e18, "", "The number at which it is bad.")
    clear_value: float = number(-1e18, 1e18, "", "The number at which it is good again.")
    shown_divisor: float = number(1e-9, 1e18, "", "The number is divided by this in the sentence.")
    every_seconds: int = whole(0, 86_400, "seconds", "It is judged no more often than this.")
    raised_text: str = word("The sentence while it is bad.")
    clear_text: str = word("The sentence when it is over.")

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        below = self.side == "below"
        if self.clear_value < self.raise_value if below else self.clear_value > self.raise_value:
            least = "at least" if below else "at most"
            return f"clear_value is {self.clear_value:g}, expected {least} raise_value ({self.raise_value:g})"
        return fault("raised_text", self.raised_text, _PLACES) or fault("clear_text", self.clear_text, _PLACES)

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:  # noqa: ARG002 (its numbers are of now)
        """The collector, if its number is bad, or has been and is told again."""
        health = inputs.collector
        value = health.numbers.get(self.number_name) if health else None
        if health is None or value is None:
            return
        below = self.side == "below"
        bad = value <= self.raise_value if below else value >= self.raise_value
        subject = Subject("collector", "", "")
        if not bad and subject.key not in open_subjects:
            return
        detail = health.details.get(self.number_name, "")
        quiet = not bad and (value >= self.clear_value if below else value <= self.clear_value)
        shown: dict[str, Parameter] = {"value": rounded(value / self.shown_divisor), "detail": detail}
        readings: dict[str, Any] = {self.number_name: value, **({"detail": detail} if detail else {})}
        text = self.raised_text if bad else self.clear_text
        yield subject, Observation(RAISED if bad else CLEAR, filled(text, shown), readings, quiet, abs(value))
