"""The equipment investment list: every item judged, those over ten years listed, doubtful ones set apart. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.wire.message import Message, mark
from inventory.age.estimate import estimate_age
from inventory.age.evidence import AgeEstimate
from inventory.assessment import Assessment, assess
from inventory.assets import RegisteredAsset
from inventory.collation import sort_key
from inventory.identity import Doubt, match_assets
from inventory.items import Item, items_of
from inventory.norms import Norms, PriceCaps, Quantities, UsefulLifeNorm, load_norms
from inventory.operating_systems import unconfirmed_systems
from inventory.overrides import Override, OverrideBook
from inventory.ports import DeviceRecord
from inventory.shortage import Shortage, balance
from inventory.staffing.model import Staffing
from inventory.transfer import propose_transfers
from inventory.units import Unit, load_units

DEFAULT_THRESHOLD_YEARS = 10


@dataclass(frozen=True, slots=True)
class UnitSummary:
    """The numbers of one unit.

    Args:
        unit_code: its official code.
        unit_name: its name, or the code where it is no unit of the province.
        former_district: where it lies, for grouping.
        items: all items of the unit.
        listed: items on the list.
        listed_pieces: pieces on the list (a register row may stand for several).
        to_verify: items whose age is uncertain.
        not_listed: items that are not over ten years.
        amount_vnd: the most that replacing the listed items may cost, as far as there are caps.
        without_cap: listed items without a cap, which `amount_vnd` does not hold.
    """

    unit_code: str
    unit_name: str
    former_district: str
    items: int
    listed: int
    listed_pieces: int
    to_verify: int
    not_listed: int
    amount_vnd: int
    without_cap: int


@dataclass(frozen=True, slots=True)
class InvestmentList:
    """The list on one day.

    Args:
        as_of: the day.
        threshold_years: what is over counts as old.
        items: listed, by unit in Vietnamese order, the oldest first.
        to_verify: items whose age is uncertain, in the same order.
        not_listed: the others, in the same order.
        units: the summary of every unit that has an item, in Vietnamese order.
        doubts: assets and terminals that may be one; a person must say.
        useful_life: the norm of useful lives in force, None if none is known for the day.
        price_caps: the price caps in force, None if none are known for the day.
        block: the block the list was restricted to, None for all.
        shortages: the balance of each unit and block against its headcount; what is to be added is a line "bổ sung".
        quantities: the quantities in force, None if none are known for the day.
        footnotes: what was applied though it is still to be confirmed.
    """

    as_of: dt.date
    threshold_years: int
    items: tuple[Assessment, ...]
    to_verify: tuple[Assessment, ...]
    not_listed: tuple[Assessment, ...]
    units: tuple[UnitSummary, ...]
    doubts: tuple[Doubt, ...]
    useful_life: UsefulLifeNorm | None
    price_caps: PriceCaps | None
    block: str | None = None
    shortages: tuple[Shortage, ...] = ()
    quantities: Quantities | None = None
    footnotes: tuple[Message, ...] = ()

    @property
    def judged(self) -> tuple[Assessment, ...]:
        """Every item of the list, whatever its age: listed, to be verified, not listed."""
        return (*self.items, *self.to_verify, *self.not_listed)

    @property
    def additions(self) -> tuple[Shortage, ...]:
        """What is to be added (bổ sung)."""
        return tuple(row for row in self.shortages if row.to_add)

    @property
    def amount_vnd(self) -> int:
        """The most that replacing the listed items may cost, as far as there are caps."""
        return sum(unit.amount_vnd for unit in self.units)

    def unit_name(self, code: str) -> str:
        """Name of a unit of the list, its code where it is no unit of the province."""
        return next((unit.unit_name for unit in self.units if unit.unit_code == code), code)


def build_investment_list(
    devices: Sequence[DeviceRecord],
    assets: Sequence[RegisteredAsset],
    *,
    as_of: dt.date,
    norms: Norms | None = None,
    estimates: Mapping[str, AgeEstimate] | None = None,
    threshold_years: int = DEFAULT_THRESHOLD_YEARS,
    block: str | None = None,
    overrides: Sequence[Override] = (),
    apart: Collection[tuple[int, str]] = (),
    staffing: Sequence[Staffing] = (),
) -> InvestmentList:
    """Matches, judges and sorts everything that is known.

    Args:
        devices: all terminals.
        assets: the whole register.
        as_of: the day.
        norms: the law; that of the package by default.
        estimates: device identity -> estimate of the same day that already holds the register's year; others are made.
        threshold_years: over how many years an item is listed.
        block: `dang`, `mttq` or `chinh-quyen` to restrict the list to the items of that block.
        overrides: what people decided instead of the computed answers, in the order in which they did.
        apart: (asset number, device identity) that a person said are not one.
        staffing: what surveys said of headcounts; without it what units lack is not known.
    """
    law = norms or load_norms()
    matching = match_assets(assets, devices, apart=apart)
    book = OverrideBook(overrides, (device.id for device in devices))
    judged = [
        assess(
            item,
            _estimate(item, estimates or {}, as_of, threshold_years),
            norms=law,
            as_of=as_of,
            threshold_years=threshold_years,
            override=book.of(item),
        )
        for item in items_of(devices, assets, matching.pairs)
    ]
    # Before the list is restricted to a block: pieces of no stated block count for all blocks of their unit.
    balanced = balance(judged, staffing, law, as_of)
    judged = [
        one for one in propose_transfers(judged, balanced, law, as_of) if block is None or one.item.block == block
    ]
    shortages = tuple(row for row in balanced.shortages if block is None or row.block == block)
    units = {unit.code: unit for unit in load_units()}
    judged.sort(key=lambda one: _order(one, units))
    return InvestmentList(
        as_of=as_of,
        threshold_years=threshold_years,
        items=tuple(one for one in judged if one.over_10_years == "yes"),
        to_verify=tuple(one for one in judged if one.over_10_years == "uncertain"),
        not_listed=tuple(one for one in judged if one.over_10_years == "no"),
        units=_summaries(judged, units),
        doubts=matching.doubts,
        useful_life=law.useful_life_on(as_of),
        price_caps=law.price_caps_on(as_of),
        block=block,
        shortages=shortages,
        quantities=law.quantities_on(as_of),
        footnotes=tuple(_footnotes(judged, shortages, law, as_of)),
    )


def _footnotes(
    judged: Sequence[Assessment], shortages: Sequence[Shortage], law: Norms, as_of: dt.date
) -> Iterator[Message]:
    """What was applied though its text or figure is not confirmed, beside the norms of lives and prices."""
    if any(row.norm_quantity is not None for row in shortages):
        for norm in (law.quantities_on(as_of), law.post_groups_on(as_of)):
            if norm is not None and norm.note:
                yield Message(norm.note)
    systems = unconfirmed_systems([one.support for one in judged if one.support is not None])
    if systems:
        yield Message(mark("Support dates still to be checked: {systems}."), {"systems": ", ".join(systems)})
    bases = (basis for one in judged for basis in one.legal_basis if basis.code != "useful_life")
    articles = dict.fromkeys(f"{basis.title}, {basis.article}" for basis in bases if basis.confidence != "high")
    if articles:
        pattern = mark("Articles still to be checked against the text in force: {articles}.")
        yield Message(pattern, {"articles": "; ".join(articles)})


def _estimate(item: Item, known: Mapping[str, AgeEstimate], as_of: dt.date, threshold_years: int) -> AgeEstimate:
    if item.device is not None and item.device.id in known and threshold_years == DEFAULT_THRESHOLD_YEARS:
        return known[item.device.id]
    return estimate_age(
        item.device.facts if item.device else {},
        as_of=as_of,
        first_seen=item.device.first_seen if item.device else None,
        year_put_into_use=item.year_put_into_use,
        threshold_years=threshold_years,
    )


def _order(one: Assessment, units: Mapping[str, Unit]) -> tuple[object, ...]:
    unit = units.get(one.item.unit_code)
    name = sort_key(unit.short_name) if unit else sort_key("~" + one.item.unit_code)
    return name, one.item.unit_code, -(one.years_in_use or 0), sort_key(one.item.name), one.item.reference


def _summaries(judged: Iterable[Assessment], units: Mapping[str, Unit]) -> tuple[UnitSummary, ...]:
    by_unit: dict[str, list[Assessment]] = {}
    for one in judged:
        by_unit.setdefault(one.item.unit_code, []).append(one)
    return tuple(_summary(code, units.get(code), ones) for code, ones in by_unit.items())


def _summary(code: str, unit: Unit | None, ones: Sequence[Assessment]) -> UnitSummary:
    listed = [one for one in ones if one.over_10_years == "yes"]
    return UnitSummary(
        unit_code=code,
        unit_name=unit.name if unit else code,
        former_district=unit.former_district if unit else "",
        items=len(ones),
        listed=len(listed),
        listed_pieces=sum(one.item.quantity for one in listed),
        to_verify=sum(1 for one in ones if one.over_10_years == "uncertain"),
        not_listed=sum(1 for one in ones if one.over_10_years == "no"),
        amount_vnd=sum(one.amount_vnd or 0 for one in listed),
        without_cap=sum(1 for one in listed if one.amount_vnd is None),
    )
