"""Asks the batteries of a Windows machine through their driver, which anybody may.

Windows keeps the interfaces of all batteries it has ever seen; those that are gone cannot be opened.
"""

from __future__ import annotations

from typing import List, Optional, Tuple

from agent.firmware import battery_query as query
from agent.host import Host
from agent.probes.battery import wear_row
from agent.wire.report import Row

_CLASS = "{72631e54-78a4-11d0-bcf7-00aa00b7b32a}"
_INTERFACES = "SYSTEM\\CurrentControlSet\\Control\\DeviceClasses\\" + _CLASS
_PREFIX = "##?#"
_MOST_BATTERIES = 16
_MILLI = 1000


def batteries(host: Host) -> Tuple[List[Row], int]:
    """(rows of the fact `battery_wear`, how many batteries did not answer)."""
    rows: List[Row] = []
    silent = 0
    for name in host.registry_subkeys(_INTERFACES)[:_MOST_BATTERIES]:
        if not name.startswith(_PREFIX):
            continue
        device = name[len(_PREFIX) :]
        try:
            row = _battery(host, device, f"BAT{len(rows)}")
        except FileNotFoundError:
            # It was taken out long ago.
            continue
        except OSError:
            silent += 1
            continue
        if row is not None:
            rows.append(row)
    return rows, silent


def _battery(host: Host, device: str, name: str) -> Optional[Row]:
    """The row; None for an empty bay and for what is no battery of the machine itself."""
    tag = query.decode_tag(_ask(host, device, query.QUERY_TAG, query.tag_question(), query.TAG_BYTES))
    if tag is None:
        return None

    def ask(level: int, receive_bytes: int) -> bytes:
        return _ask(host, device, query.QUERY_INFORMATION, query.question(tag, level), receive_bytes)

    def ask_if_told(level: int, receive_bytes: int) -> bytes:
        try:
            return ask(level, receive_bytes)
        except OSError:
            return b""

    information = query.decode_information(ask(query.INFORMATION, query.INFORMATION_BYTES))
    if information is None:
        raise OSError
    if not information.runs_machine:
        return None
    return wear_row(
        name,
        design=information.design_capacity,
        full=information.full_capacity,
        # Milliwatt hours to watt hours.
        watt_hours=None if information.is_relative else 1 / _MILLI,
        manufacturer=query.decode_name(ask_if_told(query.MANUFACTURE_NAME, query.NAME_BYTES)),
        model=query.decode_name(ask_if_told(query.DEVICE_NAME, query.NAME_BYTES)),
        chemistry=information.chemistry,
        cycle_count=information.cycle_count,
        manufacture_date=query.decode_date(ask_if_told(query.MANUFACTURE_DATE, query.DATE_BYTES)),
    )


def _ask(host: Host, device: str, code: int, sent: bytes, receive_bytes: int) -> bytes:
    # The driver takes these questions from who opened it for reading and writing, which it lets everybody do.
    return host.device_control(device, code, sent, receive_bytes, is_privileged=True)
