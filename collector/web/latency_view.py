"""What a terminal's page shows of its numbers."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from agent.wire.catalogue import LINK_LATENCY, METRICS
from collector.language import format_number, translator
from collector.metrics.port import MetricStore, Reading
from collector.web.chart import LatencyPoint, Words, latency_chart

HOUR_SECONDS = 3600
WINDOWS = (1, 24, 168)
FIELDS = ("sent", "received", "rtt_min_us", "rtt_p50_us", "rtt_p95_us")
# From here on milliseconds tell a reader nothing.
SHORT_SECONDS = 10.0
BYTES_IN_MEBIBYTE = 1024.0 * 1024.0
# A packet's size, not a disk's.
SMALL_BYTES = 64.0 * 1024.0


@dataclass(frozen=True)
class TargetView:
    """One target's figures over the chosen time, and its chart."""

    name: str
    method: str
    median_us: float | None
    p95_us: float | None
    sent: int
    lost: int
    chart: Markup


def window_names(language: str) -> list[tuple[int, str]]:
    """The times to choose from, in hours, with their names."""
    translate = translator(language)
    return [(WINDOWS[0], translate("1 hour")), (WINDOWS[1], translate("24 hours")), (WINDOWS[2], translate("7 days"))]


def device_targets(
    store: MetricStore,
    device_id: str,
    facts: Mapping[str, Any],
    now: float,
    hours: int,
    language: str,
) -> list[TargetView]:
    """Every target the terminal measured in the last `hours`."""
    end = int(now) + 1
    start = end - hours * HOUR_SECONDS
    by_target: dict[str, list[Reading]] = {}
    for item in store.read(LINK_LATENCY, FIELDS, start_seconds=start, end_seconds=end, tags={"device_id": device_id}):
        by_target.setdefault(item.tags["target"], []).append(item)
    methods = {row.get("target"): row.get("method") for row in facts.get("link_method") or () if isinstance(row, dict)}
    translate = translator(language)
    views = []
    for target, readings in sorted(by_target.items()):
        words = Words(
            title=translate("Latency to {target}").format(target=target),
            median=translate("median"),
            spread=translate("minimum to 95th percentile"),
            lost=translate("lost"),
            milliseconds="ms",
        )
        points = [_point(item) for item in sorted(readings, key=lambda item: item.time_seconds)]
        medians = [point.median_us for point in points if point.median_us is not None]
        p95s = [point.p95_us for point in points if point.p95_us is not None]
        sent = sum(point.sent for point in points)
        views.append(
            TargetView(
                name=target,
                method=str(methods.get(target) or ""),
                median_us=statistics.median(medians) if medians else None,
                p95_us=_nearest_rank(p95s),
                sent=sent,
                lost=sent - sum(point.received for point in points),
                chart=latency_chart(points, start_seconds=start, end_seconds=end, words=words),
            ),
        )
    return views


def _point(item: Reading) -> LatencyPoint:
    fields = item.fields
    return LatencyPoint(
        time_seconds=item.time_seconds,
        minimum_us=fields.get("rtt_min_us"),
        median_us=fields.get("rtt_p50_us"),
        p95_us=fields.get("rtt_p95_us"),
        sent=fields.get("sent", 0),
        received=fields.get("received", 0),
    )


def _nearest_rank(values: list[int]) -> int | None:
    """The 95th percentile of the rounds' 95th percentiles: how bad the worse rounds were."""
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)] if values else None


def sample_rows(samples: Sequence[Mapping[str, Any]], language: str) -> list[dict[str, str]]:
    """The newest samples with their explanations, in the catalogue's order."""
    translate = translator(language)
    order = {name: index for index, name in enumerate(METRICS)}
    known = [sample for sample in samples if sample["metric"] in METRICS]
    rows = []
    for sample in sorted(known, key=lambda sample: order[sample["metric"]]):
        spec = METRICS[sample["metric"]]
        rows.append(
            {
                "help": translate(spec.help),
                "labels": ", ".join(sample["labels"].values()),
                "text": _value_text(float(sample["value"]), spec.unit, language),
            },
        )
    return rows


def _value_text(value: float, unit: str, language: str) -> str:
    if unit == "bytes" and 0 < value < SMALL_BYTES:
        return f"{format_number(value, 0, language)} B"
    if unit == "bytes":
        return f"{format_number(value / BYTES_IN_MEBIBYTE, 0, language)} MiB"
    if unit == "ratio":
        return f"{format_number(value * 100, 1, language)} %"
    if unit == "celsius":
        return f"{format_number(value, 1, language)} °C"
    if unit == "bits_per_second":
        return f"{format_number(value / 1e6, 0, language)} Mbit/s"
    if unit == "bytes_per_second":
        return f"{format_number(value / BYTES_IN_MEBIBYTE, 2, language)} MiB/s"
    if unit == "hertz":
        return f"{format_number(value / 1e6, 0, language)} MHz"
    if unit == "seconds" and value < SHORT_SECONDS:
        return f"{format_number(value * 1000, 2, language)} ms"
    if unit == "seconds":
        return f"{format_number(value, 0, language)} s"
    return format_number(value, 0, language)
