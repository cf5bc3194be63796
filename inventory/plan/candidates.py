"""Candidates of a plan: what the list proposes to buy and what units are short of, each with price and score. Pure."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

from agent.wire.message import Message, mark
from inventory.age.evidence import Confidence
from inventory.assessment import Assessment
from inventory.assets import condition_code
from inventory.equipment import equipment_kinds
from inventory.investment import InvestmentList
from inventory.plan.model import Action, Addition, Candidate
from inventory.plan.prices import PriceBook
from inventory.plan.score import Signals, UnitNeed, score
from inventory.plan.weights import PlanWeights
from inventory.shortage import Shortage
from inventory.units import UnknownUnitError, unit_by_code

# What is kept, transferred, liquidated or still to be verified costs nothing now and is no candidate.
_ACTIONS: dict[str, Action] = {"replace": "replace", "upgrade": "upgrade"}
_MONTHS_PER_YEAR = 12
# As `Item.is_computer` has it; what is added is no item yet.
COMPUTER_KINDS = frozenset({"desktop", "laptop", "tablet", "server"})


def additions_of(shortages: Iterable[Shortage]) -> tuple[Addition, ...]:
    """What units are short of, as candidates take it; balances without anything to add give none.

    The reference is `S`, the unit's code, block and kind: `S16681/dang/desktop`.
    """
    return tuple(
        Addition(
            reference=f"S{one.unit_code}/{one.block or '-'}/{one.kind}",
            unit_code=one.unit_code,
            block=one.block or None,
            kind=one.kind,
            name=equipment_kinds()[one.kind].label,
            quantity=one.to_add,
            price_cap_vnd=one.price_cap_vnd,
            reasons=one.reasons,
        )
        for one in shortages
        if one.to_add
    )


def shortage_notices(shortages: Iterable[Shortage]) -> tuple[Message, ...]:
    """That additions are not planned for units whose headcount nobody has surveyed, if there are any."""
    unknown = {one.unit_code for one in shortages if one.to_add is None}
    if not unknown:
        return ()
    pattern = mark("Units for which nothing is added because (part of) their headcount is not known: {count}.")
    return (Message(pattern, {"count": len(unknown)}),)


def action_of(one: Assessment) -> Action | None:
    """What is to be bought for an item; None where its recommendation asks for no money."""
    if one.recommendation == "upgrade" and one.windows_11 is not None and not one.windows_11.failing:
        return None
    return _ACTIONS.get(one.recommendation)


def candidates_of(
    whole: InvestmentList,
    weights: PlanWeights,
    *,
    prices: PriceBook | None = None,
    additions: Sequence[Addition] = (),
    block: str | None = None,
) -> list[Candidate]:
    """Everything that may be bought, in no order of priority.

    Args:
        whole: the list of all blocks, so that a score is the same whether the plan is restricted to a block or not.
        weights: how much each part of the score counts.
        prices: the office's own prices; price caps stand where it has none.
        additions: what units are short of.
        block: only candidates of this block.

    Raises:
        ValueError: two candidates have one reference.
    """
    book = prices or PriceBook()
    needs = _needs(whole, additions)
    judged = (*whole.items, *whole.to_verify, *whole.not_listed)
    found = [
        _of_assessment(one, action, whole, weights, book, needs.get(one.item.unit_code))
        for one in judged
        if (action := action_of(one)) and (block is None or one.item.block == block)
    ]
    found += [
        _of_addition(one, whole, weights, book, needs.get(one.unit_code))
        for one in additions
        if block is None or one.block == block
    ]
    twice = [reference for reference, count in Counter(one.reference for one in found).items() if count > 1]
    if twice:
        raise ValueError(f"two candidates have the reference {twice[0]}; expected each once")
    return found


def _of_assessment(
    one: Assessment,
    action: Action,
    whole: InvestmentList,
    weights: PlanWeights,
    book: PriceBook,
    need: UnitNeed | None,
) -> Candidate:
    item = one.item
    age_months = _age_months(one, whole.as_of)
    cap_vnd = one.price_cap.price_vnd if one.price_cap else None
    price_vnd, price_source = book.price(item.reference, item.kind, action, cap_vnd)
    signals = Signals(
        is_addition=False,
        is_computer=item.is_computer,
        age_months=age_months,
        over=one.over_10_years,
        certainty=_certainty(one),
        expired=one.expired,
        condition=condition_code(item.asset.values.condition) if item.asset else None,
        support=one.support,
        findings=item.device.findings if item.device else None,
        need=need,
    )
    return Candidate(
        reference=item.reference,
        unit_code=item.unit_code,
        unit_name=_unit_name(item.unit_code),
        block=item.block,
        kind=item.kind,
        name=item.name,
        action=action,
        quantity=item.quantity,
        unit_price_vnd=price_vnd,
        price_source=price_source,
        age_months=age_months,
        over_threshold=one.over_10_years == "yes",
        score=score(signals, weights, as_of=whole.as_of, threshold_years=whole.threshold_years),
        reasons=one.reasons,
        notes=_price_notes(price_vnd, cap_vnd if action != "upgrade" else None),
    )


def _of_addition(
    one: Addition, whole: InvestmentList, weights: PlanWeights, book: PriceBook, need: UnitNeed | None
) -> Candidate:
    price_vnd, price_source = book.price(one.reference, one.kind, "add", one.price_cap_vnd)
    signals = Signals(is_addition=True, is_computer=one.kind in COMPUTER_KINDS, need=need)
    return Candidate(
        reference=one.reference,
        unit_code=one.unit_code,
        unit_name=_unit_name(one.unit_code),
        block=one.block,
        kind=one.kind,
        name=one.name,
        action="add",
        quantity=one.quantity,
        unit_price_vnd=price_vnd,
        price_source=price_source,
        age_months=None,
        over_threshold=False,
        score=score(signals, weights, as_of=whole.as_of, threshold_years=whole.threshold_years),
        reasons=one.reasons,
        notes=_price_notes(price_vnd, one.price_cap_vnd),
    )


def _needs(whole: InvestmentList, additions: Iterable[Addition]) -> dict[str, UnitNeed]:
    computers: Counter[str] = Counter()
    unfit: Counter[str] = Counter()
    for one in (*whole.items, *whole.to_verify, *whole.not_listed):
        item = one.item
        if not item.is_computer:
            continue
        computers[item.unit_code] += item.quantity
        if item.is_broken or one.over_10_years == "yes":
            unfit[item.unit_code] += item.quantity
    missing: Counter[str] = Counter()
    for addition in additions:
        if addition.kind in COMPUTER_KINDS:
            missing[addition.unit_code] += addition.quantity
    return {code: UnitNeed(computers[code], unfit[code], missing[code]) for code in computers.keys() | missing.keys()}


def _age_months(one: Assessment, as_of: dt.date) -> int | None:
    """Whole months since it was likely made, else since it was put into use; the year alone counts as January."""
    item = one.item
    day = one.estimate.best or item.put_into_use_on
    if day is not None:
        return max(0, (as_of.year - day.year) * _MONTHS_PER_YEAR + as_of.month - day.month - (as_of.day < day.day))
    return None if one.years_in_use is None else one.years_in_use * _MONTHS_PER_YEAR


def _certainty(one: Assessment) -> Confidence | Literal["register"]:
    # Without a terminal the estimate is the register's year, which `assess` gives no confidence of its own.
    return "register" if one.item.device is None else one.estimate.confidence


def _price_notes(price_vnd: int | None, cap_vnd: int | None) -> tuple[Message, ...]:
    if price_vnd is None or cap_vnd is None or price_vnd <= cap_vnd:
        return ()
    percent = -((cap_vnd - price_vnd) * 100 // cap_vnd)
    return (
        Message(
            mark(
                "The price given is {percent} percent (rounded up) above the price cap of {cap} đồng; "
                "who may allow that is for Điều 4.4 of the norm to say."
            ),
            {"percent": percent, "cap": f"{cap_vnd:,}".replace(",", ".")},
        ),
    )


@lru_cache(maxsize=1024)
def _unit_name(code: str) -> str:
    try:
        return unit_by_code(code).name
    except UnknownUnitError:
        return code
