"""Latency to the configured targets: raw ICMP, else an ICMP datagram socket, else TCP connect, and says which."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from agent.config import Target
from agent.errors import NoDataError, ProbeError
from agent.host import Host
from agent.probes.contract import Collected, ProbeContext
from agent.round_trips import Series, icmp_series, resolve, schedule_seconds, statistics_of, tcp_series
from agent.wire.message import mark
from agent.wire.report import FactValue, Row, Sample

DEADLINE_SECONDS = 45.0
LONGEST_WINDOW_SECONDS = 30.0
PROBES_PER_ROUND = 10

ICMP_RAW = "icmp_raw"
ICMP_DATAGRAM = "icmp_datagram"
TCP_CONNECT = "tcp_connect"

_SHORT_WINDOW_SECONDS = 2.0
_ICMP_AGAIN_AFTER_SECONDS = 3600.0
_JOIN_SECONDS = DEADLINE_SECONDS - 3

NO_ICMPLIB = mark("icmplib is not installed")
NO_RAW = mark("raw ICMP sockets are not permitted")
NO_ICMP = mark("ICMP sockets are not permitted")
NO_ICMP_ANSWER = mark("the target answers TCP but not ICMP")
NO_PORT = mark("ICMP is not possible here, and the target has no TCP port to fall back to")
NO_ADDRESS = mark("the target's name does not resolve")
TOO_LONG = mark("the target took longer than a round allows")


@dataclass(frozen=True)
class Measured:
    """One target's round; `series` is None where it could not be measured at all."""

    method: Optional[str]
    reason: Optional[str]
    series: Optional[Series] = None


def collect(host: Host, context: ProbeContext) -> Collected:
    """Link metrics of every target, and the method used for each. All targets are probed at the same time."""
    if not context.targets:
        raise NoDataError("no target is configured")
    measured = _measure_all(context)
    samples: List[Sample] = []
    methods: List[Row] = []
    for target in context.targets:
        result = measured.get(target.name, Measured(None, TOO_LONG))
        host.note_source(f"{result.method or '-'} {target.address}")
        methods.append({"target": target.name, "method": result.method, "reason": result.reason})
        if result.series is not None:
            labels = {"target": target.name}
            samples.extend(Sample(name, value, labels) for name, value in statistics_of(result.series).items())
    facts: Dict[str, FactValue] = {"link_method": methods}
    if samples:
        return Collected(samples, facts, _remark(methods))
    reasons = {row["reason"] for row in methods}
    if reasons == {NO_PORT}:
        raise NoDataError("ICMP is not possible here, and no target has a TCP port to fall back to")
    raise ProbeError("no target could be measured: names do not resolve, or nothing answers in time")


def _remark(methods: List[Row]) -> str:
    if any(row["method"] is None for row in methods):
        return mark("some targets could not be measured; the fact link_method says why")
    return ""


def _measure_all(context: ProbeContext) -> Dict[str, Measured]:
    results: Dict[str, Measured] = {}

    def work(target: Target) -> None:
        results[target.name] = _measure(target, context.latency_window_seconds, context.memory)

    threads = [threading.Thread(target=work, args=(target,), daemon=True) for target in context.targets]
    for thread in threads:
        thread.start()
    give_up = time.monotonic() + _JOIN_SECONDS
    for thread in threads:
        # A name server that does not answer may hold a thread for long; the others' results must not wait for it.
        thread.join(max(0.0, give_up - time.monotonic()))
    return dict(results)


def _measure(target: Target, window_seconds: float, memory: Dict[str, Any]) -> Measured:
    try:
        address = resolve(target.address)
    except OSError:
        return Measured(None, NO_ADDRESS)
    silent_until = memory.get(target.name)
    if target.port is not None and silent_until is not None and time.monotonic() < silent_until:
        offsets = schedule_seconds(PROBES_PER_ROUND, window_seconds)
        return Measured(TCP_CONNECT, NO_ICMP_ANSWER, tcp_series(address, target.port, offsets))
    by_icmp = _measure_by_icmp(address, window_seconds)
    if by_icmp.series is not None and (by_icmp.series.round_trips_seconds or target.port is None):
        memory.pop(target.name, None)
        return by_icmp
    if target.port is None:
        return Measured(None, NO_PORT)
    if by_icmp.series is None:
        offsets = schedule_seconds(PROBES_PER_ROUND, window_seconds)
        return Measured(TCP_CONNECT, by_icmp.reason, tcp_series(address, target.port, offsets))
    # Not one echo came back: the target is gone, or something on the way drops ICMP. One connect tells.
    if not tcp_series(address, target.port, [0.0]).round_trips_seconds:
        return by_icmp
    memory[target.name] = time.monotonic() + _ICMP_AGAIN_AFTER_SECONDS
    offsets = schedule_seconds(PROBES_PER_ROUND, _SHORT_WINDOW_SECONDS)
    return Measured(TCP_CONNECT, NO_ICMP_ANSWER, tcp_series(address, target.port, offsets))


def _measure_by_icmp(address: str, window_seconds: float) -> Measured:
    offsets = schedule_seconds(PROBES_PER_ROUND, window_seconds)
    try:
        return Measured(ICMP_RAW, None, icmp_series(address, offsets, privileged=True))
    except ImportError:
        return Measured(None, NO_ICMPLIB)
    except OSError:
        pass
    try:
        return Measured(ICMP_DATAGRAM, NO_RAW, icmp_series(address, offsets, privileged=False))
    except OSError:
        return Measured(None, NO_ICMP)
