"""A register file from bytes to plan in one call, for the command line, the API and the pages."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from inventory.assets import RegisteredAsset
from inventory.register.extents import Limits
from inventory.register.importing import ImportPlan, plan_import
from inventory.register.reading import read_register_bytes
from inventory.register.rows import RegisterRows, read_rows
from inventory.units import Unit


@dataclass(frozen=True, slots=True)
class PreparedImport:
    """What an import would do, and all that a person should be told of it.

    Args:
        file_name: for messages.
        sha256: of the file's bytes, in hex.
        encoding: how its text was encoded.
        rows: the rows as read, with those that were skipped.
        plan: what becomes of each row.
    """

    file_name: str
    sha256: str
    encoding: str
    rows: RegisterRows
    plan: ImportPlan


def prepare_import(
    data: bytes,
    file_name: str,
    existing: Iterable[RegisteredAsset],
    *,
    default_unit: Unit | None,
    as_of: dt.date,
    limits: Limits | None = None,
) -> PreparedImport:
    """Reads, judges and plans; writes nothing.

    Raises:
        UnreadableFileError: the file cannot be used at all.
    """
    file = read_register_bytes(data, file_name, limits)
    rows = read_rows(file, default_unit=default_unit, as_of=as_of)
    plan = plan_import(rows.rows, existing)
    return PreparedImport(file_name, hashlib.sha256(data).hexdigest(), file.encoding, rows, plan)
