"""The list: what is on it and what is not; its documents are tested in `export/`."""

from __future__ import annotations

import datetime as dt

import pytest

from inventory.assets import AssetValues, RegisteredAsset
from inventory.investment import build_investment_list
from inventory.ports import DeviceRecord

AS_OF = dt.date(2026, 11, 21)
OLD = {
    "system": [{"manufacturer": "Dell Inc.", "product": "OptiPlex 3010", "serial": "ABC1234"}],
    "chassis": [{"type": "Desktop"}],
    "processor": [{"manufacturer": "Intel", "version": "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz"}],
    "bios": [{"vendor": "Dell Inc.", "release_date": "03/25/2013"}],
    "dell_revisions": [{"manufacture_date": "20130410", "first_power_on_date": "20130602"}],
}
NEW = OLD | {
    "system": [{"manufacturer": "Dell Inc.", "product": "OptiPlex 7010", "serial": "NEW5678"}],
    "processor": [{"manufacturer": "Intel", "version": "13th Gen Intel(R) Core(TM) i5-13500"}],
    "bios": [{"vendor": "Dell Inc.", "release_date": "03/25/2024"}],
    "dell_revisions": [{"manufacture_date": "20240410", "first_power_on_date": "20240602"}],
}


def english(text):
    return text


def device(name, facts, *, unit="16681", findings=()):
    return DeviceRecord(name, unit, "UBND", dt.date(2026, 9, 1), AS_OF, facts, findings)


def asset(number, name="Máy in Canon", kind="printer", unit="16681", **values):
    known = AssetValues(unit_code=unit, name=name, kind=kind, **values)
    return RegisteredAsset(number, f"k{number}", known, 1)


def listed(devices=(), assets=(), **options):
    return build_investment_list(list(devices), list(assets), as_of=AS_OF, **options)


def verdict(whole):
    return {
        one.item.reference: one.over_10_years
        for part in (whole.items, whole.to_verify, whole.not_listed)
        for one in part
    }


def test_terminals_are_judged_by_their_evidence():
    whole = listed([device("old", OLD), device("new", NEW), device("blank", {})])
    assert verdict(whole) == {"Dold": "yes", "Dnew": "no", "Dblank": "uncertain"}
    (one,) = whole.items
    assert (one.item.kind, one.item.name, one.recommendation) == ("desktop", "Dell Inc. OptiPlex 3010", "replace")
    assert one.years_estimated
    assert one.years_in_use == 13
    assert [message.render() for message in one.remarks] == ["It is not in the register."]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"year_put_into_use": 2015}, "yes"),
        ({"year_put_into_use": 2016}, "uncertain"),
        ({"year_put_into_use": 2017}, "no"),
        ({}, "uncertain"),
        ({"year_put_into_use": 2016, "put_into_use_on": "2016-11-20"}, "yes"),
        ({"year_put_into_use": 2016, "put_into_use_on": "2016-11-21"}, "no"),
    ],
)
def test_without_an_agent_the_register_decides(values, expected):
    whole = listed(assets=[asset(1, **values)])
    assert verdict(whole) == {"A1": expected}
    for part in (whole.items, whole.to_verify, whole.not_listed):
        for one in part:
            assert one.evidence
            assert one.estimate.best is None


def test_an_asset_and_its_terminal_are_one_line():
    pc = asset(7, "Máy tính", "desktop", serial="abc 1234", year_put_into_use=2013, original_cost_vnd=12_500_000)
    (one,) = listed([device("d", OLD)], [pc]).items
    assert one.item.reference == "A7/Dd"
    assert (one.years_in_use, one.years_estimated, one.expired) == (13, False, "yes")
    assert one.book.remaining_vnd == 0
    assert one.price_cap.price_vnd == one.amount_vnd == 20_000_000


def test_the_register_bounds_what_the_hardware_leaves_open():
    vague = {"bios": [{"vendor": "x", "release_date": "05/05/2020"}]}
    assert verdict(listed([device("d", vague)])) == {"Dd": "uncertain"}
    tagged = vague | {"system": [{"serial": "QWE5555"}]}
    pc = asset(1, "Máy tính", "desktop", serial="QWE5555", year_put_into_use=2012)
    assert verdict(listed([device("d", tagged)], [pc])) == {"A1/Dd": "yes"}


def test_a_register_year_younger_than_the_machine_does_not_save_it():
    pc = asset(1, "Máy tính", "desktop", serial="ABC1234", year_put_into_use=2025)
    (one,) = listed([device("d", OLD)], [pc]).items
    assert one.expired == "no"
    assert any("useful life is over" in reason.render() for reason in one.reasons)


def test_where_the_register_and_the_terminal_disagree_on_the_unit_it_is_said():
    pc = asset(1, "Máy tính", "desktop", unit="17827", serial="ABC1234")
    (one,) = listed([device("d", OLD)], [pc]).items
    assert one.item.unit_code == "16681"
    assert "The register has it in unit 17827, it reports from unit 16681." in [m.render() for m in one.remarks]


def test_broken_and_expired_but_not_old():
    whole = listed(assets=[asset(1, year_put_into_use=2018, condition="Hỏng"), asset(2, year_put_into_use=2018)])
    assert [one.recommendation for one in whole.not_listed] == ["liquidate", "keep"]


def test_units_stand_in_vietnamese_order_and_their_numbers_add_up():
    assets = [
        asset(n, unit=unit, year_put_into_use=year, quantity=2)
        for n, (unit, year) in enumerate(
            [("16681", 2010), ("17827", 2012), ("16732", 2020), ("17827", None), ("17827", 2011)], 1
        )
    ]
    whole = listed(assets=assets)
    assert [unit.unit_name for unit in whole.units] == ["Phường Cửa Lò", "Xã Nghi Lộc", "Phường Thành Vinh"]
    assert [one.item.reference for one in whole.items] == ["A5", "A2", "A1"]
    for unit in whole.units:
        assert unit.items == unit.listed + unit.to_verify + unit.not_listed
    assert whole.amount_vnd == 3 * 2 * 13_000_000
    assert sum(unit.listed_pieces for unit in whole.units) == 6


def test_a_block_of_its_own():
    assets = [asset(1, year_put_into_use=2010, block="dang"), asset(2, year_put_into_use=2010, block="chinh-quyen")]
    assert verdict(listed(assets=assets, block="dang")) == {"A1": "yes"}
