"""Surveys as real files."""

from __future__ import annotations

import datetime as dt
import io

import openpyxl
import pytest

from inventory.norms import load_norms
from inventory.staffing.planning import prepare_survey
from inventory.units import unit_by_code

AS_OF = dt.date(2026, 11, 21)


@pytest.fixture
def workbook():
    def make(**sheets):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for name, rows in sheets.items():
            page = book.create_sheet(name.replace("_", " "))
            for row in rows:
                page.append(list(row))
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()

    return make


@pytest.fixture
def posts():
    return load_norms().post_groups_on(AS_OF)


@pytest.fixture
def prepare(posts):
    def run(data, *, staffing=(), lines=(), unit=None, name="khao-sat.xlsx"):
        default = unit_by_code(unit) if unit else None
        return prepare_survey(data, name, staffing, lines, default_unit=default, as_of=AS_OF, posts=posts)

    return run
