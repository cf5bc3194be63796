"""Real congestion, made in network namespaces, and whether the rules see it in time and in the right place.

    python -m benchmarks.netbench [--short | --smoke] [--phases a,b] [--minute-seconds 10] [--out DIR]

Needs root, tun, tbf and iperf3. Exit codes: 0 everything as it ought to be; 1 not; 2 wrong words; 3 it cannot run here;
4 it ran, but the rules could not be asked.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import msgspec

from benchmarks.netbench.bench import Outcome, judged_again, run_bench
from benchmarks.netbench.namespaces import BenchError, missing_requirements
from benchmarks.netbench.phases import PHASES, SHORT, SMOKE
from benchmarks.netbench.report import is_good, json_of, outcome_from, table_of
from benchmarks.netbench.timeline import Plan

DONE = 0
NOT_AS_EXPECTED = 1
NOT_HERE = 3
NOT_JUDGED = 4
RESULT_FILE = "result.json"

FULL_PLAN = Plan(minute_seconds=10, learning=64, phase=9, gap=10)
SHORT_PLAN = Plan(minute_seconds=5, learning=64, phase=7, gap=8)
SMOKE_PLAN = Plan(minute_seconds=2, learning=64, phase=7, gap=8)
LIVE_MINUTE_SECONDS = 60
# A baseline counts up to an hour after the hour in which it was measured.
LIVE_LEARNING = 190
# Start, last reports and replay, beside the time line.
_BESIDE_SECONDS = 600


def main(argv: list[str] | None = None) -> int:
    """Runs the bench and prints what came of it; returns the exit code."""
    options = _options(argv)
    if options.judge is not None:
        return _judge(options.judge)
    missing = missing_requirements()
    if missing:
        print("the network bench cannot run here: " + "; ".join(missing), file=sys.stderr)
        return NOT_HERE
    plan, names = _plan(options)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:6.0f} s] {text}", file=sys.stderr, flush=True)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(int(plan.seconds(len(names))) + _BESIDE_SECONDS)
    say(f"{len(names)} phases, about {plan.seconds(len(names)) / 60:.0f} minutes")
    try:
        with _folder(options.out) as folder:
            outcome = run_bench({name: PHASES[name] for name in names}, plan, Path(folder), say, live=options.live)
            return _show(outcome, Path(folder) if options.out else None)
    except BenchError as error:
        print(f"the network bench failed: {error}", file=sys.stderr)
        return NOT_AS_EXPECTED
    except KeyboardInterrupt:
        print("ended; everything is taken away", file=sys.stderr)
        return NOT_AS_EXPECTED


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.netbench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--short", action="store_true", help=f"{', '.join(SHORT)}; about 11 minutes")
    length.add_argument("--smoke", action="store_true", help=f"{', '.join(SMOKE)}; about 3 minutes")
    length.add_argument("--live", action="store_true", help="real minutes, judged by the collector's own alarms")
    length.add_argument("--judge", type=Path, metavar="DIR", help="judge the trace of an earlier --out again")
    parser.add_argument("--phases", default="", help=f"some of: {', '.join(PHASES)}")
    parser.add_argument("--minute-seconds", type=int, default=0, help="real length of a minute of the bench")
    parser.add_argument("--learning", type=int, default=0, help="minutes without load at the start; the rules want 60")
    parser.add_argument("--out", type=Path, help="an empty folder for logs, trace.csv and result.json")
    options = parser.parse_args(argv)
    unknown = [name for name in _names(options) if name not in PHASES]
    if unknown:
        parser.error(f"no such phase: {', '.join(unknown)}")
    if options.minute_seconds and not 1 <= options.minute_seconds <= LIVE_MINUTE_SECONDS:
        parser.error("--minute-seconds: expected 1 to 60")
    if options.live and options.minute_seconds not in (0, LIVE_MINUTE_SECONDS):
        parser.error("--live: the collector judges real minutes")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        if any(options.out.iterdir()):
            parser.error(f"--out: {options.out} is not empty")
    return options


def _names(options: argparse.Namespace) -> list[str]:
    if options.phases:
        return [name.strip() for name in options.phases.split(",") if name.strip()]
    return list(SHORT if options.short else SMOKE if options.smoke else PHASES)


def _plan(options: argparse.Namespace) -> tuple[Plan, list[str]]:
    base = SHORT_PLAN if options.short else SMOKE_PLAN if options.smoke else FULL_PLAN
    minute = LIVE_MINUTE_SECONDS if options.live else options.minute_seconds or base.minute_seconds
    learning = options.learning or (LIVE_LEARNING if options.live else base.learning)
    return Plan(minute, learning, base.phase, base.gap), _names(options)


class _Given:
    """A folder that stays."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> str:
        return str(self._path.resolve())

    def __exit__(self, *_: object) -> None:
        return


def _folder(out: Path | None) -> _Given | tempfile.TemporaryDirectory[str]:
    return _Given(out) if out is not None else tempfile.TemporaryDirectory(prefix="netbench-")


def _judge(folder: Path) -> int:
    try:
        outcome = outcome_from((folder / RESULT_FILE).read_bytes())
    except (OSError, msgspec.MsgspecError) as error:
        print(f"{folder / RESULT_FILE}: cannot be read: {error}", file=sys.stderr)
        return NOT_AS_EXPECTED
    return _show(judged_again(outcome, folder / "trace.csv"), folder)


def _show(outcome: Outcome, out: Path | None) -> int:
    print(table_of(outcome))
    if out is not None:
        (out / RESULT_FILE).write_bytes(json_of(outcome))
    if outcome.events is None:
        return NOT_JUDGED
    return DONE if is_good(outcome) else NOT_AS_EXPECTED


def _end(_number: int, _frame: FrameType | None) -> None:
    # Nothing may interrupt the taking away.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise BenchError("the run took far longer than planned")


if __name__ == "__main__":
    sys.exit(main())
