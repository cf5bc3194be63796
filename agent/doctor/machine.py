"""Checks of the machine itself: Python, rights, the state folder, the agent at work on it."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path
from typing import Any, Iterator, Optional

from agent.doctor.finding import FAULT, FINE, WARNING, Finding, finding
from agent.errors import AlreadyRunningError, ConfigurationError, SpoolError
from agent.host import WINDOWS, Host
from agent.probes.latency import ICMP_RAW, open_way
from agent.status import Status, read_status
from agent.stop import LOCK_FILE, only_agent
from agent.wire.message import mark

OLDEST_PYTHON = (3, 8)
FREE_BYTES = 200 * 1024 * 1024
# Three rounds of a minute and what a slow machine adds.
LATE_ROUND_SECONDS = 300.0
# Four uploads of a terminal that uploads every quarter of an hour.
LATE_UPLOAD_SECONDS = 3600.0


def machine_findings(host: Host, state_dir: Path) -> Iterator[Finding]:
    """What concerns this machine alone."""
    yield python_finding(sys.version_info[:3], _has("psutil"), _has("icmplib"))
    yield rights_finding(host, echo_method())
    yield from state_findings(state_dir)


def python_finding(version: Any, has_psutil: bool, has_icmplib: bool) -> Finding:  # noqa: FBT001  # two facts
    """Whether Python and its libraries are what the agent needs."""
    text = ".".join(str(number) for number in version)
    if tuple(version[:2]) < OLDEST_PYTHON:
        return finding(
            "python",
            FAULT,
            mark("Python {version} is too old"),
            mark("Install the agent with its own Python 3.8 or newer."),
            version=text,
        )
    if not has_psutil:
        return finding(
            "python",
            WARNING,
            mark("Python {version}, without psutil: some numbers of the machine are missing"),
            mark("Install psutil (on Debian: python3-psutil)."),
            version=text,
        )
    if not has_icmplib:
        return finding("python", FINE, mark("Python {version} with psutil; paths cannot be traced"), version=text)
    return finding("python", FINE, mark("Python {version} with psutil"), version=text)


def echo_method() -> Optional[str]:
    """How echoes can be sent by whoever asks this; None where they cannot."""
    way = open_way(4)
    if way.channel is not None:
        way.channel.close()
    return way.method


def rights_finding(host: Host, method: Optional[str]) -> Finding:
    """What the account that runs this check may do; the service may have other rights."""
    if method == ICMP_RAW:
        return finding("rights", FINE, mark("this account may send pings"))
    if method is not None:
        return finding("rights", FINE, mark("this account may send pings through a datagram socket"))
    advice = mark("Run this as administrator, or trust the service: it has the right of its own.")
    if host.system != WINDOWS:
        advice = mark("Run this with sudo, or trust the service: its unit grants CAP_NET_RAW.")
    return finding("rights", WARNING, mark("this account may not send pings; TCP connects take their place"), advice)


def state_findings(state_dir: Path) -> Iterator[Finding]:
    """The state folder, and the agent that works on it."""
    path = str(state_dir)
    try:
        if not state_dir.is_dir():
            yield finding(
                "state",
                FAULT,
                mark("{path}: there is no such folder"),
                mark("Enrol this machine: thongmang agent enrol URL --code CODE"),
                path=path,
            )
            return
        next(state_dir.iterdir(), None)
    except OSError as error:
        yield finding(
            "state",
            FAULT,
            mark("{path}: cannot be read ({why})"),
            mark("Run this as administrator (root)."),
            path=path,
            why=error.strerror or type(error).__name__,
        )
        return
    yield room_finding(path, shutil.disk_usage(path).free)
    yield running_finding(state_dir)


def room_finding(path: str, free_bytes: int) -> Finding:
    """Whether the disk has room for what must wait."""
    mebibytes = free_bytes >> 20
    if free_bytes < FREE_BYTES:
        return finding(
            "state",
            WARNING,
            mark("{path}: only {free} MiB are free; reports may be lost while the collector is away"),
            mark("Free some room on this disk."),
            path=path,
            free=mebibytes,
        )
    return finding("state", FINE, mark("{path}: {free} MiB are free"), path=path, free=mebibytes)


def running_finding(state_dir: Path) -> Finding:
    """Whether an agent works on this folder."""
    try:
        if not (state_dir / LOCK_FILE).exists():
            raise FileNotFoundError
        with only_agent(state_dir):
            pass
    except AlreadyRunningError:
        return finding("service", FINE, mark("the agent is running"))
    except PermissionError:
        return finding(
            "service", WARNING, mark("whether the agent runs cannot be seen"), mark("Run this as administrator (root).")
        )
    except OSError:
        pass
    return finding(
        "service",
        FAULT,
        mark("the agent is not running"),
        mark("Start the service: systemctl start thongmang-agent; on Windows: sc start ThongMangAgent"),
    )


def work_findings(state_dir: Path, now_seconds: float) -> Iterator[Finding]:
    """How the agent's own work stands, as it has written down."""
    try:
        status = read_status(state_dir)
    except (SpoolError, ConfigurationError) as error:
        yield Finding("spool", FAULT, error.message)
        return
    yield from status_findings(status, now_seconds)


def status_findings(status: Status, now_seconds: float) -> Iterator[Finding]:
    """What the numbers of the spool mean; pure."""
    if status.last_round_at is None:
        yield finding("rounds", WARNING, mark("nothing was measured yet"))
    elif abs(now_seconds - status.last_round_at) > LATE_ROUND_SECONDS:
        minutes = int(abs(now_seconds - status.last_round_at) // 60)
        yield finding(
            "rounds",
            WARNING,
            mark("the last round was {minutes} minutes ago"),
            mark("See whether the service runs, and whether the clock was changed."),
            minutes=minutes,
        )
    else:
        yield finding("rounds", FINE, mark("this machine is measured"))
    if status.last_error is not None:
        yield Finding("uploads", FAULT, status.last_error)
    elif status.waiting and (
        status.last_upload_at is None or now_seconds - status.last_upload_at > LATE_UPLOAD_SECONDS
    ):
        yield finding("uploads", WARNING, mark("{count} reports wait to be sent"), count=status.waiting)
    else:
        yield finding("uploads", FINE, mark("uploads work; {count} reports wait for the next"), count=status.waiting)
    if status.rejected:
        yield finding(
            "refused",
            WARNING,
            mark("the collector has refused {count} reports for good"),
            mark("Tell the administrator; `thongmang agent status` shows the reasons."),
            count=len(status.rejected),
        )
    if status.dropped_total:
        yield finding(
            "dropped", WARNING, mark("{count} reports were lost for want of room"), count=status.dropped_total
        )


def _has(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
