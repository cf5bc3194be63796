"""The site detector where few terminals probe the line: the others have their gateway and their uploads' connects."""

import numpy as np
import pytest

from agent.wire.catalogue import LINK_LATENCY
from alerts.congestion.layout import Site
from alerts.congestion.settings import detector_parameters
from alerts.presence import SLOT_SECONDS
from alerts.rules import SHIPPED_RULES, load_rules
from collector.metrics.embedded import EmbeddedMetricStore
from collector.metrics.port import Point
from collector.presence import Presence
from collector.watching import LinkWatch

START = 1_795_399_200
MINUTE = 60
PROBERS = ("p1", "p2", "p3")
OTHERS = tuple(f"o{number}" for number in range(9))


def point(device, target, minute, **fields):
    tags = {"province": "40", "unit": "16681", "site": "main", "device_id": device, "target": target}
    return Point(LINK_LATENCY, tags, fields, START + minute * MINUTE + 20)


def latency(minute, device, target, floor, added, sent):
    dice = np.random.default_rng([minute, *device.encode(), *target.encode()])
    trips = np.sort(floor + dice.exponential(300, sent) + added * dice.uniform(0.5, 1.2, sent))
    middle = int(np.median(trips))
    return point(
        device,
        target,
        minute,
        sent=sent,
        received=sent,
        rtt_min_us=int(trips[0]),
        rtt_p50_us=middle,
        rtt_p95_us=int(trips[-1]),
        rtt_mean_us=int(trips.mean()),
    )


def office(minute, *, added=0, line=True, probers=PROBERS):
    """One minute: probers with six echoes, the others with their gateway, now and then an upload's connect."""
    points = [latency(minute, one, "gateway", 900, 0, 10) for one in (*probers, *OTHERS)]
    for one in probers:
        if line:
            points.append(latency(minute, one, "collector", 16_000, added, 6))
        else:
            points.append(point(one, "collector", minute, sent=6, received=0))
    for number, one in enumerate(OTHERS):
        if line and (minute + number) % 15 == 0:
            points.append(
                point(
                    one,
                    "collector",
                    minute,
                    connect_tried=1,
                    connect_slow=0,
                    connect_failed=0,
                    connect_p50_us=18_000 + added,
                )
            )
    return points


@pytest.fixture
def store(tmp_path):
    made = EmbeddedMetricStore(tmp_path / "metrics.sqlite")
    made.ensure_storage()
    yield made
    made.close()


def state_after(store, minutes, **last):
    """The site's line after so many minutes, the last twelve of which are as told."""
    watch = LinkWatch(detector_parameters(load_rules(SHIPPED_RULES).values()), store, None)
    for minute in range(minutes):
        points = office(minute, **(last if minute >= minutes - 12 else {}))
        store.write(points)
        watch.put(points)
        if minute % 10 == 0 or minute >= minutes - 12:
            watch.judged(START + (minute + 1) * MINUTE + 31)
    states = watch.states(START + minutes * MINUTE + 31)
    return states.sites[Site("16681", "main")]


def test_a_quiet_line_is_quiet(store):
    line = state_after(store, 200)
    assert line.status.state == "ok"
    # Those that ping their gateway only are terminals of the site too.
    assert line.terminals == len(PROBERS) + len(OTHERS)
    assert line.gateway_answers


def test_three_probers_find_a_full_line(store):
    assert state_after(store, 200, added=50_000).status.state == "firing"


def test_a_line_that_is_cut_is_an_outage_though_gateways_answer(store):
    line = state_after(store, 200, line=False)
    assert line.status.state == "outage"
    assert line.gateway_answers


def test_without_a_prober_nothing_is_made_up(store):
    """Gateways and the connects of uploads alone: neither an outage nor a full line."""
    line = state_after(store, 200, probers=())
    assert line.status.state in {"ok", "unknown"}


class Reads:
    """A store that remembers which times it was asked for."""

    def __init__(self, store):
        self._store, self.spans = store, []

    def read(self, measurement, fields, *, start_seconds, end_seconds):
        self.spans.append((start_seconds, end_seconds))
        return self._store.read(measurement, fields, start_seconds=start_seconds, end_seconds=end_seconds)


def test_a_half_hour_is_read_when_the_batches_of_it_have_come(store):
    """An ordinary terminal tells of the middle of a half-hour up to a quarter of an hour later."""
    slot = START // SLOT_SECONDS
    middle, end = slot * SLOT_SECONDS + SLOT_SECONDS // 2, (slot + 1) * SLOT_SECONDS
    reads = Reads(store)
    presence = Presence(reads, None)
    presence.current(end + 540.0, 0.0)
    assert reads.spans
    assert max(last for _, last in reads.spans) < middle - SLOT_SECONDS // 2
    presence.current(end + 660.0, 0.0)
    assert (middle - 60, middle + 60) in reads.spans
