"""What each source says, and what it must not be taken in by."""

from __future__ import annotations

from datetime import date

import pytest

from agent.wire.message import Message
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine
from inventory.age.sources import SOURCES, TITLES

AS_OF = date(2026, 11, 21)


def said(name, facts, **known):
    return list(SOURCES[name](Machine(facts, AS_OF, **known)))


def bounds(name, facts, **known):
    return [(item.earliest, item.latest) for item in said(name, facts, **known) if isinstance(item, Evidence)]


def dell(made, powered_on=None, brand="Dell Inc."):
    return {
        "system": [{"manufacturer": brand, "product": "OptiPlex 9020"}],
        "processor": [{"version": "Intel(R) Core(TM) i5-4590 CPU @ 3.30GHz", "signature": "C3 06 03 00 FF FB EB BF"}],
        "dell_revisions": [{"manufacture_date": made, "first_power_on_date": powered_on}],
    }


def test_every_source_has_a_title_in_the_same_order():
    assert list(SOURCES) == list(TITLES)


def test_dell_date_is_a_point():
    (item,) = said("dell_dates", dell("20150116", "20150128"))
    assert item.earliest == item.latest == item.best == date(2015, 1, 16)


def test_dell_power_on_alone_is_a_span():
    assert bounds("dell_dates", dell("20150806", "20150928")) == [(date(2014, 5, 19), date(2015, 9, 28))]


@pytest.mark.parametrize(
    "text", ["yyyymmdd", None, "        ", "09010120090101", "20150806", "20100730", "20151332", 20150116]
)
def test_dell_placeholders_are_no_dates(text):
    assert said("dell_dates", dell(text)) == []


@pytest.mark.parametrize("text", ["20130101", "20300101", "20200301"])
def test_dell_dates_that_cannot_be_are_told_not_used(text):
    (item,) = said("dell_dates", dell(text))
    assert isinstance(item, Message)


def test_type_208_of_another_maker_means_nothing():
    assert said("dell_dates", dell("20150116", brand="LENOVO")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2012/11/03", [(date(2012, 10, 3), date(2012, 12, 3))]),
        ("2009/01/01", []),
        ("2012/01/01", []),
        ("SECPARTN:AAN", []),
        ("2008/05/05", []),
    ],
)
def test_samsung_string(text, expected):
    facts = {
        "system": [{"manufacturer": "SAMSUNG ELECTRONICS CO., LTD.", "product": "530U3C"}],
        "processor": [{"version": "Intel(R) Core(TM) i5-3317U CPU @ 1.70GHz", "signature": "A9 06 03 00 FF FB EB BF"}],
        "oem_string": [{"text": "AABAAAAACAAA"}, {"text": text}],
    }
    assert bounds("samsung_date", facts) == expected


def test_processor_reads_as_a_clerk_reads(facts):
    facts["processor"][0]["version"] = "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz"
    (item,) = said("processor", facts)
    assert item.earliest == date(2012, 4, 1)
    assert item.latest is None
    assert item.why.render() == "Intel Core i5-3470 was first sold in 2012-04, so this machine is not older."


def test_of_mixed_processors_the_older_counts_and_empty_sockets_do_not(facts):
    newer = {"version": "Intel(R) Core(TM) i3-3250 CPU @ 3.50GHz", "populated": True}
    older = {"version": "Intel(R) Core(TM) i5-2400 CPU @ 3.10GHz", "populated": False}
    facts["processor"] = [older, newer]
    assert bounds("processor", facts) == [(date(2013, 4, 1), None)]
    facts["processor"][0]["populated"] = True
    assert bounds("processor", facts) == [(date(2011, 1, 1), None)]


def test_window_bounds_makers_machines_only(facts):
    assert bounds("production_window", facts) == [(None, date(2015, 4, 30))]
    facts["system"] = [{"manufacturer": "To Be Filled By O.E.M.", "product": "To Be Filled By O.E.M."}]
    assert bounds("production_window", facts) == []


def test_family_without_window_has_a_wider_bound(facts):
    facts["processor"] = [{"version": "AMD PRO A10-8700B R6", "family": 21, "model": 96, "stepping": 1}]
    assert bounds("production_window", facts) == [(None, date(2019, 2, 28))]


@pytest.mark.parametrize(
    ("maker", "product", "latest"),
    [
        ("LENOVO", "ThinkPad T430", date(2015, 2, 20)),
        ("Acer", "Aspire 5750", date(2015, 11, 20)),
        ("Gigabyte Technology Co., Ltd.", "H61M-DS2", date(2016, 11, 20)),
        ("System manufacturer", "System Product Name", date(2016, 11, 20)),
    ],
)
def test_bios_margin_by_line(facts, maker, product, latest):
    facts["system"] = [{"manufacturer": maker, "product": product}]
    facts["chassis"] = [{"type": "Desktop"}]
    assert bounds("bios_date", facts) == [(None, latest)]


