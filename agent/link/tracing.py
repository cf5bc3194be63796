"""A way that the collector's people asked to see, traced once, in a process that ends.

`python -m agent.link.tracing FOLDER` reads the request from the configuration in the state folder: no word of it
becomes part of a command.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from agent.configuration import TraceRequest
from agent.errors import AgentError
from agent.host import Host
from agent.link.orders import far_targets
from agent.wire.message import mark
from agent.wire.report import FactValue

PATH_TRACE = "path_trace"
# Twenty hops that do not answer three times, and the start of an interpreter on an old disk.
_LIMIT_SECONDS = 120.0

NOT_ASKED = mark("no way is to be traced")
FAILED = mark("tracing the way did not end well")
_PROBLEM_CHARACTERS = 200
_WORDS = ("-m", "agent.link.tracing")


class Tracer:
    """Carries out each request once, beside the rounds.

    Args:
        state_dir: where the configuration is.
        host: starts the process.
    """

    def __init__(self, state_dir: Path, host: Host) -> None:
        self._state_dir = state_dir
        self._host = host
        self._asked: Optional[int] = None
        self._thread: Optional[threading.Thread] = None
        self._rows: Optional[List[Dict[str, Any]]] = None

    def ask(self, request: Optional[TraceRequest]) -> None:
        """Begins with a request that is new; one at a time."""
        if request is None or request.id == self._asked or (self._thread is not None and self._thread.is_alive()):
            return
        self._asked = request.id
        self._thread = threading.Thread(target=self._work, args=(request,), name="trace", daemon=True)
        self._thread.start()

    @property
    def facts(self) -> Dict[str, FactValue]:
        """The newest way, None where none was asked for."""
        rows = self._rows
        return {} if rows is None else {PATH_TRACE: [dict(row) for row in rows]}

    def _work(self, request: TraceRequest) -> None:
        head = {"target": request.target, "request": request.id}
        try:
            status, output = self._host.run(sys.executable, [*_WORDS, str(self._state_dir)], _LIMIT_SECONDS)
            hops = json.loads(output) if status == 0 else [{"problem": FAILED}]
            self._rows = [{**head, **hop} for hop in hops]
        except (OSError, ValueError, TypeError):
            self._rows = [{**head, "problem": FAILED}]


def main(argv: Sequence[str]) -> int:
    """Traces what the configuration in the folder asks for and prints the hops as JSON."""
    from agent.config import load_identity  # noqa: PLC0415  # of this process alone

    try:
        identity = load_identity(Path(argv[0]))
        request = None if identity is None else identity.configuration.trace
        if identity is None or request is None:
            rows: List[Dict[str, Any]] = [{"problem": NOT_ASKED}]
        else:
            targets = far_targets(identity.configuration, identity.collector_url)
            rows = hop_rows(next(target.address for target in targets if target.name == request.target))
    except AgentError as error:
        rows = [{"problem": error.message.render()[:_PROBLEM_CHARACTERS]}]
    sys.stdout.write(json.dumps(rows))
    return 0


def hop_rows(address: str) -> List[Dict[str, Any]]:
    """The routers on the way as rows of the fact; one outside of private networks without its address.

    Raises:
        ProbeError: it cannot be traced here, or nothing answers.
    """
    from agent.link.trace import hops_to  # noqa: PLC0415  # loads icmplib

    return [
        {
            "distance": hop.distance,
            "address": private_address(hop.address),
            "sent": hop.sent,
            "received": hop.received,
            "rtt_min_seconds": round(hop.rtt_min_seconds, 6),
        }
        for hop in hops_to(address)
    ]


def private_address(text: str) -> Optional[str]:
    """The address where it belongs to a private network; None for every other, which is nobody's business here."""
    import ipaddress  # noqa: PLC0415  # of the process that ends

    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    shared = address.version == 4 and address in ipaddress.ip_network("100.64.0.0/10")  # noqa: PLR2004  # RFC 6598
    return text if address.is_private or shared else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
