"""`thongmang simulate`: terminals that do not exist, for sizing a collector and trying it out."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
import psutil

from collector.cli.running import run_command
from collector.clock import now_seconds
from collector.db.registry import open_registry
from collector.fleet.cost import ProcessCost
from collector.fleet.driving import OK, Drive, drive_fleet
from collector.fleet.enrolling import enrol_fleet
from collector.fleet.tally import Tally
from collector.fleet.terminal import SimulatedTerminal
from collector.journal import waiting_reports
from collector.settings import load_settings, state_directory
from collector.storing import store_of

_JOURNAL_SECONDS = 600.0
_EVERY_SECONDS = 0.5


@click.group(help="Simulated terminals, for sizing a collector; never beside real ones.")
def simulate() -> None:
    """The group."""


@simulate.command()
@click.option("--terminals", type=click.IntRange(1, 200_000), required=True, help="How many.")
@click.option("--minutes", type=click.IntRange(1, 1440), required=True, help="How long they measure, in real time.")
@click.option("--sites", type=click.IntRange(1), help="Sites that they are spread over; default 1 for 25 terminals.")
@click.option(
    "--waiting-minutes",
    type=click.IntRange(0, 43_200),
    help="Reports that wait at each at the beginning, as after a weekend; default what a running fleet has.",
)
@click.option(
    "--spread-seconds",
    type=click.FloatRange(0.0, 3600.0),
    help="Over which the first uploads are spread; default the upload interval.",
)
@click.option("--url", default="http://127.0.0.1:8600", show_default=True, help="The collector of --state-dir.")
@click.option("--ca", type=click.Path(path_type=Path), help="PEM file of the collector's authority.")
@click.option("--state-dir", help="Of the running collector; default: THONGMANG_STATE_DIR or ./var.")
@click.option("--collector-pid", type=int, help="Process of the collector, to tell what it costs.")
@click.option("--store-pid", type=int, help="Process of the metric store's server, likewise.")
@click.option("--threads", type=click.IntRange(1, 512), default=32, show_default=True, help="Uploads at a time.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def fleet(
    *,
    terminals: int,
    minutes: int,
    sites: int | None,
    waiting_minutes: int | None,
    spread_seconds: float | None,
    url: str,
    ca: Path | None,
    state_dir: str | None,
    collector_pid: int | None,
    store_pid: int | None,
    threads: int,
    seed: int,
    form: str,
) -> int:
    """Sends what so many terminals would, and counts whether every report was stored; 0 where all were."""
    state = state_directory(state_dir)
    path = state / "registry.sqlite"
    if not path.exists():
        raise click.UsageError(f"no registry in {state}: start the collector there first, or check --state-dir")
    settings = load_settings(state / "collector.toml")
    interval = float(settings.agents.upload_interval_seconds)
    engine = open_registry(path)
    try:
        made = list(
            enrol_fleet(
                engine,
                terminals=terminals,
                sites=sites or max(1, terminals // 25),
                seed=seed,
                now=now_seconds(),
                upload_interval_seconds=interval,
            )
        )
    finally:
        engine.dispose()
    click.echo(f"{len(made)} simulated terminals enrolled", err=True)
    costs = {name: _cost(pid) for name, pid in (("collector", collector_pid), ("store", store_pid)) if pid is not None}
    drive = Drive(
        url, ca, minutes, waiting_minutes, interval if spread_seconds is None else spread_seconds, 60.0, threads
    )
    tally = Tally()
    began = now_seconds()
    seconds = drive_fleet(made, drive, tally)
    written_after = _wait_written(state)
    for cost in costs.values():
        cost.stop()
    store = store_of(settings.store, state)
    try:
        stored = _stored(store, made, began, drive)
    finally:
        store.close()
    result = _result(tally, seconds, written_after, stored, costs)
    if form == "json":
        click.echo(json.dumps(result))
    else:
        click.echo("\n".join(f"{name:<32}{value}" for name, value in result.items()))
    return 0 if tally.measured == tally.accepted == stored else 1


def main(argv: list[str]) -> int:
    """Runs one command; 0 all reports stored, 1 not all, 2 wrong words."""
    return run_command(simulate, argv, "thongmang simulate")


def _cost(pid: int) -> ProcessCost:
    try:
        return ProcessCost(pid)
    except psutil.Error as error:
        raise click.UsageError(f"process {pid} cannot be watched: {error}") from error


def _wait_written(state: Path) -> float | None:
    """Seconds until the collector has written everything to the store; None where it does not get there."""
    began = time.monotonic()
    while waiting_reports(state / "journal.sqlite"):
        if time.monotonic() - began > _JOURNAL_SECONDS:
            return None
        time.sleep(_EVERY_SECONDS)
    return time.monotonic() - began


def _stored(store: Any, made: list[SimulatedTerminal], began: float, drive: Drive) -> int:
    """How many reports of the fleet are in the store: each has one uptime, at a second of its own."""
    wanted = {terminal.device_id for terminal in made}
    longest = max((terminal.sequence for terminal in made), default=0)
    start = int(began) - (longest + 2) * 60
    end = int(began) + drive.minutes * 60 + 120
    return sum(
        reading.tags["device_id"] in wanted
        for reading in store.read("device_health", ("uptime_s",), start_seconds=start, end_seconds=end)
    )


def _result(
    tally: Tally, seconds: float, written_after: float | None, stored: int, costs: dict[str, ProcessCost]
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "reports_measured": tally.measured,
        "reports_accepted": tally.accepted,
        "reports_stored": stored,
        "reports_refused": tally.refused,
        "reports_told_to_retry": tally.again,
        "uploads": sum(tally.uploads.values()),
        "uploads_by_status": {str(status): count for status, count in sorted(tally.uploads.items())},
        "uploads_ok": tally.uploads[OK],
        "sent_bytes_per_report": round(tally.sent_bytes / max(1, tally.accepted), 1),
        "answer_p50_seconds": round(tally.percentile_seconds(0.50), 4),
        "answer_p99_seconds": round(tally.percentile_seconds(0.99), 4),
        "run_seconds": round(seconds, 1),
        "written_after_seconds": None if written_after is None else round(written_after, 1),
    }
    for name, cost in costs.items():
        result[f"{name}_cpu_seconds"] = round(cost.cpu_seconds, 2)
        result[f"{name}_cpu_ratio_of_a_core"] = round(cost.cpu_seconds / seconds, 4) if seconds else 0.0
        result[f"{name}_resident_mib"] = round(cost.resident_bytes / 2**20, 1)
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