def test_of_two_bios_dates_the_later_bounds(facts):
    facts["bios"] = [{"release_date": "05/20/2014"}, {"release_date": "08/20/2014"}]
    assert bounds("bios_date", facts) == [(None, date(2015, 5, 20))]


def test_bios_of_new_years_day_stands_for_its_year(facts):
    facts["bios"][0]["release_date"] = "01/01/2014"
    assert bounds("bios_date", facts) == [(None, date(2015, 9, 30))]


@pytest.mark.parametrize(
    "bios",
    [
        {"vendor": "coreboot", "version": "CBET4000 Heads-v1.3.1", "release_date": "05/20/2014"},
        {"vendor": "LENOVO", "version": "MrChromebox-4.17", "release_date": "05/20/2014"},
        {"vendor": "LENOVO", "release_date": "10/21/0892"},
        {"vendor": "LENOVO", "release_date": "<BAD INDEX>"},
        {},
    ],
)
def test_no_bios_date(facts, bios):
    facts["bios"] = [bios]
    assert bounds("bios_date", facts) == []


def test_future_bios_date_is_told(facts):
    facts["bios"][0]["release_date"] = "05/20/2034"
    (item,) = said("bios_date", facts)
    assert isinstance(item, Message)


@pytest.mark.parametrize(
    ("rows", "latest"),
    [
        ([{"sbds_manufacture_date": "2013-03-11"}], date(2014, 6, 11)),
        ([{"manufacture_date": "03/11/2013", "sbds_manufacture_date": "1980-00-00"}], date(2014, 6, 11)),
        ([{"manufacture_date": "03/11/2016"}, {"manufacture_date": "03/11/2013"}], date(2014, 6, 11)),
        ([{"manufacture_date": "08/08/2010"}], None),
        ([{"manufacture_date": "01/01/2012"}], None),
        ([{"manufacture_date": "2008"}, {"manufacture_date": "In the chassis"}], None),
        # Years before the processor: a battery of another machine, or one without a clock.
        ([{"manufacture_date": "03/11/2009"}], None),
        ([{"manufacture_date": "03/11/2033"}], None),
    ],
)
def test_battery(facts, rows, latest):
    facts["battery"] = rows
    assert bounds("battery", facts) == ([] if latest is None else [(None, latest)])


@pytest.mark.parametrize(
    ("text", "earliest"),
    [
        ("FBYTE#2U3E3K;BUILDID#13WWKNCW602#SACB#DACB;", date(2012, 1, 1)),
        ("dFdU;BUILDID#80", None),
        ("ABS 70/71 79", None),
    ],
)
def test_hp_build(text, earliest):
    facts = {"system": [{"manufacturer": "Hewlett-Packard"}], "oem_string": [{"text": "x"}, {"text": text}]}
    assert bounds("hp_build", facts) == ([] if earliest is None else [(earliest, None)])
    facts["system"][0]["manufacturer"] = "LENOVO"
    assert bounds("hp_build", facts) == []


@pytest.mark.parametrize(
    ("maker", "serial", "cpu", "middle"),
    [
        ("Hewlett-Packard", "CZC3210ABC", "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz", date(2013, 5, 23)),
        # The same digit ten years later, told apart by the processor.
        ("HP", "5CG3210ABC", "12th Gen Intel(R) Core(TM) i5-1235U", date(2023, 5, 25)),
        ("Acer", "LXPTQ02010938ABCDEFGHI", "Intel(R) Core(TM)2 Duo CPU     T6600  @ 2.20GHz", date(2009, 9, 17)),
        ("Acer", "93801234567", "Intel(R) Core(TM)2 Duo CPU     T6600  @ 2.20GHz", date(2009, 9, 17)),
        # No decade fits: sold before its processor, or years after.
        ("HP", "5CG9210ABC", "12th Gen Intel(R) Core(TM) i5-1235U", None),
        ("HP", "CZC3600ABC", "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz", None),
        ("HP", "CZC3210ABC", "", None),
        ("LENOVO", "CZC3210ABC", "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz", None),
        ("HP", "--", "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz", None),
    ],
)
def test_serial_numbers(maker, serial, cpu, middle):
    facts = {"system": [{"manufacturer": maker, "serial": serial}], "processor": [{"version": cpu}]}
    found = said("serial_number", facts)
    assert [item.best for item in found] == ([] if middle is None else [middle])
    for item in found:
        assert (item.latest - item.earliest).days == 28


