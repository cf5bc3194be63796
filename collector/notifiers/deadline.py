"""A bound on the whole of an exchange.

Time-outs of sockets bound one wait each; a peer that sends a byte now and then keeps every one of them and holds the
caller for hours.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_AGAIN_SECONDS = 0.2


@dataclass(slots=True)
class Expiry:
    """Whether the deadline passed."""

    passed: bool = False


@contextlib.contextmanager
def deadline(seconds: float, socket_of: Callable[[], socket.socket | None]) -> Iterator[Expiry]:
    """Shuts the exchange's socket down after that time, which ends the read or write under way with an `OSError`.

    Args:
        seconds: from entering.
        socket_of: the socket in use then, None before there is one; it may change, as when TLS begins.
    """
    expiry = Expiry()
    ended = threading.Event()

    def watch() -> None:
        wait_seconds = seconds
        # Again and again, because the socket may only come about after the deadline.
        while not ended.wait(wait_seconds):
            expiry.passed = True
            wait_seconds = _AGAIN_SECONDS
            used = socket_of()
            if used is not None:
                # Closed or not connected any more: ended either way.
                with contextlib.suppress(OSError):
                    used.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=watch, name="deadline", daemon=True).start()
    try:
        yield expiry
    finally:
        ended.set()
