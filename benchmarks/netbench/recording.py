"""Reports in the rules' own trace format: one row a terminal, target and minute; compressed time is stretched again."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.netbench.fleet import Report
from benchmarks.netbench.topology import TERMINALS

MINUTE_SECONDS = 60
HOUR_SECONDS = 3600
DAY_SECONDS = 86_400
# From the first reading until a baseline counts that has it.
BASELINE_SECONDS = 2 * HOUR_SECONDS
FIELDS = (
    "sent",
    "received",
    "rtt_min_us",
    "rtt_p50_us",
    "rtt_p95_us",
    "rtt_max_us",
    "rtt_mean_us",
    "ipdv_us",
    "large_sent",
    "large_received",
    "connect_tried",
    "connect_slow",
    "connect_failed",
    "connect_p50_us",
    "first_byte_us",
)


@dataclass(frozen=True)
class Calendar:
    """Which moment of the trace a minute of the bench is.

    Args:
        origin: when minute 0 would be if nothing lay between learning and phases; seconds since 1970 UTC.
        learning: how many minutes are dated back.
        pause_seconds: by how much: so long all terminals are silent between learning and phases.
    """

    origin: int
    learning: int
    pause_seconds: int

    def seconds(self, minute: int) -> int:
        """When the minute begins, seconds since 1970 UTC."""
        return self.origin + minute * MINUTE_SECONDS - (self.pause_seconds if minute < self.learning else 0)

    def minute(self, seconds: float) -> float:
        """The minute of the bench at a moment of the trace; of the pause, the last one of learning."""
        minute = (seconds - self.origin) / MINUTE_SECONDS
        return minute if minute >= self.learning else min(minute + self.pause_seconds / MINUTE_SECONDS, self.learning)


def with_pause(started_seconds: float, learning: int) -> Calendar:
    """The calendar of a compressed run: learning from 9 o'clock (Vietnam's) on, phases two hours later or after it.

    A baseline counts from one hour after the hour in which it was measured; nothing need be measured meanwhile.
    """
    nine = int(started_seconds) // DAY_SECONDS * DAY_SECONDS + 2 * HOUR_SECONDS
    pause = max(0, BASELINE_SECONDS - learning * MINUTE_SECONDS)
    return Calendar(nine + pause, learning, pause)


def as_it_was(started_seconds: float) -> Calendar:
    """The calendar of a run in real minutes."""
    return Calendar(int(started_seconds) // MINUTE_SECONDS * MINUTE_SECONDS, 0, 0)


def slots(times: Sequence[float], start: float, minute_seconds: float) -> list[int | None]:
    """The minute of each of one series' reports, in order of time; None where a minute has a later one already.

    A round that waits for lost answers ends late and may fall into the next minute beside that one's own. It then goes
    back to the minute it belongs to if that one is empty.

    Args:
        times: stamps of the reports, ascending, wall-clock seconds.
        start: when minute 0 began.
        minute_seconds: how long a minute lasted.
    """
    found: list[int | None] = [int((at - start) // minute_seconds) for at in times]
    before = -(10**9)
    for index, slot in enumerate(found):
        following = found[index + 1] if index + 1 < len(found) else None
        if slot is None:
            continue
        if slot == following:
            found[index] = slot - 1 if before < slot - 1 else None
        before = found[index] if found[index] is not None else before  # type: ignore[assignment]  # just tested
    return found


def minutes(reports: Iterable[Report], start: float, minute_seconds: float, last: int) -> list[tuple[int, Report]]:
    """(minute, report) of the minutes 0 to before `last`, in order of minute, terminal and target."""
    series: dict[tuple[str, str], list[Report]] = {}
    for report in reports:
        if report.time_seconds >= start:
            series.setdefault((report.terminal, report.target), []).append(report)
    rows: list[tuple[int, Report]] = []
    for members in series.values():
        members.sort(key=lambda report: report.time_seconds)
        placed = slots([report.time_seconds for report in members], start, minute_seconds)
        rows.extend(
            (slot, report) for slot, report in zip(placed, members, strict=True) if slot is not None and slot < last
        )
    rows.sort(key=lambda row: (row[0], row[1].terminal, row[1].target))
    return rows


def write_trace(path: Path, rows: Iterable[tuple[int, Report]], calendar: Calendar) -> int:
    """Writes the rows; how many there were.

    Args:
        path: the CSV file.
        rows: as `minutes` gives them.
        calendar: when its minutes are.
    """
    written = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("time", "site", "terminal", "target", *FIELDS))
        for minute, report in rows:
            values = (report.fields.get(name, "") for name in FIELDS)
            where = (TERMINALS[report.terminal], report.terminal, report.target)
            at = datetime.fromtimestamp(calendar.seconds(minute), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            writer.writerow((at, *where, *values))
            written += 1
    return written
