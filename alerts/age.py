"""Condition `device_over_age`: equipment that is certainly older than a number of years."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from agent.wire.message import Message, mark
from alerts.parameters import whole
from alerts.ports import AGES, AgeEstimate, AgeEvidence, Inputs
from alerts.state import CLEAR, RAISED, Observation, Subject

# The province's day begins seven hours before UTC's; Viet Nam has no summer time.
_PROVINCE_OFFSET = timedelta(hours=7)
_INVENTORY_YEARS = 10

OVER_TEXT = mark("This device is over {years} years old: it was made on {latest} at the latest.")
UNCERTAIN_TEXT = mark("The evidence leaves open whether this device is over {years} years old.")
NOT_OVER_TEXT = mark("The evidence shows that this device is not over {years} years old.")


@dataclass(frozen=True, slots=True)
class DeviceOverAge:
    """The parameters of the condition and its judgement.

    For 10 years the inventory's own decision is taken, so that a page, a list and an alert never differ; for any other
    number the estimate's interval is judged in the same way: only what is certain fires.
    """

    reads: ClassVar[Mapping[str, int]] = {AGES: 0}
    # Estimates are made once a day, and when facts change.
    every_seconds: ClassVar[int] = 300

    years: int = whole(1, 50, "years", "Equipment older than this fires.")

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed: nothing can be."""
        return ""

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:
        """Every device that is certainly over age, and those in `open_subjects` that no longer are."""
        today = (datetime.fromtimestamp(now, UTC) + _PROVINCE_OFFSET).date()
        for device in inputs.ages:
            subject = Subject(device.device_id, device.device_id, device.unit_code, device.site)
            decision = self._decision(device.estimate, today)
            if decision == "yes":
                yield subject, self._raised(device.estimate)
            elif subject.key in open_subjects:
                text = NOT_OVER_TEXT if decision == "no" else UNCERTAIN_TEXT
                yield (
                    subject,
                    Observation(CLEAR, Message(text, {"years": self.years}), _interval(device.estimate), quiet=True),
                )

    def _decision(self, estimate: AgeEstimate, today: date) -> str:
        if self.years == _INVENTORY_YEARS:
            return estimate.over_10_years
        limit = years_before(today, self.years)
        if estimate.latest is not None and estimate.latest < limit:
            return "yes"
        return "no" if estimate.earliest is not None and estimate.earliest >= limit else "uncertain"

    def _raised(self, estimate: AgeEstimate) -> Observation:
        latest = "" if estimate.latest is None else estimate.latest.isoformat()
        readings = _interval(estimate)
        evidence = strongest_evidence(estimate)
        if evidence is not None:
            readings["because"] = evidence.why.as_dict()
            readings["source"] = evidence.source
        return Observation(RAISED, Message(OVER_TEXT, {"years": self.years, "latest": latest}), readings)


def strongest_evidence(estimate: AgeEstimate) -> AgeEvidence | None:
    """The piece that proves the machine to be this old: the one that sets the interval's end, None if none bounds it.

    A piece that names an earlier day than the interval's end was not believed and is passed over.
    """
    bounding = [
        evidence
        for evidence in estimate.evidence
        if evidence.latest is not None and (estimate.latest is None or evidence.latest >= estimate.latest)
    ]
    return min(bounding, key=lambda evidence: evidence.latest or date.max, default=None)


def years_before(day: date, years: int) -> date:
    """The same day so many years earlier; 28 February where 29 is not there."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def _interval(estimate: AgeEstimate) -> dict[str, Any]:
    days = {"earliest": estimate.earliest, "latest": estimate.latest, "best": estimate.best}
    return {name: None if day is None else day.isoformat() for name, day in days.items()}
