"""Surveys of staff and lines in the registry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select, update

from collector.db.tables import site_line, staffing, survey_import
from inventory.norms import PostGroups
from inventory.ports import ImportedFile
from inventory.register.rows import RejectedRow
from inventory.register.sheet import Cell
from inventory.staffing.model import SiteLine, Staffing
from inventory.staffing.planning import SurveyPlan


class SqlStaffing:
    """Surveys over one connection; the caller's transaction makes a whole of what is done here."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def staffing(self, posts: PostGroups | None = None) -> Sequence[Staffing]:
        """All staff, in the order of their numbers.

        Args:
            posts: the table of posts in force; a post that it knows takes its group, so that a change of the table
                holds for surveys taken before. Without it the group is that of the day of the import.
        """
        return [_staff(row, posts) for row in self._rows(staffing)]

    def site_lines(self) -> Sequence[SiteLine]:
        """All lines, in the order of their numbers."""
        return [_line(row) for row in self._rows(site_line)]

    def write_survey(self, plan: SurveyPlan, file: ImportedFile) -> int:
        """Writes what the plan says, with what was there before, and returns the import's number."""
        result = self._connection.execute(
            insert(survey_import).values(
                file_name=file.name,
                file_sha256=file.sha256,
                imported_at=file.imported_at,
                rows=plan.rows,
                created=len(plan.created),
                updated=len(plan.updated),
                unchanged=len(plan.unchanged),
                rejected=[_rejected(row) for row in plan.rejected],
                before=[],
            )
        )
        # Typed as optional for statements of many rows; this one has exactly one.
        import_id = int((result.inserted_primary_key or (0,))[0])
        known: dict[Table, dict[tuple[str, ...], Row[Any]]] = {
            staffing: {_staff(row, None).key: row for row in self._rows(staffing)},
            site_line: {_line(row).key: row for row in self._rows(site_line)},
        }
        before = []
        for item in (*plan.created, *plan.updated):
            table = staffing if isinstance(item.value, Staffing) else site_line
            values = _columns(item.value) | {"import_id": import_id, "updated_at": file.imported_at}
            row = known[table].get(item.value.key)
            if row is None:
                written = self._connection.execute(insert(table).values(**values))
                number = int((written.inserted_primary_key or (0,))[0])
            else:
                number = row.id
                self._connection.execute(update(table).where(table.c.id == number).values(**values))
            kept = None if row is None else dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
            before.append({"table": table.name, "id": number, "row": kept})
        self._connection.execute(update(survey_import).where(survey_import.c.id == import_id).values(before=before))
        return import_id

    def _rows(self, table: Table) -> Sequence[Row[Any]]:
        return self._connection.execute(select(table).order_by(table.c.id)).all()


def _staff(row: Row[Any], posts: PostGroups | None) -> Staffing:
    group = posts.group_of(row.post) if posts is not None and row.post else None
    return Staffing(
        unit_code=row.unit_code,
        block=row.block,
        post_group=group or row.post_group,
        headcount=row.headcount,
        as_of=dt.date.fromisoformat(row.as_of),
        site=row.site,
        post=row.post,
    )


def _line(row: Row[Any]) -> SiteLine:
    return SiteLine(
        unit_code=row.unit_code,
        as_of=dt.date.fromisoformat(row.as_of),
        site=row.site,
        cpe_model=row.cpe_model,
        cpe_serial=row.cpe_serial,
        carrier=row.carrier,
        up_kbit_per_second=row.up_kbit_per_second,
        down_kbit_per_second=row.down_kbit_per_second,
    )


def _columns(value: Staffing | SiteLine) -> dict[str, Any]:
    columns: dict[str, Any] = {name: getattr(value, name) for name in type(value).__slots__}
    return columns | {"as_of": value.as_of.isoformat()}


def _rejected(row: RejectedRow) -> dict[str, Any]:
    return {
        "sheet": row.origin.sheet,
        "row": row.origin.number,
        "cells": [_json_cell(cell) for cell in row.origin.cells],
        "reasons": [
            {
                "field": error.field,
                "column": error.column,
                "found": error.found.as_dict(),
                "expected": error.expected.as_dict(),
            }
            for error in row.errors
        ],
    }


def _json_cell(cell: Cell) -> str | int | float | bool | None:
    return cell.isoformat() if isinstance(cell, dt.date | dt.time) else cell
