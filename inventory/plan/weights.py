"""How much each part of the priority score counts: a dated data file, read strictly."""

from __future__ import annotations

import datetime as dt
import tomllib
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Literal

import msgspec

from agent.wire.message import Message, mark
from inventory.plan.errors import PlanDataError

PartCode = Literal["age", "age_certainty", "expired", "condition", "os_support", "health", "unit_need"]
PART_CODES: tuple[PartCode, ...] = (
    "age",
    "age_certainty",
    "expired",
    "condition",
    "os_support",
    "health",
    "unit_need",
)
WEIGHTS_FILE = "plan_weights.toml"
TOTAL_WEIGHT = 100
_LARGEST_GROWTH_PERCENT = 100

Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class PartWeight(_Strict, frozen=True):
    """One part of the score; see the comments of the data file."""

    code: PartCode
    label: str
    weight: Percent
    unknown_percent: Percent
    not_applicable_percent: Percent
    addition_percent: Percent
    explanation: str


class AgeScale(_Strict, frozen=True):
    """Years beyond the threshold at which the part of the age is full."""

    full_years_beyond: Count


class CertaintyScale(_Strict, frozen=True):
    """What each confidence of an estimate counts, and the register's word alone."""

    high_percent: Percent
    medium_percent: Percent
    low_percent: Percent
    register_percent: Percent


class ConditionScale(_Strict, frozen=True):
    """What each condition of the register counts."""

    broken_percent: Percent
    usable_percent: Percent
    good_percent: Percent


class SupportScale(_Strict, frozen=True):
    """What support counts that has ended, or that ends within so many months."""

    ended_percent: Percent
    ending_within_months: Count
    ending_percent: Percent


class HealthScale(_Strict, frozen=True):
    """What each finding counts, until the part is full, and by which parameters findings about lines are told."""

    percent_per_finding: Percent
    parameters_of_lines: list[str]


class PlanWeights(_Strict, frozen=True, rename={"parts": "part"}):
    """All weights, and the growth of prices that the cost of waiting assumes."""

    title: str
    effective_from: dt.date
    source: str
    confidence: Literal["high", "medium", "low"]
    price_growth_percent_per_year: str
    parts: list[PartWeight]
    age: AgeScale
    age_certainty: CertaintyScale
    condition: ConditionScale
    os_support: SupportScale
    health: HealthScale

    @property
    def price_growth_basis_points(self) -> int:
        """The yearly growth of prices in hundredths of a per cent."""
        return int(Decimal(self.price_growth_percent_per_year) * 100)

    def part(self, code: PartCode) -> PartWeight:
        """The part with this code; `weights_from` has made sure that every one is there."""
        return next(part for part in self.parts if part.code == code)


@lru_cache(maxsize=1)
def load_weights() -> PlanWeights:
    """The weights of this package.

    Raises:
        PlanDataError: the file is not what it should be.
    """
    return weights_from(WEIGHTS_FILE, files("inventory").joinpath("data", WEIGHTS_FILE).read_text(encoding="utf-8"))


def weights_from(name: str, text: str) -> PlanWeights:
    """The weights in this TOML, every key checked.

    Args:
        name: of the file, for messages.
        text: what stands in it.

    Raises:
        PlanDataError: not TOML, an unknown or missing key, a wrong value, a part not there once, another sum than 100.
    """
    try:
        weights = msgspec.convert(tomllib.loads(text), PlanWeights)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _unusable(name, str(error)) from error
    codes = [part.code for part in weights.parts]
    if sorted(codes) != sorted(PART_CODES):
        raise _unusable(name, f"part: {', '.join(codes)}; expected each once: {', '.join(PART_CODES)}")
    total = sum(part.weight for part in weights.parts)
    if total != TOTAL_WEIGHT:
        raise _unusable(name, f"part.weight: the sum is {total}; expected {TOTAL_WEIGHT}")
    growth = _decimal(weights.price_growth_percent_per_year)
    if growth is None or not 0 <= growth <= _LARGEST_GROWTH_PERCENT or growth * 100 != int(growth * 100):
        raise _unusable(
            name,
            f"price_growth_percent_per_year: {weights.price_growth_percent_per_year!r}; "
            'expected a number from 0 to 100 with at most two decimals, as "4.0"',
        )
    return weights


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _unusable(name: str, detail: str) -> PlanDataError:
    return PlanDataError(Message(mark("{file}: cannot be used: {detail}"), {"file": name, "detail": detail}))
