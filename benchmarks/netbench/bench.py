"""One run: builds the province, plays the phases, records what agents reported, and has the shipped rules judge it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import create_engine, select

from benchmarks.netbench import counters
from benchmarks.netbench.fleet import CPE_ADDRESS, CPE_COMMUNITY, CPE_INTERFACE, ROOT, UNITS, CpeSample, Fleet
from benchmarks.netbench.loads import Stage
from benchmarks.netbench.namespaces import Namespaces, congestion_controls, remove_left_behind
from benchmarks.netbench.phases import Phase
from benchmarks.netbench.recording import MINUTE_SECONDS, Calendar, as_it_was, minutes, with_pause, write_trace
from benchmarks.netbench.timeline import Plan, Played, TimeLine
from benchmarks.netbench.topology import Topology
from benchmarks.netbench.truth import Sampler, busy_ratio, host_clock, worst_lateness_ms
from benchmarks.netbench.verdict import Event, event_of
from collector.db.tables import transition

_REPLAY_SECONDS = 300.0


@dataclass(frozen=True)
class Outcome:
    """What a run brought.

    Args:
        plan: its lengths.
        calendar: when its minutes are in the trace.
        played: the phases.
        skipped: phase -> why it was not played.
        events: what the rules said; None where they could not be asked.
        unjudged: why they could not.
        rows: lines of the trace.
        missing: terminals whose last reports did not arrive.
        busy: share of the host's processor time in use over the run.
        lateness_ms: relay -> by how much packets left late: median over seconds of the p95.
        cpe: phase -> (received, sent) bits a second that the CPE's counters tell.
        cpe_samples: what the collector itself stored of the CPE, in its own slots of real time.
    """

    plan: Plan
    calendar: Calendar
    played: list[Played]
    skipped: dict[str, str]
    events: list[Event] | None
    unjudged: str
    rows: int
    missing: list[str]
    busy: float
    lateness_ms: dict[str, float]
    cpe: dict[str, tuple[float, float]]
    cpe_samples: list[CpeSample]


def run_bench(
    phases: Mapping[str, Phase], plan: Plan, folder: Path, say: Callable[[str], None], *, live: bool = False
) -> Outcome:
    """Runs the phases; every process and namespace is gone when it returns or raises.

    Args:
        phases: those to play, in order.
        plan: how long everything lasts.
        folder: an existing empty folder for states, logs and `trace.csv`.
        say: is told what happens.
        live: judge by what the collector's own alarms said as it happened instead of by replay.

    Raises:
        BenchError: something of the bench itself failed.
    """
    for name in remove_left_behind():
        say(f"removed {name}, left behind by an earlier run")
    kept, skipped = playable(phases)
    spaces = Namespaces(folder)
    before = host_clock()
    sampler = Sampler(spaces)
    try:
        topology = Topology(spaces, folder)
        sampler.start()
        fleet = Fleet(spaces, folder, int(plan.minute_seconds))
        service = fleet.start()
        asked = _start_counters(spaces, fleet, plan, say)
        line = TimeLine(plan, Stage(spaces, topology, service), sampler, fleet.check, say)
        monotonic_offset = time.monotonic() - time.time()
        played = line.play(kept)
        missing = fleet.wait_for_reports(time.time())
        start = line.started_wall_seconds
        calendar = as_it_was(start) if live else with_pause(start, plan.learning)
        rows = minutes(fleet.reports(), start, plan.minute_seconds, plan.minutes(len(kept)))
        written = write_trace(folder / "trace.csv", rows, calendar)
        say(f"{written} rows in {folder / 'trace.csv'}")
        lateness = {name: worst_lateness_ms(iter(topology.statistics(name))) for name in topology.relays}
        cpe = _cpe(folder, played, start + monotonic_offset, plan) if asked else {}
        cpe_samples = fleet.cpe_samples()
    finally:
        sampler.stop()
        spaces.remove_all()
    busy = busy_ratio(before, host_clock())
    events, unjudged = (live_events(fleet.state, start), "") if live else replay(folder / "trace.csv", calendar)
    return Outcome(
        plan, calendar, played, skipped, events, unjudged, written, missing, busy, lateness, cpe, cpe_samples
    )


def judged_again(outcome: Outcome, trace: Path) -> Outcome:
    """The outcome of an earlier run as the rules of today judge its trace."""
    events, unjudged = replay(trace, outcome.calendar)
    return replace(outcome, events=events, unjudged=unjudged)


def playable(phases: Mapping[str, Phase]) -> tuple[dict[str, Phase], dict[str, str]]:
    """The phases this kernel can play, and why not the others."""
    controls = congestion_controls()
    skipped = {
        name: f"the kernel has no {phase.needs}"
        for name, phase in phases.items()
        if phase.needs and phase.needs not in controls
    }
    return {name: phase for name, phase in phases.items() if name not in skipped}, skipped


def replay(trace: Path, calendar: Calendar) -> tuple[list[Event] | None, str]:
    """What the shipped rules say of a trace, by `thongmang alerts replay`; or None and why they cannot be asked."""
    words = [sys.executable, "-m", "agent", "alerts", "replay", str(trace), "--format", "jsonl"]
    environment = {**os.environ, "THONGMANG_LANGUAGE": "en"}
    try:
        done = subprocess.run(
            words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_REPLAY_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"`thongmang alerts replay` took over {_REPLAY_SECONDS:g} s"
    if done.returncode:
        return None, f"`thongmang alerts replay` ended with {done.returncode}: {done.stderr.strip()[-500:]}"
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    events = [event_of(row, calendar) for row in rows]
    return [event for event in events if event is not None], ""


def live_events(state: Path, start: float) -> list[Event]:
    """What the collector's own alarms said as it happened, from its registry; a real minute is one of the bench."""
    sites = {unit: site for site, unit in UNITS.items()}
    engine = create_engine(f"sqlite:///{state / 'registry.sqlite'}")
    fired: dict[tuple[str, str], Event] = {}
    found: list[Event] = []
    with engine.connect() as connection:
        for row in connection.execute(select(transition).order_by(transition.c.at)):
            key, minute = (row.rule, row.subject), (row.at - start) / MINUTE_SECONDS
            if row.to_state == "firing":
                place = str((row.readings or {}).get("place") or "")
                fired[key] = Event(row.rule, sites.get(row.unit_code, "*"), place, minute, None)
            elif key in fired and row.from_state == "firing":
                one = fired.pop(key)
                found.append(Event(one.rule, one.site, one.place, one.fired, minute))
    engine.dispose()
    return [*found, *fired.values()]


def _start_counters(spaces: Namespaces, fleet: Fleet, plan: Plan, say: Callable[[str], None]) -> bool:
    program = shutil.which("snmpd") or shutil.which("snmpd", path="/usr/sbin")
    if program is None:
        say("snmpd is not installed: the CPE's counters are not read")
        return False
    fleet.start_cpe(program)
    words = [sys.executable, "-m", "benchmarks.netbench.counters", "--address", CPE_ADDRESS]
    words += ["--interface", CPE_INTERFACE, "--community", CPE_COMMUNITY, "--every", str(plan.minute_seconds)]
    spaces.start("col", words, log="counters.log")
    return True


def _cpe(folder: Path, played: list[Played], started: float, plan: Plan) -> dict[str, tuple[float, float]]:
    lines = (folder / "counters.log").read_text(encoding="utf-8").splitlines()
    readings = [reading for line in lines if line.startswith("{") and (reading := counters.parse(line)) is not None]
    found: dict[str, tuple[float, float]] = {}
    for phase in played:
        start, end = (started + minute * plan.minute_seconds for minute in (phase.start, phase.end))
        rate = counters.used_bits_per_second(readings, start, end)
        if rate is not None:
            found[phase.name] = rate
    return found
