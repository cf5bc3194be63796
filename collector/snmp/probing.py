"""Asks devices once, for a person who sets them up; nothing is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from agent.wire.message import Message
from collector.db.network import OK, NetworkDevice
from collector.settings import Network
from collector.snmp.asking import DeviceAnswer, ask_device
from collector.snmp.credentials import Credential
from collector.snmp.session import Engines, Session, SnmpError, open_session, tell_garbage_briefly


@dataclass(frozen=True)
class Probed:
    """What one device said, or why it said nothing."""

    device: NetworkDevice
    outcome: str
    reason: Message
    answer: DeviceAnswer | None

    def as_dict(self) -> dict[str, Any]:
        """As JSON can keep it; without the reason, which is for people."""
        answer = self.answer
        said = None if answer is None else {**asdict(answer), "port": msgspec.to_builtins(answer.port)}
        return {"name": self.device.name, "outcome": self.outcome, "answer": said}


async def probe_devices(
    devices: Sequence[NetworkDevice], credentials: Mapping[str, Credential], settings: Network, now: float
) -> list[Probed]:
    """What each device says now, in their order.

    Args:
        devices: to be asked.
        credentials: by the names that the devices state.
        settings: time-outs and how many are asked at the same time.
        now: seconds since 1970-01-01 UTC.
    """
    tell_garbage_briefly(asyncio.get_running_loop())
    engines = Engines()
    turns = asyncio.Semaphore(settings.concurrent_devices)

    async def probe(device: NetworkDevice) -> Probed:
        async with turns:
            try:
                session: Session = open_session(engines, device, credentials, settings)
                answer = await ask_device(session, device.interface, None, now)
            except SnmpError as error:
                return Probed(device, error.outcome, error.message, None)
            return Probed(device, OK, Message(""), answer)

    try:
        return list(await asyncio.gather(*(probe(device) for device in devices)))
    finally:
        engines.close()
