"""How far the cells of a workbook reach, kept within what the reader can lay out as one block of cells.

A spreadsheet reader allocates every cell from the first to the last one that holds anything, so that two cells at
opposite corners cost as much as a full sheet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.wire.message import Message, mark
from inventory.register.errors import UnreadableFileError
from inventory.register.sheet import column_letter

LAST_ROW = 1_048_576
LAST_COLUMN = 16_384
_REFERENCE = re.compile(r"([A-Za-z]{1,3})0*([1-9][0-9]{0,6})")
_REFERENCE_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a register file may be at most. The defaults hold a province's whole register several times over."""

    file_bytes: int = 64 << 20
    decompressed_bytes: int = 512 << 20
    rows: int = 200_000
    columns: int = 256
    cells: int = 12_000_000
    sheets: int = 500


@dataclass(slots=True)
class Extents:
    """The furthest row and column of one sheet so far; `add` refuses what would go beyond the limits.

    Args:
        file_name: for messages.
        sheet: the sheet's name, or that of its part of the file.
        limits: what is accepted.
    """

    file_name: str
    sheet: str
    limits: Limits
    rows: int = 0
    columns: int = 0

    def add(self, row: int, column: int) -> None:
        """Takes in a cell that holds something.

        Args:
            row: from 1.
            column: from 1.

        Raises:
            UnreadableFileError: the sheet reaches too far.
        """
        if row <= self.rows and column <= self.columns:
            return
        self.rows, self.columns = max(self.rows, row), max(self.columns, column)
        if row > self.limits.rows:
            raise too_many_rows(self.file_name, self.sheet, self.limits.rows)
        if column > self.limits.columns:
            raise UnreadableFileError(
                Message(
                    mark("{file}, {sheet}, row {row}, column {column}: expected at most {limit} columns"),
                    {
                        "file": self.file_name,
                        "sheet": self.sheet,
                        "row": row,
                        "column": column_letter(column - 1),
                        "limit": self.limits.columns,
                    },
                )
            )
        if self.rows * self.columns > self.limits.cells:
            raise too_many_cells(self.file_name, self.sheet, self.rows, self.columns, self.limits)

    def position(self, reference: str) -> tuple[int, int]:
        """Row and column, from 1, of a cell reference such as `XFD1048576`.

        Raises:
            UnreadableFileError: no worksheet has such a cell.
        """
        match = _REFERENCE.fullmatch(reference)
        if match is not None:
            column = 0
            for letter in match[1].upper():
                column = column * 26 + ord(letter) - ord("A") + 1
            if column <= LAST_COLUMN and int(match[2]) <= LAST_ROW:
                return int(match[2]), column
        raise self.no_such_cell(reference)

    def no_such_cell(self, reference: str) -> UnreadableFileError:
        """The error for a place that no worksheet has."""
        return UnreadableFileError(
            Message(
                mark("{file}, {sheet}: “{reference}” is no cell of a worksheet; expected A1 to XFD1048576"),
                {"file": self.file_name, "sheet": self.sheet, "reference": reference[:_REFERENCE_SHOWN]},
            )
        )


def too_many_rows(file_name: str, sheet: str, limit: int) -> UnreadableFileError:
    """The error for a sheet with more rows than the limit."""
    return UnreadableFileError(
        Message(
            mark("{file}, sheet “{sheet}”: more than {limit} rows; expected at most that many, split the file"),
            {"file": file_name, "sheet": sheet, "limit": limit},
        )
    )


def too_many_cells(file_name: str, sheet: str, rows: int, columns: int, limits: Limits) -> UnreadableFileError:
    """The error for sheets whose block of cells would not fit into memory."""
    return UnreadableFileError(
        Message(
            mark(
                "{file}, sheet “{sheet}”: its cells reach over {rows} rows and {columns} columns; expected at most "
                "{limit} cells in all, split the file"
            ),
            {"file": file_name, "sheet": sheet, "rows": rows, "columns": columns, "limit": limits.cells},
        )
    )


def damaged(file_name: str, detail: str) -> UnreadableFileError:
    """The error for a file that is no workbook, or a broken one."""
    return UnreadableFileError(
        Message(
            mark("{file}: cannot be read as a workbook ({detail}); expected XLSX, XLS or CSV"),
            {"file": file_name, "detail": detail[:200]},
        )
    )
