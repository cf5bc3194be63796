"""What an investment plan is made of. Money is whole đồng; nothing here computes more than a sum."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.wire.message import Message, mark

Action = Literal["replace", "upgrade", "add"]
PriceSource = Literal["item_price", "kind_price", "price_cap", "none"]
PartState = Literal["known", "unknown", "not_applicable"]
CeilingKind = Literal["year", "block"]

ACTION_LABELS: dict[Action, str] = {"replace": mark("replace"), "upgrade": mark("upgrade"), "add": mark("add")}
PRICE_SOURCE_LABELS: dict[PriceSource, str] = {
    "item_price": mark("price given for this item"),
    "kind_price": mark("price given for this kind"),
    "price_cap": mark("price cap of the norm"),
    "none": mark("no unit price"),
}
BLOCK_LABELS: dict[str, str] = {
    "dang": mark("Party"),
    "mttq": mark("Fatherland Front and organisations"),
    "chinh-quyen": mark("State bodies"),
}
_THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class ScorePart:
    """One part of a priority score.

    Args:
        code: row of the weights file, such as `age`.
        label: English msgid of its name.
        state: whether the value is known; if not, it is the one that the weights file states for such a case.
        value_thousandths: 0 to 1000, how much this part speaks for buying early.
        weight: the most points this part can give; the weights of all parts sum to 100.
        reason: why it has this value, for people.
    """

    code: str
    label: str
    state: PartState
    value_thousandths: int
    weight: int
    reason: Message

    @property
    def value_ratio(self) -> float:
        """The value, 0 to 1."""
        return self.value_thousandths / _THOUSAND

    @property
    def points(self) -> float:
        """Value times weight."""
        return self.points_thousandths / _THOUSAND

    @property
    def points_thousandths(self) -> int:
        """Value times weight, in thousandths of a point: whole, so that sums and ties are exact."""
        return self.value_thousandths * self.weight


@dataclass(frozen=True, slots=True)
class Score:
    """A priority score: 0 to 100, the sum of its parts, the more the earlier."""

    parts: tuple[ScorePart, ...]

    @property
    def points_thousandths(self) -> int:
        """The sum in thousandths of a point: whole, so that ties are exact."""
        return sum(part.points_thousandths for part in self.parts)

    @property
    def points(self) -> float:
        """The sum, 0 to 100."""
        return self.points_thousandths / _THOUSAND


@dataclass(frozen=True, slots=True)
class Addition:
    """Something a unit is short of, to be planned beside what is replaced.

    Args:
        reference: by what an auditor finds it again; unique among all candidates.
        unit_code: official code of the unit.
        block: `dang`, `mttq`, `chinh-quyen`, None where not known.
        kind: code of `inventory.equipment`.
        name: what is added, for people.
        quantity: pieces.
        price_cap_vnd: the highest price of one piece by the norm, None where there is no cap.
        reasons: why it is needed.
    """

    reference: str
    unit_code: str
    block: str | None
    kind: str
    name: str
    quantity: int
    price_cap_vnd: int | None = None
    reasons: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that may be bought: one line of the list or one addition, of one or several like pieces.

    Args:
        reference: by what an auditor finds it again (`A12`, `D...`), unique.
        unit_code: official code of the unit.
        unit_name: its name, or the code where it is no unit of the province.
        block: `dang`, `mttq`, `chinh-quyen`, None where not known.
        kind: code of `inventory.equipment`.
        name: what people call it; of an addition the English msgid of its kind, to be translated.
        action: replace, upgrade or add.
        quantity: pieces.
        unit_price_vnd: price of one piece, None where there is none: it cannot be planned.
        price_source: where the price is from.
        age_months: its age on the day of the plan, None where not known or where there is no device yet.
        over_threshold: whether it is certainly older than the threshold.
        score: the priority with its parts.
        reasons: why it is proposed.
        notes: what a person should look at, such as a price above the cap.
    """

    reference: str
    unit_code: str
    unit_name: str
    block: str | None
    kind: str
    name: str
    action: Action
    quantity: int
    unit_price_vnd: int | None
    price_source: PriceSource
    age_months: int | None
    over_threshold: bool
    score: Score
    reasons: tuple[Message, ...] = ()
    notes: tuple[Message, ...] = ()

    @property
    def amount_vnd(self) -> int | None:
        """Price of all pieces, None without a unit price."""
        return None if self.unit_price_vnd is None else self.unit_price_vnd * self.quantity


