from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.message import Message
from inventory.age.combine import Interval, combine, confidence, decide
from inventory.age.evidence import Evidence
from inventory.age.sources import TITLES

AS_OF = date(2026, 11, 21)
DAYS = st.dates(date(2000, 1, 1), AS_OF)
PIECES = st.builds(
    lambda source, earliest, latest: Evidence(
        source,
        min(earliest, latest) if earliest and latest else earliest,
        max(earliest, latest) if earliest and latest else latest,
        None,
        Message("x"),
    ),
    st.sampled_from(list(TITLES)),
    st.none() | DAYS,
    st.none() | DAYS,
)


def piece(source, earliest=None, latest=None):
    return Evidence(source, earliest, latest, None, Message("x"))


def test_interval_is_the_overlap():
    found = [
        piece("processor", earliest=date(2012, 4, 1)),
        piece("series", earliest=date(2012, 6, 1)),
        piece("bios_date", latest=date(2015, 2, 1)),
        piece("battery", latest=date(2014, 2, 1)),
    ]
    assert combine(found, TITLES) == (Interval(date(2012, 6, 1), date(2014, 2, 1)), ())
    assert combine([], TITLES) == (Interval(None, None), ())


def test_of_two_that_cannot_both_be_true_the_stronger_is_believed_and_both_are_told():
    found = [piece("put_into_use", latest=date(2010, 12, 31)), piece("processor", earliest=date(2012, 4, 1))]
    interval, contradictions = combine(found, TITLES)
    assert interval == Interval(date(2012, 4, 1), None)
    (message,) = contradictions
    assert message.render() == (
        "The register of assets: not later than 2010-12-31. The processor's first sale: not earlier than 2012-04-01. "
        "They contradict each other; the second is believed."
    )


def test_a_vendor_date_outweighs_weaker_bounds():
    day = date(2015, 1, 16)
    found = [piece("specification", earliest=date(2016, 1, 1)), piece("dell_dates", day, day)]
    interval, contradictions = combine(found, TITLES)
    assert interval == Interval(day, day)
    assert len(contradictions) == 1


def test_missing_each_other_by_days_is_no_contradiction():
    found = [piece("processor", earliest=date(2012, 4, 1)), piece("battery", latest=date(2012, 3, 20))]
    assert combine(found, TITLES) == (Interval(date(2012, 4, 1), None), ())


@given(st.lists(PIECES, max_size=8), st.randoms(use_true_random=False))
def test_never_upside_down_whatever_the_order(pieces, random):
    interval, _ = combine(pieces, TITLES)
    assert interval.earliest is None or interval.latest is None or interval.earliest <= interval.latest


@given(st.lists(PIECES.filter(lambda item: item.source != "monitor"), max_size=6), st.none() | DAYS)
def test_weaker_evidence_never_widens(pieces, latest):
    before, _ = combine(pieces, TITLES)
    after, _ = combine([*pieces, piece("monitor", latest=latest)], TITLES)
    assert after.earliest == before.earliest
    assert before.latest is None or (after.latest is not None and after.latest <= before.latest)


@given(st.lists(PIECES, max_size=6), st.dates(date(2015, 1, 1), date(2035, 1, 1)), st.integers(1, 30))
def test_a_machine_never_grows_younger(pieces, as_of, years):
    interval, _ = combine(pieces, TITLES)
    order = ["no", "uncertain", "yes"]
    today = decide(interval, as_of, years)
    later = decide(interval, as_of + timedelta(days=400), years)
    stricter = decide(interval, as_of, years + 1)
    assert order.index(stricter) <= order.index(today) <= order.index(later)


@pytest.mark.parametrize(
    ("earliest", "latest", "answer"),
    [
        (None, date(2016, 11, 20), "yes"),
        (None, date(2016, 11, 21), "uncertain"),
        (date(2016, 11, 20), date(2018, 1, 1), "uncertain"),
        (date(2016, 11, 21), None, "no"),
        (None, None, "uncertain"),
    ],
)
def test_decision_at_the_threshold(earliest, latest, answer):
    assert decide(Interval(earliest, latest), AS_OF, 10) == answer


def test_confidence():
    start = date(2015, 1, 1)
    assert confidence(Interval(start, date(2015, 12, 1)), contradicted=False) == "high"
    assert confidence(Interval(start, date(2017, 1, 1)), contradicted=False) == "medium"
    assert confidence(Interval(start, date(2019, 1, 1)), contradicted=False) == "low"
    assert confidence(Interval(start, date(2015, 12, 1)), contradicted=True) == "low"
    assert confidence(Interval(start, None), contradicted=False) == "low"
