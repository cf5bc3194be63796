"""Screens that are connected, from their EDID: maker, product and date of manufacture; no serial number and no name."""

from __future__ import annotations

import re
from typing import List

from agent.errors import NoDataError, ProbeError
from agent.firmware.edid import decode_edid
from agent.host import WINDOWS, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.facts import FACTS
from agent.wire.message import mark
from agent.wire.report import Row

_CONNECTORS = "/sys/class/drm"
_CARD = re.compile(r"card\d+-")
_BUILT_IN = ("eDP", "LVDS", "DSI")
_EDID_LIMIT_BYTES = 64 * 1024


def collect(host: Host, _context: ProbeContext) -> Collected:
    """Fact `monitor`: one row for each screen whose EDID is whole.

    Raises:
        NoDataError: no screen tells an EDID, or this is Windows, where the EDID is not read.
        ProbeError: screens tell one, and none of them is whole.
    """
    if host.system == WINDOWS:
        raise NoDataError("screens are not read on Windows yet")
    rows: List[Row] = []
    broken = 0
    for path in sorted(host.path(_CONNECTORS).glob("*/edid")):
        folder = path.parent.name
        try:
            raw = host.read_bytes(f"{_CONNECTORS}/{folder}/edid", _EDID_LIMIT_BYTES)
        except OSError:
            broken += 1
            continue
        if not raw:
            # A connector with nothing plugged in.
            continue
        decoded = decode_edid(raw)
        if decoded is None:
            broken += 1
            continue
        connector = _CARD.sub("", folder, count=1)
        row: Row = dict.fromkeys(FACTS["monitor"].columns)
        row.update(decoded, connector=connector, internal=connector.startswith(_BUILT_IN))
        rows.append(row)
    remark = mark("some screens tell an EDID that is broken or cannot be read") if broken else ""
    if not rows and not broken:
        raise NoDataError("no screen tells an EDID")
    if not rows:
        raise ProbeError("the EDID of every screen is broken or cannot be read")
    return Collected(facts={"monitor": [*rows]}, remark=remark)
