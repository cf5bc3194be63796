"""What rules read, stated as Protocols; the collector's own types fit them as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Protocol

from agent.wire.message import Message

if TYPE_CHECKING:
    from alerts.baseline import BaselineBook

# Store fields of measurement `link_latency` (agent/wire/catalogue.py) that the rules read.
LINK_FIELDS = ("sent", "received", "rtt_min_us", "rtt_p50_us", "rtt_p95_us")


class StoredReading(Protocol):
    """One stored point of one device and target; a field that was never measured is missing, never zero."""

    @property
    def tags(self) -> Mapping[str, str]:
        """At least `unit`, `site`, `device_id` and `target`."""

    @property
    def time_seconds(self) -> int:
        """Seconds since 1970-01-01 UTC."""

    @property
    def fields(self) -> Mapping[str, int]:
        """Store field to integer in the catalogue's scaled unit (round trips in microseconds)."""


ReadLinks = Callable[[int, int], Iterable[StoredReading]]
"""Readings of `link_latency` with start <= time < end (seconds), of every device and target, in any order."""


class AgeEvidence(Protocol):
    """One piece of evidence of a machine's age."""

    @property
    def source(self) -> str:
        """Code of the source."""

    @property
    def latest(self) -> date | None:
        """The machine was not made after this day, as far as this source tells."""

    @property
    def why(self) -> Message:
        """The reason in one sentence."""


class AgeEstimate(Protocol):
    """When a machine was made, as far as all its evidence tells."""

    @property
    def earliest(self) -> date | None:
        """First possible day."""

    @property
    def latest(self) -> date | None:
        """Last possible day."""

    @property
    def best(self) -> date | None:
        """Likeliest day."""

    @property
    def over_10_years(self) -> str:
        """`yes`, `no` or `uncertain`."""

    @property
    def evidence(self) -> Sequence[AgeEvidence]:
        """Every piece that was found."""


class DeviceAge(Protocol):
    """The age estimate of one enrolled device."""

    @property
    def device_id(self) -> str:
        """Identity given at enrolment."""

    @property
    def unit_code(self) -> str:
        """Official code of the unit it stands in."""

    @property
    def estimate(self) -> AgeEstimate:
        """Its newest estimate."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that one evaluation may look at; a rule's condition says in `reads` which part it needs.

    Args:
        link_readings: of every device and target, at least the last `window_seconds` of the rule's condition, in any
            order; repeats, and readings later than the time of judgement, do no harm.
        baselines: what the links' own history tells.
        ages: of every device.
    """

    link_readings: Iterable[StoredReading] = ()
    baselines: BaselineBook | None = None
    ages: Sequence[DeviceAge] = field(default=())
