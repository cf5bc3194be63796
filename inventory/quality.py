"""How good each unit's data are, on four words: đúng, đủ, sạch, sống. Pure; docs/quality.md defines them."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from agent.wire.message import Message, mark
from inventory.assessment import Assessment
from inventory.assets import AssetValues, code_key
from inventory.collation import search_key
from inventory.equipment import OTHER
from inventory.identity import Doubt, terminal_serial
from inventory.items import Item
from inventory.register.legacy_text import recognise
from inventory.serials import serial_key

Word = Literal["correct", "sufficient", "clean", "alive"]

WORD_LABELS: dict[Word, str] = {
    "correct": mark("Correct"),
    "sufficient": mark("Sufficient"),
    "clean": mark("Clean"),
    "alive": mark("Alive"),
}
WORDS: tuple[Word, ...] = ("correct", "sufficient", "clean", "alive")

# A terminal is alive if it reported within so many days, a register row if its file was imported within so many.
ALIVE_TERMINAL_DAYS = 30
ALIVE_REGISTER_DAYS = 365

_LOST_SIGN = "\ufffd"
# A question mark between letters is what an earlier conversion made of a Vietnamese letter: see `is_unreadable`.
_REQUIRED: tuple[tuple[str, str], ...] = (
    ("year_put_into_use", mark("The year put into use is missing.")),
    ("original_cost_vnd", mark("The original cost is missing.")),
    ("condition", mark("The condition is missing.")),
)


@dataclass(frozen=True, slots=True)
class OutstandingRow:
    """A row of a register file that was rejected and not put right since.

    Args:
        import_id: the import that rejected it.
        sheet: name of its sheet, empty for CSV.
        row_number: as the spreadsheet shows it.
        unit_code: its unit, empty where the row does not tell.
        reasons: why it was rejected.
    """

    import_id: int
    sheet: str
    row_number: int
    unit_code: str
    reasons: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Shortfall:
    """One row that falls short of one of the words.

    Args:
        reference: `A12`, `D...` or both, as on the list; `I3/7` is row 7 of import 3.
        name: what people call it.
        device_id: the terminal, where there is one.
        import_id: the import, where it is a rejected row.
        reasons: in what it falls short.
    """

    reference: str
    name: str
    device_id: str | None
    import_id: int | None
    reasons: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class QualityPart:
    """One word of one unit; the rows that fall short are exactly `denominator - numerator`.

    Args:
        word: which.
        numerator: rows that meet it.
        denominator: rows that could be judged; 0 means that there are no data, which is not 100 %.
        shortfalls: rows that do not meet it.
    """

    word: Word
    numerator: int
    denominator: int
    shortfalls: tuple[Shortfall, ...]

    @property
    def ratio(self) -> float | None:
        """From 0 to 1, None where nothing could be judged."""
        return self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True, slots=True)
class UnitQuality:
    """The four words of one unit, in their order; `unit_code` is empty for rows that tell no unit."""

    unit_code: str
    parts: tuple[QualityPart, ...]

    def part(self, word: Word) -> QualityPart:
        """One word's."""
        return self.parts[WORDS.index(word)]


@dataclass(frozen=True, slots=True)
class Freshness:
    """When data were last heard of.

    Args:
        reported_on: terminal -> day of its newest report.
        stated_on: asset number -> day on which a register file last stated it.
    """

    reported_on: Mapping[str, dt.date]
    stated_on: Mapping[int, dt.date]


@dataclass(frozen=True, slots=True)
class Repeats:
    """What stands more often than once in the whole province, so that a unit's rows can be told from others'."""

    serials: frozenset[str]
    codes: frozenset[tuple[str, str]]
    doubtful_assets: Mapping[int, Message]


def repeats_of(ones: Sequence[Assessment], doubts: Iterable[Doubt]) -> Repeats:
    """Serials and asset codes that several lines carry, and register rows that may be one of several terminals."""
    serials = Counter(key for one in ones if (key := serial_key(one.item.serial)))
    codes: Counter[tuple[str, str]] = Counter()
    for one in ones:
        values = one.item.asset.values if one.item.asset else None
        # One code on several serials is a set (a desk with its computer and screen), not a repeat.
        if values and not serial_key(values.serial) and (key := code_key(values.asset_code)):
            codes[values.unit_code, key] += 1
    return Repeats(
        frozenset(key for key, count in serials.items() if count > 1),
        frozenset(key for key, count in codes.items() if count > 1),
        {number: doubt.why for doubt in doubts for number in doubt.asset_ids},
    )


