"""Addresses of targets, looked up without holding up a round: a name server may be slow, or gone with the line."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Union
from urllib.parse import urlsplit

Address = Tuple[Any, ...]

# Answers of an earlier round and threads that still ask, in a probe's memory.
_KNOWN = "addresses"
_ASKING = "asking"


def resolve(name: str) -> Address:
    """A socket's address for a name or IP address, IPv4 where there is one, its port 0.

    Raises:
        OSError: the name does not resolve.
    """
    found = socket.getaddrinfo(_as_asked(name), None, type=socket.SOCK_STREAM)
    found.sort(key=lambda item: item[0] != socket.AF_INET)
    return tuple(found[0][4])


def host_of(url: str) -> str:
    """The host name or IP address in a URL; empty where there is none."""
    return urlsplit(url).hostname or ""


def literal(name: str) -> Optional[Address]:
    """A socket's address where the name is an IP address itself; None where it must be asked for."""
    try:
        found = socket.getaddrinfo(_as_asked(name), None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return None
    return tuple(found[0][4])


def _as_asked(name: str) -> Union[str, bytes]:
    # A text would be prepared for other alphabets, with tables of 0.3 MiB that stay in memory.
    return name.encode() if name.isascii() else name


class Addresses:
    """Looks names up side by side, and falls back on what they were in an earlier round.

    Args:
        memory: kept from round to round.
    """

    def __init__(self, memory: Dict[str, Any]) -> None:
        self._known: Dict[str, Address] = memory.setdefault(_KNOWN, {})
        self._asking: Dict[str, threading.Thread] = memory.setdefault(_ASKING, {})

    def of(self, names: Sequence[str], patience_seconds: float) -> Mapping[str, Optional[Address]]:
        """Name -> address; None where it does not resolve, and missing where nobody has answered in time.

        A line that is down takes the name server with it: an address of an earlier round is then used on, so that the
        outage is measured as one.
        """
        found: Dict[str, Optional[Address]] = {}
        for name in names:
            address = literal(name)
            if address is not None:
                found[name] = address
            elif not self._is_asked(name):
                self._ask(name)
        give_up = time.monotonic() + patience_seconds
        for name in names:
            if name not in found:
                self._asking[name].join(max(0.0, give_up - time.monotonic()))
                if name in self._known:
                    found[name] = self._known[name]
                elif not self._asking[name].is_alive():
                    found[name] = None
        return found

    def _is_asked(self, name: str) -> bool:
        return name in self._asking and self._asking[name].is_alive()

    def _ask(self, name: str) -> None:
        def work() -> None:
            try:
                self._known[name] = resolve(name)
            except (OSError, UnicodeError):
                return

        self._asking[name] = threading.Thread(target=work, name="resolve", daemon=True)
        self._asking[name].start()
