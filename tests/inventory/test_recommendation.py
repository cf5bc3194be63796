"""What is proposed, with its grounds: the legal test is liquidation, age is a flag, a dead system a reason to act."""

from __future__ import annotations

import datetime as dt

import pytest

from inventory.assets import AssetValues, RegisteredAsset
from inventory.investment import build_investment_list
from inventory.ports import DeviceRecord

AS_OF = dt.date(2026, 11, 21)
GIB = 1 << 30

WINDOWS_10 = {"os_family": "windows", "os_name": "Windows 10 Pro", "os_build": "19045.3803"}
WINDOWS_11 = {"os_family": "windows", "os_name": "Windows 10 Pro", "os_build": "26200.1"}
THIRD = {"processor": [{"vendor_id": "GenuineIntel", "version": "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz"}]}
SEVENTH = {"processor": [{"vendor_id": "GenuineIntel", "version": "Intel(R) Core(TM) i5-7500 CPU @ 3.40GHz"}]}
EIGHTH = {"processor": [{"vendor_id": "GenuineIntel", "version": "Intel(R) Core(TM) i5-8500 CPU @ 3.00GHz"}]}
HARDWARE = {
    "memory_device": [{"size_bytes": 8 * GIB}],
    "disk": [{"size_bytes": 256 * 10**9}],
    "chassis": [{"type": "Desktop"}],
    "system": [{"manufacturer": "Dell Inc.", "product": "OptiPlex 7050", "serial": "SER1234"}],
}


def made(day):
    return {"dell_revisions": [{"manufacture_date": day, "first_power_on_date": day}]}


def judged(facts=None, **values):
    """The one item made of a terminal with these facts and of its row in the register."""
    devices = [DeviceRecord("d", "17827", "UBND", dt.date(2026, 9, 1), AS_OF, facts, ())] if facts is not None else []
    assets = []
    if values or not devices:
        known = {"unit_code": "17827", "name": "Máy tính", "kind": "desktop", "serial": "SER1234"} | values
        assets = [RegisteredAsset(1, "k1", AssetValues(**known), 1)]
    (one,) = build_investment_list(devices, assets, as_of=AS_OF).judged
    return one


def said(one):
    return " ".join(reason.render() for reason in one.reasons)


def codes(one):
    return [basis.code for basis in one.legal_basis]


def test_over_ten_and_expired_is_replaced_on_the_ground_of_liquidation():
    one = judged(THIRD | HARDWARE | made("20140410"), year_put_into_use=2014)
    assert (one.over_10_years, one.expired, one.recommendation) == ("yes", "yes", "replace")
    assert codes(one) == ["replace_when_liquidated", "liquidate_expired", "life_is_the_test", "useful_life"]
    assert [basis.article for basis in one.legal_basis][:3] == ["Điều 3.7", "Điều 45.1.a", "Điều 13.3"]


def test_over_ten_alone_is_no_ground():
    unknown = judged(THIRD | HARDWARE | made("20140410"))
    assert (unknown.expired, unknown.recommendation) == ("uncertain", "replace")
    assert "check that its useful life is over" in said(unknown)
    young = judged(THIRD | HARDWARE | made("20140410"), year_put_into_use=2023)
    assert (young.expired, young.recommendation) == ("no", "verify")
    assert "check the year put into use" in said(young)


@pytest.mark.parametrize(
    ("year", "recommendation", "word"),
    [
        (2018, "replace", "useful life of 7 years is over"),
        (2021, "keep", "may not be replaced yet"),
        (None, "verify", "The year put into use decides"),
    ],
)
def test_a_processor_that_windows_11_refuses(year, recommendation, word):
    one = judged(SEVENTH | HARDWARE | WINDOWS_10 | made("20180410"), year_put_into_use=year)
    assert (one.over_10_years, one.recommendation) == ("no", recommendation)
    assert word in said(one)
    assert "2025-10-14" in said(one)
    assert "i5-7500" in said(one)


