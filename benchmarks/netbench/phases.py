"""The phases: what happens in each, in which queue the truth lies, and what ought to be said of it."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.netbench.loads import Load, iperf, link, slow_service, small_buffer, stalled_service, web
from benchmarks.netbench.topology import (
    ACCESS_BITS_PER_SECOND,
    ACCESS_DELAY_MS,
    CORE_BITS_PER_SECOND,
    CORE_DELAY_MS,
    LOCAL_SERVER,
    SERVER,
    WIFI_DELAY_MS,
)

# Rules of the collector that phases refer to.
CONGESTION = "congestion"
PATH_CHANGE = "path_change"
OUTAGE = "outage"
SERVICE_SLOW = "service_slow"
# Places that mean the network between site and service is congested.
NETWORK_PLACES = ("access", "core")

_WIFI = {"delay_ms": WIFI_DELAY_MS, "jitter_ms": 0.0, "spike_ratio": 0.0, "spike_ms": 0.0, "loss_ratio": 0.0}


@dataclass(frozen=True)
class Phase:
    """One stretch of the time line.

    Args:
        text: what happens.
        queue: where its truth is looked for; empty where no queue is concerned.
        loads: what is done, in this order.
        place: `access` or `core` where network congestion must be said by minute 5; empty where it must not.
        right_name: what a perfect answer says of the other phases: (rule, place), where there is one.
        grey: whether either answer is right.
        load_minutes: how long the loads last; None means the whole phase.
        needs: a TCP congestion control that the kernel must have.
    """

    text: str
    queue: str = ""
    loads: tuple[Load, ...] = ()
    place: str = ""
    right_name: tuple[str, str] | None = None
    grey: bool = False
    load_minutes: float | None = None
    needs: str = ""


def _access_web(share: float, seed: int) -> Load:
    return web("ald", SERVER, share * ACCESS_BITS_PER_SECOND, seed)


def _office_to_server(words: str) -> Load:
    return iperf("ald", "srv", SERVER, words)


def _others_to_server(words: str) -> Load:
    return iperf("xh", "srv", SERVER, words)


# In an order in which neighbours differ in place: what one leaves behind cannot pass for what the next one does.
PHASES: dict[str, Phase] = {
    "idle": Phase("no load", "access_down"),
    "web_30": Phase("web load, 30 % of access", "access_down", (_access_web(0.30, 30),)),
    "web_55": Phase("web load, 55 % of access", "access_down", (_access_web(0.55, 55),), grey=True),
    "lan": Phase(
        "LAN full, 8 cubic flows",
        "lan_down",
        (iperf("ald", "als", LOCAL_SERVER, "-C cubic -P 8 -R"),),
        right_name=(CONGESTION, "lan"),
    ),
    "access_down": Phase(
        "access down, 4 cubic flows", "access_down", (_office_to_server("-C cubic -P 4 -R"),), "access"
    ),
    "core_up": Phase("core up, 8 cubic flows", "core_up", (_others_to_server("-C cubic -P 8"),), "core"),
    "access_up": Phase("access up, 4 cubic flows", "access_up", (_office_to_server("-C cubic -P 4"),), "access"),
    "core_down": Phase("core down, 8 cubic flows", "core_down", (_others_to_server("-C cubic -P 8 -R"),), "core"),
    "access_one_flow": Phase("access down, 1 cubic flow", "access_down", (_office_to_server("-C cubic -R"),), "access"),
    "wifi_flap": Phase(
        "one terminal's Wi-Fi unsteady",
        "",
        (link("wifi", _WIFI, jitter_ms=14.0, spike_ratio=0.06, spike_ms=150.0, loss_ratio=0.035),),
        right_name=(CONGESTION, "terminal"),
    ),
    "access_bbr": Phase(
        "access down, 2 BBR flows", "access_down", (_office_to_server("-C bbr -P 2 -R"),), "access", needs="bbr"
    ),
    "core_web_94": Phase(
        "core down, web load 94 %", "core_down", (web("xh", SERVER, 0.94 * CORE_BITS_PER_SECOND, 94),), "core"
    ),
    "access_small_buffer": Phase(
        "access down, 4 cubic, 30 ms buffer",
        "access_down",
        (small_buffer("access_down", 30), _office_to_server("-C cubic -P 4 -R")),
        "access",
    ),
    "service_slow": Phase(
        "service 900 ms slow", "access_down", (slow_service(900),), right_name=(SERVICE_SLOW, "service")
    ),
    "access_udp": Phase(
        "access up, constant UDP 110 %",
        "access_up",
        (_office_to_server(f"-u -l 1372 -b {int(1.1 * ACCESS_BITS_PER_SECOND)}"),),
        "access",
    ),
    "path_change": Phase(
        "path through the core 44 ms longer",
        "core_down",
        (link("core", {"delay_ms": CORE_DELAY_MS}, delay_ms=CORE_DELAY_MS + 22),),
        right_name=(PATH_CHANGE, ""),
    ),
    "web_73": Phase("web load, 73 % of access", "access_down", (_access_web(0.73, 73),), "access"),
    "service_stalled": Phase(
        "service hangs", "access_down", (stalled_service(),), right_name=(SERVICE_SLOW, "service")
    ),
    "own_download": Phase(
        "a terminal downloads for a minute",
        "access_down",
        (iperf("a2", "srv", SERVER, "-C cubic -R"),),
        # A longer one is congestion for whoever shares the line, whoever causes it.
        load_minutes=1,
    ),
    "outage": Phase(
        "access line of site a cut",
        "access_down",
        (link("access_a", {"delay_ms": ACCESS_DELAY_MS, "up": True}, up=False),),
        right_name=(OUTAGE, ""),
    ),
}

SHORT = ("access_down", "core_up", "lan", "path_change", "outage")
SMOKE = ("access_down", "core_up")
