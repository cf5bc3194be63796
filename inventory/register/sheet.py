"""A register as cells, whatever file it came from."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from agent.wire.message import Message

Cell = None | str | int | float | bool | dt.date | dt.datetime | dt.time


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number as the spreadsheet shows it (1 is the first) and its cells from column A on."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet's rows that hold anything, in order; a CSV file is one sheet with an empty name."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class RegisterFile:
    """A file as it was read.

    Args:
        name: the file's name, for messages.
        sheets: visible sheets.
        encoding: how its text was encoded, for people (`utf-8`, `tcvn3` ...).
        notes: what a person should know of how it was read.
    """

    name: str
    sheets: tuple[Sheet, ...]
    encoding: str
    notes: tuple[Message, ...] = ()


def cell_text(cell: Cell) -> str:
    """A cell as a person would read it; whole numbers without `.0`, dates as dd/mm/yyyy, nothing as an empty text."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, dt.date):
        return cell.strftime("%d/%m/%Y")
    return str(cell)


def column_letter(index: int) -> str:
    """The spreadsheet's name of the column at this index (0 is A)."""
    letters = ""
    number = index + 1
    while number:
        number, remainder = divmod(number - 1, 26)
        letters = chr(ord("A") + remainder) + letters
    return letters
