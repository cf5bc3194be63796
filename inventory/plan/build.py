"""From the investment list, prices and ceilings to the plan. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent.wire.message import Message, mark
from inventory.investment import InvestmentList
from inventory.plan.allocate import allocate, ranked
from inventory.plan.candidates import action_of, candidates_of
from inventory.plan.model import Addition, Candidate, Ceilings, InvestmentPlan, UnpricedItem
from inventory.plan.prices import PriceBook
from inventory.plan.weights import PlanWeights, load_weights


def build_plan(
    whole: InvestmentList,
    ceilings: Ceilings,
    *,
    prices: PriceBook | None = None,
    additions: Sequence[Addition] = (),
    weights: PlanWeights | None = None,
    block: str | None = None,
    notices: Sequence[Message] = (),
) -> InvestmentPlan:
    """The plan: every candidate is planned, waits or has no price, piece by piece.

    Args:
        whole: the list of all blocks; `block` restricts the plan, not the list, so that scores stay the same.
        ceilings: per year and block.
        prices: the office's own prices; price caps stand where it has none.
        additions: what units are short of.
        weights: of the priority score; those of the package by default.
        block: `dang`, `mttq` or `chinh-quyen` to plan for that block alone.
        notices: what else a reader of the plan should know.

    Raises:
        ValueError: two candidates have one reference.
        PlanDataError: a data file of the package cannot be used.
    """
    law = weights or load_weights()
    book = prices or PriceBook()
    candidates = candidates_of(whole, law, prices=book, additions=additions, block=block)
    order = ranked(one for one in candidates if one.unit_price_vnd is not None)
    allocation = allocate(
        order,
        ceilings,
        price_growth_basis_points=law.price_growth_basis_points,
        threshold_years=whole.threshold_years,
    )
    unpriced = sorted(
        (one for one in candidates if one.unit_price_vnd is None), key=lambda one: (one.unit_code, one.reference)
    )
    return InvestmentPlan(
        as_of=whole.as_of,
        threshold_years=whole.threshold_years,
        block=block,
        years=allocation.years,
        waiting=allocation.waiting,
        unpriced=tuple(UnpricedItem(one, _why_unpriced(one)) for one in unpriced),
        ceilings=ceilings,
        weights_title=law.title,
        weights_effective_from=law.effective_from,
        weights_source=law.source,
        price_growth_percent=law.price_growth_percent_per_year,
        notices=(*notices, *_notices(whole, ceilings, book, candidates, block)),
    )


def _why_unpriced(candidate: Candidate) -> Message:
    if candidate.action == "upgrade":
        return Message(mark("No price of an upgrade is given for this kind or this item."))
    return Message(mark("The norm sets no price cap for it, and no price is given for this kind or this item."))


def _notices(
    whole: InvestmentList, ceilings: Ceilings, book: PriceBook, candidates: Sequence[Candidate], block: str | None
) -> list[Message]:
    notices = []
    past = [str(year) for year in ceilings.ordered_years if year < whole.as_of.year]
    if past:
        notices.append(Message(mark("Budget years that are over: {years}."), {"years": ", ".join(past)}))
    judged = (*whole.items, *whole.to_verify, *whole.not_listed)
    open_ones = sum(1 for one in judged if one.recommendation == "verify" and block in (None, one.item.block))
    if open_ones:
        notices.append(
            Message(
                mark("Items not in the plan because they must be verified by a person first: {count}."),
                {"count": open_ones},
            )
        )
    if block is not None:
        hidden = sum(1 for one in judged if action_of(one) and one.item.block is None)
        if hidden:
            notices.append(
                Message(mark("Items not in the plan because their block is not known: {count}."), {"count": hidden})
            )
    elif ceilings.blocks and (unknown := sum(1 for one in candidates if one.block is None)):
        notices.append(
            Message(
                mark("Items whose block is not known, which count towards the year's ceiling alone: {count}."),
                {"count": unknown},
            )
        )
    known = {part for one in candidates for part in (one.reference, *one.reference.split("/"))}
    unused = sorted(set(book.items) - known)
    if unused:
        notices.append(
            Message(
                mark("Prices were given for items that are not on the list: {references}."),
                {"references": ", ".join(unused)},
            )
        )
    return notices
