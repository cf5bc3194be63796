"""Data quality of what the registry holds: reads what `inventory.quality` judges, and keeps the answer for a while."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from agent.wire.message import Message
from collector.clock import local_day
from collector.db.tables import (
    asset,
    device,
    register_import,
    register_rejected_row,
    register_rejected_sheet,
)
from collector.investing import ListCache, ListSnapshot
from inventory.assets import code_key
from inventory.quality import Freshness, OutstandingRow, UnitQuality, province_quality
from inventory.register.headers import find_header
from inventory.register.sheet import Row as SheetRow
from inventory.register.sheet import cell_text
from inventory.serials import serial_key
from inventory.units import UnitError, find_unit

# Terminals report every minute; nobody needs the percentages newer than this.
KEPT_SECONDS = 60.0


@dataclass(frozen=True)
class QualitySnapshot:
    """The quality of all units that have data, by code, and the day of judgement."""

    units: Mapping[str, UnitQuality]
    as_of: dt.date


class QualityReader:
    """The newest answer; made again when the list is, and every minute that somebody asks."""

    def __init__(self, engine: Engine, lists: ListCache) -> None:
        self._engine = engine
        self._lists = lists
        self._lock = threading.Lock()
        self._known: tuple[ListSnapshot, float, QualitySnapshot] | None = None

    def current(self, now: float) -> QualitySnapshot:
        """The quality of every unit at that moment."""
        snapshot = self._lists.current(now)
        with self._lock:
            known = self._known
            if known is not None and known[0] is snapshot and 0 <= now - known[1] < KEPT_SECONDS:
                return known[2]
            with self._engine.connect().execution_options(read_only=True) as connection:
                made = quality_of(connection, snapshot, local_day(now))
            self._known = snapshot, now, made
            return made


def quality_of(connection: Connection, snapshot: ListSnapshot, as_of: dt.date) -> QualitySnapshot:
    """Judges all units on that day."""
    whole = snapshot.whole
    units = province_quality(
        whole.judged,
        whole.doubts,
        outstanding_rows(connection),
        _freshness(connection),
        as_of=as_of,
    )
    return QualitySnapshot(units, as_of)


def _freshness(connection: Connection) -> Freshness:
    reported = connection.execute(select(device.c.id, device.c.last_seen_at).where(device.c.last_seen_at.is_not(None)))
    imports = connection.execute(select(register_import).where(register_import.c.undone_at.is_(None))).all()
    # The same file again may change nothing and still says that its rows hold.
    newest_of_file: dict[str, float] = {}
    for row in imports:
        newest_of_file[row.file_name] = max(row.imported_at, newest_of_file.get(row.file_name, 0.0))
    stated = {row.id: local_day(newest_of_file[row.file_name]) for row in imports}
    written = connection.execute(select(asset.c.id, asset.c.import_id))
    return Freshness(
        {row.id: local_day(row.last_seen_at) for row in reported},
        {row.id: stated[row.import_id] for row in written if row.import_id in stated},
    )


@dataclass(frozen=True)
class _Registered:
    """The newest import that wrote an asset of this serial, or of this unit and code; and the units of each import."""

    by_serial: Mapping[str, int]
    by_code: Mapping[tuple[str, str], int]
    units_of_import: Mapping[int, set[str]]


def outstanding_rows(connection: Connection) -> list[OutstandingRow]:
    """Rejected rows that nothing has put right yet, in the order of imports and rows.

    A row is put right when its import was undone, when a file of the same name was imported later, or when a later
    import wrote an asset with its serial, or with its asset code in its unit.
    """
    imports = connection.execute(select(register_import).where(register_import.c.undone_at.is_(None))).all()
    newest_of_file = {row.file_name: row.id for row in sorted(imports, key=lambda row: row.id)}
    open_imports = {row.id for row in imports if newest_of_file[row.file_name] == row.id and row.rejected}
    if not open_imports:
        return []
    registered = _registered(connection)
    titles = {
        (row.import_id, row.sheet): tuple(row.titles) for row in connection.execute(select(register_rejected_sheet))
    }
    rows = connection.execute(
        select(register_rejected_row)
        .where(register_rejected_row.c.import_id.in_(sorted(open_imports)))
        .order_by(register_rejected_row.c.import_id, register_rejected_row.c.id)
    )
    judged = (_outstanding(row, titles.get((row.import_id, row.sheet), ()), registered) for row in rows)
    return [row for row in judged if row is not None]


def _registered(connection: Connection) -> _Registered:
    by_serial: dict[str, int] = {}
    by_code: dict[tuple[str, str], int] = {}
    units: dict[int, set[str]] = {}
    for row in connection.execute(select(asset.c.unit_code, asset.c.serial, asset.c.asset_code, asset.c.import_id)):
        units.setdefault(row.import_id, set()).add(row.unit_code)
        if key := serial_key(row.serial):
            by_serial[key] = max(row.import_id, by_serial.get(key, 0))
        if code := code_key(row.asset_code):
            by_code[row.unit_code, code] = max(row.import_id, by_code.get((row.unit_code, code), 0))
    return _Registered(by_serial, by_code, units)


def _outstanding(row: Row[Any], titles: Sequence[str], registered: _Registered) -> OutstandingRow | None:
    fields = dict(columns_of(tuple(titles)))

    def text(field: str) -> str:
        place = fields.get(field)
        return cell_text(row.cells[place]) if place is not None and place < len(row.cells) else ""

    units = registered.units_of_import.get(row.import_id, set())
    unit_code = _unit_code(text("unit")) or (next(iter(units)) if len(units) == 1 else "")
    serial, code = serial_key(text("serial")), code_key(text("asset_code"))
    later = max(
        registered.by_serial.get(serial, 0) if serial else 0,
        registered.by_code.get((unit_code, code), 0) if code else 0,
    )
    if later > row.import_id:
        return None
    return OutstandingRow(row.import_id, row.sheet, row.row_number, unit_code, tuple(rejection_reasons(row)))


def rejection_reasons(row: Row[Any]) -> list[Message]:
    """What a `register_rejected_row` was rejected for."""
    return [Message.from_dict(item["found"]) for item in row.reason]


@lru_cache(maxsize=1024)
def columns_of(titles: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """(field, column) of a sheet's titles, as far as they are known."""
    header = find_header([SheetRow(1, titles)])
    return tuple(header.columns.items()) if header else ()


@lru_cache(maxsize=4096)
def _unit_code(text: str) -> str:
    try:
        return find_unit(text).code if text else ""
    except UnitError:
        return ""
