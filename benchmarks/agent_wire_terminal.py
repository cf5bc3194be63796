"""What `agent_wire.py` starts in network namespaces: a terminal that uploads, a scraper, the switching off of offloads.

python benchmarks/agent_wire_terminal.py upload MODE STATE REPORTS
python benchmarks/agent_wire_terminal.py scrape ADDRESS PORT COUNT CA
python benchmarks/agent_wire_terminal.py without-offloads INTERFACE
python benchmarks/agent_wire_terminal.py knock ADDRESS PORT
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import fcntl
import functools
import http.client
import json
import socket
import ssl
import statistics
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from agent.config import load_identity  # found by the line above, as all that follow
from agent.configuration import Target, configuration_from_json
from agent.host import Host
from agent.probes import PROBES, ProbeContext
from agent.runner import FactLedger, Runner, build_report
from agent.spool import Spool
from agent.uplink import Uplink
from agent.wire.codec import report_to_json
from agent.wire.exchange import UploadAnswer

BATCH = 15
# A round on this machine is recorded in this time, and dated a minute after the one before.
RECORD_SECONDS = 1.5
MINUTE_SECONDS = 60.0

SIOCETHTOOL = 0x8946
# ETHTOOL_SRXCSUM, STXCSUM, SSG, STSO, SGSO, SGRO of linux/ethtool.h
OFFLOADS = (0x15, 0x17, 0x19, 0x1F, 0x24, 0x2C)


def record(kind: str, count: int) -> list[bytes]:
    """Reports of this machine's probes against addresses of its own, without identity.

    Args:
        kind: `prober` has two targets beside the gateway.
        count: how many.
    """
    targets = [Target("gateway", "127.0.0.1")]
    if kind == "prober":
        targets += [Target("edge", "127.0.0.2"), Target("server", "127.0.0.3")]
    host = Host()
    runner = Runner(host, PROBES, ProbeContext(tuple(targets), 0.4, measure_gateway=False))
    ledger, made = FactLedger(), []
    for number in range(count):
        due = time.monotonic() + RECORD_SECONDS
        found = runner.round()
        if found is None:
            raise RuntimeError("a round ended without a result")
        now = host.monotonic_time_seconds()
        facts = ledger.due(found.facts, now)
        ledger.note_sent(facts, now)
        report = build_report(
            found,
            facts,
            host=host,
            device_id="",
            boot_id="",
            sequence=0,
            spool_reports=0,
            spool_dropped_total=0,
        )
        table = json.loads(report_to_json(report))
        _date(table, number * (MINUTE_SECONDS - RECORD_SECONDS))
        made.append(json.dumps(table, ensure_ascii=False).encode())
        time.sleep(max(0.0, due - time.monotonic()))
    return made


def _date(table: dict[str, Any], later_seconds: float) -> None:
    """Makes a report so much younger, its uptime too."""
    for key in ("wall_time_seconds", "monotonic_time_seconds"):
        table[key] = round(table[key] + later_seconds, 3)
    for sample in table["samples"]:
        if sample["metric"] == "uptime_seconds":
            sample["value"] += later_seconds


class Terminal:
    """Recorded reports on their way through the agent's own spool, uplink and connection.

    Args:
        mode: `ordinary` uploads batches of 15, all others each report; `version 1` speaks that.
        state: folder of the identity.
        reports: recorded ones, repeated as often as needed.
    """

    def __init__(self, mode: str, state: Path, reports: list[bytes]) -> None:
        host = Host()
        identity = load_identity(state)
        if identity is None:
            raise RuntimeError(f"{state}: not enrolled")
        self._device_id = identity.device_id
        self._spool = Spool(state / "spool.sqlite3", host)
        self._spool.adopt(identity.device_id)
        self._uplink = Uplink(identity, self._spool, host, on_answer=self._follow)
        if mode == "version 1":
            # As after the answer of an older collector, which told the interval at enrolment.
            self._uplink._columns_from = float("inf")  # noqa: SLF001
            self._uplink.follow(dataclasses.replace(identity.configuration, upload_interval_seconds=60))
        self._reports = reports
        self._is_ordinary = mode == "ordinary"
        self._size = BATCH if self._is_ordinary else 1
        self._made = 0

    def _follow(self, told: UploadAnswer) -> None:
        if told.configuration is not None:
            self._uplink.follow(configuration_from_json(told.configuration, "answer", strict=False))

    def upload(self) -> int:
        """Makes the reports of one upload and sends them; the size of the body."""
        for _ in range(self._size):
            # The first stands for the first of a day alone: it has all facts, and what is read once a day.
            usual = len(self._reports) - 1
            rounds, place = divmod(max(self._made - 1, 0), usual)
            table = json.loads(self._reports[place + 1 if self._made else 0])
            _date(table, rounds * usual * MINUTE_SECONDS)
            self._spool.append(functools.partial(self._build, table))
            self._made += 1
        done = self._uplink.cycle(most_batches=1)
        if done.error is not None or done.accepted != self._size:
            raise RuntimeError(f"upload {self._made // self._size}: {done}")
        if self._is_ordinary:
            # As it does itself at an interval of 900 s; here it may have been elected, being alone.
            self._uplink._connection.close()  # noqa: SLF001
        return done.exchanges[-1].sent_bytes

    def _build(self, table: dict[str, Any], boot_id: str, sequence: int, waiting: int, dropped: int) -> bytes:
        counts = {"spool_reports": waiting, "spool_dropped_total": dropped}
        for sample in table["samples"]:
            sample["value"] = counts.get(sample["metric"], sample["value"])
        table.update(device_id=self._device_id, boot_id=boot_id, sequence=sequence)
        return json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()


def upload(mode: str, state: str, reports: str) -> None:
    """One upload for every line on standard input, each answered with the size of its body."""
    terminal = Terminal(mode, Path(state), Path(reports).read_bytes().splitlines())
    for _line in sys.stdin:
        print(terminal.upload(), flush=True)


def scrape(address: str, port: str, count: str, ca_file: str) -> None:
    """Asks an exporter for all metrics as Prometheus does, over one connection; says how large they are."""
    context = ssl.create_default_context(cafile=ca_file)
    connection = http.client.HTTPSConnection(address, int(port), timeout=10, context=context)
    headers = {
        "User-Agent": "Prometheus/2.42.0",
        "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "Accept-Encoding": "gzip",
        "X-Prometheus-Scrape-Timeout-Seconds": "10",
    }
    deadline = time.monotonic() + 20
    while True:
        try:
            connection.connect()
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    sizes = []
    for _ in range(int(count)):
        connection.request("GET", "/metrics", headers=headers)
        sizes.append(len(connection.getresponse().read()))
        time.sleep(0.5)
    print(f"body {statistics.fmean(sizes):.0f} B gzip of one scrape")


def without_offloads(interface: str) -> None:
    """Makes the kernel send packets one by one, as a real line carries them; as `ethtool -K ... off` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        for command in OFFLOADS:
            value = bytearray(struct.pack("II", command, 0))
            address = ctypes.addressof((ctypes.c_char * len(value)).from_buffer(value))
            # struct ifreq: name, pointer to the value
            request = interface.encode().ljust(16, b"\0") + struct.pack("P", address) + bytes(16)
            with contextlib.suppress(OSError):  # one that this kernel does not know is not on
                fcntl.ioctl(channel, SIOCETHTOOL, request)


def knock(address: str, port: str) -> None:
    """Ends in an error where nobody listens."""
    socket.create_connection((address, int(port)), 2).close()


PARTS: dict[str, Callable[..., None]] = {
    "upload": upload,
    "scrape": scrape,
    "without-offloads": without_offloads,
    "knock": knock,
}

if __name__ == "__main__":
    PARTS[sys.argv[1]](*sys.argv[2:])
