from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.assets import AssetValues, RegisteredAsset
from inventory.identity import computer_name_key, mac_key, match_assets, terminal_serial
from inventory.ports import DeviceRecord
from inventory.serials import serial_key


def asset(number, *, unit="16681", device=None, linked_by=None, **values):
    known = AssetValues(unit_code=unit, name="Máy tính", kind="desktop", **values)
    return RegisteredAsset(number, f"k{number}", known, 1, device, linked_by)


def terminal(name, *, unit="16681", serial=None, board=None, chassis=None, tag=None, macs=(), called=None):
    facts = {
        "system": [{"serial": serial}],
        "baseboard": [{"serial": board}],
        "chassis": [{"serial": chassis, "asset_tag": tag}],
        "network_adapter": [{"name": "eth0", "mac": mac, "physical": True} for mac in macs],
        "computer_name_sha256": computer_name_key(called),
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


MAC = "00:1A:2B:3C:4D:5E"
OTHER_MAC = "00:1A:2B:3C:4D:60"


def doubts(matching):
    return [(doubt.asset_ids, doubt.device_ids, doubt.by) for doubt in matching.doubts]


@pytest.mark.parametrize(
    ("known", "device", "by"),
    [
        ({"mac_address": MAC}, terminal("d", macs=[MAC.lower()]), "mac_address"),
        ({"mac_address": "00-1a-2b-3c-4d-5e"}, terminal("d", macs=[OTHER_MAC, MAC]), "mac_address"),
        ({"mac_address": MAC, "computer_name": "MAY-01"}, terminal("d", macs=[MAC], called="may-01"), "mac_address"),
        ({"computer_name": " MAY-01.xa.local"}, terminal("d", called="may-01"), "computer_name"),
        ({"mac_address": "02:1A:2B:3C:4D:5E", "computer_name": "M1"}, terminal("d", called="M1"), "computer_name"),
        ({"serial": "ABC1234", "mac_address": MAC}, terminal("d", serial="ABC1234", macs=[OTHER_MAC]), "serial"),
        ({"asset_code": "TS0001", "mac_address": MAC}, terminal("d", tag="TS0001", macs=[MAC]), "asset_tag"),
        ({"serial": "N/A", "mac_address": MAC}, terminal("d", serial="QQQ0001", macs=[MAC]), "mac_address"),
        ({"serial": "ABC1234", "mac_address": MAC}, terminal("d", serial="None", macs=[MAC]), "mac_address"),
    ],
)
def test_address_and_name_in_turn(known, device, by):
    matching = match_assets([asset(1, **known)], [device])
    assert pairs(matching) == [(1, "d", by)]
    assert matching.doubts == ()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("001a.2b3c.4d5e", MAC),
        ("00-1A-2B-3C-4D-5E", MAC),
        ("00:00:00:00:00:00", None),
        ("ff:ff:ff:ff:ff:ff", None),
        ("02:1A:2B:3C:4D:5E", None),
        ("DA:1A:2B:3C:4D:5E", None),
        ("01:00:5E:00:00:01", None),
        ("00:11:22:33:44:55", None),
        ("00:1A:2B:3C:4D", None),
        ("10.1.2.3", None),
        ("", None),
        (None, None),
    ],
)
def test_addresses_that_tell_machines_apart(text, key):
    assert mac_key(text) == key


def test_an_address_that_is_no_key_pairs_nothing():
    for text in ("00:00:00:00:00:00", "FF:FF:FF:FF:FF:FF", "02:1A:2B:3C:4D:5E", "00:11:22:33:44:55"):
        matching = match_assets([asset(1, mac_address=text)], [terminal("d", macs=[text])])
        assert (matching.pairs, matching.doubts) == ((), ())


