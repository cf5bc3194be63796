"""The investment plan: what is bought in which budget year under which ceiling, and why in that order."""

from __future__ import annotations

from inventory.plan.build import build_plan
from inventory.plan.candidates import additions_of, shortage_notices
from inventory.plan.ceilings import ceilings_from_words
from inventory.plan.compare import Move, Placement, PlanComparison, YearDifference, compare
from inventory.plan.errors import PlanDataError, PlanError, PlanInputError
from inventory.plan.model import (
    ACTION_LABELS,
    BLOCK_LABELS,
    PRICE_SOURCE_LABELS,
    Addition,
    BlockBudget,
    Candidate,
    Ceilings,
    InvestmentPlan,
    PlannedItem,
    PlanYear,
    Score,
    ScorePart,
    UnpricedItem,
    Wait,
    WaitingCost,
    WaitingItem,
)
from inventory.plan.prices import PriceBook, prices_from_file, prices_from_words
from inventory.plan.weights import PlanWeights, load_weights, weights_from

__all__ = [
    "ACTION_LABELS",
    "BLOCK_LABELS",
    "PRICE_SOURCE_LABELS",
    "Addition",
    "BlockBudget",
    "Candidate",
    "Ceilings",
    "InvestmentPlan",
    "Move",
    "Placement",
    "PlanComparison",
    "PlanDataError",
    "PlanError",
    "PlanInputError",
    "PlanWeights",
    "PlanYear",
    "PlannedItem",
    "PriceBook",
    "Score",
    "ScorePart",
    "UnpricedItem",
    "Wait",
    "WaitingCost",
    "WaitingItem",
    "YearDifference",
    "additions_of",
    "build_plan",
    "ceilings_from_words",
    "compare",
    "load_weights",
    "prices_from_file",
    "prices_from_words",
    "shortage_notices",
    "weights_from",
]
