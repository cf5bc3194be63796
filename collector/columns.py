"""Version 2 of an upload, from columns of differences back to reports. `agent.wire.columns` makes them.

Nothing is expanded before its size is known: a short body can name many numbers.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeVar

import msgspec

from agent.wire.catalogue import METRICS
from agent.wire.columns import COLUMNS_VERSION, MILLISECONDS, TENTHS
from agent.wire.dictionary import DICTIONARY
from agent.wire.exchange import Moment, ReportName, UploadHead
from agent.wire.report import Fact, FactValue, ProbeOutcome, Report, Sample
from collector.errors import BodyError
from collector.settings import Limits

_BAD_REQUEST, _TOO_LARGE = 400, 413
_REPORT_VERSION = 1
_LONGEST_NAME = 512
# A decoded number of more digits than any honest one is as wrong as infinity, and cheaper.
_BEYOND = 2**63

_Series = list[int | None]
_Kind = TypeVar("_Kind")


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    wire_version: int
    configuration_hash: str = ""
    acknowledged: tuple[str, int] | None = None
    sent: tuple[str, int, int] | None = None
    device_id: str = ""
    boots: list[str] = []
    runs: list[tuple[int, int, int]] = []
    monotonic_ms: list[int] = []
    offset_ms: list[int] = []
    samples: list[msgspec.Raw] = []
    states: list[tuple[str, str]] = []
    outcomes: list[msgspec.Raw] = []
    facts: list[msgspec.Raw] = []
    beside: list[tuple[int, msgspec.Raw]] = []


_decode_batch = msgspec.json.Decoder(_Batch)
_decode_samples = msgspec.json.Decoder(tuple[str, list[str], _Series])
_decode_outcomes = msgspec.json.Decoder(tuple[str, _Series, list[int]])
_decode_fact = msgspec.json.Decoder(tuple[int, str, FactValue])


class _UnreadableError(ValueError):
    """A column or fact that cannot be read; the others can."""


@dataclass(frozen=True)
class Aside:
    """Something of an upload that belongs to no report that could be kept.

    Args:
        kind: `column` or `fact`.
        raw: its JSON as it came.
        reason: what was expected.
    """

    kind: str
    raw: bytes
    reason: str


@dataclass
class Expanded:
    """One report of the columns; `samples` are those that may be stored.

    Args:
        report: with samples and facts that may be stored, and every outcome.
        set_aside: samples of it that may not, each with the reason.
    """

    report: Report
    set_aside: list[tuple[Sample | Fact, str]]


@dataclass(frozen=True)
class Expansion:
    """A whole upload of version 2.

    Args:
        head: what the agent says besides its reports.
        reports: in the batch's order; bytes are a report that travelled beside the columns, in JSON of version 1.
        asides: columns and facts that could not be read.
    """

    head: UploadHead
    reports: list[Expanded | bytes]
    asides: list[Aside]


SampleJudge = Callable[[Sample, Limits], str]


def decompress_columns(body: bytes, limit_bytes: int) -> bytes:
    """The JSON of a compressed upload of version 2.

    Raises:
        BodyError: it is not zlib with the contract's dictionary, is cut short, or would grow beyond `limit_bytes`.
    """
    reader = zlib.decompressobj(zdict=DICTIONARY)
    try:
        plain = reader.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise BodyError(_BAD_REQUEST, "body is not zlib data with the dictionary of wire version 2") from error
    if len(plain) > limit_bytes:
        raise BodyError(_TOO_LARGE, f"body grows beyond {limit_bytes} bytes when decompressed")
    if not reader.eof:
        raise BodyError(_BAD_REQUEST, "compressed body is cut short")
    return plain


def expand(body: bytes, limits: Limits, problem_of: SampleJudge) -> Expansion:
    """The reports of one upload of version 2.

    Args:
        body: its JSON.
        limits: of the settings.
        problem_of: why a sample may not be stored, or empty.

    Raises:
        BodyError: the upload as a whole cannot be read, or asks for more than the limits allow.
    """
    try:
        batch = _decode_batch.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyError(_BAD_REQUEST, f"not a batch of wire version {COLUMNS_VERSION}: {error}") from error
    count = _count(batch, limits)
    boots = [(boot_id, first + step) for boot_id, first, length in _runs(batch) for step in range(length)]
    work = _Work(count, limits, problem_of)
    samples = work.readable("column", batch.samples, _decode_samples)
    outcomes = work.readable("column", batch.outcomes, _decode_outcomes)
    _bound(count, [series for _, (_, _, series) in samples], [series for _, (_, series, _) in outcomes], limits)
    for raw, (metric, labels, series) in samples:
        try:
            work.put_samples(metric, labels, series)
        except _UnreadableError as error:
            work.asides.append(Aside("column", bytes(raw), str(error)))
    for raw, (probe, states, durations) in outcomes:
        try:
            work.put_outcomes(probe, states, durations, batch.states)
        except _UnreadableError as error:
            work.asides.append(Aside("column", bytes(raw), str(error)))
    for raw, (place, name, value) in work.readable("fact", batch.facts, _decode_fact):
        if 0 <= place < count:
            work.facts[place].append(Fact(name, value))
        else:
            work.asides.append(Aside("fact", bytes(raw), f"expected the number of a report from 0 to {count - 1}"))
    monotonic, offset = _filled(batch.monotonic_ms, count), _filled(batch.offset_ms, count)
    reports: list[Expanded | bytes] = []
    for place, (boot_id, sequence) in enumerate(boots):
        report = Report(
            _REPORT_VERSION,
            batch.device_id,
            boot_id,
            sequence,
            _seconds(monotonic[place] + offset[place]),
            _seconds(monotonic[place]),
            tuple(work.outcomes[place]),
            tuple(work.samples[place]),
            tuple(work.facts[place]),
        )
        reports.append(Expanded(report, work.set_aside[place]))
    for place, raw in batch.beside:
        reports.insert(place, bytes(raw))
    return Expansion(_head(batch), reports, work.asides)


def _count(batch: _Batch, limits: Limits) -> int:
    """How many reports the columns hold; every size that the body claims is within the limits afterwards."""
    if batch.wire_version != COLUMNS_VERSION:
        raise BodyError(_BAD_REQUEST, f"wire_version {batch.wire_version}: expected {COLUMNS_VERSION} in this encoding")
    if any(length < 1 for _, _, length in batch.runs):
        raise BodyError(_BAD_REQUEST, "runs: expected lengths of at least 1")
    count = sum(length for _, _, length in batch.runs)
    whole = count + len(batch.beside)
    if whole > limits.reports_per_batch:
        raise BodyError(_TOO_LARGE, f"{whole} reports: limits.reports_per_batch = {limits.reports_per_batch}")
    columns = len(batch.samples) + len(batch.outcomes)
    if columns > limits.columns_per_batch:
        raise BodyError(_TOO_LARGE, f"{columns} columns: limits.columns_per_batch = {limits.columns_per_batch}")
    if len(batch.monotonic_ms) > count or len(batch.offset_ms) > count:
        raise BodyError(_BAD_REQUEST, f"monotonic_ms, offset_ms: expected at most {count} numbers, one a report")
    if any(not 0 <= boot < len(batch.boots) for boot, _, _ in batch.runs):
        raise BodyError(_BAD_REQUEST, f"runs: expected numbers of boots from 0 to {len(batch.boots) - 1}")
    places = [place for place, _ in batch.beside]
    if places != sorted(set(places)) or (places and not 0 <= places[0] <= places[-1] < whole):
        raise BodyError(_BAD_REQUEST, f"beside: expected places from 0 to {whole - 1}, each once, in order")
    if len(batch.facts) > count * limits.facts_per_report:
        reason = f"{len(batch.facts)} facts of {count} reports: limits.facts_per_report = {limits.facts_per_report}"
        raise BodyError(_TOO_LARGE, reason)
    return count


def _bound(count: int, samples: list[_Series], outcomes: list[_Series], limits: Limits) -> None:
    numbers = sum(max(count - series.count(None), 0) for series in (*samples, *outcomes))
    if numbers > limits.samples_per_batch:
        raise BodyError(_TOO_LARGE, f"{numbers} numbers: limits.samples_per_batch = {limits.samples_per_batch}")


def _runs(batch: _Batch) -> Iterator[tuple[str, int, int]]:
    for boot, first, length in batch.runs:
        yield batch.boots[boot], first, length


def _head(batch: _Batch) -> UploadHead:
    sent = batch.sent
    return UploadHead(
        batch.configuration_hash[:_LONGEST_NAME],
        ReportName(batch.acknowledged[0][:_LONGEST_NAME], batch.acknowledged[1]) if batch.acknowledged else None,
        Moment(sent[0][:_LONGEST_NAME], _seconds(sent[1]), _seconds(sent[2])) if sent else None,
    )


def _filled(differences: Sequence[int], count: int) -> list[int]:
    """The numbers of a column without gaps; the last one goes on to the end."""
    numbers = list(accumulate(differences))
    return numbers + [numbers[-1] if numbers else 0] * (count - len(numbers))


def _present(series: _Series, count: int) -> tuple[Sequence[int], list[int]]:
    """The places of the reports that have a number, and the numbers."""
    if len(series) > count:
        raise _UnreadableError(f"expected at most {count} numbers, one a report")
    differences = [difference for difference in series if difference is not None]
    if len(differences) == len(series):
        return range(count), _filled(differences, count)
    places = [place for place, difference in enumerate(series) if difference is not None]
    places.extend(range(len(series), count))
    return places, _filled(differences, len(places))


def _seconds(milliseconds: int) -> float:
    return milliseconds / MILLISECONDS if abs(milliseconds) < _BEYOND else math.inf


@dataclass
class _Work:
    """What the columns have yielded so far, report by report."""

    count: int
    limits: Limits
    problem_of: SampleJudge
    asides: list[Aside] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.samples: list[list[Sample]] = [[] for _ in range(self.count)]
        self.outcomes: list[list[ProbeOutcome]] = [[] for _ in range(self.count)]
        self.facts: list[list[Fact]] = [[] for _ in range(self.count)]
        self.set_aside: list[list[tuple[Sample | Fact, str]]] = [[] for _ in range(self.count)]

    def readable(
        self, kind: str, parts: list[msgspec.Raw], decoder: msgspec.json.Decoder[_Kind]
    ) -> list[tuple[msgspec.Raw, _Kind]]:
        """Those parts that have their kind's shape; the others are set aside."""
        found = []
        for raw in parts:
            try:
                found.append((raw, decoder.decode(raw)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self.asides.append(Aside(kind, bytes(raw), f"not a {kind} of wire version {COLUMNS_VERSION}: {error}"))
        return found

    def put_samples(self, metric: str, texts: list[str], series: _Series) -> None:
        """One number of every report that has it."""
        places, numbers = _present(series, self.count)
        spec = METRICS.get(metric)
        if spec is None:
            raise _UnreadableError(f"metric {metric[: self.limits.string_characters]!r} is not in the catalogue")
        if len(texts) != len(spec.labels):
            raise _UnreadableError(f"{metric}: expected the labels {', '.join(spec.labels) or 'none'}")
        labels = dict(zip(spec.labels, texts, strict=True))
        if numbers and not self._all_storable(metric, labels, min(numbers), max(numbers), spec.scale):
            self._put_one_by_one(metric, labels, zip(places, numbers, strict=True), spec.scale)
            return
        samples, scale, last, sample = self.samples, spec.scale, None, Sample(metric, 0.0, labels)
        for place, number in zip(places, numbers, strict=True):
            # Most numbers stay as they were: one object serves for all reports.
            if number != last:
                sample, last = Sample(metric, number / scale, labels), number
            samples[place].append(sample)

    def _all_storable(self, metric: str, labels: dict[str, str], lowest: int, highest: int, scale: float) -> bool:
        """Whether the numbers of a column, which lie between these two, may all be stored."""
        if not -_BEYOND < lowest <= highest < _BEYOND:
            return False
        ends = {lowest, highest}
        return not any(self.problem_of(Sample(metric, end / scale, labels), self.limits) for end in ends)

    def _put_one_by_one(
        self, metric: str, labels: dict[str, str], numbers: Iterable[tuple[int, int]], scale: float
    ) -> None:
        for place, number in numbers:
            sample = Sample(metric, number / scale if abs(number) < _BEYOND else math.inf, labels)
            problem = self.problem_of(sample, self.limits)
            if problem:
                self.set_aside[place].append((sample, problem))
            else:
                self.samples[place].append(sample)

    def put_outcomes(
        self, probe: str, series: _Series, durations: list[int], states: Sequence[tuple[str, str]]
    ) -> None:
        """How one probe ended in every report in which it ran."""
        places, present = _present(series, self.count)
        if len(durations) > len(present):
            raise _UnreadableError(f"expected at most {len(present)} durations, one a run")
        if any(not 0 <= state < len(states) for state in present):
            raise _UnreadableError(f"expected states from 0 to {len(states) - 1}")
        for place, state, tenths in zip(places, present, _filled(durations, len(present)), strict=True):
            outcome, message = states[state]
            seconds = tenths / TENTHS if abs(tenths) < _BEYOND else math.inf
            self.outcomes[place].append(ProbeOutcome(probe, outcome, seconds, message))
