"""A survey's sheets as staff, lines and refused rows. Pure: the file, the unit and the day come as arguments."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from agent.wire.message import Message, mark
from inventory.assets import block_code
from inventory.collation import normalise, search_key
from inventory.norms import PostGroups
from inventory.register.errors import UnreadableFileError
from inventory.register.headers import find_header, is_column_numbers, skipped_row_words
from inventory.register.rows import Origin, RejectedRow, RowError, SkippedRow
from inventory.register.sheet import Cell, RegisterFile, Sheet, cell_text, column_letter
from inventory.register.values import Problem
from inventory.staffing.headers import SurveyHeader, find_survey_header
from inventory.staffing.model import SiteLine, Staffing
from inventory.units import Unit, UnitError, find_unit

LARGEST_HEADCOUNT = 5000
SMALLEST_CAPACITY_KBIT = 64
LARGEST_CAPACITY_KBIT = 100_000_000
_LONGEST_TEXT = 200

_HEADCOUNT = re.compile(r"(\d{1,6})(?:[.,]0+)?\s*(?:người|nguoi|biên chế|bien che)?", re.IGNORECASE)
_CAPACITY = re.compile(r"(\d+(?:[.,]\d+)?)\s*(k|m|g)?(?:(?:bps|bit/s|b/s|bit|b)(?:/s)?)?", re.IGNORECASE)
_RATE = re.compile(r"\b(k|m|g)(?:bps|bit/s|b/s|bit)", re.IGNORECASE)
_KBIT = {"k": 1, "m": 1000, "g": 1_000_000}
_GROUP_WORDS = re.compile(r"(?:nhom |group )?vi{1,3}")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class StaffRow:
    """A row that says how many people an office has."""

    origin: Origin
    value: Staffing


@dataclass(frozen=True, slots=True)
class LineRow:
    """A row that says what line a site has."""

    origin: Origin
    value: SiteLine


SurveyRow = StaffRow | LineRow


@dataclass(frozen=True, slots=True)
class SurveyRows:
    """All rows of a survey in order, what was left out, and notes on sheets and columns that were not used."""

    rows: tuple[SurveyRow | RejectedRow, ...]
    skipped: tuple[SkippedRow, ...]
    notes: tuple[Message, ...]


def read_survey(file: RegisterFile, *, default_unit: Unit | None, as_of: dt.date, posts: PostGroups) -> SurveyRows:
    """Judges every row of every sheet whose titles are those of a survey.

    Args:
        file: as `inventory.register.reading` gives it.
        default_unit: the unit of rows that name none; a row that names another one is refused.
        as_of: the day the survey speaks of.
        posts: which post belongs to which group.

    Raises:
        UnreadableFileError: no sheet has titles of a survey.
    """
    rows: list[SurveyRow | RejectedRow] = []
    skipped: list[SkippedRow] = []
    notes: list[Message] = list(file.notes)
    found_any = False
    seen: dict[tuple[str, ...], Origin] = {}
    for sheet in file.sheets:
        header = find_survey_header(sheet.rows)
        if header is None:
            notes.extend(_left_out(sheet))
            continue
        found_any = True
        unused = mark("sheet “{sheet}”: the column “{title}” is not used")
        notes.extend(Message(unused, {"sheet": sheet.name or "CSV", "title": title}) for title in header.unused)
        judge = _Judge(header, default_unit, as_of, posts)
        for outcome in _judged(sheet, header, judge):
            if isinstance(outcome, SkippedRow):
                skipped.append(outcome)
            else:
                rows.append(_once(outcome, seen))
    if not found_any:
        raise _no_header(file)
    return SurveyRows(tuple(rows), tuple(skipped), tuple(notes))


def _judged(sheet: Sheet, header: SurveyHeader, judge: _Judge) -> Iterator[SurveyRow | RejectedRow | SkippedRow]:
    totals, signatures = skipped_row_words()
    for row in sheet.rows:
        if row.number <= header.row or (row.number == header.row + 1 and is_column_numbers(row.cells)):
            continue
        origin = Origin(sheet.name, row.number, row.cells, header.titles)
        words = [search_key(cell_text(cell)) for cell in row.cells if cell is not None]
        first = next((word for word in words if word and not word.isdecimal()), "")
        why = next(
            (
                pattern
                for known, pattern in ((totals, mark("a total")), (signatures, mark("a signature")))
                if any(first == word or first.startswith(f"{word} ") for word in known)
            ),
            None,
        )
        if why is not None and not judge.names_something(origin):
            yield SkippedRow(origin, Message(why))
        else:
            yield judge.row(origin)


def _once(row: SurveyRow | RejectedRow, seen: dict[tuple[str, ...], Origin]) -> SurveyRow | RejectedRow:
    if isinstance(row, RejectedRow):
        return row
    key = (type(row).__name__, *row.value.key)
    first = seen.setdefault(key, row.origin)
    if first is row.origin:
        return row
    where = f"{first.sheet}!{first.number}" if first.sheet else str(first.number)
    found = Message(mark("the same office and post (or site) already stands in row {where}"), {"where": where})
    return RejectedRow(row.origin, (RowError("", "", found, Message(mark("each of them once"))),))


@dataclass(slots=True)
class _Judge:
    """Turns the rows of one sheet into values."""

    header: SurveyHeader
    unit: Unit | None
    as_of: dt.date
    posts: PostGroups

    def row(self, origin: Origin) -> SurveyRow | RejectedRow:
        """The row as values, or with every error in it."""
        errors: list[RowError] = []
        unit = self._unit(origin, errors)
        site = self._text(origin, "site", errors)
        if self.header.kind == "line":
            return self._line(origin, unit, site, errors)
        return self._staff(origin, unit, site, errors)

    def names_something(self, origin: Origin) -> bool:
        """Whether the row has what only a row of the survey has: a post, or a CPE."""
        return bool(self._raw(origin, "post") or self._raw(origin, "cpe_model") or self._raw(origin, "cpe_serial"))

    def _staff(self, origin: Origin, unit: Unit | None, site: str, errors: list[RowError]) -> SurveyRow | RejectedRow:
        block = block_code(self._raw(origin, "block")) or (None if self._raw(origin, "block") else block_code(site))
        if block is None:
            text = self._raw(origin, "block")
            found = (
                Message(mark("“{text}” is no block"), {"text": text[:60]})
                if text
                else Message(mark("the block is missing"))
            )
            errors.append(self._error("block", found, Message(mark("Party, Fatherland Front, or State bodies"))))
        post = self._text(origin, "post", errors)
        group = self.posts.group_of(post) if post else None
        if group is None:
            found = (
                Message(mark("the post “{text}” has no group in the table of posts"), {"text": post[:60]})
                if post
                else Message(mark("the post is missing"))
            )
            errors.append(
                self._error(
                    "post",
                    found,
                    Message(mark("VI, VII or VIII, or a post of the table (as {example})"), self._example()),
                )
            )
        count = self._parsed(origin, "headcount", headcount, errors)
        if count is None and not any(error.field == "headcount" for error in errors):
            errors.append(
                self._error("headcount", Message(mark("the number of staff is missing")), _headcount_expected())
            )
        if errors or unit is None or block is None or group is None or count is None:
            return RejectedRow(origin, tuple(errors))
        named = "" if _GROUP_WORDS.fullmatch(search_key(post)) else post
        return StaffRow(origin, Staffing(unit.code, block, group, count, self.as_of, site, named))

    def _line(self, origin: Origin, unit: Unit | None, site: str, errors: list[RowError]) -> SurveyRow | RejectedRow:
        texts = {field: self._text(origin, field, errors) or None for field in ("cpe_model", "cpe_serial", "carrier")}
        both, up, down = (
            self._parsed(origin, field, lambda cell, field=field: capacity_kbit(cell, self._rate(field)), errors)  # type: ignore[misc]  # the default only binds the name
            for field in ("capacity", "up", "down")
        )
        if not errors and both is None and up is None and down is None and not any(texts.values()):
            found = Message(mark("the row says nothing of a line"))
            errors.append(RowError("", "", found, Message(mark("a CPE or a capacity"))))
        if errors or unit is None:
            return RejectedRow(origin, tuple(errors))
        line = SiteLine(
            unit.code,
            self.as_of,
            site,
            up_kbit_per_second=up if up is not None else both,
            down_kbit_per_second=down if down is not None else both,
            **texts,
        )
        return LineRow(origin, line)

    def _rate(self, field: str) -> str:
        """The unit that the column's title states: `m` of `Hướng đi (Mbps)`."""
        match = _RATE.search(self.header.titles[self.header.columns[field]])
        return match[1].lower() if match else ""

    def _example(self) -> dict[str, str | int | float]:
        return {"example": ", ".join(post.name for post in self.posts.posts[:2])}

    def _raw(self, origin: Origin, field: str) -> str:
        return normalise(cell_text(self._cell(origin, field)))

    def _cell(self, origin: Origin, field: str) -> Cell:
        index = self.header.columns.get(field)
        return origin.cells[index] if index is not None and index < len(origin.cells) else None

    def _text(self, origin: Origin, field: str, errors: list[RowError]) -> str:
        text = self._raw(origin, field)
        if len(text) > _LONGEST_TEXT:
            found = Message(mark("the text has {length} characters"), {"length": len(text)})
            errors.append(self._error(field, found, Message(mark("at most {limit}"), {"limit": _LONGEST_TEXT})))
        return text

    def _parsed(
        self, origin: Origin, field: str, parse: Callable[[Cell], _Value], errors: list[RowError]
    ) -> _Value | None:
        cell = self._cell(origin, field)
        if cell is None or not cell_text(cell).strip():
            return None
        try:
            return parse(cell)
        except Problem as problem:
            errors.append(self._error(field, problem.found, problem.expected))
            return None

    def _unit(self, origin: Origin, errors: list[RowError]) -> Unit | None:
        text = self._raw(origin, "unit")
        expected = Message(mark("the code or name of a commune or ward of Nghệ An"))
        if not text:
            if self.unit is None:
                errors.append(self._error("unit", Message(mark("the unit is missing")), expected))
            return self.unit
        try:
            unit = find_unit(text)
        except UnitError as error:
            errors.append(self._error("unit", error.message, expected))
            return None
        if self.unit is not None and unit.code != self.unit.code:
            found = Message(mark("the row belongs to {unit} ({code})"), {"unit": unit.name, "code": unit.code})
            wanted = Message(
                mark("{unit} ({code}), which the import is for"), {"unit": self.unit.name, "code": self.unit.code}
            )
            errors.append(self._error("unit", found, wanted))
            return None
        return unit

    def _error(self, field: str, found: Message, expected: Message) -> RowError:
        index = self.header.columns.get(field)
        return RowError(field, "" if index is None else column_letter(index), found, expected)


