"""Hardware facts from an SMBIOS table: pure, bytes in, rows as the catalogue names them out.

What an age, an identity, an upgrade or an inventory needs is decoded: types 0-4, 9, 11, 16, 17, 22, 32, 41, 43 and
Dell's 208; of all others, as caches, ports and maps of addresses, only how many there are. Values are as the firmware
wrote them; judging placeholders, swapped words and impossible dates is the collector's.
Source: DMTF DSP0134 (SMBIOS reference specification) 3.7, section 7; type 208 is libsmbios' "Revisions and IDs".
"""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Tuple

from agent.firmware import names
from agent.firmware import smbios_parts as parts
from agent.firmware.rows import fact_row as _row
from agent.firmware.structures import EntryPoint, Structure, decode_text, read_entry_point, walk
from agent.wire.record import dataclass
from agent.wire.report import Row

# More rows than any machine has: a bound for tables of rubbish.
ROWS_LIMIT = 256

_DUMP_TABLE_OFFSET = 32
_WINDOWS_HEADER_BYTES = 8
_UUID_BYTES = 16
_UUID_LITTLE_ENDIAN_SINCE = (2, 6)
_NO_UUID = (b"\xff" * _UUID_BYTES, b"\0" * _UUID_BYTES)
_SIGNATURE_BYTES = 8
_MEBIBYTE = 1024 * 1024
_FAMILY_IN_WORD = 0xFE
_COUNT_IN_WORD = 0xFF
_EXTENDED_FAMILY = 0xF
_EXTENDED_MODEL_FAMILIES = (0x6, 0xF)
_UNKNOWN_WORD = 0xFFFF
_NO_BYTE = 0xFF
_SIZE_IN_DWORD = 0x7FFF
_CHEMISTRY_IN_STRING = 2
_DELL_NAMES = ("dell", "alienware")


@dataclass(frozen=True)
class Decoded:
    """What one table says.

    Args:
        version: of the specification, as "2.7"; None where no entry point told it.
        facts: fact name -> rows, column names as in the catalogue; a kind that the table has not is an empty list when
            the table was read to its end, and missing when it was not, for then nobody can tell.
        complete: whether the table was read to its end.
    """

    version: Optional[str]
    facts: Dict[str, List[Row]]
    complete: bool


def decode(table: bytes, entry_point: bytes = b"") -> Decoded:
    """Facts of a table and its entry point, as Linux keeps them under /sys/firmware/dmi/tables."""
    return _decode(table, read_entry_point(entry_point))


def decode_dump(dump: bytes) -> Decoded:
    """Facts of a file written by `dmidecode --dump-bin`: the entry point, then at 32 the table."""
    return decode(dump[_DUMP_TABLE_OFFSET:], dump[:_DUMP_TABLE_OFFSET])


def decode_windows(raw: bytes) -> Decoded:
    """Facts of what `GetSystemFirmwareTable('RSMB')` gives: an 8-byte header with the version, then the table."""
    if len(raw) < _WINDOWS_HEADER_BYTES:
        return _decode(b"", EntryPoint())
    length = int.from_bytes(raw[4:_WINDOWS_HEADER_BYTES], "little")
    table = raw[_WINDOWS_HEADER_BYTES : _WINDOWS_HEADER_BYTES + length]
    return _decode(table, EntryPoint((raw[1], raw[2])))


def _decode(table: bytes, entry_point: EntryPoint) -> Decoded:
    structures, complete = walk(table, entry_point)
    version = entry_point.version
    facts: Dict[str, List[Row]] = {}
    if complete:
        facts = {name: [] for name in _KINDS_TO_FACTS.values()}
    counts: Dict[int, int] = {}
    for structure in structures:
        counts[structure.kind] = counts.get(structure.kind, 0) + 1
        name = _KINDS_TO_FACTS.get(structure.kind)
        if name is None or (structure.kind == _DELL_REVISIONS and not _is_dell(structures)):
            continue
        rows = facts.setdefault(name, [])
        rows.extend(_ROWS[structure.kind](structure, version)[: ROWS_LIMIT - len(rows)])
    if complete:
        facts["smbios_structure"] = [
            _row("smbios_structure", type=kind, count=counts[kind]) for kind in sorted(counts)[:ROWS_LIMIT]
        ]
    return Decoded("{}.{}".format(*version) if version else None, facts, complete)


