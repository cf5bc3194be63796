"""A register file's sheets as asset rows and refused rows. Pure: the file, the unit and the day come as arguments."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from agent.wire.message import Message, mark
from inventory.assets import AssetValues, block_code
from inventory.collation import search_key
from inventory.equipment import OTHER, kind_of_text
from inventory.register import values
from inventory.register.errors import UnreadableFileError
from inventory.register.headers import (
    ROWS_SEARCHED,
    Header,
    find_header,
    is_column_numbers,
    is_running_number,
    is_survey,
    skipped_row_words,
)
from inventory.register.sheet import Cell, RegisterFile, Row, Sheet, cell_text, column_letter
from inventory.register.sheet_names import CHOICES_SHEET, GUIDE_SHEET, LINE_SHEET, STAFF_SHEET
from inventory.register.values import Problem
from inventory.units import Unit, UnitError, find_unit

_ROMAN_OR_LETTER = re.compile(r"(?:[IVXLC]+|[A-ZĐ])\.?")
_UNIT_WORDS = re.compile(r"\b(xã|xa|phường|phuong|thị trấn|thi tran|huyện|huyen)\b|\b[xp]\.", re.IGNORECASE)
_PREAMBLE_UNIT = re.compile(r"(?:tên\s+)?(?:đơn vị|cơ quan)[^:]*:\s*(.+)", re.IGNORECASE)
_Value = TypeVar("_Value")
_DAMAGED = "\ufffd"
_LONGEST_TEXT = 500
_ROWS_NAMED = 10
# Filled in beforehand or by dragging a cell down; alone they say nothing of an asset.
_PREFILLED = frozenset({"unit", "block", "kind"})

_TEXT_FIELDS = (
    "asset_code",
    "serial",
    "manufacturer",
    "model",
    "department",
    "assigned_to",
    "computer_name",
    "condition",
    "note",
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row stands: the sheet's name (empty for CSV), the row's number, its cells and the sheet's titles."""

    sheet: str
    number: int
    cells: tuple[Cell, ...]
    titles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssetRow:
    """A row that says what an asset is."""

    origin: Origin
    values: AssetValues


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with one cell of a row.

    Args:
        field: the field, empty where the row as a whole is meant.
        column: letter of the column, empty likewise.
        found: what is wrong.
        expected: what should stand there.
    """

    field: str
    column: str
    found: Message
    expected: Message


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that cannot be used, with every reason that was found."""

    origin: Origin
    errors: tuple[RowError, ...]


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that is none of the register's: a total, a group's heading, a signature."""

    origin: Origin
    why: Message


@dataclass(frozen=True, slots=True)
class RegisterRows:
    """All rows of a file in order, what was left out, and notes on columns and sheets that were not used."""

    rows: tuple[AssetRow | RejectedRow, ...]
    skipped: tuple[SkippedRow, ...]
    notes: tuple[Message, ...]


def read_rows(file: RegisterFile, *, default_unit: Unit | None, as_of: dt.date) -> RegisterRows:
    """Judges every row of every sheet that has column titles.

    Args:
        file: as `reading` gives it.
        default_unit: the unit of rows that name none; a row that names another one is refused.
        as_of: the day of the import; nothing can be put into use after it.

    Raises:
        UnreadableFileError: no sheet has titles that are known.
    """
    rows: list[AssetRow | RejectedRow] = []
    skipped: list[SkippedRow] = []
    notes: list[Message] = list(file.notes)
    found_any = False
    for sheet in file.sheets:
        header = find_header(sheet.rows)
        left_out = _why_left_out(sheet, header)
        if left_out is not None or header is None:
            if sheet.rows and len(file.sheets) > 1:
                notes.append(
                    left_out or Message(mark("sheet “{sheet}” has no known column titles and was left out"), _of(sheet))
                )
            continue
        found_any = True
        notes.extend(_column_notes(sheet, header))
        judge = _Judge(header, default_unit or _preamble_unit(sheet, header), default_unit is not None, as_of)
        empty: list[int] = []
        for outcome in _judged(sheet, header, judge, empty):
            (skipped if isinstance(outcome, SkippedRow) else rows).append(outcome)  # type: ignore[arg-type]  # each goes to its own
        notes.extend(_empty_notes(sheet, empty))
    if not found_any:
        raise _no_header(file)
    return RegisterRows(tuple(rows), tuple(skipped), tuple(notes))


def _judged(
    sheet: Sheet, header: Header, judge: _Judge, empty: list[int]
) -> Iterator[AssetRow | RejectedRow | SkippedRow]:
    prefilled = _prefilled_columns(header)
    for row in sheet.rows:
        if row.number <= header.last_row:
            continue
        if row.number == header.last_row + 1 and is_column_numbers(row.cells):
            continue
        origin = Origin(sheet.name, row.number, row.cells, header.titles)
        why = _why_skipped(row, header)
        if why is None and all(cell is None or index in prefilled for index, cell in enumerate(row.cells)):
            empty.append(row.number)
            continue
        yield SkippedRow(origin, why) if why else judge.row(origin)


def _prefilled_columns(header: Header) -> frozenset[int]:
    # Without a column of names the kind is all that names an asset.
    fields = _PREFILLED if "name" in header.columns else _PREFILLED - {"kind"}
    numbers = {index for index, title in enumerate(header.titles) if is_running_number(title)}
    return frozenset(numbers | {header.columns[field] for field in fields & header.columns.keys()})


@dataclass(slots=True)
class _Judge:
    """Turns the rows of one sheet into values."""

    header: Header
    unit: Unit | None
    unit_is_given: bool
    as_of: dt.date

    def row(self, origin: Origin) -> AssetRow | RejectedRow:
        """The row as values, or with every error in it."""
        errors: list[RowError] = []
        texts = {field: self._text(origin, field, errors) for field in _TEXT_FIELDS}
        name = self._text(origin, "name", errors) or self._text(origin, "kind", errors)
        if not name:
            errors.append(self._error("name", Message(mark("the name is missing")), Message(mark("the asset's name"))))
        unit, office = self._unit(origin, errors)
        used = self._parsed(origin, "year_put_into_use", lambda cell: values.year_and_day(cell, self.as_of), errors)
        cost = self._parsed(
            origin, "original_cost", lambda cell: values.money_vnd(cell, self.header.cost_multiplier), errors
        )
        pieces = self._parsed(origin, "quantity", values.quantity, errors)
        mac = self._parsed(origin, "mac_address", values.mac_address, errors)
        if errors or unit is None or name is None:
            return RejectedRow(origin, tuple(errors))
        kind_text = self._raw_text(origin, "kind")
        texts["department"] = texts["department"] or office
        block = block_code(self._raw_text(origin, "block")) or block_code(texts["department"])
        return AssetRow(
            origin,
            AssetValues(
                unit_code=unit.code,
                name=name,
                kind=kind_of_text(kind_text, name, texts["model"] or "") or OTHER,
                year_put_into_use=used[0] if used else None,
                put_into_use_on=used[1].isoformat() if used and used[1] else None,
                original_cost_vnd=cost,
                quantity=pieces,
                block=block or block_code(_office_before_unit(self._raw_text(origin, "unit"))),
                mac_address=mac,
                **texts,
            ),
        )

    def _cell(self, origin: Origin, field: str) -> Cell:
        index = self.header.columns.get(field)
        return origin.cells[index] if index is not None and index < len(origin.cells) else None

    def _raw_text(self, origin: Origin, field: str) -> str:
        return cell_text(self._cell(origin, field)).strip()

    def _text(self, origin: Origin, field: str, errors: list[RowError]) -> str | None:
        text = self._raw_text(origin, field)
        if _DAMAGED in text and not any(error.field == field for error in errors):
            found = Message(
                mark("the text has signs that were lost in an earlier conversion: “{text}”"), {"text": text}
            )
            errors.append(self._error(field, found, Message(mark("the text typed again"))))
        if len(text) > _LONGEST_TEXT and not any(error.field == field for error in errors):
            found = Message(mark("the text has {length} characters"), {"length": len(text)})
            errors.append(self._error(field, found, Message(mark("at most {limit}"), {"limit": _LONGEST_TEXT})))
        return text or None

    def _parsed(
        self, origin: Origin, field: str, parse: Callable[[Cell], _Value], errors: list[RowError]
    ) -> _Value | None:
        cell = self._cell(origin, field)
        if cell is None or search_key(cell_text(cell)) == "":
            return None
        try:
            return parse(cell)
        except Problem as problem:
            errors.append(self._error(field, problem.found, problem.expected))
            return None

    def _unit(self, origin: Origin, errors: list[RowError]) -> tuple[Unit | None, str | None]:
        """The row's unit, and the office the unit column names where it names no unit at all."""
        text = self._raw_text(origin, "unit")
        if not text:
            if self.unit is None:
                errors.append(self._error("unit", Message(mark("the unit is missing")), _unit_expected()))
            return self.unit, None
        try:
            unit = find_unit(text)
        except UnitError as error:
            # With the unit given for the whole file, the column often names the office inside it.
            if self.unit_is_given and not _UNIT_WORDS.search(text) and not text.strip().isdecimal():
                return self.unit, text
            errors.append(self._error("unit", error.message, _unit_expected()))
            return None, None
        if self.unit_is_given and self.unit is not None and unit.code != self.unit.code:
            errors.append(
                self._error(
                    "unit",
                    Message(mark("the row belongs to {unit} ({code})"), {"unit": unit.name, "code": unit.code}),
                    Message(
                        mark("{unit} ({code}), which the import is for"),
                        {"unit": self.unit.name, "code": self.unit.code},
                    ),
                )
            )
            return None, None
        return unit, None

    def _error(self, field: str, found: Message, expected: Message) -> RowError:
        index = self.header.columns.get(field)
        return RowError(field, "" if index is None else column_letter(index), found, expected)


