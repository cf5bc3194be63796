"""One poll of one device: which objects are asked for, and what the answers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.wire.message import Message, mark
from collector.snmp.reading import PortReading
from collector.snmp.session import ERROR, Session, SnmpError, Value

NO_SUCH_PORT = mark("The device has no port {interface}; it has: {known}.")
SEVERAL_PORTS = mark("The device has several ports {interface} (numbers {known}); configure the number.")

_SYS_DESCR = "1.3.6.1.2.1.1.1.0"
_SYS_UP_TIME = "1.3.6.1.2.1.1.3.0"
# prtMarkerLifeCount of the first marker (RFC 3805).
_PAGE_COUNT = "1.3.6.1.2.1.43.10.2.1.4.1.1"

_IF_TABLE = "1.3.6.1.2.1.2.2.1"
_IF_X_TABLE = "1.3.6.1.2.1.31.1.1.1"
_IF_DESCR, _IF_NAME, _IF_ALIAS = f"{_IF_TABLE}.2", f"{_IF_X_TABLE}.1", f"{_IF_X_TABLE}.18"
_NAME_COLUMNS = (_IF_NAME, _IF_DESCR, _IF_ALIAS)
_IF_SPEED, _IF_OPER_STATUS = f"{_IF_TABLE}.5", f"{_IF_TABLE}.8"
_IN_OCTETS, _OUT_OCTETS = f"{_IF_TABLE}.10", f"{_IF_TABLE}.16"
_HC_IN_OCTETS, _HC_OUT_OCTETS = f"{_IF_X_TABLE}.6", f"{_IF_X_TABLE}.10"
_IN_PACKETS, _OUT_PACKETS = f"{_IF_TABLE}.11", f"{_IF_TABLE}.17"
_IN_DISCARDS, _IN_ERRORS = f"{_IF_TABLE}.13", f"{_IF_TABLE}.14"
_OUT_DISCARDS, _OUT_ERRORS = f"{_IF_TABLE}.19", f"{_IF_TABLE}.20"
_IF_HIGH_SPEED, _DISCONTINUITY = f"{_IF_X_TABLE}.15", f"{_IF_X_TABLE}.19"
_DUPLEX = "1.3.6.1.2.1.10.7.2.1.19"

_PORT_COLUMNS = (
    *_NAME_COLUMNS,
    _HC_IN_OCTETS,
    _HC_OUT_OCTETS,
    _IN_OCTETS,
    _OUT_OCTETS,
    _IN_PACKETS,
    _OUT_PACKETS,
    _IN_ERRORS,
    _OUT_ERRORS,
    _IN_DISCARDS,
    _OUT_DISCARDS,
    _IF_SPEED,
    _IF_HIGH_SPEED,
    _IF_OPER_STATUS,
    _DISCONTINUITY,
    _DUPLEX,
)

_UP = 1
_HALF_DUPLEX, _FULL_DUPLEX = 2, 3
# ifSpeed says this where it cannot say more; ifHighSpeed does then.
_SPEED_BEYOND = 2**32 - 1
_MEGA = 1_000_000
_DESCRIPTION_CHARACTERS = 255
_KNOWN_SHOWN = 12


@dataclass(frozen=True)
class DeviceAnswer:
    """What a device said of itself and of its port.

    Args:
        description: sysDescr, printable characters only.
        uptime_seconds: None where it does not say.
        page_count: pages a printer has printed, None where it has no such count.
        port: None where no port was asked for.
    """

    description: str
    uptime_seconds: float | None
    page_count: int | None
    port: PortReading | None


async def ask_device(session: Session, interface: str, known_index: int | None, now: float) -> DeviceAnswer:
    """Asks a device for itself and, where `interface` is not empty, for that port.

    Args:
        session: with the device.
        interface: number or name of the port.
        known_index: the number it had last time, None if it is not known.
        now: seconds since 1970-01-01 UTC.

    Raises:
        SnmpError: no answer, not let in, or no such port.
    """
    objects = [_SYS_UP_TIME, _SYS_DESCR, _PAGE_COUNT]
    if not interface:
        return _answer(await session.get(objects), None)
    by_number = interface.isdecimal()
    index = int(interface) if by_number else known_index
    if index is not None:
        found = await session.get([*objects, *(f"{column}.{index}" for column in _PORT_COLUMNS)])
        # The numbers of ports may change with a restart; their names do not.
        if _is_there(found, index) and (by_number or interface in _names(found, index)):
            return _answer(found, _port(found, index, now))
    if by_number:
        raise await _no_such_port(session, interface)
    index = await _index_of(session, interface)
    found = await session.get([*objects, *(f"{column}.{index}" for column in _PORT_COLUMNS)])
    return _answer(found, _port(found, index, now))


async def _index_of(session: Session, interface: str) -> int:
    """The number of the port of that name, description or alias.

    Raises:
        SnmpError: there is none, or there are several.
    """
    for column in _NAME_COLUMNS:
        names = await session.column(column)
        matching = [index for index, value in names.items() if _text(value) == interface]
        if len(matching) == 1:
            return matching[0]
        if matching:
            shown = ", ".join(str(index) for index in matching[:_KNOWN_SHOWN])
            raise SnmpError(ERROR, Message(SEVERAL_PORTS, {"interface": interface, "known": shown}))
    raise await _no_such_port(session, interface)


async def _no_such_port(session: Session, interface: str) -> SnmpError:
    names = await session.column(_IF_NAME) or await session.column(_IF_DESCR)
    shown = ", ".join(f"{index} {_text(value)}" for index, value in sorted(names.items())[:_KNOWN_SHOWN])
    return SnmpError(ERROR, Message(NO_SUCH_PORT, {"interface": interface, "known": shown or "-"}))


def _answer(found: Mapping[str, Value], port: PortReading | None) -> DeviceAnswer:
    ticks = _number(found.get(_SYS_UP_TIME))
    return DeviceAnswer(
        _text(found.get(_SYS_DESCR, b""))[:_DESCRIPTION_CHARACTERS],
        None if ticks is None else ticks / 100,
        _number(found.get(_PAGE_COUNT)),
        port,
    )


def _port(found: Mapping[str, Value], index: int, now: float) -> PortReading:
    def number(column: str) -> int | None:
        return _number(found.get(f"{column}.{index}"))

    wide = number(_HC_IN_OCTETS) is not None and number(_HC_OUT_OCTETS) is not None
    status = number(_IF_OPER_STATUS)
    duplex = number(_DUPLEX)
    return PortReading(
        index=index,
        taken_at=now,
        uptime_ticks=_number(found.get(_SYS_UP_TIME)),
        discontinuity_ticks=number(_DISCONTINUITY),
        wide=wide,
        received_bytes=number(_HC_IN_OCTETS if wide else _IN_OCTETS),
        transmitted_bytes=number(_HC_OUT_OCTETS if wide else _OUT_OCTETS),
        received_packets=number(_IN_PACKETS),
        transmitted_packets=number(_OUT_PACKETS),
        receive_errors=number(_IN_ERRORS),
        transmit_errors=number(_OUT_ERRORS),
        receive_discards=number(_IN_DISCARDS),
        transmit_discards=number(_OUT_DISCARDS),
        speed_bits_per_second=_speed(number(_IF_SPEED), number(_IF_HIGH_SPEED)),
        up=None if status is None else status == _UP,
        half_duplex={_HALF_DUPLEX: True, _FULL_DUPLEX: False}.get(duplex) if duplex is not None else None,
    )


def _speed(bits: int | None, megabits: int | None) -> int | None:
    """Bits per second; a port that says 0 does not know."""
    if bits and bits < _SPEED_BEYOND:
        return bits
    return megabits * _MEGA if megabits else bits or None


def _is_there(found: Mapping[str, Value], index: int) -> bool:
    return any(f"{column}.{index}" in found for column in (_IN_OCTETS, _HC_IN_OCTETS, _IF_DESCR, _IF_NAME))


def _names(found: Mapping[str, Value], index: int) -> set[str]:
    return {_text(found[name]) for name in (f"{column}.{index}" for column in _NAME_COLUMNS) if name in found}


def _number(value: Value | None) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: Value) -> str:
    """The text of a string of octets; what cannot be shown becomes a blank."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
