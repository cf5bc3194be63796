"""The four words of data quality, and decisions that go before computed answers."""

from __future__ import annotations

import datetime as dt

import pytest

from agent.wire.message import Message
from inventory.assets import AssetValues, RegisteredAsset
from inventory.identity import match_assets
from inventory.investment import build_investment_list
from inventory.overrides import Override, OverrideBook, ReasonError, checked_reason
from inventory.ports import DeviceRecord
from inventory.quality import Freshness, OutstandingRow, is_unreadable, province_quality

AS_OF = dt.date(2026, 11, 21)
UNIT, OTHER_UNIT = "16681", "17827"
WHOLE = {
    "year_put_into_use": 2019,
    "original_cost_vnd": 12_000_000,
    "condition": "Tốt",
    "block": "dang",
    "model": "OptiPlex 7010",
}


def asset(number, *, unit=UNIT, kind="desktop", name="Máy tính để bàn", **values):
    return RegisteredAsset(number, f"k{number}", AssetValues(unit_code=unit, name=name, kind=kind, **values), 1)


def terminal(name, *, unit=UNIT, serial=None, product="OptiPlex 7010", **facts):
    known = {"system": [{"manufacturer": "Dell Inc.", "product": product, "serial": serial}], **facts}
    return DeviceRecord(name, unit, "main", dt.date(2026, 7, 1), AS_OF, known)


def quality(assets=(), devices=(), rejected=(), *, reported=None, stated=None, **more):
    whole = build_investment_list(devices, assets, as_of=AS_OF, **more)
    fresh = Freshness(
        {device.id: AS_OF for device in devices} if reported is None else reported,
        {one.id: AS_OF for one in assets} if stated is None else stated,
    )
    ones = (*whole.items, *whole.to_verify, *whole.not_listed)
    return province_quality(ones, whole.doubts, rejected, fresh, as_of=AS_OF)


def counted(unit):
    return {part.word: (part.numerator, part.denominator) for part in unit.parts}


def reasons(part):
    return [[reason.render() for reason in row.reasons] for row in part.shortfalls]


def test_a_good_row_with_its_terminal_meets_all_four():
    found = quality([asset(1, serial="ABC1234", **WHOLE)], [terminal("d1", serial="abc-1234")])
    assert counted(found[UNIT]) == dict.fromkeys(("correct", "sufficient", "clean", "alive"), (1, 1))
    assert [part.ratio for part in found[UNIT].parts] == [1.0] * 4


def test_what_cannot_be_judged_is_no_data_and_not_100_percent():
    (unit,) = quality([asset(1, serial="ABC1234", **WHOLE)]).values()
    assert unit.part("correct").ratio is None
    assert counted(unit)["correct"] == (0, 0)
    assert quality() == {}


def test_shortfalls_are_exactly_what_the_numerator_lacks():
    assets = [asset(number, serial="ABC1234" if number < 3 else None) for number in range(1, 6)]
    rejected = [OutstandingRow(7, "S", 9, UNIT, (Message("bad year"),))]
    found = quality(assets, [terminal("d1"), terminal("d2", unit=OTHER_UNIT)], rejected, stated={1: AS_OF})
    for unit in found.values():
        for part in unit.parts:
            assert len(part.shortfalls) == part.denominator - part.numerator, part.word
    assert counted(found[UNIT])["clean"] == (4, 7)
    assert found[UNIT].part("clean").shortfalls[-1].reference == "I7/9"
    assert counted(found[OTHER_UNIT])["sufficient"] == (0, 1)


@pytest.mark.parametrize(
    ("values", "device", "words"),
    [
        ({"model": "ProDesk 400"}, {}, "model ProDesk 400"),
        ({"unit": OTHER_UNIT}, {}, f"unit {OTHER_UNIT}"),
        (
            {"year_put_into_use": 2005},
            {"processor": [{"vendor_id": "GenuineIntel", "family": 6, "model": 94, "stepping": 3}]},
            "put into use in 2005",
        ),
    ],
)
def test_register_and_terminal_that_disagree_are_not_correct(values, device, words):
    stated = {**WHOLE, "serial": "ABC1234", **values}
    part = quality([asset(1, **stated)], [terminal("d1", serial="ABC1234", **device)])[UNIT].part("correct")
    assert (part.numerator, part.denominator) == (0, 1)
    assert any(words in text for text in reasons(part)[0]), reasons(part)


def test_another_serial_under_one_asset_tag_is_not_correct():
    device = terminal("d1", serial="ZZZ9999", chassis=[{"asset_tag": "TS0001X"}])
    part = quality([asset(1, serial="ABC1234", asset_code="TS0001X", **WHOLE)], [device])[UNIT].part("correct")
    assert reasons(part) == [["The register says serial ABC1234, the terminal says ZZZ9999."]]


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ("year_put_into_use", "year put into use"),
        ("original_cost_vnd", "original cost"),
        ("condition", "condition"),
        ("block", "block"),
        ("serial", "serial"),
    ],
)
def test_each_missing_field_is_named(lacking, words):
    values = {"serial": "ABC1234", **WHOLE}
    del values[lacking]
    (row,) = reasons(quality([asset(1, **values)])[UNIT].part("sufficient"))
    assert len(row) == 1
    assert words in row[0]


def test_a_printer_needs_one_number_only():
    assert counted(quality([asset(1, kind="printer", asset_code="TS1", **WHOLE)])[UNIT])["sufficient"] == (1, 1)


