"""Vietnamese text of the time before Unicode: recognised by its spelling, and converted.

Two eight-bit encodings are met in registers: TCVN3 (ABC; fonts `.VnTime`), one byte a letter, and VNI-Windows, a
base letter followed by a byte for its marks. Both also occur inside Unicode files whose text was typed in such a font.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Literal

from inventory.collation import normalise
from inventory.register.syllables import vietnamese_score

LegacyEncoding = Literal["unicode", "tcvn3", "vni", "utf-8 read as cp1252"]

_TCVN3 = str.maketrans(
    "µ¶·¸¹¨»¼½¾Æ©ÇÈÉÊË®ÌÎÏÐÑªÒÓÔÕÖ×ØÜÝÞßáâãä«åæçèé¬êëìíîïñòóô\xadõö÷øùúûüýþ¡¢£¤¥¦§",
    "àảãáạăằẳẵắặâầẩẫấậđèẻẽéẹêềểễếệìỉĩíịòỏõóọôồổỗốộơờởỡớợùủũúụưừửữứựỳỷỹýỵĂÂÊÔƠƯĐ",
)

_VNI_MARKS = {
    "a": dict(zip("ùøûõïêéèúüëâáàåãä", "áàảãạăắằẳẵặâấầẩẫậ", strict=True)),
    "e": dict(zip("ùøûõïâáàåãä", "éèẻẽẹêếềểễệ", strict=True)),
    "o": dict(zip("ùøûõïâáàåãä", "óòỏõọôốồổỗộ", strict=True)),
    "u": dict(zip("ùøûõï", "úùủũụ", strict=True)),
    "y": dict(zip("ùøûõ", "ýỳỷỹ", strict=True)),
    "ô": dict(zip("ùøûõï", "ớờởỡợ", strict=True)),
    "ö": dict(zip("ùøûõï", "ứừửữự", strict=True)),
}
_VNI_ALONE = dict(zip("ñíìæóòôöî", "đíìỉĩịơưỵ", strict=True))
_VNI_PAIR = re.compile(r"([aeouyôö])([ùøûõïêéèúüëâáàåãä])|([ñíìæóòôöî])", re.IGNORECASE)

# How much better a conversion must spell than the text as it stands before it is believed.
_MARGIN = 2


def from_tcvn3(text: str) -> str:
    """Text typed in a TCVN3 font, its bytes read as Latin-1, as Unicode in NFC."""
    return normalise(" ".join(_recase(word, word.translate(_TCVN3)) for word in text.split(" ")))


def from_vni(text: str) -> str:
    """Text typed in a VNI-Windows font, its bytes read as Windows-1252, as Unicode in NFC."""
    return normalise(_VNI_PAIR.sub(_vni_letter, text))


def from_misread_utf8(text: str) -> str:
    """UTF-8 text whose bytes were read as Windows-1252, as it was; unchanged where it was not that."""
    try:
        return normalise(text.encode("cp1252").decode())
    except UnicodeError:
        return text


CONVERSIONS: dict[LegacyEncoding, Callable[[str], str]] = {
    "unicode": lambda text: text,
    "tcvn3": from_tcvn3,
    "vni": from_vni,
    "utf-8 read as cp1252": from_misread_utf8,
}


def recognise(texts: Iterable[str]) -> LegacyEncoding:
    """In which of the encodings the texts of one sheet were typed, judged by all of their words together.

    Texts with letters that only Unicode has (ạ, ế, ư ...) are left out: they are as they should be.
    """
    doubtful = [text for text in texts if is_doubtful(text)]
    sample = " ".join(dict.fromkeys(doubtful))
    scores = {name: vietnamese_score(convert(sample)) for name, convert in CONVERSIONS.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= scores["unicode"] + _MARGIN else "unicode"


def is_doubtful(text: str) -> bool:
    """Whether a text has letters beyond ASCII, but none that only Unicode could hold."""
    if text.isascii():
        return False
    return all(
        c < "\u0100" or c in "\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc" or "\u2010" <= c <= "\u2122"
        for c in text
    )


def _recase(typed: str, converted: str) -> str:
    """A TCVN3 capital font has no accented capitals of its own: `M¸Y` is `MÁY`."""
    letters = [c for c in typed if c.isascii() and c.isalpha()]
    if len(letters) > 1 and all(c.isupper() for c in letters):
        return converted.upper()
    return converted


def _vni_letter(match: re.Match[str]) -> str:
    if match[3]:
        letter = _VNI_ALONE[match[3].lower()]
        return letter.upper() if match[3].isupper() else letter
    marked = _VNI_MARKS[match[1].lower()].get(match[2].lower())
    if marked is None:
        first = _VNI_ALONE.get(match[1].lower(), match[1].lower())
        second = _VNI_ALONE.get(match[2].lower(), match[2].lower())
        return (first.upper() if match[1].isupper() else first) + (second.upper() if match[2].isupper() else second)
    return marked.upper() if match[1].isupper() else marked