def headcount(cell: Cell) -> int:
    """How many people: a whole number from 0 on.

    Raises:
        Problem: anything else.
    """
    text = cell_text(cell).strip()
    match = _HEADCOUNT.fullmatch(text)
    if match is None or int(match[1]) > LARGEST_HEADCOUNT:
        raise Problem(Message(mark("“{text}” is no number of staff"), {"text": text[:60]}), _headcount_expected())
    return int(match[1])


def capacity_kbit(cell: Cell, rate: str = "") -> int:
    """A line's capacity in kbit/s.

    Args:
        cell: as `200 Mbps`, `1 Gbps`, `512 kbps`, or a number where `rate` tells its unit.
        rate: `k`, `m` or `g`: the unit of the column's title, empty where it states none.

    Raises:
        Problem: no number, no unit, or beyond 64 kbit/s to 100 Gbit/s.
    """
    text = cell_text(cell).strip()
    expected = Message(mark("a capacity with its unit, as 200 Mbps"))
    match = _CAPACITY.fullmatch(text)
    unit = ((match[2] or rate) if match else "").lower()
    try:
        number = Decimal(match[1].replace(",", ".")) if match else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if match is None or not unit or not number.is_finite():
        raise Problem(Message(mark("“{text}” is no capacity of a line"), {"text": text[:60]}), expected)
    kbit = int(number * _KBIT[unit])
    if not SMALLEST_CAPACITY_KBIT <= kbit <= LARGEST_CAPACITY_KBIT:
        raise Problem(Message(mark("“{text}” cannot be the capacity of a line"), {"text": text[:60]}), expected)
    return kbit


def _headcount_expected() -> Message:
    return Message(mark("a whole number from 0 to {last}; 0 where there is none"), {"last": LARGEST_HEADCOUNT})


def _left_out(sheet: Sheet) -> Iterator[Message]:
    if not sheet.rows:
        return
    if find_header(sheet.rows) is not None:
        pattern = mark("sheet “{sheet}” lists equipment: it is read by “thongmang inventory import”, not here")
    else:
        pattern = mark("sheet “{sheet}” has no column titles of a survey and was left out")
    yield Message(pattern, {"sheet": sheet.name or "CSV"})


def _no_header(file: RegisterFile) -> UnreadableFileError:
    sheet = next((sheet for sheet in file.sheets if sheet.rows), None)
    if sheet is None:
        return UnreadableFileError(Message(mark("{file}: the file is empty"), {"file": file.name}))
    return UnreadableFileError(
        Message(
            mark(
                "{file}, sheet “{sheet}”, row {row}: no row of column titles of a survey; expected “Chức danh” and “Số "
                "biên chế”, or “Model CPE” and “Hướng đi (Mbps)”, “Hướng về (Mbps)”"
            ),
            {"file": file.name, "sheet": sheet.name or "CSV", "row": sheet.rows[0].number},
        )
    )
