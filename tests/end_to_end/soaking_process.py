"""What the soak runs as processes of their own, to be killed: the collector, and an agent that writes without pause."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path

MOST_REPORTS = 400
# Fewer than usual: history comes in more uploads, and what is encoded in vain while the line is away costs less.
BATCH_REPORTS = 60


def collect(state: str, clock: str, codes: int, prober_upload_seconds: int) -> None:
    """Serves a collector whose clock is the world's; tells its port, and at its first start the codes to join with."""
    from soaking import SharedClock

    import collector.clock

    # Before anything else takes the name from there.
    collector.clock.now_seconds = SharedClock(Path(clock)).read

    import uvicorn

    from collector.app import Collector, create_app
    from collector.enrolment import create_join_code
    from collector.serving import server_options
    from collector.settings import Limits, Settings, Steering

    # One terminal of the site probes, and so uploads more often; the others every quarter of an hour.
    settings = Settings(
        steering=Steering(
            probers_per_site=1,
            standbys_per_site=0,
            upload_interval_seconds=prober_upload_seconds,
            batch_reports=BATCH_REPORTS,
        ),
        limits=Limits(enrolments_per_minute=100),
    )
    is_first = not (Path(state) / "registry.sqlite").exists()
    built = Collector(Path(state), settings)

    def start() -> None:
        # Without jobs: they judge at the pace of the real clock.
        built.store_watch.start()
        built.writer.start()

    built.start = start
    made = []
    if is_first:
        with built.engine.begin() as connection:
            made = [
                create_join_code(
                    connection, unit_code="16681", site="main", now=collector.clock.now_seconds(), valid_seconds=3600.0
                )
                for _ in range(codes)
            ]
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(json.dumps({"port": listener.getsockname()[1], "codes": made}) + "\n")
    sys.stdout.flush()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    server = uvicorn.Server(uvicorn.Config(create_app(built), **server_options(settings)))
    server.run(sockets=[listener])


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def write(folder: str, machine: dict[str, object], now: float, serial: int) -> None:
    """Makes a report for every minute, as fast as the disk keeps them; tells of each before and after."""
    from soaking import START, STEP_SECONDS, Machine, Never, SoakedAgent, SoakedHost

    from agent.config import load_identity

    def tell(kind: str, name: object = None) -> None:
        sys.stdout.write(json.dumps([kind, serial, now, name]) + "\n")
        sys.stdout.flush()

    def number() -> tuple[int, int]:
        return round((now - START) * 1000), serial

    found = load_identity(Path(folder))
    agent = SoakedAgent(found, Path(folder), SoakedHost(lambda: now, Machine(**machine)), lambda _m: None, number)
    for _ in range(MOST_REPORTS):
        now += STEP_SECONDS
        serial += 1
        tell("about")
        kept = agent.run_once(Never())
        if kept.entry is not None:
            tell("kept", (kept.entry.boot_id, kept.entry.sequence))
    sys.stdin.read()


if __name__ == "__main__":
    {"collect": collect, "write": write}[sys.argv[1]](**json.loads(sys.argv[2]))
