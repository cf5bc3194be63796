"""Everything that holds at the moment of a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from alerts.route.inhibition import Explanations, Source
from alerts.route.model import Flap, Groups, Incident, Receiver
from alerts.route.rules import RoutingRules
from alerts.route.schedule import Silence, Window


@dataclass(frozen=True)
class Situation:
    """What holds at the moment of a decision.

    Args:
        now: seconds since 1970-01-01 UTC.
        rules: the routing rules.
        receivers: those that are not removed, by number.
        silences: those that may hold.
        windows: those that may hold.
        sources: incidents that may explain others, open or lately ended.
        groups: (receiver, group): when it was last told.
        flaps: alerts that flap, by (rule, subject).
    """

    now: float
    rules: RoutingRules
    receivers: Mapping[int, Receiver]
    silences: Sequence[Silence] = ()
    windows: Sequence[Window] = ()
    sources: Sequence[Source] = ()
    groups: Groups = field(default_factory=dict)
    flaps: Mapping[tuple[str, str], Flap] = field(default_factory=dict)

    @cached_property
    def explanations(self) -> Explanations:
        """The sources, ready to be asked."""
        return Explanations(self.rules.inhibitions, self.sources, self.now)

    def flap(self, incident: Incident) -> Flap | None:
        """The flap of the incident's alert, while it has not settled."""
        found = self.flaps.get(incident.key)
        return found if found is not None and self.now < found.stable_at else None
