"""Sites' steps from terminals' steps, against the same worked out one number at a time."""

from __future__ import annotations

import math
from statistics import median_low

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.congestion.baselines import Baseline
from alerts.congestion.features import steps_of
from alerts.congestion.layout import Site, layout_of
from alerts.minutes import WINDOW_FIELDS, Link, LinkWindow

ROWS = 9
FIRST = 4
FLOORS = {"gateway": 1_000.0, "edge": 6_000.0, "server": 16_000.0, "mail": 18_000.0}


def made(links, seed, missing):
    """A window and a baseline of these links, with missing steps, silent targets and unknown floors."""
    dice = np.random.default_rng(seed)
    shape = ROWS, len(links)
    base = np.array([FLOORS[link.target] for link in links])
    values = {name: np.full(shape, np.nan) for name in WINDOW_FIELDS}
    present = dice.random(shape) >= missing
    received = np.where(dice.random(shape) < 0.1, 0, dice.integers(5, 11, shape))
    answered = present & (received > 0)
    middle = base + dice.integers(0, 40_000, shape)
    values["sent"] = np.where(present, 10.0, np.nan)
    values["received"] = np.where(present, received, np.nan)
    values["rtt_p50_us"] = np.where(answered, middle, np.nan)
    values["rtt_min_us"] = np.where(answered, middle - dice.integers(0, 900, shape), np.nan)
    values["large_sent"] = np.where(answered, 2.0, np.nan)
    values["large_received"] = np.where(answered, dice.integers(0, 3, shape), np.nan)
    unknown = dice.random(len(links)) < 0.1
    known = {
        "floor_us": base,
        "spread_us": dice.integers(1_000, 9_000, len(links)),
        "wobble_us": dice.integers(100, 900, len(links)),
        "loss_ratio": dice.random(len(links)) * 0.02,
        "service_us": np.zeros(len(links)),
    }
    window = LinkWindow(tuple(links), 60 * np.arange(ROWS, dtype=np.int64), values)
    return window, Baseline(**{name: np.where(unknown, np.nan, array) for name, array in known.items()})


