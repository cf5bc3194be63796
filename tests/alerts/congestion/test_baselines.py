"""What is learned of lines, when it counts, and what a file keeps of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from alerts.congestion.baselines import Baselines, nan_percentile
from alerts.minutes import WINDOW_FIELDS, Link, LinkWindow

HOUR = 3600
START = 472_222 * HOUR
LINK, OTHER = Link("t1", "u", "main", "server"), Link("t2", "u", "main", "server")


def hour_of(start, *columns, links=(LINK,), received=10.0):
    """A window of one hour with these shortest round trips; medians 1 ms, 95th percentiles 3 ms above."""
    shortest = np.array(columns, dtype=float).T
    values = {name: np.full(shortest.shape, np.nan) for name in WINDOW_FIELDS}
    values["sent"] = np.where(np.isfinite(shortest), 10.0, np.nan)
    values["received"] = np.where(np.isfinite(shortest), received, np.nan)
    values["rtt_min_us"], values["rtt_p50_us"] = shortest, shortest + 1_000
    values["rtt_p95_us"] = shortest + 3_000
    return LinkWindow(tuple(links), start + 60 * np.arange(len(shortest)), values)


@pytest.fixture
def baselines():
    return Baselines(step_seconds=60, days=7, learning_minutes=60)


@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 12), st.integers(1, 4)),
        elements=st.one_of(st.just(np.nan), st.floats(0, 1e6)),
    ),
    st.floats(0, 1),
)
def test_percentile_is_numpys(values, share):
    expected = np.nanpercentile(values, 100 * share, axis=0)
    np.testing.assert_allclose(nan_percentile(values, share), expected, rtol=1e-9, atol=1e-6)


def test_percentile_of_nothing():
    assert np.isnan(nan_percentile(np.empty((0, 3)), 0.5)).tolist() == [True] * 3


def test_a_block_counts_one_block_after_its_end(baselines):
    baselines.put_block(START, hour_of(START, np.linspace(16_000, 17_000, 60)))
    assert np.isnan(baselines.at(START + 2 * HOUR - 1, (LINK,)).floor_us[0])
    now = baselines.at(START + 2 * HOUR, (LINK, OTHER))
    assert now.floor_us[0] == pytest.approx(16_100, abs=1)
    assert now.spread_us[0] == pytest.approx(3_000)
    assert now.wobble_us[0] == pytest.approx(400, abs=1)
    assert now.loss_ratio[0] == 0
    assert np.isnan(now.floor_us[1])


def test_hours_of_congestion_do_not_lift_it(baselines):
    for number in range(24):
        lifted = 60_000 if number % 2 else 0
        baselines.put_block(START + number * HOUR, hour_of(START + number * HOUR, np.full(60, 16_000 + lifted)))
    assert baselines.at(START + 25 * HOUR, (LINK,)).floor_us[0] == pytest.approx(16_000)


def test_with_less_than_an_hour_of_minutes_it_is_learning(baselines):
    half = np.full(60, np.nan)
    half[:30] = 16_000
    baselines.put_block(START, hour_of(START, half))
    assert np.isnan(baselines.at(START + 4 * HOUR, (LINK,)).floor_us[0])
    baselines.put_block(START + HOUR, hour_of(START + HOUR, half))
    assert baselines.at(START + 4 * HOUR, (LINK,)).floor_us[0] == 16_000


def test_an_hour_of_an_outage_teaches_no_loss(baselines):
    dead = hour_of(START, np.full(60, 16_000.0))
    dead.values["received"][:30] = 0
    dead.values["received"][30:] = 9
    baselines.put_block(START, dead)
    assert baselines.at(START + 2 * HOUR, (LINK,)).loss_ratio[0] == pytest.approx(0.1)


def test_after_a_week_it_is_forgotten(baselines):
    baselines.put_block(START, hour_of(START, np.full(60, 16_000.0)))
    week = 7 * 24 * HOUR
    assert np.isfinite(baselines.at(START + week + HOUR, (LINK,)).floor_us[0])
    assert np.isnan(baselines.at(START + week + 2 * HOUR, (LINK,)).floor_us[0])
    baselines.put_block(START + week + 2 * HOUR, hour_of(START + week + 2 * HOUR, np.full(60, 1.0)))
    assert baselines.block_numbers() == (START // HOUR + 7 * 24 + 2,)


def test_files_bring_it_back_whatever_links_came_later(baselines):
    baselines.put_block(START, hour_of(START, np.full(60, 16_000.0)))
    baselines.put_block(
        START + HOUR, hour_of(START + HOUR, np.full(60, 9_000.0), np.full(60, 15_000.0), links=(OTHER, LINK))
    )
    again = Baselines(step_seconds=60, days=7, learning_minutes=60)
    for number in reversed(baselines.block_numbers()):
        again.restore(baselines.to_arrays(number))
    links = (OTHER, LINK)
    first, second = baselines.at(START + 3 * HOUR, links), again.at(START + 3 * HOUR, links)
    for name in ("floor_us", "spread_us", "wobble_us", "loss_ratio", "service_us"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.floor_us[0] == 9_000


def test_files_of_another_make_are_refused(baselines):
    baselines.put_block(START, hour_of(START, np.full(60, 16_000.0)))
    arrays_of = baselines.to_arrays(START // HOUR)
    coarse = Baselines(step_seconds=1200, days=7, learning_minutes=60)
    with pytest.raises(ValueError, match="a block of 3600 s, expected 14400 s"):
        coarse.restore(arrays_of)
    with pytest.raises(ValueError, match="do not belong together"):
        baselines.restore(arrays_of | {"steps": np.zeros(3, dtype=np.int32)})
    with pytest.raises(KeyError):
        baselines.restore({name: array for name, array in arrays_of.items() if name != "steps"})
