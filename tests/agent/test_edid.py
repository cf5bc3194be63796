"""EDIDs as screens of offices have them, and bytes that are none."""

import random

import pytest

from agent.firmware.edid import EDID_BYTES, decode_edid


def make_edid(letters="DEL", product=0xA0C4, week=23, year=2013, serial=b"\x4c\x53\x31\x32"):
    block = bytearray(EDID_BYTES)
    block[0:8] = b"\x00\xff\xff\xff\xff\xff\xff\x00"
    packed = 0
    for letter in letters:
        packed = packed << 5 | (ord(letter) - ord("A") + 1)
    block[8:10] = packed.to_bytes(2, "big")
    block[10:12] = product.to_bytes(2, "little")
    block[12:16] = serial
    block[16], block[17] = week, year - 1990
    block[18:20] = b"\x01\x04"
    block[54:72] = b"\0\0\0\xfc\0NGUYEN VAN A\n"
    block[127] = -sum(block) & 0xFF
    return bytes(block)


def test_what_is_told():
    assert decode_edid(make_edid()) == {
        "manufacturer": "DEL",
        "product_code": "A0C4",
        "manufacture_year": 2013,
        "manufacture_week": 23,
    }
    # The letters of a real maker, packed by hand: S = 19, A = 1, M = 13.
    assert make_edid("SAM")[8:10] == b"\x4c\x2d"


def test_neither_serial_nor_name_is_told():
    assert decode_edid(make_edid(serial=b"ABCD")) == decode_edid(make_edid(serial=b"WXYZ"))
    assert "NGUYEN" not in repr(decode_edid(make_edid()))


@pytest.mark.parametrize(
    ("week", "year", "expected"),
    [
        (1, 1990, (1990, 1)),
        (53, 2020, (2020, 53)),
        (0, 2015, (2015, None)),
        (54, 2015, (2015, None)),
        (255, 2018, (2018, None)),
        (10, 2100, (2100, 10)),
        (10, 2101, (None, None)),
        (10, 2245, (None, None)),
    ],
)
def test_dates(week, year, expected):
    decoded = decode_edid(make_edid(week=week, year=year))
    assert (decoded["manufacture_year"], decoded["manufacture_week"]) == expected


@pytest.mark.parametrize("letters", ["@@@", "AB@", "[AB"])
def test_letters_that_are_none(letters):
    assert decode_edid(make_edid(letters))["manufacturer"] is None


def test_extensions_are_passed_over():
    assert decode_edid(make_edid() + b"\x02" * 128) == decode_edid(make_edid())


def test_a_changed_byte_makes_it_none():
    whole = make_edid()
    for place in range(EDID_BYTES):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        assert decode_edid(bytes(changed)) is None


@pytest.mark.parametrize("length", [0, 1, 8, 127])
def test_what_is_cut_short(length):
    assert decode_edid(make_edid()[:length]) is None


def test_any_bytes_give_a_table_or_nothing():
    numbers = random.Random(20261121)
    decoded = 0
    for _ in range(3000):
        raw = bytearray(numbers.getrandbits(8) for _ in range(numbers.choice((0, 17, 127, 128, 256))))
        assert decode_edid(bytes(raw)) is None
        if len(raw) < EDID_BYTES:
            continue
        raw[0:8] = make_edid()[0:8]
        raw[127] = (raw[127] - sum(raw[:EDID_BYTES])) & 0xFF
        table = decode_edid(bytes(raw))
        decoded += 1
        year, week = table["manufacture_year"], table["manufacture_week"]
        assert year is None or 1990 <= year <= 2100
        assert week is None or (year is not None and 1 <= week <= 53)
        assert table["manufacturer"] is None or table["manufacturer"].isalpha()
        assert int(table["product_code"], 16) < 0x10000
    assert decoded > 500
