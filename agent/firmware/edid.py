"""When a screen was made and by whom, from its EDID: bytes in, a table out, whatever the screen's faults.

Source: VESA Enhanced EDID standard, release A revision 2 (EDID 1.4), section 3.4. The serial number and the texts of an
EDID (names, codes that a buyer may have had written) are not read.
"""

from __future__ import annotations

from typing import Dict, Optional, Union

EDID_BYTES = 128
_HEADER = b"\x00\xff\xff\xff\xff\xff\xff\x00"
_FIRST_YEAR = 1990
_LAST_YEAR = 2100
_LAST_WEEK = 53
_LETTERS = 26


def decode_edid(raw: bytes) -> Optional[Dict[str, Union[int, str, None]]]:
    """`manufacturer`, `product_code`, `manufacture_year` and `manufacture_week` of an EDID; None if it is no whole one.

    A column is None where the EDID does not tell it in a usable way. The manufacturer is the three-letter code of the
    registry of plug-and-play identities, the product code four hexadecimal digits. An EDID that tells a model year in
    place of a week has no week. Extension blocks behind the first are passed over.
    """
    block = raw[:EDID_BYTES]
    if len(block) < EDID_BYTES or not block.startswith(_HEADER) or sum(block) % 256:
        return None
    year: Optional[int] = _FIRST_YEAR + block[17]
    week: Optional[int] = block[16] if 1 <= block[16] <= _LAST_WEEK else None
    if year is not None and year > _LAST_YEAR:
        year = week = None
    return {
        "manufacturer": _manufacturer(int.from_bytes(block[8:10], "big")),
        "product_code": "{:04X}".format(int.from_bytes(block[10:12], "little")),
        "manufacture_year": year,
        "manufacture_week": week,
    }


def _manufacturer(packed: int) -> Optional[str]:
    numbers = [packed >> shift & 0x1F for shift in (10, 5, 0)]
    if not all(1 <= number <= _LETTERS for number in numbers):
        return None
    return "".join(chr(ord("A") + number - 1) for number in numbers)
