"""Conditions on facts that agents report: words (`fact_word`) and numbers (`fact_number`).

What a fact does not tell is unknown and never judged: `unknown`, a missing column, a missing fact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.wire.facts import FACTS
from agent.wire.message import Parameter
from agent.wire.report import FactValue
from alerts.conditions.sentences import fault, filled
from alerts.parameters import choice, number, optional_word, whole, word
from alerts.ports import DEVICES, DeviceStatus, Inputs
from alerts.state import CLEAR, RAISED, Observation, Subject

# Whether each row is a subject of its own, or the device is bad only where all its rows are.
EACH, ALL = "each", "all"
SIDES = ("below", "above")

Row = Mapping[str, Any]


class _FactRows(ABC):
    """What both kinds share: which rows are looked at, and how rows become subjects."""

    __slots__ = ()

    # Declared by the dataclasses below.
    fact: str
    where: str
    column: str
    name_column: str
    subjects: str
    fresh_seconds: int
    raised_text: str
    clear_text: str

    reads: ClassVar[Mapping[str, int]] = {DEVICES: 0}

    @property
    def fact_names(self) -> tuple[str, ...]:
        """The facts that it needs of every device."""
        return (self.fact,)

    def _judged(
        self, inputs: Inputs, open_subjects: Container[str], now: float
    ) -> Iterator[tuple[Subject, Observation]]:
        conditions = _pairs(self.where)
        for device in inputs.devices:
            value, seen = device.facts.get(self.fact), device.last_seen_seconds
            # What a terminal said before it was switched off says nothing of now.
            if value is None or seen is None or seen < now - self.fresh_seconds:
                continue
            rows = [row for row in _rows(self.fact, value) if all(_said(row.get(k)) == v for k, v in conditions)]
            verdicts = [(row, verdict) for row in rows if (verdict := self._is_bad(row)) is not None]
            if not verdicts:
                continue
            if self.subjects == ALL:
                bad = all(verdict for _, verdict in verdicts)
                # The row shown is one that tells: a good one where the device is good.
                row = next(row for row, verdict in verdicts if verdict == bad)
                yield from self._observed(device, device.device_id, row, open_subjects, bad=bad)
            else:
                for row, verdict in verdicts:
                    key = f"{device.device_id}/{_said(row.get(self.name_column))}"
                    yield from self._observed(device, key, row, open_subjects, bad=verdict)

    @abstractmethod
    def _is_bad(self, row: Row) -> bool | None:
        """None where the row does not tell."""

    def _observed(
        self, device: DeviceStatus, key: str, row: Row, open_subjects: Container[str], *, bad: bool
    ) -> Iterator[tuple[Subject, Observation]]:
        if not bad and key not in open_subjects:
            return
        subject = Subject(key, device.device_id, device.unit_code, device.site)
        value = row[self.column]
        shown: dict[str, Parameter] = {"value": _shown(value), "name": _said(row.get(self.name_column))}
        readings = {name: cell for name, cell in row.items() if cell is not None}
        text = self.raised_text if bad else self.clear_text
        magnitude = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
        yield subject, Observation(RAISED if bad else CLEAR, filled(text, shown), readings, not bad, magnitude)

    def _faults(self) -> str:
        spec = FACTS.get(self.fact)
        if spec is None:
            return f"fact is {self.fact!r}, which is not in the catalogue"
        columns = spec.columns or (self.fact,)
        for name in ("column", *(["name_column"] if self.name_column else [])):
            if getattr(self, name) not in columns:
                return f"{name} is {getattr(self, name)!r}, expected one of {', '.join(columns)}"
        if self.subjects == EACH and not self.name_column:
            return "name_column is empty, expected the column that tells rows apart, as subjects is each"
        try:
            conditions = _pairs(self.where)
        except ValueError:
            return f"where is {self.where!r}, expected column=value[, column=value]"
        for name, _ in conditions:
            if name not in columns:
                return f"where names {name!r}, expected one of {', '.join(columns)}"
        places = ("value", "name")
        return fault("raised_text", self.raised_text, places) or fault("clear_text", self.clear_text, places)


@dataclass(frozen=True, slots=True)
class FactWord(_FactRows):
    """A column holds one of the bad words; it is over when it holds one of the good ones."""

    fact: str = word("Fact of the catalogue.")
    where: str = optional_word("Only rows with these values, as kind=antimalware; empty: all rows.")
    column: str = word("Column that is judged; of a fact without columns its name.")
    bad_values: str = word("Words that are bad, between commas; true and false for yes and no.")
    good_values: str = word("Words that are good, between commas; any other word is not judged.")
    name_column: str = optional_word("Column that names a row to people.")
    subjects: str = choice((EACH, ALL), "Whether each row is judged by itself or all rows must be bad.")
    fresh_seconds: int = whole(60, 86_400, "seconds", "A terminal not heard of for longer is not judged.")
    every_seconds: int = whole(0, 86_400, "seconds", "It is judged no more often than this.")
    raised_text: str = word("The sentence while it is bad.")
    clear_text: str = word("The sentence when it is over.")

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        both = set(_words(self.bad_values)) & set(_words(self.good_values))
        return self._faults() or (f"{min(both)!r} is both in bad_values and good_values" if both else "")

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:
        """Every device or row that is bad, and those in `open_subjects` that are told to be good."""
        return self._judged(inputs, open_subjects, now)

    def _is_bad(self, row: Row) -> bool | None:
        said = _said(row.get(self.column))
        if said in _words(self.bad_values):
            return True
        return False if said in _words(self.good_values) else None


@dataclass(frozen=True, slots=True)
class FactNumber(_FactRows):
    """A column holds a number on the bad side of a limit; it is over on the good side of a second one."""

    fact: str = word("Fact of the catalogue.")
    where: str = optional_word("Only rows with these values, as kind=antimalware; empty: all rows.")
    column: str = word("Column that is judged; of a fact without columns its name.")
    side: str = choice(SIDES, "On which side of the limits it is bad.")
    raise_value: float = number(-1e18, 1e18, "", "The number at which it is bad.")
    clear_value: float = number(-1e18, 1e18, "", "The number at which it is good again.")
    name_column: str = optional_word("Column that names a row to people.")
    subjects: str = choice((EACH, ALL), "Whether each row is judged by itself or all rows must be bad.")
    fresh_seconds: int = whole(60, 86_400, "seconds", "A terminal not heard of for longer is not judged.")
    every_seconds: int = whole(0, 86_400, "seconds", "It is judged no more often than this.")
    raised_text: str = word("The sentence while it is bad.")
    clear_text: str = word("The sentence when it is over.")

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        crossed = self.clear_value < self.raise_value if self.side == "below" else self.clear_value > self.raise_value
        if crossed:
            least = "at least" if self.side == "below" else "at most"
            return f"clear_value is {self.clear_value:g}, expected {least} raise_value ({self.raise_value:g})"
        return self._faults()

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:
        """Every device or row that is bad, and those in `open_subjects` that are good again."""
        return self._judged(inputs, open_subjects, now)

    def _is_bad(self, row: Row) -> bool | None:
        value = row.get(self.column)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        below = self.side == "below"
        if value <= self.raise_value if below else value >= self.raise_value:
            return True
        return False if (value >= self.clear_value if below else value <= self.clear_value) else None


def _rows(fact: str, value: FactValue) -> Sequence[Row]:
    return value if isinstance(value, list) else [{fact: value}]


def _said(value: object) -> str:
    """A cell as rules write it."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _shown(value: object) -> Parameter:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else _said(value)


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Columns and values of `column=value, column=value`.

    Raises:
        ValueError: a part without `=`.
    """
    pairs = []
    for part in _words(text):
        name, sign, value = part.partition("=")
        if not sign or not name.strip():
            raise ValueError(part)
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs)