def _bios(structure: Structure, _version: Optional[Tuple[int, int]]) -> List[Row]:
    return [
        _row(
            "bios",
            vendor=structure.text(0x04),
            version=structure.text(0x05),
            release_date=structure.text(0x08),
            revision=_revision(structure),
            rom_size_bytes=_rom_size_bytes(structure),
            uefi_supported=_characteristic(structure, 0x08),
            virtual_machine=_characteristic(structure, 0x10),
        ),
    ]


def _revision(structure: Structure) -> Optional[str]:
    major, minor = structure.number(0x14, 1), structure.number(0x15, 1)
    return None if major in (None, _NO_BYTE) or minor in (None, _NO_BYTE) else f"{major}.{minor}"


def _rom_size_bytes(structure: Structure) -> Optional[int]:
    count = structure.number(0x09, 1)
    if count is None or (count == _NO_BYTE and structure.number(0x18, 2) is None):
        return None
    wide = structure.number(0x18, 2)
    if count != _NO_BYTE or wide is None:
        return (count + 1) * 64 * 1024
    # The two highest bits are the unit: mebibytes or gibibytes.
    return (wide & 0x3FFF) * _MEBIBYTE * (1024 if wide >> 14 else 1) or None


def _characteristic(structure: Structure, bit: int) -> Optional[bool]:
    second_byte = structure.number(0x13, 1)
    return None if second_byte is None else bool(second_byte & bit)


def _system(structure: Structure, version: Optional[Tuple[int, int]]) -> List[Row]:
    return [
        _row(
            "system",
            manufacturer=structure.text(0x04),
            product=structure.text(0x05),
            version=structure.text(0x06),
            serial=structure.text(0x07),
            uuid=_uuid(structure.data[0x08 : 0x08 + _UUID_BYTES], version),
            sku=structure.text(0x19),
            family=structure.text(0x1A),
        ),
    ]


def _uuid(raw: bytes, version: Optional[Tuple[int, int]]) -> Optional[str]:
    if len(raw) < _UUID_BYTES or raw in _NO_UUID:
        return None
    if version is None or version >= _UUID_LITTLE_ENDIAN_SINCE:
        raw = raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _baseboard(structure: Structure, _version: Optional[Tuple[int, int]]) -> List[Row]:
    return [
        _row(
            "baseboard",
            manufacturer=structure.text(0x04),
            product=structure.text(0x05),
            version=structure.text(0x06),
            serial=structure.text(0x07),
            asset_tag=structure.text(0x08),
        ),
    ]


def _chassis(structure: Structure, _version: Optional[Tuple[int, int]]) -> List[Row]:
    return [
        _row(
            "chassis",
            manufacturer=structure.text(0x04),
            type=names.chassis_type(structure.number(0x05, 1)),
            version=structure.text(0x06),
            serial=structure.text(0x07),
            asset_tag=structure.text(0x08),
            bootup_state=names.chassis_state(structure.number(0x09, 1)),
            power_supply_state=names.chassis_state(structure.number(0x0A, 1)),
            thermal_state=names.chassis_state(structure.number(0x0B, 1)),
        ),
    ]


def _processor(structure: Structure, _version: Optional[Tuple[int, int]]) -> List[Row]:
    signature = structure.data[0x08 : 0x08 + _SIGNATURE_BYTES]
    signature_known = len(signature) == _SIGNATURE_BYTES and any(signature)
    kind = structure.number(0x06, 1)
    if kind == _FAMILY_IN_WORD:
        kind = structure.number(0x28, 2)
    family, model, stepping = None, None, None
    if signature_known and not names.is_other_architecture(kind):
        family, model, stepping = decode_signature(signature)
    status = structure.number(0x18, 1)
    return [
        _row(
            "processor",
            manufacturer=structure.text(0x07),
            version=structure.text(0x10),
            signature=signature.hex() if signature_known else None,
            family=family,
            model=model,
            stepping=stepping,
            core_count=_count(structure, 0x23, 0x2A),
            thread_count=_count(structure, 0x25, 0x2E),
            max_speed_mhz=structure.number(0x14, 2) or None,
            populated=None if status is None else bool(status & 0x40),
            socket=structure.text(0x04),
        ),
    ]


def decode_signature(signature: bytes) -> Tuple[int, int, int]:
    """(family, model, stepping) as the first four of the CPUID bytes say, extended fields joined in."""
    word = int.from_bytes(signature[:4], "little")
    base_family = (word >> 8) & 0xF
    family, model = base_family, (word >> 4) & 0xF
    if base_family == _EXTENDED_FAMILY:
        family += (word >> 20) & 0xFF
    if base_family in _EXTENDED_MODEL_FAMILIES:
        model |= (word >> 12) & 0xF0
    return family, model, word & 0xF


