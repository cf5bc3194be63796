"""Whether a word can be Vietnamese, which tells a right reading of bytes from a wrong one."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import lru_cache
from importlib.resources import files

_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
_CLOSED_ENDINGS = ("c", "ch", "p", "t")
_CLOSED_TONES = frozenset("\u0301\u0323")

_SYLLABLES = {
    name: frozenset(text.split())
    for name, text in tomllib.loads(
        files("inventory").joinpath("data/vietnamese_syllables.toml").read_text(encoding="utf-8")
    ).items()
}
_SHAPE = re.compile(r"(ngh|ng|nh|gh|gi|kh|ph|th|tr|ch|qu|[bcdđghklmnpqrstvx]|)([aăâeêioôơuưy].*|)")
# Only ASCII signs part words here: TCVN3 and VNI use every sign beyond as a letter.
_BETWEEN_WORDS = re.compile(r"[\s\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e“”‘’–…]+")
_WORD = re.compile(r"[^\W\d_]+")


def vietnamese_score(text: str) -> int:
    """How well a text's accented words are spelt: +1 for each that can be Vietnamese, -1 for each that cannot.

    Words of plain ASCII letters say nothing of how bytes were read and count 0. A sign that stands inside a word
    and is no letter (`M¸y`) makes it one that cannot be.
    """
    score = 0
    for word in _BETWEEN_WORDS.split(text):
        if not word.isascii():
            score += 1 if is_syllable(word) else -1
    return score


@lru_cache(maxsize=65_536)
def is_syllable(word: str) -> bool:
    """Whether a word follows the rules of Vietnamese spelling: onset, rhyme, one tone at most, and tones that agree."""
    decomposed = unicodedata.normalize("NFD", word.casefold())
    tones = [c for c in decomposed if c in _TONES]
    plain = unicodedata.normalize("NFC", "".join(c for c in decomposed if c not in _TONES))
    if len(tones) > 1 or not _WORD.fullmatch(plain):
        return False
    match = _SHAPE.fullmatch(plain)
    if match is None:
        return False
    onset, rhyme = match.groups()
    if rhyme.endswith(_CLOSED_ENDINGS) and (not tones or tones[0] not in _CLOSED_TONES):
        return False
    if onset == "qu":
        return "u" + rhyme in _SYLLABLES["rhymes_after_q"]
    if onset == "gi":
        return not rhyme or rhyme in _SYLLABLES["rhymes"] or rhyme in _SYLLABLES["rhymes_after_gi"]
    return (not onset or onset in _SYLLABLES["onsets"]) and rhyme in _SYLLABLES["rhymes"]
