"""Places reports in time although terminals' clocks are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.wire.report import Report

# No report can be older than the product; such a time is a clock that lost its battery.
EARLIEST_PLAUSIBLE_SECONDS = 1_767_225_600.0  # 2026-01-01 UTC


@dataclass(frozen=True)
class PlacedReport:
    """A report with the time the collector gives it, and whether that is not the terminal's own."""

    report: Report
    time_seconds: float
    redated: bool


def place_in_time(
    reports: Sequence[Report],
    *,
    received_at: float,
    future_seconds: float,
) -> list[PlacedReport]:
    """Gives each report of one upload its time.

    The terminal's own time is kept where it is plausible: not before 2026 and not more than `future_seconds` ahead of
    the collector. Otherwise the report is placed by the monotonic clock, counted back from the newest report of the
    same boot in the upload, which is taken as made when it was received; that errs by at most the upload interval.

    Args:
        reports: of one device, in any order.
        received_at: the collector's clock, seconds since 1970-01-01 UTC.
        future_seconds: how far ahead of the collector a terminal's clock may be.
    """
    newest: dict[str, float] = {}
    for report in reports:
        newest[report.boot_id] = max(newest.get(report.boot_id, 0.0), report.monotonic_time_seconds)
    placed = []
    for report in reports:
        if EARLIEST_PLAUSIBLE_SECONDS <= report.wall_time_seconds <= received_at + future_seconds:
            placed.append(PlacedReport(report, report.wall_time_seconds, redated=False))
        else:
            before_newest = newest[report.boot_id] - report.monotonic_time_seconds
            placed.append(PlacedReport(report, received_at - before_newest, redated=True))
    return placed
