"""The legal limit: the pure judgement against a naive one, the law's file, and the slots it is judged from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.capacity import (
    EACH_DAY,
    EXCEEDED,
    NOT_CONFIGURED,
    TOO_FEW,
    WHOLE_PERIOD,
    WITHIN,
    judge_direction,
    judge_lines,
    nearest_rank,
)
from alerts.laws import CapacityLimit, capacity_law_on, capacity_laws_from, local_day, sample_seconds
from alerts.parameters import RuleError
from alerts.rules import SHIPPED_RULES, load_rules
from alerts.slots import PortInputs, PortKey, SlotBook, refresh

# A law of three days of eight samples keeps a naive judgement quick; the code knows no figure of its own.
SMALL = CapacityLimit(percentile=95, capacity_percent=90, days=3, sample_seconds=10_800)
LAW = """
kind = "link_capacity"
title = "Thông tư thử"
article = "Điều 1"
effective_from = 2026-01-01
source = "test"
confidence = "high"
note = "none"

[limit]
percentile = 95
capacity_percent = 90
days = 3
sample_seconds = 300
"""

samples = st.one_of(st.none(), st.integers(0, 120), st.integers(85, 95))


def naive_percentile(values, percent):
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    return min(value for value in known if sum(other <= value for other in known) * 100 >= percent * len(known))


def naive(period, days, capacity, limit, complete):
    if capacity is None:
        return NOT_CONFIGURED, set()

    def enough(values):
        return sum(value is not None for value in values) >= complete * len(values)

    most = capacity * limit.capacity_percent / 100
    parts = [period[at : at + limit.day_samples] for at in range(0, len(period), limit.day_samples)]
    judged = all(enough(part) for part in parts)
    fired = set()
    if judged and naive_percentile(period, limit.percentile) > most:
        fired.add(WHOLE_PERIOD)
    if all(enough(day) and naive_percentile(day, limit.percentile) > most for day in days):
        fired.add(EACH_DAY)
    return (EXCEEDED if fired else WITHIN if judged else TOO_FEW), fired


def as_array(values):
    return np.array([math.nan if value is None else value for value in values], dtype=float)


@settings(max_examples=300)
@given(
    period=st.lists(samples, min_size=24, max_size=24),
    days=st.lists(st.lists(samples, min_size=8, max_size=8), min_size=3, max_size=3),
    capacity=st.sampled_from([None, 50, 100, 110]),
    complete=st.sampled_from([0.5, 0.75, 1.0]),
)
def test_the_verdict_is_the_naive_one(period, days, capacity, complete):
    verdict = judge_direction(as_array(period), np.array([as_array(day) for day in days]), capacity, SMALL, complete)
    outcome, fired = naive(period, days, capacity, SMALL, complete)
    assert (verdict.outcome, set(verdict.fired)) == (outcome, fired)
    assert verdict.samples == sum(value is not None for value in period)
    assert verdict.missing == 24 - verdict.samples
    assert verdict.percentile == naive_percentile(period, 95)
    if verdict.certain:
        # Whatever the missing samples were, it stays so.
        filled = as_array([0 if value is None else value for value in period])
        assert nearest_rank(filled, 95) > verdict.limit


@given(values=st.lists(st.integers(0, 50), min_size=1, max_size=400), percent=st.integers(1, 100))
def test_the_percentile_is_the_nearest_rank_and_one_of_the_samples(values, percent):
    found = nearest_rank(np.array(values, dtype=float), percent)
    assert found == naive_percentile(values, percent)
    assert found in values


def test_of_2016_samples_100_may_be_above():
    values = np.zeros(2016)
    values[:100] = 1.0
    assert nearest_rank(values, 95) == 0.0
    values[100] = 1.0
    assert nearest_rank(values, 95) == 1.0
    assert nearest_rank(np.full(3, math.nan), 95) is None


@dataclass(frozen=True)
class Line:
    device_id: str = "cpe"
    name: str = "cpe"
    unit_code: str = "16681"
    site: str = "main"
    interface: str = "wan"
    received_is_down: bool = True
    capacity_down_kbit_s: int | None = 100_000
    capacity_up_kbit_s: int | None = 100_000
    expected_speed_kbit_s: int | None = None


@dataclass(frozen=True)
class Stored:
    time_seconds: int
    fields: dict
    tags: dict


def sample(slot, down_kbit_s, up_kbit_s=0, *, device="cpe", interval_ms=300_000):
    fields = {
        "interval_ms": interval_ms,
        "received_bytes": down_kbit_s * interval_ms // 8,
        "transmitted_bytes": up_kbit_s * interval_ms // 8,
    }
    return Stored(slot * 300, fields, {"device_id": device, "interface": "wan", "unit": "16681", "site": "main"})


# 2026-11-09 00:00 in Nghệ An.
MIDNIGHT = int(datetime(2026, 11, 8, 17, tzinfo=UTC).timestamp()) // 300


def verdicts(readings, now_slot, line=None):
    book = SlotBook(300, 8)
    book.put(readings)
    found = judge_lines(
        PortInputs([line or Line()], book), now_slot * 300 + 120, complete_ratio=0.9, settle_seconds=120
    )
    return {direction: verdict for _, direction, verdict, _ in found}


def test_days_are_the_provinces_own():
    assert local_day(MIDNIGHT * 300) == date(2026, 11, 9)
    assert local_day(MIDNIGHT * 300 - 1) == date(2026, 11, 8)
    readings = [sample(slot, 95_000 if slot < MIDNIGHT - 288 else 10_000) for slot in range(MIDNIGHT - 2016, MIDNIGHT)]
    assert verdicts(readings, MIDNIGHT)["down"].daily == (95_000.0,) * 6 + (10_000.0,)
    # One slot before midnight the last day is not over.
    assert verdicts(readings, MIDNIGHT - 1)["down"].daily == (None,) + (95_000.0,) * 6


def test_received_goes_to_the_site_or_from_it_as_configured():
    readings = [sample(slot, 95_000, 10_000) for slot in range(MIDNIGHT - 2016, MIDNIGHT)]
    assert {key: one.outcome for key, one in verdicts(readings, MIDNIGHT).items()} == {"down": EXCEEDED, "up": WITHIN}
    turned = verdicts(readings, MIDNIGHT, Line(received_is_down=False))
    assert {key: one.outcome for key, one in turned.items()} == {"down": WITHIN, "up": EXCEEDED}


def test_the_order_and_the_repetition_of_samples_do_not_matter():
    readings = [sample(slot, (slot * 7919) % 120_000, slot % 97) for slot in range(MIDNIGHT - 2304, MIDNIGHT)]
    plain = verdicts(readings, MIDNIGHT)
    shuffled = [*readings[1000:], *readings[::-1], *readings[:50]]
    assert verdicts(shuffled, MIDNIGHT) == plain


def test_a_slot_that_comes_late_counts_at_the_next_judgement():
    book = SlotBook(300, 8)
    stored = [
        sample(slot, 95_000) for slot in range(MIDNIGHT - 2016, MIDNIGHT) if not MIDNIGHT - 35 < slot < MIDNIGHT - 5
    ]

    def read(start, end):
        return [one for one in stored if start <= one.time_seconds < end]

    refresh(book, read, MIDNIGHT * 300.0)
    key = PortKey("cpe", "wan")
    assert np.isnan(book.between(key, MIDNIGHT - 40, MIDNIGHT - 1, 0)).sum() == 29
    stored += [sample(slot, 80_000) for slot in range(MIDNIGHT - 34, MIDNIGHT - 5)]
    # They lie within the three hours that are read again every time.
    refresh(book, read, MIDNIGHT * 300.0 + 300)
    assert np.isnan(book.between(key, MIDNIGHT - 40, MIDNIGHT - 1, 0)).sum() == 0


def test_the_book_reads_seven_days_once():
    book, asked = SlotBook(300, 8), []

    def read(start, end):
        asked.append(end - start)
        return []

    for tick in range(30):
        refresh(book, read, MIDNIGHT * 300.0 + tick * 300)
    assert asked[0] > 7 * 86_400
    assert max(asked[1:]) < 86_400 + 600
    # Once an hour a day, else three hours.
    assert sum(seconds > 4 * 3600 for seconds in asked[1:]) == 2


def test_a_failing_store_leaves_the_book_to_read_the_same_again():
    book = SlotBook(300, 8)

    def broken(start, end):
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        refresh(book, broken, MIDNIGHT * 300.0)
    assert book.read_at is None


def test_old_slots_do_not_come_back_and_forgotten_ports_go():
    book = SlotBook(300, 8)
    book.put([sample(MIDNIGHT, 5), sample(MIDNIGHT - 2304, 7)])
    assert book.between(PortKey("cpe", "wan"), MIDNIGHT - 1, MIDNIGHT, 0)[0, 1] == 5
    with pytest.raises(ValueError, match="2304 are kept"):
        book.between(PortKey("cpe", "wan"), MIDNIGHT - 2304, MIDNIGHT, 0)
    book.forget_before((MIDNIGHT + 1) * 300)
    assert np.isnan(book.between(PortKey("cpe", "wan"), MIDNIGHT, MIDNIGHT, 0)).all()


def test_the_law_is_dated_data():
    law = capacity_law_on(date(2026, 3, 30))
    assert capacity_law_on(date(2026, 3, 29)) is None
    figures = (law.limit.percentile, law.limit.capacity_percent, law.limit.days, law.limit.sample_seconds)
    assert figures == (95, 90, 7, 300)
    assert (law.limit.samples, sample_seconds()) == (2016, 300)
    assert (law.title, law.article) == ("Thông tư 06/2026/TT-BKHCN", "Điều 5.6")
    laws = capacity_laws_from({"a.toml": LAW, "b.toml": LAW.replace("2026-01-01", "2027-01-01")})
    assert capacity_law_on(date(2026, 12, 31), laws).effective_from == date(2026, 1, 1)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('kind = "link_capacity"', 'kind = "x"', "kind is 'x'"),
        ("percentile = 95", "percentile = 101", "percentile is 101, expected whole number from 1 to 100"),
        ("percentile = 95", "percentil = 95", "unknown key 'percentil'"),
        ("effective_from = 2026-01-01", 'effective_from = "mai"', "expected a day"),
        ('confidence = "high"', 'confidence = "sure"', "confidence is 'sure'"),
        ("sample_seconds = 300", "sample_seconds = 1000", "a part of an hour"),
        ('note = "none"', 'note = ""', "note is ''"),
        ("[limit]", "[limit", "is not TOML"),
    ],
)
def test_a_bad_law_names_the_file_and_the_key(old, new, words):
    assert old in LAW
    with pytest.raises(RuleError, match=words.replace("[", r"\[")) as caught:
        capacity_laws_from({"x.toml": LAW.replace(old, new)})
    assert str(caught.value).startswith("x.toml")


def test_two_laws_of_one_day_are_refused():
    with pytest.raises(RuleError, match="same day"):
        capacity_laws_from({"a.toml": LAW, "b.toml": LAW})
    with pytest.raises(RuleError, match="at least one file"):
        capacity_laws_from({})


def test_no_other_rule_speaks_of_the_law():
    for name, rule in load_rules(SHIPPED_RULES).items():
        text = " ".join((rule.summary, rule.description, *rule.sources.values()))
        assert ("TT-BKHCN" in text) == (name == "capacity_exceeded"), name