def province_quality(
    ones: Sequence[Assessment],
    doubts: Iterable[Doubt],
    rejected: Iterable[OutstandingRow],
    freshness: Freshness,
    *,
    as_of: dt.date,
) -> dict[str, UnitQuality]:
    """Unit code -> its quality, for every unit that has a terminal, a register row or a rejected row.

    Args:
        ones: every line of the whole list, listed or not.
        doubts: of the list.
        rejected: rows that were rejected and not put right.
        freshness: when each terminal reported and each row was stated.
        as_of: the day of judgement.
    """
    repeats = repeats_of(ones, doubts)
    by_unit: dict[str, list[Assessment]] = {}
    rows_by_unit: dict[str, list[OutstandingRow]] = {}
    for one in ones:
        by_unit.setdefault(one.item.unit_code, []).append(one)
    for row in rejected:
        rows_by_unit.setdefault(row.unit_code, []).append(row)
    return {
        code: unit_quality(
            code, by_unit.get(code, ()), rows_by_unit.get(code, ()), freshness, repeats=repeats, as_of=as_of
        )
        for code in by_unit.keys() | rows_by_unit.keys()
    }


def unit_quality(
    unit_code: str,
    ones: Sequence[Assessment],
    rejected: Sequence[OutstandingRow],
    freshness: Freshness,
    *,
    repeats: Repeats,
    as_of: dt.date,
) -> UnitQuality:
    """The four words of one unit, each judged on the lines it can be judged on."""
    both = [one for one in ones if one.item.device and one.item.asset]
    judges: dict[Word, tuple[Sequence[Assessment], Callable[[Assessment], Iterator[Message]]]] = {
        "correct": (both, _disagreements),
        "sufficient": (ones, _missing),
        "clean": (ones, lambda one: _unclean(one.item, repeats)),
        "alive": (ones, lambda one: _silences(one.item, freshness, as_of)),
    }
    found: dict[Word, list[Shortfall]] = {
        word: [_shortfall(one.item, reasons) for one in lines if (reasons := tuple(judge(one)))]
        for word, (lines, judge) in judges.items()
    }
    found["clean"] += [_rejected_shortfall(row) for row in rejected]
    judged = {word: len(lines) for word, (lines, _) in judges.items()}
    judged["clean"] += len(rejected)
    return UnitQuality(
        unit_code,
        tuple(QualityPart(word, judged[word] - len(found[word]), judged[word], tuple(found[word])) for word in WORDS),
    )


def _disagreements(one: Assessment) -> Iterator[Message]:
    """Where register and terminal, or pieces of the terminal's own evidence, cannot both be right."""
    item, estimate = one.item, one.estimate
    if item.asset is None or item.device is None:
        return
    values = item.asset.values
    stated, own = serial_key(values.serial), terminal_serial(item.device.facts)
    if stated and own and not _serial_among(stated, item):
        yield Message(
            mark("The register says serial {register}, the terminal says {terminal}."),
            {"register": str(values.serial), "terminal": own},
        )
    if values.model and item.model and not _share_a_word(values.model, f"{item.manufacturer} {item.model}"):
        yield Message(
            mark("The register says model {register}, the terminal says {terminal}."),
            {"register": values.model, "terminal": item.model},
        )
    if values.unit_code != item.device.unit_code:
        yield Message(
            mark("The register has it in unit {register}, it reports from unit {device}."),
            {"register": values.unit_code, "device": item.device.unit_code},
        )
    year = item.year_put_into_use
    if year is not None and estimate.earliest is not None and year < estimate.earliest.year:
        yield Message(
            mark("The register says it was put into use in {year}, but it was not made before {day}."),
            {"year": str(year), "day": estimate.earliest.isoformat()},
        )
    yield from estimate.contradictions


def _serial_among(stated: str, item: Item) -> bool:
    """Whether the register's serial is that of the system, the board or the case."""
    facts = item.device.facts if item.device else {}
    for name in ("system", "baseboard", "chassis"):
        rows = facts.get(name)
        for row in rows if isinstance(rows, list) else ():
            text = row.get("serial")
            if isinstance(text, str) and serial_key(text) == stated:
                return True
    return False


