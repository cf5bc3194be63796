"""Condition `device_state`: what somebody else computed of a device is of a bad word."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from alerts.parameters import whole, word
from alerts.ports import DEVICES, Inputs
from alerts.state import CLEAR, RAISED, Observation, Subject


@dataclass(frozen=True, slots=True)
class DeviceState:
    """The inventory's own word and sentence are taken, so that page, list and alert agree; it judges nothing itself."""

    reads: ClassVar[Mapping[str, int]] = {DEVICES: 0}

    state: str = word("Name of what was computed: operating_system, useful_life.")
    bad_value: str = word("The word that is bad; any other word that is told ends the alert.")
    every_seconds: int = whole(0, 86_400, "seconds", "It is judged no more often than this.")

    @property
    def state_names(self) -> tuple[str, ...]:
        """What must have been computed of every device."""
        return (self.state,)

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed: nothing can be."""
        return ""

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:  # noqa: ARG002 (computed for today already)
        """Every device that is of the bad word, and those in `open_subjects` that are of another."""
        for device in inputs.devices:
            computed = device.states.get(self.state)
            if computed is None:
                continue
            bad = computed.value == self.bad_value
            if bad or device.device_id in open_subjects:
                subject = Subject(device.device_id, device.device_id, device.unit_code, device.site)
                readings = {"value": computed.value, **computed.readings}
                yield subject, Observation(RAISED if bad else CLEAR, computed.why, readings, quiet=not bad)
