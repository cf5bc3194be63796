"""Version 2 of an upload: reports of one device as columns of differences, far smaller than the reports one by one.

What varies little costs little: a number that stays as it was in 15 reports is one number. Standard library only; the
collector reads it with `collector.columns`, and both are held to the same golden vectors. docs/wire.md is the contract.
"""

from __future__ import annotations

import json
import math
import zlib
from typing import Any, Dict, List, Optional, Sequence, Tuple

from agent.wire.catalogue import METRICS
from agent.wire.dictionary import DICTIONARY
from agent.wire.exchange import UploadHead

COLUMNS_VERSION = 2
# Not a coding of HTTP's: a collector that knows version 1 alone answers 415 and is then spoken to in version 1.
COLUMNS_ENCODING = "thongmang-2"
TENTHS = 10.0
MILLISECONDS = 1000.0
# Up to here a scaled integer, divided by its scale and multiplied again, is the same integer.
LARGEST_EXACT = 2**50

_REPORT_VERSION = 1
_LEVEL = 9
_KEYS = {
    "wire_version",
    "device_id",
    "boot_id",
    "sequence",
    "wall_time_seconds",
    "monotonic_time_seconds",
    "outcomes",
    "samples",
    "facts",
}

_Series = List[Optional[int]]


class _Column:
    """A number in every report: differences to the one before, None where a report has none."""

    __slots__ = ("last", "series")

    def __init__(self) -> None:
        self.series: _Series = []
        self.last = 0

    def put(self, position: int, value: int) -> None:
        self.series.extend([None] * (position - len(self.series)))
        self.series.append(value - self.last)
        self.last = value

    def ended(self, count: int) -> _Series:
        """The series for `count` reports, without the unchanged numbers at its end."""
        self.series.extend([None] * (count - len(self.series)))
        while self.series and self.series[-1] == 0:
            self.series.pop()
        return self.series


class _Batch:
    """Reports taken apart into columns, in the order they are added."""

    def __init__(self, device_id: str) -> None:
        self.device_id = device_id
        self.count = 0
        self.boots: List[str] = []
        self.runs: List[List[int]] = []
        self.states: List[List[str]] = []
        self.monotonic, self.offset = _Column(), _Column()
        self.samples: Dict[Tuple[Any, ...], _Column] = {}
        self.outcomes: Dict[Tuple[str, int], Tuple[_Column, _Column]] = {}
        self.facts: List[List[Any]] = []

    def add(self, report: Dict[str, Any]) -> None:
        """Takes a report in.

        Raises:
            ValueError, TypeError, KeyError, AttributeError, OverflowError: it does not fit into columns; nothing of it
                was taken.
        """
        if set(report) != _KEYS or report["wire_version"] != _REPORT_VERSION or report["device_id"] != self.device_id:
            raise ValueError
        boot_id, sequence = _as_text(report["boot_id"]), _integer(report["sequence"])
        monotonic = _scaled(report["monotonic_time_seconds"], MILLISECONDS)
        wall = _scaled(report["wall_time_seconds"], MILLISECONDS)
        samples = _numbered([_sample(item) for item in report["samples"]])
        outcomes = _numbered([_outcome(item) for item in report["outcomes"]])
        facts = [[self.count, _as_text(item.pop("name")), item.pop("value")] for item in report["facts"]]
        if any(report["facts"]):
            raise ValueError
        self._name(boot_id, sequence)
        self.monotonic.put(self.count, monotonic)
        self.offset.put(self.count, wall - monotonic)
        for key, (scaled,) in samples:
            self.samples.setdefault(key, _Column()).put(self.count, scaled)
        for key, (state, tenths) in outcomes:
            states, durations = self.outcomes.setdefault(key, (_Column(), _Column()))
            states.put(self.count, _index(self.states, state))
            # Without gaps: the states tell where there is none.
            durations.put(len(durations.series), tenths)
        self.facts.extend(facts)
        self.count += 1

    def _name(self, boot_id: str, sequence: int) -> None:
        boot = _index(self.boots, boot_id)
        if self.runs and self.runs[-1][0] == boot and sum(self.runs[-1][1:]) == sequence:
            self.runs[-1][2] += 1
        else:
            self.runs.append([boot, sequence, 1])

    def as_json(self) -> Dict[str, Any]:
        """What docs/wire.md describes, without what is empty."""
        parts = {
            "device_id": self.device_id,
            "boots": self.boots,
            "runs": self.runs,
            "monotonic_ms": self.monotonic.ended(self.count),
            "offset_ms": self.offset.ended(self.count),
            "samples": [
                [metric, list(labels), column.ended(self.count)]
                for (metric, *labels, _number), column in self.samples.items()
            ],
            "states": self.states,
            "outcomes": [
                [probe, states.ended(self.count), durations.ended(0)]
                for (probe, _number), (states, durations) in self.outcomes.items()
            ],
            "facts": self.facts,
        }
        return {name: value for name, value in parts.items() if value}


