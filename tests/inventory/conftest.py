"""Registers as real files, and a real registry."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import openpyxl
import pytest
from sqlalchemy import Connection, create_engine

from collector.db.tables import metadata
from inventory.register.preparing import PreparedImport, prepare_import
from inventory.units import unit_by_code

AS_OF = dt.date(2026, 11, 21)
TITLES = ("STT", "Đơn vị", "Tên tài sản", "Số serial", "Mã tài sản", "Năm đưa vào sử dụng", "Nguyên giá", "Tình trạng")


@pytest.fixture
def as_of() -> dt.date:
    return AS_OF


@pytest.fixture
def titles() -> tuple[str, ...]:
    return TITLES


@pytest.fixture
def make_xlsx() -> Callable[..., bytes]:
    def make(*rows: Sequence[Any], sheet: str = "Tài sản", merged: Sequence[str] = ()) -> bytes:
        book = openpyxl.Workbook()
        page = book.active
        page.title = sheet
        for row in rows:
            page.append(list(row))
        for area in merged:
            page.merge_cells(area)
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()

    return make


@pytest.fixture
def prepare() -> Callable[..., PreparedImport]:
    def run(data: bytes, *, name: str = "so.xlsx", existing: Any = (), unit: str | None = None) -> PreparedImport:
        default = unit_by_code(unit) if unit else None
        return prepare_import(data, name, existing, default_unit=default, as_of=AS_OF)

    return run


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as opened:
        yield opened
    engine.dispose()