def test_the_digest_is_that_of_the_agent():
    # sha256sum of "may-01"; tests/agent/test_network.py holds the other end to the same digest.
    assert computer_name_key("MAY-01") == "96dff2dfa3fccde07b3a7e6e8a47571a57db019e34c3d333489fe8e9d73de6a9"
    assert [computer_name_key(name) for name in (None, "", " ", "localhost")] == [None] * 4


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ([{"mac_address": MAC}, {"mac_address": MAC}], [{"macs": [MAC]}]),
        ([{"mac_address": MAC}], [{"macs": [MAC]}, {"macs": [MAC]}]),
        ([{"computer_name": "PC"}, {"computer_name": "pc"}], [{"called": "PC"}]),
        ([{"computer_name": "PC"}], [{"called": "PC"}, {"called": "PC"}]),
        # One side of the shared key is taken by a surer one: what is left of it is still no key.
        ([{"mac_address": MAC}], [{"macs": [MAC], "serial": "XYZ9999"}, {"macs": [MAC]}]),
    ],
)
def test_a_shared_address_or_name_is_no_key(known, told):
    assets = [asset(number, **values) for number, values in enumerate(known, 1)]
    matching = match_assets(assets, [terminal(f"d{number}", **values) for number, values in enumerate(told, 1)])
    assert (matching.pairs, matching.doubts) == ((), ())


def test_a_shared_address_stays_no_key_when_a_serial_takes_one_of_its_terminals():
    assets = [asset(1, serial="XYZ9999"), asset(2, mac_address=MAC)]
    terminals = [terminal("d1", serial="XYZ9999", macs=[MAC]), terminal("d2", macs=[MAC])]
    matching = match_assets(assets, terminals)
    assert (pairs(matching), matching.doubts) == ([(1, "d1", "serial")], ())


def test_a_name_counts_in_its_own_unit_only():
    device = terminal("d", called="MAY-01")
    assert match_assets([asset(1, unit="17827", computer_name="MAY-01")], [device]).pairs == ()
    assets = [asset(1, unit="17827", computer_name="MAY-01"), asset(2, computer_name="MAY-01")]
    assert pairs(match_assets(assets, [device])) == [(2, "d", "computer_name")]


@pytest.mark.parametrize(
    ("known", "told", "expected"),
    [
        # The serial says one terminal, the address another.
        (
            [{"serial": "ABC1234", "mac_address": MAC}],
            [{"serial": "ABC1234"}, {"macs": [MAC]}],
            [((1,), ("d1", "d2"), "serial")],
        ),
        # The tag says one terminal, the name another.
        (
            [{"asset_code": "TS0001", "computer_name": "M1"}],
            [{"tag": "TS0001"}, {"called": "M1"}],
            [((1,), ("d1", "d2"), "asset_tag")],
        ),
        # The address says one terminal, the name another.
        (
            [{"mac_address": MAC, "computer_name": "M1"}],
            [{"macs": [MAC]}, {"called": "M1"}],
            [((1,), ("d1", "d2"), "mac_address")],
        ),
        # Two assets point to one terminal, each by another of its adapters.
        (
            [{"mac_address": MAC}, {"mac_address": OTHER_MAC}],
            [{"macs": [MAC, OTHER_MAC]}],
            [((1, 2), ("d1",), "mac_address")],
        ),
        # A column of the register has slipped by a row: one doubt, not one for each.
        (
            [{"serial": "ABC1234", "mac_address": OTHER_MAC}, {"serial": "XYZ9999", "mac_address": MAC}],
            [{"serial": "ABC1234", "macs": [MAC]}, {"serial": "XYZ9999", "macs": [OTHER_MAC]}],
            [((1, 2), ("d1", "d2"), "serial")],
        ),
        # The address or the name is right and the serial is another's: an adapter or a name that moved.
        (
            [{"serial": "ABC1234", "mac_address": MAC}],
            [{"serial": "XYZ9999", "macs": [MAC]}],
            [((1,), ("d1",), "mac_address")],
        ),
        (
            [{"mac_address": OTHER_MAC, "computer_name": "M1"}],
            [{"macs": [MAC], "called": "M1"}],
            [((1,), ("d1",), "computer_name")],
        ),
    ],
)
def test_keys_against_each_other_go_to_a_person(known, told, expected):
    assets = [asset(number, **values) for number, values in enumerate(known, 1)]
    terminals = [terminal(f"d{number}", **values) for number, values in enumerate(told, 1)]
    for some_assets in (assets, assets[::-1]):
        matching = match_assets(some_assets, terminals[::-1])
        assert matching.pairs == ()
        assert doubts(matching) == expected


