"""A clock that begins in 2009 at every start is found, although the network sets it right minutes later."""

from __future__ import annotations

import time

import pytest

from agent.wire.report import Report, Sample
from collector.db.devices import SeenReport, record_reports
from collector.device_status import CLOCK_START, KEPT, RESET, DeviceStatuses

YEARS = -17 * 365 * 86400.0


@pytest.fixture
def device_id(running):
    return running.enrol()["device_id"]


def starts(running, device_id, *skews, first=0):
    """One start for each skew: a report with that clock, and one after the network has set it."""
    now = time.time() - 90_000
    for number, skew in enumerate(skews, first):
        seen = []
        for sequence, wrong in ((2, 0.0), (1, skew)):
            at = now + 3600 * number + 60 * sequence
            samples = (Sample("uptime_seconds", 60.0 * sequence),)
            one = Report(1, device_id, f"boot-{number}", sequence, at + wrong, 60.0 * sequence, (), samples)
            seen.append(SeenReport(one, at, at, wrong))
        with running.collector.engine.begin() as connection:
            record_reports(connection, seen)
            record_reports(connection, seen)


def state_of(running):
    with running.collector.engine.connect() as connection:
        (found,) = DeviceStatuses((), (CLOCK_START,)).read(connection, time.time())
    return found


@pytest.mark.parametrize(
    ("skews", "expected"),
    [
        ((0.0,), KEPT),
        ((YEARS,), KEPT),
        ((YEARS, YEARS), RESET),
        ((0.0, YEARS, YEARS, YEARS), RESET),
        ((YEARS, YEARS, 3.0), KEPT),
        ((YEARS, 0.0, YEARS), KEPT),
        ((-7 * 3600.0, -7 * 3600.0), KEPT),
        ((-YEARS, -YEARS), KEPT),
    ],
)
def test_starts_with_a_clock_years_back(running, device_id, skews, expected):
    starts(running, device_id, *skews)
    assert state_of(running).states[CLOCK_START].value == expected


def test_the_sentence_says_how_far_and_how_often(running, device_id):
    starts(running, device_id, YEARS, YEARS, YEARS)
    state = state_of(running).states[CLOCK_START]
    assert state.readings == {"starts": 3, "days": 17 * 365}
    assert "battery of its main board" in state.why.render()
    # The newest clock is right: without the starts nobody would know.
    assert abs(state_of(running).clock_skew_seconds) < 1


def test_an_older_boot_that_comes_late_changes_nothing(running, device_id):
    starts(running, device_id, YEARS, YEARS, first=5)
    starts(running, device_id, 0.0, first=1)
    assert state_of(running).states[CLOCK_START].value == RESET
