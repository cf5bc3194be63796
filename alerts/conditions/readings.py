"""Conditions on the newest stored reading of each device: a share of something (`reading_share`) or a bare number.

One reading decides nothing by itself: the rule's `for_seconds` says how long each further one must say the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.wire.catalogue import MEASUREMENTS, measurement_fields, measurement_labels
from agent.wire.message import Parameter
from alerts.conditions.sentences import fault, filled, rounded
from alerts.parameters import choice, number, whole, word
from alerts.ports import Inputs, StoredReading
from alerts.state import CLEAR, RAISED, Observation, Subject

SIDES = ("below", "above")
_PLACES = ("value", "whole", "percent", "label")
_VALUE_PLACES = ("value", "label")


class _NewestReading(ABC):
    """What both kinds share: which readings are judged, and the names of subjects."""

    __slots__ = ()

    # Of each series the newest reading with the fields that it needs is all that it looks at.
    newest_only: ClassVar[bool] = True

    # Declared by the dataclasses below.
    measurement: str
    side: str
    fresh_seconds: int
    every_seconds: int

    @property
    def reads(self) -> Mapping[str, int]:
        """The measurement, as long as a reading counts as new."""
        return {self.measurement: self.fresh_seconds}

    def _newest(self, inputs: Inputs, fields: tuple[str, ...], now: float) -> Iterator[tuple[str, StoredReading]]:
        """Key and newest reading of each series, of those readings that have all the fields."""
        label = (*measurement_labels(self.measurement), "")[0]
        oldest, wanted = now - self.fresh_seconds, frozenset(fields)
        newest: dict[tuple[str, str], StoredReading] = {}
        for reading in inputs.readings.get(self.measurement, ()):
            at = reading.time_seconds
            if at > now or at <= oldest:
                continue
            tags = reading.tags
            series = tags["device_id"], tags[label] if label else ""
            known = newest.get(series)
            if (known is None or at > known.time_seconds) and wanted <= reading.fields.keys():
                newest[series] = reading
        for (device_id, value), reading in newest.items():
            yield f"{device_id}/{value}" if value else device_id, reading

    def _label(self, reading: StoredReading) -> str:
        return reading.tags.get((*measurement_labels(self.measurement), "")[0], "")

    def _is_beyond(self, value: float, limit: float) -> bool:
        return value <= limit if self.side == "below" else value >= limit

    @property
    def reading_fields(self) -> Mapping[str, tuple[str, ...]]:
        """Of each measurement the fields that it needs; the others need not be read."""
        return {self.measurement: self._fields()}

    @abstractmethod
    def _fields(self) -> tuple[str, ...]:
        """The store fields that it needs."""

    def _measurement_fault(self, fields: Mapping[str, str]) -> str:
        if self.measurement not in MEASUREMENTS:
            return f"measurement is {self.measurement!r}, expected one of {', '.join(MEASUREMENTS)}"
        known = [spec.field for spec in measurement_fields(self.measurement)]
        for name, value in fields.items():
            if value not in known:
                return f"{name} is {value!r}, expected one of {', '.join(known)}"
        return ""

    def _order_fault(self, name: str, raised: float, clear: float) -> str:
        """A limit at which it ends must not lie beyond the one at which it begins."""
        if raised != clear and self._is_beyond(clear, raised):
            least = "at least" if self.side == "below" else "at most"
            return f"clear_{name} is {clear:g}, expected {least} raise_{name} ({raised:g})"
        return ""


@dataclass(frozen=True, slots=True)
class ReadingShare(_NewestReading):
    """One field as a share of another, and the field itself: both must be beyond their limits to raise.

    It is over when either has come back behind its second limit; in between nothing changes.
    """

    measurement: str = word("Measurement of the catalogue.")
    part_field: str = word("Its field that is looked at.")
    whole_field: str = word("Its field that the first one is a part of.")
    side: str = choice(SIDES, "On which side of the limits it is bad.")
    raise_ratio: float = number(0, 1, "ratio", "The share at which it is bad.")
    clear_ratio: float = number(0, 1, "ratio", "The share at which it is good again.")
    raise_amount: float = number(0, 1e18, "", "The part, in stored units, must be beyond this too.")
    clear_amount: float = number(0, 1e18, "", "The part, in stored units, at which it is good again.")
    shown_divisor: float = number(1e-9, 1e18, "", "Stored numbers are divided by this in the sentence.")
    fresh_seconds: int = whole(60, 86_400, "seconds", "Older readings are not judged.")
    every_seconds: int = whole(0, 86_400, "seconds", "It is judged no more often than this.")
    raised_text: str = word("The sentence while it is bad.")
    clear_text: str = word("The sentence when it is over.")

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        return (
            self._measurement_fault({"part_field": self.part_field, "whole_field": self.whole_field})
            or self._order_fault("ratio", self.raise_ratio, self.clear_ratio)
            or self._order_fault("amount", self.raise_amount, self.clear_amount)
            or fault("raised_text", self.raised_text, _PLACES)
            or fault("clear_text", self.clear_text, _PLACES)
        )

    def _fields(self) -> tuple[str, ...]:
        return self.part_field, self.whole_field

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:
        """Every series that is bad, and those in `open_subjects` that have a new reading."""
        for key, reading in self._newest(inputs, self._fields(), now):
            part, of = reading.fields[self.part_field], reading.fields[self.whole_field]
            if of <= 0:
                continue
            ratio = part / of
            if self._is_beyond(ratio, self.raise_ratio) and self._is_beyond(part, self.raise_amount):
                yield _subject(key, reading), self._observation(RAISED, self.raised_text, reading, ratio)
            elif key in open_subjects:
                # Between the limits a firing alert stays as it is; a pending one was not sustained.
                ended = not (self._is_beyond(ratio, self.clear_ratio) and self._is_beyond(part, self.clear_amount))
                yield _subject(key, reading), self._observation(CLEAR, self.clear_text, reading, ratio, quiet=ended)

    def _observation(
        self, level: str, text: str, reading: StoredReading, ratio: float, *, quiet: bool = False
    ) -> Observation:
        part, of = reading.fields[self.part_field], reading.fields[self.whole_field]
        values: dict[str, Parameter] = {
            "value": rounded(part / self.shown_divisor),
            "whole": rounded(of / self.shown_divisor),
            "percent": rounded(100 * ratio),
            "label": self._label(reading),
        }
        readings: dict[str, Any] = {self.part_field: part, self.whole_field: of, "ratio": round(ratio, 4)}
        if values["label"]:
            readings["label"] = values["label"]
        magnitude = 1 - ratio if self.side == "below" else ratio
        return Observation(level, filled(text, values), readings, quiet, round(magnitude, 4))


@dataclass(frozen=True, slots=True)
class ReadingValue(_NewestReading):
    """One field against a limit; it is over when it has come back behind a second one."""

    measurement: str = word("Measurement of the catalogue.")
    value_field: str = word("Its field that is looked at.")
    side: str = choice(SIDES, "On which side of the limits it is bad.")
    raise_value: float = number(-1e18, 1e18, "", "The number, in stored units, at which it is bad.")
    clear_value: float = number(-1e18, 1e18, "", "The number, in stored units, at which it is good again.")
    shown_divisor: float = number(1e-9, 1e18, "", "Stored numbers are divided by this in the sentence.")
    fresh_seconds: int = whole(60, 86_400, "seconds", "Older readings are not judged.")
    every_seconds: int = whole(0, 86_400, "seconds", "It is judged no more often than this.")
    raised_text: str = word("The sentence while it is bad.")
    clear_text: str = word("The sentence when it is over.")

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        return (
            self._measurement_fault({"value_field": self.value_field})
            or self._order_fault("value", self.raise_value, self.clear_value)
            or fault("raised_text", self.raised_text, _VALUE_PLACES)
            or fault("clear_text", self.clear_text, _VALUE_PLACES)
        )

    def _fields(self) -> tuple[str, ...]:
        return (self.value_field,)

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:
        """Every series that is bad, and those in `open_subjects` that have a new reading."""
        for key, reading in self._newest(inputs, self._fields(), now):
            value = reading.fields[self.value_field]
            if self._is_beyond(value, self.raise_value):
                yield _subject(key, reading), self._observation(RAISED, self.raised_text, reading)
            elif key in open_subjects:
                ended = not self._is_beyond(value, self.clear_value)
                yield _subject(key, reading), self._observation(CLEAR, self.clear_text, reading, quiet=ended)

    def _observation(self, level: str, text: str, reading: StoredReading, *, quiet: bool = False) -> Observation:
        value, label = reading.fields[self.value_field], self._label(reading)
        readings: dict[str, Any] = {self.value_field: value, **({"label": label} if label else {})}
        shown: dict[str, Parameter] = {"value": rounded(value / self.shown_divisor), "label": label}
        return Observation(level, filled(text, shown), readings, quiet, abs(float(value)))


def _subject(key: str, reading: StoredReading) -> Subject:
    tags = reading.tags
    return Subject(key, tags["device_id"], tags["unit"], tags["site"])