def _share_a_word(register: str, terminal: str) -> bool:
    """Whether two spellings of a model may be one: a word with a digit in common, or one holds the other."""
    one, other = search_key(register), search_key(terminal)
    compact, other_compact = one.replace(" ", ""), other.replace(" ", "")
    if compact in other_compact or other_compact in compact:
        return True
    numbers = {word for word in one.split() if any(sign.isdigit() for sign in word)}
    if not numbers:
        return bool(set(one.split()) & set(other.split()))
    return any(word in other_compact for word in numbers)


def _missing(one: Assessment) -> Iterator[Message]:
    """What the register does not say of it; of a terminal without a row it says nothing at all."""
    item = one.item
    if item.asset is None:
        yield Message(mark("It is not in the register."))
        return
    values = item.asset.values
    for field, pattern in _REQUIRED:
        if getattr(values, field) is None:
            yield Message(pattern)
    if item.block is None:
        yield Message(mark("The block (Party, Front, State) is missing."))
    if item.kind == OTHER:
        yield Message(mark("What kind of equipment it is cannot be told."))
    if item.is_computer and not item.serial:
        yield Message(mark("The serial is missing."))
    elif not item.serial and not code_key(values.asset_code):
        yield Message(mark("Both serial and asset code are missing."))


def _unclean(item: Item, repeats: Repeats) -> Iterator[Message]:
    """Repeats, placeholders, unreadable text, and rows of which it is not clear what they are."""
    key = serial_key(item.serial)
    if key in repeats.serials:
        yield Message(mark("Serial {value} stands on several lines."), {"value": item.serial})
    if item.asset is None:
        return
    values = item.asset.values
    code = code_key(values.asset_code)
    if code and not serial_key(values.serial) and (values.unit_code, code) in repeats.codes:
        yield Message(mark("Asset code {value} stands on several lines."), {"value": str(values.asset_code)})
    if values.serial and serial_key(values.serial) is None:
        yield Message(mark("Serial “{value}” is a placeholder."), {"value": values.serial})
    for text in _texts(values):
        if is_unreadable(text):
            yield Message(mark("“{value}” is not readable: signs were lost or its encoding is wrong."), {"value": text})
    if item.asset.id in repeats.doubtful_assets:
        yield repeats.doubtful_assets[item.asset.id]


def _texts(values: AssetValues) -> Iterator[str]:
    for field in ("name", "manufacturer", "model", "department", "assigned_to", "condition", "note"):
        text = getattr(values, field)
        if text:
            yield text


@lru_cache(maxsize=65_536)
def is_unreadable(text: str) -> bool:
    """Whether signs of the text were lost (`M?y t?nh`, U+FFFD), or it is in an encoding of before Unicode."""
    if _LOST_SIGN in text:
        return True
    lost = sum(
        text[place - 1].isalpha() and text[place + 1].isalpha()
        for place in range(1, len(text) - 1)
        if text[place] == "?"
    )
    return lost > 0 or (not text.isascii() and recognise([text]) != "unicode")


def _silences(item: Item, freshness: Freshness, as_of: dt.date) -> Iterator[Message]:
    """How long a terminal has not reported; how long nobody has stated a row without a terminal."""
    if item.device is not None:
        day = freshness.reported_on.get(item.device.id)
        if day is None:
            yield Message(mark("It has never reported."))
        elif (as_of - day).days > ALIVE_TERMINAL_DAYS:
            yield Message(
                mark("It has not reported since {day}, for more than {days} days."),
                {"day": day.isoformat(), "days": ALIVE_TERMINAL_DAYS},
            )
        return
    stated = freshness.stated_on.get(item.asset.id) if item.asset else None
    if stated is None or (as_of - stated).days > ALIVE_REGISTER_DAYS:
        yield Message(mark("No register has stated it for more than {days} days."), {"days": ALIVE_REGISTER_DAYS})


def _shortfall(item: Item, reasons: tuple[Message, ...]) -> Shortfall:
    return Shortfall(item.reference, item.name, item.device.id if item.device else None, None, reasons)


def _rejected_shortfall(row: OutstandingRow) -> Shortfall:
    place = f"{row.sheet}!{row.row_number}" if row.sheet else str(row.row_number)
    head = Message(
        mark("Row {row} of import {number} was rejected and not put right."), {"row": place, "number": row.import_id}
    )
    return Shortfall(f"I{row.import_id}/{row.row_number}", "", None, row.import_id, (head, *row.reasons))
