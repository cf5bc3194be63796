from __future__ import annotations

import csv
import re
from datetime import date

import pytest

from inventory.age.cpuid import decode_signature
from inventory.age.processors import DATA, production_window, recognise_processor


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7A 06 01 00 FF FB EB BF", (6, 23, 10)),
        ("7A060100FFFBEBBF", (6, 23, 10)),
        ("a9 06 03 00 ff fb eb bf", (6, 58, 9)),
        ("12 0F 80 00 FF FB 8B 17", (23, 1, 2)),
        # AMD with the two words swapped: reads "Family 11, Model 15" if taken as it stands.
        ("FF FB 8B 17 12 0F 80 00", (23, 1, 2)),
        ("FF FB 8B 07 12 0F 06 00", None),
        ("00 00 00 00 00 00 00 00", None),
        ("7A 06 01", None),
        ("not hex", None),
        ("", None),
    ],
)
def test_signatures(text, expected):
    found = decode_signature(text)
    if expected is None:
        assert found is None or found[0] < 30
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("brand", "hint", "ids", "launch", "name"),
    [
        ("Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz", "Intel", (6, 58, 9), "2012-04", "Intel Core i5-3470"),
        ("Intel(R) Core(TM) i7-4790 CPU @ 3.60GHz", "Intel", (6, 60, 3), "2014-04", "Intel Core i7-4790"),
        # A later model of the family is not dated by the family alone, a truncated string still is read.
        ("Intel(R) Core(TM) i3-4170 CPU @ 3.70GH", "Intel", (6, 60, 3), "2015-01", "Intel Core i3-4170"),
        ("Intel(R) Core(TM) i5-4570 CPU @ 3.20GHz", "Intel", (6, 60, 3), "2013-06", "Intel Core i5-4570"),
        ("Intel(R) Core(TM)2 Duo CPU     E8400  @ 3.00GHz", "Intel", (6, 23, 10), "2008-01", "Intel Core2 Duo E8400"),
        # Traps: "Core 2" within "COMPUTE CORES 2C", "Pentium Dual-Core", the W3550 that is no Xeon W.
        ("AMD PRO A6-9500 R5, 8 COMPUTE CORES 2C+6G", "AMD", (21, 101, 1), "2016-10", None),
        ("Pentium(R) Dual-Core  CPU      E5300  @ 2.60GHz", "Intel", (6, 23, 10), "2008-10", None),
        ("Intel(R) Xeon(R) CPU           W3550  @ 3.07GHz", "Intel", (6, 26, 5), "2009-07", "Intel Xeon W3550"),
        ("Intel(R) Xeon(R) W-2133 CPU @ 3.60GHz", "Intel", (6, 85, 4), "2017-07", "Intel Xeon W-2133"),
        # "Manufacturer: Intel" on an AMD processor.
        ("AMD Ryzen 5 PRO 2400GE w/ Radeon Vega Graphics", "Intel", (23, 17, 0), "2018-05", None),
        ("Not Specified", "Intel", (6, 42, 7), "2011-01", "Intel Sandy Bridge"),
        ("", "AuthenticAMD", (16, 6, 3), "2009-06", "AMD Athlon II X2 / Turion II"),
        ("VIA Eden Processor  500MHz", "VIA", (6, 13, 0), "2006-01", None),
        ("11th Gen Intel(R) Core(TM) i5-1145G7 @ 2.60GHz", "", (None, None, None), "2021-01", "Intel Core i5-1145G7"),
        ("Phytium D2000/8", "PHYTIUM LTD", (None, None, None), None, None),
        ("Snapdragon (TM) 850 @ 2.96 GHz", "Qualcomm", (None, None, None), None, None),
    ],
)
def test_launches(brand, hint, ids, launch, name):
    processor = recognise_processor(brand, hint, *ids)
    expected = date.fromisoformat(f"{launch}-01") if launch else None
    assert processor.first_launch == expected
    if name:
        assert processor.brand == name


def test_tables_are_sound():
    with (DATA / "cpu_brand_launch.csv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            re.compile(row["pattern"])
            assert date(2006, 1, 1) <= date.fromisoformat(f"{row['first_launch']}-01") <= date(2026, 12, 1)
    with (DATA / "cpu_production_window.csv").open(encoding="utf-8", newline="") as table:
        names = {row["cpu"] for row in csv.DictReader(table)}
    with (DATA / "cpu_launch.csv").open(encoding="utf-8", newline="") as table:
        assert names <= {row["name"] for row in csv.DictReader(table)}


def test_the_window_of_several_waves_is_the_one_that_ends_last():
    window = production_window(recognise_processor("", "Intel", 6, 140, 1))
    assert window is not None
    assert window.last == date(2023, 3, 1)
    assert production_window(recognise_processor("", "Intel", 6, 190, 0)) is None
