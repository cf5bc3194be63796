"""Rows of facts, with every column that the list of facts names."""

from __future__ import annotations

from agent.wire.facts import FACTS
from agent.wire.report import Row


def fact_row(fact: str, **values: object) -> Row:
    """A row of a fact; columns that are not given are None."""
    row: Row = dict.fromkeys(FACTS[fact].columns)
    row.update(values)  # type: ignore[arg-type]  # columns are checked against the catalogue by the tests
    return row
