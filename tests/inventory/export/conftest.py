"""A made-up list with everything a document can show, and the Vietnamese of the fragments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from agent.wire.message import Message, Translate
from inventory.assets import AssetValues, RegisteredAsset
from inventory.investment import InvestmentList, build_investment_list
from inventory.plan.model import (
    BlockBudget,
    Candidate,
    Ceilings,
    InvestmentPlan,
    PlannedItem,
    PlanYear,
    Score,
    ScorePart,
    UnpricedItem,
    Wait,
    WaitingCost,
    WaitingItem,
)
from inventory.ports import DeviceRecord
from inventory.staffing.model import Staffing
from inventory.units import load_units

ROOT = Path(__file__).parents[3]
AS_OF = dt.date(2026, 11, 21)
OLD = {
    "system": [{"manufacturer": "Dell Inc.", "product": "OptiPlex 3010", "serial": "MAU1234"}],
    "chassis": [{"type": "Desktop"}],
    "processor": [{"manufacturer": "Intel", "version": "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz"}],
    "bios": [{"vendor": "Dell Inc.", "release_date": "03/25/2013"}],
    "dell_revisions": [{"manufacture_date": "20130410", "first_power_on_date": "20130602"}],
}
# Name, kind, cost of one piece; every text says that it is made up.
_SAMPLES = (
    ("Máy vi tính để bàn (số liệu mẫu)", "desktop", 12_500_000),
    ("Máy vi tính xách tay (số liệu mẫu)", "laptop", 15_900_000),
    ("Máy in laser (số liệu mẫu)", "printer", 4_200_000),
    ("Máy scan tài liệu (số liệu mẫu)", "scanner", 18_700_000),
    ("Bộ chuyển mạch 24 cổng (số liệu mẫu)", "switch", 11_250_000),
)
_BLOCKS = ("dang", "chinh-quyen", "mttq")
_CONDITIONS = ("Còn sử dụng được", "Hỏng", None, "Tốt")


@pytest.fixture
def as_of() -> dt.date:
    return AS_OF


@pytest.fixture(scope="session")
def vietnamese() -> Translate:
    texts: dict[str, str] = {}
    for path in sorted((ROOT / "collector/locale/fragments").glob("*.po")):
        with path.open("rb") as file:
            texts |= {message.id: message.string for message in read_po(file, locale="vi") if message.string}
    return lambda pattern: texts.get(pattern, pattern)


@pytest.fixture
def english() -> Translate:
    return lambda pattern: pattern


def asset(number: int, *, unit: str = "16681", name: str = "Máy in (số liệu mẫu)", **values) -> RegisteredAsset:
    known = AssetValues(**{"unit_code": unit, "name": name, "kind": "printer"} | values)
    return RegisteredAsset(number, f"k{number}", known, 1)


def terminal(number: int = 0, *, unit: str = "16681", findings: tuple[Message, ...] = ()) -> DeviceRecord:
    facts = OLD | {"system": [OLD["system"][0] | {"serial": f"TRAM{number:04}"}]}
    identity = f"3f0c5a6e-0000-4000-8000-{number:012}"
    return DeviceRecord(identity, unit, "Văn phòng", dt.date(2026, 9, 1), AS_OF, facts, findings)


def made_up_assets(count: int, units: int) -> list[RegisteredAsset]:
    """So many assets over so many units; two of three are over ten years old."""
    codes = [unit.code for unit in load_units()][:units]
    assets = []
    for number in range(1, count + 1):
        name, kind, cost = _SAMPLES[number * 7 % len(_SAMPLES)]
        quantity = 3 if number % 17 == 0 else 1
        assets.append(
            asset(
                number,
                unit=codes[number * number % len(codes)],
                name=f"{name} {number}",
                kind=kind,
                serial=f"MAU{number:05}" if number % 4 else None,
                asset_code=f"TS-{number:04}",
                year_put_into_use=None if number % 23 == 0 else 2006 + number * 5 % 19,
                original_cost_vnd=cost * quantity,
                quantity=quantity,
                block=_BLOCKS[number % 3],
                condition=_CONDITIONS[number % 4],
            )
        )
    return assets


@pytest.fixture(scope="session")
def made_up() -> Callable[..., InvestmentList]:
    def make(
        count: int = 60, units: int = 20, *, block: str | None = None, terminals: int = 3, staffed: int = 0
    ) -> InvestmentList:
        """The list; of the first `staffed` units a survey told the headcount."""
        devices = [terminal(number, unit=load_units()[number % units].code) for number in range(terminals)]
        staffing = [
            Staffing(unit.code, chosen, "VIII", 9 + number, AS_OF)
            for number, unit in enumerate(load_units()[:staffed])
            for chosen in _BLOCKS
        ]
        return build_investment_list(devices, made_up_assets(count, units), as_of=AS_OF, block=block, staffing=staffing)

    return make


@pytest.fixture(scope="session")
def make_asset() -> Callable[..., RegisteredAsset]:
    return asset


@pytest.fixture(scope="session")
def make_terminal() -> Callable[..., DeviceRecord]:
    return terminal


@pytest.fixture(scope="session")
def plan() -> InvestmentPlan:
    """Two years, two lines in the first, one that waits, one without a price."""

    def candidate(reference, name, points, price, quantity=1, action="replace"):
        part = ScorePart(
            "age", "age", "known", points * 10, 100, Message("It is over {years} years old.", {"years": 10})
        )
        source = "price_cap" if price else "none"
        return Candidate(
            reference, "16681", "Xã Nghi Lộc", "dang", "desktop", name, action, quantity, price, source, 150, True,
            Score((part,)), (Message("It is over {years} years old.", {"years": 10}),),
        )  # fmt: skip

    def cost(years, growth):
        return WaitingCost(years, growth, 12 * years, 0)

    first = candidate("A1", "Máy vi tính để bàn (số liệu mẫu) 1", 92, 20_000_000, 2)
    second = candidate("B1", "Máy in (số liệu mẫu) bổ sung", 71, 13_000_000, 1, "add")
    third = candidate("A3", "Máy photocopy (số liệu mẫu)", 55, 110_000_000)
    waits = (Wait(2026, "year", None, 110_000_000, 7_000_000), Wait(2027, "year", None, 110_000_000, 50_000_000))
    years = (
        PlanYear(
            2026,
            60_000_000,
            (
                PlannedItem(1, first, 2, 40_000_000, (), cost(0, 0)),
                PlannedItem(2, second, 1, 13_000_000, (), cost(0, 0)),
            ),
            (BlockBudget("dang", None, 53_000_000),),
        ),
        PlanYear(2027, 50_000_000, (), (BlockBudget("dang", None, 0),)),
    )
    return InvestmentPlan(
        as_of=AS_OF,
        threshold_years=10,
        block=None,
        years=years,
        waiting=(WaitingItem(3, third, 1, 110_000_000, waits, cost(2, 8_000_000)),),
        unpriced=(
            UnpricedItem(candidate("A9", "Bộ chuyển mạch (số liệu mẫu)", 40, None), Message("No price is known.")),
        ),
        ceilings=Ceilings({2026: 60_000_000, 2027: 50_000_000}, {}),
        weights_title="Trọng số mẫu",
        weights_effective_from=dt.date(2026, 1, 1),
        weights_source="số liệu mẫu",
        price_growth_percent="3.5",
        notices=(Message("No price is known."),),
    )
