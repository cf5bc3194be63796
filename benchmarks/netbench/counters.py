"""Asks a CPE's interface counters by SNMP and writes what it hears, one line of JSON each time.

python -m benchmarks.netbench.counters --address 10.3.1.1 --interface wan --community netbench --every 5
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pysnmp.hlapi.v3arch.asyncio import (  # type: ignore[import-untyped]  # it brings no types
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    UdpTransportTarget,
    get_cmd,
    walk_cmd,
)

_IF_NAME = "1.3.6.1.2.1.31.1.1.1.1"
_IF_HC_IN_OCTETS = "1.3.6.1.2.1.31.1.1.1.6"
_IF_HC_OUT_OCTETS = "1.3.6.1.2.1.31.1.1.1.10"


@dataclass(frozen=True)
class Reading:
    """The counters at one moment (monotonic seconds)."""

    at: float
    received_bytes: int
    sent_bytes: int


def used_bits_per_second(readings: Sequence[Reading], start: float, end: float) -> tuple[float, float] | None:
    """Mean rate received and sent between two moments; None where fewer than two readings lie between."""
    inside = [reading for reading in readings if start <= reading.at <= end]
    if len(inside) < 2:
        return None
    first, last = inside[0], inside[-1]
    seconds = last.at - first.at
    received = (last.received_bytes - first.received_bytes) * 8 / seconds
    return received, (last.sent_bytes - first.sent_bytes) * 8 / seconds


def parse(line: str) -> Reading | None:
    """A line that this program wrote; None where it tells of a fault."""
    table = json.loads(line)
    return None if "fault" in table else Reading(table["at"], table["received_bytes"], table["sent_bytes"])


async def ask(address: str, interface: str, community: str, every_seconds: float) -> None:
    """Asks until it is ended."""
    engine = SnmpEngine()
    target = await UdpTransportTarget.create((address, 161), timeout=1, retries=2)
    who = CommunityData(community, mpModel=1)
    index = ""
    while True:
        due = time.monotonic() + every_seconds
        line: dict[str, float | int | str]
        if not index:
            index = await _index(engine, who, target, interface)
        wanted = [ObjectType(ObjectIdentity(f"{oid}.{index}")) for oid in (_IF_HC_IN_OCTETS, _IF_HC_OUT_OCTETS)]
        error, status, _, values = await get_cmd(engine, who, target, ContextData(), *wanted)
        if not index or error or status:
            line = {"at": time.monotonic(), "fault": str(error or status or f"no interface {interface}")}
        else:
            received, sent = (int(value[1]) for value in values)
            line = {"at": time.monotonic(), "received_bytes": received, "sent_bytes": sent}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def _index(engine: SnmpEngine, who: CommunityData, target: UdpTransportTarget, interface: str) -> str:
    walk = walk_cmd(engine, who, target, ContextData(), ObjectType(ObjectIdentity(_IF_NAME)), lexicographicMode=False)
    async for error, status, _, values in walk:
        if error or status:
            return ""
        for name, value in values:
            if str(value) == interface:
                return str(name).rsplit(".", 1)[1]
    return ""


def main(argv: list[str] | None = None) -> int:
    """Runs the questions; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.netbench.counters", description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--interface", required=True)
    parser.add_argument("--community", required=True)
    parser.add_argument("--every", type=float, default=5.0)
    options = parser.parse_args(argv)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(ask(options.address, options.interface, options.community, options.every))
    return 0


if __name__ == "__main__":
    sys.exit(main())
