"""Vietnamese readings, against a table made by hand and a reader that turns words back into a number."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.export.amount_in_words import amount_in_words, number_in_words

READINGS = {
    0: "không",
    1: "một",
    4: "bốn",
    5: "năm",
    10: "mười",
    11: "mười một",
    14: "mười bốn",
    15: "mười lăm",
    20: "hai mươi",
    21: "hai mươi mốt",
    24: "hai mươi tư",
    25: "hai mươi lăm",
    31: "ba mươi mốt",
    44: "bốn mươi tư",
    55: "năm mươi lăm",
    99: "chín mươi chín",
    100: "một trăm",
    101: "một trăm linh một",
    104: "một trăm linh bốn",
    105: "một trăm linh năm",
    110: "một trăm mười",
    115: "một trăm mười lăm",
    121: "một trăm hai mươi mốt",
    555: "năm trăm năm mươi lăm",
    1_000: "một nghìn",
    1_001: "một nghìn không trăm linh một",
    1_010: "một nghìn không trăm mười",
    1_021: "một nghìn không trăm hai mươi mốt",
    15_000: "mười lăm nghìn",
    21_500: "hai mươi mốt nghìn năm trăm",
    100_005: "một trăm nghìn không trăm linh năm",
    1_000_000: "một triệu",
    1_000_005: "một triệu không trăm linh năm",
    1_005_000: "một triệu không trăm linh năm nghìn",
    12_500_000: "mười hai triệu năm trăm nghìn",
    24_000_000: "hai mươi tư triệu",
    205_000_000: "hai trăm linh năm triệu",
    1_205_000_000: "một tỷ hai trăm linh năm triệu",
    1_000_000_000: "một tỷ",
    1_000_000_001: "một tỷ không trăm linh một",
    2_034_050_607: "hai tỷ không trăm ba mươi tư triệu không trăm năm mươi nghìn sáu trăm linh bảy",
    10_000_000_000_000: "mười nghìn tỷ",
    1_005_000_000_000: "một nghìn không trăm linh năm tỷ",
    1_000_000_000_000_000_000: "một tỷ tỷ",
    -15: "âm mười lăm",
}

_DIGITS = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")
_VALUES = {word: value for value, word in enumerate(_DIGITS)} | {"mốt": 1, "tư": 4, "lăm": 5}


def number_of(text: str) -> int:
    """Reads words back, by a grammar written apart from the product's."""
    below_billion = group = last = 0
    total = 0
    for word in text.split():
        if word in _VALUES:
            last = _VALUES[word]
        elif word == "trăm":
            group, last = last * 100, 0
        elif word == "mươi":
            group, last = group + last * 10, 0
        elif word == "mười":
            group += 10
        elif word in ("nghìn", "triệu"):
            below_billion += (group + last) * (1_000 if word == "nghìn" else 1_000_000)
            group = last = 0
        elif word == "tỷ":
            total = (total + below_billion + group + last) * 1_000_000_000
            below_billion = group = last = 0
        else:
            assert word == "linh", word
    return total + below_billion + group + last


@pytest.mark.parametrize(("number", "words"), READINGS.items())
def test_known_readings(number, words):
    assert number_in_words(number) == words


@given(st.integers(min_value=0, max_value=10**24))
def test_every_number_can_be_read_back(number):
    assert number_of(number_in_words(number)) == number


@given(st.integers(min_value=1, max_value=10**15))
def test_spelling_rules_hold_everywhere(number):
    words = number_in_words(number).split()
    for before, word in itertools.pairwise(words):
        if before == "mươi":
            assert word not in ("một", "bốn", "năm")
        if before == "mười":
            assert word not in ("mốt", "tư", "năm")
        if before == "linh":
            assert word in _DIGITS[1:]
            assert word != "không"
        if word == "linh":
            assert before == "trăm"
        if word in ("mốt", "tư"):
            assert before == "mươi"


@given(st.integers(min_value=0, max_value=10**12), st.integers(min_value=0, max_value=10**12))
def test_two_amounts_never_read_alike(one, other):
    assert (number_in_words(one) == number_in_words(other)) == (one == other)


def test_an_amount_names_its_currency_and_begins_large():
    assert amount_in_words(1_205_000_000) == "Một tỷ hai trăm linh năm triệu đồng"
    assert amount_in_words(0) == "Không đồng"
    assert amount_in_words(-5_000) == "Âm năm nghìn đồng"
