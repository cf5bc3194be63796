"""Latency to the gateway and the configured targets: raw ICMP, else an ICMP datagram socket, else TCP connect.

Beside it: large probes, TCP connects, the first byte of a service. The fact `link_method` says how each was measured.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Any, Dict, List, Tuple

from agent.configuration import COLLECTOR, Target
from agent.errors import NoDataError, ProbeError
from agent.host import Host
from agent.link.addresses import Addresses
from agent.link.budget import PROBES_PER_ROUND
from agent.link.echo import EchoSocket
from agent.link.gateway import default_gateway
from agent.link.orders import LinkOrders
from agent.link.round import NO_ICMP_ANSWER, NO_PORT, Aim, EchoWay, LinkRound
from agent.link.round_trips import Measured, numbers_of, running_jitter
from agent.link.service_answer import tls_context
from agent.link.sharing import GATEWAY, note_round, share_out
from agent.probes.contract import Collected, ProbeContext
from agent.wire.message import mark
from agent.wire.report import FactValue, Row, Sample

LONGEST_WINDOW_SECONDS = 54.0

ICMP_RAW = "icmp_raw"
ICMP_DATAGRAM = "icmp_datagram"
# Windows' own, which everybody may use.
ICMP_SERVICE = "icmp_service"

_MARGIN_SECONDS = 6.0
_SHORTEST_SHARE = 0.4
_RESOLVE_SECONDS = 2.0
_ICMP_AGAIN_AFTER_SECONDS = 3600.0

# What the probe keeps from round to round.
_PHASE = "phase"
_SILENT_UNTIL = "silent_until"
_TLS = "tls"
_JITTER = "jitter"
_METHODS = "methods"

NO_RAW = mark("raw ICMP sockets are not permitted")
NO_ICMP = mark("ICMP sockets are not permitted")
NO_ADDRESS = mark("the target's name does not resolve")
NO_GATEWAY = mark("this machine has no default gateway")
NO_TARGET = mark("no target is configured")
NO_TARGET_NOR_GATEWAY = mark("no target is configured, and this machine has no default gateway")
TOO_LONG = mark("the name server took longer than a round allows")


def window_seconds(interval_seconds: float) -> float:
    """Over which time a round's probes are spread, so that the round has ended before the next one begins.

    54 s of a minute, and of everything longer; of shorter intervals all but 6 s, at least two fifths.
    """
    spread = max(interval_seconds - _MARGIN_SECONDS, interval_seconds * _SHORTEST_SHARE)
    return min(spread, LONGEST_WINDOW_SECONDS)


def lasting_seconds(spread_seconds: float) -> float:
    """What a round lasts at least whose probes are spread over so long: its last one is sent no earlier."""
    return spread_seconds * (PROBES_PER_ROUND - 1) / PROBES_PER_ROUND


def collect(host: Host, context: ProbeContext) -> Collected:
    """Link metrics of every target, and the method used for each. All targets are probed at the same time."""
    orders = context.orders or LinkOrders(context.targets, context.measure_gateway)
    targets = list(orders.targets)
    measured: Dict[str, Measured] = {}
    if orders.measure_gateway and all(target.name != GATEWAY for target in targets):
        address = default_gateway(host)
        if address is None:
            measured[GATEWAY] = Measured(None, NO_GATEWAY)
        else:
            targets.insert(0, Target(GATEWAY, address))
    samples = _of_uploads(orders)
    if not targets and not samples:
        raise NoDataError(NO_TARGET_NOR_GATEWAY if measured else NO_TARGET)
    found = _measure(targets, context, orders, host.monotonic_time_seconds()) if targets else {}
    if COLLECTOR in found and found[COLLECTOR].connects is not None:
        # Its own connects of this round say the same, and a number stands in a report once.
        samples = []
    measured.update(found)
    methods: List[Row] = []
    addresses = {target.name: target.address for target in targets}
    for name, result in measured.items():
        if name in addresses:
            host.note_source(f"{result.method or '-'} {addresses[name]}")
        methods.append({"target": name, "method": result.method, "reason": result.reason})
        if result.has_numbers:
            numbers = {**numbers_of(result), **_jitter(name, result, context)}
            samples.extend(Sample(metric, value, {"target": name}) for metric, value in numbers.items())
    facts: Dict[str, FactValue] = {"link_method": _with_earlier(methods, targets, context)}
    if samples or (targets and not found):
        # Without any it is no target's turn: the budget of the line has room for them every so many rounds.
        return Collected(samples, facts, _remark(measured) if found else "")
    if {result.reason for result in measured.values()} <= {NO_PORT, NO_GATEWAY}:
        raise NoDataError("ICMP is not possible here, and no target has a TCP port to fall back to")
    raise ProbeError("no target could be measured: names do not resolve, or nothing answers in time")


def _jitter(name: str, result: Measured, context: ProbeContext) -> Dict[str, float]:
    """The running estimate, of the method that the round was measured by; none in a round without two answers."""
    if result.series is None or len(result.series.round_trips_seconds) < 2:  # noqa: PLR2004  # for one difference
        return {}
    kept: Dict[Tuple[str, str], float] = context.memory.setdefault(_JITTER, {})
    # Connects take longer than echoes and differ more: each has an estimate of its own.
    key = name, result.method or ""
    jitter = running_jitter(result.series.round_trips_seconds, kept.get(key))
    if jitter is None:
        return {}
    kept[key] = jitter
    return {"link_jitter_seconds": round(jitter, 6)}


def _remark(measured: Dict[str, Measured]) -> str:
    if any(result.method is None for result in measured.values()):
        return mark("some targets could not be measured; the fact link_method says why")
    if any(result.is_untrusted for result in measured.values()):
        return mark("a service did not prove its name; its first byte was not measured")
    return ""


def _of_uploads(orders: LinkOrders) -> List[Sample]:
    """The connects of the terminal's own uploads, as numbers of the target that the collector is."""
    connects = orders.connects()
    if connects is None:
        return []
    numbers = numbers_of(Measured(None, None, connects=connects))
    return [Sample(metric, value, {"target": COLLECTOR}) for metric, value in numbers.items()]


