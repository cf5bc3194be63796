"""One link in user space: takes packets from a tun or tap device, and hands them to another after a delay.

    python -m benchmarks.netbench.relay --mode tun --first NETNS:DEVICE --second NETNS:DEVICE

It makes both devices itself. Lines of JSON on standard input change the link at once: `delay_ms`, `jitter_ms` (mean of
an exponential), `spike_ratio` and `spike_ms` (some packets wait so much more), `loss_ratio`, `up`. The order of packets
is kept. Once a second it writes one line of JSON: packets, losses, and by how much packets left later than they
should have, which tells whether the host was too busy. It ends with its standard input.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import json
import os
import random
import select
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000
_LARGEST_PACKET_BYTES = 65_536
_MOST_WAITING = 20_000
_IDLE_SECONDS = 0.5
_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True)
class Link:
    """How the link is now; the same in both directions.

    Args:
        delay_ms: every packet's way.
        jitter_ms: mean of an exponentially distributed addition.
        spike_ratio: share of packets that wait for `spike_ms` more.
        spike_ms: see there.
        loss_ratio: share of packets that are lost.
        up: whether anything passes at all.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    spike_ratio: float = 0.0
    spike_ms: float = 0.0
    loss_ratio: float = 0.0
    up: bool = True

    def changed(self, told: dict[str, Any]) -> Link:
        """The link after a line of JSON.

        Raises:
            TypeError: an unknown key.
        """
        return replace(self, **told)

    def crossing_seconds(self, draw: random.Random) -> float | None:
        """How long one packet takes; None if it is lost."""
        if not self.up or (self.loss_ratio and draw.random() < self.loss_ratio):
            return None
        milliseconds = self.delay_ms
        if self.jitter_ms:
            milliseconds += draw.expovariate(1 / self.jitter_ms)
        if self.spike_ratio and draw.random() < self.spike_ratio:
            milliseconds += self.spike_ms
        return milliseconds / 1000


@dataclass
class Direction:
    """Packets on their way to one end."""

    source: int
    destination: int
    waiting: deque[tuple[float, bytes]] = field(default_factory=deque)
    last_due: float = 0.0


@dataclass
class Counts:
    """What happened since the last line of statistics."""

    packets: int = 0
    lost: int = 0
    lateness_seconds: list[float] = field(default_factory=list)

    def line(self) -> str:
        """One line of JSON."""
        late = sorted(self.lateness_seconds) or [0.0]
        table = {
            "packets": self.packets,
            "lost": self.lost,
            "late_p95_ms": round(late[int(0.95 * (len(late) - 1))] * 1000, 2),
            "late_max_ms": round(late[-1] * 1000, 2),
        }
        return json.dumps(table)


def open_device(netns: str, name: str, *, mode: str) -> int:
    """A non-blocking descriptor of a new tun or tap device in a namespace; the calling thread stays there.

    Raises:
        OSError: no such namespace, or no right to it.
    """
    library = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{netns}", "rb") as handle:  # noqa: PTH123 - a handle, not a file to read
        if library.setns(handle.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {netns}")
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    kind = _IFF_TAP if mode == "tap" else _IFF_TUN
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), kind | _IFF_NO_PI))
    return descriptor


class Relay:
    """Moves packets between two descriptors until standard input ends."""

    def __init__(self, first: int, second: int, link: Link, seed: int) -> None:
        self._link = link
        self._draw = random.Random(seed)
        self._directions = (Direction(first, second), Direction(second, first))
        self._counts = Counts()
        self._told = b""

    def run(self) -> None:
        """Works until standard input is closed."""
        control = sys.stdin.fileno()
        sources = {direction.source: direction for direction in self._directions}
        next_line = time.monotonic() + 1
        while True:
            ready, _, _ = select.select([control, *sources], [], [], self._wait_seconds())
            if control in ready and not self._listen(control):
                return
            for descriptor in ready:
                if descriptor in sources:
                    self._take(sources[descriptor])
            self._hand_over()
            if time.monotonic() >= next_line:
                next_line = time.monotonic() + 1
                sys.stdout.write(self._counts.line() + "\n")
                sys.stdout.flush()
                self._counts = Counts()

    def _wait_seconds(self) -> float:
        dues = [direction.waiting[0][0] for direction in self._directions if direction.waiting]
        return min(_IDLE_SECONDS, max(0.0, min(dues) - time.monotonic())) if dues else _IDLE_SECONDS

    def _listen(self, control: int) -> bool:
        told = os.read(control, 4096)
        if not told:
            return False
        *lines, self._told = (self._told + told).split(b"\n")
        for line in lines:
            self._link = self._link.changed(json.loads(line))
        return True

    def _take(self, direction: Direction) -> None:
        while True:
            try:
                packet = os.read(direction.source, _LARGEST_PACKET_BYTES)
            except BlockingIOError:
                return
            crossing = self._link.crossing_seconds(self._draw)
            if crossing is None or len(direction.waiting) >= _MOST_WAITING:
                self._counts.lost += 1
                continue
            direction.last_due = max(direction.last_due, time.monotonic() + crossing)
            direction.waiting.append((direction.last_due, packet))

    def _hand_over(self) -> None:
        for direction in self._directions:
            now = time.monotonic()
            while direction.waiting and direction.waiting[0][0] <= now:
                due, packet = direction.waiting.popleft()
                self._counts.packets += 1
                self._counts.lateness_seconds.append(now - due)
                try:
                    os.write(direction.destination, packet)
                except OSError:
                    # The device is not up yet, or its queue is full: a link loses packets then.
                    self._counts.lost += 1


def main(argv: list[str] | None = None) -> int:
    """Runs one relay; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.netbench.relay", description=__doc__)
    parser.add_argument("--mode", choices=("tun", "tap"), required=True)
    parser.add_argument("--first", required=True, metavar="NETNS:DEVICE")
    parser.add_argument("--second", required=True, metavar="NETNS:DEVICE")
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    first, second = (open_device(*end.split(":", 1), mode=options.mode) for end in (options.first, options.second))
    sys.stdout.write('{"ready": true}\n')
    sys.stdout.flush()
    Relay(first, second, Link(delay_ms=options.delay_ms), options.seed).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