def test_a_doubt_shows_what_differs():
    matching = match_assets([asset(1, serial="ABC1234", mac_address=MAC)], [terminal("d", serial="X9999", macs=[MAC])])
    assert f"{MAC} (ABC1234 ≠ X9999)" in matching.doubts[0].why.render()


def test_a_name_is_shown_as_the_register_has_it():
    known = {"mac_address": MAC, "computer_name": "May-01"}
    matching = match_assets([asset(1, **known)], [terminal("d1", macs=[MAC]), terminal("d2", called="may-01")])
    assert f"{MAC}; May-01" in matching.doubts[0].why.render()


def test_a_person_settles_keys_against_each_other():
    known = {"serial": "ABC1234", "mac_address": MAC}
    terminals = [terminal("d1", serial="ABC1234"), terminal("d2", macs=[MAC])]
    ruled_out = match_assets([asset(1, **known)], terminals, apart={(1, "d2")})
    assert (pairs(ruled_out), ruled_out.doubts) == ([(1, "d1", "serial")], ())
    by_person = match_assets([asset(1, device="d2", linked_by="person", **known)], terminals)
    assert (pairs(by_person), by_person.doubts) == ([(1, "d2", "person")], ())


def test_an_address_settles_cloned_serials():
    terminals = [terminal("d1", serial="ABC1234", macs=[MAC]), terminal("d2", serial="ABC1234", macs=[OTHER_MAC])]
    matching = match_assets([asset(1, serial="ABC1234", mac_address=MAC)], terminals)
    assert (pairs(matching), matching.doubts) == ([(1, "d1", "mac_address")], ())
    stranger = [*terminals, terminal("d3", macs=["00:1A:2B:3C:4D:70"])]
    matching = match_assets([asset(1, serial="ABC1234", mac_address="00:1A:2B:3C:4D:70")], stranger)
    assert matching.pairs == ()
    assert doubts(matching)[-1] == ((1,), ("d1", "d2", "d3"), "mac_address")


@pytest.mark.parametrize("digest", [5, "", "may-01", "A" * 64, [{"x": 1}], None])
def test_digests_of_any_shape_are_passed_over(digest):
    facts = {"computer_name_sha256": digest, "network_adapter": [{"mac": 5}, {}]}
    device = DeviceRecord("d", "16681", "", dt.date(2026, 7, 1), None, facts)
    assert match_assets([asset(1, computer_name="MAY-01", mac_address=MAC)], [device]).pairs == ()


SERIALS = st.sampled_from([None, None, "ABC1234", "XYZ9999", "QQQ0001"])
TAGS = st.sampled_from([None, None, "TS0001", "TS0002"])
ADDRESSES = st.sampled_from([None, MAC, OTHER_MAC, "00:1A:2B:3C:4D:70", "02:1A:2B:3C:4D:5E"])
NAMES = st.sampled_from([None, "M1", "M2", "M3"])


@given(
    st.lists(st.tuples(SERIALS, TAGS, ADDRESSES, NAMES), max_size=4),
    st.lists(st.tuples(SERIALS, TAGS, ADDRESSES, NAMES), max_size=4),
)
def test_each_side_is_paired_once_whatever_the_order(rows, machines):
    assets = [
        asset(number, serial=serial, asset_code=tag, mac_address=mac, computer_name=name)
        for number, (serial, tag, mac, name) in enumerate(rows, 1)
    ]
    terminals = [
        terminal(f"d{number}", serial=serial, tag=tag, macs=[mac] if mac else [], called=name)
        for number, (serial, tag, mac, name) in enumerate(machines, 1)
    ]
    found = match_assets(assets, terminals)
    assert len({pair.asset_id for pair in found.pairs}) == len({pair.device_id for pair in found.pairs})
    assert len({pair.asset_id for pair in found.pairs}) == len(found.pairs)
    again = match_assets(assets[::-1], terminals[::-1])
    assert set(again.pairs) == set(found.pairs)
