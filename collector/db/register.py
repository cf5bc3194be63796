"""The register of equipment in the registry: what `inventory.ports` asks for, in SQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from agent.wire.message import Message, mark
from collector.clock import local_day
from collector.db.decisions import pairs_kept_apart
from collector.db.tables import (
    alert_state,
    asset,
    device,
    device_fact,
    register_import,
    register_rejected_row,
    register_rejected_sheet,
    transition,
)
from inventory.assets import AssetValues, RegisteredAsset
from inventory.identity import BY_PERSON, match_assets
from inventory.ports import DeviceRecord, ImportedFile
from inventory.register.errors import UndoError
from inventory.register.importing import ImportPlan
from inventory.register.rows import RejectedRow, RowError
from inventory.register.sheet import Cell

_VALUE_COLUMNS = tuple(field.name for field in fields(AssetValues))
# The list itself says how old a machine is, whether it is expired and its system supported; alerts would say it twice.
_RULES_OF_THE_LIST = ("device_over_10_years", "device_expired", "os_out_of_support")


class SqlRegister:
    """The register over one connection; the caller's transaction makes a whole of what is done here."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def devices(self) -> Sequence[DeviceRecord]:
        """All terminals whose right to report was not ended, with facts and firing alerts."""
        facts: dict[str, dict[str, Any]] = {}
        for row in self._connection.execute(select(device_fact.c.device_id, device_fact.c.name, device_fact.c.value)):
            facts.setdefault(row.device_id, {})[row.name] = row.value
        findings = self._findings()
        rows = self._connection.execute(select(device).where(device.c.revoked_at.is_(None)).order_by(device.c.id))
        return [
            DeviceRecord(
                id=row.id,
                unit_code=row.unit_code,
                site=row.site,
                first_seen=local_day(row.enrolled_at),
                last_seen=local_day(row.last_seen_at) if row.last_seen_at is not None else None,
                facts=facts.get(row.id, {}),
                findings=tuple(findings.get(row.id, ())),
            )
            for row in rows
        ]

    def assets(self) -> Sequence[RegisteredAsset]:
        """All assets, in the order of their numbers."""
        return [
            RegisteredAsset(
                id=row.id,
                register_key=row.register_key,
                values=AssetValues(**{name: getattr(row, name) for name in _VALUE_COLUMNS}),
                import_id=row.import_id,
                device_id=row.device_id,
                linked_by=row.linked_by,
            )
            for row in self._connection.execute(select(asset).order_by(asset.c.id))
        ]

    def write_import(self, plan: ImportPlan, file: ImportedFile) -> int:
        """Writes the plan; see `inventory.ports.AssetWriter`."""
        before = self._full_rows({item.asset.id for item in plan.updated})
        result = self._connection.execute(
            insert(register_import).values(
                file_name=file.name,
                file_sha256=file.sha256,
                imported_at=file.imported_at,
                rows=plan.rows,
                created=len(plan.created),
                updated=len(plan.updated),
                unchanged=len(plan.unchanged),
                rejected=len(plan.rejected),
                before=[],
            )
        )
        # Typed as optional for statements of many rows; this one has exactly one.
        import_id = int((result.inserted_primary_key or (0,))[0])
        self._update(plan, import_id, file.imported_at)
        created = self._create(plan, import_id, file.imported_at)
        kept = [{"id": row["id"], "row": row} for row in before] + [{"id": number, "row": None} for number in created]
        self._connection.execute(update(register_import).where(register_import.c.id == import_id).values(before=kept))
        if plan.rejected:
            self._connection.execute(
                insert(register_rejected_row), [_rejected(row, import_id) for row in plan.rejected]
            )
            titles = {row.origin.sheet: list(row.origin.titles) for row in plan.rejected}
            self._connection.execute(
                insert(register_rejected_sheet),
                [{"import_id": import_id, "sheet": name, "titles": texts} for name, texts in titles.items()],
            )
        return import_id

    def undo_import(self, import_id: int, now: float) -> int:
        """Puts every asset back; see `inventory.ports.AssetWriter`."""
        found = self._connection.execute(select(register_import).where(register_import.c.id == import_id)).one_or_none()
        if found is None:
            raise UndoError(Message(mark("there is no import {number}"), {"number": import_id}))
        if found.undone_at is not None:
            raise UndoError(Message(mark("import {number} is undone already"), {"number": import_id}))
        later = self._later_import(import_id, [item["id"] for item in found.before])
        if later is not None:
            raise UndoError(
                Message(
                    mark("import {later} changed assets of import {number}; undo import {later} first"),
                    {"later": later, "number": import_id},
                )
            )
        for item in found.before:
            if item["row"] is None:
                self._connection.execute(delete(asset).where(asset.c.id == item["id"]))
            else:
                # A link made since then is a finding of its own and stays.
                row = {name: value for name, value in item["row"].items() if name not in ("device_id", "linked_by")}
                self._connection.execute(update(asset).where(asset.c.id == item["id"]).values(**row))
        self._connection.execute(update(register_import).where(register_import.c.id == import_id).values(undone_at=now))
        return len(found.before)

    def link(self, pairs: Iterable[tuple[int, str, str]]) -> int:
        """Writes which terminal each asset is; an asset that a person linked is left alone."""
        changed = 0
        for asset_id, device_id, linked_by in pairs:
            changed += self._connection.execute(
                update(asset)
                .where(
                    asset.c.id == asset_id,
                    asset.c.device_id.is_distinct_from(device_id),
                    asset.c.linked_by.is_distinct_from(BY_PERSON),
                )
                .values(device_id=device_id, linked_by=linked_by)
            ).rowcount
        return changed

    def pairs_kept_apart(self) -> frozenset[tuple[int, str]]:
        """(asset number, device identity) that a person said are not one."""
        return pairs_kept_apart(self._connection)

    def _update(self, plan: ImportPlan, import_id: int, now: float) -> None:
        if not plan.updated:
            return
        # Bound names must differ from column names, which SQLAlchemy takes for itself in an UPDATE.
        statement = (
            update(asset)
            .where(asset.c.id == bindparam("b_id"))
            .values(
                {name: bindparam(f"b_{name}") for name in _VALUE_COLUMNS} | {"import_id": import_id, "updated_at": now}
            )
        )
        self._connection.execute(
            statement,
            [
                {"b_id": item.asset.id} | {f"b_{name}": value for name, value in item.values.as_dict().items()}
                for item in plan.updated
            ],
        )

    def _create(self, plan: ImportPlan, import_id: int, now: float) -> list[int]:
        if not plan.created:
            return []
        # Numbers are given here, because SQLite tells only the last one of many inserted rows.
        highest = self._connection.execute(select(func.max(asset.c.id))).scalar_one_or_none() or 0
        numbers = range(highest + 1, highest + 1 + len(plan.created))
        self._connection.execute(
            insert(asset),
            [
                {"id": number, "register_key": item.register_key, "import_id": import_id, "updated_at": now}
                | item.values.as_dict()
                for number, item in zip(numbers, plan.created, strict=True)
            ],
        )
        return list(numbers)

    def _full_rows(self, asset_ids: set[int]) -> list[dict[str, Any]]:
        if not asset_ids:
            return []
        rows = self._connection.execute(select(asset).order_by(asset.c.id)).mappings()
        return [dict(row) for row in rows if row["id"] in asset_ids]

    def _later_import(self, import_id: int, asset_ids: list[int]) -> int | None:
        mine = set(asset_ids)
        rows = self._connection.execute(
            select(register_import.c.id, register_import.c.before)
            .where(register_import.c.id > import_id, register_import.c.undone_at.is_(None))
            .order_by(register_import.c.id.desc())
        )
        return next((row.id for row in rows if mine & {item["id"] for item in row.before}), None)

    def _findings(self) -> dict[str, list[Message]]:
        newest = (
            select(transition.c.rule, transition.c.subject, func.max(transition.c.id).label("id"))
            .group_by(transition.c.rule, transition.c.subject)
            .subquery()
        )
        rows = self._connection.execute(
            select(transition.c.device_id, transition.c.reason)
            .join(newest, newest.c.id == transition.c.id)
            .join(
                alert_state,
                (alert_state.c.rule == transition.c.rule) & (alert_state.c.subject == transition.c.subject),
            )
            .where(
                alert_state.c.state == "firing",
                transition.c.device_id.is_not(None),
                transition.c.rule.not_in(_RULES_OF_THE_LIST),
            )
            .order_by(transition.c.id)
        )
        findings: dict[str, list[Message]] = {}
        for row in rows:
            findings.setdefault(row.device_id, []).extend(_messages(row.reason))
        return findings


