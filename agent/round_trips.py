"""Round trips to one address: ICMP echoes through icmplib, TCP connects through the standard library.

Probes are sent at their appointed times whether earlier ones were answered or not: a dead address costs one time-out.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import math
import select
import socket
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Sequence, Tuple

TIMEOUT_SECONDS = 2.0

_ECHO_REPLIES = {4: 0, 6: 129}
_PAUSE_AFTER_FAULT_SECONDS = 0.05
_STARTED = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK))
# A refusal crosses the link and back as an acceptance does: the link is what is measured, not the service.
_ANSWERED = (0, errno.ECONNREFUSED, getattr(errno, "WSAECONNREFUSED", errno.ECONNREFUSED))


@dataclass(frozen=True)
class Series:
    """The probes of one round to one address.

    Args:
        sent: how many were sent, or tried where the machine had no way out.
        round_trips_seconds: of those answered within `TIMEOUT_SECONDS`, in the order of sending.
    """

    sent: int
    round_trips_seconds: Tuple[float, ...]


def statistics_of(series: Series) -> Dict[str, float]:
    """The catalogue's link metrics of a series; what needs answers is missing where there are not enough of them."""
    numbers: Dict[str, float] = {
        "link_probes_sent": series.sent,
        "link_probes_received": len(series.round_trips_seconds),
    }
    if not series.round_trips_seconds:
        return numbers
    ordered = sorted(series.round_trips_seconds)
    numbers["link_rtt_min_seconds"] = ordered[0]
    numbers["link_rtt_p50_seconds"] = _median(ordered)
    numbers["link_rtt_p95_seconds"] = nearest_rank(ordered, 0.95)
    numbers["link_rtt_max_seconds"] = ordered[-1]
    numbers["link_rtt_mean_seconds"] = sum(ordered) / len(ordered)
    if len(ordered) > 1:
        following = series.round_trips_seconds[1:]
        differences = [abs(second - first) for first, second in zip(series.round_trips_seconds, following)]
        numbers["link_ipdv_seconds"] = sum(differences) / len(differences)
    return {name: round(value, 6) for name, value in numbers.items()}


def _median(ordered: Sequence[float]) -> float:
    # The standard library's statistics module costs two megabytes of memory.
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def nearest_rank(ordered: Sequence[float], share: float) -> float:
    """The smallest of the ordered values that at least `share` of them do not exceed."""
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def schedule_seconds(count: int, window_seconds: float) -> List[float]:
    """When to send each of `count` probes, evenly over the window, the first at once."""
    return [index * window_seconds / count for index in range(count)]


def resolve(address: str) -> str:
    """An IP address for a name or address, IPv4 where there is one.

    Raises:
        OSError: the name does not resolve.
    """
    found = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)
    found.sort(key=lambda item: item[0] != socket.AF_INET)
    return str(found[0][4][0])


def icmp_series(address: str, offsets_seconds: Sequence[float], *, privileged: bool) -> Series:
    """ICMP echoes to an IP address, sent at the offsets from now.

    Args:
        address: IPv4 or IPv6 address.
        offsets_seconds: when to send each.
        privileged: through a raw socket; else through a datagram socket, which systems may open to everyone.

    Raises:
        ImportError: icmplib is not installed.
        PermissionError: this user may not have such a socket.
        OSError: the system has no such socket.
    """
    library = _icmplib()
    version = 6 if ":" in address else 4
    kind = library.ICMPv6Socket if version == 6 else library.ICMPv4Socket  # noqa: PLR2004
    try:
        channel = kind(privileged=privileged)
    except library.SocketPermissionError as error:
        raise PermissionError("ICMP socket not permitted") from error
    except library.ICMPSocketError as error:
        raise OSError("no ICMP socket") from error
    with channel:
        return _echo(library, channel, address, version, offsets_seconds)


def _icmplib() -> Any:
    library: Any = importlib.import_module("icmplib")
    # icmplib stamps packets with the wall clock: its steps would become round trips, and on Windows it ticks at 16 ms.
    importlib.import_module("icmplib.sockets").time = time.perf_counter  # type: ignore[attr-defined]
    return library