def test_a_serial_repeated_in_another_unit_is_unclean_in_both():
    found = quality([asset(1, serial="ABC1234", **WHOLE), asset(2, unit=OTHER_UNIT, serial="abc1234", **WHOLE)])
    assert [counted(found[unit])["clean"] for unit in (UNIT, OTHER_UNIT)] == [(0, 1), (0, 1)]


def test_cloned_firmware_makes_its_register_row_unclean_with_the_reason():
    devices = [terminal("d1", serial="ABC1234"), terminal("d2", serial="ABC1234")]
    part = quality([asset(1, serial="ABC1234", **WHOLE)], devices)[UNIT].part("clean")
    assert (part.numerator, part.denominator) == (0, 3)
    assert any("1 rows of the register and 2 terminals" in text for row in reasons(part) for text in row)


@pytest.mark.parametrize("serial", ["To be filled by O.E.M.", "123456789"])
def test_a_placeholder_is_unclean(serial):
    part = quality([asset(1, serial=serial, **WHOLE)])[UNIT].part("clean")
    assert reasons(part) == [[f"Serial “{serial}” is a placeholder."]]


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("M?y t?nh ?? b?n", True),
        ("Máy tính\ufffd", True),
        ("M¸y vi tÝnh ®Ó bµn v¨n phßng", True),
        ("Máy tính để bàn", False),
        ("May tinh Dell", False),
        ("Còn tốt?", False),
        ("ThinkPad™ X1", False),
    ],
)
def test_unreadable_text(text, bad):
    assert is_unreadable(text) is bad


def test_alive_is_thirty_days_for_terminals_and_a_year_for_rows():
    day = dt.timedelta(days=1)
    devices = [terminal("d1"), terminal("d2"), terminal("d3")]
    assets = [asset(1, serial="ROW0001"), asset(2, serial="ROW0002"), asset(3, serial="ROW0003")]
    part = quality(
        assets,
        devices,
        reported={"d1": AS_OF - 30 * day, "d2": AS_OF - 31 * day},
        stated={1: AS_OF - 365 * day, 2: AS_OF - 366 * day},
    )[UNIT].part("alive")
    assert (part.numerator, part.denominator) == (2, 6)
    assert {row.reference for row in part.shortfalls} == {"A2", "A3", "Dd2", "Dd3"}


class TestOverrides:
    def override(self, decision="yes", asset_id=1, device_id=None, computed="no"):
        return Override(asset_id, device_id, decision, computed, "đã xem tem máy", "Lan", dt.date(2026, 11, 1))

    def test_the_decided_and_the_computed_value_are_both_told(self):
        whole = build_investment_list([], [asset(1, **WHOLE)], as_of=AS_OF, overrides=[self.override()])
        (one,) = whole.items
        assert (one.over_10_years, one.estimate.over_10_years, one.recommendation) == ("yes", "no", "replace")
        told = " ".join(reason.render() for reason in one.reasons)
        assert "not over 10 years" in told
        assert "Decided by Lan on 2026-11-01: đã xem tem máy" in told
        assert "has changed" not in told

    def test_changed_evidence_asks_for_another_look(self):
        overrides = [self.override("no", computed="uncertain")]
        (one,) = build_investment_list([], [asset(1, **WHOLE)], as_of=AS_OF, overrides=overrides).not_listed
        assert any("has changed" in reason.render() for reason in one.reasons)

    def test_a_decision_goes_with_the_terminal(self):
        row, device = asset(1, serial="ABC1234"), terminal("d1", serial="ABC1234")
        overrides = [self.override(device_id="d1")]
        apart = {(1, "d1")}
        whole = build_investment_list([device], [row], as_of=AS_OF, overrides=overrides, apart=apart)
        decided = {one.item.reference for one in (*whole.items, *whole.to_verify, *whole.not_listed) if one.override}
        assert decided == {"Dd1"}

    def test_the_newest_of_two_counts_and_a_gone_terminal_leaves_it_to_the_asset(self):
        from inventory.items import Item

        book = OverrideBook([self.override("yes"), self.override("no", device_id="gone")], ["d1"])
        assert book.of(Item(None, asset(1))).decision == "no"
        assert book.of(Item(terminal("d1"), None)) is None

    @pytest.mark.parametrize("text", ["", "   ", "ngắn", "\u200b" * 50, "x" * 2001])
    def test_a_reason_is_a_reason(self, text):
        with pytest.raises(ReasonError, match="10 to 2000"):
            checked_reason(text)
        assert checked_reason("  dòng 1\r\n dòng\x002 ") == "dòng 1 dòng 2"


class TestApart:
    def test_unlinked_pairs_stay_apart(self):
        row, device = asset(1, serial="ABC1234"), terminal("d1", serial="ABC1234")
        assert match_assets([row], [device]).pairs
        matching = match_assets([row], [device], apart={(1, "d1")})
        assert (matching.pairs, matching.doubts) == ((), ())

    def test_ruling_out_one_clone_does_not_prove_the_other(self):
        devices = [terminal(name, serial="ABC1234") for name in ("d1", "d2")]
        matching = match_assets([asset(1, serial="ABC1234")], devices, apart={(1, "d1")})
        assert matching.pairs == ()
        assert matching.doubts[0].device_ids == ("d2",)
        ruled_out = match_assets([asset(1, serial="ABC1234")], devices, apart={(1, "d1"), (1, "d2")})
        assert (ruled_out.pairs, ruled_out.doubts) == ((), ())
