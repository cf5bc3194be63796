"""What people are shown of the way to a conference, good or bad: the rating of every site, as the rule judges it."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.conditions.voice_quality import SPEECH_FIELDS, SiteSpeech
from alerts.minutes import Link, LinkWindow
from alerts.ports import Inputs
from alerts.rules import SHIPPED_RULES, load_rules

MINUTES = 5


@pytest.fixture(scope="module")
def condition():
    return load_rules(SHIPPED_RULES)["voice_quality_low"].condition


def window_of(links, **values):
    usual = {"sent": 10.0, "received": 10.0, "rtt_min_us": 18_000.0, "rtt_p50_us": 20_000.0, "rtt_p95_us": 26_000.0}
    shape = (MINUTES, len(links))
    arrays = {name: np.broadcast_to(np.asarray(values.get(name, usual[name]), float), shape) for name in SPEECH_FIELDS}
    return LinkWindow(tuple(links), np.arange(MINUTES) * 60, arrays)


def links(*names, site="main", target="conference"):
    return [Link(name, "u1", site, target) for name in names]


def test_a_good_line_is_told_too(condition):
    found = condition.of_sites(window_of(links("a", "b", "c")), "conference")
    # G.107 with its default values and G.711: R = 93.2, which annex B turns into 4.41.
    assert found == [SiteSpeech("u1", "main", "conference", 3, 93.2, 4.41, 10_000, 8_000, 0.0)]


def test_the_middle_terminal_speaks_for_its_site(condition):
    medians = np.array([20_000.0, 600_000.0, 700_000.0])
    window = window_of(links("a", "b", "c"), rtt_min_us=medians - 2000, rtt_p50_us=medians, rtt_p95_us=medians + 6000)
    (found,) = condition.of_sites(window, "conference")
    assert (found.terminals, found.one_way_delay_us) == (3, 300_000)
    one = window_of(links("a", "b"), rtt_min_us=medians[:2], rtt_p50_us=medians[:2], rtt_p95_us=medians[:2])
    # Of two the better one: more than half must be as badly off.
    assert condition.of_sites(one, "conference")[0].one_way_delay_us == 10_000


def test_sites_and_targets_are_kept_apart(condition):
    window = window_of(
        [
            *links("a", site="x"),
            *links("b", site="w"),
            *links("c", site="x", target="meeting"),
            *links("d", target="gateway"),
        ]
    )
    told = [(each.site, each.target, each.terminals) for each in condition.of_sites(window, "conference")]
    assert told == [("w", "conference", 1), ("x", "conference", 1)]
    assert [each.site for each in condition.of_sites(window, "meeting")] == ["x"]
    assert condition.of_sites(window, "nobody") == []


def test_too_few_minutes_are_not_rated(condition):
    median = np.full((MINUTES, 1), np.nan)
    median[:1] = 20_000.0
    assert condition.of_sites(window_of(links("a"), rtt_p50_us=median), "conference") == []
    median[:2] = 20_000.0
    assert len(condition.of_sites(window_of(links("a"), rtt_p50_us=median), "conference")) == 1


def test_it_is_the_number_that_the_rule_warns_with(condition):
    window = window_of(links("a", "b"), received=8.0)
    (found,) = condition.of_sites(window, "conference")
    ((_, observation),) = condition.judge(Inputs(link_window=window), set(), 300.0)
    assert (found.mos, found.rating) == (observation.readings["mos"], observation.readings["rating"])
    assert found.loss_ratio == observation.readings["loss_ratio"] == 0.2
    assert found.rating < 70
