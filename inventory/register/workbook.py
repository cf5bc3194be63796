"""Spreadsheets (XLSX, XLS) as cells, checked for what would exhaust the machine before they are opened."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
import zlib
from dataclasses import dataclass

import python_calamine as calamine

from agent.wire.message import Message, mark
from inventory.register.errors import UnreadableFileError
from inventory.register.sheet import Cell, Row, Sheet, column_letter

_CHUNK_BYTES = 1 << 20
# Long enough for any start tag of a cell to be seen whole across two chunks.
_OVERLAP_BYTES = 512
_CELL_TAG = re.compile(rb"<(?:\w+:)?c\b[^>]*?\br=[\"']([A-Z]{1,3})([0-9]{1,7})[\"'][^>]*?(?<!/)>")
_UNSAVED_FORMULA = re.compile(
    rb"<(?:\w+:)?c\b[^>]*?\br=[\"']([A-Z]{1,3}[0-9]{1,7})[\"'][^>]*>\s*<(?:\w+:)?f\b[^>]*>[^<]*</(?:\w+:)?f>"
    rb"\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_CELLS_NAMED = 10
_MACRO_PARTS = ("vbaproject.bin", "vbadata.xml", "macrosheets/", "xl/macrosheets")
_OLE_MACRO_MARKS = ("_VBA_PROJECT_CUR".encode("utf-16-le"), "_VBA_PROJECT".encode("utf-16-le"))
_OLE_ENCRYPTED_MARK = "EncryptedPackage".encode("utf-16-le")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a register file may be at most. The defaults hold a province's whole register several times over."""

    file_bytes: int = 64 << 20
    decompressed_bytes: int = 512 << 20
    rows: int = 200_000
    columns: int = 256
    cells: int = 12_000_000


def read_workbook(data: bytes, file_name: str, limits: Limits) -> tuple[tuple[Sheet, ...], tuple[Message, ...]]:
    """The visible sheets of a workbook, values of merged cells repeated down the rows they span, and notes on it.

    Raises:
        UnreadableFileError: damaged, encrypted, with macros, or beyond `limits`.
    """
    notes: tuple[Message, ...] = ()
    if zipfile.is_zipfile(io.BytesIO(data)):
        notes = _check_zip(data, file_name, limits)
    else:
        _check_ole(data, file_name)
    try:
        workbook = calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = tuple(
            _sheet(workbook, meta.name, file_name, limits)
            for meta in workbook.sheets_metadata
            if meta.typ == calamine.SheetTypeEnum.WorkSheet and meta.visible == calamine.SheetVisibleEnum.Visible
        )
    except calamine.PasswordError as error:
        raise _protected(file_name) from error
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise _damaged(file_name, str(error)) from error
    except BaseException as error:
        # A panic of the reader arrives as a BaseException of its own class; a damaged file must not end the program.
        if type(error).__name__ != "PanicException":
            raise
        raise _damaged(file_name, "the reader gave up") from error
    return sheets, notes


def _sheet(workbook: calamine.CalamineWorkbook, name: str, file_name: str, limits: Limits) -> Sheet:
    source = workbook.get_sheet_by_name(name)
    if source.total_height > limits.rows:
        raise too_many_rows(file_name, name, limits.rows)
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
    """Inflates every part once, in pieces, so that neither a lying header nor a far-off cell costs memory later."""
    unsaved: dict[str, None] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            names = [part.filename.lower() for part in parts]
            if any(mark in name for name in names for mark in _MACRO_PARTS):
                raise _macros(file_name)
            # ODS and XLSB come in a ZIP too, and can name cells by the million in a few bytes.
            if "xl/workbook.xml" not in names:
                raise _damaged(file_name, "xl/workbook.xml")
            if sum(part.file_size for part in parts) > limits.decompressed_bytes:
                raise too_large_inside(file_name, limits)
            budget = limits.decompressed_bytes
            for part in parts:
                budget -= _inflate(archive, part, file_name, limits, budget, unsaved)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise _damaged(file_name, str(error)) from error
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
    archive: zipfile.ZipFile,
    part: zipfile.ZipInfo,
    file_name: str,
    limits: Limits,
    budget: int,
    unsaved: dict[str, None],
) -> int:
    inflated = 0
    tail = b""
    with archive.open(part) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            inflated += len(chunk)
            if inflated > budget:
                raise too_large_inside(file_name, limits)
            # Every part: which of them is a sheet is for the workbook to say, and it may say so of any.
            _check_cells(tail + chunk, file_name, part.filename, limits)
            found = (match.decode() for match in _UNSAVED_FORMULA.findall(tail + chunk))
            unsaved.update(dict.fromkeys(found))
            tail = chunk[-_OVERLAP_BYTES:]
    return inflated


def _check_cells(xml: bytes, file_name: str, sheet: str, limits: Limits) -> None:
    """Refuses a cell so far out that the block of cells up to it would not fit."""
    for column, row in _CELL_TAG.findall(xml):
        number = int(row)
        width = 0
        for letter in column:
            width = width * 26 + letter - ord("A") + 1
        if number > limits.rows:
            raise too_many_rows(file_name, sheet, limits.rows)
        if width > limits.columns or number * width > limits.cells:
            raise UnreadableFileError(
                Message(
                    "{file}, {sheet}, row {row}, column {column}: expected at most {limit} columns",
                    {
                        "file": file_name,
                        "sheet": sheet,
                        "row": number,
                        "column": column_letter(width - 1),
                        "limit": limits.columns,
                    },
                )
            )


def _check_ole(data: bytes, file_name: str) -> None:
    """The old binary format: macros and encryption show as names in the container's directory."""
    if _OLE_ENCRYPTED_MARK in data:
        raise _protected(file_name)
    if any(mark in data for mark in _OLE_MACRO_MARKS):
        raise _macros(file_name)


def too_many_rows(file_name: str, sheet: str, limit: int) -> UnreadableFileError:
    """The error for a sheet with more rows than the limit."""
    return UnreadableFileError(
        Message(
            "{file}, sheet “{sheet}”: more than {limit} rows; expected at most that many, split the file",
            {"file": file_name, "sheet": sheet, "limit": limit},
        )
    )


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


def _damaged(file_name: str, detail: str) -> UnreadableFileError:
    return UnreadableFileError(
        Message(
            "{file}: cannot be read as a workbook ({detail}); expected XLSX, XLS or CSV",
            {"file": file_name, "detail": detail[:200]},
        )
    )
