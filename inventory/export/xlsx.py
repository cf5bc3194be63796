"""The list as a workbook that the committee prints and calculates with."""

from __future__ import annotations

import datetime as dt

from agent.wire.message import Translate
from inventory.export.notes import other_proposals
from inventory.export.sheets.additions import write_additions
from inventory.export.sheets.evidence import write_evidence
from inventory.export.sheets.items import write_items
from inventory.export.sheets.names import LIST_SHEET, OTHERS_SHEET, VERIFY_SHEET
from inventory.export.sheets.overview import write_overview
from inventory.export.sheets.planning import write_plan
from inventory.export.sheets.units import write_units
from inventory.export.workbook import DocumentWorkbook
from inventory.investment import InvestmentList
from inventory.plan.model import InvestmentPlan


def write_xlsx(
    whole: InvestmentList,
    translate: Translate,
    as_of: dt.date,
    *,
    plan: InvestmentPlan | None = None,
) -> bytes:
    """The workbook; the sheet of the list has one title row and then exactly one row for each listed item.

    Args:
        whole: the list.
        translate: to the reader's language.
        as_of: the day of the list.
        plan: what is bought in which year; without one the sheet says that no ceiling was given.
    """
    book = DocumentWorkbook(translate, as_of)
    write_overview(book, whole)
    write_units(book, whole)
    write_items(book, LIST_SHEET, whole, whole.items).activate()
    write_items(book, VERIFY_SHEET, whole, whole.to_verify)
    if others := other_proposals(whole):
        write_items(book, OTHERS_SHEET, whole, others)
    write_additions(book, whole.shortages)
    write_plan(book, plan)
    write_evidence(book, whole)
    return book.content()
