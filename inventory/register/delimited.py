"""CSV files as cells: encoding and delimiter found from the content."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from agent.wire.message import Message
from inventory.register.errors import UnreadableFileError
from inventory.register.extents import Limits, too_many_rows
from inventory.register.legacy_text import CONVERSIONS
from inventory.register.sheet import Row, Sheet
from inventory.register.syllables import vietnamese_score

_DELIMITERS = ";\t,|"
_SAMPLE_LINES = 200
_SAMPLE_CHARACTERS = 200_000
_LARGEST_CELL_CHARACTERS = 32_767
_CONTROL_SHARE = 0.01


def read_delimited(data: bytes, file_name: str, limits: Limits) -> tuple[Sheet, str]:
    """The one sheet of a CSV file, and the encoding its bytes were in.

    Text typed in a TCVN3 or VNI font is still in that form; `reading` converts it.

    Raises:
        UnreadableFileError: not text, in no known encoding, or beyond `limits`.
    """
    text, encoding = decode(data, file_name)
    rows: list[Row] = []
    csv.field_size_limit(_LARGEST_CELL_CHARACTERS)
    delimiter = _delimiter(text)
    # The lines of the row that is being cut, for what the parser does not tell of it.
    current: list[str] = []
    reader = csv.reader(_remembered(io.StringIO(text, newline=""), current), delimiter=delimiter)
    number, last = 0, current
    try:
        for number, cells in enumerate(reader, start=1):
            if number > limits.rows:
                raise too_many_rows(file_name, "CSV", limits.rows)
            if len(cells) > limits.columns:
                raise _too_many_columns(file_name, number, len(cells), limits.columns)
            if any(cell.strip() for cell in cells):
                rows.append(Row(number, tuple(cell if cell.strip() else None for cell in cells)))
            last, current[:] = current[:], []
    except csv.Error as error:
        raise _too_long(file_name, number + 1) from error
    if number and _is_open(last, delimiter):
        raise _open_quote(file_name, number)
    return Sheet("", tuple(rows)), encoding


def _remembered(lines: Iterable[str], current: list[str]) -> Iterator[str]:
    for line in lines:
        current.append(line)
        yield line


def _is_open(lines: list[str], delimiter: str) -> bool:
    """Whether the last row ends inside quotation marks, so that rows after it have gone into one of its cells."""
    if len(lines) < 2:  # noqa: PLR2004 - nothing went into a row of one line
        return False
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def decode(data: bytes, file_name: str) -> tuple[str, str]:
    """The bytes as text, and the name of their encoding.

    Tried in turn: a byte order mark, UTF-16 without one, UTF-8, and among the eight-bit encodings (Windows-1258, or
    Windows-1252 as the carrier of TCVN3 and VNI) the one whose accented words are spelt as Vietnamese.

    Raises:
        UnreadableFileError: no encoding gives text.
    """
    marks = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
    encoding = next((name for mark, name in marks if data.startswith(mark)), None) or _unmarked_utf16(data)
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding:
            raise _no_encoding(file_name, error.start) from error
        return _eight_bit(data, file_name, error.start)
    _refuse_binary(text, file_name)
    return text, encoding or "utf-8"


def _unmarked_utf16(data: bytes) -> str | None:
    """Text of Latin letters in UTF-16 has a zero in every other byte."""
    sample = data[:4096]
    if len(sample) < 4:  # noqa: PLR2004 - two characters say nothing
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if odd > half * 0.3 and even < half * 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > half * 0.3 and odd < half * 0.05 else None


def _eight_bit(data: bytes, file_name: str, first_bad_byte: int) -> tuple[str, str]:
    # Windows-1252 leaves five bytes undefined; TCVN3 and VNI use none of them, Latin-1 keeps them visible.
    carrier = data.decode("cp1252") if _fits("cp1252", data) else data.decode("latin-1")
    readings = {name: (carrier, convert) for name, convert in CONVERSIONS.items() if name != "utf-8 read as cp1252"}
    if _fits("cp1258", data):
        composed = unicodedata.normalize("NFC", data.decode("cp1258"))
        readings["cp1258"] = (composed, lambda text: text)  # type: ignore[index]  # not a conversion of text
    scores = {name: vietnamese_score(convert(text[:_SAMPLE_CHARACTERS])) for name, (text, convert) in readings.items()}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] <= 0:
        raise _no_encoding(file_name, first_bad_byte)
    text = readings[best][0]
    _refuse_binary(text, file_name)
    return text, "cp1252" if best == "unicode" else str(best)


def _fits(encoding: str, data: bytes) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _refuse_binary(text: str, file_name: str) -> None:
    sample = text[:_SAMPLE_CHARACTERS]
    controls = sum(1 for c in sample if c < " " and c not in "\t\r\n\f")
    if "\0" in sample or controls > len(sample) * _CONTROL_SHARE:
        raise UnreadableFileError(
            Message("{file}: not a text file and not a workbook; expected XLSX, XLS or CSV", {"file": file_name})
        )


def _delimiter(text: str) -> str:
    """The delimiter that cuts the most lines into the same number of cells, more cells before fewer."""
    lines = text[:_SAMPLE_CHARACTERS].splitlines()[:_SAMPLE_LINES]

    def merit(delimiter: str) -> int:
        widths: Counter[int] = Counter()
        try:
            for row in csv.reader(lines, delimiter=delimiter):
                widths[len(row)] += 1
        except csv.Error:
            # A cell too long for the sample; the rows before it say enough, and cutting the whole text will tell.
            pass
        del widths[1]
        return max((width * count for width, count in widths.items()), default=0)

    return max(_DELIMITERS, key=merit)


def _no_encoding(file_name: str, offset: int) -> UnreadableFileError:
    return UnreadableFileError(
        Message(
            "{file}: the encoding of its text is not known (first doubtful byte at position {offset}); "
            "expected CSV UTF-8, UTF-16, Windows-1258, TCVN3 or VNI",
            {"file": file_name, "offset": offset},
        )
    )


def _too_long(file_name: str, row: int) -> UnreadableFileError:
    return UnreadableFileError(
        Message(
            "{file}, row {row}: a cell has more than {limit} characters; expected at most that many, and every "
            'quotation mark (") closed',
            {"file": file_name, "row": row, "limit": _LARGEST_CELL_CHARACTERS},
        )
    )


def _open_quote(file_name: str, row: int) -> UnreadableFileError:
    return UnreadableFileError(
        Message(
            '{file}, row {row}: a quotation mark (") is not closed, so that the lines after it belong to one cell; '
            "expected one at the end of the cell too",
            {"file": file_name, "row": row},
        )
    )


def _too_many_columns(file_name: str, row: int, columns: int, limit: int) -> UnreadableFileError:
    return UnreadableFileError(
        Message(
            "{file}, row {row}: {columns} columns; expected at most {limit}, with “;”, “,” or tab between them",
            {"file": file_name, "row": row, "columns": columns, "limit": limit},
        )
    )
