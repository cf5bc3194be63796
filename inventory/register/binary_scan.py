"""An XLS (Excel 97) read for how far its cells reach, before the reader lays them out.

The container is [MS-CFB], the records in its `Workbook` stream are [MS-XLS] 2.4.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import islice

from inventory.register.extents import Extents, Limits, damaged

_HEADER_BYTES = 512
_ENTRY_BYTES = 128
_MINI_SECTOR_BYTES = 64
_FAT_IN_HEADER = 109
_LARGEST_SECTOR = 0xFFFFFFFA
_STREAM, _ROOT = 2, 5
_NAMES = frozenset({"workbook", "book"})

_BOF, _EOF, _BOUND_SHEET, _DIMENSIONS = 0x0809, 0x000A, 0x0085, 0x0200
_SEVERAL_RK = 0x00BD
# Formula, label, rich label, shared label, number, boolean, RK; a blank cell (0x0201) is a style only.
_CELLS = frozenset({0x0006, 0x00D6, 0x00FD, 0x0203, 0x0204, 0x0205, 0x027E})
_LAST_ROW, _LAST_COLUMN = 65_536, 256
_SEVERAL_RK_FRAME, _RK_BYTES = 6, 6
_MOST_WORKBOOKS = 4


def check_xls(data: bytes, file_name: str, limits: Limits) -> None:
    """Refuses a workbook whose cells, or whose stated dimensions, reach too far.

    Raises:
        UnreadableFileError: beyond `limits`, or a container that cannot be followed.
    """
    try:
        found = 0
        for stream in _workbooks(data):
            found += 1
            if found > _MOST_WORKBOOKS:
                raise damaged(file_name, "Workbook")
            _check_stream(stream, file_name, limits)
    except (struct.error, IndexError) as error:
        raise damaged(file_name, "OLE") from error
    if found == 0:
        raise damaged(file_name, "Workbook")


def _check_stream(stream: bytes, file_name: str, limits: Limits) -> None:
    starts = []
    for kind, body in _records(stream, 0):
        if kind == _BOUND_SHEET:
            starts.append(struct.unpack_from("<I", body)[0])
    if len(starts) > limits.sheets:
        raise damaged(file_name, f"{len(starts)} > {limits.sheets}")
    # Sheets do not overlap; one that is named twice would be read twice.
    budget = len(stream) // 4 + 1
    total = 0
    for number, start in enumerate(starts, start=1):
        extents = Extents(file_name, str(number), limits)
        for kind, body in _records(stream, start):
            budget -= 1
            if budget < 0:
                raise damaged(file_name, "BOUNDSHEET")
            _check_record(kind, body, extents)
        total += extents.rows * extents.columns
        if total > limits.cells:
            raise damaged(file_name, f"{total} > {limits.cells}")


def _check_record(kind: int, body: bytes, extents: Extents) -> None:
    if kind in _CELLS:
        row, column = struct.unpack_from("<HH", body)
        extents.add(row + 1, column + 1)
    elif kind == _SEVERAL_RK:
        row, column = struct.unpack_from("<HH", body)
        # The last column is stated at the end; what there is room for may say otherwise.
        (stated,) = struct.unpack("<H", body[-2:])
        extents.add(row + 1, max(column + (len(body) - _SEVERAL_RK_FRAME) // _RK_BYTES - 1, stated) + 1)
    elif kind == _DIMENSIONS:
        # Programs often state too much here, as whole styled columns, which is harmless within a sheet of Excel 97.
        form = "<IIHH" if len(body) >= struct.calcsize("<IIHH") else "<HHHH"
        _, rows, _, columns = struct.unpack_from(form, body)
        if rows > _LAST_ROW or columns > _LAST_COLUMN:
            raise extents.no_such_cell(f"{columns} × {rows}")


def _records(stream: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Records from `start` to the end of that sheet, with the charts inside it."""
    depth = 0
    position = start
    while position + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, position)
        yield kind, stream[position + 4 : position + 4 + size]
        position += 4 + size
        if kind == _BOF:
            depth += 1
        elif kind == _EOF:
            depth -= 1
            if depth <= 0:
                return


def _workbooks(data: bytes) -> Iterator[bytes]:
    sector_shift, directory, mini_cutoff, mini_start = (
        struct.unpack_from("<H", data, 30)[0],
        *struct.unpack_from("<I", data, 48),
        *struct.unpack_from("<II", data, 56),
    )
    if sector_shift not in (9, 12):
        raise struct.error("sector size")
    size = 1 << sector_shift
    base = max(size, _HEADER_BYTES)

    def sector(number: int) -> bytes:
        return data[base + number * size : base + (number + 1) * size]

    # No stream has more sectors than the file, however its chain runs in circles.
    most = len(data) // size + 1
    fat = _numbers(b"".join(sector(number) for number in islice(_fat_sectors(data, sector, size), most)))
    entries = _chained(directory, fat, sector, most)
    mini_fat = _numbers(_chained(mini_start, fat, sector, most))
    mini = b""

    def mini_sector(number: int) -> bytes:
        return mini[number * _MINI_SECTOR_BYTES : (number + 1) * _MINI_SECTOR_BYTES]

    for offset in range(0, len(entries) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
        name_bytes, kind = struct.unpack_from("<HB", entries, offset + 64)
        start, length = struct.unpack_from("<II", entries, offset + 116)
        name = entries[offset : offset + min(max(name_bytes - 2, 0), 64)].decode("utf-16-le", "replace").casefold()
        if kind == _ROOT and not mini:
            mini = _chained(start, fat, sector, most)[:length]
        elif name in _NAMES and kind == _STREAM:
            if length < mini_cutoff:
                yield _chained(start, mini_fat, mini_sector, len(mini) // _MINI_SECTOR_BYTES + 1)[:length]
            else:
                yield _chained(start, fat, sector, most)[:length]


def _fat_sectors(data: bytes, sector: Callable[[int], bytes], size: int) -> Iterator[int]:
    yield from (number for number in struct.unpack_from(f"<{_FAT_IN_HEADER}I", data, 76) if number <= _LARGEST_SECTOR)
    following = struct.unpack_from("<I", data, 68)[0]
    seen: set[int] = set()
    while following <= _LARGEST_SECTOR and following not in seen:
        seen.add(following)
        numbers = _numbers(sector(following))
        if len(numbers) * 4 < size:
            raise struct.error("DIFAT")
        yield from (number for number in numbers[:-1] if number <= _LARGEST_SECTOR)
        following = numbers[-1]


def _numbers(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])


def _chained(start: int, fat: tuple[int, ...], sector: Callable[[int], bytes], most: int) -> bytes:
    pieces: list[bytes] = []
    number = start
    while number <= _LARGEST_SECTOR and len(pieces) < most:
        pieces.append(sector(number))
        number = fat[number]
    return b"".join(pieces)
