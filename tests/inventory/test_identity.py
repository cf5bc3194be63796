from __future__ import annotations

import datetime as dt

import pytest

from inventory.assets import AssetValues, RegisteredAsset
from inventory.identity import match_assets, terminal_serial
from inventory.ports import DeviceRecord
from inventory.serials import serial_key


def asset(number, *, unit="16681", device=None, linked_by=None, **values):
    known = AssetValues(unit_code=unit, name="Máy tính", kind="desktop", **values)
    return RegisteredAsset(number, f"k{number}", known, 1, device, linked_by)


def terminal(name, *, unit="16681", serial=None, board=None, chassis=None, tag=None):
    facts = {
        "system": [{"serial": serial}],
        "baseboard": [{"serial": board}],
        "chassis": [{"serial": chassis, "asset_tag": tag}],
    }
    return DeviceRecord(name, unit, "", dt.date(2026, 7, 1), None, facts)


def pairs(matching):
    return [(pair.asset_id, pair.device_id, pair.by) for pair in matching.pairs]


@pytest.mark.parametrize(
    ("device", "by"),
    [
        (terminal("d", serial="abc-1234"), "serial"),
        (terminal("d", serial="Default string", board="ABC1234"), "board_serial"),
        (terminal("d", serial="0000000000", board="None", chassis=" ABC1234 "), "chassis_serial"),
        (terminal("d", serial="ZZZ9999", tag="TS-0001"), "asset_tag"),
    ],
)
def test_each_key_in_turn(device, by):
    assert pairs(match_assets([asset(1, serial="ABC1234", asset_code="TS0001")], [device])) == [(1, "d", by)]


def test_placeholders_pair_nothing():
    texts = ("To be filled by O.E.M.", "Default string", "123456789", "System Serial Number", "00000000")
    for text in texts:
        matching = match_assets([asset(1, serial=text)], [terminal("d", serial=text, board=text, chassis=text)])
        assert matching.pairs == ()
        assert matching.doubts == ()
    assert terminal_serial(terminal("d", serial="None", board="B123456").facts) == "B123456"


def test_a_tag_counts_in_its_own_unit_only():
    assert match_assets([asset(1, unit="17827", asset_code="TS0001")], [terminal("d", tag="TS0001")]).pairs == ()


def test_cloned_serials_go_to_a_person():
    matching = match_assets([asset(1, serial="ABC1234")], [terminal(n, serial="ABC1234") for n in ("d1", "d2")])
    assert matching.pairs == ()
    (doubt,) = matching.doubts
    assert (doubt.asset_ids, doubt.device_ids) == ((1,), ("d1", "d2"))
    assert doubt.why.render() == "ABC1234 stands on 1 rows of the register and 2 terminals"


def test_a_person_outweighs_every_key_and_settles_a_doubt():
    assets = [asset(1, serial="ABC1234", device="d2", linked_by="person"), asset(2, serial="XYZ9999")]
    terminals = [terminal("d1", serial="XYZ9999"), terminal("d2", serial="XYZ9999")]
    assert pairs(match_assets(assets, terminals)) == [(1, "d2", "person"), (2, "d1", "serial")]


def test_an_old_link_that_no_person_made_is_judged_anew():
    assets = [asset(1, serial="ABC1234", device="d2", linked_by="serial")]
    matching = match_assets(assets, [terminal("d1", serial="ABC1234"), terminal("d2", serial="QQQ0001")])
    assert pairs(matching) == [(1, "d1", "serial")]


def test_each_side_is_paired_once():
    assets = [asset(1, serial="ABC1234"), asset(2, serial="BRD5678")]
    matching = match_assets(assets, [terminal("d", serial="ABC1234", board="BRD5678")])
    assert pairs(matching) == [(1, "d", "serial")]


def test_facts_of_any_shape_are_passed_over():
    device = DeviceRecord("d", "16681", "", dt.date(2026, 7, 1), None, {"system": "x", "baseboard": [{"serial": 5}]})
    assert match_assets([asset(1, serial="ABC1234")], [device]).pairs == ()


@pytest.mark.parametrize(
    "text", ["", None, "abc", "1111111", "N/A", "không có", "S/N", "To Be Filled By O.E.M.", "----"]
)
def test_what_is_no_serial(text):
    assert serial_key(text) is None