def link_sure_pairs(register: SqlRegister) -> int:
    """Links every asset to the terminal that it surely is; returns how many links are new.

    Doubtful ones stay open, and what a person unlinked stays apart.
    """
    matching = match_assets(register.assets(), register.devices(), apart=register.pairs_kept_apart())
    return register.link((pair.asset_id, pair.device_id, pair.by) for pair in matching.pairs)


def _messages(reason: Any) -> list[Message]:
    """The sentences of a transition's reason: one message as JSON, or a list of them."""
    items = reason if isinstance(reason, list) else [reason]
    return [
        Message(item["pattern"], item.get("parameters", {}))
        for item in items
        if isinstance(item, dict) and isinstance(item.get("pattern"), str)
    ]


def _rejected(row: RejectedRow, import_id: int) -> dict[str, Any]:
    return {
        "import_id": import_id,
        "sheet": row.origin.sheet,
        "row_number": row.origin.number,
        "field": row.errors[0].field,
        "reason": [_reason(error) for error in row.errors],
        "cells": [_json_cell(cell) for cell in row.origin.cells],
    }


def _reason(error: RowError) -> dict[str, object]:
    return {
        "field": error.field,
        "column": error.column,
        "found": error.found.as_dict(),
        "expected": error.expected.as_dict(),
    }


def _json_cell(cell: Cell) -> str | int | float | bool | None:
    return cell.isoformat() if isinstance(cell, dt.date | dt.time) else cell
