"""One part of an XLSX read in pieces for how far its cells reach, before the reader lays them out."""

from __future__ import annotations

from xml.parsers import expat

from inventory.register.extents import LAST_ROW, Extents, damaged
from inventory.register.sheet import column_letter

# Without this word the reader finds no cells in a part, whatever else stands in it.
_CELLS_MARK = b"sheetData"
_DEEPEST = 256
# One start tag; the parser holds it whole.
_LONGEST_TOKEN_BYTES = 4 << 20
_ELEMENTS_PER_CELL = 4


class PartScan:
    """Takes a part's bytes as they are inflated; memory does not grow with the part.

    A part that is no XML (a picture) is passed over; one that has cells and is broken XML is refused, because a lenient
    reader may see other cells in it than a strict parser.

    Args:
        extents: what the cells are counted into.
    """

    def __init__(self, extents: Extents) -> None:
        """Starts before the part's first byte."""
        self.extents = extents
        self._parser: expat.XMLParserType | None = expat.ParserCreate()
        self._parser.ordered_attributes = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.XmlDeclHandler = self._declaration
        self._fed = 0
        self._tail = b""
        self._has_cells = False
        self._broken = ""
        self._elements = 0
        self._depth = 0
        # As the reader counts where rows and cells do not say where they stand; all from 1.
        self._row = 1
        self._column = 1
        self._cell: tuple[int, int] | None = None
        self._formula = False
        self._value = False
        self.unsaved: dict[str, None] = {}

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes.

        Raises:
            UnreadableFileError: a cell too far out, a reference that is none, or broken XML around cells.
        """
        joined = self._tail + chunk
        self._has_cells = self._has_cells or _CELLS_MARK in joined
        self._tail = joined[-len(_CELLS_MARK) :]
        self._parse(chunk, last=False)

    def close(self) -> None:
        """Ends the part.

        Raises:
            UnreadableFileError: broken XML around cells.
        """
        self._parse(b"", last=True)

    def _parse(self, chunk: bytes, *, last: bool) -> None:
        if self._parser is not None:
            try:
                self._parser.Parse(chunk, last)
                self._fed += len(chunk)
                if self._fed - self._parser.CurrentByteIndex > _LONGEST_TOKEN_BYTES:
                    self._give_up("XML")
            except expat.ExpatError as error:
                self._give_up(str(error))
        if self._broken and self._has_cells:
            raise damaged(self.extents.file_name, f"{self.extents.sheet}: {self._broken}")

    def _give_up(self, why: str) -> None:
        self._broken = why
        self._parser = None

    def _doctype(self, *_: object) -> None:
        # Entities would be expanded here and not by the reader.
        raise expat.ExpatError("DOCTYPE")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.upper() not in ("UTF-8", "US-ASCII", "ASCII"):
            raise expat.ExpatError(f"encoding={encoding}")

    def _start(self, name: str, attributes: list[str]) -> None:
        self._elements += 1
        self._depth += 1
        if self._depth > _DEEPEST or self._elements > self.extents.limits.cells * _ELEMENTS_PER_CELL:
            raise expat.ExpatError("XML")
        name = _local(name)
        if name == "sheetData":
            if not self._has_cells:
                self._has_cells = True
                raise expat.ExpatError("UTF-16")
        elif not self._has_cells:
            return
        elif name == "c":
            self._start_cell(_reference(attributes))
        elif name == "row":
            self._start_row(_reference(attributes))
        elif self._cell is not None:
            self._start_content(name, self._cell)

    def _start_cell(self, reference: str | None) -> None:
        self._cell = (self._row, self._column) if reference is None else self.extents.position(reference)
        self._column = self._cell[1] + 1
        self._formula = self._value = False

    def _start_content(self, name: str, cell: tuple[int, int]) -> None:
        # A cell without content is a style only, which costs the reader nothing.
        self.extents.add(*cell)
        if name == "f":
            self._formula = True
        elif self._formula and self._parser is not None:
            self._parser.CharacterDataHandler = self._text

    def _start_row(self, number: str | None) -> None:
        self._column = 1
        if number is None:
            return
        if not (number.isascii() and number.isdecimal() and 1 <= int(number[-20:]) <= LAST_ROW):
            raise self.extents.no_such_cell(number)
        self._row = int(number)

    def _text(self, text: str) -> None:
        self._value = self._value or bool(text.strip())

    def _end(self, name: str) -> None:
        self._depth -= 1
        name = _local(name)
        if name == "c" and self._cell is not None:
            if self._formula:
                if not self._value:
                    self.unsaved[_place(*self._cell)] = None
                if self._parser is not None:
                    self._parser.CharacterDataHandler = None
            self._cell = None
        elif name == "row":
            self._row += 1


def _local(name: str) -> str:
    return name.rpartition(":")[2] if ":" in name else name


def _reference(attributes: list[str]) -> str | None:
    """The value of `r` among name, value, name, value ..."""
    for index in range(0, len(attributes), 2):
        if attributes[index] == "r":
            return attributes[index + 1]
    return None


def _place(row: int, column: int) -> str:
    return f"{column_letter(column - 1)}{row}"
