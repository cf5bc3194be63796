"""The province: who stands where, which link is how thin, and what its queue holds.

    a1 =tap relay "wifi"=+
    a2 ------------------+- asw =LAN 30M/60ms= acr =access 4M/300ms, 5 ms= cor =core 20M/200ms, 8 ms= dc - srv
    a3, ald (traffic) ---+                      | als (local server)       |                           + col
    b1, b2 ------------------------------------ bcr =access 4M/300ms, 5 ms=+- xh (other communes' traffic)

Every `=` but the LAN is a relay, a process of its own between two tun devices; the queue discipline tbf on both ends
makes it thin. The server stands behind a router of its own: a sender that owns the thin queue would be held back.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.netbench.namespaces import BenchError, Namespaces

EDGE = "10.255.0.1"
SERVER = "10.9.0.2"
COLLECTOR = "10.8.0.2"
LOCAL_SERVER = "10.1.1.2"
ROUTER_OF_A = "10.1.0.1"
SERVICE_PORT = 8080

TERMINALS = {"a1": "a", "a2": "a", "a3": "a", "b1": "b", "b2": "b"}
ACCESS_BITS_PER_SECOND = 4_000_000
CORE_BITS_PER_SECOND = 20_000_000
LAN_BITS_PER_SECOND = 30_000_000
ACCESS_DELAY_MS = 5.0
CORE_DELAY_MS = 8.0
WIFI_DELAY_MS = 0.5

_ROUTERS = ("acr", "bcr", "cor", "dc")
_HOSTS = (*TERMINALS, "ald", "als", "asw", "xh", "srv", "col")
_READY_SECONDS = 10.0


@dataclass(frozen=True)
class Queue:
    """A thin place: the egress of one device.

    Args:
        namespace: where it is.
        device: which.
        bits_per_second: what it lets through.
        buffer_ms: how much it holds, as time at that rate.
        burst_bytes: what may pass at once.
    """

    namespace: str
    device: str
    bits_per_second: int
    buffer_ms: float
    burst_bytes: int = 3000

    def options(self, buffer_ms: float | None = None) -> str:
        """Arguments of `tc qdisc ... tbf`."""
        limit_bytes = int(self.bits_per_second / 8 * (buffer_ms or self.buffer_ms) / 1000)
        return f"tbf rate {self.bits_per_second} burst {self.burst_bytes} limit {limit_bytes}"

    def delay_ms(self, backlog_bytes: int) -> float:
        """How long a packet behind that backlog waits."""
        return backlog_bytes * 8000 / self.bits_per_second


QUEUES = {
    "lan_up": Queue("asw", "up", LAN_BITS_PER_SECOND, 60, 6000),
    "lan_down": Queue("acr", "lan", LAN_BITS_PER_SECOND, 60, 6000),
    "access_up": Queue("acr", "wan", ACCESS_BITS_PER_SECOND, 300),
    "access_down": Queue("cor", "toa", ACCESS_BITS_PER_SECOND, 300),
    "access_b_up": Queue("bcr", "wan", ACCESS_BITS_PER_SECOND, 300),
    "access_b_down": Queue("cor", "tob", ACCESS_BITS_PER_SECOND, 300),
    "core_up": Queue("cor", "todc", CORE_BITS_PER_SECOND, 200, 5000),
    "core_down": Queue("dc", "tocor", CORE_BITS_PER_SECOND, 200, 5000),
}


class Topology:
    """The province as it stands in namespaces, with links that can be changed while it runs.

    Raises:
        BenchError: something of it cannot be made.
    """

    def __init__(self, spaces: Namespaces, folder: Path) -> None:
        self._spaces = spaces
        self._folder = folder
        self._relays: dict[str, subprocess.Popen[bytes]] = {}
        for name in (*_ROUTERS, *_HOSTS):
            spaces.add(name, forwards=name in _ROUTERS)
        self._site_a()
        self._site_b()
        self._province()
        self._routes()
        for queue in QUEUES.values():
            spaces.tc(queue.namespace, f"qdisc add dev {queue.device} root {queue.options()}")

    def set_link(self, name: str, **values: Any) -> None:
        """Changes a relay (`wifi`, `access_a`, `access_b`, `core`) at once; the keys are those of `relay.Link`.

        Raises:
            BenchError: the relay has ended.
        """
        pipe = self._relays[name].stdin
        try:
            assert pipe is not None  # every relay is started with one
            pipe.write(json.dumps(values).encode() + b"\n")
            pipe.flush()
        except OSError as error:
            raise BenchError(f"relay {name} has ended: {self._log(name)}") from error

    def set_buffer(self, queue_name: str, buffer_ms: float | None = None) -> None:
        """Makes a queue's buffer smaller or, without a figure, what it was."""
        queue = QUEUES[queue_name]
        self._spaces.tc(queue.namespace, f"qdisc change dev {queue.device} root {queue.options(buffer_ms)}")

    def statistics(self, name: str) -> list[dict[str, float]]:
        """What a relay wrote so far, one entry a second."""
        lines = (self._folder / f"relay-{name}.log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if '"packets"' in line]

    @property
    def relays(self) -> tuple[str, ...]:
        """Names of the relays."""
        return tuple(self._relays)

    def _site_a(self) -> None:
        spaces = self._spaces
        spaces.ip("asw", "link add name br type bridge")
        spaces.ip("asw", "link set dev br up")
        self._relay("wifi", "tap", ("a1", "lan"), ("asw", "a1"), WIFI_DELAY_MS)
        self._wire(("a2", "lan"), ("asw", "a2"))
        self._wire(("a3", "lan"), ("asw", "a3"))
        self._wire(("ald", "lan"), ("asw", "ald"))
        self._wire(("acr", "lan"), ("asw", "up"))
        for device in ("a1", "a2", "a3", "ald", "up"):
            spaces.ip("asw", f"link set dev {device} master br up")
        self._wire(("acr", "als"), ("als", "lan"))
        self._address("acr", "lan", f"{ROUTER_OF_A}/24")
        self._address("acr", "als", "10.1.1.1/24")
        self._address("als", "lan", f"{LOCAL_SERVER}/24")
        self._relay("access_a", "tun", ("acr", "wan"), ("cor", "toa"), ACCESS_DELAY_MS)

    def _site_b(self) -> None:
        spaces = self._spaces
        spaces.ip("bcr", "link add name lan type bridge")
        for name in ("b1", "b2"):
            self._wire((name, "lan"), ("bcr", name))
            spaces.ip("bcr", f"link set dev {name} master lan up")
        self._address("bcr", "lan", "10.2.0.1/24")
        self._relay("access_b", "tun", ("bcr", "wan"), ("cor", "tob"), ACCESS_DELAY_MS)

    def _province(self) -> None:
        self._relay("core", "tun", ("cor", "todc"), ("dc", "tocor"), CORE_DELAY_MS)
        self._wire(("xh", "lan"), ("cor", "xh"))
        self._wire(("srv", "lan"), ("dc", "srv"))
        self._wire(("col", "lan"), ("dc", "col"))
        for name, device, address in (
            ("cor", "xh", "10.5.0.1/24"),
            ("xh", "lan", "10.5.0.2/24"),
            ("dc", "srv", "10.9.0.1/24"),
            ("srv", "lan", f"{SERVER}/24"),
            ("dc", "col", "10.8.0.1/24"),
            ("col", "lan", f"{COLLECTOR}/24"),
            ("acr", "wan", "10.3.1.1/30"),
            ("cor", "toa", "10.3.1.2/30"),
            ("bcr", "wan", "10.3.2.1/30"),
            ("cor", "tob", "10.3.2.2/30"),
            ("cor", "todc", "10.4.0.1/30"),
            ("dc", "tocor", "10.4.0.2/30"),
        ):
            self._address(name, device, address)

    def _routes(self) -> None:
        spaces = self._spaces
        for name, last in (("a1", 11), ("a2", 12), ("a3", 13), ("ald", 50)):
            self._address(name, "lan", f"10.1.0.{last}/24")
            spaces.ip(name, f"route add default via {ROUTER_OF_A}")
        for name, last in (("b1", 11), ("b2", 12)):
            self._address(name, "lan", f"10.2.0.{last}/24")
            spaces.ip(name, "route add default via 10.2.0.1")
        # The province's end of both access lines bears one address, so that one setting serves both sites.
        spaces.ip("cor", f"address add {EDGE}/32 dev lo")
        for name, network, via in (
            ("als", "default", "10.1.1.1"),
            ("acr", "default", "10.3.1.2"),
            ("bcr", "default", "10.3.2.2"),
            ("xh", "default", "10.5.0.1"),
            ("srv", "default", "10.9.0.1"),
            ("col", "default", "10.8.0.1"),
            ("dc", "default", "10.4.0.1"),
            ("cor", "default", "10.4.0.2"),
            ("cor", "10.1.0.0/16", "10.3.1.1"),
            ("cor", "10.2.0.0/16", "10.3.2.1"),
        ):
            spaces.ip(name, f"route add {network} via {via}")

    def _address(self, name: str, device: str, address: str) -> None:
        self._spaces.ip(name, f"address add {address} dev {device}")
        self._spaces.ip(name, f"link set dev {device} up")

    def _wire(self, first: tuple[str, str], second: tuple[str, str]) -> None:
        spaces = self._spaces
        spaces.ip(
            first[0], f"link add name {first[1]} type veth peer name {second[1]} netns {spaces.full_name(second[0])}"
        )
        for name, device in (first, second):
            # Packets as large as on a wire: the queues then drop packets and not bundles of them.
            spaces.ip(name, f"link set dev {device} gso_max_segs 1 up")

    def _relay(self, name: str, mode: str, first: tuple[str, str], second: tuple[str, str], delay_ms: float) -> None:
        ends = [f"{self._spaces.full_name(space)}:{device}" for space, device in (first, second)]
        words = [sys.executable, "-m", "benchmarks.netbench.relay", "--mode", mode, "--delay-ms", str(delay_ms)]
        words += ["--first", ends[0], "--second", ends[1], "--seed", str(len(self._relays) + 1)]
        log = f"relay-{name}.log"
        self._relays[name] = self._spaces.start("", words, log=log, stdin=True)
        deadline = time.monotonic() + _READY_SECONDS
        while '"ready"' not in self._log(name):
            if self._relays[name].poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"relay {name} does not start: {self._log(name)}")
            time.sleep(0.02)
        for space, device in (first, second):
            self._spaces.ip(space, f"link set dev {device} up")

    def _log(self, name: str) -> str:
        return (self._folder / f"relay-{name}.log").read_text(encoding="utf-8", errors="replace")[-2000:]
