"""The routers on the way to an address, for the person who sets up the target `edge`; runs in a process of its own.

This is where icmplib is used: it costs 4.5 MB, which a command that ends may have and the running agent may not.
"""

from __future__ import annotations

import importlib
import time
from typing import Any, List, Optional

from agent.errors import ProbeError
from agent.wire.message import mark
from agent.wire.record import dataclass

PROBES_PER_HOP = 3
MOST_HOPS = 20
TIMEOUT_SECONDS = 1.0

NO_ICMPLIB = mark("icmplib is not installed: the way cannot be traced")
NO_RAW = mark("tracing the way needs raw sockets: run it as root or administrator")
NO_NAME = mark("{address} does not resolve")
NO_ANSWER = mark(
    "no router on the way to {address} answers, and neither does {address}; is it a name or an IP address?"
)
FAILED = mark("the way to {address} cannot be traced: {why}")


@dataclass(frozen=True)
class Hop:
    """One router on the way.

    Args:
        distance: how many hops away, the first router is 1.
        address: of the router that answered.
        sent: probes.
        received: answers.
        rtt_min_seconds: shortest round trip.
        rtt_mean_seconds: mean round trip.
    """

    distance: int
    address: str
    sent: int
    received: int
    rtt_min_seconds: float
    rtt_mean_seconds: float


def hops_to(address: str, most_hops: int = MOST_HOPS) -> List[Hop]:
    """The routers that answer on the way, nearest first; one that does not answer is missing.

    Args:
        address: name or IP address.
        most_hops: where to stop; a way without answers takes three seconds a hop.

    Raises:
        ProbeError: it cannot be traced here, or nothing answers; says why.
    """
    library = _icmplib()
    try:
        found = library.traceroute(
            address, count=PROBES_PER_HOP, interval=0.05, timeout=TIMEOUT_SECONDS, max_hops=most_hops
        )
    except library.SocketPermissionError as error:
        raise ProbeError(NO_RAW) from error
    except library.NameLookupError as error:
        raise ProbeError(NO_NAME, address=address) from error
    except (library.ICMPLibError, OSError) as error:
        raise ProbeError(FAILED, address=address, why=str(error)) from error
    if not found:
        # icmplib says so too of what is no address at all, as 999.1.1.1.
        raise ProbeError(NO_ANSWER, address=address)
    return [
        Hop(
            hop.distance,
            str(hop.address),
            int(hop.packets_sent),
            int(hop.packets_received),
            hop.min_rtt / 1000,
            hop.avg_rtt / 1000,
        )
        for hop in found
    ]


def _icmplib() -> Any:
    try:
        library: Any = importlib.import_module("icmplib")
    except ImportError as error:
        raise ProbeError(NO_ICMPLIB) from error
    # icmplib stamps packets with the wall clock: its steps would become round trips, and on Windows it ticks at 16 ms.
    sockets: Optional[Any] = importlib.import_module("icmplib.sockets")
    sockets.time = time.perf_counter  # type: ignore[union-attr]  # a module, not None
    return library
