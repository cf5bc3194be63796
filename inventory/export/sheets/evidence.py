"""The sheet by which an auditor traces every line: norms, evidence, decisions of people, remarks, doubts."""

from __future__ import annotations

from collections.abc import Iterable

from agent.wire.message import Translate, mark
from inventory.assessment import Assessment
from inventory.export.columns import recommendation_basis
from inventory.export.heading import heading_of
from inventory.export.notes import bases
from inventory.export.sheets.names import EVIDENCE_SHEET
from inventory.export.wording import sentence, sentences
from inventory.export.workbook import DocumentWorkbook, Field, Value
from inventory.investment import InvestmentList
from inventory.overrides import override_sentences

_Row = tuple[Value, ...]

FIELDS = (
    Field(mark("Reference"), 20),
    Field(mark("Unit"), 20),
    Field(mark("Equipment"), 28),
    Field(mark("Kind of basis"), 16),
    Field(mark("Made at the earliest"), 13, "day"),
    Field(mark("Made at the latest"), 13, "day"),
    Field(mark("What it says"), 80),
)


def write_evidence(book: DocumentWorkbook, whole: InvestmentList) -> None:
    """Writes the sheet; a norm's row bears the day from which it applies in the column of the earliest day."""
    rows = [list(row) for row in _rows(book, whole)]
    book.listing(EVIDENCE_SHEET, FIELDS, rows, book.translate(mark("There is no evidence.")))


def _rows(book: DocumentWorkbook, whole: InvestmentList) -> Iterable[_Row]:
    translate = book.translate
    for norm in (whole.useful_life, whole.price_caps, whole.quantities):
        if norm is not None:
            said = f"{norm.article}. {translate(norm.note)}" if norm.note else norm.article
            yield norm.title, "", "", translate(mark("norm")), norm.effective_from, None, said
    for basis in bases(whole, heading_of(whole.block), translate):
        yield "", "", "", translate(mark("basis")), None, None, basis
    for one in (*whole.items, *whole.to_verify):
        yield from _traces(one, whole, translate)
    for doubt in whole.doubts:
        references = [*(f"A{number}" for number in doubt.asset_ids), *(f"D{d}" for d in doubt.device_ids)]
        said = sentence(doubt.why, translate)
        yield ", ".join(references), "", "", translate(mark("doubtful match")), None, None, said


def _traces(one: Assessment, whole: InvestmentList, translate: Translate) -> Iterable[_Row]:
    """Everything that is known of one line."""
    place = (one.item.reference, whole.unit_name(one.item.unit_code), one.item.name)
    if one.override is not None:
        told = override_sentences(one.override, one.estimate.over_10_years, whole.threshold_years)
        yield *place, translate(mark("decision of a person")), None, None, sentences(told, translate)
    if one.legal_basis:
        yield *place, translate(mark("basis")), None, None, recommendation_basis(one)
    for piece in one.estimate.evidence:
        said = sentence(piece.why, translate)
        yield *place, translate(mark("evidence of age")), piece.earliest, piece.latest, said
    if not one.estimate.evidence:
        for why in one.evidence:
            yield *place, translate(mark("word of the register")), None, None, sentence(why, translate)
    for remark in one.remarks:
        yield *place, translate(mark("remark")), None, None, sentence(remark, translate)
