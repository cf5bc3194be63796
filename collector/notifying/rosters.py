"""Rosters from a file: who is on duty where, row by row; rows that cannot be used are named and kept."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert

from agent.wire.message import Message, mark
from alerts.route.schedule import DISTRICT, PROVINCE, UNIT, WEEK_DAYS
from collector.db import routing
from collector.db.decisions import Author, DecisionError
from collector.db.notification_tables import duty_import, duty_shift
from collector.notifying.entry import EntryError, day, district_names, unit_codes
from inventory.collation import search_key
from inventory.register.errors import UnreadableFileError
from inventory.register.reading import read_register_bytes
from inventory.register.sheet import Sheet, cell_text

LARGEST_TURN_WEEKS = 52
RECEIVER, PLACE, FIRST_DAY, LAST_DAY, EVERY_WEEKS = "receiver", "place", "first_day", "last_day", "every_weeks"
# Titles as `search_key` makes them.
COLUMNS = {
    "receiver": RECEIVER,
    "nguoi nhan": RECEIVER,
    "nguoi truc": RECEIVER,
    "place": PLACE,
    "dia ban": PLACE,
    "first day": FIRST_DAY,
    "tu ngay": FIRST_DAY,
    "last day": LAST_DAY,
    "den ngay": LAST_DAY,
    "every weeks": EVERY_WEEKS,
    "lap lai tuan": EVERY_WEEKS,
}
PROVINCE_WORDS = ("", "province", "tinh", "toan tinh", "tinh nghe an", "nghe an")
NO_TITLES = mark("{file}: expected the columns receiver, place, first_day, last_day, every_weeks in the first row")
NO_DUTY = mark("only receivers that are told on duty only can stand in a roster")


@dataclass(frozen=True)
class DutyEntry:
    """One row of a roster as it was typed."""

    receiver: str
    place: str
    first_day: str
    last_day: str = ""
    every_weeks: str = ""


@dataclass(frozen=True)
class RejectedDuty:
    """A row that could not be used.

    Args:
        row: its number in the file.
        cells: as they stood there.
        reason: why, for people.
    """

    row: int
    cells: tuple[str, ...]
    reason: Message


@dataclass(frozen=True)
class RosterImport:
    """What an import did."""

    number: int
    rows: int
    created: int
    unchanged: int
    rejected: tuple[RejectedDuty, ...]


def import_roster(connection: Connection, data: bytes, file_name: str, author: Author) -> RosterImport:
    """Adds the duties of a file (CSV, XLSX, XLS); those that are there already stay as they are.

    Raises:
        UnreadableFileError: it is no table, or columns are missing.
    """
    rejected: list[RejectedDuty] = []
    made: list[Mapping[str, object]] = []
    rows = 0
    for sheet in read_register_bytes(data, file_name).sheets:
        columns = _columns(sheet, file_name)
        for row in sheet.rows[1:]:
            rows += 1
            cells = tuple(cell_text(cell).strip() for cell in row.cells)
            typed = {name: cells[index] for name, index in columns.items() if index < len(cells)}
            try:
                made.append(duty_values(connection, DutyEntry(**({RECEIVER: "", PLACE: "", FIRST_DAY: ""} | typed))))
            except DecisionError as error:
                rejected.append(RejectedDuty(row.number, cells, error.message))
    kept = {"receiver_id", "scope", "place", "first_day", "last_day", "every_weeks"}
    known = {
        tuple(sorted((name, row._mapping[name]) for name in kept))  # noqa: SLF001 - SQLAlchemy's public spelling
        for row in routing.duties(connection)
    }
    fresh = [values for values in made if tuple(sorted(values.items())) not in known]
    unique = list({tuple(sorted(values.items())): values for values in fresh}.values())
    query = (
        insert(duty_import)
        .values(
            file_name=file_name,
            file_sha256=hashlib.sha256(data).hexdigest(),
            imported_at=author.at,
            imported_by=author.label,
            rows=rows,
            created=len(unique),
            unchanged=len(made) - len(unique),
            rejected=[{"row": one.row, "cells": list(one.cells), "reason": one.reason.as_dict()} for one in rejected],
            body=data,
        )
        .returning(duty_import.c.id)
    )
    number = int(connection.execute(query).scalar_one())
    for values in unique:
        _insert(connection, values, author, number)
    return RosterImport(number, rows, len(unique), len(made) - len(unique), tuple(rejected))


def add_duty(connection: Connection, entry: DutyEntry, author: Author) -> int:
    """Adds one duty; returns its number.

    Raises:
        DecisionError: names the field and what was expected.
    """
    return _insert(connection, duty_values(connection, entry), author, None)


def duty_values(connection: Connection, entry: DutyEntry) -> dict[str, object]:
    """Columns of `duty_shift`.

    Raises:
        DecisionError: names the field and what was expected.
    """
    row = routing.receiver_named(connection, entry.receiver)
    if not row.duty_only:
        raise EntryError(RECEIVER, entry.receiver, NO_DUTY)
    scope, place = _place(entry.place)
    first = day(entry.first_day, FIRST_DAY)
    every = _weeks(entry.every_weeks)
    last: dt.date | None = day(entry.last_day, LAST_DAY) if entry.last_day.strip() else None
    if last is None and every == 0:
        # A day alone is the week that begins with it.
        last = first + dt.timedelta(days=WEEK_DAYS - 1)
    if last is not None and last < first:
        raise EntryError(LAST_DAY, entry.last_day, mark("a day not before the first"))
    return {
        "receiver_id": row.id,
        "scope": scope,
        "place": place,
        "first_day": first.isoformat(),
        "last_day": last.isoformat() if last else None,
        "every_weeks": every,
    }


def _insert(connection: Connection, values: Mapping[str, object], author: Author, import_id: int | None) -> int:
    query = insert(duty_shift).values(**values, import_id=import_id, created_at=author.at, created_by=author.label)
    return int(connection.execute(query.returning(duty_shift.c.id)).scalar_one())


def _columns(sheet: Sheet, file_name: str) -> dict[str, int]:
    titles: Sequence[str] = [search_key(cell_text(cell)) for cell in sheet.rows[0].cells] if sheet.rows else []
    found = {COLUMNS[title]: index for index, title in enumerate(titles) if title in COLUMNS}
    if not {RECEIVER, PLACE, FIRST_DAY} <= set(found):
        raise UnreadableFileError(Message(NO_TITLES, {"file": file_name}))
    return found


def _place(text: str) -> tuple[str, str]:
    key = search_key(text)
    if key in PROVINCE_WORDS:
        return PROVINCE, ""
    try:
        if "," not in text:
            return DISTRICT, district_names(text)[0]
    except EntryError:
        # Not a district: it may be a unit.
        pass
    codes = unit_codes(text.replace(",", " "))
    return UNIT, codes[0]


def _weeks(text: str) -> int:
    if not text.strip():
        return 0
    if text.strip().isascii() and text.strip().isdecimal() and int(text) <= LARGEST_TURN_WEEKS:
        return int(text)
    raise EntryError(EVERY_WEEKS, text, f"0 - {LARGEST_TURN_WEEKS}")
