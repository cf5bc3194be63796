"""The plan as JSON for programs: English keys, ISO dates, whole đồng; sentences in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from agent.wire.message import Message, Translate
from inventory.equipment import equipment_kinds
from inventory.export.wording import sentence
from inventory.plan.compare import Placement, PlanComparison
from inventory.plan.model import (
    ACTION_LABELS,
    Candidate,
    InvestmentPlan,
    PlannedItem,
    PlanYear,
    ScorePart,
    Wait,
    WaitingCost,
    WaitingItem,
)
from inventory.plan.wording import method_messages, name_text, wait_message


def write_json(plan: InvestmentPlan, translate: Translate) -> bytes:
    """The whole plan, UTF-8."""
    return msgspec.json.format(msgspec.json.encode(plan_as_dict(plan, translate)), indent=1)


def plan_as_dict(plan: InvestmentPlan, translate: Translate) -> dict[str, Any]:
    """The plan as plain values, for those who put it into a larger answer."""
    ceilings = plan.ceilings
    return {
        "as_of": plan.as_of.isoformat(),
        "threshold_years": plan.threshold_years,
        "currency": "VND",
        "draft": True,
        "block": plan.block,
        "ceilings": {str(year): ceilings.years[year] for year in ceilings.ordered_years},
        "block_ceilings": [
            {"year": year, "block": block, "ceiling_vnd": amount}
            for (year, block), amount in sorted(ceilings.blocks.items())
        ],
        "weights": {
            "title": plan.weights_title,
            "effective_from": plan.weights_effective_from.isoformat(),
            "source": plan.weights_source,
            "price_growth_percent_per_year": plan.price_growth_percent,
        },
        "years": [_year(year, translate) for year in plan.years],
        "waiting": [
            _line(item, translate) | {"planned_year": None, "reason": _sentence(item.waits[-1], translate)}
            for item in plan.waiting
        ],
        "unpriced": [
            _candidate(item.candidate, translate) | {"reason": sentence(item.reason, translate)}
            for item in plan.unpriced
        ],
        "totals": _totals(plan),
        "notices": _sentences(plan.notices, translate),
        "method": _sentences(method_messages(plan), translate),
    }


def comparison_as_dict(comparison: PlanComparison, translate: Translate) -> dict[str, Any]:
    """What moved between two plans as plain values."""
    return {
        "moves": [
            {
                "reference": move.candidate.reference,
                "unit_code": move.candidate.unit_code,
                "unit_name": move.candidate.unit_name,
                "name": name_text(move.candidate, translate),
                "score": move.candidate.score.points,
                "before": _placement(move.before),
                "after": _placement(move.after),
            }
            for move in comparison.moves
        ],
        "years": [{name: getattr(year, name) for name in type(year).__slots__} for year in comparison.years],
        "waiting_before_vnd": comparison.waiting_before_vnd,
        "waiting_after_vnd": comparison.waiting_after_vnd,
    }


def _year(year: PlanYear, translate: Translate) -> dict[str, Any]:
    return {
        "year": year.year,
        "ceiling_vnd": year.ceiling_vnd,
        "spent_vnd": year.spent_vnd,
        "leftover_vnd": year.leftover_vnd,
        "pieces": year.pieces,
        "blocks": [
            {
                "block": block.block,
                "ceiling_vnd": block.ceiling_vnd,
                "spent_vnd": block.spent_vnd,
                "leftover_vnd": block.leftover_vnd,
            }
            for block in year.blocks
        ],
        "items": [_line(item, translate) | {"planned_year": year.year} for item in year.items],
    }


def _line(item: PlannedItem | WaitingItem, translate: Translate) -> dict[str, Any]:
    return {
        "rank": item.rank,
        **_candidate(item.candidate, translate),
        # Of these pieces; the candidate's own figures are of all its pieces.
        "quantity": item.quantity,
        "amount_vnd": item.amount_vnd,
        "quantity_of_line": item.candidate.quantity,
        "waited": [
            {
                "year": wait.year,
                "ceiling": wait.ceiling,
                "block": wait.block,
                "needed_vnd": wait.needed_vnd,
                "left_vnd": wait.left_vnd,
                "reason": _sentence(wait, translate),
            }
            for wait in item.waits
        ],
        "cost_of_waiting": _cost(item.cost_of_waiting),
    }


def _candidate(candidate: Candidate, translate: Translate) -> dict[str, Any]:
    return {
        "reference": candidate.reference,
        "unit_code": candidate.unit_code,
        "unit_name": candidate.unit_name,
        "block": candidate.block,
        "kind": candidate.kind,
        "kind_label": translate(equipment_kinds()[candidate.kind].label),
        "name": name_text(candidate, translate),
        "action": candidate.action,
        "action_label": translate(ACTION_LABELS[candidate.action]),
        "quantity": candidate.quantity,
        "unit_price_vnd": candidate.unit_price_vnd,
        "price_source": candidate.price_source,
        "amount_vnd": candidate.amount_vnd,
        "age_months": candidate.age_months,
        "score": candidate.score.points,
        "parts": [_part(part, translate) for part in candidate.score.parts],
        "reasons": _sentences(candidate.reasons, translate),
        "notes": _sentences(candidate.notes, translate),
    }


def _part(part: ScorePart, translate: Translate) -> dict[str, Any]:
    return {
        "code": part.code,
        "label": translate(part.label),
        "state": part.state,
        "value": part.value_ratio,
        "weight": part.weight,
        "points": part.points,
        "reason": sentence(part.reason, translate),
    }


def _cost(cost: WaitingCost) -> dict[str, Any]:
    return {name: getattr(cost, name) for name in WaitingCost.__slots__}


def _totals(plan: InvestmentPlan) -> dict[str, Any]:
    costs = [item.cost_of_waiting for year in plan.years for item in year.items]
    costs += [item.cost_of_waiting for item in plan.waiting]
    return {
        "ceiling_vnd": plan.ceiling_vnd,
        "planned_vnd": plan.spent_vnd,
        "leftover_vnd": plan.ceiling_vnd - plan.spent_vnd,
        "waiting_vnd": plan.waiting_vnd,
        "planned_pieces": sum(year.pieces for year in plan.years),
        "waiting_pieces": sum(item.quantity for item in plan.waiting),
        "unpriced_pieces": sum(item.candidate.quantity for item in plan.unpriced),
        "cost_of_waiting": {
            "price_growth_vnd": plan.price_growth_vnd,
            "old_machine_months": sum(cost.old_machine_months or 0 for cost in costs),
            "lines_of_unknown_age": sum(1 for cost in costs if cost.old_machine_months is None),
            "missing_machine_months": sum(cost.missing_machine_months for cost in costs),
        },
    }


def _placement(placement: Placement | None) -> dict[str, Any] | None:
    if placement is None:
        return None
    return {
        "years": {str(year): pieces for year, pieces in placement.years},
        "waiting": placement.waiting,
        "unpriced": placement.unpriced,
        "unit_price_vnd": placement.unit_price_vnd,
    }


def _sentence(wait: Wait, translate: Translate) -> str:
    return sentence(wait_message(wait, translate), translate)


def _sentences(messages: Iterable[Message], translate: Translate) -> list[str]:
    return [sentence(message, translate) for message in messages]
