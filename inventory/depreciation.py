"""Depreciation of fixed assets as the circulars have it: once a year in December, in whole đồng. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Literal

from inventory.norms import Norms, UsefulLifeClass, UsefulLifeNorm

_ROUNDING = {"up": ROUND_CEILING, "half_up": ROUND_HALF_UP}


@dataclass(frozen=True, slots=True)
class BookValue:
    """What an asset is worth by the books.

    Args:
        accumulated_vnd: charged up to `charged_until`.
        remaining_vnd: original cost less that.
        charged_until: 31 December of the last financial year that was charged, None if none was.
    """

    accumulated_vnd: int
    remaining_vnd: int
    charged_until: dt.date | None


def book_value(
    cost_vnd: int, quantity: int, first_year: int, life_class: str, norms: Norms, as_of: dt.date
) -> BookValue | None:
    """The value on `as_of`, None where the piece is no fixed asset or its class has no known life.

    The year of first use counts as a whole year. When a norm changes the life of an asset in use, what remains is
    spread over the rest of the new life, or charged at once where the new life is over. The last year of a life takes
    what is left over by rounding.

    Args:
        cost_vnd: original cost of all pieces together.
        quantity: number of pieces; the threshold of fixed assets is for one.
        first_year: the year it was put into use.
        life_class: code of a class in the useful-life norms.
        norms: all that are known.
        as_of: the day; its own year is charged only on 31 December.
    """
    in_force = norms.useful_life_on(as_of) or norms.useful_lives[0]
    if cost_vnd < in_force.fixed_asset.smallest_cost_vnd * quantity or _life(in_force, life_class, norms) is None:
        return None
    last_year = as_of.year if (as_of.month, as_of.day) == (12, 31) else as_of.year - 1
    remaining = cost_vnd
    yearly: int | None = None
    previous: UsefulLifeClass | None = None
    for year in range(first_year, last_year + 1):
        norm = norms.useful_life_for_year(year)
        life = _life(norm, life_class, norms)
        if life is None:
            return None
        used_before = year - first_year
        if previous is None:
            yearly = _rounded(cost_vnd * life.rate, norm)
        elif (life.life_years, life.rate) != (previous.life_years, previous.rate):
            rest = life.life_years - used_before
            yearly = _rounded(Decimal(remaining) / rest, norm) if rest > 0 else remaining
        is_last = used_before + 1 >= life.life_years
        charge = remaining if is_last or yearly is None else min(yearly, remaining)
        remaining -= charge
        previous = life
    until = dt.date(last_year, 12, 31) if last_year >= first_year else None
    return BookValue(cost_vnd - remaining, remaining, until)


def expiry(
    *, year: int | None, in_use_by: dt.date | None, life_class: str, norms: Norms, as_of: dt.date
) -> tuple[Literal["yes", "no", "uncertain"], UsefulLifeClass | None]:
    """Whether the useful life is over on `as_of`, and the class it was judged by.

    Args:
        year: the year put into use, if the register states it.
        in_use_by: a day by which it certainly was in use (its first report), if any.
        life_class: code of a class in the useful-life norms, empty if none is known.
        norms: all that are known.
        as_of: the day.
    """
    norm = norms.useful_life_on(as_of)
    life = norm.of_class(life_class) if norm else None
    if life is None:
        return "uncertain", None
    if year is not None:
        return ("yes" if as_of.year >= year + life.life_years else "no"), life
    if in_use_by is not None and as_of.year >= in_use_by.year + life.life_years:
        return "yes", life
    return "uncertain", life


def _life(norm: UsefulLifeNorm, code: str, norms: Norms) -> UsefulLifeClass | None:
    """The class in the norm, or in the first norm that has it where this one says nothing of it."""
    found = norm.of_class(code)
    return found or next((item for other in norms.useful_lives if (item := other.of_class(code))), None)


def _rounded(amount: Decimal, norm: UsefulLifeNorm) -> int:
    return int(amount.quantize(Decimal(1), _ROUNDING[norm.rounding]))
