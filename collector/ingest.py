"""From an upload's bytes to reports that may be kept; the same for every door."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from agent.wire.catalogue import METRICS
from agent.wire.codec import WireError, decompress
from agent.wire.columns import COLUMNS_ENCODING, COLUMNS_VERSION
from agent.wire.exchange import UploadHead
from agent.wire.facts import FACTS
from agent.wire.report import OUTCOMES, WIRE_VERSION, Fact, Report, Sample
from collector.columns import Aside, Expanded, decompress_columns, expand
from collector.errors import BodyError
from collector.settings import Limits

UNPROCESSABLE, TOO_LARGE, UNSUPPORTED, BAD_REQUEST = 422, 413, 415, 400
LARGEST_INTEGER = 2**63 - 1
LARGEST_SEQUENCE = 2**53
# Beyond these a clock tells nothing: some 300 years of running, some 30,000 years of history.
LARGEST_MONOTONIC_SECONDS = 1e10
LARGEST_WALL_SECONDS = 1e12
LARGEST_DURATION_SECONDS = 1e6


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    wire_version: int
    reports: list[msgspec.Raw]


class _Name(msgspec.Struct):
    boot_id: str = ""
    sequence: int = 0


Part = TypeVar("Part", Sample, Fact)

_decode_batch = msgspec.json.Decoder(_Batch)
_decode_report = msgspec.json.Decoder(Report)
_decode_name = msgspec.json.Decoder(_Name)


@dataclass(frozen=True)
class Received:
    """One report of an upload.

    Args:
        raw: its JSON as it came; of a report in columns only where it is rejected.
        report: decoded, without what was set aside; None where the whole report is rejected.
        problem: why it is rejected, empty where it is not.
        set_aside: samples and facts that the catalogue does not know or the limits refuse, each with the reason.
        boot_id, sequence: its name, as far as it could be read, for the answer.
    """

    raw: bytes
    report: Report | None
    problem: str
    set_aside: tuple[tuple[Sample | Fact, str], ...]
    boot_id: str
    sequence: int


@dataclass(frozen=True)
class Upload:
    """What one upload brought.

    Args:
        wire_version: 1 or 2; the answer is of the same version.
        received: its reports, in the batch's order.
        head: what the agent says besides; empty in version 1.
        asides: columns and facts that could not be read and belong to no report.
    """

    wire_version: int
    received: tuple[Received, ...]
    head: UploadHead = field(default_factory=UploadHead)
    asides: tuple[Aside, ...] = ()


def decode_body(body: bytes, encoding: str, limits: Limits) -> Upload:
    """One upload of either version; version 2 is told by its encoding.

    Args:
        body: as received, at most `limits.body_bytes`.
        encoding: the Content-Encoding header: `thongmang-2` for version 2, `deflate` or empty for version 1.
        limits: of the settings.

    Raises:
        BodyError: the upload as a whole cannot be read; says what was expected.
    """
    if encoding not in {"", "identity", "deflate", COLUMNS_ENCODING}:
        raise BodyError(UNSUPPORTED, f"Content-Encoding {encoding!r}: expected {COLUMNS_ENCODING}, deflate or none")
    if len(body) > limits.body_bytes:
        raise BodyError(TOO_LARGE, f"body is larger than limits.body_bytes = {limits.body_bytes}")
    if encoding == COLUMNS_ENCODING:
        return _receive_columns(decompress_columns(body, limits.decompressed_bytes), limits)
    if encoding == "deflate":
        try:
            body = decompress(body, limits.decompressed_bytes)
        except WireError as error:
            raise BodyError(TOO_LARGE if "grows beyond" in str(error) else BAD_REQUEST, str(error)) from error
    try:
        batch = _decode_batch.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyError(BAD_REQUEST, f"not a batch of wire version {WIRE_VERSION}: {error}") from error
    if batch.wire_version != WIRE_VERSION:
        raise BodyError(
            UNPROCESSABLE,
            f"wire_version {batch.wire_version}: this collector reads {WIRE_VERSION}, "
            f"and {COLUMNS_VERSION} as Content-Encoding {COLUMNS_ENCODING}",
        )
    if len(batch.reports) > limits.reports_per_batch:
        raise BodyError(
            TOO_LARGE, f"{len(batch.reports)} reports: limits.reports_per_batch = {limits.reports_per_batch}"
        )
    return Upload(WIRE_VERSION, tuple(_receive(bytes(raw), limits) for raw in batch.reports))


def _receive_columns(body: bytes, limits: Limits) -> Upload:
    expansion = expand(body, limits, _sample_problem)
    received = tuple(
        _receive(item, limits) if isinstance(item, bytes) else _judge_expanded(item, limits)
        for item in expansion.reports
    )
    return Upload(COLUMNS_VERSION, received, _believable(expansion.head), tuple(expansion.asides))


def _believable(head: UploadHead) -> UploadHead:
    """The head without what no clock and no report can be; that counts as not said, and the reports are taken."""
    sent, named = head.sent, head.acknowledged
    is_moment = (
        sent is not None
        and bool(sent.boot_id)
        and 0 <= sent.monotonic_time_seconds <= LARGEST_MONOTONIC_SECONDS
        and abs(sent.wall_time_seconds) <= LARGEST_WALL_SECONDS
    )
    is_name = named is not None and 1 <= named.sequence <= LARGEST_SEQUENCE
    return dataclasses.replace(head, sent=sent if is_moment else None, acknowledged=named if is_name else None)


def _judge_expanded(item: Expanded, limits: Limits) -> Received:
    report = item.report
    problem = _problem(report, limits)
    if problem:
        raw = msgspec.json.encode(report)
        return Received(raw, None, problem, (), report.boot_id[: limits.string_characters], report.sequence)
    facts_aside: list[tuple[Fact, str]] = []
    if report.facts:
        facts, facts_aside = _sort(report.facts, limits, _fact_problem)
        report = dataclasses.replace(report, facts=tuple(facts))
    return Received(b"", report, "", (*item.set_aside, *facts_aside), report.boot_id, report.sequence)


def _receive(raw: bytes, limits: Limits) -> Received:
    try:
        report = _decode_report.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        name = _readable_name(raw)
        problem = f"not a report of wire version {WIRE_VERSION}: {error}"
        return Received(raw, None, problem, (), name.boot_id, name.sequence)
    problem = _problem(report, limits)
    if problem:
        return Received(raw, None, problem, (), report.boot_id[: limits.string_characters], report.sequence)
    samples, samples_aside = _sort(report.samples, limits, _sample_problem)
    facts, facts_aside = _sort(report.facts, limits, _fact_problem)
    kept = dataclasses.replace(report, samples=tuple(samples), facts=tuple(facts))
    return Received(raw, kept, "", (*samples_aside, *facts_aside), report.boot_id, report.sequence)


def _readable_name(raw: bytes) -> _Name:
    try:
        return _decode_name.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Name()


def _problem(report: Report, limits: Limits) -> str:
    """Why a well-formed report cannot be kept, or empty."""
    if report.wire_version != WIRE_VERSION:
        return f"wire_version {report.wire_version}: this collector reads {WIRE_VERSION}"
    if not 1 <= report.sequence <= LARGEST_SEQUENCE:
        return f"sequence {report.sequence}: expected 1 to {LARGEST_SEQUENCE}"
    if not report.boot_id or len(report.boot_id) > limits.string_characters:
        return f"boot_id: expected 1 to {limits.string_characters} characters"
    if not 0 <= report.monotonic_time_seconds <= LARGEST_MONOTONIC_SECONDS:
        return f"monotonic_time_seconds: expected 0 to {LARGEST_MONOTONIC_SECONDS:g}"
    if not abs(report.wall_time_seconds) <= LARGEST_WALL_SECONDS:
        return f"wall_time_seconds: expected at most {LARGEST_WALL_SECONDS:g} either way"
    if len(report.samples) > limits.samples_per_report:
        return f"{len(report.samples)} samples: limits.samples_per_report = {limits.samples_per_report}"
    if len(report.facts) > limits.facts_per_report:
        return f"{len(report.facts)} facts: limits.facts_per_report = {limits.facts_per_report}"
    return _outcomes_problem(report, limits)


def _outcomes_problem(report: Report, limits: Limits) -> str:
    if len(report.outcomes) > limits.outcomes_per_report:
        return f"{len(report.outcomes)} outcomes: limits.outcomes_per_report = {limits.outcomes_per_report}"
    for outcome in report.outcomes:
        if outcome.outcome not in OUTCOMES:
            return f"outcome {outcome.outcome[:20]!r}: expected one of {', '.join(OUTCOMES)}"
        if max(len(outcome.probe), len(outcome.message)) > limits.string_characters:
            return f"outcome: a text is longer than limits.string_characters = {limits.string_characters}"
        if not 0 <= outcome.duration_seconds <= LARGEST_DURATION_SECONDS:
            return f"outcome: duration_seconds: expected 0 to {LARGEST_DURATION_SECONDS:g}"
    return ""


def _sort(
    parts: Iterable[Part],
    limits: Limits,
    problem_of: Callable[[Part, Limits], str],
) -> tuple[list[Part], list[tuple[Part, str]]]:
    kept: list[Part] = []
    aside: list[tuple[Part, str]] = []
    for part in parts:
        problem = problem_of(part, limits)
        if problem:
            aside.append((part, problem))
        else:
            kept.append(part)
    return kept, aside


def _sample_problem(sample: Sample, limits: Limits) -> str:
    spec = METRICS.get(sample.metric)
    if spec is None:
        return f"metric {sample.metric[: limits.string_characters]!r} is not in the catalogue"
    if set(sample.labels) != set(spec.labels):
        return f"{spec.name}: expected the labels {', '.join(spec.labels) or 'none'}"
    for value in sample.labels.values():
        if not value or len(value) > limits.string_characters or not value.isprintable():
            return f"{spec.name}: a label is empty, too long or not printable"
    scaled = sample.value * spec.scale
    if not math.isfinite(scaled) or not 0 <= scaled <= LARGEST_INTEGER:
        return f"{spec.name}: {sample.value!r} is out of range"
    return ""


def _fact_problem(fact: Fact, limits: Limits) -> str:
    spec = FACTS.get(fact.name)
    if spec is None:
        return f"fact {fact.name[: limits.string_characters]!r} is not in the catalogue"
    if isinstance(fact.value, list) != bool(spec.columns):
        return f"{spec.name}: expected {'rows' if spec.columns else 'one value'}"
    rows = fact.value if isinstance(fact.value, list) else [{spec.name: fact.value}]
    if len(rows) > limits.rows_per_fact:
        return f"{spec.name}: {len(rows)} rows: limits.rows_per_fact = {limits.rows_per_fact}"
    for row in rows:
        unknown = set(row) - set(spec.columns or (spec.name,))
        if unknown:
            return f"{spec.name}: columns that are not in the catalogue: {', '.join(sorted(unknown))[:100]}"
        if any(isinstance(value, str) and len(value) > limits.string_characters for value in row.values()):
            return f"{spec.name}: a text is longer than limits.string_characters = {limits.string_characters}"
        # What reads facts counts with them: of one more digit a division or a date could fail.
        if any(isinstance(value, (int, float)) and not abs(value) <= LARGEST_INTEGER for value in row.values()):
            return f"{spec.name}: a number is beyond {LARGEST_INTEGER}"
    return ""
