from __future__ import annotations

import pytest

from collector.dating import boot_epochs, place_in_time

NOW = 1_800_000_000.0


def place(reports, *, epochs=None, received_at=NOW, future_seconds=300.0):
    known = boot_epochs(reports, received_at)
    for boot_id, epoch in (epochs or {}).items():
        known[boot_id] = min(epoch, known.get(boot_id, epoch))
    return place_in_time(reports, known, received_at=received_at, future_seconds=future_seconds)


def test_a_plausible_clock_is_kept_however_long_the_report_waited(report):
    (placed,) = place([report("d", wall=NOW - 30 * 86400)])
    assert placed.time_seconds == NOW - 30 * 86400


@pytest.mark.parametrize("wall", [0.0, 1_230_768_000.0, NOW - 36 * 86400, NOW + 301, NOW + 1e9])
def test_a_broken_clock_is_replaced_by_the_monotonic_one(report, wall):
    # Sequence is the monotonic second in these reports.
    placed = place([report("d", sequence, wall=wall) for sequence in (1, 61, 31)])
    assert [one.time_seconds for one in placed] == [NOW - 60, NOW, NOW - 30]
    assert placed[1].skew_seconds == wall - NOW


def test_boots_are_counted_back_apart(report):
    placed = place([report("d", 500, boot_id="a", wall=0.0), report("d", 2, boot_id="b", wall=0.0)])
    assert [one.time_seconds for one in placed] == [NOW, NOW]


def test_a_backlog_keeps_its_spacing_in_whatever_order_it_comes(report):
    reports = [report("d", sequence, wall=0.0) for sequence in range(1, 301)]
    epochs, times = {}, {}
    # The newest hundred first, then from the oldest on, as the agent uploads.
    for part in (reports[200:], reports[:100], reports[100:200]):
        for boot_id, epoch in boot_epochs(part, NOW).items():
            epochs[boot_id] = min(epoch, epochs.get(boot_id, epoch))
        for one in place_in_time(part, epochs, received_at=NOW, future_seconds=300.0):
            times[one.report.sequence] = one.time_seconds
    assert [times[sequence] for sequence in range(1, 301)] == [NOW - 300 + sequence for sequence in range(1, 301)]


def test_a_clock_ahead_shows_even_in_reports_that_waited(report):
    (early, late) = place([report("d", 1, wall=NOW - 3000), report("d", 5001, wall=NOW + 2000)])
    # Made 5,000 s before the newest one: its clock was 2,000 s ahead then already.
    assert (early.time_seconds, late.time_seconds) == (NOW - 5000, NOW)
    assert early.skew_seconds == late.skew_seconds == 2000