def _echo(library: Any, channel: Any, address: str, version: int, offsets_seconds: Sequence[float]) -> Series:
    identifier = library.utils.unique_identifier()
    requests: List[Any] = []
    round_trips: Dict[int, float] = {}

    def receive_until(moment: float) -> None:
        while len(round_trips) < len(offsets_seconds):
            remaining = moment - time.perf_counter()
            if remaining <= 0:
                return
            try:
                reply = channel.receive(timeout=remaining)
            except library.TimeoutExceeded:
                return
            except library.ICMPLibError:
                time.sleep(min(remaining, _PAUSE_AFTER_FAULT_SECONDS))
                continue
            # A raw socket sees every ICMP packet of the machine, errors and other programs' echoes too.
            if reply is None or reply.type != _ECHO_REPLIES[version] or reply.sequence >= len(requests):
                continue
            request = requests[reply.sequence]
            round_trip = reply.time - request.time
            if reply.id == request.id and 0 <= round_trip <= TIMEOUT_SECONDS:
                round_trips.setdefault(reply.sequence, round_trip)

    start = time.perf_counter()
    for sequence, offset in enumerate(offsets_seconds):
        receive_until(start + offset)
        wait = start + offset - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        request = library.ICMPRequest(address, identifier, sequence)
        requests.append(request)
        # No route, or a local filter: the probe did not come through, as a lost one.
        with contextlib.suppress(library.ICMPLibError):
            channel.send(request)
    receive_until(time.perf_counter() + TIMEOUT_SECONDS)
    return Series(len(offsets_seconds), tuple(round_trips[sequence] for sequence in sorted(round_trips)))


def tcp_series(address: str, port: int, offsets_seconds: Sequence[float]) -> Series:
    """TCP connects to an IP address and port, started at the offsets from now, timed until accepted or refused."""
    connects = _Connects(address, port)
    start = time.perf_counter()
    try:
        for sequence, offset in enumerate(offsets_seconds):
            connects.finish_until(start + offset)
            wait = start + offset - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            connects.start(sequence)
        connects.finish_until(time.perf_counter() + TIMEOUT_SECONDS)
    finally:
        connects.close()
    answered = connects.round_trips
    return Series(len(offsets_seconds), tuple(answered[sequence] for sequence in sorted(answered)))


class _Connects:
    """TCP connects under way to one address and port."""

    def __init__(self, address: str, port: int) -> None:
        self._address = (address, port)
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._pending: Dict[socket.socket, Tuple[int, float]] = {}
        self.round_trips: Dict[int, float] = {}

    def start(self, sequence: int) -> None:
        """Starts a connect without waiting for it."""
        connection = socket.socket(self._family, socket.SOCK_STREAM)
        connection.setblocking(False)  # noqa: FBT003  # the library's own way
        started = time.perf_counter()
        fault = connection.connect_ex(self._address)
        if fault in _STARTED:
            self._pending[connection] = (sequence, started)
            return
        if fault in _ANSWERED:
            self.round_trips[sequence] = time.perf_counter() - started
        connection.close()

    def finish_until(self, moment: float) -> None:
        """Takes answers until `moment` of the performance counter, or until none is awaited any more."""
        while self._pending:
            remaining = moment - time.perf_counter()
            if remaining <= 0:
                return
            waiting = list(self._pending)
            # Windows tells of a refused connect through the third list.
            _, connected, failed = select.select([], waiting, waiting, remaining)
            now = time.perf_counter()
            for connection in {*connected, *failed}:
                sequence, started = self._pending.pop(connection)
                fault = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                connection.close()
                if fault in _ANSWERED and now - started <= TIMEOUT_SECONDS:
                    self.round_trips[sequence] = now - started

    def close(self) -> None:
        """Gives up what is still under way."""
        for connection in self._pending:
            connection.close()
        self._pending.clear()
