"""What one evaluation of the congestion detector costs: a minute of a whole province, taken in and judged."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from alerts.congestion.detector import Detector
from alerts.congestion.parameters import DetectorParameters
from alerts.minutes import Floats, Link

TARGETS = ("gateway", "edge", "server")
USUAL_US = {"gateway": 600.0, "edge": 7_000.0, "server": 17_000.0}
TERMINALS_PER_SITE = 4
STEP_SECONDS = 60
FIRST_STEP = 29_539_740
CONGESTED_SITES = 25
MINUTES_PER_HOUR = 60


@dataclass(frozen=True)
class Reading:
    """One stored minute of one link, as the collector hands it to the rules."""

    tags: Mapping[str, str]
    time_seconds: int
    fields: Mapping[str, int]


@dataclass(frozen=True)
class EvaluationCost:
    """Processor seconds of a minute: taking its readings in, judging it, and both in the worst minute.

    `firing` is how many alarms stood at the end, so that one sees it judged.
    """

    links: int
    minutes: int
    put_seconds: float
    advance_seconds: float
    worst_seconds: float
    firing: int


def measure_evaluation(
    parameters: DetectorParameters, *, terminals: int = 10_000, warm_minutes: int = 300, minutes: int = 30
) -> EvaluationCost:
    """Return what a minute costs once the detector has learnt; some sites are congested meanwhile.

    Args:
        parameters: Of the shipped rules.
        terminals: How many report, each to three targets.
        warm_minutes: Minutes of history before the measured ones.
        minutes: Minutes measured, one evaluation each.
    """
    rng = np.random.default_rng(1)
    detector = Detector(parameters, step_seconds=STEP_SECONDS)
    tags = list(_tags(terminals))
    links = [Link(one["device_id"], one["unit"], one["site"], one["target"]) for one in tags]
    every = np.arange(len(links))
    for step in range(FIRST_STEP, FIRST_STEP + warm_minutes):
        values = _minute(rng, tags, congested=False)
        detector.ring.put_arrays(links, every, np.full(len(links), step), values)
        if step % MINUTES_PER_HOUR == MINUTES_PER_HOUR - 1:
            detector.advance(step)
    put, advance = [], []
    for step in range(FIRST_STEP + warm_minutes, FIRST_STEP + warm_minutes + minutes):
        readings = _as_readings(_minute(rng, tags, congested=True), tags, step)
        started = time.process_time()
        detector.put(readings, step * STEP_SECONDS)
        taken = time.process_time()
        detector.advance(step)
        put.append(taken - started)
        advance.append(time.process_time() - taken)
    firing = sum(event.fired_at is not None for event in detector.judged().events)
    worst = max(one + other for one, other in zip(put, advance, strict=True))
    return EvaluationCost(len(tags), minutes, statistics.median(put), statistics.median(advance), worst, firing)


def _tags(terminals: int) -> Iterator[dict[str, str]]:
    for number in range(terminals):
        site = f"site-{number // TERMINALS_PER_SITE:05d}"
        for target in TARGETS:
            yield {"unit": site, "site": site, "device_id": f"terminal-{number:05d}", "target": target}


def _minute(rng: np.random.Generator, tags: list[dict[str, str]], *, congested: bool) -> dict[str, Floats]:
    """Return one minute of every link by store field: quiet lines, and at some sites a full queue."""
    smallest = np.array([USUAL_US[one["target"]] for one in tags]) + rng.exponential(100, len(tags))
    spread = rng.exponential(600, len(tags))
    if congested:
        far = np.array([one["target"] != "gateway" and int(one["site"][-5:]) < CONGESTED_SITES for one in tags])
        smallest = smallest + np.where(far, 80_000, 0)
        spread = spread + np.where(far, 20_000, 0)
    return {
        "sent": np.full(len(tags), 10.0),
        "received": np.full(len(tags), 10.0),
        "rtt_min_us": smallest,
        "rtt_p50_us": smallest + spread * 0.6,
        "rtt_p95_us": smallest + spread * 2.5,
        "rtt_mean_us": smallest + spread,
        "ipdv_us": spread,
    }


def _as_readings(values: dict[str, Floats], tags: list[dict[str, str]], step: int) -> list[Reading]:
    """Return a minute's values as stored readings."""
    table = np.column_stack(list(values.values())).astype(int).tolist()
    return [
        Reading(one, step * STEP_SECONDS, dict(zip(values, row, strict=True)))
        for one, row in zip(tags, table, strict=True)
    ]
