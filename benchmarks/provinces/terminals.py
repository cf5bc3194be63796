"""What the terminals of a simulated site measure: ten probes a minute to gateway, edge and server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.provinces.queues import STEPS_PER_MINUTE, Queue
from benchmarks.provinces.sites import Core, EdgeKind, LineKind, Site, Terminal
from benchmarks.provinces.trouble import (
    MINUTES_PER_DAY,
    Flags,
    Floats,
    covered,
    draw_periods,
    is_workday,
    level,
    wandering,
)

PROBES = 10
ABSENT_RATIO = 0.07
SILENT_PER_DAY = 0.125
BOOT_MINUTES = 4
LINE_JITTER = {LineKind.FIBRE: 0.3, LineKind.DSL: 1.1, LineKind.MOBILE: 9.0}
MOBILE_LOSS_RATIO = 0.004
STRAY_LOSS_RATIO = 0.0006
LIMITED_ANSWER_RATIO = 0.78


@dataclass(frozen=True)
class Minutes:
    """One target as one terminal saw it: round trips in milliseconds, one row a minute; nan is a lost probe."""

    terminal: str
    target: str
    minutes: np.ndarray
    probes: Floats
    first_byte_milliseconds: Floats | None


@dataclass(frozen=True)
class _Path:
    """What all terminals of a site meet beyond their own link, ready to be looked up by step and minute."""

    access: Queue
    core: Queue
    shift: Floats
    core_shift: Floats
    drift: Floats
    lan: Floats
    out: Flags
    slow_service: Floats


def measure_site(
    rng: np.random.Generator, site: Site, core: Core, access_queue: Queue, core_queue: Queue, days: int
) -> Iterator[Minutes]:
    """Yield what each terminal of a site measured, target by target."""
    total = days * MINUTES_PER_DAY
    mobile = site.kind is LineKind.MOBILE
    path = _Path(
        access=access_queue,
        core=core_queue,
        shift=level(site.route_changes, total),
        core_shift=level(core.route_changes, total),
        drift=8.3 * np.exp(wandering(rng, total, deviation=0.57, memory_minutes=30)) if mobile else np.zeros(total),
        lan=level(site.lan_overloads, total),
        out=covered(site.outages, total),
        slow_service=level(core.slow_service, total),
    )
    for terminal in site.terminals:
        minutes, booting = _presence(rng, terminal, days)
        if minutes.size:
            yield from _measure(rng, site, core, terminal, path, minutes, booting)


def _presence(rng: np.random.Generator, terminal: Terminal, days: int) -> tuple[np.ndarray, Flags]:
    """Return the minutes a terminal reports, and which of these belong to its start."""
    total = days * MINUTES_PER_DAY
    on, booting = np.zeros(total, dtype=bool), np.zeros(total, dtype=bool)
    for day in range(days):
        midnight = day * MINUTES_PER_DAY
        if terminal.always_on:
            on[midnight : midnight + MINUTES_PER_DAY] = True
        elif is_workday(day) and rng.random() >= ABSENT_RATIO:
            start = midnight + int(rng.uniform(7.25, 8.5) * 60)
            on[start : midnight + int(rng.uniform(16.5, 17.75) * 60)] = True
            booting[start : start + BOOT_MINUTES] = True
        if is_workday(day) and rng.random() < SILENT_PER_DAY:
            start = midnight + int(rng.uniform(7.5, 17.0) * 60)
            on[start : start + int(np.clip(rng.exponential(42), 2, 118))] = False
    if terminal.always_on:
        booting[:BOOT_MINUTES] = True
    minutes = np.flatnonzero(on)
    return minutes, booting[minutes]


def _measure(
    rng: np.random.Generator,
    site: Site,
    core: Core,
    terminal: Terminal,
    path: _Path,
    minutes: np.ndarray,
    booting: Flags,
) -> Iterator[Minutes]:
    days = path.out.size // MINUTES_PER_DAY
    busy = covered(
        draw_periods(rng, days, per_workday=0.8, minutes=lambda r: r.uniform(4, 14), size=lambda _: 1.0), path.out.size
    )[minutes]
    flapping = np.zeros(minutes.size, dtype=bool)
    if terminal.wifi:
        periods = draw_periods(rng, days, per_workday=0.25, minutes=lambda r: r.uniform(12, 60), size=lambda _: 1.0)
        flapping = covered(periods, path.out.size)[minutes]
    shape = (minutes.size, PROBES)
    steps = minutes[:, None] * STEPS_PER_MINUTE + np.arange(PROBES) * 3 + int(rng.integers(0, 3))
    lan = path.lan[minutes][:, None]

    def link() -> Floats:
        """Return fresh delays of the terminal, its link and the LAN."""
        delay = _link_delay(rng, shape, wifi=terminal.wifi, booting=booting, busy=busy, flapping=flapping)
        delayed: Floats = delay + lan * rng.uniform(0.75, 1.15, shape)
        return delayed

    link_loss = (np.where(flapping, 0.045, 0.0013) if terminal.wifi else np.full(minutes.size, 0.0001))[:, None]
    jitter = LINE_JITTER[site.kind]
    line_loss = STRAY_LOSS_RATIO + (MOBILE_LOSS_RATIO if site.kind is LineKind.MOBILE else 0.0)
    line = site.base_milliseconds + (path.shift + path.drift)[minutes][:, None] + path.access.delay_milliseconds[steps]
    line_answers = (1 - link_loss) * (1 - line_loss) * (1 - path.access.drop_ratio[steps])
    line_answers = np.where(path.out[minutes][:, None], 0.0, line_answers)

    yield _target(rng, terminal, "gateway", minutes, link(), np.broadcast_to(1 - link_loss, shape))
    edge = link() + line + rng.exponential(jitter, shape)
    if site.edge is EdgeKind.SLOW:
        edge += np.where(rng.random(shape) < 0.035, rng.exponential(35, shape), 0.0)
    answers = line_answers * {EdgeKind.LIMITED: LIMITED_ANSWER_RATIO, EdgeKind.MUTE: 0.0}.get(site.edge, 1.0)
    yield _target(rng, terminal, "edge", minutes, edge, answers)
    server = link() + line + rng.exponential(jitter, shape) + rng.exponential(0.3, shape)
    server += core.base_milliseconds + path.core_shift[minutes][:, None] + path.core.delay_milliseconds[steps]
    answers = line_answers * (1 - path.core.drop_ratio[steps])
    slow = path.slow_service[minutes]
    slow = np.where(slow > 0, slow * rng.uniform(0.8, 1.25, minutes.size), 0.0)
    yield _target(rng, terminal, "server", minutes, np.maximum(server, 0.2), answers, slow)


def _link_delay(
    rng: np.random.Generator, shape: tuple[int, int], *, wifi: bool, booting: Flags, busy: Flags, flapping: Flags
) -> Floats:
    """Return the delay between a terminal and its gateway: cable or radio, a busy CPU, a start, a flapping radio."""
    delay = 1.9 + rng.exponential(1.3, shape) if wifi else 0.5 + rng.exponential(0.12, shape)
    if wifi:
        delay += np.where(rng.random(shape) < 0.008, rng.exponential(50, shape), 0.0)
        radio = rng.exponential(6.0, shape) + np.where(rng.random(shape) < 0.12, rng.exponential(100, shape), 0.0)
        delay += np.where(flapping[:, None], radio, 0.0)
    delay += np.where(booting[:, None] & (rng.random(shape) < 0.24), rng.exponential(45, shape), 0.0)
    delay += np.where(busy[:, None] & (rng.random(shape) < 0.3), rng.exponential(50, shape), 0.0)
    return delay


def _target(
    rng: np.random.Generator,
    terminal: Terminal,
    target: str,
    minutes: np.ndarray,
    delays: Floats,
    answer_ratio: Floats,
    slow_service: Floats | None = None,
) -> Minutes:
    """Lose probes at random and add the application's answer where there is one."""
    probes = np.where(rng.random(delays.shape) < answer_ratio, delays, np.nan)
    first_byte = None
    if slow_service is not None:
        answered = ~np.isnan(probes).all(axis=1)
        medians = np.full(len(probes), np.nan)
        medians[answered] = np.nanmedian(probes[answered], axis=1)
        first_byte = 2 * medians + 3.0 + slow_service
    return Minutes(terminal.name, target, minutes, probes, first_byte)