@dataclass(frozen=True, slots=True)
class Ceilings:
    """How much may be spent.

    Args:
        years: budget year -> the most that may be spent in it.
        blocks: (budget year, block) -> the most of that year's ceiling that may go to the block; none set, none held.

    Raises:
        ValueError: no year, a negative ceiling, or a block's ceiling in a year that has none.
    """

    years: Mapping[int, int]
    blocks: Mapping[tuple[int, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.years:
            raise ValueError("ceilings without a year; expected at least one")
        if min(*self.years.values(), *self.blocks.values(), 0) < 0:
            raise ValueError("a ceiling is negative; expected 0 or more")
        if missing := {year for year, _ in self.blocks} - self.years.keys():
            raise ValueError(f"no ceiling of the year as a whole: {sorted(missing)}")

    @property
    def ordered_years(self) -> tuple[int, ...]:
        """The budget years, the earliest first."""
        return tuple(sorted(self.years))


@dataclass(frozen=True, slots=True)
class Wait:
    """Why pieces of a candidate were not bought in one year.

    Args:
        year: the budget year.
        ceiling: which ceiling they did not fit: the year's or the block's.
        block: the block of that ceiling, None for the year's.
        needed_vnd: price of one piece.
        left_vnd: what better-ranked candidates (and its own pieces of that year) had left.
    """

    year: int
    ceiling: CeilingKind
    block: str | None
    needed_vnd: int
    left_vnd: int


@dataclass(frozen=True, slots=True)
class WaitingCost:
    """What waiting from the first year of the plan costs; the method is in docs/plan.md.

    Args:
        years: how many years are waited.
        price_growth_vnd: how much dearer it gets by the assumed growth of prices.
        old_machine_months: months that its pieces work on beyond the age threshold, None where their age is not known.
        missing_machine_months: months that posts are without the pieces to be added.
    """

    years: int
    price_growth_vnd: int
    old_machine_months: int | None
    missing_machine_months: int


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """Pieces of a candidate that are bought in one year.

    Args:
        rank: its place in the order of priority, from 1.
        candidate: what is bought.
        quantity: pieces bought in this year; the others are in other years or wait.
        amount_vnd: what these pieces cost.
        waits: why they were not bought in the years before.
        cost_of_waiting: what that costs.
    """

    rank: int
    candidate: Candidate
    quantity: int
    amount_vnd: int
    waits: tuple[Wait, ...]
    cost_of_waiting: WaitingCost


@dataclass(frozen=True, slots=True)
class WaitingItem:
    """Pieces of a candidate that fit no year of the plan; fields as in `PlannedItem`.

    The cost of waiting counts to the year after the plan, the first in which they could be bought.
    """

    rank: int
    candidate: Candidate
    quantity: int
    amount_vnd: int
    waits: tuple[Wait, ...]
    cost_of_waiting: WaitingCost


@dataclass(frozen=True, slots=True)
class UnpricedItem:
    """A candidate that cannot be planned because nothing tells what it costs, and why."""

    candidate: Candidate
    reason: Message


@dataclass(frozen=True, slots=True)
class BlockBudget:
    """One block in one year.

    Args:
        block: `dang`, `mttq`, `chinh-quyen`, None for candidates whose block is not known.
        ceiling_vnd: its own ceiling, None where it has none.
        spent_vnd: what its items cost.
    """

    block: str | None
    ceiling_vnd: int | None
    spent_vnd: int

    @property
    def leftover_vnd(self) -> int | None:
        """What is left of its own ceiling, None where it has none."""
        return None if self.ceiling_vnd is None else self.ceiling_vnd - self.spent_vnd


@dataclass(frozen=True, slots=True)
class PlanYear:
    """One budget year.

    Args:
        year: the year.
        ceiling_vnd: the most that may be spent.
        items: what is bought, the best ranked first.
        blocks: every block that has a ceiling or an item in this year; spent amounts add up to `spent_vnd`.
    """

    year: int
    ceiling_vnd: int
    items: tuple[PlannedItem, ...]
    blocks: tuple[BlockBudget, ...]

    @property
    def spent_vnd(self) -> int:
        """What its items cost."""
        return sum(item.amount_vnd for item in self.items)

    @property
    def pieces(self) -> int:
        """How many pieces are bought."""
        return sum(item.quantity for item in self.items)

    @property
    def leftover_vnd(self) -> int:
        """What is left of the ceiling; it is not carried into the next year."""
        return self.ceiling_vnd - self.spent_vnd


@dataclass(frozen=True, slots=True)
class InvestmentPlan:
    """A plan over some budget years.

    Args:
        as_of: the day on which ages and norms were judged.
        threshold_years: over which age a machine counts as old.
        block: the block the plan was restricted to, None for all.
        years: the budget years, the earliest first.
        waiting: what fits no year, the best ranked first.
        unpriced: what has no unit price, by unit and reference.
        ceilings: what was allowed.
        weights_title: which weights were applied.
        weights_effective_from: since when they apply.
        weights_source: who set them.
        price_growth_percent: assumed yearly growth of prices, as written in the weights file.
        notices: what a reader should know of the whole plan.
    """

    as_of: dt.date
    threshold_years: int
    block: str | None
    years: tuple[PlanYear, ...]
    waiting: tuple[WaitingItem, ...]
    unpriced: tuple[UnpricedItem, ...]
    ceilings: Ceilings
    weights_title: str
    weights_effective_from: dt.date
    weights_source: str
    price_growth_percent: str
    notices: tuple[Message, ...] = ()

    @property
    def ceiling_vnd(self) -> int:
        """The ceilings of all years together."""
        return sum(year.ceiling_vnd for year in self.years)

    @property
    def spent_vnd(self) -> int:
        """What everything planned costs."""
        return sum(year.spent_vnd for year in self.years)

    @property
    def waiting_vnd(self) -> int:
        """What everything that waits would cost at the prices of today."""
        return sum(item.amount_vnd for item in self.waiting)

    @property
    def price_growth_vnd(self) -> int:
        """How much dearer waiting makes everything, by the assumed growth of prices."""
        planned = sum(item.cost_of_waiting.price_growth_vnd for year in self.years for item in year.items)
        return planned + sum(item.cost_of_waiting.price_growth_vnd for item in self.waiting)
