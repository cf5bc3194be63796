"""Which alerts explain others, and so are told alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from alerts.route.model import Incident
from alerts.route.rules import Inhibition

_WORDS: dict[str, Callable[[Incident], str]] = {
    "unit": lambda one: one.unit_code,
    "site": lambda one: one.site,
    "place": lambda one: one.place,
    "district": lambda one: one.district,
}


@dataclass(frozen=True, slots=True)
class Source:
    """An incident that may explain others, with those who are to know of it."""

    incident: Incident
    receivers: Collection[int]


class Explanations:
    """Which sources explain what, found quickly: a storm is thousands of alerts and hundreds of sources.

    Args:
        rules: of the file.
        sources: incidents that may explain others.
        now: seconds since 1970-01-01 UTC.
    """

    def __init__(self, rules: Iterable[Inhibition], sources: Iterable[Source], now: float) -> None:
        self._rules = tuple(rules)
        self._now = now
        # By number of the rule and by what source and target must have in common.
        self._sources: dict[tuple[int, tuple[str, ...]], list[Source]] = {}
        self._of_target: dict[int, list[Source]] = {}
        for source in sources:
            for number, rule in enumerate(self._rules):
                if _is_source(rule, source.incident, now):
                    self._sources.setdefault((number, _common(rule, source.incident)), []).append(source)

    def of(self, incident: Incident, receiver_id: int) -> Source | None:
        """The source that explains the incident to that receiver, who is to know of the source; None: nothing does."""
        if not self._sources:
            return None
        if incident.id not in self._of_target:
            self._of_target[incident.id] = list(self._candidates(incident))
        return next((one for one in self._of_target[incident.id] if receiver_id in one.receivers), None)

    def _candidates(self, incident: Incident) -> Iterator[Source]:
        for number, rule in enumerate(self._rules):
            found = self._sources.get((number, _common(rule, incident)))
            if found is None or not rule.target.matches(incident):
                continue
            for source in found:
                # Of two that explain each other the later one gives way, or neither would ever be told.
                first_of_both = incident.id < source.incident.id and self._explains(incident, source.incident)
                if source.incident.key != incident.key and not first_of_both:
                    yield source

    def _explains(self, source: Incident, target: Incident) -> bool:
        return any(
            _is_source(rule, source, self._now)
            and rule.target.matches(target)
            and _common(rule, source) == _common(rule, target)
            for rule in self._rules
        )


def hold_seconds(rules: Iterable[Inhibition], incident: Incident) -> float:
    """How long an incident waits for a source that may yet appear."""
    return max((rule.hold_seconds for rule in rules if rule.target.matches(incident)), default=0.0)


def longest_release_seconds(rules: Iterable[Inhibition]) -> float:
    """How long after its end an incident may still explain others."""
    return max((rule.release_seconds for rule in rules), default=0.0)


def _common(rule: Inhibition, incident: Incident) -> tuple[str, ...]:
    return tuple(_WORDS[word](incident) for word in rule.equal)


def _is_source(rule: Inhibition, incident: Incident, now: float) -> bool:
    over = incident.ended_at is not None and now - incident.ended_at >= rule.release_seconds
    return not over and rule.source.matches(incident)
