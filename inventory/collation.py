"""Vietnamese text as people sort, search and compare it; text is kept in Unicode's composed form (NFC)."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

# Base letters in the order of the Vietnamese alphabet; f, j, w and z stand where the Latin alphabet has them.
_ALPHABET = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_LETTER_RANK = {letter: rank for rank, letter in enumerate(_ALPHABET, start=1)}

# Dictionaries order the tones: none, grave, hook, tilde, acute, dot below.
_TONES = ("", "\u0300", "\u0309", "\u0303", "\u0301", "\u0323")
_TONE_RANK = {mark: rank for rank, mark in enumerate(_TONES) if mark}

# Ranks of what is not a letter: a gap sorts first so that a short name precedes its continuation, then digits.
_GAP_RANK = 0
_DIGIT_BASE = -100
_OTHER_BASE = 10_000

SortKey = tuple[tuple[int, ...], tuple[int, ...], str]


def normalise(text: str) -> str:
    """The text in NFC, with every run of white space (no-break spaces too) as one space, and none at its ends."""
    return " ".join(unicodedata.normalize("NFC", text).replace("\u200b", "").replace("\ufeff", "").split())


@lru_cache(maxsize=65_536)
def search_key(text: str) -> str:
    """The text as it is found by: no accents, `đ` as `d`, lower case, only letters and digits, single spaces.

    `Xã Nghi Lộc`, `xa nghi loc` and `XÃ  NGHI-LỘC` all give `xa nghi loc`.
    """
    plain = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D")).casefold()
    letters = (c if c.isalnum() else " " for c in plain if not unicodedata.combining(c))
    return " ".join("".join(letters).split())


@lru_cache(maxsize=65_536)
def sort_key(text: str) -> SortKey:
    """A key that puts texts in Vietnamese dictionary order.

    Letters decide first (a, ă, â, b, c, d, đ, e, ê ...), then tones (none, grave, hook, tilde, acute, dot below), then
    the text itself, so that the order is total.
    """
    letters: list[int] = []
    tones: list[int] = []
    for character in normalise(text).casefold():
        base, tone = _split_tone(character)
        letters.append(_rank(base))
        tones.append(tone)
    return tuple(letters), tuple(tones), text


@lru_cache(maxsize=4096)
def _split_tone(character: str) -> tuple[str, int]:
    """A letter without its tone mark (breve, circumflex and horn stay), and the rank of that tone."""
    tone = 0
    kept = []
    for part in unicodedata.normalize("NFD", character):
        if part in _TONE_RANK:
            tone = _TONE_RANK[part]
        else:
            kept.append(part)
    return unicodedata.normalize("NFC", "".join(kept)), tone


def _rank(base: str) -> int:
    if base in _LETTER_RANK:
        return _LETTER_RANK[base]
    if base.isspace():
        return _GAP_RANK
    if len(base) == 1 and base.isdecimal():
        return _DIGIT_BASE + unicodedata.decimal(base)
    return _OTHER_BASE + ord(base[0])
