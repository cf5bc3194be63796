from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from inventory.collation import normalise, search_key, sort_key

VIETNAMESE = "aăâbcdđeêghiklmnoôơpqrstuưvxyàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ ABCĐ019-"


def test_letters_then_tones_then_gaps():
    words = ["đá", "ba bể", "bạ", "bá", "bà", "ba", "bả", "bã", "ăn", "an", "ân", "da", "ơi", "oi", "ôi", "10", "z"]
    assert sorted(words, key=sort_key) == (
        ["10", "an", "ăn", "ân", "ba", "bà", "bả", "bã", "bá", "bạ", "ba bể", "da", "đá", "oi", "ôi", "ơi", "z"]
    )


def test_search_key_forgets_accents_case_and_punctuation():
    assert search_key("XÃ  Nghi-Lộc") == search_key("xa nghi loc") == "xa nghi loc"
    assert search_key("Đường Đỗ") == "duong do"


def test_normalise_makes_one_form_of_each_text():
    assert normalise(unicodedata.normalize("NFD", "  Nghệ\u00a0 An\u200b ")) == "Nghệ An"


@given(st.text(VIETNAMESE))
def test_composed_and_decomposed_text_are_one(text):
    apart = unicodedata.normalize("NFD", text)
    assert normalise(apart) == normalise(text)
    assert search_key(apart) == search_key(text)
    assert sort_key(normalise(apart)) == sort_key(normalise(text))


@given(st.lists(st.text(VIETNAMESE, max_size=6)))
def test_the_order_is_total_and_the_key_of_a_search_is_plain(texts):
    turned = texts[::-1]
    assert sorted(texts, key=sort_key) == sorted(turned, key=sort_key)
    assert all(search_key(text).isascii() for text in texts)
