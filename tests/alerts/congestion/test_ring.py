"""The newest steps of every link, as they come in."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from alerts.minutes import LinkRing, link_window

NOW_STEP = 1_000_000


def put(ring, small, rows, now=NOW_STEP):
    """Rows: (device, step, fields)."""
    ring.put([reading(small, *row) for row in rows], now)


def reading(small, device, step, **fields):
    tags = {"device_id": device, "unit": "u", "site": "main", "target": "server"}
    return small.Stored(tags, step * 60 + 7, fields)


@pytest.fixture
def ring():
    return LinkRing(step_seconds=60, rows=10)


def test_of_a_step_told_twice_the_one_with_more_probes_counts_in_any_order(small):
    same = [
        {"sent": 10, "received": 9, "rtt_p50_us": 20_000},
        {"sent": 9, "received": 9, "rtt_p50_us": 90_000},
        {"sent": 10, "received": 9, "rtt_p50_us": 21_000},
        {"sent": 10, "received": 9},
    ]
    for order in itertools.permutations(same):
        ring = LinkRing(step_seconds=60, rows=10)
        readings = [small.Stored(reading(small, "t", NOW_STEP).tags, NOW_STEP * 60, fields) for fields in order]
        ring.put(readings, NOW_STEP)
        window = ring.window(NOW_STEP, NOW_STEP)
        assert window.values["rtt_p50_us"].tolist() == [[21_000]]
        assert link_window(readings, NOW_STEP * 60, 1).values["rtt_p50_us"].tolist() == [[21_000]]


def test_a_repeat_changes_nothing(ring, small):
    one = reading(small, "t", NOW_STEP - 3, sent=10, received=10, rtt_p50_us=20_000)
    ring.put([one], NOW_STEP)
    assert ring.take_dirty() == NOW_STEP - 3
    ring.put([one], NOW_STEP)
    assert ring.take_dirty() is None


def test_what_is_older_than_the_ring_or_too_far_ahead_is_not_taken(ring, small):
    # The newest step is five ahead of the present one.
    steps = [NOW_STEP - 5, NOW_STEP - 4, NOW_STEP + 5, NOW_STEP + 6, NOW_STEP + 1_000_000, 0]
    ring.put([reading(small, "t", step, sent=10, received=10) for step in steps], NOW_STEP)
    taken = ring.window(NOW_STEP - 20, NOW_STEP + 20)
    assert [int(at) // 60 for at in taken.minutes[np.isfinite(taken.values["sent"][:, 0])]] == [
        NOW_STEP - 4,
        NOW_STEP + 5,
    ]
    assert ring.too_late == 4


def test_steps_that_fell_out_do_not_come_back_as_newer_ones(ring, small):
    ring.put([reading(small, "t", NOW_STEP, sent=10, received=10)], NOW_STEP)
    ring.put([], NOW_STEP + 10)
    assert np.isnan(ring.window(NOW_STEP + 1, NOW_STEP + 15).values["sent"]).all()
    assert np.isnan(ring.window(NOW_STEP, NOW_STEP).values["sent"]).all()


def test_more_links_than_it_has_room_for_at_first(ring, small):
    ring.put(
        [reading(small, f"t{n}", NOW_STEP - 1, sent=10, received=10, rtt_p50_us=1_000 + n) for n in range(300)],
        NOW_STEP,
    )
    ring.put([reading(small, "t7", NOW_STEP, sent=10, received=10, rtt_p50_us=5)], NOW_STEP)
    window = ring.window(NOW_STEP - 1, NOW_STEP)
    assert [link.device_id for link in window.links] == [f"t{n}" for n in range(300)]
    assert window.values["rtt_p50_us"][0].tolist() == [1_000 + n for n in range(300)]
    assert window.values["rtt_p50_us"][1, 7] == 5
    assert np.isfinite(window.values["rtt_p50_us"][1]).sum() == 1


def test_a_negative_round_trip_was_not_measured(ring, small):
    ring.put([reading(small, "t", NOW_STEP, sent=10, received=10, rtt_p50_us=-40_000)], NOW_STEP)
    assert np.isnan(ring.window(NOW_STEP, NOW_STEP).values["rtt_p50_us"][0, 0])