def _unit_expected() -> Message:
    return Message(mark("the code or name of a commune or ward of Nghệ An"))


def _office_before_unit(text: str) -> str | None:
    """`UBND` of `UBND xã Nghi Lộc`, which tells the block."""
    match = _UNIT_WORDS.search(text)
    return text[: match.start()].strip() or None if match else None


def _why_skipped(row: Row, header: Header) -> Message | None:
    """Totals, group headings and signatures, told only where the row has nothing that names an asset."""
    columns = header.columns

    def has(field: str) -> bool:
        index = columns.get(field)
        return index is not None and index < len(row.cells) and row.cells[index] is not None

    texts = [cell_text(cell) for cell in row.cells if cell is not None]
    if has("serial") or has("asset_code") or not texts:
        return None
    first_words = [search_key(text) for text in texts if not text.replace(".", "").isdecimal()][:1]
    totals, signatures = skipped_row_words()
    for words, why in ((totals, mark("a total")), (signatures, mark("a signature"))):
        if first_words and any(first_words[0] == word or first_words[0].startswith(word + " ") for word in words):
            return Message(why)
    if len(texts) <= 2 and _ROMAN_OR_LETTER.fullmatch(texts[0].strip()):  # noqa: PLR2004 - a number and a title
        return Message(mark("a group's heading"))
    return None


