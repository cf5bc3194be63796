"""Places reports in time although terminals' clocks are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.wire.report import Report

# Longer than any spool keeps a report (30 days): an older time is a clock that lost its battery.
OLDEST_SECONDS = 35 * 86400.0


@dataclass(frozen=True)
class PlacedReport:
    """A report with the time the collector gives it.

    Args:
        report: as it came.
        time_seconds: where it is stored, seconds since 1970-01-01 UTC by the collector's clock.
        skew_seconds: the terminal's clock less the collector's, as far as this boot's uploads tell; a report that
            waited before the boot's first upload makes it too small by that time.
    """

    report: Report
    time_seconds: float
    skew_seconds: float


def boot_epochs(reports: Sequence[Report], received_at: float) -> dict[str, float]:
    """When each boot began, as this upload tells: never too early, too late by the shortest wait of a report.

    Args:
        reports: of one device.
        received_at: the collector's clock, seconds since 1970-01-01 UTC.
    """
    epochs: dict[str, float] = {}
    for report in reports:
        epoch = received_at - report.monotonic_time_seconds
        epochs[report.boot_id] = min(epoch, epochs.get(report.boot_id, epoch))
    return epochs


def place_in_time(
    reports: Sequence[Report],
    epochs: Mapping[str, float],
    *,
    received_at: float,
    future_seconds: float,
) -> list[PlacedReport]:
    """Gives each report of one upload its time.

    The terminal's own time is kept where it is plausible: at most 35 days old, and not more than `future_seconds` ahead
    of when the report can have been made. Otherwise the report is placed by the monotonic clock from the earliest
    beginning of its boot that any upload has shown, so that a backlog keeps its spacing whatever its order of arrival.

    Args:
        reports: of one device, in any order.
        epochs: boot id -> its beginning, the earliest that is known (`boot_epochs` of this and earlier uploads).
        received_at: the collector's clock, seconds since 1970-01-01 UTC.
        future_seconds: how far ahead of the collector a terminal's clock may be.
    """
    placed = []
    for report in reports:
        made_at = epochs[report.boot_id] + report.monotonic_time_seconds
        wall = report.wall_time_seconds
        plausible = received_at - OLDEST_SECONDS <= wall <= min(made_at, received_at) + future_seconds
        placed.append(PlacedReport(report, wall if plausible else made_at, wall - made_at))
    return placed
