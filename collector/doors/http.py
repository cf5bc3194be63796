"""The door for agents over HTTP: enrolment is here, reports are in `collector.doors.reports`."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response, status
from pydantic import BaseModel, ConfigDict, Field

from agent.wire.report import WIRE_VERSION
from collector.clock import now_seconds, steady_seconds
from collector.doors.reports import add_reports_route
from collector.enrolment import enrol
from collector.errors import EnrolmentError
from collector.settings import COLLECTOR_TARGET, Target

if TYPE_CHECKING:
    from collector.app import Collector

log = logging.getLogger(__name__)

DEFAULT_PORTS = {"http": 80, "https": 443}
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

    add_reports_route(router, collector)
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
