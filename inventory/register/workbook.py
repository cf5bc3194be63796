"""Spreadsheets (XLSX, XLS) as cells, checked for what would exhaust the machine before they are opened."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
import zlib
from collections.abc import Iterator

import python_calamine as calamine

from agent.wire.message import Message, mark
from inventory.register.binary_scan import check_xls
from inventory.register.errors import UnreadableFileError
from inventory.register.extents import Extents, Limits, damaged, too_many_cells, too_many_rows
from inventory.register.sheet import Cell, Row, Sheet
from inventory.register.worksheet_scan import PartScan

_CHUNK_BYTES = 1 << 20
_CELLS_NAMED = 10
_MACRO_PARTS = ("vbaproject.bin", "vbadata.xml", "macrosheets/", "xl/macrosheets")
# Parts by which the reader takes a file for ODS or XLSB where it cannot read it as XLSX.
_OTHER_FORMATS = frozenset({"xl/workbook.bin", "content.xml", "mimetype"})
_OLE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_MACRO_MARKS = ("_VBA_PROJECT_CUR".encode("utf-16-le"), "_VBA_PROJECT".encode("utf-16-le"))
_OLE_ENCRYPTED_MARK = "EncryptedPackage".encode("utf-16-le")


def read_workbook(data: bytes, file_name: str, limits: Limits) -> tuple[tuple[Sheet, ...], tuple[Message, ...]]:
    """The visible sheets of a workbook, values of merged cells repeated down the rows they span, and notes on it.

    Raises:
        UnreadableFileError: damaged, encrypted, with macros, or beyond `limits`.
    """
    notes: tuple[Message, ...] = ()
    is_zip = zipfile.is_zipfile(io.BytesIO(data))
    if data.startswith(_OLE_MARK):
        # The reader falls back from one format to the other; in a file that is both, one would stay unchecked.
        if is_zip:
            raise damaged(file_name, "OLE + ZIP")
        _check_ole(data, file_name)
        check_xls(data, file_name, limits)
    elif is_zip:
        notes = _check_zip(data, file_name, limits)
    else:
        raise damaged(file_name, "ZIP")
    try:
        workbook = calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = tuple(_sheets(workbook, file_name, limits))
    except calamine.PasswordError as error:
        raise _protected(file_name) from error
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise damaged(file_name, str(error)) from error
    except BaseException as error:
        # A panic of the reader arrives as a BaseException of its own class; a damaged file must not end the program.
        if type(error).__name__ != "PanicException":
            raise
        raise damaged(file_name, "the reader gave up") from error
    return sheets, notes


def _sheets(workbook: calamine.CalamineWorkbook, file_name: str, limits: Limits) -> Iterator[Sheet]:
    """The visible sheets; all together stay within the limits, even where many names stand for one part."""
    visible = [
        meta.name
        for meta in workbook.sheets_metadata
        if meta.typ == calamine.SheetTypeEnum.WorkSheet and meta.visible == calamine.SheetVisibleEnum.Visible
    ]
    if len(visible) > limits.sheets:
        raise damaged(file_name, f"{len(visible)} > {limits.sheets}")
    cells = 0
    for name in visible:
        source = workbook.get_sheet_by_name(name)
        # `end` is the index of the last cell; the block reaches from the first cell of the sheet to it.
        last_row, last_column = source.end or (0, 0)
        if last_row >= limits.rows:
            raise too_many_rows(file_name, name, limits.rows)
        cells += (last_row + 1) * (last_column + 1)
        if cells > limits.cells:
            raise too_many_cells(file_name, name, last_row + 1, last_column + 1, limits)
        yield _sheet(source, name)


def _sheet(source: calamine.CalamineSheet, name: str) -> Sheet:
    first_row, first_column = source.start or (0, 0)
    lead = (None,) * first_column
    rows: list[list[Cell]] = [[*lead, *(_cell(cell) for cell in row)] for row in source.to_python()]
    _spread_merged(rows, source.merged_cell_ranges or [], first_row)
    numbered = enumerate((tuple(row) for row in rows), start=first_row + 1)
    return Sheet(name, tuple(Row(n, cells) for n, cells in numbered if any(c is not None for c in cells)))


def _cell(cell: object) -> Cell:
    if isinstance(cell, str):
        return cell if cell.strip() else None
    if isinstance(cell, dt.datetime) and cell.time() == dt.time():
        return cell.date()
    if isinstance(cell, dt.timedelta):
        return str(cell)
    return cell  # type: ignore[return-value]  # calamine has no other types than those of Cell


def _spread_merged(
    rows: list[list[Cell]], ranges: list[tuple[tuple[int, int], tuple[int, int]]], first_row: int
) -> None:
    """A unit written once beside the ten rows it merges over belongs to each of them. Titles stay where they are."""
    for (top, left), (bottom, right) in ranges:
        start = top - first_row
        if left != right or not 0 <= start < len(rows) or left >= len(rows[start]):
            continue
        for index in range(start + 1, min(bottom - first_row + 1, len(rows))):
            # A merged row without anything else in it is blank, not one more row of the register.
            if any(cell is not None for cell in rows[index]) and rows[index][left] is None:
                rows[index][left] = rows[start][left]


def _check_zip(data: bytes, file_name: str, limits: Limits) -> tuple[Message, ...]:
    """Reads every part once, in pieces, so that neither a lying header nor a far-off cell costs memory later."""
    unsaved: dict[str, None] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            names = [part.filename.lower() for part in parts]
            if any(mark in name for name in names for mark in _MACRO_PARTS):
                raise _macros(file_name)
            # ODS and XLSB come in a ZIP too, and can name cells by the million in a few bytes.
            if "xl/workbook.xml" not in names or _OTHER_FORMATS.intersection(names):
                raise damaged(file_name, "xl/workbook.xml")
            if sum(part.file_size for part in parts) > limits.decompressed_bytes:
                raise too_large_inside(file_name, limits)
            budget = limits.decompressed_bytes
            for part in parts:
                inflated, found = _inflate(archive, part, file_name, limits, budget)
                budget -= inflated
                unsaved.update(found)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise damaged(file_name, str(error)) from error
    if not unsaved:
        return ()
    return (
        Message(
            mark(
                "cells with formulas whose results the file does not hold were read as empty: {cells}; "
                "open the file in a spreadsheet program and save it"
            ),
            {"cells": ", ".join(list(unsaved)[:_CELLS_NAMED]) + ("..." if len(unsaved) > _CELLS_NAMED else "")},
        ),
    )


def _inflate(
    archive: zipfile.ZipFile, part: zipfile.ZipInfo, file_name: str, limits: Limits, budget: int
) -> tuple[int, dict[str, None]]:
    """How many bytes are in the part, and its cells with formulas whose results it does not hold."""
    inflated = 0
    # Every part: which of them is a sheet is for the workbook to say, and it may say so of any.
    scan = PartScan(Extents(file_name, part.filename, limits))
    with archive.open(part) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            inflated += len(chunk)
            if inflated > budget:
                raise too_large_inside(file_name, limits)
            scan.feed(chunk)
    scan.close()
    return inflated, scan.unsaved


def _check_ole(data: bytes, file_name: str) -> None:
    """The old binary format: macros and encryption show as names in the container's directory."""
    if _OLE_ENCRYPTED_MARK in data:
        raise _protected(file_name)
    if any(mark in data for mark in _OLE_MACRO_MARKS):
        raise _macros(file_name)


def too_large_inside(file_name: str, limits: Limits) -> UnreadableFileError:
    """The error for an archive that grows beyond the limit."""
    return UnreadableFileError(
        Message(
            "{file}: its content grows beyond {limit} megabytes when unpacked; expected a register of equipment",
            {"file": file_name, "limit": limits.decompressed_bytes >> 20},
        )
    )


def _macros(file_name: str) -> UnreadableFileError:
    return UnreadableFileError(
        Message("{file}: the workbook contains macros; expected one saved without them (.xlsx)", {"file": file_name})
    )


def _protected(file_name: str) -> UnreadableFileError:
    return UnreadableFileError(
        Message("{file}: the workbook is protected by a password; expected one without", {"file": file_name})
    )
