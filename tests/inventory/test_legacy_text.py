"""TCVN3 and VNI: the tables are held to each other by round trips over every letter."""

from __future__ import annotations

import unicodedata

import pytest

from inventory.register.legacy_text import CONVERSIONS, from_tcvn3, from_vni, recognise
from inventory.register.syllables import is_syllable, vietnamese_score
from inventory.units import load_units

# What the encodings hold, written the other way round than the product's tables.
TCVN3_BYTES = {
    "à": 0xB5, "ả": 0xB6, "ã": 0xB7, "á": 0xB8, "ạ": 0xB9, "ă": 0xA8, "ằ": 0xBB, "ẳ": 0xBC, "ẵ": 0xBD, "ắ": 0xBE,
    "ặ": 0xC6, "â": 0xA9, "ầ": 0xC7, "ẩ": 0xC8, "ẫ": 0xC9, "ấ": 0xCA, "ậ": 0xCB, "đ": 0xAE, "è": 0xCC, "ẻ": 0xCE,
    "ẽ": 0xCF, "é": 0xD0, "ẹ": 0xD1, "ê": 0xAA, "ề": 0xD2, "ể": 0xD3, "ễ": 0xD4, "ế": 0xD5, "ệ": 0xD6, "ì": 0xD7,
    "ỉ": 0xD8, "ĩ": 0xDC, "í": 0xDD, "ị": 0xDE, "ò": 0xDF, "ỏ": 0xE1, "õ": 0xE2, "ó": 0xE3, "ọ": 0xE4, "ô": 0xAB,
    "ồ": 0xE5, "ổ": 0xE6, "ỗ": 0xE7, "ố": 0xE8, "ộ": 0xE9, "ơ": 0xAC, "ờ": 0xEA, "ở": 0xEB, "ỡ": 0xEC, "ớ": 0xED,
    "ợ": 0xEE, "ù": 0xEF, "ủ": 0xF1, "ũ": 0xF2, "ú": 0xF3, "ụ": 0xF4, "ư": 0xAD, "ừ": 0xF5, "ử": 0xF6, "ữ": 0xF7,
    "ứ": 0xF8, "ự": 0xF9, "ỳ": 0xFA, "ỷ": 0xFB, "ỹ": 0xFC, "ý": 0xFD, "ỵ": 0xFE, "Ă": 0xA1, "Â": 0xA2, "Ê": 0xA3,
    "Ô": 0xA4, "Ơ": 0xA5, "Ư": 0xA6, "Đ": 0xA7,
}  # fmt: skip
VNI_TONES = {"\u0301": "ù", "\u0300": "ø", "\u0309": "û", "\u0303": "õ", "\u0323": "ï"}
VNI_ON_CIRCUMFLEX = {"\u0301": "á", "\u0300": "à", "\u0309": "å", "\u0303": "ã", "\u0323": "ä", "": "â"}
VNI_ON_BREVE = {"\u0301": "é", "\u0300": "è", "\u0309": "ú", "\u0303": "ü", "\u0323": "ë", "": "ê"}
VNI_WHOLE = {"đ": "ñ", "í": "í", "ì": "ì", "ỉ": "æ", "ĩ": "ó", "ị": "ò", "ỵ": "î", "ơ": "ô", "ư": "ö"}

SAMPLE = "Máy vi tính để bàn, nguyên giá, năm đưa vào sử dụng, đã hỏng, Nguyễn Thị Hường, xã Nghĩa Đàn, quỹ, ngoẵng"


def to_tcvn3(text: str) -> str:
    return "".join(chr(TCVN3_BYTES.get(c, ord(c))) for c in text)


def to_vni(text: str) -> str:
    out = []
    for letter in text:
        lower = letter.lower()
        if lower in VNI_WHOLE:
            made = VNI_WHOLE[lower]
        else:
            parts = unicodedata.normalize("NFD", lower)
            tone = next((p for p in parts if p in VNI_TONES), "")
            rest = parts.replace(tone, "") if tone else parts
            base, shape = rest[0], rest[1:]
            if shape == "\u0302":
                made = base + VNI_ON_CIRCUMFLEX[tone]
            elif shape == "\u0306":
                made = base + VNI_ON_BREVE[tone]
            else:
                carrier = {"o\u031b": "ô", "u\u031b": "ö"}.get(rest, rest)
                made = carrier + (VNI_TONES[tone] if tone else "")
        out.append(made.upper() if letter.isupper() else made)
    return "".join(out)


@pytest.mark.parametrize("letter", sorted(TCVN3_BYTES))
def test_every_letter_of_tcvn3(letter):
    assert from_tcvn3(chr(TCVN3_BYTES[letter])) == letter


def test_capitals_typed_in_a_capital_font():
    assert from_tcvn3(to_tcvn3("MáY TíNH")) == "MÁY TÍNH"


@pytest.mark.parametrize("text", [SAMPLE, SAMPLE.upper(), *(unit.name for unit in load_units())])
def test_vni_round_trip(text):
    assert from_vni(to_vni(text)) == text


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("unicode", str),
        ("tcvn3", to_tcvn3),
        ("vni", to_vni),
        ("utf-8 read as cp1252", lambda text: text.encode().decode("cp1252", errors="replace")),
    ],
)
def test_the_encoding_is_recognised_by_spelling(name, make):
    texts = ["Xã Nghi Lộc", "Tên tài sản", "Số lượng", "Ghi chú", "Năm sử dụng", "Tốt"]
    if name == "utf-8 read as cp1252":
        texts = [text for text in texts if "\ufffd" not in make(text)]
    made = [make(text) for text in texts]
    assert recognise(made) == name
    assert [CONVERSIONS[name](text) for text in made] == texts


def test_foreign_words_convert_nothing():
    assert recognise(["Café", "Müller", "HP LaserJet 1020", "señor"]) == "unicode"


def test_all_names_of_the_province_are_spelt_right():
    for unit in load_units():
        for name in (unit.name, unit.former_district, *(former.name for former in unit.former_units)):
            assert vietnamese_score(name) >= sum(not word.isascii() for word in name.split()), name


@pytest.mark.parametrize("word", ["bôc", "mạt́", "xyz", "nghỉnk", "toàp", "M¸y", ""])
def test_what_cannot_be_vietnamese(word):
    assert not is_syllable(word)
