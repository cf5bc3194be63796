"""Small provinces made of numbers, as readings of a store and as a trace; and the shipped parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from alerts.congestion.detector import Detector
from alerts.congestion.listing import closed_events
from alerts.congestion.settings import detector_parameters
from alerts.replay.run import replay
from alerts.replay.trace import trace_of

# A whole hour, so that blocks of baselines begin with the trace.
START = 1_772_409_600
MINUTE = 60
FLOORS_US = {"gateway": 1_000, "edge": 6_000, "server": 16_000, "mail": 18_000}


@dataclass(frozen=True)
class Stored:
    """One reading as a metric store hands it out."""

    tags: Mapping[str, str]
    time_seconds: int
    fields: Mapping[str, int]


@dataclass(frozen=True)
class Trouble:
    """Something that happens from minute `start` on for `minutes`, at one site (None: at all of them)."""

    kind: str
    start: int
    minutes: int
    size_us: int = 40_000
    site: int | None = None
    terminal: int | None = None


@dataclass(frozen=True)
class Plan:
    """A small province: terminals of each site, what each of them measures, and what happens."""

    terminals: tuple[int, ...]
    minutes: int
    targets: tuple[tuple[str, ...], ...]
    troubles: tuple[Trouble, ...] = ()
    missing_ratio: float = 0.0
    repeats_ratio: float = 0.0
    seed: int = 0
    unit: str = "u"
    extra: tuple[Stored, ...] = field(default=())


def readings_of(plan: Plan) -> list[Stored]:
    """Every reading of the province in order of time; some twice, the second time with fewer probes."""
    noise = np.random.default_rng(plan.seed)
    result: list[Stored] = []
    for site, terminals in enumerate(plan.terminals):
        for terminal in range(terminals):
            for target in plan.targets[site]:
                result += _link(plan, site, terminal, target, noise)
    return sorted([*result, *plan.extra], key=lambda one: one.time_seconds)


def _link(  # noqa: PLR0912 - one branch for each kind of trouble
    plan: Plan, site: int, terminal: int, target: str, noise: np.random.Generator
) -> list[Stored]:
    count = plan.minutes
    shortest = FLOORS_US[target] + 500 * site + np.abs(noise.normal(0, 200, count))
    median = shortest + np.abs(noise.normal(400, 100, count))
    received = 10 - (noise.random(count) < 0.01).astype(int)
    present = noise.random(count) >= plan.missing_ratio
    first_byte = 2 * median + 20_000
    large = np.full(count, 2)
    for trouble in plan.troubles:
        if trouble.site not in (None, site) or trouble.terminal not in (None, terminal):
            continue
        span = slice(trouble.start, trouble.start + trouble.minutes)
        shape = trouble.size_us * noise.uniform(0.7, 1.3, len(median[span]))
        if trouble.kind == "off":
            present[span] = False
        elif trouble.kind in _REACHES and target in _REACHES[trouble.kind]:
            if trouble.kind.startswith("outage"):
                received[span] = 0
            elif trouble.kind == "path":
                shortest[span] += trouble.size_us
                median[span] += trouble.size_us
            elif trouble.kind == "service":
                first_byte[span] += 30 * trouble.size_us
            elif trouble.kind == "loss":
                received[span] = np.minimum(received[span], noise.integers(7, 10, len(received[span])))
            elif trouble.kind == "large":
                large[span] = 0
            else:
                shortest[span] += noise.uniform(0.1, 0.6) * shape
                median[span] += shape
    answered = received > 0
    tags = {
        "province": "40",
        "unit": f"{plan.unit}{site}",
        "site": "main",
        "device_id": f"{plan.unit}{site}-t{terminal}",
        "target": target,
    }
    far = target not in ("gateway", "edge")
    rows = []
    for at in np.flatnonzero(present).tolist():
        fields = {"sent": 10, "received": int(received[at])}
        if answered[at]:
            fields |= {
                "rtt_min_us": int(shortest[at]),
                "rtt_p50_us": int(median[at]),
                "rtt_p95_us": int(median[at] + 1500),
            }
            if far:
                fields |= {
                    "first_byte_us": int(first_byte[at]),
                    "large_sent": 2,
                    "large_received": int(large[at]),
                }
        rows.append(Stored(tags, START + at * MINUTE, fields))
        if noise.random() < plan.repeats_ratio:
            rows.append(Stored(tags, START + at * MINUTE, fields | {"sent": 9, "received": min(9, int(received[at]))}))
    return rows


_FAR = ("server", "mail")
_REACHES = {
    "lan": ("gateway", "edge", *_FAR),
    "access": ("edge", *_FAR),
    "core": _FAR,
    "path": ("edge", *_FAR),
    "outage": ("edge", *_FAR),
    "outage_lan": ("gateway", "edge", *_FAR),
    "outage_target": ("mail",),
    "service": _FAR,
    "loss": ("edge", *_FAR),
    "large": _FAR,
    "own": ("gateway", "edge", *_FAR),
}


class Live:
    """A detector fed as a collector feeds it: what has arrived by a minute is judged in that minute."""

    def __init__(self, parameters, **options) -> None:
        self.detector = Detector(parameters, **options)
        self.settled = []

    def feed(self, arrivals, last, *, every=1, alert_from=0) -> None:
        """Hands readings over by minute of arrival (counted from `START`) and judges every so many minutes.

        Before `alert_from` it judges by quarters of an hour only: nothing but learning happens then.
        """
        for minute in range(max(last, *arrivals) + 1):
            self.detector.put(arrivals.get(minute, ()), START + minute * MINUTE)
            if minute >= last or minute % (every if minute >= alert_from else 15) == 0:
                self.detector.advance(START // MINUTE + min(minute, last))
                self.settled += self.detector.take_settled()

    def events(self):
        """All events, those that settled already and those that are under way."""
        return [*self.settled, *self.detector.settle()]


def in_order(readings):
    """Every reading in the minute that it tells of."""
    arrivals = defaultdict(list)
    for one in readings:
        arrivals[(one.time_seconds - START) // MINUTE].append(one)
    return arrivals


def told(events):
    """As a replay tells them: path changes of many sites joined, pending ones left out, in one order."""
    fired = [event for event in closed_events(events) if event.fired_at is not None]
    return sorted(fired, key=lambda event: (event.fired_at, event.rule, event.subject))


def replayed(readings, parameters):
    """Events of the whole as a trace."""
    return replay(trace_of(readings, "test"), parameters)


@pytest.fixture(scope="session")
def parameters(rules):
    """Of the shipped rules."""
    return detector_parameters(rules.values())


@pytest.fixture(scope="session")
def small():
    """The words these tests speak in."""
    return _Words


class _Words:
    START = START
    MINUTE = MINUTE
    Stored = Stored
    Trouble = Trouble
    Plan = Plan
    Live = Live
    readings_of = staticmethod(readings_of)
    in_order = staticmethod(in_order)
    told = staticmethod(told)
    replayed = staticmethod(replayed)
