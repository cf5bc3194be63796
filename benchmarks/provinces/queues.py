"""Queues of a simulated province: the workload of an access line or of the core, every two seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.provinces.trouble import MINUTES_PER_DAY, Flags, Floats, Period, is_workday, level, wandering

STEP_SECONDS = 2.0
STEPS_PER_MINUTE = 30
PARETO_SHAPE = 1.6
CONGESTED_MILLISECONDS = 20.0
CONGESTED_DROP_RATIO = 0.025
FULL = 0.98
SAW_TOOTH_LOW = 0.65
NIGHT_LOAD = 0.05


@dataclass(frozen=True)
class Line:
    """A bottleneck: what limits it and how loaded it is.

    `peak_load` is the share of capacity at the busiest hour of a usual day; `object_seconds` the mean time the line
    needs for one transferred object; `drop_ratio` the share of packets lost while the buffer is full.
    """

    buffer_milliseconds: float
    drop_ratio: float
    peak_load: float
    object_seconds: float


@dataclass(frozen=True)
class Queue:
    """What a packet meets at each step: delay, chance of loss, and whether that counts as congested."""

    delay_milliseconds: Floats
    drop_ratio: Floats
    congested: Flags

    def congested_ratio(self) -> Floats:
        """Return the share of congested steps in every minute."""
        shares: Floats = self.congested.reshape(-1, STEPS_PER_MINUTE).mean(axis=1)
        return shares


def office_load(days: int) -> Floats:
    """Return the usual load of every minute relative to the busiest hour: two humps a workday, little else."""
    minutes = np.arange(days * MINUTES_PER_DAY)
    hours = (minutes % MINUTES_PER_DAY) / 60.0
    morning = np.exp(-(((hours - 9.6) / 1.15) ** 2) / 2)
    afternoon = np.exp(-(((hours - 14.9) / 1.15) ** 2) / 2)
    floor = 0.45 * np.clip(np.minimum(hours - 7.2, 17.4 - hours), 0.0, 1.0)
    worked = np.array([is_workday(day) for day in range(days)]).repeat(MINUTES_PER_DAY)
    return np.where(worked, np.maximum.reduce([morning, afternoon, floor, np.full_like(hours, NIGHT_LOAD)]), NIGHT_LOAD)


def run_queue(rng: np.random.Generator, line: Line, days: int, extra: list[Period]) -> Queue:
    """Simulate a line for some days.

    Args:
        rng: The source of randomness.
        line: The bottleneck.
        days: Length of the trace.
        extra: Periods of additional steady load, in shares of the capacity.
    """
    total = days * MINUTES_PER_DAY
    load = line.peak_load * office_load(days)
    daily = np.exp(rng.normal(0.0, 0.12, days)).repeat(MINUTES_PER_DAY)
    slow = wandering(rng, total, deviation=0.24, memory_minutes=25)
    fast = wandering(rng, total, deviation=0.37, memory_minutes=5)
    load = np.minimum(load * daily * np.exp(slow + fast), 1.6).repeat(STEPS_PER_MINUTE)
    steady = level(extra, total).repeat(STEPS_PER_MINUTE) * STEP_SECONDS
    work = _random_work(rng, load, line.object_seconds) + steady - STEP_SECONDS
    held = _hold(work, line.buffer_milliseconds / 1e3) * 1e3
    full = held >= FULL * line.buffer_milliseconds
    delay = np.where(full, line.buffer_milliseconds * rng.uniform(SAW_TOOTH_LOW, 1.0, held.size), held)
    drops = np.where(full, line.drop_ratio, 0.0)
    return Queue(delay, drops, (delay >= CONGESTED_MILLISECONDS) | (drops >= CONGESTED_DROP_RATIO))


def _random_work(rng: np.random.Generator, load: Floats, object_seconds: float) -> Floats:
    """Return the seconds of work that arrive in each step: Poisson many objects of Pareto sizes."""
    smallest = object_seconds * (PARETO_SHAPE - 1) / PARETO_SHAPE
    work = np.empty(load.size)
    size = MINUTES_PER_DAY * STEPS_PER_MINUTE
    for start in range(0, load.size, size):
        counts = rng.poisson(load[start : start + size] * STEP_SECONDS / object_seconds)
        sizes = (rng.pareto(PARETO_SHAPE, int(counts.sum())) + 1.0) * smallest
        owners = np.repeat(np.arange(counts.size), counts)
        work[start : start + size] = np.bincount(owners, weights=sizes, minlength=counts.size)
    return work


def _hold(work: Floats, buffer_seconds: float) -> Floats:
    """Return the work waiting after each step, never less than none and never more than the buffer takes."""
    held = []
    waiting = 0.0
    for change in work.tolist():
        waiting += change
        if waiting < 0.0:
            waiting = 0.0
        elif waiting > buffer_seconds:
            waiting = buffer_seconds
        held.append(waiting)
    return np.array(held)
