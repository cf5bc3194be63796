"""Walks an SMBIOS table: bytes in, structures out, whatever the firmware's faults.

Source: DMTF DSP0134 (SMBIOS reference specification) 3.7, sections 5.2 and 6.1.
"""

from __future__ import annotations

from typing import Iterator, List, Optional, Tuple

from agent.wire.record import dataclass

END_OF_TABLE = 127
_HEADER_BYTES = 4
_TEXT_CHARACTERS = 255
_OLDEST_WITH_MARKED_END = 3
_SM3_BYTES = 0x09
_SM_BYTES = 0x1E
_DMI_BYTES = 0x0F


@dataclass(frozen=True)
class EntryPoint:
    """What the entry point tells about the table.

    Args:
        version: (major, minor), None where the bytes hold no known entry point.
        structure_count: number of structures, None where it is not told.
    """

    version: Optional[Tuple[int, int]] = None
    structure_count: Optional[int] = None

    @property
    def ends_at_marker(self) -> bool:
        """Whether bytes behind the end-of-table structure are rubbish: from 3.0 on only a largest size is told."""
        return self.version is None or self.version[0] >= _OLDEST_WITH_MARKED_END or not self.structure_count


@dataclass(frozen=True)
class Structure:
    """One structure.

    Args:
        kind: its SMBIOS type number.
        data: the formatted area, header included; it may be shorter than the specification says.
        strings: its strings, in order.
    """

    kind: int
    data: bytes
    strings: Tuple[bytes, ...]

    def number(self, offset: int, size: int) -> Optional[int]:
        """The unsigned little-endian number at `offset`, None where the structure is too short for it."""
        if offset + size > len(self.data):
            return None
        return int.from_bytes(self.data[offset : offset + size], "little")

    def text(self, offset: int) -> Optional[str]:
        """The string whose index stands at `offset`; None where it is unset, blank or there is no such string."""
        index = self.number(offset, 1)
        if not index or index > len(self.strings):
            return None
        return decode_text(self.strings[index - 1])


def decode_text(raw: bytes) -> Optional[str]:
    """The string without control characters and outer blanks; None if nothing is left.

    The specification asks for UTF-8; older firmware writes single bytes, read as Latin-1.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable.strip()[:_TEXT_CHARACTERS] or None


def read_entry_point(raw: bytes) -> EntryPoint:
    """Version and count from a 64-bit (`_SM3_`), 32-bit (`_SM_`) or legacy (`_DMI_`) entry point."""
    if raw.startswith(b"_SM3_") and len(raw) >= _SM3_BYTES:
        return EntryPoint((raw[0x07], raw[0x08]))
    if raw.startswith(b"_SM_") and len(raw) >= _SM_BYTES:
        return EntryPoint(_true_version(raw[0x06], raw[0x07]), int.from_bytes(raw[0x1C:0x1E], "little"))
    if raw.startswith(b"_DMI_") and len(raw) >= _DMI_BYTES:
        return EntryPoint((raw[0x0E] >> 4, raw[0x0E] & 0x0F), int.from_bytes(raw[0x0C:0x0E], "little"))
    return EntryPoint()


def _true_version(major: int, minor: int) -> Tuple[int, int]:
    # Known slips of firmware that wrote a decimal or a release number into the minor byte.
    return {(2, 0x1F): (2, 3), (2, 0x21): (2, 3), (2, 0x33): (2, 6)}.get((major, minor), (major, minor))


def walk(table: bytes, entry_point: EntryPoint) -> Tuple[List[Structure], bool]:
    """All structures that are whole, in order, and whether the walk came to the table's proper end.

    A structure that claims a length its bytes cannot hold ends the walk: behind it nothing can be told apart.
    """
    structures: List[Structure] = []
    walker = _walk(table)
    for structure in walker:
        structures.append(structure)
        if structure.kind == END_OF_TABLE and entry_point.ends_at_marker:
            return structures, True
        if entry_point.structure_count and len(structures) >= entry_point.structure_count:
            return structures, True
    return structures, any(structure.kind == END_OF_TABLE for structure in structures)


def _walk(table: bytes) -> Iterator[Structure]:
    offset = 0
    while offset + _HEADER_BYTES <= len(table):
        length = table[offset + 1]
        if length < _HEADER_BYTES or offset + length > len(table):
            return
        strings_start = offset + length
        strings_end = table.find(b"\0\0", strings_start)
        if strings_end < 0:
            # The table is cut in the strings: what is left of them still tells something, unless cut in a word.
            parts = table[strings_start:].split(b"\0")[:-1]
            yield Structure(table[offset], table[offset:strings_start], tuple(parts))
            return
        strings = table[strings_start:strings_end]
        parts = strings.split(b"\0") if strings else []
        yield Structure(table[offset], table[offset:strings_start], tuple(parts))
        offset = strings_end + 2
