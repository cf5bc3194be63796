"""What is known of a machine's age: single pieces of evidence and the estimate made of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from agent.wire.message import Message

Confidence = Literal["high", "medium", "low"]
Decision = Literal["yes", "no", "uncertain"]


@dataclass(frozen=True)
class Evidence:
    """What one source says about the day of manufacture.

    Args:
        source: name of the source in `inventory.age.sources.SOURCES`, or `model`.
        earliest: the machine was not made before this day; None where the source does not say.
        latest: the machine was not made after this day; None where the source does not say.
        best: the day the source itself would name; None where it only bounds.
        why: the reason, for a clerk; dates in its parameters are ISO (`2012-04` is a month).
    """

    source: str
    earliest: date | None
    latest: date | None
    best: date | None
    why: Message


@dataclass(frozen=True)
class AgeEstimate:
    """When a machine was made, as far as all its evidence tells.

    Args:
        earliest: first possible day of manufacture, None if nothing bounds it.
        latest: last possible day of manufacture, None if nothing bounds it.
        best: the likeliest day, always within the two; None if there is no basis for one.
        confidence: how far the estimate may be trusted; low whenever evidence contradicts itself.
        over_10_years: whether the machine is older than the threshold; uncertain where the interval holds both answers.
        evidence: every piece that was found, used or not.
        contradictions: which pieces cannot both be true, and which one was believed.
    """

    earliest: date | None
    latest: date | None
    best: date | None
    confidence: Confidence
    over_10_years: Decision
    evidence: tuple[Evidence, ...]
    contradictions: tuple[Message, ...]
