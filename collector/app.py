"""One collector: its parts, put together, and the web application that shows them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from anyio import CapacityLimiter
from fastapi import FastAPI, Response
from sqlalchemy import Engine
from starlette.middleware.trustedhost import TrustedHostMiddleware

import agent
from alerts.laws import sample_seconds
from collector.api.inventory_routes import inventory_router
from collector.api.lines_routes import lines_router
from collector.api.notify_routes import notify_router
from collector.api.routes import api_router
from collector.api.steering_routes import steering_router
from collector.api.terminal_routes import terminal_router
from collector.boots import Boots
from collector.clock import now_seconds
from collector.db.registry import open_registry, pooled_registry
from collector.doors.authority import authority_router
from collector.doors.http import agent_router
from collector.enrolment import AttemptLimit
from collector.identities import Identities
from collector.investing import ListCache
from collector.jobs import Jobs
from collector.journal import Journal
from collector.metrics.port import MetricStore
from collector.notifying.service import Notifying
from collector.own_health import OwnHealth
from collector.quality import QualityReader
from collector.selfmetrics import SelfMetrics
from collector.series import SeriesLimit
from collector.settings import Settings, is_loopback
from collector.snmp.credentials import credentials_file
from collector.snmp.poller import Poller
from collector.steering.service import Steering
from collector.storing import StoreWatch, store_of
from collector.web.middleware import BodyLimit
from collector.web.pages import add_pages
from collector.writer import Writer

log = logging.getLogger(__name__)

# An acknowledged report that is not written after this long means that the writer or the store is in trouble.
STALE_BACKLOG_SECONDS = 120.0
UNHEALTHY_STATUS = 503
DOOR_THREADS = 16


class Collector:
    """Registry, journal, store, writer and jobs of one state directory.

    Args:
        state: the directory everything is kept in; made if missing, readable by its owner only.
        settings: of `collector.toml`.

    Raises:
        SettingsError, MetricStoreError, sqlalchemy.exc.DatabaseError: as their makers say.
    """

    def __init__(self, state: Path, settings: Settings) -> None:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.state = state
        self.settings = settings
        self.metrics = SelfMetrics()
        self.engine: Engine = open_registry(state / "registry.sqlite")
        # Its users are at most as many as the door's threads, each with one or two connections at a time.
        self.door_engine = pooled_registry(self.engine, DOOR_THREADS)
        self.store: MetricStore = store_of(settings.store, state)
        self.journal = Journal(state / "journal.sqlite", free_bytes=settings.limits.journal_free_bytes)
        self.boots = Boots(state / "boots.sqlite")
        self.identities = Identities(self.door_engine, self.boots)
        self.writer = Writer(
            self.journal,
            self.engine,
            self.store,
            self.metrics,
            limits=settings.limits,
        )
        self.store_watch = StoreWatch(self.store)
        self.jobs = Jobs(
            self.engine,
            self.store,
            self.metrics,
            settings,
            store_ready=self.writer.storage_ready,
            own_health=OwnHealth(
                self.engine, state, self.journal, self.store_watch, self.writer, lambda: self.jobs.problem
            ),
        )
        self.steering = Steering(self.engine, settings)
        self.jobs.others["steering"] = self.steering.tick
        self.writer.on_written = self.jobs.watch.put
        self.notifying = Notifying(self.engine, settings, self.metrics, self.jobs.rule_names)
        self.poller = Poller(
            self.engine,
            self.journal,
            settings.network,
            self.metrics,
            credentials_file=credentials_file(settings.network, state),
            slot_seconds=sample_seconds(),
            wake=self.writer.wake,
        )
        self.lists = ListCache(self.engine)
        self.quality = QualityReader(self.engine, self.lists)
        self.door_threads = CapacityLimiter(DOOR_THREADS)
        self.enrolment_limit = AttemptLimit(settings.limits.enrolments_per_minute)
        self.series_limit = SeriesLimit(settings.limits.series_per_device)
        self.metrics.gauge(
            "collector_journal_entries",
            "Acknowledged reports not yet in the metric store.",
            lambda: self.journal.backlog()[0],
        )

    def start(self) -> None:
        """Starts the writer, the jobs, the notifications, the polling of network devices and the watch over the store.

        A store that is away does not keep the collector from taking reports: they wait in the journal.
        """
        self.store_watch.start()
        self.writer.start()
        self.jobs.start()
        self.notifying.start()
        self.poller.start()

    def stop(self) -> None:
        """Stops them and closes every file; what is acknowledged waits on disk."""
        self.poller.stop()
        self.notifying.stop()
        self.jobs.stop()
        self.steering.keep(now_seconds())
        self.writer.stop()
        self.store_watch.stop()
        self.journal.close()
        self.boots.close()
        self.store.close()
        self.door_engine.dispose()
        self.engine.dispose()

    def health(self) -> tuple[bool, dict[str, object]]:
        """Whether reports are taken and written, and the parts that tell."""
        store = self.store_watch.health
        entries, oldest = self.journal.backlog()
        age_seconds = now_seconds() - oldest if oldest is not None else 0.0
        ok = store.ok and age_seconds < STALE_BACKLOG_SECONDS
        return ok, {
            "status": "ok" if ok else "degraded",
            "version": agent.__version__,
            "store": {"ok": store.ok, "kind": store.kind, "detail": store.detail},
            "journal": {"waiting_reports": entries, "oldest_waiting_seconds": round(age_seconds, 1)},
            "writer": {"problem": self.writer.problem},
            "jobs": {"problem": self.jobs.problem},
            "notifying": {"problem": self.notifying.problem},
            "network": self.poller.health(),
        }


def create_app(collector: Collector) -> FastAPI:
    """The web application of a collector: doors, API, pages, health and metrics."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        collector.start()
        yield
        collector.stop()

    app = FastAPI(
        title="Thông Mạng",
        version=agent.__version__,
        lifespan=lifespan,
        # The interactive pages would load scripts from a CDN, which a closed network does not have.
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    hosts = _allowed_hosts(collector.settings)
    if hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    app.add_middleware(BodyLimit, form_bytes=collector.settings.limits.form_bytes)
    app.include_router(agent_router(collector))
    app.include_router(authority_router(collector))
    app.include_router(terminal_router(collector))
    app.include_router(api_router(collector))
    app.include_router(inventory_router(collector))
    app.include_router(notify_router(collector))
    app.include_router(lines_router(collector))
    app.include_router(steering_router(collector))
    add_pages(app, collector)

    @app.get("/healthz", tags=["operation"], responses={UNHEALTHY_STATUS: {}})
    def healthz(response: Response) -> dict[str, object]:
        """Whether the collector takes and writes reports; 503 where it does not."""
        ok, parts = collector.health()
        if not ok:
            response.status_code = UNHEALTHY_STATUS
        return parts

    @app.get("/metrics", tags=["operation"])
    def metrics() -> Response:
        """The collector's own numbers in Prometheus's text format; totals only, nothing of a single terminal."""
        return Response(collector.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return app


def _allowed_hosts(settings: Settings) -> list[str]:
    """Names this collector answers to: without a login, a foreign name that resolves here must not open the pages."""
    if settings.web.allowed_hosts:
        return list(settings.web.allowed_hosts)
    public_name = urlsplit(settings.server.public_url).hostname
    if is_loopback(settings.server.host):
        return ["127.0.0.1", "localhost", "[::1]", settings.server.host, *([public_name] if public_name else [])]
    return []
