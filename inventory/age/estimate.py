"""The age of one machine from everything known of it. Pure: facts, day and register come as arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from agent.wire.message import Message, mark
from agent.wire.report import FactValue
from inventory.age.combine import Interval, combine, confidence, decide
from inventory.age.constants import constant
from inventory.age.dates import add_months
from inventory.age.evidence import AgeEstimate, Evidence
from inventory.age.machine import Machine
from inventory.age.posterior import Laws, shipped_laws, weigh
from inventory.age.sources import SOURCES, TITLES

DEFAULT_THRESHOLD_YEARS = 10
VIRTUAL_SOURCE = "virtual"
AHEAD = mark("{source} says: not earlier than {day}, which is later than today: check the clock.")


def estimate_age(
    facts: Mapping[str, FactValue],
    *,
    as_of: date,
    first_seen: date | None = None,
    year_put_into_use: int | None = None,
    threshold_years: int = DEFAULT_THRESHOLD_YEARS,
) -> AgeEstimate:
    """When the machine was made, as an interval with a best day, and whether that is over `threshold_years` ago.

    Facts are those of `agent.wire.catalogue`; missing, partial, misplaced and nonsensical ones are passed over, never
    raised. `earliest <= best <= latest` always holds, and none of them lies after `as_of`.

    Args:
        facts: facts by name.
        as_of: the day of judgement.
        first_seen: day of the machine's first report to the collector.
        year_put_into_use: year in the register of assets.
        threshold_years: the age in question.
    """
    return estimate_machine(Machine(facts, as_of, first_seen, year_put_into_use), threshold_years, shipped_laws())


def estimate_machine(machine: Machine, threshold_years: int, laws: Laws) -> AgeEstimate:
    """`estimate_age` of a machine under other laws than the shipped ones, as cross-validation needs it."""
    as_of = machine.as_of
    if machine.virtual:
        why = Message("This is a virtual machine: it has no age of its own.")
        return AgeEstimate(None, None, None, "low", "uncertain", (Evidence(VIRTUAL_SOURCE, None, None, None, why),), ())
    found = [item for source in SOURCES.values() for item in source(machine)]
    evidence = [item for item in found if isinstance(item, Evidence) and not _lies_ahead(item, as_of)]
    disbelieved = [
        item
        if isinstance(item, Message)
        else Message(AHEAD, {"source": TITLES[item.source], "day": str(item.earliest)})
        for item in found
        if isinstance(item, Message) or _lies_ahead(item, as_of)
    ]
    interval, contradictions = combine(evidence, TITLES)
    interval = _until(interval, as_of)
    best = _dated(evidence, interval)
    if best is None and (weighed := weigh(machine, interval, laws)) is not None:
        evidence.append(weighed)
        interval = Interval(weighed.earliest or interval.earliest, weighed.latest or interval.latest)
        best = weighed.best
    if best is None:
        best = _fallback(machine, evidence, interval)
    messages = (*disbelieved, *contradictions)
    return AgeEstimate(
        earliest=interval.earliest,
        latest=interval.latest,
        best=None if best is None else interval.clamp(best),
        confidence=confidence(interval, contradicted=bool(messages)),
        over_10_years=decide(interval, as_of, threshold_years),
        evidence=tuple(evidence),
        contradictions=messages,
    )


def _lies_ahead(item: Evidence, as_of: date) -> bool:
    return item.earliest is not None and item.earliest > as_of


# Sources that name the day themselves; beside them nothing need be weighed.
_DATED = ("dell_dates", "samsung_date", "serial_number")


def _until(interval: Interval, as_of: date) -> Interval:
    """Nothing was made after today; an interval that is open to the right ends there."""
    if interval.earliest is None and interval.latest is None:
        return interval
    return Interval(interval.earliest, min(interval.latest or as_of, as_of))


def _dated(evidence: Sequence[Evidence], interval: Interval) -> date | None:
    for source in _DATED:
        for item in evidence:
            if item.source == source and item.best is not None and interval.clamp(item.best) == item.best:
                return item.best
    return None


def _fallback(machine: Machine, evidence: Sequence[Evidence], interval: Interval) -> date | None:
    for item in evidence:
        if item.best is not None:
            return item.best
    processor = machine.processor
    if processor is not None and processor.first_launch is not None:
        return add_months(processor.first_launch, constant("processor_launch_to_manufacture_best"))
    past = [day for day in machine.bios_dates if day <= machine.as_of]
    return min(past) if past and not machine.coreboot else interval.latest