class ByHand:
    """The same site's step from Python floats alone."""

    def __init__(self, window, baseline, site, terms):
        self.window, self.baseline, self.terms = window, baseline, terms
        self.column = {(link.device_id, link.target): at for at, link in enumerate(window.links) if site == link[1:3]}
        self.devices = sorted({device for device, _ in self.column})
        self.far_names = {
            device: [name for owner, name in self.column if owner == device and name not in ("gateway", "edge")]
            or [name for owner, name in self.column if owner == device and name == "edge"]
            for device in self.devices
        }

    def value(self, field, row, device, target):
        at = self.column.get((device, target))
        return math.nan if at is None else float(self.window.values[field][row, at])

    def base(self, name, device, target):
        at = self.column.get((device, target))
        return math.nan if at is None else float(getattr(self.baseline, name)[at])

    def above(self, field, row, device, target):
        return self.value(field, row, device, target) - self.base("floor_us", device, target)

    def lan(self, row, device):
        excess = self.above("rtt_p50_us", row, device, "gateway")
        return max(excess, 0.0) if not math.isnan(excess) else 0.0

    def far(self, row):
        return [
            least(
                self.above("rtt_p50_us", row, device, name) - self.lan(row, device) for name in self.far_names[device]
            )
            for device in self.devices
        ]

    def lost_and_sent(self, row, device):
        """None where nothing was answered."""
        sent_to_gateway, from_gateway = (self.value(name, row, device, "gateway") for name in ("sent", "received"))
        share = (sent_to_gateway - from_gateway) / sent_to_gateway if from_gateway > 0 else 0.0
        lost = sent = 0.0
        for name in self.far_names[device]:
            tried, got = self.value("sent", row, device, name), self.value("received", row, device, name)
            if got > 0:
                lost += tried - got - share * tried
                sent += tried
        return (max(lost, 0.0), sent) if sent else None

    def loss(self, row):
        """(ratio, significant) over the evidence steps, the worst of three and more terminals left out."""
        rows = range(max(0, row - self.terms.evidence_steps + 1), row + 1)
        pools, usual = [], []
        for device in self.devices:
            each = [pair for at in rows if (pair := self.lost_and_sent(at, device))]
            if each:
                pools.append((sum(pair[0] for pair in each), sum(pair[1] for pair in each)))
                normal = least(self.base("loss_ratio", device, name) for name in self.far_names[device])
                usual.append(0.0 if math.isnan(normal) else normal)
        if len(pools) >= 3:
            pools.remove(max(pools, key=lambda pair: pair[0] / pair[1]))
        lost, sent = sum(pair[0] for pair in pools), sum(pair[1] for pair in pools)
        if not sent:
            return 0.0, False
        expected = sent * min(max(sum(usual) / len(usual), 0.001), self.terms.usual_loss_max_ratio)
        lossy_rows = sum(
            sum(pair[0] for device in self.devices if (pair := self.lost_and_sent(at, device))) > 0 for at in rows
        )
        enough = lost >= expected + 4 * math.sqrt(expected) + 2
        return lost / sent, enough and lossy_rows >= self.terms.loss_steps

    def large(self, row):
        bad = tried = 0.0
        for at in range(max(0, row - self.terms.evidence_steps + 1), row + 1):
            for device in self.devices:
                small_ones = [self.value("received", at, device, name) for name in self.far_names[device]]
                sent, got = (self.value(name, at, device, "gateway") for name in ("sent", "received"))
                lossy = got < (1 - self.terms.loss_with_delay_min_ratio) * sent
                if lossy or not any(each > 0 for each in small_ones):
                    continue
                for name in self.far_names[device]:
                    large_sent = self.value("large_sent", at, device, name)
                    if not math.isnan(large_sent):
                        tried += large_sent
                        bad += large_sent - self.value("large_received", at, device, name)
        return bad / tried if bad >= self.terms.large_loss_min_count else 0.0


def least(values):
    known = [each for each in values if not math.isnan(each)]
    return min(known, default=math.nan)


def middle_of(values):
    known = [each for each in values if not math.isnan(each)]
    return median_low(known) if known else math.nan


