"""How large a packet comes through to the targets that matter for it, a few times a day."""

from __future__ import annotations

import time
from typing import List

from agent.configuration import CONFERENCE, EDGE, SERVICE
from agent.errors import NoDataError, ProbeError
from agent.host import Host
from agent.link.addresses import resolve
from agent.link.path_mtu import path_mtu, way_to
from agent.probes.contract import Collected, ProbeContext
from agent.wire.message import mark
from agent.wire.report import Sample

# One target takes 40 seconds at most.
_BEGIN_UNTIL_SECONDS = 15.0
_IPV6_LETTER = ":"


def collect(host: Host, context: ProbeContext) -> Collected:
    """Samples `link_path_mtu_bytes` and `link_path_black_hole` of the targets with a role.

    Raises:
        NoDataError: no target has a role, or echoes that may not be cut cannot be sent here.
        ProbeError: none could be measured.
    """
    targets = [target for target in context.targets if target.role in (EDGE, SERVICE, CONFERENCE)]
    if not targets:
        raise NoDataError("no target is configured whose path this terminal measures")
    samples: List[Sample] = []
    started, skipped, refused = time.monotonic(), 0, 0
    for target in targets:
        if time.monotonic() - started > _BEGIN_UNTIL_SECONDS:
            skipped += 1
            continue
        try:
            address = str(resolve(target.address)[0])
        except (OSError, UnicodeError):
            skipped += 1
            continue
        if _IPV6_LETTER in address:
            skipped += 1
            continue
        try:
            way = way_to(address)
        except OSError:
            refused += 1
            continue
        try:
            found = path_mtu(way, context.memory.get(target.name))
        finally:
            way.close()
        host.note_source(f"echo {address}")
        if found is None:
            skipped += 1
            continue
        context.memory[target.name] = found.mtu_bytes
        labels = {"target": target.name}
        samples.append(Sample("link_path_mtu_bytes", found.mtu_bytes, labels))
        samples.append(Sample("link_path_black_hole", int(found.is_black_hole), labels))
    if refused == len(targets):
        raise NoDataError("this machine may not send echoes, or knows no way to the targets")
    if not samples:
        raise ProbeError("no target answers echoes over IPv4 steadily enough to measure its path")
    remark = mark("the paths to some targets could not be measured") if skipped or refused else ""
    return Collected(samples, remark=remark)
