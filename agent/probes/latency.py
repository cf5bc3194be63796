"""Latency to the gateway and the configured targets: raw ICMP, else an ICMP datagram socket, else TCP connect.

Beside it: large probes, TCP connects, the first byte of a service. The fact `link_method` says how each was measured.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any, Dict, List

from agent.configuration import Target
from agent.errors import NoDataError, ProbeError
from agent.host import Host
from agent.link.addresses import Addresses
from agent.link.echo import EchoSocket
from agent.link.gateway import default_gateway
from agent.link.round import NO_ICMP_ANSWER, NO_PORT, PROBES_PER_ROUND, TIMEOUT_SECONDS, Aim, EchoWay, LinkRound
from agent.link.round_trips import Measured, numbers_of
from agent.link.service_answer import tls_context
from agent.probes.contract import Collected, ProbeContext
from agent.wire.message import mark
from agent.wire.report import FactValue, Row, Sample

# The default gateway is a target of this name; a configured one of the same name takes its place.
GATEWAY = "gateway"

LONGEST_WINDOW_SECONDS = 54.0
# The window, its last probe's time-out, and room for a machine that is slow to begin.
DEADLINE_SECONDS = LONGEST_WINDOW_SECONDS + TIMEOUT_SECONDS + 3.0

ICMP_RAW = "icmp_raw"
ICMP_DATAGRAM = "icmp_datagram"

_MARGIN_SECONDS = 6.0
_SHORTEST_SHARE = 0.4
_RESOLVE_SECONDS = 2.0
_ICMP_AGAIN_AFTER_SECONDS = 3600.0

# What the probe keeps from round to round.
_PHASE = "phase"
_SILENT_UNTIL = "silent_until"
_TLS = "tls"

NO_RAW = mark("raw ICMP sockets are not permitted")
NO_ICMP = mark("ICMP sockets are not permitted")
NO_ADDRESS = mark("the target's name does not resolve")
NO_GATEWAY = mark("this machine has no default gateway")
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
    targets = list(context.targets)
    measured: Dict[str, Measured] = {}
    if context.measure_gateway and all(target.name != GATEWAY for target in targets):
        address = default_gateway(host)
        if address is None:
            measured[GATEWAY] = Measured(None, NO_GATEWAY)
        else:
            targets.insert(0, Target(GATEWAY, address))
    if not targets and measured:
        raise NoDataError("no target is configured, and this machine has no default gateway")
    if not targets:
        raise NoDataError("no target is configured")
    measured.update(_measure(targets, context))
    samples: List[Sample] = []
    methods: List[Row] = []
    addresses = {target.name: target.address for target in targets}
    for name, result in measured.items():
        if name in addresses:
            host.note_source(f"{result.method or '-'} {addresses[name]}")
        methods.append({"target": name, "method": result.method, "reason": result.reason})
        if result.has_numbers:
            samples.extend(Sample(metric, value, {"target": name}) for metric, value in numbers_of(result).items())
    facts: Dict[str, FactValue] = {"link_method": methods}
    if samples:
        return Collected(samples, facts, _remark(measured))
    if {result.reason for result in measured.values()} <= {NO_PORT, NO_GATEWAY}:
        raise NoDataError("ICMP is not possible here, and no target has a TCP port to fall back to")
    raise ProbeError("no target could be measured: names do not resolve, or nothing answers in time")


def _remark(measured: Dict[str, Measured]) -> str:
    if any(result.method is None for result in measured.values()):
        return mark("some targets could not be measured; the fact link_method says why")
    if any(result.is_untrusted for result in measured.values()):
        return mark("a service did not prove its name; its first byte was not measured")
    return ""


def _measure(targets: List[Target], context: ProbeContext) -> Dict[str, Measured]:
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
        found = LinkRound(aims, ways, window, phase).run()
    for aim in aims:
        name = aim.target.name
        if found[name].reason != NO_ICMP_ANSWER:
            silent_until.pop(name, None)
        elif not aim.is_silent:
            silent_until[name] = time.monotonic() + _ICMP_AGAIN_AFTER_SECONDS
    measured.update(found)
    return {name: measured[name] for name in (target.name for target in targets)}


def open_way(version: int) -> EchoWay:
    """The best way to send echoes here; the caller closes its socket."""
    try:
        return EchoWay(EchoSocket(version, privileged=True), ICMP_RAW, None)
    except OSError:
        pass
    try:
        return EchoWay(EchoSocket(version, privileged=False), ICMP_DATAGRAM, NO_RAW)
    except OSError:
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