@pytest.mark.parametrize(
    ("brand", "product", "cpu", "earliest"),
    [
        ("Dell Inc.", "OptiPlex 7050", "Intel(R) Core(TM) i5-6500 CPU @ 3.20GHz", date(2016, 9, 1)),
        ("Dell Inc.", "Latitude 3440", "Intel(R) Core(TM) i5-4200U CPU @ 1.60GHz", date(2013, 5, 1)),
        # Names used again ten years later.
        ("Dell Inc.", "Latitude 3440", "13th Gen Intel(R) Core(TM) i5-1335U", date(2022, 12, 1)),
        ("Dell Inc.", "OptiPlex 7010", "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz", date(2012, 3, 1)),
        ("Dell Inc.", "OptiPlex Tower Plus 7010", "13th Gen Intel(R) Core(TM) i5-13500", date(2022, 10, 1)),
        ("HP", "HP EliteDesk 800 G2 SFF", "Intel(R) Core(TM) i5-6500 CPU @ 3.20GHz", date(2015, 7, 1)),
        ("LENOVO", "ThinkPad T470", "Intel(R) Core(TM) i5-6300U CPU @ 2.40GHz", date(2016, 9, 1)),
        ("Dell Inc.", "OptiPlex 7050", "", None),
        ("Acer", "OptiPlex 7050", "Intel(R) Core(TM) i5-6500 CPU @ 3.20GHz", None),
    ],
)
def test_series(brand, product, cpu, earliest):
    facts = {"system": [{"manufacturer": brand, "product": product}], "processor": [{"version": cpu}]}
    assert bounds("series", facts) == ([] if earliest is None else [(earliest, None)])


@pytest.mark.parametrize(
    ("version", "memory", "earliest"),
    [
        ("2.7", "DDR3", [date(2010, 7, 1), date(2007, 6, 1)]),
        ("3.1.1", "DDR4", [date(2016, 11, 1), date(2014, 8, 1)]),
        ("3.5", "LPDDR5", [date(2019, 9, 1), date(2021, 11, 1)]),
        (None, "Unknown", []),
        (2.7, "DDR", [date(2010, 7, 1)]),
        ("legacy", "<OUT OF SPEC>", []),
    ],
)
def test_specification(version, memory, earliest):
    facts = {"smbios_version": version, "memory_device": [{"type": memory}]}
    assert [item[0] for item in bounds("specification", facts)] == earliest


def test_first_seen_and_register(facts):
    assert bounds("first_seen", facts, first_seen=date(2020, 3, 4)) == [(None, date(2020, 3, 4))]
    assert bounds("first_seen", facts, first_seen=date(2030, 3, 4)) == []
    assert bounds("put_into_use", facts, year_put_into_use=2015) == [(None, date(2015, 12, 31))]
    assert bounds("put_into_use", facts, year_put_into_use=2026) == [(None, AS_OF)]
    for year in (2106, 1915, 0):
        (item,) = said("put_into_use", facts, year_put_into_use=year)
        assert isinstance(item, Message)


@pytest.mark.parametrize(
    ("value", "latest"),
    [
        ("2019-06-24", date(2020, 6, 24)),
        ("2026-06-24T10:00:00+07:00", AS_OF),
        ("2031-01-01", None),
        ("1970-01-01", None),
        (1718000000, None),
        (None, None),
    ],
)
def test_os_install(facts, value, latest):
    facts["os_installed_at"] = value
    assert bounds("os_install", facts) == ([] if latest is None else [(None, latest)])


def test_screens_bound_from_above_only():
    panel = {"internal": True, "manufacture_year": 2012, "manufacture_week": 10}
    monitor = {"internal": False, "manufacture_year": 2010, "manufacture_week": 255}
    rubbish = [{"manufacture_year": 2182}, {"manufacture_year": "x"}, {"manufacture_year": 1990}]
    assert bounds("monitor", {"monitor": [panel, monitor, *rubbish]}) == [
        (None, date(2013, 3, 11)),
        (None, date(2015, 12, 31)),
    ]


def test_disk_hours_take_the_longest_running_fixed_disk():
    rows = [
        {"power_on_hours": 100},
        {"power_on_hours": 8766 * 5},
        {"power_on_hours": 8766 * 9, "removable": True},
        {"power_on_hours": 2**32 - 1},
        {"power_on_hours": "n/a"},
    ]
    assert bounds("disk_hours", {"disk": rows}) == [(None, date(2022, 11, 21))]
    assert bounds("disk_hours", {"disk": [{"power_on_hours": 0}]}) == []
