"""The door for agents: enrolment and reports over HTTP."""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
from time import perf_counter
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Header, HTTPException, Request, Response, status
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect

from agent.wire.report import ACCEPTED, REJECTED, RETRY, WIRE_VERSION, Report, ReportResult
from collector.api.access import bearer_token
from collector.clock import now_seconds, steady_seconds
from collector.dating import boot_epochs, place_in_time
from collector.db.devices import Refused, keep_rejected, part_body
from collector.enrolment import authenticate_device, enrol
from collector.errors import AuthenticationError, BodyError, EnrolmentError, JournalFullError
from collector.ingest import Received, decode_body
from collector.journal import Entry
from collector.settings import COLLECTOR_TARGET, Target

if TYPE_CHECKING:
    from collector.app import Collector

log = logging.getLogger(__name__)

DEFAULT_PORTS = {"http": 80, "https": 443}
RETRY_AFTER = "30"
# A line of 64 kbit/s takes the largest body in less.
BODY_SECONDS = 150
CODE_CHARACTERS = 64


class EnrolmentRequest(BaseModel):
    """What a terminal says to join."""

    model_config = ConfigDict(extra="ignore")
    wire_version: int
    code: str = Field(max_length=CODE_CHARACTERS, pattern=r"^[0-9A-Za-z -]*$")


class TargetAnswer(BaseModel):
    """One address to measure."""

    name: str
    address: str
    port: int | None
    role: str | None = None
    service: str | None = None
    path: str | None = None
    verify: bool = False


class ConfigurationAnswer(BaseModel):
    """How the terminal shall measure."""

    interval_seconds: int
    upload_interval_seconds: int
    targets: list[TargetAnswer]
    measure_gateway: bool = True


class EnrolmentAnswer(BaseModel):
    """Identity of the new device; the token is shown this once."""

    device_id: str
    token: str
    configuration: ConfigurationAnswer


class ReportsAnswer(BaseModel):
    """One result for each report of the upload, in its order."""

    wire_version: int
    server_time_seconds: float
    results: list[dict[str, str | int]]


def agent_router(collector: Collector) -> APIRouter:
    """The routes that agents use, bound to one collector."""
    router = APIRouter(prefix="/api/v1", tags=["agents"])

    @router.post("/enrolments", responses={403: {}, 429: {}}, response_model_exclude_defaults=True)
    def post_enrolment(request: Request, body: EnrolmentRequest, response: Response) -> EnrolmentAnswer:
        """Turns a one-time join code into a device and its token."""
        response.headers["Cache-Control"] = "no-store"
        targets = list(collector.settings.agents.targets)
        if collector.settings.agents.measure_collector:
            url = urlsplit(collector.settings.server.public_url or str(request.url))
            if url.hostname:
                port = url.port or DEFAULT_PORTS[url.scheme]
                targets.append(Target(COLLECTOR_TARGET, url.hostname, port, role="service"))
        return _enrol(collector, body, request.client.host if request.client else "", targets)

    @router.post("/reports", response_model=ReportsAnswer, responses={400: {}, 401: {}, 413: {}, 415: {}, 422: {}})
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

    return router


def _enrol(collector: Collector, body: EnrolmentRequest, address: str, targets: list[Target]) -> EnrolmentAnswer:
    now = now_seconds()
    wait = collector.enrolment_limit.wait_seconds(address, steady_seconds())
    if wait > 0:
        collector.metrics.enrolments.labels("limited").inc()
        raise HTTPException(
            status.HTTP_429_TOO_MANY_REQUESTS,
            "too many enrolment attempts",
            {"Retry-After": str(math.ceil(wait))},
        )
    if body.wire_version != WIRE_VERSION:
        raise HTTPException(422, f"wire_version {body.wire_version}: this collector speaks {WIRE_VERSION}")
    try:
        with collector.engine.begin() as connection:
            enrolled = enrol(connection, body.code, now=now)
    except EnrolmentError as error:
        collector.metrics.enrolments.labels("refused").inc()
        raise HTTPException(status.HTTP_403_FORBIDDEN, str(error)) from error
    collector.metrics.enrolments.labels("accepted").inc()
    log.info("device %s enrolled", enrolled.device_id)
    agents = collector.settings.agents
    return EnrolmentAnswer(
        device_id=enrolled.device_id,
        token=enrolled.token,
        configuration=ConfigurationAnswer(
            interval_seconds=agents.interval_seconds,
            upload_interval_seconds=agents.upload_interval_seconds,
            targets=[TargetAnswer(**msgspec.structs.asdict(target)) for target in targets],
            measure_gateway=agents.measure_gateway,
        ),
    )