def encode_batch(reports: Sequence[bytes], head: UploadHead) -> bytes:
    """The body of one upload, not compressed.

    A report that does not fit into columns (of another device, damaged, with keys of another version) travels beside
    them as it is, for the collector to judge; it keeps its place in the batch.

    Args:
        reports: as `agent.wire.codec.report_to_json` makes them.
        head: what is said besides.
    """
    batch: Optional[_Batch] = None
    beside: List[List[Any]] = []
    for place, body in enumerate(reports):
        value = _decoded(body)
        try:
            if batch is None:
                batch = _Batch(_as_text(value["device_id"]))
            batch.add(value)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            beside.append([place, _decoded(body)])
    table: Dict[str, Any] = {"wire_version": COLUMNS_VERSION}
    if head.configuration_hash:
        table["configuration_hash"] = head.configuration_hash
    if head.acknowledged is not None:
        table["acknowledged"] = [head.acknowledged.boot_id, head.acknowledged.sequence]
    if head.sent is not None:
        sent = head.sent
        table["sent"] = [
            sent.boot_id,
            _scaled(sent.wall_time_seconds, MILLISECONDS),
            _scaled(sent.monotonic_time_seconds, MILLISECONDS),
        ]
    table.update({} if batch is None else batch.as_json())
    if beside:
        table["beside"] = beside
    # Half a letter, as a damaged report may hold, becomes a question mark.
    return json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def compress_columns(body: bytes) -> bytes:
    """The body in zlib's format with the contract's dictionary, as `COLUMNS_ENCODING` names it."""
    packer = zlib.compressobj(_LEVEL, zdict=DICTIONARY)
    return packer.compress(body) + packer.flush()


def _decoded(body: bytes) -> Any:
    """The report's JSON value, or its text where it is no JSON."""
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _no_number(name: str) -> None:
    raise ValueError(name)


def _as_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _scaled(value: Any, scale: float) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    scaled = value * scale
    if not math.isfinite(scaled) or abs(scaled) > LARGEST_EXACT:
        raise ValueError
    return round(scaled)


def _sample(item: Dict[str, Any]) -> Tuple[Tuple[str, ...], Tuple[int]]:
    spec = METRICS[item["metric"]]
    labels = item.get("labels", {})
    if set(labels) != set(spec.labels) or not set(item) <= {"metric", "value", "labels"}:
        raise ValueError
    return (spec.name, *(_as_text(labels[name]) for name in spec.labels)), (_scaled(item["value"], spec.scale),)


def _outcome(item: Dict[str, Any]) -> Tuple[Tuple[str], Tuple[List[str], int]]:
    if not set(item) <= {"probe", "outcome", "duration_seconds", "message"}:
        raise ValueError
    state = [_as_text(item["outcome"]), _as_text(item.get("message", ""))]
    return (_as_text(item["probe"]),), (state, _scaled(item["duration_seconds"], TENTHS))


def _numbered(parts: List[Tuple[Any, Any]]) -> List[Tuple[Any, Any]]:
    """The same parts, a key that comes again told apart by a number at its end."""
    seen: Dict[Any, int] = {}
    numbered = []
    for key, value in parts:
        number = seen[key] = seen.get(key, -1) + 1
        numbered.append(((*key, number), value))
    return numbered


def _index(known: List[Any], value: Any) -> int:
    if value not in known:
        known.append(value)
    return known.index(value)
