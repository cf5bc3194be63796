"""From a report to the points that the metric store keeps."""

from __future__ import annotations

from agent.wire.catalogue import METRICS
from agent.wire.report import Report
from collector.metrics.port import Point

PROVINCE_CODE = "40"  # Nghệ An, as the statistics office numbers provinces


def points_from_report(report: Report, *, unit_code: str, site: str, time_seconds: float) -> list[Point]:
    """One point for each measurement and set of labels in the report.

    Args:
        report: decoded and sorted by `collector.ingest`, so that every metric is in the catalogue.
        unit_code: the device's unit, from the registry.
        site: its office within the unit.
        time_seconds: the time the collector gave the report; floored to the second.
    """
    device_tags = {"province": PROVINCE_CODE, "unit": unit_code, "site": site, "device_id": report.device_id}
    grouped: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, int]] = {}
    for sample in report.samples:
        spec = METRICS[sample.metric]
        labels = tuple(sorted(sample.labels.items()))
        grouped.setdefault((spec.measurement, labels), {})[spec.field] = round(sample.value * spec.scale)
    return [
        Point(measurement, {**device_tags, **dict(labels)}, fields, int(time_seconds))
        for (measurement, labels), fields in grouped.items()
    ]
