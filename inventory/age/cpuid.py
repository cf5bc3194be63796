"""Family, model and stepping of a processor from the eight CPUID bytes that SMBIOS keeps."""

from __future__ import annotations

import re

_SIGNATURE_BYTES = 8
_HEX = re.compile(r"[0-9A-Fa-f]{16}")
# Bits that are zero in every processor's signature (CPUID leaf 1, EAX).
_RESERVED_BITS = 0xF000C000
_EXTENDED_FAMILY = 0xF
_EXTENDED_MODEL_FAMILIES = (0x6, 0xF)


def decode_signature(text: str) -> tuple[int, int, int] | None:
    """(family, model, stepping) from bytes in hexadecimal, spaces or not; None where they hold no signature.

    Some AMD firmware writes the two words in the wrong order, which reads as an impossible "Family 11, Model 15": the
    word whose reserved bits are clear is the signature.
    """
    digits = re.sub(r"[\s:-]|0x", "", text)
    if not _HEX.fullmatch(digits):
        return None
    raw = bytes.fromhex(digits)
    first, second = int.from_bytes(raw[:4], "little"), int.from_bytes(raw[4:], "little")
    for word in (first, second):
        if word and not word & _RESERVED_BITS and (word >> 8) & 0xF:
            return _decode(word)
    return None


def _decode(word: int) -> tuple[int, int, int]:
    base_family = (word >> 8) & 0xF
    model = (word >> 4) & 0xF
    family = base_family
    if base_family == _EXTENDED_FAMILY:
        family += (word >> 20) & 0xFF
    if base_family in _EXTENDED_MODEL_FAMILIES:
        model |= ((word >> 16) & 0xF) << 4
    return family, model, word & 0xF
