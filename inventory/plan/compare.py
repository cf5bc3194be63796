"""What moved between two plans, for what-if. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inventory.plan.model import Candidate, InvestmentPlan


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a candidate's pieces are in one plan.

    Args:
        years: (budget year, pieces), the earliest first.
        waiting: pieces that fit no year.
        unpriced: pieces without a price.
        unit_price_vnd: price of one piece, None without one.
    """

    years: tuple[tuple[int, int], ...] = ()
    waiting: int = 0
    unpriced: int = 0
    unit_price_vnd: int | None = None

    @property
    def amount_vnd(self) -> int:
        """What its planned pieces cost."""
        return sum(pieces for _, pieces in self.years) * (self.unit_price_vnd or 0)


@dataclass(frozen=True, slots=True)
class Move:
    """A candidate that two plans treat differently; a side is None where that plan does not have it."""

    candidate: Candidate
    before: Placement | None
    after: Placement | None


@dataclass(frozen=True, slots=True)
class YearDifference:
    """A budget year of two plans; None where a plan does not have it."""

    year: int
    spent_before_vnd: int | None
    spent_after_vnd: int | None
    leftover_before_vnd: int | None
    leftover_after_vnd: int | None


@dataclass(frozen=True, slots=True)
class PlanComparison:
    """What moved.

    Args:
        moves: in the order of priority of the second plan; those that only the first has come last, by reference.
        years: every budget year of either.
        waiting_before_vnd: what waits in the first plan.
        waiting_after_vnd: what waits in the second.
    """

    moves: tuple[Move, ...]
    years: tuple[YearDifference, ...]
    waiting_before_vnd: int
    waiting_after_vnd: int


def compare(before: InvestmentPlan, after: InvestmentPlan) -> PlanComparison:
    """The difference between two plans, candidates told by their references."""
    old, new = dict(_placed(before)), dict(_placed(after))
    moves = [
        Move(candidate, old[reference][1] if reference in old else None, placement)
        for reference, (candidate, placement) in new.items()
        if reference not in old or old[reference][1] != placement
    ]
    gone = sorted(reference for reference in old if reference not in new)
    moves += [Move(*old[reference], None) for reference in gone]
    return PlanComparison(tuple(moves), tuple(_year_differences(before, after)), before.waiting_vnd, after.waiting_vnd)


def _placed(plan: InvestmentPlan) -> Iterator[tuple[str, tuple[Candidate, Placement]]]:
    """Reference -> candidate and placement, the best ranked first, the unpriced last."""
    candidates: dict[int, Candidate] = {}
    bought: dict[int, list[tuple[int, int]]] = {}
    for year in plan.years:
        for item in year.items:
            candidates[item.rank] = item.candidate
            bought.setdefault(item.rank, []).append((year.year, item.quantity))
    waiting = {item.rank: item.quantity for item in plan.waiting}
    candidates |= {item.rank: item.candidate for item in plan.waiting}
    for rank, candidate in sorted(candidates.items()):
        yield (
            candidate.reference,
            (
                candidate,
                Placement(tuple(bought.get(rank, ())), waiting.get(rank, 0), unit_price_vnd=candidate.unit_price_vnd),
            ),
        )
    for unpriced in plan.unpriced:
        yield unpriced.candidate.reference, (unpriced.candidate, Placement(unpriced=unpriced.candidate.quantity))


def _year_differences(before: InvestmentPlan, after: InvestmentPlan) -> Iterator[YearDifference]:
    old = {year.year: year for year in before.years}
    new = {year.year: year for year in after.years}
    for number in sorted(old.keys() | new.keys()):
        first, second = old.get(number), new.get(number)
        yield YearDifference(
            number,
            first.spent_vnd if first else None,
            second.spent_vnd if second else None,
            first.leftover_vnd if first else None,
            second.leftover_vnd if second else None,
        )
