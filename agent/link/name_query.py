"""A question to a name server as bytes, and what of the answer counts (RFC 1035). Pure, but for `ask`."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from typing import Any, NamedTuple, Optional, Tuple

PORT = 53
TIMEOUT_SECONDS = 2.0

_HEADER = struct.Struct("!6H")
_RECURSION_DESIRED = 0x0100
_IS_ANSWER = 0x8000
_CODE = 0x000F
# No error, and "there is no such name": both are answers of a server that works.
_ANSWERS = frozenset({0, 3})
_ADDRESS, _INTERNET = 1, 1
_LABEL_BYTES = 63
_NAME_BYTES = 255
_RECEIVE_BYTES = 4096


class Answered(NamedTuple):
    """What came of one question.

    Args:
        seconds: from the question to the answer; None where there was none in time.
        works: whether the answer was one; a server may also say that it cannot, or will not.
    """

    seconds: Optional[float]
    works: bool


def question(identifier: int, name: str) -> bytes:
    """A question for the IPv4 address of a name.

    Raises:
        ValueError: no name server can be asked for that.
    """
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    if not all(0 < len(label) <= _LABEL_BYTES for label in labels) or len(name) > _NAME_BYTES:
        raise ValueError("not a host name")
    text = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _HEADER.pack(identifier, _RECURSION_DESIRED, 1, 0, 0, 0) + text + struct.pack("!HH", _ADDRESS, _INTERNET)


def is_answer(packet: bytes, asked: bytes) -> Optional[bool]:
    """Whether a packet answers that question, and as a server that works; None where it is no answer to it."""
    if len(packet) < _HEADER.size or packet[:2] != asked[:2]:
        return None
    flags, questions = struct.unpack_from("!HH", packet, 2)
    if not flags & _IS_ANSWER:
        return None
    # A server that cannot, or will not, may leave the question out; letters may come back in another case.
    if questions and packet[_HEADER.size : len(asked)].lower() != asked[_HEADER.size :].lower():
        return None
    return questions > 0 and flags & _CODE in _ANSWERS


def ask(server: Tuple[Any, ...], name: str, timeout_seconds: float = TIMEOUT_SECONDS) -> Answered:
    """Asks a name server once, over UDP.

    Args:
        server: address of a socket.
        name: of a host.
        timeout_seconds: how long an answer is waited for.

    Raises:
        ValueError: no name server can be asked for that name.
    """
    asked = question(int.from_bytes(os.urandom(2), "big"), name)
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as channel:
        started = time.perf_counter()
        try:
            # From nobody else is anything heard then, and a server that does not listen says so.
            channel.connect(server)
            channel.send(asked)
            while True:
                left = started + timeout_seconds - time.perf_counter()
                if left <= 0 or not select.select([channel], [], [], left)[0]:
                    return Answered(None, works=False)
                works = is_answer(channel.recv(_RECEIVE_BYTES), asked)
                if works is not None:
                    return Answered(time.perf_counter() - started, works=works)
        except OSError:
            return Answered(None, works=False)