async def _receive(collector: Collector, request: Request, authorization: str, encoding: str) -> Response:
    try:
        # Threads of its own: whatever pages and people wait for, terminals get through.
        device_id = await to_thread.run_sync(_authenticate, collector, authorization, limiter=collector.door_threads)
    except AuthenticationError as error:
        return _problem(status.HTTP_401_UNAUTHORIZED, str(error), {"WWW-Authenticate": "Bearer"})
    except SQLAlchemyError as error:
        log.error("registry: %s", error)  # noqa: TRY400 - the trace adds nothing
        return _problem(status.HTTP_503_SERVICE_UNAVAILABLE, "the registry is busy", {"Retry-After": RETRY_AFTER})
    try:
        body = await _read_body(request, collector.settings.limits.body_bytes)
        received = decode_body(body, encoding.strip().lower(), collector.settings.limits)
        received = [collector.series_limit.sort(device_id, item) for item in received]
    except BodyError as error:
        # The sender halves the batch and sends it again, so that what cannot be read ends alone in its own hands.
        collector.metrics.reports.labels("unreadable").inc()
        return _problem(error.status, error.reason)
    results = await _keep(collector, device_id, received)
    for result in results:
        collector.metrics.reports.labels(result.status).inc()
    collector.writer.wake()
    answer = {
        "wire_version": WIRE_VERSION,
        "server_time_seconds": now_seconds(),
        "results": [vars(result) for result in results],
    }
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _authenticate(collector: Collector, authorization: str) -> str:
    with collector.engine.connect().execution_options(read_only=True) as connection:
        return authenticate_device(connection, bearer_token(authorization))


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


async def _keep(collector: Collector, device_id: str, received: list[Received]) -> list[ReportResult]:
    """Makes an upload's reports durable and says, report by report, what became of each."""
    received_at = now_seconds()
    results: dict[int, ReportResult] = {}
    refused: list[Refused] = []
    good: list[tuple[int, Received]] = []
    for index, item in enumerate(received):
        problem = item.problem
        if item.report is not None and item.report.device_id != device_id:
            problem = "device_id is not the one this token belongs to"
        if problem or item.report is None:
            results[index] = ReportResult(item.boot_id, item.sequence, REJECTED, problem)
            refused.append(Refused("report", device_id, received_at, problem, item.raw))
            continue
        good.append((index, item))
        refused += [
            Refused("sample or fact", device_id, received_at, reason, part_body(part))
            for part, reason in item.set_aside
        ]
    try:
        if refused:
            await to_thread.run_sync(_keep_refused, collector, refused, limiter=collector.door_threads)
        reports = [item.report for _, item in good if item.report is not None]
        if reports:
            limiter = collector.door_threads
            entries = await to_thread.run_sync(_place, collector, device_id, reports, received_at, limiter=limiter)
            await collector.journal.append(entries)
    except (JournalFullError, SQLAlchemyError, sqlite3.Error) as error:
        log.error("nothing kept, senders told to retry: %s", error)  # noqa: TRY400 - the trace adds nothing
        return [
            ReportResult(item.boot_id, item.sequence, RETRY, "the collector has no room to keep it")
            for item in received
        ]
    for index, item in good:
        reason = f"{len(item.set_aside)} parts set aside: {item.set_aside[0][1]}" if item.set_aside else ""
        results[index] = ReportResult(item.boot_id, item.sequence, ACCEPTED, reason)
    return [results[index] for index in range(len(received))]


def _place(collector: Collector, device_id: str, reports: list[Report], received_at: float) -> list[Entry]:
    epochs = collector.journal.boot_epochs(device_id, boot_epochs(reports, received_at), received_at)
    future_seconds = collector.settings.limits.future_seconds
    return [
        Entry(
            device_id,
            one.report.boot_id,
            one.report.sequence,
            received_at,
            one.time_seconds,
            one.skew_seconds,
            msgspec.json.encode(one.report),
        )
        for one in place_in_time(reports, epochs, received_at=received_at, future_seconds=future_seconds)
    ]


def _keep_refused(collector: Collector, refused: list[Refused]) -> None:
    limits = collector.settings.limits
    with collector.engine.begin() as connection:
        new = keep_rejected(connection, refused, most=limits.rejected_rows, item_bytes=limits.rejected_item_bytes)
    collector.metrics.rejected.labels(refused[0].kind).inc(new)


def _problem(code: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode({"detail": detail}), code, headers, media_type="application/json")
