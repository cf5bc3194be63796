"""The numbers behind the charts of the document: how old the equipment is, which units need most. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inventory.assessment import Assessment
from inventory.investment import InvestmentList, UnitSummary

# From this many years on all equipment shares the last bar.
OLDEST_BAR_YEARS = 20
UNITS_SHOWN = 15


@dataclass(frozen=True, slots=True)
class AgeBar:
    """Pieces of one number of years in use.

    Args:
        years: whole years; `OLDEST_BAR_YEARS` stands for that many and more, None for an unknown age.
        over: pieces over the threshold.
        uncertain: pieces of which it is not certain.
        within: pieces not over it.
    """

    years: int | None
    over: int
    uncertain: int
    within: int

    @property
    def pieces(self) -> int:
        """All of them."""
        return self.over + self.uncertain + self.within


def age_bars(whole: InvestmentList) -> list[AgeBar]:
    """One bar a year from 0 to `OLDEST_BAR_YEARS`, and a last one for what has no known age if there is any."""
    counts: dict[int | None, list[int]] = {years: [0, 0, 0] for years in range(OLDEST_BAR_YEARS + 1)}
    for index, ones in enumerate((whole.items, whole.to_verify, whole.not_listed)):
        for one in ones:
            counts.setdefault(_bar(one), [0, 0, 0])[index] += one.item.quantity
    return [AgeBar(years, *numbers) for years, numbers in counts.items()]


def units_by_need(units: Iterable[UnitSummary]) -> tuple[Sequence[UnitSummary], int]:
    """The `UNITS_SHOWN` units with the most proposed pieces, the neediest first, and how many others propose any."""
    needy = [unit for unit in units if unit.listed_pieces]
    # Sorting is stable: units alike stay in Vietnamese order.
    needy.sort(key=lambda unit: (-unit.listed_pieces, -unit.amount_vnd))
    return needy[:UNITS_SHOWN], max(0, len(needy) - UNITS_SHOWN)


def _bar(one: Assessment) -> int | None:
    return None if one.years_in_use is None else min(one.years_in_use, OLDEST_BAR_YEARS)
