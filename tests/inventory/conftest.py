"""Registers as real files, and a real registry."""

from __future__ import annotations

import datetime as dt
import io
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import openpyxl
import pytest
from sqlalchemy import Connection, create_engine

from collector.db.tables import metadata
from inventory.register.preparing import PreparedImport, prepare_import
from inventory.units import unit_by_code

AS_OF = dt.date(2026, 11, 21)
TITLES = ("STT", "Đơn vị", "Tên tài sản", "Số serial", "Mã tài sản", "Năm đưa vào sử dụng", "Nguyên giá", "Tình trạng")


@pytest.fixture
def as_of() -> dt.date:
    return AS_OF


@pytest.fixture
def titles() -> tuple[str, ...]:
    return TITLES


@pytest.fixture
def make_xlsx() -> Callable[..., bytes]:
    def make(*rows: Sequence[Any], sheet: str = "Tài sản", merged: Sequence[str] = ()) -> bytes:
        book = openpyxl.Workbook()
        page = book.active
        page.title = sheet
        for row in rows:
            page.append(list(row))
        for area in merged:
            page.merge_cells(area)
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()

    return make


@pytest.fixture
def prepare() -> Callable[..., PreparedImport]:
    def run(data: bytes, *, name: str = "so.xlsx", existing: Any = (), unit: str | None = None) -> PreparedImport:
        default = unit_by_code(unit) if unit else None
        return prepare_import(data, name, existing, default_unit=default, as_of=AS_OF)

    return run


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def make_xls() -> Callable[..., bytes]:
    return old_workbook


# The binary format of Excel 97: the least of it that holds one sheet of texts and numbers.
_SECTOR = 512
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
# Streams from this size on lie in whole sectors; shorter ones would need a second table.
_SMALLEST_STREAM = 4096


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def _text(text: str, *, length_bytes: int) -> bytes:
    length = struct.pack("<H" if length_bytes == 2 else "<B", len(text))
    return length + b"\x01" + text.encode("utf-16-le")


def workbook_stream(rows: list[list[str | float | None]], sheet: str) -> bytes:
    cells = b""
    for row, line in enumerate(rows):
        for column, value in enumerate(line):
            place = struct.pack("<HHH", row, column, 0)
            if isinstance(value, str):
                cells += _record(0x0204, place + _text(value, length_bytes=2))
            elif value is not None:
                cells += _record(0x0203, place + struct.pack("<d", value))
    width = max(len(line) for line in rows)
    globals_bof = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 0x07CC, 0, 6))
    sheet_bof = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 0x07CC, 0, 6))
    end = _record(0x000A, b"")
    code_page = _record(0x0042, struct.pack("<H", 1200))
    name = _text(sheet, length_bytes=1)
    start = len(globals_bof) + len(code_page) + 4 + 6 + len(name) + len(end)
    bound = _record(0x0085, struct.pack("<IBB", start, 0, 0) + name)
    dimensions = _record(0x0200, struct.pack("<IIHHH", 0, len(rows), 0, width, 0))
    return globals_bof + code_page + bound + end + sheet_bof + dimensions + cells + end


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    label = name.encode("utf-16-le") + b"\0\0"
    return (
        label.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(label), kind, 1, _FREE, _FREE, child)
        + b"\0" * 36
        + struct.pack("<IQ", start, size)
    )


def old_workbook(rows: list[list[str | float | None]], sheet: str = "Sheet1") -> bytes:
    """The bytes of an .xls file: one FAT sector, one directory sector, the stream."""
    stream = workbook_stream(rows, sheet)
    size = max(len(stream), _SMALLEST_STREAM)
    sectors = -(-size // _SECTOR)
    chain = [*range(3, 2 + sectors), _END]
    fat = [_FAT, _END, *chain]
    fat += [_FREE] * (_SECTOR // 4 - len(fat))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16
    header += struct.pack("<HHHHH", 0x003E, 3, 0xFFFE, 9, 6) + b"\0" * 6
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, _SMALLEST_STREAM, _END, 0, _END, 0)
    header += struct.pack("<109I", 0, *[_FREE] * 108)
    empty = b"\0" * 64 + struct.pack("<HBBIII", 0, 0, 0, _FREE, _FREE, _FREE) + b"\0" * 48
    directory = _entry("Root Entry", 5, 1, _END, 0) + _entry("Workbook", 2, _FREE, 2, size) + empty * 2
    return header + struct.pack("<128I", *fat) + directory + stream.ljust(sectors * _SECTOR, b"\0")
