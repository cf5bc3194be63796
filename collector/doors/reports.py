"""The door for reports: authenticate, decode, keep durably, answer. Either version of the wire contract."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import logging
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Header, Request, Response, status
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect

from agent.wire.columns import COLUMNS_VERSION
from agent.wire.report import ACCEPTED, REJECTED, RETRY, WIRE_VERSION, Report, ReportResult
from collector.api.access import bearer_token
from collector.clock import now_seconds
from collector.db.devices import Refused, keep_rejected, part_body
from collector.enrolment import Terminal, authenticate_terminal
from collector.errors import AuthenticationError, BodyError, JournalFullError
from collector.ingest import Received, Upload, decode_body
from collector.journal import Entry

if TYPE_CHECKING:
    from collector.app import Collector

log = logging.getLogger(__name__)

RETRY_AFTER = "30"
# A line of 64 kbit/s takes the largest body in less.
BODY_SECONDS = 150
# A body that is larger is decoded beside the event loop: other terminals must not wait for it.
INLINE_BYTES = 8 * 1024
# Of one upload and kind: a person needs no more to see what is wrong, and while they are written no other upload's are.
PARTS_KEPT = 200
# Of the columns and facts of one upload that could not be read the sender is told so many.
SET_ASIDE_TOLD = 5


class ReportsAnswer(BaseModel):
    """Version 1: one result for each report of the upload, in its order."""

    wire_version: int
    server_time_seconds: float
    results: list[dict[str, str | int]]


class ColumnsAnswer(BaseModel):
    """Version 2: how many reports were accepted, and (place, status, reason) of each that there is more to say of."""

    wire_version: int
    server_time_seconds: float
    accepted: int
    exceptions: list[tuple[int, str, str]] = []
    set_aside: list[str] = []
    has_acknowledged: bool = True
    configuration: dict[str, Any] | None = None
    identity: dict[str, str] | None = None


@dataclass
class _Kept:
    """What became of an upload, besides its reports' results.

    Args:
        entries: what the journal is to keep.
        has_acknowledged: whether the report that the agent named is known here.
        configuration: what the agent shall follow instead of what it follows; None for no change.
        is_copy: the sender is a copy of the terminal: its reports stay with it until it has an identity of its own.
        identity: what the sender shall be from now on; None for no change.
    """

    entries: list[Entry] = field(default_factory=list)
    has_acknowledged: bool = True
    configuration: Mapping[str, Any] | None = None
    is_copy: bool = False
    identity: Mapping[str, str] | None = None


def add_reports_route(router: APIRouter, collector: Collector) -> None:
    """Adds the route that takes reports, bound to one collector."""

    @router.post(
        "/reports",
        response_model=ReportsAnswer | ColumnsAnswer,
        responses={400: {}, 401: {}, 413: {}, 415: {}, 422: {}},
    )
    async def post_reports(
        request: Request,
        authorization: Annotated[str, Header()] = "",
        content_encoding: Annotated[str, Header()] = "",
    ) -> Response:
        """Takes a batch of reports; answers when every accepted one is on disk."""
        started = perf_counter()
        answer = await _receive(collector, request, authorization, content_encoding)
        collector.metrics.uploads.labels(str(answer.status_code)).inc()
        collector.metrics.upload_seconds.observe(perf_counter() - started)
        return answer


async def _receive(collector: Collector, request: Request, authorization: str, encoding: str) -> Response:
    # Before the body is read: a thin line takes its time, and reports are dated by when they left.
    received_at = now_seconds()
    try:
        # Threads of its own: whatever pages and people wait for, terminals get through.
        terminal = await to_thread.run_sync(
            _authenticate, collector, authorization, received_at, limiter=collector.door_threads
        )
    except AuthenticationError as error:
        return _problem(status.HTTP_401_UNAUTHORIZED, str(error), {"WWW-Authenticate": "Bearer"})
    except SQLAlchemyError as error:
        log.error("registry: %s", error)  # noqa: TRY400 - the trace adds nothing
        return _problem(status.HTTP_503_SERVICE_UNAVAILABLE, "the registry is busy", {"Retry-After": RETRY_AFTER})
    try:
        body = await _read_body(request, collector.settings.limits.body_bytes)
        upload = await _decode(collector, body, encoding.strip().lower())
    except BodyError as error:
        # The sender halves the batch and sends it again, so that what cannot be read ends alone in its own hands.
        collector.metrics.reports.labels("unreadable").inc()
        return _problem(error.status, error.reason)
    received = [collector.series_limit.sort(terminal.device_id, item) for item in upload.received]
    kept = _Kept()
    try:
        received = await to_thread.run_sync(
            _of_its_device, collector, terminal.device_id, received, limiter=collector.door_threads
        )
        kept = await to_thread.run_sync(
            _prepare, collector, terminal, upload, received, received_at, limiter=collector.door_threads
        )
        if kept.entries:
            await collector.journal.append(kept.entries)
        results = [_later(item) if kept.is_copy else _result(item) for item in received]
    except (JournalFullError, SQLAlchemyError, sqlite3.Error) as error:
        log.error("nothing kept, senders told to retry: %s", error)  # noqa: TRY400 - the trace adds nothing
        reason = "the collector has no room to keep it"
        results = [ReportResult(item.boot_id, item.sequence, RETRY, reason) for item in received]
    for state, count in Counter(result.status for result in results).items():
        collector.metrics.reports.labels(state).inc(count)
    collector.writer.wake()
    answer = _answer_1(results) if upload.wire_version == WIRE_VERSION else _answer_2(upload, results, kept)
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _authenticate(collector: Collector, authorization: str, now: float) -> Terminal:
    with collector.door_engine.connect().execution_options(read_only=True) as connection:
        terminal = authenticate_terminal(connection, bearer_token(authorization))
    if terminal.is_first_use:
        collector.identities.claim(terminal.token_id, now)
    _ask_steering(collector, "note_upload", terminal.device_id, now)
    return terminal


def _ask_steering(collector: Collector, question: str, *arguments: object) -> Any:
    """What steering says; None where it fails: reports are taken all the same."""
    try:
        return getattr(collector.steering, question)(*arguments)
    except Exception:  # the edge between what must not be lost and what can wait a minute
        log.exception("steering failed at %s", question)
        return None


async def _read_body(request: Request, limit_bytes: int) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit_bytes:
                    reason = f"body is larger than limits.body_bytes = {limit_bytes}"
                    raise BodyError(status.HTTP_413_CONTENT_TOO_LARGE, reason)
    except TimeoutError as error:
        raise BodyError(status.HTTP_408_REQUEST_TIMEOUT, f"body did not arrive within {BODY_SECONDS} s") from error
    except ClientDisconnect as error:
        raise BodyError(status.HTTP_400_BAD_REQUEST, "the sender went away") from error
    return bytes(body)


async def _decode(collector: Collector, body: bytes, encoding: str) -> Upload:
    limits = collector.settings.limits
    if len(body) <= INLINE_BYTES:
        return decode_body(body, encoding, limits)
    return await to_thread.run_sync(decode_body, body, encoding, limits, limiter=collector.door_threads)


def _of_its_device(collector: Collector, device_id: str, received: list[Received]) -> list[Received]:
    """The same reports: under the device's present name where they bear a former one, rejected where another's.

    Raises:
        SQLAlchemyError: the registry cannot be read.
    """
    if all(item.report is None or item.report.device_id == device_id for item in received):
        return received
    former = collector.identities.former_ids(device_id)
    return [_named(item, device_id, former) for item in received]


def _named(item: Received, device_id: str, former: Collection[str]) -> Received:
    if item.report is None or item.report.device_id == device_id:
        return item
    if item.report.device_id in former:
        return dataclasses.replace(item, report=dataclasses.replace(item.report, device_id=device_id))
    problem = "device_id is not the one this token belongs to"
    raw = item.raw or msgspec.json.encode(item.report)
    return Received(raw, None, problem, (), item.boot_id, item.sequence)


def _later(item: Received) -> ReportResult:
    return ReportResult(item.boot_id, item.sequence, RETRY, "two machines speak under this identity")


def _result(item: Received) -> ReportResult:
    if item.report is None:
        return ReportResult(item.boot_id, item.sequence, REJECTED, item.problem)
    reason = f"{len(item.set_aside)} parts set aside: {item.set_aside[0][1]}" if item.set_aside else ""
    return ReportResult(item.boot_id, item.sequence, ACCEPTED, reason)


def _prepare(
    collector: Collector, terminal: Terminal, upload: Upload, received: Sequence[Received], received_at: float
) -> _Kept:
    """Everything about an upload that asks a database, in one go: what is refused is kept, what is good gets its time.

    Raises:
        SQLAlchemyError, sqlite3.Error: a database cannot be read or written.
    """
    device_id = terminal.device_id
    reports = [item.report for item in received if item.report is not None]
    verdict = collector.identities.judge(device_id, reports, upload.head.sent, received_at)
    if verdict.is_copy:
        return _Kept(is_copy=True, identity=verdict.identity)
    refused = _refused(device_id, upload, received, received_at)
    if refused:
        _keep_refused(collector, refused)
    head = upload.head
    named = head.acknowledged
    kept = _Kept(identity=verdict.identity)
    kept.has_acknowledged = named is None or collector.journal.has(device_id, named.boot_id, named.sequence)
    if upload.wire_version == COLUMNS_VERSION:
        asked = (device_id, head.configuration_hash, received_at)
        kept.configuration = _ask_steering(collector, "configuration_for", *asked)
    if reports:
        kept.entries = _entries(collector, terminal, reports, upload, received_at)
    return kept


def _refused(device_id: str, upload: Upload, received: Sequence[Received], received_at: float) -> list[Refused]:
    """What is kept of what was refused: all reports, and of parts the first; how many more there were is told."""
    reports = [
        Refused("report", device_id, received_at, item.problem, item.raw) for item in received if item.report is None
    ]
    kinds = Counter(aside.kind for aside in upload.asides)
    kinds["sample or fact"] = sum(len(item.set_aside) for item in received)
    asides = ((aside.kind, aside.reason, aside.raw) for aside in upload.asides)
    parts = (("sample or fact", reason, part) for item in received for part, reason in item.set_aside)
    seen: Counter[str] = Counter()
    refused = []
    for kind, reason, part in itertools.chain[tuple[str, str, object]](asides, parts):
        seen[kind] += 1
        if seen[kind] > PARTS_KEPT + 1:
            continue
        body = part if isinstance(part, bytes) else part_body(part)
        left = kinds[kind] - PARTS_KEPT
        if seen[kind] <= PARTS_KEPT:
            refused.append(Refused(kind, device_id, received_at, reason, body))
        else:
            told = f"{left} more of this upload, not kept one by one; the first: {reason}"
            refused.append(Refused(kind, device_id, received_at, told, b"%d: " % left + body))
    return reports + refused


def _entries(
    collector: Collector, terminal: Terminal, reports: list[Report], upload: Upload, received_at: float
) -> list[Entry]:
    placed = collector.boots.place(
        terminal.device_id,
        reports,
        upload.head.sent,
        received_at=received_at,
        not_before=terminal.enrolled_at,
        ahead_seconds=collector.settings.limits.future_seconds,
    )
    return [
        Entry(
            terminal.device_id,
            one.report.boot_id,
            one.report.sequence,
            received_at,
            one.time_seconds,
            one.skew_seconds,
            msgspec.json.encode(one.report),
        )
        for one in placed
    ]


def _keep_refused(collector: Collector, refused: Iterable[Refused]) -> None:
    limits = collector.settings.limits
    kinds: dict[str, list[Refused]] = {}
    for item in refused:
        kinds.setdefault(item.kind, []).append(item)
    for kind, items in kinds.items():
        with collector.engine.begin() as connection:
            new = keep_rejected(connection, items, most=limits.rejected_rows, item_bytes=limits.rejected_item_bytes)
        collector.metrics.rejected.labels(kind).inc(new)


def _answer_1(results: Sequence[ReportResult]) -> dict[str, object]:
    return {
        "wire_version": WIRE_VERSION,
        "server_time_seconds": now_seconds(),
        "results": [vars(result) for result in results],
    }


def _answer_2(upload: Upload, results: Sequence[ReportResult], kept: _Kept) -> dict[str, object]:
    """What is as usual is left out: the answer travels as often as the batch."""
    answer: dict[str, object] = {
        "wire_version": COLUMNS_VERSION,
        "server_time_seconds": round(now_seconds(), 3),
        "accepted": sum(result.status == ACCEPTED for result in results),
    }
    exceptions = [
        (place, result.status, result.reason)
        for place, result in enumerate(results)
        if result.status != ACCEPTED or result.reason
    ]
    if exceptions:
        answer["exceptions"] = exceptions
    if upload.asides:
        answer["set_aside"] = [aside.reason for aside in upload.asides[:SET_ASIDE_TOLD]]
    if not kept.has_acknowledged:
        answer["has_acknowledged"] = False
    if kept.configuration is not None:
        answer["configuration"] = kept.configuration
    if kept.identity is not None:
        answer["identity"] = kept.identity
    return answer


def _problem(code: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode({"detail": detail}), code, headers, media_type="application/json")
