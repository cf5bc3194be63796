"""Line protocol against a reader of its own, written from the format's description."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.metrics.line_protocol import (
    GUARD,
    LineFormatter,
    LineProtocolError,
    decode_tag_value,
    encode_tag_value,
    escape_key,
    escape_measurement,
    escape_tag_value,
)
from collector.metrics.port import Point

_NAMES = st.text(alphabet="abạ_-.:", min_size=1, max_size=8)
_VALUES = st.text(
    alphabet=st.one_of(st.sampled_from(f"\\,= \"'{GUARD}"), st.characters(exclude_categories=["Cs", "Cc"])),
    min_size=1,
    max_size=12,
)
_INTEGERS = st.integers(-(2**63), 2**63 - 1)


def _split(text, separator):
    """Parts between separators that have no backslash before them, as the servers split."""
    parts = [""]
    for index, letter in enumerate(text):
        if letter == separator and text[index - 1 : index] != "\\":
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _unescape(text):
    for letter in ",= ":
        text = text.replace(f"\\{letter}", letter)
    return text


def _parse(line):
    head, fields, time = _split(line.decode(), " ")
    measurement, *tags = _split(head, ",")
    return (
        _unescape(measurement),
        [tuple(_unescape(part) for part in _split(tag, "=")) for tag in tags],
        {_unescape(key): value for key, value in (_split(field, "=") for field in _split(fields, ","))},
        int(time),
    )


@given(
    tags=st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=5),
    fields=st.dictionaries(_NAMES, _INTEGERS, min_size=1, max_size=5),
    seconds=st.integers(0, 2**33),
)
def test_a_line_says_what_the_point_says(tags, fields, seconds):
    line = LineFormatter().line(Point("link_latency", tags, fields, seconds))
    measurement, parsed_tags, parsed_fields, time = _parse(line)
    assert measurement == "link_latency"
    assert [name for name, _ in parsed_tags] == sorted(tags)
    assert {name: decode_tag_value(value) for name, value in parsed_tags} == tags
    assert parsed_fields == {name: f"{value}i" for name, value in fields.items()}
    assert time == seconds


@given(_VALUES)
def test_encoding_is_undone_and_leaves_no_backslash_before_anything_special(value):
    encoded = encode_tag_value(value)
    assert decode_tag_value(encoded) == value
    assert not encoded.endswith("\\")
    assert not any(f"\\{letter}" in encoded for letter in ",= ")


@given(first=_VALUES, second=_VALUES)
def test_two_values_never_become_one(first, second):
    assert (encode_tag_value(first) == encode_tag_value(second)) == (first == second)


@given(st.text(alphabet="C:\\Windows-Đĩa/ệ", min_size=1))
def test_a_value_without_special_letters_is_written_as_it_is(value):
    assert escape_tag_value(value) == (value + GUARD if value.endswith("\\") else value)


def test_the_known_forms():
    assert escape_measurement("a b,c=d") == "a\\ b\\,c=d"
    assert escape_key("a b,c=d") == "a\\ b\\,c\\=d"
    assert escape_tag_value('a b,c=d"') == 'a\\ b\\,c\\=d"'


@pytest.mark.parametrize("text", ["", "a\nb", "a\r\n", "\n"])
@pytest.mark.parametrize("escape", [escape_measurement, escape_key, escape_tag_value])
def test_what_would_break_the_line_is_refused(escape, text):
    with pytest.raises(LineProtocolError):
        escape(text)


@pytest.mark.parametrize("fields", [{}, {"a": 1.5}, {"a": True}, {"a": "1"}, {"a": None}])
def test_only_integers_are_written(fields):
    with pytest.raises(LineProtocolError):
        LineFormatter().line(Point("m", {"t": "v"}, fields, 1))


def test_forgetting_series_changes_no_line():
    points = [Point("m", {"t": f"v {n % 7}"}, {"f": n}, n) for n in range(50)]
    small, large = LineFormatter(series_limit=3), LineFormatter()
    assert [small.line(point) for point in points] == [large.line(point) for point in points]
    assert len(small._heads) <= 3
