"""The investment list in the forms people and programs take it: one file each, and one row here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from agent.wire.message import Translate
from inventory.export.csv import write_csv
from inventory.export.json import write_json
from inventory.export.xlsx import write_xlsx
from inventory.investment import InvestmentList


@dataclass(frozen=True, slots=True)
class Export:
    """One form.

    Args:
        content_type: for an HTTP answer.
        suffix: of a file's name, with the dot.
        write: the list, a translation function and the day as bytes.
    """

    content_type: str
    suffix: str
    write: Callable[[InvestmentList, Translate, dt.date], bytes]


EXPORTS: dict[str, Export] = {
    "xlsx": Export("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx", write_xlsx),
    "csv": Export("text/csv; charset=utf-8", ".csv", write_csv),
    "json": Export("application/json", ".json", write_json),
}
