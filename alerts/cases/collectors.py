"""`[[case.collector]]`: how the collector itself does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerts.cases.strict import MINUTE_SECONDS, finite, mapping, only_keys, segments
from alerts.parameters import RuleError
from alerts.ports import COLLECTOR
from alerts.rules import Condition


@dataclass(frozen=True, slots=True)
class _Health:
    numbers: Mapping[str, float]
    details: Mapping[str, str]


class CollectorSupply:
    """The collector's own numbers, judged every minute."""

    step_seconds = MINUTE_SECONDS

    def __init__(self, tables: Sequence[Any], start_seconds: int, where: str) -> None:
        self._start_seconds = start_seconds
        self._spans: list[tuple[int, int, _Health]] = []
        self.length_seconds = 0
        if len(tables) != 1:
            raise RuleError(f"{where}: expected one table, there is one collector")
        only_keys(tables[0], ("segments",), where)
        for segment, begin, end, here in segments(tables[0], ("numbers", "details"), where):
            numbers, details = mapping(segment, "numbers", here), mapping(segment, "details", here)
            health = _Health(
                {name: finite(numbers, name, None, here) for name in numbers},
                {name: str(text) for name, text in details.items()},
            )
            if not segment.get("missing", False):
                self._spans.append((begin, end, health))
            self.length_seconds = end

    def at(self, now: int, condition: Condition) -> Mapping[str, Any]:  # noqa: ARG002 (the same for every condition)
        """What the collector would say of itself."""
        after = now - self._start_seconds
        return {COLLECTOR: next((health for begin, end, health in self._spans if begin <= after < end), None)}