def test_a_young_machine_is_upgraded():
    ready = judged(EIGHTH | HARDWARE | WINDOWS_10 | made("20190410"), year_put_into_use=2019)
    assert (ready.expired, ready.recommendation) == ("yes", "upgrade")
    assert "no equipment need be bought" in said(ready)
    assert "TPM 2.0 is not told" in said(ready)
    small = {"memory_device": [{"size_bytes": 2 * GIB}]}
    short = judged(EIGHTH | HARDWARE | small | WINDOWS_10 | made("20190410"), year_put_into_use=2022)
    assert (short.recommendation, short.windows_11.failing) == ("upgrade", ("memory",))
    assert "With more memory" in said(short)


def test_an_end_that_a_free_version_mends_is_no_reason_to_buy():
    outdated = WINDOWS_11 | {"os_build": "22631.1"}
    one = judged(EIGHTH | HARDWARE | outdated | made("20210410"), year_put_into_use=2021)
    assert (one.support.state, one.recommendation) == ("out_of_support", "keep")
    assert "without buying anything" in said(one)


def test_an_unknown_system_or_processor_proposes_nothing_to_buy():
    silent = judged(HARDWARE | made("20190410"), year_put_into_use=2022)
    assert (silent.support.state, silent.recommendation) == ("unknown", "keep")
    blank = judged(HARDWARE | WINDOWS_10 | made("20190410"), year_put_into_use=2022)
    assert (blank.windows_11.answer, blank.recommendation) == ("unknown", "verify")


def test_extended_updates_leave_a_machine_where_it_is():
    paid = WINDOWS_10 | {"os_build": "19045.6575"}
    one = judged(SEVENTH | HARDWARE | paid | made("20180410"), year_put_into_use=2018)
    assert (one.support.state, one.recommendation) == ("unknown", "keep")
    assert "has received extended updates" in said(one)


@pytest.mark.parametrize(
    ("year", "recommendation", "ground"),
    [
        (2010, "replace", "liquidate_expired"),
        (2018, "liquidate", "liquidate_expired"),
        (2023, "verify", "liquidate_broken"),
    ],
)
def test_broken_pieces(year, recommendation, ground):
    one = judged(kind="printer", name="Máy in", condition="Hỏng", year_put_into_use=year)
    assert one.recommendation == recommendation
    assert ground in codes(one)


def test_expired_and_usable_stays_in_use():
    one = judged(kind="printer", name="Máy in", year_put_into_use=2018)
    assert (one.recommendation, codes(one)) == ("keep", ["expired_stays_in_use", "useful_life"])
    assert one.support is None
    assert one.windows_11 is None


def test_a_server_is_not_asked_for_windows_11():
    one = judged(kind="server", name="Máy chủ", year_put_into_use=2024)
    assert one.windows_11 is None
    assert one.support.state == "unknown"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("Máy tính soạn thảo mật", True),
        ("May tinh soan thao mat", True),
        ("Máy tính phục vụ bảo vệ bí mật nhà nước", True),
        ("Máy tính (quên mật khẩu)", False),
        ("Máy in hai mặt", False),
        ("Máy tính của đ/c Mai", False),
    ],
)
def test_secret_work_is_told_by_the_register(name, secret):
    one = judged(name=name, year_put_into_use=2024)
    assert one.item.is_for_secret_work is secret
    remarks = " ".join(remark.render() for remark in one.remarks)
    assert ("state-secret work" in remarks) is secret
    assert ("secret_work_apart" in codes(one)) is secret
    # Such a machine is not expected on the network.
    assert ("No agent reports" in remarks) is not secret


def test_grounds_are_those_of_the_day():
    early = build_investment_list(
        [],
        [
            RegisteredAsset(
                1, "k", AssetValues(unit_code="17827", name="Máy in", kind="printer", year_put_into_use=2010), 1
            )
        ],
        as_of=dt.date(2025, 12, 31),
    )
    (one,) = early.items
    assert codes(one) == ["replace_when_liquidated", "liquidate_expired", "useful_life"]
