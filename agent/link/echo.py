"""ICMP echoes over one socket: requests are made and replies recognised here; whoever sends keeps the times.

The system's sockets serve directly, for a library would load asyncio and TLS with it: 5 MB of a terminal's memory.
Packets are those of RFC 792 and RFC 4443.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from typing import Any, Iterator, Optional, Protocol, Tuple

# Of the payload; with the headers of ICMP and IPv4 a probe has 28 bytes more.
SMALL_BYTES = 56
LARGE_BYTES = 1400

_TOKEN_BYTES = 8
# Of a small echo that the budget of a line pays for: what it is recognised by and no more, 36 bytes with its headers.
FAR_BYTES = _TOKEN_BYTES
_HEADER = struct.Struct("!BBHHH")
_IPV6 = 6
_REQUEST_TYPES = {4: 8, _IPV6: 128}
_REPLY_TYPES = {4: 0, _IPV6: 129}
_ICMP6_PROTOCOL = 58
_RECEIVE_BYTES = 2048
_REPLIES_AT_ONCE = 64

# Of linux/in.h, linux/icmp.h and linux/icmpv6.h; the socket module does not name them.
_IP_MTU_DISCOVER = 10
_IP_PMTUDISC_DONT = 0
_SOL_RAW = 255
_ICMP_FILTER = 1
_ICMP6_FILTER = 1


def echo_request(version: int, identifier: int, sequence: int, payload: bytes) -> bytes:
    """An echo request of IP version 4 or 6, without the IP header."""
    kind = _REQUEST_TYPES[version]
    checksum = checksum_of(_HEADER.pack(kind, 0, 0, identifier, sequence) + payload)
    return _HEADER.pack(kind, 0, checksum, identifier, sequence) + payload


def checksum_of(packet: bytes) -> int:
    """The checksum of RFC 1071."""
    padded = packet + b"\0" * (len(packet) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:  # noqa: PLR2004  # sixteen bits
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def echo_reply(version: int, packet: bytes) -> Optional[Tuple[int, bytes]]:
    """(sequence, payload) of an echo reply, with or without its IPv4 header; None for every other packet."""
    if version != _IPV6 and packet and packet[0] >> 4 == 4:  # noqa: PLR2004  # a reply itself begins with 0
        packet = packet[(packet[0] & 0x0F) * 4 :]
    if len(packet) < _HEADER.size:
        return None
    kind, code, _, _, sequence = _HEADER.unpack_from(packet)
    if kind != _REPLY_TYPES[version] or code != 0:
        return None
    return sequence, packet[_HEADER.size :]


class EchoChannel(Protocol):
    """What sends echoes and tells which were answered, as `EchoSocket` does."""

    channel: socket.socket

    def send(self, address: Tuple[Any, ...], sequence: int, size_bytes: int) -> None:
        """Sends one."""

    def receive(self) -> Iterator[int]:
        """Sequences of those answered since; never waits."""

    def close(self) -> None:
        """Gives it back."""


class EchoSocket:
    """A socket that sends echo requests and recognises the replies to its own.

    Args:
        version: of IP, 4 or 6.
        privileged: a raw socket; else a datagram socket, which systems may open to everyone.

    Raises:
        PermissionError: this user may not have such a socket.
        OSError: the system has no such socket.
    """

    def __init__(self, version: int, *, privileged: bool) -> None:
        family, protocol = socket.AF_INET, socket.IPPROTO_ICMP
        if version == _IPV6:
            family, protocol = socket.AF_INET6, _ICMP6_PROTOCOL
        self._version = version
        self._identifier = int.from_bytes(os.urandom(2), "big")
        # Other programs' echoes, and late replies to an earlier round, do not bear it.
        self._token = os.urandom(_TOKEN_BYTES)
        # Random, for lines that compress.
        self._filler = os.urandom(LARGE_BYTES)
        self.channel = socket.socket(family, socket.SOCK_RAW if privileged else socket.SOCK_DGRAM, protocol)
        self.channel.setblocking(False)  # noqa: FBT003  # the library's own way
        if sys.platform == "linux":
            self._prepare(privileged=privileged)

    def _prepare(self, *, privileged: bool) -> None:
        # An older kernel may lack an option; all of them only spare work or keep a tunnel from dropping large probes.
        with contextlib.suppress(OSError):
            if self._version != _IPV6:
                self.channel.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        with contextlib.suppress(OSError):
            if privileged and self._version != _IPV6:
                blocked = ~(1 << _REPLY_TYPES[4]) & 0xFFFFFFFF
                self.channel.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", blocked))
            elif privileged:
                words = [0xFFFFFFFF] * 8
                words[_REPLY_TYPES[_IPV6] >> 5] &= ~(1 << (_REPLY_TYPES[_IPV6] & 31))
                self.channel.setsockopt(_ICMP6_PROTOCOL, _ICMP6_FILTER, struct.pack("=8I", *words))

    def send(self, address: Tuple[Any, ...], sequence: int, size_bytes: int) -> None:
        """Sends one echo request.

        Args:
            address: of a socket of this family.
            sequence: 0 to 65535, not used before on this socket.
            size_bytes: of the payload, 8 to `LARGE_BYTES`.

        Raises:
            OSError: no route, or a filter on this machine.
        """
        payload = self._token + self._filler[: size_bytes - _TOKEN_BYTES]
        self.channel.sendto(echo_request(self._version, self._identifier, sequence, payload), address)

    def receive(self) -> Iterator[int]:
        """Sequences of the replies that are there; never waits."""
        for _ in range(_REPLIES_AT_ONCE):
            try:
                packet = self.channel.recv(_RECEIVE_BYTES)
            except OSError:
                # Nothing more, or word of an unreachable network: then the probe is a lost one.
                return
            reply = echo_reply(self._version, packet)
            if reply is not None and reply[1].startswith(self._token):
                yield reply[0]

    def close(self) -> None:
        """Gives the socket back."""
        self.channel.close()
