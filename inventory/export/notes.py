"""On what a document rests, and what of it is not confirmed: bases and numbered notes, for every form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.wire.message import Message, Translate, mark
from inventory.assessment import Assessment
from inventory.equipment import equipment_kinds
from inventory.export.heading import Heading
from inventory.export.wording import sentence
from inventory.investment import InvestmentList

_Note = tuple[Message, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Notes:
    """Numbered notes.

    Args:
        lines: the notes, the first is number 1.
        marks: key of a column -> numbers of the notes on it, as `1,3`; empty where it has none.
    """

    lines: list[str]
    marks: Mapping[str, str]


def notes_of(whole: InvestmentList, translate: Translate) -> Notes:
    """The notes of a list: first what the law's texts leave unconfirmed, then what limits the numbers."""
    lines: list[str] = []
    marks: dict[str, list[str]] = {"expired": [], "remaining": [], "price_cap": []}

    for message, columns in (*_on_the_law(whole, translate), *_on_the_numbers(whole)):
        lines.append(sentence(message, translate))
        for column in columns:
            marks[column].append(str(len(lines)))
    return Notes(lines, {column: ",".join(numbers) for column, numbers in marks.items()})


def _on_the_law(whole: InvestmentList, translate: Translate) -> Iterable[_Note]:
    """What of the norms is not confirmed by the official text."""
    life, caps = whole.useful_life, whole.price_caps
    for norm, columns in ((life, ("expired", "remaining")), (caps, ("price_cap",))):
        if norm is not None and norm.confidence != "high":
            pattern = mark("{title}, {article}: values still to be checked against the official text.")
            yield Message(pattern, {"title": norm.title, "article": norm.article}), columns
    if life is not None:
        low = {row.code for row in life.classes if row.confidence == "low"}
        used = {one.item.kind for one in whole.items}
        kinds = [kind for kind in equipment_kinds().values() if kind.code in used and kind.useful_life_class in low]
        if kinds:
            pattern = mark("Under which class of {title} these kinds fall is an inference: {kinds}.")
            labels = ", ".join(translate(kind.label) for kind in kinds)
            yield Message(pattern, {"title": life.title, "kinds": labels}), ("expired", "remaining")
    if caps is None or life is None:
        yield Message(mark("For this day no norm is known for some columns; they are left empty.")), ()
    for message in whole.footnotes:
        yield message, ()


def _on_the_numbers(whole: InvestmentList) -> Iterable[_Note]:
    """What the numbers are, what they leave out, and how a line is traced."""
    yield Message(mark("Amounts are the highest allowed prices of new equipment, not quotations.")), ("price_cap",)
    if any(one.price_cap and one.price_cap.excludes_software for one in whole.items):
        pattern = mark(
            "Prices of computers are without operating system and software licences, which are lines of their own."
        )
        yield Message(pattern), ("price_cap",)
    if any(one.amount_vnd is None for one in whole.items):
        pattern = mark(
            "Equipment without a price cap is counted but has no amount; its authority decides at market price."
        )
        yield Message(pattern), ()
    if whole.to_verify:
        pattern = mark(
            "{count} items whose age is uncertain are not in this list; "
            "the workbook (XLSX) has them on a sheet of their own."
        )
        yield Message(pattern, {"count": len(whole.to_verify)}), ()
    if others := other_proposals(whole):
        pattern = mark(
            "{count} items that are not over the threshold are proposed for something else than keeping; "
            "the workbook (XLSX) has them on a sheet of their own."
        )
        yield Message(pattern, {"count": len(others)}), ()
    if whole.doubts:
        pattern = mark(
            "{count} pairs of register rows and terminals are doubtful; see the last sheet of the workbook (XLSX)."
        )
        yield Message(pattern, {"count": len(whole.doubts)}), ()
    pattern = mark(
        "Reference: A and a number is an asset of the register, D and an identity is a terminal of the collector; "
        "the sheet of evidence in the workbook (XLSX) has the reasons for each."
    )
    yield Message(pattern), ()


def other_proposals(whole: InvestmentList) -> tuple[Assessment, ...]:
    """Items that are not over the threshold and yet are not to be kept as they are."""
    return tuple(one for one in whole.not_listed if one.recommendation != "keep")


def bases(whole: InvestmentList, heading: Heading, translate: Translate) -> list[str]:
    """The legal bases, one a line: norms in force on the day, articles the recommendations rest on, who decides."""
    lines = []
    for norm in (whole.price_caps, whole.quantities if whole.additions else None, whole.useful_life):
        if norm is not None:
            day = norm.effective_from.strftime("%d/%m/%Y")
            parameters = {"title": norm.title, "article": norm.article, "day": day}
            lines.append(Message(mark("{title} ({article}), in force since {day}"), parameters).render(translate))
    grounds = {basis.code: basis for one in whole.items for basis in one.legal_basis}
    lines += [f"{ground.title}, {ground.article}: {sentence(ground.says, translate)}" for ground in grounds.values()]
    pattern = translate(
        mark("Over {years} years is a priority; whether a piece may be replaced is a question of liquidation.")
    )
    lines.append(pattern.format(years=whole.threshold_years))
    if heading.authority:
        pattern = translate(mark("Authority for what exceeds the norm: {authority} ({article})"))
        lines.append(pattern.format(authority=heading.authority, article=heading.authority_article))
    return lines
