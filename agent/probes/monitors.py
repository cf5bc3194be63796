"""Screens that are connected, from their EDID: maker, product and date of manufacture; no serial number and no name.

Windows tells neither the connector nor whether a screen is built in, so both are left empty there.
"""

from __future__ import annotations

import re
from typing import Iterator, List, Optional, Tuple

from agent.errors import NoDataError, ProbeError
from agent.firmware.edid import decode_edid
from agent.firmware.rows import fact_row
from agent.host import WINDOWS, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.message import mark
from agent.wire.report import Row

_CONNECTORS = "/sys/class/drm"
_CARD = re.compile(r"card\d+-")
_BUILT_IN = ("eDP", "LVDS", "DSI")
_EDID_LIMIT_BYTES = 64 * 1024

# (connector, whether it is built in, EDID or None where it cannot be read)
_Screen = Tuple[Optional[str], Optional[bool], Optional[bytes]]


def collect(host: Host, _context: ProbeContext) -> Collected:
    """Fact `monitor`: one row for each screen whose EDID is whole.

    Raises:
        NoDataError: no screen tells an EDID, or Windows does not tell which are connected.
        ProbeError: screens tell one, and none of them is whole.
    """
    rows: List[Row] = []
    broken = 0
    for connector, internal, raw in _windows(host) if host.system == WINDOWS else _linux(host):
        decoded = None if raw is None else decode_edid(raw)
        if decoded is None:
            broken += 1
        else:
            rows.append(fact_row("monitor", **decoded, connector=connector, internal=internal))
    remark = mark("some screens tell an EDID that is broken or cannot be read") if broken else ""
    if not rows and not broken:
        raise NoDataError("no screen tells an EDID")
    if not rows:
        raise ProbeError("the EDID of every screen is broken or cannot be read")
    return Collected(facts={"monitor": [*rows]}, remark=remark)


def _linux(host: Host) -> Iterator[_Screen]:
    for path in sorted(host.path(_CONNECTORS).glob("*/edid")):
        folder = path.parent.name
        connector = _CARD.sub("", folder, count=1)
        internal = connector.startswith(_BUILT_IN)
        try:
            raw = host.read_bytes(f"{_CONNECTORS}/{folder}/edid", _EDID_LIMIT_BYTES)
        except OSError:
            yield connector, internal, None
            continue
        # A connector with nothing plugged in is empty.
        if raw:
            yield connector, internal, raw


def _windows(host: Host) -> Iterator[_Screen]:
    from agent.windows.monitors import edids  # noqa: PLC0415  # the other system's module is not loaded

    for raw in edids(host):
        yield None, None, raw
