"""Ceilings as people write them: `2026=5000000000`, `2026:dang=3000000000`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agent.wire.message import Message, mark
from inventory.assets import BLOCK_FRONT, BLOCK_PARTY, BLOCK_STATE
from inventory.plan.errors import PlanInputError
from inventory.plan.model import Ceilings
from inventory.register.values import LARGEST_COST_VND, Problem, money_vnd

BLOCKS = (BLOCK_PARTY, BLOCK_FRONT, BLOCK_STATE)
# A budget year further off is a typing error: plans are made for five years.
FIRST_YEAR, LAST_YEAR = 2020, 2050

_WORD = re.compile(r"(\d+)(?::([^=]*))?=(.*)", re.DOTALL)


def ceilings_from_words(words: Iterable[str], option: str = "--ceiling") -> Ceilings:
    """The ceilings that the words state.

    Args:
        words: `YEAR=AMOUNT` or `YEAR:BLOCK=AMOUNT`; amounts as `money_vnd` reads them, 0 included.
        option: what the words were given by, for messages.

    Raises:
        PlanInputError: a word that is neither, a year out of range, an unknown block, an amount that is none, a
            ceiling given twice, a block's without or above the year's, or no word at all.
    """
    years: dict[int, int] = {}
    blocks: dict[tuple[int, str], int] = {}
    for word in words:
        year, block, amount = _read(f"{option} {word}", word)
        if (year in years) if block is None else ((year, block) in blocks):
            raise PlanInputError(
                Message(mark("{where}: this ceiling is given twice; expected once"), {"where": f"{option} {word}"})
            )
        if block is None:
            years[year] = amount
        else:
            blocks[(year, block)] = amount
    if not years and not blocks:
        raise PlanInputError(
            Message(mark("{where}: no ceiling is given; expected at least one, as 2026=5000000000"), {"where": option})
        )
    for (year, block), amount in blocks.items():
        _check_block(option, year, block, amount, years.get(year))
    return Ceilings(years, blocks)


def _read(where: str, word: str) -> tuple[int, str | None, int]:
    match = _WORD.fullmatch(word.strip())
    if match is None:
        raise PlanInputError(
            Message(
                mark("{where}: expected YEAR=AMOUNT or YEAR:BLOCK=AMOUNT, as 2026=5000000000 or 2026:dang=3000000000"),
                {"where": where},
            )
        )
    year = int(match[1]) if len(match[1]) <= len(str(LAST_YEAR)) else 0
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise PlanInputError(
            Message(
                mark("{where}: {year} is no budget year; expected {first} to {last}"),
                {"where": where, "year": match[1], "first": str(FIRST_YEAR), "last": str(LAST_YEAR)},
            )
        )
    block = match[2].strip() if match[2] is not None else None
    if block is not None and block not in BLOCKS:
        raise PlanInputError(
            Message(
                mark("{where}: “{block}” is no block; expected one of {blocks}"),
                {"where": where, "block": block, "blocks": ", ".join(BLOCKS)},
            )
        )
    return year, block, _amount(where, match[3].strip())


def _amount(where: str, text: str) -> int:
    try:
        # The register's reader takes anything that could be a price; 0 is a year without money.
        return money_vnd(text)
    except Problem as problem:
        raise PlanInputError(
            Message(
                mark("{where}: “{text}” is no amount; expected whole đồng from 0 to {largest}, as 5000000000"),
                {"where": where, "text": text, "largest": f"{LARGEST_COST_VND:,}".replace(",", ".")},
            )
        ) from problem


def _check_block(option: str, year: int, block: str, amount: int, of_year: int | None) -> None:
    where = f"{option} {year}:{block}={amount}"
    if of_year is None:
        raise PlanInputError(
            Message(
                mark("{where}: the year {year} as a whole has no ceiling; expected {option} {year}=AMOUNT as well"),
                {"where": where, "year": str(year), "option": option},
            )
        )
    if amount > of_year:
        raise PlanInputError(
            Message(
                mark("{where}: more than the year's own ceiling; expected at most {most}"),
                {"where": where, "most": str(of_year)},
            )
        )
