"""Waits between uploads, and the dates that HTTP writes."""

import random
from email.utils import formatdate

import pytest

from agent.backoff import (
    BACKOFF_CAP_SECONDS,
    LONGEST_RETRY_AFTER_SECONDS,
    backoff_seconds,
    draw_fraction,
    history_wait_seconds,
    http_date_seconds,
    retry_after_seconds,
)


def test_backoff_grows_to_its_cap_and_spreads():
    assert [backoff_seconds(attempt, 1.0) for attempt in (1, 2, 3, 20, 10_000)] == [5, 10, 20, 300, 300]
    assert backoff_seconds(20, 0.0) == 0.0
    assert backoff_seconds(20, 0.5) == BACKOFF_CAP_SECONDS / 2


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, None),
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("99999999", LONGEST_RETRY_AFTER_SECONDS),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90),
        ("Thu, 01 Jan 1970 00:00:05 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("Thu, 01 Jan 99999 00:00:00 GMT", None),
    ],
)
def test_retry_after(header, wait):
    assert retry_after_seconds(header, 10.0) == wait


def test_dates_are_those_of_the_standard_library():
    drawn = random.Random(1)
    for moment in [drawn.randrange(2**33) for _ in range(2000)]:
        assert http_date_seconds(formatdate(moment, usegmt=True)) == moment


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 36 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 28:49:37 GMT",
        "Sun, 06 Nov 1994 08 49 37   .",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
    ],
)
def test_other_dates_are_none(text):
    assert http_date_seconds(text) is None


def test_draws_are_spread_evenly():
    draws = [draw_fraction() for _ in range(4000)]
    assert all(0.0 <= draw < 1.0 for draw in draws)
    assert 0.47 < sum(draws) / len(draws) < 0.53


def test_history_of_fifty_terminals_leaves_a_site_s_line_four_fifths():
    """A batch every so often: 50 terminals together on a line of 2 Mbit/s."""
    batch_bytes = 10_000
    wait = history_wait_seconds(batch_bytes, 60_000)
    assert wait == 11.5
    bits_per_second = 50 * (batch_bytes + 1_500) * 8 / wait
    assert bits_per_second <= 2_000_000 / 5
