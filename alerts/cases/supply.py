"""What every kind of input of a test case can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from alerts.rules import Condition


class Supply(Protocol):
    """All tables of one kind of input of one case, ready to be looked at as time goes on."""

    @property
    def step_seconds(self) -> int:
        """How often a case of this input is judged."""

    @property
    def length_seconds(self) -> int:
        """How long it lasts, from the case's start."""

    def at(self, now: int, condition: Condition) -> Mapping[str, Any]:
        """Fields of `alerts.ports.Inputs` as the collector would fill them at that moment.

        Called with ascending times, once for each step.
        """


class ReadSupply(Protocol):
    """Makes a supply of the tables `[[case.KEY]]` of one case.

    Raises:
        RuleError: a key or value that is not as the format says; the text names the place.
    """

    def __call__(self, tables: Sequence[Any], start_seconds: int, where: str) -> Supply:
        """The supply; `where` names the case and the key."""


@dataclass(frozen=True, slots=True)
class CaseReading:
    """One reading, and when the collector has it: later or earlier than it says if the terminal's clock is wrong."""

    arrived_seconds: int
    tags: Mapping[str, str]
    time_seconds: int
    fields: Mapping[str, int]
