"""Ports of network equipment as the rules read them, and what keeps them from being judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from agent.wire.catalogue import INTERFACE
from agent.wire.message import Message, mark
from alerts.laws import sample_seconds, shipped_capacity_laws
from alerts.ports import StoredReading
from alerts.slots import INTERFACE_FIELDS, PortInputs, SlotBook, refresh
from collector.db.network import OK, UNKNOWN, NetworkDevice, network_devices, poll_states
from collector.metrics.port import MetricStore

# A device that did not answer so often in a row is a finding.
SILENT_POLLS = 3

NO_CAPACITY = mark(
    "The capacity of the line is not configured, neither here nor in the survey of lines: the legal limit is not "
    "judged."
)
NO_PORT = mark("No port is configured: the traffic of the line is not measured.")
NEVER_POLLED = mark("It has not been polled yet.")
SILENT = mark("It did not answer {times} times in a row: {reason}")
NO_TRAFFIC = mark("Its last answer gave no sample of traffic: {reason}")


@dataclass(frozen=True)
class Finding:
    """Something about one network device that a person should see to."""

    device: NetworkDevice
    message: Message


class PortSource:
    """Hands the rules their ports; remembers the newest days of all of them.

    Args:
        engine: the registry.
        store: where the samples are.
    """

    def __init__(self, engine: Engine, store: MetricStore) -> None:
        self._engine = engine
        self._store = store
        self._book = SlotBook(sample_seconds(), max(law.limit.days for law in shipped_capacity_laws()) + 1)

    def inputs(self, now: float) -> PortInputs:
        """Every configured port with its slots up to now.

        Raises:
            MetricStoreError: the samples cannot be read.
        """
        refresh(self._book, self._read, now)
        with self._engine.connect().execution_options(read_only=True) as connection:
            lines = [device for device in network_devices(connection) if device.interface]
        return PortInputs(lines, self._book)

    def _read(self, start_seconds: int, end_seconds: int) -> Iterable[StoredReading]:
        return self._store.read(INTERFACE, INTERFACE_FIELDS, start_seconds=start_seconds, end_seconds=end_seconds)


def findings(connection: Connection) -> list[Finding]:
    """What keeps lines from being measured or judged, in order of unit and name of the device."""
    states = poll_states(connection)
    found: list[Finding] = []
    for device in network_devices(connection):
        if device.kind == "cpe" and not device.interface:
            found.append(Finding(device, Message(NO_PORT)))
        if device.interface and device.capacity_source == UNKNOWN:
            found.append(Finding(device, Message(NO_CAPACITY)))
        state = states.get(device.device_id)
        if state is None:
            found.append(Finding(device, Message(NEVER_POLLED)))
        elif state.outcome != OK and state.failed_in_row >= SILENT_POLLS:
            reason = Message.from_dict(state.reason)
            found.append(Finding(device, Message(SILENT, {"times": state.failed_in_row, "reason": reason})))
        elif state.outcome == OK and state.no_sample is not None:
            reason = Message.from_dict(state.no_sample)
            found.append(Finding(device, Message(NO_TRAFFIC, {"reason": reason})))
    return found