def _preamble_unit(sheet: Sheet, header: Header) -> Unit | None:
    """The unit that the lines above the titles name: `Đơn vị: UBND xã Nghi Lộc`."""
    for row in sheet.rows:
        if row.number >= header.first_row:
            break
        for cell in row.cells:
            match = _PREAMBLE_UNIT.search(cell) if isinstance(cell, str) else None
            if match:
                try:
                    return find_unit(match[1])
                except UnitError:
                    continue
    return None


def _column_notes(sheet: Sheet, header: Header) -> Iterator[Message]:
    for title in header.unused:
        yield Message(
            mark("sheet “{sheet}”: the column “{title}” is not used"), {"sheet": sheet.name or "CSV", "title": title}
        )


def _why_left_out(sheet: Sheet, header: Header | None) -> Message | None:
    """Sheets of the template that are no register, told by their names, and surveys, told by their titles."""
    if sheet.name in (GUIDE_SHEET, CHOICES_SHEET):
        return Message(
            mark("sheet “{sheet}” holds instructions or choices of the template and was left out"), _of(sheet)
        )
    if is_survey(sheet.rows) or (header is None and sheet.name in (STAFF_SHEET, LINE_SHEET)):
        return Message(
            mark("sheet “{sheet}” is a survey: it is read by “thongmang inventory survey”, not here"), _of(sheet)
        )
    return None


def _empty_notes(sheet: Sheet, numbers: Sequence[int]) -> Iterator[Message]:
    if numbers:
        named = ", ".join(map(str, numbers[:_ROWS_NAMED])) + (", ..." if len(numbers) > _ROWS_NAMED else "")
        yield Message(
            mark(
                "sheet “{sheet}”: {count} rows were taken as empty, having nothing but a number, a unit, a block or a "
                "kind: {rows}"
            ),
            {"sheet": sheet.name or "CSV", "count": len(numbers), "rows": named},
        )


def _of(sheet: Sheet) -> dict[str, str | int | float]:
    return {"sheet": sheet.name or "CSV"}


def _no_header(file: RegisterFile) -> UnreadableFileError:
    sheet = next((sheet for sheet in file.sheets if sheet.rows), None)
    if sheet is None:
        return UnreadableFileError(Message(mark("{file}: the file is empty"), {"file": file.name}))
    if any(_why_left_out(sheet, None) is not None for sheet in file.sheets):
        return UnreadableFileError(
            Message(
                mark(
                    "{file}: a survey or instructions only, no register; expected a sheet with “Tên tài sản” (a survey "
                    "is read by “thongmang inventory survey”)"
                ),
                {"file": file.name},
            )
        )
    first = next((cell_text(cell) for cell in sheet.rows[0].cells if cell is not None), "")
    return UnreadableFileError(
        Message(
            mark(
                "{file}, sheet “{sheet}”, row {row}: no row of column titles in the first {limit} rows (it begins with "
                "“{first}”); expected at least “Tên tài sản” and one more such as “Đơn vị”, “Số sê-ri”, "
                "“Năm đưa vào sử dụng”, “Nguyên giá”"
            ),
            {
                "file": file.name,
                "sheet": sheet.name or "CSV",
                "row": sheet.rows[0].number,
                "limit": ROWS_SEARCHED,
                "first": first[:60],
            },
        )
    )