def _count(structure: Structure, byte_offset: int, word_offset: int) -> Optional[int]:
    count = structure.number(byte_offset, 1)
    if count == _COUNT_IN_WORD:
        # Older structures end before the word; then 255 itself is all that is known.
        wide = structure.number(word_offset, 2)
        count = wide if wide and wide != _UNKNOWN_WORD else count
    return count or None


def _oem_strings(structure: Structure, _version: Optional[Tuple[int, int]]) -> List[Row]:
    texts = (decode_text(raw) for raw in structure.strings)
    return [_row("oem_string", text=text) for text in texts if text]


def _memory_device(structure: Structure, _version: Optional[Tuple[int, int]]) -> List[Row]:
    return [
        _row(
            "memory_device",
            locator=structure.text(0x10),
            size_bytes=_memory_size_bytes(structure),
            type=names.memory_type(structure.number(0x12, 1)),
            speed_mts=_speed_mts(structure, 0x15, 0x54),
            manufacturer=structure.text(0x17),
            part_number=structure.text(0x1A),
            bank=structure.text(0x11),
            form_factor=names.memory_form_factor(structure.number(0x0E, 1)),
            configured_speed_mts=_speed_mts(structure, 0x20, 0x58),
            serial=structure.text(0x18),
            asset_tag=structure.text(0x19),
        ),
    ]


def _speed_mts(structure: Structure, offset: int, wide_offset: int) -> Optional[int]:
    speed = structure.number(offset, 2)
    return (structure.number(wide_offset, 4) if speed == _UNKNOWN_WORD else speed) or None


def _memory_size_bytes(structure: Structure) -> Optional[int]:
    size = structure.number(0x0C, 2)
    if size is None or size == _UNKNOWN_WORD:
        return None
    if size == _SIZE_IN_DWORD:
        wide = structure.number(0x1C, 4)
        return None if wide is None else (wide & 0x7FFFFFFF) * _MEBIBYTE
    return (size & 0x7FFF) * 1024 if size & 0x8000 else size * _MEBIBYTE


def _battery(structure: Structure, _version: Optional[Tuple[int, int]]) -> List[Row]:
    packed = structure.number(0x12, 2)
    chemistry = structure.number(0x09, 1)
    chemistry_text = structure.text(0x14) if chemistry == _CHEMISTRY_IN_STRING else None
    return [
        _row(
            "battery",
            manufacturer=structure.text(0x05),
            name=structure.text(0x08),
            chemistry=chemistry_text or names.battery_chemistry(chemistry),
            manufacture_date=structure.text(0x06),
            sbds_manufacture_date=_packed_date(packed) if packed else None,
        ),
    ]


def _packed_date(packed: int) -> str:
    # Written out even where it is no day of any calendar: the collector judges, and sees what the firmware said.
    return f"{1980 + (packed >> 9)}-{(packed >> 5) & 0x0F:02d}-{packed & 0x1F:02d}"


def _dell_revisions(structure: Structure, _version: Optional[Tuple[int, int]]) -> List[Row]:
    made, first_used = structure.text(0x0A), structure.text(0x0B)
    if made is None and first_used is None:
        return []
    return [_row("dell_revisions", manufacture_date=made, first_power_on_date=first_used)]


def _is_dell(structures: List[Structure]) -> bool:
    """Whether a maker's name says Dell: types from 128 on belong to each maker, and mean other things elsewhere."""
    makers = (structure.text(0x04) or "" for structure in structures if structure.kind in _WITH_MAKER_AT_4)
    return any(name in maker.lower() for maker in makers for name in _DELL_NAMES)


_DELL_REVISIONS = 208
_WITH_MAKER_AT_4 = (0, 1, 2, 3)
_ROWS: Dict[int, Callable[[Structure, Optional[Tuple[int, int]]], List[Row]]] = {
    0: _bios,
    1: _system,
    2: _baseboard,
    3: _chassis,
    4: _processor,
    9: parts.system_slot,
    11: _oem_strings,
    16: parts.memory_array,
    17: _memory_device,
    22: _battery,
    32: parts.boot_status,
    41: parts.onboard_device,
    43: parts.tpm_device,
    _DELL_REVISIONS: _dell_revisions,
}
_KINDS_TO_FACTS = {
    0: "bios",
    1: "system",
    2: "baseboard",
    3: "chassis",
    4: "processor",
    9: "system_slot",
    11: "oem_string",
    16: "memory_array",
    17: "memory_device",
    22: "battery",
    32: "boot_status",
    41: "onboard_device",
    43: "tpm_device",
    _DELL_REVISIONS: "dell_revisions",
}
