"""The commands that only show: what this machine reports, how its agent stands, what is wrong, the way to a target."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from agent.config import Identity, load_identity
from agent.doctor.finding import FAULT, Finding, finding, finding_lines, worst_state
from agent.errors import AgentError, ConfigurationError
from agent.explain import round_lines, status_lines, text_of
from agent.host import Host
from agent.known import Known, ask_collector, known_lines
from agent.privileged import Privileged, privileged_file
from agent.probes import PROBES, ProbeContext
from agent.runner import Round, Runner
from agent.status import read_status, status_to_dict
from agent.wire.message import Translate, mark

DONE = 0
FAILED = 1

NOT_ENROLLED = mark("this machine is not enrolled; say: thongmang agent enrol URL --code CODE")


def inspect(options: argparse.Namespace, state_dir: Path, _: Translate) -> int:
    """What this machine would report, and what its collector says of its age."""
    try:
        identity = load_identity(state_dir)
    except ConfigurationError as error:
        # The targets are in there and belong to the agent's user; all else can be shown to everybody.
        sys.stderr.write(error.message.render(_) + "\n")
        identity = None
    # A machine that nobody has enrolled sends no packet.
    context = ProbeContext(measure_gateway=False)
    if identity is not None:
        told = identity.configuration
        context = ProbeContext(told.targets, ca_file=identity.ca_file, measure_gateway=told.measure_gateway)
    privileged = Privileged(privileged_file(state_dir))
    found = Runner(Host(), PROBES, context, privileged=privileged).round() or Round()
    known = None if identity is None or options.offline else _known(identity, options.language, _)
    if options.format == "json":
        _say_json(
            {
                "outcomes": [asdict(outcome) for outcome in found.outcomes],
                "samples": [asdict(sample) for sample in found.samples],
                "facts": found.facts,
                "known": None if known is None else known.raw,
            }
        )
    else:
        sys.stdout.write(text_of([*round_lines(found, _), *known_lines(known, _)]))
    return DONE


def status(options: argparse.Namespace, state_dir: Path, _: Translate) -> int:
    """Where this machine is enrolled and how its agent stands."""
    identity = load_identity(state_dir)
    if identity is None:
        raise ConfigurationError(NOT_ENROLLED)
    found = read_status(state_dir)
    if options.format == "json":
        place = {"collector_url": identity.collector_url, "device_id": identity.device_id}
        _say_json({**place, **status_to_dict(found, _)})
    else:
        sys.stdout.write(text_of(status_lines(identity, found, _)))
    return DONE


def doctor(options: argparse.Namespace, state_dir: Path, _: Translate) -> int:
    """What is wrong on the way to the collector, and what to do about it."""
    from agent.doctor import machine, network  # noqa: PLC0415  # the other commands do without

    host = Host()
    findings: List[Finding] = []

    def note(item: Finding) -> None:
        findings.append(item)
        if options.format != "json":
            # At once: a check may take its time, and the person shall see which.
            sys.stdout.write(text_of(finding_lines(item, _)))
            sys.stdout.flush()

    for item in machine.machine_findings(host, state_dir):
        note(item)
    identity: Optional[Identity] = None
    try:
        identity = load_identity(state_dir)
        if identity is None:
            note(finding("enrolment", FAULT, NOT_ENROLLED))
    except ConfigurationError as error:
        note(Finding("enrolment", FAULT, error.message))
    if identity is not None:
        for item in machine.work_findings(state_dir, host.wall_time_seconds()):
            note(item)
        for item in network.network_findings(host, identity):
            note(item)
    worst = worst_state(findings)
    if options.format == "json":
        _say_json({"worst": worst, "findings": [item.as_dict(_) for item in findings]})
    return FAILED if worst == FAULT else DONE


def trace(options: argparse.Namespace, state_dir: Path, _: Translate) -> int:
    """The routers on the way to a target."""
    from agent.link.trace import hops_to  # noqa: PLC0415  # loads icmplib

    address = str(options.target)
    try:
        identity = load_identity(state_dir)
    except ConfigurationError:
        identity = None
    for target in identity.configuration.targets if identity is not None else ():
        if target.name == address:
            address = target.address
    hops = hops_to(address)
    if options.format == "json":
        _say_json([asdict(hop) for hop in hops])
        return DONE
    line = _("{distance}  {address}  {received} of {sent} answered, shortest {rtt_ms} ms")
    for hop in hops:
        text = line.format(
            distance=hop.distance,
            address=hop.address,
            received=hop.received,
            sent=hop.sent,
            rtt_ms=round(hop.rtt_min_seconds * 1000, 1),
        )
        sys.stdout.write(text + "\n")
    return DONE


# Word of the command line -> what it does with (options, state folder, language); gives the exit code.
SHOWN: Dict[str, Callable[[argparse.Namespace, Path, Translate], int]] = {
    "inspect": inspect,
    "status": status,
    "doctor": doctor,
    "trace": trace,
}


def _known(identity: Identity, language: str, _: Translate) -> Optional[Known]:
    try:
        return ask_collector(identity, language)
    except AgentError as error:
        sys.stderr.write(error.message.render(_) + "\n")
        return None


def _say_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()