site_links = st.lists(
    st.sampled_from(
        [
            ("gateway", "edge", "server"),
            ("gateway", "edge", "server", "mail"),
            ("server",),
            ("gateway", "edge"),
            ("gateway", "server"),
        ]
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=30, deadline=None)
@given(sites=st.lists(site_links, min_size=1, max_size=2), seed=st.integers(0, 2**32 - 1), missing=st.just(0.15))
def test_against_one_number_at_a_time(parameters, sites, seed, missing):
    terms = parameters.congestion
    links = [
        Link(f"t{number}-{terminal}", f"u{number}", "main", target)
        for number, terminals in enumerate(sites)
        for terminal, targets in enumerate(terminals)
        for target in targets
    ]
    window, baseline = made(links, seed, missing)
    steps = steps_of(window, baseline, layout_of(links, terms), FIRST, terms)
    for number in range(len(sites)):
        site = Site(f"u{number}", "main")
        hand = ByHand(window, baseline, site, terms)
        for at, step in enumerate(steps.sites):
            row = FIRST + at
            reports = sum(
                any(not math.isnan(hand.value("sent", row, device, name)) for name in hand.far_names[device])
                for device in hand.devices
            )
            if not reports:
                assert site not in step
                continue
            got = step[site]
            far = hand.far(row)
            assert (got.reporting, got.terminals) == (reports, sum(not math.isnan(each) for each in far))
            assert got.far == pytest.approx(middle_of(far), nan_ok=True)
            edge = [hand.above("rtt_p50_us", row, device, "edge") - hand.lan(row, device) for device in hand.devices]
            assert got.edge == pytest.approx(middle_of(edge), nan_ok=True)
            lan = [hand.above("rtt_p50_us", row, device, "gateway") for device in hand.devices]
            assert got.lan == pytest.approx(middle_of(lan), nan_ok=True)
            ratio, significant = hand.loss(row)
            assert got.loss_ratio == pytest.approx(ratio)
            assert got.loss_significant == significant
            assert got.large_ratio == pytest.approx(hand.large(row))
            received = [
                hand.value("received", row, device, name) for device in hand.devices for name in hand.far_names[device]
            ]
            assert got.dead == (not any(each > 0 for each in received))


def even(links, median_us, received=10.0):
    """A window in which every row says the same."""
    values = {name: np.full((ROWS, len(links)), np.nan) for name in WINDOW_FIELDS}
    values["sent"][:], values["received"][:] = 10.0, received
    values["rtt_p50_us"][:], values["rtt_min_us"][:] = median_us, np.array(median_us) - 500
    base = np.array([FLOORS[link.target] for link in links])
    none = np.zeros(len(links))
    return (
        LinkWindow(tuple(links), 60 * np.arange(ROWS, dtype=np.int64), values),
        Baseline(base, none + 2_000, none + 300, none, none),
    )


def judged(links, terms, *row):
    window, baseline = even(links, *row)
    return steps_of(window, baseline, layout_of(links, terms), FIRST, terms)


@pytest.fixture
def two():
    return [Link(f"t{n}", "u", "main", name) for n in range(2) for name in ("gateway", "server")]


def test_what_the_gateway_adds_is_not_the_lines(two, parameters):
    step = judged(two, parameters.congestion, [21_000, 41_000, 1_000, 16_000]).sites[0][Site("u", "main")]
    # 5 ms of the first terminal's 25 lie beyond its gateway; of two terminals the lower speaks.
    assert (step.far, step.lan) == (0.0, 0.0)
    step = judged(two, parameters.congestion, [21_000, 41_000, 31_000, 56_000]).sites[0][Site("u", "main")]
    assert (step.far, step.lan) == (5_000.0, 20_000.0)


def test_of_two_far_targets_the_less_raised_speaks_for_the_line(parameters):
    links = [Link("t", "u", "main", name) for name in ("server", "mail")]
    step = judged(links, parameters.congestion, [90_000, 19_000]).sites[0][Site("u", "main")]
    assert step.far == 1_000.0


def test_a_terminal_that_stands_above_its_site(two, parameters):
    links = [*two, *(Link("t2", "u", "main", name) for name in ("gateway", "server"))]
    steps = judged(links, parameters.congestion, [1_000, 17_000, 1_000, 18_000, 31_000, 46_000])
    assert steps.own[0].tolist() == [0.0, 1_000.0, 30_000.0]


def test_one_terminal_that_loses_everything_is_not_the_lines_loss(two, parameters):
    links = [*two, *(Link("t2", "u", "main", name) for name in ("gateway", "server"))]
    median = [1_000, 16_000] * 3
    one = judged(links, parameters.congestion, median, [10, 10, 10, 10, 10, 2])
    all_three = judged(links, parameters.congestion, median, [10, 8, 10, 8, 10, 8])
    gateway_too = judged(links, parameters.congestion, median, [8, 8, 8, 8, 8, 8])
    site = Site("u", "main")
    assert (one.sites[0][site].loss_ratio, one.sites[0][site].loss_significant) == (0.0, False)
    assert all_three.sites[0][site].loss_ratio == pytest.approx(0.2)
    assert all_three.sites[0][site].loss_significant
    assert gateway_too.sites[0][site].loss_ratio == pytest.approx(0.0)


def test_a_gateway_that_never_answers_takes_nothing_away(two, parameters):
    step = judged(two, parameters.congestion, [math.nan, 16_000] * 2, [0, 8, 0, 8]).sites[0][Site("u", "main")]
    assert step.loss_ratio == pytest.approx(0.2)
    assert step.gateway_dead
    assert not step.dead
