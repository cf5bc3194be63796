"""What rules read, stated as Protocols; the collector's own types fit them as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Protocol

from agent.wire.message import Message
from agent.wire.report import FactValue

if TYPE_CHECKING:
    from alerts.congestion.detector import Judged
    from alerts.minutes import LinkWindow
    from alerts.presence import PresenceBook
    from alerts.slots import PortInputs


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
    def site(self) -> str:
        """The place within the unit."""

    @property
    def estimate(self) -> AgeEstimate:
        """Its newest estimate."""


class ComputedState(Protocol):
    """What somebody else computed of a device: its operating system's support, its useful life."""

    @property
    def value(self) -> str:
        """One word of a small set, as `out_of_support`."""

    @property
    def why(self) -> Message:
        """The reason in one sentence."""

    @property
    def readings(self) -> Mapping[str, object]:
        """The numbers behind it, as JSON can keep them."""


class DeviceStatus(Protocol):
    """One enrolled device as the registry knows it now."""

    @property
    def device_id(self) -> str:
        """Identity given at enrolment."""

    @property
    def unit_code(self) -> str:
        """Official code of the unit it stands in."""

    @property
    def site(self) -> str:
        """The place within the unit."""

    @property
    def last_seen_seconds(self) -> float | None:
        """When the collector last received anything of it, seconds since 1970-01-01 UTC; None before the first time."""

    @property
    def clock_skew_seconds(self) -> float | None:
        """Its clock less the collector's, as its newest report showed; None if that is not known."""

    @property
    def facts(self) -> Mapping[str, FactValue]:
        """Its newest facts: at least those that the rules name."""

    @property
    def states(self) -> Mapping[str, ComputedState]:
        """What was computed of it, by name: `operating_system`, `useful_life`; what is not known is missing."""


class CollectorHealth(Protocol):
    """How the collector itself does."""

    @property
    def numbers(self) -> Mapping[str, float]:
        """By name, with the unit as suffix, as `journal_oldest_seconds`; what is not known is missing."""

    @property
    def details(self) -> Mapping[str, str]:
        """In the words of the part that is in trouble, by the same names."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that one evaluation may look at; a rule's condition says in `reads` which parts it needs.

    Args:
        ages: of every device that has an estimate.
        link_window: the newest minutes of every link as arrays.
        readings: measurement -> its readings of every device, at least as long as `reads` says, in any order; repeats,
            and readings later than the time of judgement, do no harm.
        devices: every enrolled device whose right to report was not ended.
        presence: in which half-hours of the week each device is usually on.
        collector: how the collector itself does; None where there is none, as in a replay.
        detected: what the site detector holds to be true now; None before it has judged anything.
        ports: ports of the sites' network equipment and their slots; None where there are none, as in a replay.
    """

    ages: Sequence[DeviceAge] = field(default=())
    link_window: LinkWindow | None = None
    readings: Mapping[str, Sequence[StoredReading]] = field(default_factory=dict)
    devices: Sequence[DeviceStatus] = field(default=())
    presence: PresenceBook | None = None
    collector: CollectorHealth | None = None
    ports: PortInputs | None = None
    detected: Judged | None = None


# Names that `Condition.reads` may hold beside the measurements of the catalogue: the parts of `Inputs`.
LINK_WINDOW = "link_window"
AGES, DEVICES, PRESENCE, COLLECTOR, PORTS = "ages", "devices", "presence", "collector", "ports"
DETECTED = "detected"
PARTS = (DETECTED, LINK_WINDOW, AGES, DEVICES, PRESENCE, COLLECTOR, PORTS)
