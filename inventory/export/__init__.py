"""The investment list in the forms people and programs take it: one file each, and one row here."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

from agent.wire.message import Translate
from inventory.export.csv import write_csv
from inventory.export.json import write_json
from inventory.export.pdf import write_pdf
from inventory.export.xlsx import write_xlsx
from inventory.investment import InvestmentList
from inventory.plan.model import InvestmentPlan


class WriteDocument(Protocol):
    """Writes the list in one form; the plan by year goes into the forms that have room for it."""

    def __call__(
        self,
        whole: InvestmentList,
        translate: Translate,
        as_of: dt.date,
        /,
        *,
        plan: InvestmentPlan | None = None,
    ) -> bytes:
        """The document.

        Raises:
            inventory.export.errors.DocumentError: it cannot be made here; the message says why.
        """


@dataclass(frozen=True, slots=True)
class Export:
    """One form.

    Args:
        content_type: for an HTTP answer.
        suffix: of a file's name, with the dot.
        write: makes the document of the list, a translation function and the day.
    """

    content_type: str
    suffix: str
    write: WriteDocument


EXPORTS: dict[str, Export] = {
    "xlsx": Export("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx", write_xlsx),
    "pdf": Export("application/pdf", ".pdf", write_pdf),
    "csv": Export("text/csv; charset=utf-8", ".csv", write_csv),
    "json": Export("application/json", ".json", write_json),
}