def _with_earlier(methods: List[Row], targets: List[Target], context: ProbeContext) -> List[Row]:
    """The methods of this round, and of an earlier one for targets whose turn it is not: the fact must not flutter."""
    known: Dict[Any, Row] = context.memory.setdefault(_METHODS, {})
    known.update({row["target"]: row for row in methods})
    named = {target.name for target in targets} | {row["target"] for row in methods}
    for name in [name for name in known if name not in named]:
        del known[name]
    return [known[name] for name in sorted(known, key=str)]


def _measure(targets: List[Target], context: ProbeContext, orders: LinkOrders, now: float) -> Dict[str, Measured]:
    memory = context.memory
    started = time.perf_counter()
    patience = min(_RESOLVE_SECONDS, context.latency_window_seconds)
    addresses = Addresses(memory).of([target.address for target in targets], patience)
    silent_until: Dict[str, float] = memory.setdefault(_SILENT_UNTIL, {})
    measured: Dict[str, Measured] = {}
    aims: List[Aim] = []
    for target in targets:
        address = addresses.get(target.address)
        if address is None:
            measured[target.name] = Measured(None, NO_ADDRESS if target.address in addresses else TOO_LONG)
            continue
        silent = target.port is not None and time.monotonic() < silent_until.get(target.name, 0.0)
        aims.append(Aim(target, address, is_silent=silent, tls=_tls(target, context)))
    if not aims:
        return measured
    # A share of the machine's own: terminals switched on together do not probe in step.
    phase = memory.setdefault(_PHASE, int.from_bytes(os.urandom(4), "big") / 2**32)
    window = max(context.latency_window_seconds - (time.perf_counter() - started), 0.0)
    with contextlib.ExitStack() as stack:
        ways = {version: open_way(version) for version in {aim.version for aim in aims}}
        for way in ways.values():
            if way.channel is not None:
                stack.callback(way.channel.close)
        aims = share_out(aims, ways, memory, orders, now)
        link_round = LinkRound(aims, ways, window, phase)
        found = link_round.run()
    orders.is_full = any(aim.share.probes >= PROBES_PER_ROUND for aim in aims)
    note_round(link_round, found, memory, orders)
    for aim in aims:
        name = aim.target.name
        if found[name].reason != NO_ICMP_ANSWER:
            silent_until.pop(name, None)
        elif not aim.is_silent:
            silent_until[name] = time.monotonic() + _ICMP_AGAIN_AFTER_SECONDS
    measured.update(found)
    return {target.name: measured[target.name] for target in targets if target.name in measured}


def open_way(version: int) -> EchoWay:
    """The best way to send echoes here; the caller closes its socket."""
    try:
        return EchoWay(EchoSocket(version, privileged=True), ICMP_RAW, None)
    except OSError:
        pass
    try:
        return EchoWay(EchoSocket(version, privileged=False), ICMP_DATAGRAM, NO_RAW)
    except OSError:
        pass
    if sys.platform == "win32" and version == 4:  # noqa: PLR2004  # the service's own
        from agent.windows.echo import service_echoes  # noqa: PLC0415  # the other system's module is not loaded

        with contextlib.suppress(OSError):
            return EchoWay(service_echoes(), ICMP_SERVICE, NO_RAW)
    return EchoWay(None, None, NO_ICMP)


def _tls(target: Target, context: ProbeContext) -> Any:
    """TLS for the target, made once: to load authorities costs more than all else of a round."""
    kept: Dict[str, Any] = context.memory.setdefault(_TLS, {})
    if target.name not in kept:
        try:
            kept[target.name] = tls_context(target, context.ca_file)
        except OSError:
            kept[target.name] = None
    return kept[target.name]
