"""Which candidate is bought in which year. Pure, whole đồng, and the same for the same input.

Method: candidates stand in one order of priority. From the best on, each takes its pieces in the earliest year whose
ceiling, and whose ceiling for its block, still has room for a piece; the rest waits. What a candidate gets therefore
depends on better-ranked ones alone, and in every year no worse-ranked ones, however many and whatever they cost, take
the room of a better one. docs/plan.md states what follows from that; tests/inventory/plan proves it by brute force.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from inventory.plan.model import (
    BlockBudget,
    Candidate,
    Ceilings,
    PlannedItem,
    PlanYear,
    Wait,
    WaitingCost,
    WaitingItem,
)

_BASIS = 10_000
_MONTHS_PER_YEAR = 12


class Allocation(NamedTuple):
    """What is bought in each year, the earliest first, and what waits, the best ranked first."""

    years: tuple[PlanYear, ...]
    waiting: tuple[WaitingItem, ...]


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates in the order of priority: score; at equal scores the older, the cheaper, then unit and reference."""
    return sorted(
        candidates,
        key=lambda one: (
            -one.score.points_thousandths,
            -(one.age_months if one.age_months is not None else -1),
            one.unit_price_vnd if one.unit_price_vnd is not None else 0,
            one.unit_code,
            one.reference,
        ),
    )


def allocate(
    order: Sequence[Candidate], ceilings: Ceilings, *, price_growth_basis_points: int, threshold_years: int
) -> Allocation:
    """Buys in the given order.

    Args:
        order: candidates, the best ranked first, each with a unit price.
        ceilings: per year and block.
        price_growth_basis_points: assumed yearly growth of prices in hundredths of a per cent, for the cost of waiting.
        threshold_years: over which age a machine counts as old, for the cost of waiting.

    Raises:
        ValueError: a candidate without a unit price.
    """
    years = ceilings.ordered_years
    budgets = [
        _Budget(
            year, ceilings.years[year], {block: most for (of, block), most in ceilings.blocks.items() if of == year}
        )
        for year in years
    ]
    waiting = []
    for rank, candidate in enumerate(order, start=1):
        if candidate.unit_price_vnd is None:
            raise ValueError(f"{candidate.reference} has no unit price; expected one for whatever is allocated")
        left = candidate.quantity
        waits: tuple[Wait, ...] = ()
        for budget in budgets:
            quantity = min(left, budget.room(candidate.block) // candidate.unit_price_vnd)
            if quantity:
                cost = _cost(candidate, quantity, budget.number - years[0], price_growth_basis_points, threshold_years)
                budget.buy(PlannedItem(rank, candidate, quantity, quantity * candidate.unit_price_vnd, waits, cost))
                left -= quantity
            if not left:
                break
            waits = (*waits, budget.wait(candidate.block, candidate.unit_price_vnd))
        if left:
            waited = years[-1] + 1 - years[0] if years else 0
            cost = _cost(candidate, left, waited, price_growth_basis_points, threshold_years)
            waiting.append(WaitingItem(rank, candidate, left, left * candidate.unit_price_vnd, waits, cost))
    return Allocation(tuple(budget.year() for budget in budgets), tuple(waiting))


@dataclass(slots=True)
class _Budget:
    """One year while it is filled."""

    number: int
    ceiling_vnd: int
    block_ceilings: dict[str, int]
    left_vnd: int = field(init=False)
    block_left_vnd: dict[str, int] = field(init=False)
    items: list[PlannedItem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left_vnd = self.ceiling_vnd
        self.block_left_vnd = dict(self.block_ceilings)

    def room(self, block: str | None) -> int:
        return min(self.left_vnd, self.block_left_vnd.get(block or "", self.left_vnd))

    def buy(self, item: PlannedItem) -> None:
        self.left_vnd -= item.amount_vnd
        block = item.candidate.block
        if block in self.block_left_vnd:
            self.block_left_vnd[block] -= item.amount_vnd
        self.items.append(item)

    def wait(self, block: str | None, price_vnd: int) -> Wait:
        # The year's ceiling is named first: more for the block alone would not help then.
        if self.left_vnd < price_vnd or block not in self.block_left_vnd:
            return Wait(self.number, "year", None, price_vnd, self.left_vnd)
        return Wait(self.number, "block", block, price_vnd, self.block_left_vnd[block])

    def year(self) -> PlanYear:
        spent: dict[str | None, int] = dict.fromkeys(self.block_ceilings, 0)
        for item in self.items:
            spent[item.candidate.block] = spent.get(item.candidate.block, 0) + item.amount_vnd
        blocks = tuple(
            BlockBudget(block, self.block_ceilings.get(block or ""), spent[block])
            for block in sorted(spent, key=lambda one: (one is None, one or ""))
        )
        return PlanYear(self.number, self.ceiling_vnd, tuple(self.items), blocks)


def _cost(
    candidate: Candidate, quantity: int, years: int, growth_basis_points: int, threshold_years: int
) -> WaitingCost:
    """What waiting so many calendar years costs."""
    amount = quantity * (candidate.unit_price_vnd or 0)
    return WaitingCost(
        years=years,
        price_growth_vnd=_grown(amount, years, growth_basis_points) - amount,
        old_machine_months=_old_months(candidate, quantity, years, threshold_years),
        missing_machine_months=quantity * years * _MONTHS_PER_YEAR if candidate.action == "add" else 0,
    )


def _grown(amount: int, years: int, growth_basis_points: int) -> int:
    """The amount at the prices after so many years, rounded half up in whole đồng."""
    # A negative power would be a fraction; the type checker cannot know that years are none.
    factor, denominator = int((_BASIS + growth_basis_points) ** years), int(_BASIS**years)
    numerator = amount * factor
    return (2 * numerator + denominator) // (2 * denominator)


def _old_months(candidate: Candidate, quantity: int, years: int, threshold_years: int) -> int | None:
    waited = years * _MONTHS_PER_YEAR
    if candidate.action == "add":
        return 0
    if candidate.over_threshold:
        return quantity * waited
    if candidate.age_months is None:
        return None
    beyond = candidate.age_months - threshold_years * _MONTHS_PER_YEAR
    return quantity * (max(0, beyond + waited) - max(0, beyond))
