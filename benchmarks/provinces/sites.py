"""The sites of a simulated province: lines, terminals, routers and what befalls them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from benchmarks.provinces.queues import Line
from benchmarks.provinces.trouble import MINUTES_PER_DAY, Period, draw_periods, is_workday

POLICER_DROP_RATIO = 0.07
ALL_DAY_HOURS = (8.0, 16.5)


class LineKind(StrEnum):
    """How a site is connected."""

    FIBRE = "fibre"
    DSL = "dsl"
    MOBILE = "4g"


class EdgeKind(StrEnum):
    """How the first router beyond the access line answers echoes."""

    PROMPT = "prompt"
    SLOW = "slow"
    LIMITED = "limited"
    MUTE = "mute"


@dataclass(frozen=True)
class Terminal:
    """One computer: its link and whether it runs at night."""

    name: str
    wifi: bool
    always_on: bool


@dataclass(frozen=True)
class Site:
    """One commune office and everything that happens to it."""

    name: str
    kind: LineKind
    line: Line
    base_milliseconds: float
    edge: EdgeKind
    terminals: tuple[Terminal, ...]
    tiny_buffer: bool
    all_day: bool
    extra_load: list[Period]
    route_changes: list[Period]
    lan_overloads: list[Period]
    outages: list[Period]


@dataclass(frozen=True)
class Core:
    """The provincial core: one bottleneck that all sites share, and the service behind it."""

    line: Line
    base_milliseconds: float
    extra_load: list[Period]
    route_changes: list[Period]
    slow_service: list[Period]


def draw_core(rng: np.random.Generator, days: int) -> Core:
    """Return a random core with its congestion, route changes and slow service."""
    line = Line(
        buffer_milliseconds=rng.uniform(90, 220),
        drop_ratio=0.024,
        peak_load=rng.uniform(0.36, 0.46),
        object_seconds=0.25,
    )
    return Core(
        line=line,
        base_milliseconds=10.0,
        extra_load=draw_periods(
            rng, days, per_workday=0.4, minutes=lambda r: r.uniform(20, 105), size=lambda r: r.uniform(0.92, 1.4)
        ),
        route_changes=draw_periods(
            rng, days, per_workday=0.28, minutes=lambda r: r.uniform(600, 4300), size=lambda r: r.uniform(5, 40)
        ),
        slow_service=draw_periods(
            rng, days, per_workday=0.2, minutes=lambda r: r.uniform(20, 55), size=lambda r: r.uniform(500, 1400)
        ),
    )


def draw_sites(rng: np.random.Generator, count: int, days: int, *, hard: bool) -> list[Site]:
    """Return random sites; hard provinces have 4G and DSL lines, single terminals, tiny buffers, an overfull line."""
    kinds = [LineKind.FIBRE] * count
    order = rng.permutation(count)
    if hard:
        mobile, dsl = max(1, round(0.15 * count)), max(1, round(0.3 * count))
        for index in order[:mobile]:
            kinds[index] = LineKind.MOBILE
        for index in order[mobile : mobile + dsl]:
            kinds[index] = LineKind.DSL
    single = _some(rng, count, 0.15 if hard else 0.0)
    shared_access_point = _some(rng, count, 0.2 if hard else 0.0)
    tiny = _some(rng, count, 0.25 if hard else 0.1)
    edges = _edges(rng, count)
    all_day = set(rng.permutation(count)[:1].tolist()) if hard else set()
    return [
        _draw_site(
            rng,
            days,
            name=f"s{index:02d}",
            kind=kinds[index],
            terminals=1 if index in single else 4,
            shared_access_point=index in shared_access_point,
            tiny=index in tiny,
            all_day=index in all_day,
            edge=edges[index],
        )
        for index in range(count)
    ]


def _some(rng: np.random.Generator, count: int, ratio: float) -> set[int]:
    """Return the numbers of at least one site, about that share of all; none when the share is 0."""
    many = max(1, round(ratio * count)) if ratio else 0
    return set(rng.permutation(count)[:many].tolist())


def _edges(rng: np.random.Generator, count: int) -> list[EdgeKind]:
    """Return how each site's edge router answers: about one in eight each is slow, limited or mute."""
    odd = [kind for kind in (EdgeKind.SLOW, EdgeKind.LIMITED, EdgeKind.MUTE) for _ in range(max(1, round(count / 8)))]
    kinds = (odd + [EdgeKind.PROMPT] * count)[:count]
    return [kinds[index] for index in rng.permutation(count)]


def _draw_site(
    rng: np.random.Generator,
    days: int,
    *,
    name: str,
    kind: LineKind,
    terminals: int,
    shared_access_point: bool,
    tiny: bool,
    all_day: bool,
    edge: EdgeKind,
) -> Site:
    base = {LineKind.FIBRE: (3.0, 12.0), LineKind.DSL: (12.0, 24.0), LineKind.MOBILE: (26.0, 50.0)}[kind]
    if tiny:
        buffer_milliseconds = 14.0 if rng.random() < 0.6 else rng.uniform(28, 60)
    else:
        buffer_milliseconds = float(np.exp(rng.uniform(np.log(60), np.log(600))))
    busy = rng.random() < 0.2
    line = Line(
        buffer_milliseconds=float(buffer_milliseconds),
        drop_ratio=POLICER_DROP_RATIO if tiny else 0.022,
        peak_load=float(rng.uniform(0.64, 0.76) if busy else rng.uniform(0.36, 0.7)),
        object_seconds=float(rng.uniform(0.2, 0.4)),
    )
    extra = draw_periods(
        rng,
        days,
        per_workday=0.7 if busy else 0.08,
        minutes=lambda r: r.uniform(12, 90),
        size=lambda r: r.uniform(0.7, 1.4),
    )
    extra += draw_periods(
        rng, days, per_workday=0.05, minutes=lambda r: r.uniform(4, 13), size=lambda r: r.uniform(0.3, 0.8)
    )
    extra += draw_periods(rng, days, per_workday=0.5, minutes=lambda r: r.uniform(0.6, 1.8), size=lambda _: 1.2)
    if all_day:
        extra += _every_workday(days)
    return Site(
        name=name,
        kind=kind,
        line=line,
        base_milliseconds=float(rng.uniform(*base)),
        edge=edge,
        terminals=tuple(
            Terminal(
                name=f"{name}-t{number}",
                wifi=shared_access_point or bool(rng.random() < 0.4),
                always_on=bool(rng.random() < 0.1),
            )
            for number in range(terminals)
        ),
        tiny_buffer=tiny,
        all_day=all_day,
        extra_load=extra,
        route_changes=draw_periods(
            rng, days, per_workday=0.04, minutes=lambda r: r.uniform(500, 6000), size=lambda r: r.uniform(5, 40)
        ),
        lan_overloads=draw_periods(
            rng, days, per_workday=0.06, minutes=lambda r: r.uniform(12, 57), size=lambda r: r.uniform(12, 65)
        ),
        outages=draw_periods(rng, days, per_workday=0.06, minutes=lambda r: r.uniform(2, 20), size=lambda _: 1.0),
    )


def _every_workday(days: int) -> list[Period]:
    first, last = (int(hour * 60) for hour in ALL_DAY_HOURS)
    return [
        Period(day * MINUTES_PER_DAY + first, day * MINUTES_PER_DAY + last, 1.15)
        for day in range(days)
        if is_workday(day)
    ]
