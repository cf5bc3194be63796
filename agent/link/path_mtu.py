"""How large a packet may be that comes through to an address in one piece, found by echoes that must not be cut.

Search and judgement are pure; below them the two ways of sending: a socket of Linux, or Windows' ICMP service. IPv4
alone: in IPv6 routers never cut packets, and every path must carry 1280 bytes.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
import time
from abc import ABC, abstractmethod
from typing import Any, Callable, NamedTuple, Optional

from agent.link.echo import echo_reply, echo_request

# Ethernet's; larger packets do not reach an office's line.
MOST_BYTES = 1500
# What every probe of a round is.
SMALL_PACKET_BYTES = 84
# Of the headers of IPv4 and ICMP.
HEADER_BYTES = 28

ANSWERED, TOO_LARGE, LOST = "answered", "too_large", "lost"

# A lossy line must not look like a narrow one: the chance of three losses in a row at a tenth is 0.001.
_TRIES = 3
_PATIENCE_SECONDS = 1.0
_TOKEN_BYTES = 8
_RECEIVE_BYTES = 2048
# Of linux/in.h; the socket module does not name them.
_IP_MTU_DISCOVER = 10
_IP_MTU = 14
_IP_PMTUDISC_DO = 2


class PathMtu(NamedTuple):
    """What was found.

    Args:
        mtu_bytes: the largest packet that came through, at most `MOST_BYTES`.
        is_black_hole: larger ones vanished, and nobody said that they were too large.
    """

    mtu_bytes: int
    is_black_hole: bool


class Way(ABC):
    """How packets of a size are sent to one address without being cut; a system's own are its subclasses."""

    @abstractmethod
    def once(self, packet_bytes: int) -> str:
        """`ANSWERED`, `TOO_LARGE` where this machine or a router said so, else `LOST`."""

    def told_bytes(self) -> Optional[int]:
        """What the system has been told the path carries; None where it does not tell."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Gives back what it holds."""


def path_mtu(
    way: Way,
    expected_bytes: Optional[int] = None,
    now: Callable[[], float] = time.monotonic,
    limit_seconds: float = 40.0,
) -> Optional[PathMtu]:
    """The largest packet that comes through.

    Where 1500 bytes do, that is one packet. Else what a router told is tried, else halves are taken, eleven times at
    most; what is lost is sent three times in all before it counts.

    Args:
        way: to the address.
        expected_bytes: what was found earlier: where it still holds, two sizes show it.
        now: a clock.
        limit_seconds: when to give up.

    Returns:
        None where small packets are not answered either, sizes contradict each other, or it took too long.
    """
    search = _Search(way, now, now() + limit_seconds)
    if search.passes(MOST_BYTES):
        return PathMtu(MOST_BYTES, is_black_hole=False)
    # A router's word may come with the answer to the second packet.
    told = way.told_bytes()
    if told is not None and SMALL_PACKET_BYTES < told < MOST_BYTES and search.passes(told):
        return PathMtu(told, is_black_hole=False)
    if not search.passes(SMALL_PACKET_BYTES):
        return None
    found = search.between(SMALL_PACKET_BYTES, min(told or MOST_BYTES, MOST_BYTES), expected_bytes)
    # A line that loses large packets by chance answers now, or does not answer the smaller one.
    if found is None or search.passes(found + 1):
        return None
    word = search.word
    return PathMtu(found, is_black_hole=word == LOST) if search.passes(found) else None


class _Search:
    """Sends packets of sizes until it is late.

    Attributes:
        word: what became of the last one.
    """

    def __init__(self, way: Way, now: Callable[[], float], ends: float) -> None:
        self._way, self._now, self._ends = way, now, ends
        self.word = LOST

    def passes(self, packet_bytes: int) -> bool:
        for _ in range(_TRIES):
            self.word = self._way.once(packet_bytes)
            if self.word != LOST or self._now() >= self._ends:
                break
        return self.word == ANSWERED

    def between(self, low: int, high: int, expected_bytes: Optional[int]) -> Optional[int]:
        """The largest size that passes, where `low` does and `high` does not; None when it is late."""
        if expected_bytes is not None and low < expected_bytes < high - 1:
            if not self.passes(expected_bytes):
                high = expected_bytes
            elif self.passes(expected_bytes + 1):
                low = expected_bytes + 1
            else:
                return expected_bytes
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.passes(middle) else (low, middle)
            if self._now() >= self._ends:
                return None
        return low


class SocketWay(Way):
    """Linux: a raw socket, else one of datagrams, that is told never to cut.

    Args:
        address: of IPv4.

    Raises:
        OSError: this user may not have such a socket, or there is no route.
    """

    def __init__(self, address: str) -> None:
        try:
            self._channel = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        except PermissionError:
            self._channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
        self._identifier = int.from_bytes(os.urandom(2), "big")
        self._token = os.urandom(_TOKEN_BYTES)
        self._sequence = 0
        try:
            self._channel.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)
            # So that the kernel hands routers' words to this socket.
            self._channel.connect((address, 0))
        except OSError:
            self._channel.close()
            raise

    def once(self, packet_bytes: int) -> str:
        """Sends one and waits for a second at most."""
        self._sequence += 1
        payload = self._token + os.urandom(packet_bytes - HEADER_BYTES - _TOKEN_BYTES)
        ends = time.monotonic() + _PATIENCE_SECONDS
        try:
            self._channel.send(echo_request(4, self._identifier, self._sequence, payload))
            while True:
                left = ends - time.monotonic()
                if left <= 0 or not select.select([self._channel], [], [], left)[0]:
                    return LOST
                reply = echo_reply(4, self._channel.recv(_RECEIVE_BYTES))
                if reply is not None and reply == (self._sequence, payload):
                    return ANSWERED
        except OSError as error:
            return TOO_LARGE if error.errno == errno.EMSGSIZE else LOST

    def told_bytes(self) -> Optional[int]:
        """What the kernel remembers of this path."""
        try:
            return self._channel.getsockopt(socket.IPPROTO_IP, _IP_MTU)
        except OSError:
            return None

    def close(self) -> None:
        """Gives the socket back."""
        self._channel.close()


class ServiceWay(Way):
    """Windows' ICMP service.

    Args:
        address: of IPv4.
        service: `agent.windows.echo.IcmpService`; closed with this.
    """

    def __init__(self, address: str, service: Any) -> None:
        from agent.windows import echo  # noqa: PLC0415  # the other system's module is not loaded

        self._words = {echo.ANSWERED: ANSWERED, echo.PACKET_TOO_BIG: TOO_LARGE}
        self._address = address
        self._service = service

    def once(self, packet_bytes: int) -> str:
        """Sends one and waits for a second at most."""
        payload = os.urandom(packet_bytes - HEADER_BYTES)
        reply = self._service.echo(self._address, payload, int(_PATIENCE_SECONDS * 1000), dont_fragment=True)
        return self._words.get(reply.status, LOST)

    def close(self) -> None:
        """Gives the service back."""
        self._service.close()


def way_to(address: str) -> Way:
    """How packets are sent to an address from this machine.

    Raises:
        OSError: they cannot be.
    """
    if sys.platform == "win32":
        from agent.windows import echo  # noqa: PLC0415  # as above

        return ServiceWay(address, echo.IcmpService(echo.icmp_library()))
    return SocketWay(address)
