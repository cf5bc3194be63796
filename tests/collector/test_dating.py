from __future__ import annotations

import pytest

from collector.dating import EARLIEST_PLAUSIBLE_SECONDS, place_in_time

NOW = 1_800_000_000.0


def place(reports, future_seconds=300.0):
    return place_in_time(reports, received_at=NOW, future_seconds=future_seconds)


def test_a_plausible_clock_is_kept_however_old_the_report(report):
    month_old = report("d", wall=NOW - 30 * 86400)
    (placed,) = place([month_old])
    assert (placed.time_seconds, placed.redated) == (NOW - 30 * 86400, False)


@pytest.mark.parametrize("wall", [0.0, 1_230_768_000.0, EARLIEST_PLAUSIBLE_SECONDS - 1, NOW + 301, NOW + 1e9])
def test_a_broken_clock_is_replaced_by_the_monotonic_one(report, wall):
    reports = [report("d", sequence, wall=wall) for sequence in (1, 61, 31)]
    placed = place(reports)
    assert [one.redated for one in placed] == [True] * 3
    # Sequence is the monotonic second in these reports.
    assert [one.time_seconds for one in placed] == [NOW - 60, NOW, NOW - 30]


def test_boots_are_counted_back_apart(report):
    placed = place([report("d", 500, boot_id="a", wall=0.0), report("d", 2, boot_id="b", wall=0.0)])
    assert [one.time_seconds for one in placed] == [NOW, NOW]
