"""A register file of any accepted form, as sheets of cells in Unicode."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from agent.wire.message import Message
from inventory.collation import normalise
from inventory.register.delimited import read_delimited
from inventory.register.errors import UnreadableFileError
from inventory.register.extents import Limits
from inventory.register.legacy_text import CONVERSIONS, is_doubtful, recognise
from inventory.register.sheet import Cell, RegisterFile, Row, Sheet
from inventory.register.workbook import read_workbook

_ZIP_MARK = b"PK\x03\x04"
_OLE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OPEN_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_MACRO_SUFFIXES = frozenset({".xlsm", ".xltm", ".xlam"})


def read_file(path: Path, limits: Limits | None = None) -> bytes:
    """The file's bytes.

    Raises:
        UnreadableFileError: missing, not to be opened, no regular file, or too large.
    """
    bounds = limits or Limits()
    try:
        # A pipe without a writer must not hold the program, and a terminal must not become its own.
        descriptor = os.open(path, os.O_RDONLY | _OPEN_FLAGS)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - what was opened is judged, not what the name means by then
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise _not_regular(path)
            _check_size(found.st_size, path.name, bounds)
            data = file.read(bounds.file_bytes + 1)
    except IsADirectoryError as error:
        raise _not_regular(path) from error
    except OSError as error:
        # Windows refuses to open a folder before it can be asked what it is.
        if path.is_dir():
            raise _not_regular(path) from error
        raise UnreadableFileError(
            Message("{file}: cannot be opened ({detail})", {"file": str(path), "detail": error.strerror or str(error)})
        ) from error
    _check_size(len(data), path.name, bounds)
    return data


def read_register_bytes(data: bytes, file_name: str, limits: Limits | None = None) -> RegisterFile:
    """The sheets of a file given as bytes; its kind is told by its content, not by its name.

    Raises:
        UnreadableFileError: empty, too large, or not a register.
    """
    bounds = limits or Limits()
    _check_size(len(data), file_name, bounds)
    if not data.strip():
        raise UnreadableFileError(Message("{file}: the file is empty", {"file": file_name}))
    if Path(file_name).suffix.lower() in _MACRO_SUFFIXES:
        raise UnreadableFileError(
            Message(
                "{file}: the workbook contains macros; expected one saved without them (.xlsx)", {"file": file_name}
            )
        )
    encoding = ""
    notes: tuple[Message, ...] = ()
    if data.startswith((_ZIP_MARK, _OLE_MARK)):
        sheets, notes = read_workbook(data, file_name, bounds)
    else:
        sheet, encoding = read_delimited(data, file_name, bounds)
        sheets = (sheet,)
    converted = [_in_unicode(sheet) for sheet in sheets]
    legacy = sorted({name for _, name in converted} - {"unicode"})
    return RegisterFile(
        file_name, tuple(sheet for sheet, _ in converted), "+".join(legacy) or encoding or "unicode", notes
    )


def _not_regular(path: Path) -> UnreadableFileError:
    return UnreadableFileError(
        Message(
            "{file}: a folder, a pipe or a device, not a file; expected an XLSX, XLS or CSV file", {"file": str(path)}
        )
    )


def _check_size(size: int, file_name: str, limits: Limits) -> None:
    if size > limits.file_bytes:
        raise UnreadableFileError(
            Message(
                "{file}: larger than {limit} megabytes; expected a smaller file, split it",
                {"file": file_name, "limit": limits.file_bytes >> 20},
            )
        )


def _in_unicode(sheet: Sheet) -> tuple[Sheet, str]:
    name = recognise(cell for row in sheet.rows for cell in row.cells if isinstance(cell, str))
    convert = CONVERSIONS[name]

    def text(cell: Cell) -> Cell:
        if not isinstance(cell, str):
            return cell
        return normalise(convert(cell) if name != "unicode" and is_doubtful(cell) else cell)

    return Sheet(sheet.name, tuple(Row(row.number, tuple(text(c) for c in row.cells)) for row in sheet.rows)), name
