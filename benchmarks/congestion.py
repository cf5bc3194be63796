"""Congestion alarms scored on labelled traces: the shipped rules beside what people take from other systems.

    python benchmarks/congestion.py [TRACE LABELS ...] [--tiny SITES] [--learning-days 7] [--format table|json]

Without arguments it takes the two labelled traces of `../shared/data/congestion` when they are there, else it simulates
an easy and a hard province. `--cost` measures one evaluation of 10,000 terminals instead.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from alerts.congestion.settings import detector_parameters
from alerts.rules import SHIPPED_RULES, load_rules
from benchmarks.evaluation_cost import measure_evaluation
from benchmarks.provinces.province import write_province
from benchmarks.rivals import RIVALS, alarms_of
from benchmarks.scoring import EVERYWHERE, MINUTES_PER_DAY, NETWORK, Alarm, Score, score
from benchmarks.traces import Trace, read_labels, read_site_groups, read_trace

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "congestion"
# Lines that dropped more than 3 % within 60 ms while full, by their labelled events.
SHARED_TINY = {"trace_easy": "s07", "trace_hard": "s00,s02,s03,s05"}
SIMULATED = (("easy", 1201, False), ("hard", 1202, True))
OURS = "Thông Mạng"


@dataclass(frozen=True)
class Case:
    """One trace to score: its files and the sites known to have tiny buffers."""

    name: str
    trace: Path
    labels: Path
    tiny: frozenset[str]


@dataclass(frozen=True)
class Replayed:
    """What the shipped rules said of a trace: alarms by rule, and what it cost."""

    alarms: dict[str, list[Alarm]]
    cpu_seconds: float
    wall_seconds: float


def replay(path: Path, trace: Trace) -> Replayed:
    """Run `thongmang alerts replay` on a trace in a process of its own; raises when it fails."""
    command = [str(Path(sys.executable).with_name("thongmang")), "alerts", "replay", str(path), "--format", "jsonl"]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    alarms: dict[str, list[Alarm]] = {}
    for line in done.stdout.splitlines():
        event = json.loads(line)
        if event["fired_at"] is not None:
            alarms.setdefault(_kind(event), []).append(_alarm(event, trace))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Replayed(alarms, cpu, wall)


def _kind(event: dict[str, Any]) -> str:
    """Return what an event is scored as: network congestion, or the place or rule it names."""
    if event["rule"] == "congestion":
        return "network" if event["place"] in NETWORK else str(event["place"])
    return str(event["rule"])


def _alarm(event: dict[str, Any], trace: Trace) -> Alarm:
    """Return an event as an alarm; `fired_at` names the row that fired it, which is known when that row ends."""
    fired = _minutes(event["fired_at"])
    resolved = event["resolved_at"]
    end = trace.first + trace.minutes if resolved is None else _minutes(resolved)
    return Alarm(event["site"] or EVERYWHERE, event["place"] or "", fired, max(end, fired), fired + trace.step)


def _minutes(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() / 60


def judge(case: Case, *, learning_days: float, with_rivals: bool) -> dict[str, Any]:
    """Return all scores of a trace: rivals, ours, ours by group of sites, and ours on other trouble."""
    trace, labels = read_trace(case.trace), read_labels(case.labels)
    since, until = trace.first + learning_days * MINUTES_PER_DAY, trace.first + trace.minutes

    def scored(alarms: Sequence[Alarm], sites: Sequence[str], kinds: frozenset[str] = NETWORK) -> dict[str, Any]:
        return _as_row(score(alarms, labels, sites, since=since, until=until, kinds=kinds))

    rules = {name: scored(alarms_of(name, trace), trace.sites) for name in (RIVALS if with_rivals else ())}
    ours = replay(case.trace, trace)
    network = ours.alarms.get("network", [])
    rules[OURS] = scored(network, trace.sites)
    groups = {name: scored(network, sites) for name, sites in _groups(case, trace)}
    other = {"lan": scored(ours.alarms.get("lan", []), trace.sites, frozenset({"lan"}))}
    service = ours.alarms.get("service", []) + ours.alarms.get("service_slow", [])
    other["service"] = scored(service, trace.sites, frozenset({"service"}))
    # An outage's label does not say where.
    outages = [replace(alarm, place="") for alarm in ours.alarms.get("outage", [])]
    other["outage"] = scored(outages, trace.sites, frozenset({"outage"}))
    counts = {name: len([one for one in alarms if one.fired >= since]) for name, alarms in sorted(ours.alarms.items())}
    return {
        "trace": case.name,
        "sites": len(trace.sites),
        "days": round((until - since) / MINUTES_PER_DAY, 1),
        "rules": rules,
        "groups": groups,
        "other": other,
        "alarms_by_kind": counts,
        "replay_cpu_seconds": round(ours.cpu_seconds, 1),
        "replay_wall_seconds": round(ours.wall_seconds, 1),
    }


def _as_row(one: Score) -> dict[str, Any]:
    derived = {"recall": one.recall, "precision": one.precision, "f1": one.f1, "short_recall": one.short_recall}
    return asdict(one) | derived


def _groups(case: Case, trace: Trace) -> Iterator[tuple[str, list[str]]]:
    """Yield the groups of sites that are scored apart."""
    single = [site for site in trace.sites if len(trace.of_site(site)) == 1]
    known = case.trace.with_name("sites.csv")
    groups = read_site_groups(known) if known.exists() else {}
    groups.setdefault("tiny buffer", set()).update(case.tiny)
    groups["one terminal"] = set(single)
    for name, sites in sorted(groups.items()):
        chosen = sorted(sites & set(trace.sites))
        if chosen:
            yield name, chosen


def table(result: dict[str, Any]) -> str:
    """Return the scores of one trace as text."""
    heading = (
        f"{result['trace']}: {result['sites']} sites, {result['days']} days after learning; "
        f"replay {result['replay_cpu_seconds']} s CPU, {result['replay_wall_seconds']} s"
    )
    columns = (
        f"{'':34}{'recall':>7}{'prec':>6}{'F1':>6}{'delay':>8}{'false/':>8}{'false':>7}{'place':>7}"
        f"{'5-9':>6}{'sent/':>7}{'outside':>8}  events"
    )
    units = f"{'':34}{'':>7}{'':>6}{'':>6}{'p50/p90':>8}{'month':>8}{'min':>7}{'right':>7}{'min':>6}{'month':>7}{'':>8}"
    lines = [heading, columns, units]
    for section in ("rules", "groups", "other"):
        prefix = {"rules": "", "groups": "  only ", "other": "  rule "}[section]
        lines += [_line(prefix + name, row) for name, row in result[section].items()]
    lines.append("fired in all: " + ", ".join(f"{name} {count}" for name, count in result["alarms_by_kind"].items()))
    return "\n".join(lines)


def _line(name: str, row: dict[str, Any]) -> str:
    def ratio(key: str) -> str:
        return "-" if row[key] is None else f"{row[key]:.2f}"

    delay = "-" if row["delay_p50"] is None else f"{row['delay_p50']:.0f}/{row['delay_p90']:.0f}"
    return (
        f"{name:34}{ratio('recall'):>7}{ratio('precision'):>6}{ratio('f1'):>6}{delay:>8}"
        f"{row['false_alarms_per_month']:>8.1f}{row['false_minutes_per_month']:>7.0f}{ratio('place_right'):>7}"
        f"{ratio('short_recall'):>6}{row['notifications_per_month']:>7.0f}{ratio('outside_ratio'):>8}"
        f"  {row['found']}/{row['events']} + {row['short_found']}/{row['short_events']}, {row['false_alarms']} false"
    )


def cases(files: Sequence[Path], tiny: str | None, workplace: Path) -> Iterator[Case]:
    """Yield what to score: the files given, else the shared traces, else simulated provinces."""
    if files:
        for trace, labels in zip(files[::2], files[1::2], strict=True):
            yield Case(f"{trace.parent.name}/{trace.name}", trace, labels, _names(tiny))
    elif SHARED.is_dir():
        for name in ("easy", "hard"):
            known = tiny if tiny is not None else SHARED_TINY[f"trace_{name}"]
            yield Case(name, SHARED / f"trace_{name}.csv.gz", SHARED / f"labels_{name}.csv", _names(known))
    else:
        for name, seed, hard in SIMULATED:
            folder = workplace / name
            folder.mkdir()
            write_province(folder, seed=seed, hard=hard)
            yield Case(f"simulated {name}", folder / "trace.csv.gz", folder / "labels.csv", _names(tiny))


def _names(text: str | None) -> frozenset[str]:
    return frozenset(name for name in (text or "").split(",") if name)


def main() -> None:
    """Score the traces and print tables or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="TRACE LABELS")
    parser.add_argument("--tiny", help="sites with tiny buffers, e.g. s00,s02")
    parser.add_argument("--learning-days", type=float, default=7.0)
    parser.add_argument("--only-ours", action="store_true", help="leave the rivals out")
    parser.add_argument("--cost", action="store_true", help="time one evaluation of 10,000 terminals instead")
    parser.add_argument("--format", choices=["table", "json"], default="table")
    given = parser.parse_args()
    if len(given.files) % 2:
        parser.error("each TRACE needs its LABELS")
    if given.cost:
        print(json.dumps(asdict(measure_evaluation(detector_parameters(load_rules(SHIPPED_RULES).values())))))
        return
    with tempfile.TemporaryDirectory() as workplace:
        for case in cases(given.files, given.tiny, Path(workplace)):
            result = judge(case, learning_days=given.learning_days, with_rivals=not given.only_ours)
            print(json.dumps(result, ensure_ascii=False) if given.format == "json" else table(result) + "\n")


if __name__ == "__main__":
    main()
