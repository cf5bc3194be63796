"""Network equipment as people state it, in words or in a file: every value is checked, and every fault is named."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from agent.wire.message import Message, mark
from collector.db.network import CREATED, UNCHANGED, UPDATED, DeviceSpec, put_device, record_import
from collector.enrolment import DEFAULT_SITE, check_site
from collector.snmp.credentials import VERSIONS
from inventory.collation import normalise
from inventory.register.errors import UnreadableFileError
from inventory.register.reading import read_register_bytes
from inventory.register.sheet import Row, Sheet, cell_text
from inventory.units import UnitError, find_unit

KINDS = ("cpe", "printer", "other")
RECEIVED, TRANSMITTED = "received", "transmitted"
DEFAULT_PORT = 161
LARGEST_PORT = 65535
# 400 Gbit/s, the fastest Ethernet in use.
LARGEST_KBIT_S = 400_000_000
_LONGEST_TEXT = 64
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,64}")

# In the order of the columns of a file; those without a default must be there.
FIELDS = (
    "name",
    "unit",
    "site",
    "kind",
    "address",
    "port",
    "version",
    "credentials",
    "interface",
    "to_site",
    "capacity_down_kbit_s",
    "capacity_up_kbit_s",
    "port_speed_kbit_s",
)
REQUIRED = ("name", "unit", "address", "version", "credentials")

FAULT = mark("{field}: found {found}, expected {expected}")
_TEXT = mark("text of 1 to 64 characters")
_UNIT = mark("code or name of a commune or ward ({detail})")
_SITE = mark("1 to 32 characters of a-z, 0-9 and '-', as dang-uy")
_ADDRESS = mark(
    "an IPv4 or IPv6 address of one device, as 10.40.1.1 (no name: a name server that is away would stop it)"
)
_ONE_OF = mark("one of {known}")
_NUMBER = mark("a whole number from {least} to {most}")
_REFERENCE_TEXT = mark("name of an entry in the file of credentials: letters, digits, '-' and '_'")
_INTERFACE_TEXT = mark("name or number of the port at the end of the line (kind cpe needs it)")
_NO_HEADER = mark("{file}: no columns; expected in the first row {known}")
_MISSING = mark("{file}: the column {field} is missing; expected {known}")
_UNKNOWN = mark("{file}: the column {field} is not known; expected {known}")
_TWICE = mark("a name that stands once in the file")


@dataclass(frozen=True)
class FieldFault:
    """One value that cannot be used."""

    field: str
    found: str
    expected: Message

    @property
    def message(self) -> Message:
        """The fault in one sentence."""
        return Message(FAULT, {"field": self.field, "found": repr(self.found), "expected": self.expected})


@dataclass(frozen=True)
class RejectedRow:
    """A row of a file that cannot be used, whole, with every fault."""

    row: int
    cells: tuple[str, ...]
    faults: tuple[FieldFault, ...]


@dataclass(frozen=True)
class Import:
    """What the import of one file did."""

    file_name: str
    number: int
    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: tuple[RejectedRow, ...]


def read_spec(values: Mapping[str, str]) -> tuple[DeviceSpec | None, tuple[FieldFault, ...]]:
    """The device that these values state, or every fault in them.

    Args:
        values: by name of `FIELDS`; an empty text is as if it were not there.
    """
    faults: list[FieldFault] = []
    given = {name: normalise(values.get(name, "")).strip() for name in FIELDS}

    def taken(name: str, read: Callable[[str], Any], default: str = "") -> Any:
        text = given[name] or default
        try:
            return read(text)
        except _ExpectedError as error:
            faults.append(FieldFault(name, text, error.expected))
            return None

    kind = taken("kind", lambda text: _one_of(text, KINDS), "cpe")
    spec: dict[str, Any] = {
        "name": taken("name", _text),
        "kind": kind,
        "unit_code": taken("unit", _unit),
        "site": taken("site", _site, DEFAULT_SITE),
        "address": taken("address", _address),
        "port": taken("port", lambda text: _number(text, LARGEST_PORT), str(DEFAULT_PORT)),
        "snmp_version": taken("version", lambda text: _one_of(text, VERSIONS)),
        "credentials": taken("credentials", _reference),
        "interface": taken("interface", lambda text: _interface(text, kind)),
        "received_is_down": taken("to_site", lambda text: _one_of(text, (RECEIVED, TRANSMITTED)), RECEIVED) == RECEIVED,
        "capacity_down_kbit_s": taken("capacity_down_kbit_s", _kbit_s),
        "capacity_up_kbit_s": taken("capacity_up_kbit_s", _kbit_s),
        "expected_speed_kbit_s": taken("port_speed_kbit_s", _kbit_s),
    }
    return (None, tuple(faults)) if faults else (DeviceSpec(**spec), ())


def import_devices(connection: Connection, data: bytes, file_name: str, now: float) -> Import:
    """Takes a list of devices (CSV, XLSX); rows that cannot be used are kept in the registry with every fault.

    Args:
        connection: within a transaction.
        data: the file.
        file_name: for people.
        now: seconds since 1970-01-01 UTC.

    Raises:
        UnreadableFileError: the file as a whole cannot be used: not a table, or columns missing or not known.
    """
    counts = {CREATED: 0, UPDATED: 0, UNCHANGED: 0}
    rejected: list[RejectedRow] = []
    names: set[str] = set()
    rows = 0
    for sheet in read_register_bytes(data, file_name).sheets:
        columns = _columns(sheet, file_name)
        for row in sheet.rows[1:]:
            rows += 1
            cells = tuple(cell_text(cell) for cell in row.cells)
            spec, faults = read_spec(dict(zip(columns, cells, strict=False)))
            if spec is not None and spec.name in names:
                spec, faults = None, (FieldFault("name", cells[columns.index("name")], Message(_TWICE)),)
            if spec is None:
                rejected.append(RejectedRow(row.number, cells, faults))
                continue
            names.add(spec.name)
            counts[put_device(connection, spec, now)] += 1
    number = record_import(
        connection,
        {
            "file_name": file_name,
            "file_sha256": hashlib.sha256(data).hexdigest(),
            "imported_at": now,
            "rows": rows,
            **counts,
            "rejected": [
                {
                    "row": one.row,
                    "cells": list(one.cells),
                    "faults": [fault.message.as_dict() for fault in one.faults],
                }
                for one in rejected
            ],
        },
    )
    return Import(file_name, number, rows, counts[CREATED], counts[UPDATED], counts[UNCHANGED], tuple(rejected))


class _ExpectedError(ValueError):
    def __init__(self, expected: Message) -> None:
        super().__init__(expected.pattern)
        self.expected = expected


def _columns(sheet: Sheet, file_name: str) -> list[str]:
    known = {"file": file_name, "known": ", ".join(FIELDS)}
    first: Row | None = sheet.rows[0] if sheet.rows else None
    if first is None:
        raise UnreadableFileError(Message(_NO_HEADER, known))
    columns = [cell_text(cell).strip().lower() for cell in first.cells]
    for name in columns:
        if name and name not in FIELDS:
            raise UnreadableFileError(Message(_UNKNOWN, {**known, "field": name}))
    for name in REQUIRED:
        if name not in columns:
            raise UnreadableFileError(Message(_MISSING, {**known, "field": name}))
    return columns


def _text(text: str) -> str:
    if not 1 <= len(text) <= _LONGEST_TEXT or not text.isprintable():
        raise _ExpectedError(Message(_TEXT))
    return text


def _unit(text: str) -> str:
    try:
        return find_unit(text).code
    except UnitError as error:
        raise _ExpectedError(Message(_UNIT, {"detail": error.message})) from error


def _site(text: str) -> str:
    try:
        check_site(text)
    except ValueError as error:
        raise _ExpectedError(Message(_SITE)) from error
    return text


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise _ExpectedError(Message(_ADDRESS)) from error
    if address.is_multicast or address.is_unspecified or text == "255.255.255.255":
        raise _ExpectedError(Message(_ADDRESS))
    return str(address)


def _one_of(text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise _ExpectedError(Message(_ONE_OF, {"known": ", ".join(known)}))
    return text


def _number(text: str, most: int) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= number <= most:
        raise _ExpectedError(Message(_NUMBER, {"least": 1, "most": most}))
    return number


def _kbit_s(text: str) -> int | None:
    return _number(text, LARGEST_KBIT_S) if text else None


def _reference(text: str) -> str:
    if not _REFERENCE.fullmatch(text):
        raise _ExpectedError(Message(_REFERENCE_TEXT))
    return text


def _interface(text: str, kind: str | None) -> str:
    if len(text) > _LONGEST_TEXT or not text.isprintable() or (not text and kind == "cpe"):
        raise _ExpectedError(Message(_INTERFACE_TEXT))
    return text
