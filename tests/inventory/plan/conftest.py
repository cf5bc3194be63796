"""Candidates with a given rank and price, and lists made of registers and terminals."""

from __future__ import annotations

import datetime as dt

import pytest

from agent.wire.message import Message
from inventory.assets import AssetValues, RegisteredAsset
from inventory.investment import build_investment_list
from inventory.plan import Candidate, Score, ScorePart
from inventory.ports import DeviceRecord

AS_OF = dt.date(2026, 11, 21)
OLD = {
    "system": [{"manufacturer": "Dell Inc.", "product": "OptiPlex 3010", "serial": "ABC1234"}],
    "chassis": [{"type": "Desktop"}],
    "processor": [{"manufacturer": "Intel", "version": "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz"}],
    "bios": [{"vendor": "Dell Inc.", "release_date": "03/25/2013"}],
    "dell_revisions": [{"manufacture_date": "20130410", "first_power_on_date": "20130602"}],
    "os_name": "Windows 10 Pro",
    "os_build": "19045.5",
}


def a_candidate(reference, price, *, points=50_000, quantity=1, block=None, action="replace", **more):
    part = ScorePart("age", "age", "known", 1, points, Message("x"))
    values = {
        "unit_code": "16681",
        "unit_name": "Phường Thành Vinh",
        "kind": "desktop",
        "name": "Máy tính",
        "price_source": "price_cap",
        "age_months": 150,
        "over_threshold": action != "add",
    }
    return Candidate(
        reference=reference,
        block=block,
        action=action,
        quantity=quantity,
        unit_price_vnd=price,
        score=Score((part,)),
        **(values | more),
    )


@pytest.fixture(scope="session")
def candidate():
    return a_candidate


@pytest.fixture(scope="session")
def old_facts():
    return OLD


@pytest.fixture
def device():
    def make(name, facts=OLD, *, unit="16681", findings=()):
        return DeviceRecord(name, unit, "UBND", dt.date(2026, 9, 1), AS_OF, facts, findings)

    return make


@pytest.fixture
def asset():
    def make(number, name="Máy in Canon", kind="printer", unit="16681", **values):
        return RegisteredAsset(number, f"k{number}", AssetValues(unit_code=unit, name=name, kind=kind, **values), 1)

    return make


@pytest.fixture
def listed():
    def make(devices=(), assets=(), as_of=AS_OF, **options):
        return build_investment_list(list(devices), list(assets), as_of=as_of, **options)

    return make
