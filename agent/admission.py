"""What may leave the machine: only what the catalogue names, in a form every collector can store. Pure functions."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Optional, Tuple

from agent.probes.contract import Collected
from agent.wire.catalogue import METRICS
from agent.wire.facts import FACTS
from agent.wire.message import mark
from agent.wire.report import FactValue, Row, Sample, Scalar

TEXT_CHARACTERS = 512
ROWS_LIMIT = 256
SAMPLES_LIMIT = 1024
LARGEST_INTEGER = 2**63 - 1

NOT_IN_CATALOGUE = mark("the probe returned something that the catalogue does not know; it was not sent")
NOT_STORABLE = mark("the probe returned a value that cannot be sent; it was not sent")


def admit(collected: Collected) -> Tuple[List[Sample], Dict[str, FactValue], str]:
    """(samples, facts, problem) of a run: what may be sent; a fixed sentence if something may not, "" if all may."""
    problem = ""
    samples: List[Sample] = []
    for sample in collected.samples[:SAMPLES_LIMIT]:
        spec = METRICS.get(sample.metric)
        if spec is None or set(sample.labels) != set(spec.labels):
            problem = NOT_IN_CATALOGUE
        elif not _is_number(sample.value):
            problem = problem or NOT_STORABLE
        else:
            labels = {name: clean_text(str(value)) for name, value in sample.labels.items()}
            samples.append(Sample(sample.metric, sample.value, labels))
    facts: Dict[str, FactValue] = {}
    for name, value in collected.facts.items():
        if not _fits_catalogue(name, value):
            problem = NOT_IN_CATALOGUE
            continue
        cleaned = _clean_value(value)
        if cleaned is None and value is not None:
            problem = problem or NOT_STORABLE
            continue
        facts[name] = cleaned
    return samples, facts, problem


def clean_text(text: str) -> str:
    """The text as any database keeps it: no control characters, no half letters, not longer than a limit."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(letter if letter.isprintable() else " " for letter in whole)[:TEXT_CHARACTERS].strip()


def _fits_catalogue(name: str, value: FactValue) -> bool:
    spec = FACTS.get(name)
    if spec is None:
        return False
    if not spec.columns:
        return not isinstance(value, (list, dict))
    return isinstance(value, list) and all(set(row) <= set(spec.columns) for row in value)


def _clean_value(value: FactValue) -> FactValue:
    """The value in storable form; None where it has none."""
    if not isinstance(value, list):
        return _clean_scalar(value)
    rows: List[Row] = []
    for row in value[:ROWS_LIMIT]:
        cleaned = {column: _clean_scalar(scalar) for column, scalar in row.items()}
        if any(cleaned[column] is None and row[column] is not None for column in row):
            return None
        rows.append(cleaned)
    return rows


def _clean_scalar(value: Any) -> Optional[Scalar]:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, bool):
        return value
    return value if _is_number(value) else None


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) <= LARGEST_INTEGER
