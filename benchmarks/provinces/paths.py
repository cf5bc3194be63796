"""Single paths to one server, as public measurement platforms record them: a congested one and a quiet one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.provinces.terminals import Minutes
from benchmarks.provinces.trouble import MINUTES_PER_DAY, wandering
from benchmarks.provinces.truth import Label
from benchmarks.provinces.writing import write_labels, write_trace

SITE = "s00"
CONGESTED_DAYS = 15
CONGESTED_ROW_MINUTES = 5
CONGESTED_PROBES = 11
QUIET_DAYS = 30


def write_congested_path(folder: Path, *, seed: int) -> None:
    """Write 15 days of 5-minute rows, 11 ms at rest, with one period of some hours a day at about 48 ms more."""
    rng = np.random.default_rng([seed, 2])
    total = CONGESTED_DAYS * MINUTES_PER_DAY
    minutes = np.arange(0, total, CONGESTED_ROW_MINUTES)
    hours = minutes / 60.0
    added = np.zeros(minutes.size)
    labels = []
    for day in range(CONGESTED_DAYS):
        middle = day * 24 + rng.normal(20.0, 0.7)
        half = rng.uniform(1.3, 3.6)
        swell = np.clip((half - np.abs(hours - middle)) / rng.uniform(0.15, 0.6), 0.0, 1.0)
        added = np.maximum(added, swell * float(np.clip(rng.normal(48, 7), 22, 70)))
        inside = minutes[swell > 0.5]
        if inside.size:
            labels.append(Label(SITE, "access", int(inside[0]), int(inside[-1]) + CONGESTED_ROW_MINUTES))
    added = np.where(added > 0, np.clip(added + wandering(rng, minutes.size, deviation=8, memory_minutes=6), 0, 75), 0)
    shape = (minutes.size, CONGESTED_PROBES)
    probes = 11.0 + rng.exponential(0.5, shape) + added[:, None] * rng.uniform(0.7, 1.15, shape)
    probes += np.where(rng.random(shape) < 0.02, rng.exponential(25, shape), 0.0)
    # Other people's short bursts: a row or two in which part of the probes wait.
    burst = rng.random(minutes.size) < 0.012
    probes += np.where(burst[:, None] & (rng.random(shape) < 0.6), rng.exponential(25, shape), 0.0)
    loss = np.where(added > 10, 0.02, 0.003)[:, None]
    probes[rng.random(shape) < loss] = np.nan
    _write(folder, minutes, probes, labels)


def write_quiet_path(folder: Path, *, seed: int) -> None:
    """Write a month of 4- or 20-minute rows without congestion: route changes of 2 to 60 ms, short spikes, noise."""
    rng = np.random.default_rng([seed, 3])
    row = int(rng.choice([4, 20]))
    minutes = np.arange(0, QUIET_DAYS * MINUTES_PER_DAY, row)
    sent = 3 if row == 4 else 15
    shape = (minutes.size, sent)
    base = float(np.exp(rng.uniform(np.log(20), np.log(300))))
    jitter = float(np.exp(rng.uniform(np.log(0.15), np.log(4.0))))
    baseline = np.full(minutes.size, base)
    for _ in range(int(rng.poisson(7))):
        start = int(rng.integers(0, minutes.size))
        length = int(np.exp(rng.uniform(np.log(60), np.log(20000)))) // row + 1
        step = rng.uniform(2, 60) * (1 if rng.random() < 0.65 else -0.4)
        baseline[start : start + length] += max(step, -0.3 * base)
    probes = baseline[:, None] + rng.exponential(jitter, shape)
    daily = rng.uniform(0, 3) * np.clip(np.sin((minutes % MINUTES_PER_DAY) / MINUTES_PER_DAY * 2 * np.pi), 0, None)
    probes += daily[:, None] * rng.uniform(0, 1, shape)
    spiky = float(np.exp(rng.uniform(np.log(0.002), np.log(0.05))))
    probes += np.where(rng.random(shape) < spiky, rng.exponential(40, shape), 0.0)
    short = rng.random(minutes.size) < 0.001
    probes += np.where(short[:, None], rng.uniform(10, 150, (minutes.size, 1)) * rng.uniform(0.5, 1, shape), 0.0)
    probes[rng.random(shape) < 0.004] = np.nan
    kept = rng.random(minutes.size) > 0.004
    _write(folder, minutes[kept], probes[kept], [])


def _write(folder: Path, minutes: np.ndarray, probes: np.ndarray, labels: list[Label]) -> None:
    """Write one terminal with one target."""
    write_trace(folder / "trace.csv.gz", [(SITE, Minutes(f"{SITE}-t0", "server", minutes, probes, None))])
    write_labels(folder / "labels.csv", labels)
