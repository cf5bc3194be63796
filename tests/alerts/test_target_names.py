"""Names of targets that one terminal makes up: they raise nothing in the province's name and widen no arrays."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.congestion.detector import Detector
from alerts.congestion.settings import detector_parameters
from alerts.minutes import WINDOW_FIELDS, Link
from alerts.rules import SHIPPED_RULES, load_rules

START = 1_780_000_000 // 3600 * 60
MINUTES = 90
DEAD_FROM = 70


def links_of(names):
    honest = [
        Link(f"pc{number}", f"u{number // 2}", "main", target)
        for number in range(8)
        for target in ("gateway", "server", "second")
    ]
    return [*honest, *(Link("pc0", "u0", "main", name) for name in names)]


def events(links, dead):
    detector = Detector(detector_parameters(load_rules(SHIPPED_RULES).values()))
    for minute in range(MINUTES):
        lost = np.array([minute >= DEAD_FROM and dead(link) for link in links])
        values = {name: np.full(len(links), np.nan) for name in WINDOW_FIELDS}
        values["sent"] = np.full(len(links), 10.0)
        values["received"] = np.where(lost, 0.0, 10.0)
        for name in ("rtt_min_us", "rtt_p50_us", "rtt_p95_us", "rtt_mean_us"):
            values[name] = np.where(lost, np.nan, 20_000.0)
        steps = np.full(len(links), START + minute)
        detector.ring.put_arrays(tuple(links), np.arange(len(links)), steps, values)
        detector.advance(START + minute)
    return detector.judged(lambda site: site.unit_code).events


@pytest.mark.parametrize("count", [1, 100])
def test_what_one_site_alone_measures_is_no_outage_of_the_province(count):
    names = [f"invented{number}" for number in range(count)]
    assert events(links_of(names), lambda link: link.target in names) == ()


def test_what_every_site_measures_is():
    names = [f"invented{number}" for number in range(20)]
    (event,) = events(links_of(names), lambda link: link.target == "second")
    assert (event.rule, event.target, event.site) == ("outage", "second", None)
    assert event.fired_at is not None


def test_one_terminal_s_word_among_many_sites_is_not_enough():
    assert events(links_of(()), lambda link: link.target == "second" and link.device_id == "pc0") == ()
