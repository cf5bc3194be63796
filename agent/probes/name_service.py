"""How fast the name servers answer: one question to each, now and then, for a name out of the configuration.

Servers are told apart by their number, in the order in which the system asks them: their addresses stay here. What is
asked for is the collector's own name or a target's, never a name that a person looked up. The answer may come from the
server's memory: measured is the way to it and whether it works, not the servers beyond.
"""

from __future__ import annotations

import struct
from typing import Any, List, Optional, Tuple

from agent.errors import NoDataError
from agent.host import WINDOWS, Host
from agent.link.addresses import literal
from agent.link.name_query import PORT, ask
from agent.probes.contract import Collected, ProbeContext
from agent.wire.message import mark
from agent.wire.report import Sample


def collect(host: Host, context: ProbeContext) -> Collected:
    """Samples `name_lookup_seconds` and `name_lookup_failed` of each server.

    Raises:
        NoDataError: nothing is configured by name, or the system has no name server.
    """
    name = _name(context)
    if name is None:
        raise NoDataError("no name is configured that a name server could be asked for: all are addresses")
    servers = _servers(host)
    if not servers:
        raise NoDataError("this machine has no name server")
    samples: List[Sample] = []
    for number, server in enumerate(servers, 1):
        answer = ask(server, name)
        if not answer.works:
            # One packet may be lost on any line.
            answer = ask(server, name)
        host.note_source(f"name server {number}")
        labels = {"server": str(number)}
        samples.append(Sample("name_lookup_failed", int(not answer.works), labels))
        if answer.works and answer.seconds is not None:
            samples.append(Sample("name_lookup_seconds", round(answer.seconds, 6), labels))
    failed = all(sample.value for sample in samples if sample.metric == "name_lookup_failed")
    return Collected(samples, remark=mark("no name server answers") if failed else "")


def _name(context: ProbeContext) -> Optional[str]:
    """The first configured name that is no IP address, and that a name server can be asked for."""
    for name in (context.collector_host, *(target.address for target in context.targets)):
        if name and "." in name and name.isascii() and literal(name) is None:
            return name
    return None


def _servers(host: Host) -> List[Tuple[Any, ...]]:
    if host.system == WINDOWS:
        from agent.windows.name_servers import decode_name_servers  # noqa: PLC0415  # the other system's module

        names = decode_name_servers(*host.network_parameters(), struct.calcsize("P"))
    else:
        from agent.linux.name_servers import name_servers  # noqa: PLC0415  # the other system's module

        names = name_servers(host)
    found = (literal(name) for name in names)
    return [(address[0], PORT, *address[2:]) for address in found if address is not None]
