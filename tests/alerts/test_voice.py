"""The E-model against the figures of the recommendations themselves."""

from __future__ import annotations

from math import exp, log10, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.voice import (
    DEFAULT_RATING,
    Codec,
    delay_impairment,
    loss_impairment,
    network_class,
    opinion,
    rating,
)

G711_WITH_CONCEALMENT = Codec(0.0, 25.1)
G711 = Codec(0.0, 4.3)
G729A = Codec(11.0, 19.0)


def default_rating_by_g107() -> float:
    """Every equation of G.107 clause 7 with every default of its table 3, no delay and no loss."""
    slr, rlr, stmr, ds, dr, telr, wepl, qdu = 8.0, 2.0, 15.0, 3.0, 3.0, 65.0, 110.0, 1.0
    nc, nfor, ps, pr, t, tr = -70.0, -64.0, 35.0, 35.0, 0.0, 0.0
    olr, lstr = slr + rlr, stmr + dr
    nos = ps - slr - ds - 100 + 0.004 * (ps - olr - ds - 14) ** 2
    pre = pr + 10 * log10(1 + 10 ** ((10 - lstr) / 10))
    nor = rlr - 121 + pre + 0.008 * (pre - 35) ** 2
    no = 10 * log10(sum(10 ** (each / 10) for each in (nc, nos, nor, nfor + rlr)))
    ro = 15 - 1.5 * (slr + no)
    xolr = olr + 0.2 * (64 + no - rlr)
    iolr = 20 * ((1 + (xolr / 8) ** 8) ** (1 / 8) - xolr / 8)
    stmro = -10 * log10(10 ** (-stmr / 10) + exp(-t / 4) * 10 ** (-telr / 10))
    ist = 12 * (1 + ((stmro - 13) / 6) ** 8) ** (1 / 8) - 28 * (1 + ((stmro + 1) / 19.4) ** 35) ** (1 / 35)
    ist += -13 * (1 + ((stmro - 3) / 33) ** 13) ** (1 / 13) + 29
    q = 37 - 15 * log10(qdu)
    g = 1.07 + 0.258 * q + 0.0602 * q**2
    iq = 15 * log10(1 + 10 ** ((ro - 100) / 15 + 46 / 8.4 - g / 9) + 10 ** (46 / 30 - g / 40))
    rle = 10.5 * (wepl + 7) * (tr + 1) ** -0.25
    idle = (ro - rle) / 2 + sqrt((ro - rle) ** 2 / 4 + 169)
    return ro - (iolr + ist + iq) - idle


def test_the_default_rating_is_that_of_the_recommendation():
    assert default_rating_by_g107() == pytest.approx(DEFAULT_RATING, abs=0.05)
    assert rating(0.0, 0.0, Codec(0.0, 1.0)) == DEFAULT_RATING
    assert round(opinion(DEFAULT_RATING), 2) == 4.41


@pytest.mark.parametrize(("r", "mos"), [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58)])
def test_the_limits_of_annex_b(r, mos):
    """G.107 table B.1, which prints 4.03 where its own equation gives 4.024."""
    assert opinion(float(r)) == pytest.approx(mos, abs=0.007)


def test_the_ends_of_the_scale():
    assert opinion(0.0) == opinion(-5.0) == 1.0
    assert opinion(100.0) == opinion(120.0) == 4.5
    # The cubic dips below 1 for small ratings; a score does not.
    assert opinion(5.0) == 1.0


@pytest.mark.parametrize(
    ("delay_ms", "taken"), [(0, 0), (100, 0), (150, 0.16), (200, 3.04), (300, 14.77), (400, 24.07)]
)
def test_delay(delay_ms, taken):
    """Written out by hand; G.114 draws the curve: hardly anything up to 150 ms, R of 69 left at 400 ms."""
    assert delay_impairment(float(delay_ms)) == pytest.approx(taken, abs=0.01)


def test_delay_as_g114_says():
    assert opinion(rating(150.0, 0.0, Codec(0, 1))) > 4.3
    assert rating(400.0, 0.0, Codec(0, 1)) == pytest.approx(69.1, abs=0.1)


@pytest.mark.parametrize(
    ("codec", "percent", "taken"),
    [
        (G711_WITH_CONCEALMENT, 0, 0.0),
        (G711_WITH_CONCEALMENT, 1, 3.64),
        (G711_WITH_CONCEALMENT, 5, 15.78),
        (G711, 1, 17.92),
        (G729A, 0, 11.0),
        (G729A, 2, 19.0),
        (Codec(0.0, 25.1, burst_ratio=2.0), 4, 14.02),
    ],
)
def test_loss(codec, percent, taken):
    """Ie,eff = Ie + (95 - Ie) * Ppl / (Ppl / BurstR + Bpl), written out by hand."""
    assert loss_impairment(percent / 100, codec) == pytest.approx(taken, abs=0.01)


@pytest.mark.parametrize(
    ("delay_ms", "variation_ms", "loss_ratio", "expected"),
    [
        (100, 50, 0.001, 0),
        (101, 50, 0.001, 1),
        (400, 50, 0.001, 1),
        (401, 50, 0.001, None),
        (20, 51, 0, None),
        (20, 5, 0.0011, None),
    ],
)
def test_network_classes(delay_ms, variation_ms, loss_ratio, expected):
    assert network_class(delay_ms, variation_ms, loss_ratio) == expected


RATIOS = st.floats(0, 1)
DELAYS = st.floats(0, 5000)


@given(DELAYS, DELAYS, RATIOS, RATIOS)
def test_more_delay_or_loss_is_never_better(first_ms, second_ms, first_ratio, second_ratio):
    better = rating(min(first_ms, second_ms), min(first_ratio, second_ratio), G711_WITH_CONCEALMENT)
    worse = rating(max(first_ms, second_ms), max(first_ratio, second_ratio), G711_WITH_CONCEALMENT)
    assert 0 <= worse <= better <= DEFAULT_RATING
    assert 1 <= opinion(worse) <= opinion(better) <= 4.5


@given(st.lists(st.tuples(DELAYS, RATIOS), min_size=1, max_size=20))
def test_arrays_are_what_single_numbers_are(lines):
    delays, ratios = np.array(lines).T
    found = rating(delays, ratios, G729A)
    assert found.tolist() == pytest.approx([rating(delay, ratio, G729A) for delay, ratio in lines])
    assert opinion(found).tolist() == pytest.approx([opinion(float(r)) for r in found])
