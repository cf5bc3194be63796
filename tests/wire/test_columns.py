"""Version 2 there and back: what the collector takes out is what the terminal put in."""

import json

import pytest

pytest.importorskip("hypothesis", reason="what the collector takes out is tried where the collector runs")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.wire.catalogue import METRICS
from agent.wire.codec import report_to_json
from agent.wire.columns import encode_batch
from agent.wire.exchange import Moment, ReportName, UploadHead
from agent.wire.facts import FACTS
from agent.wire.report import OUTCOMES, Fact, ProbeOutcome, Report, Sample

DEVICE = "5b0a6f8e-1111-4222-8333-9d1c4be1f0aa"
SCALARS = [name for name, spec in FACTS.items() if not spec.columns]
LARGEST = 2**50

words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=12)
numbers = st.one_of(
    st.integers(0, 100), st.integers(0, 2**49), st.floats(0, 1e4), st.sampled_from([0.5, 1.5, 0.0005, 2.5e-06])
)


def is_exact(sample):
    return sample.value * METRICS[sample.metric].scale <= LARGEST


@st.composite
def samples(draw):
    spec = METRICS[draw(st.sampled_from(sorted(METRICS)))]
    return Sample(
        spec.name, draw(numbers), {name: draw(st.sampled_from(["gateway", "C:", "máy chủ"])) for name in spec.labels}
    )


outcomes = st.builds(
    ProbeOutcome,
    st.sampled_from(["latency", "memory", "disk"]),
    st.sampled_from(OUTCOMES),
    st.floats(0, 60).map(lambda value: round(value, 1)),
    st.sampled_from(["", "the machine has none", "không có"]),
)
facts = st.one_of(
    st.builds(Fact, st.sampled_from(SCALARS), st.one_of(words, st.integers(-9, 9), st.booleans(), st.none())),
    st.builds(Fact, st.just("bios"), st.lists(st.fixed_dictionaries({"vendor": words, "version": words}), max_size=3)),
)


# Of one terminal: boots come and go, numbers have gaps and repeats, clocks jump either way.
reports = st.lists(
    st.builds(
        Report,
        st.just(1),
        st.just(DEVICE),
        st.sampled_from(["boot-a", "boot-b", "b" * 32]),
        st.one_of(st.integers(1, 4), st.integers(1, 2**53)),
        st.floats(-1e9, 4e9),
        st.floats(0, 1e9),
        st.lists(outcomes, max_size=4).map(tuple),
        st.lists(samples().filter(is_exact), max_size=8).map(tuple),
        st.lists(facts, max_size=2).map(tuple),
    ),
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None)
@given(batch=reports)
def test_what_is_taken_out_is_what_was_put_in(wire, batch):
    upload = wire.taken(batch)
    assert upload.asides == ()
    assert [received.problem for received in upload.received] == [""] * len(batch)
    assert all(received.set_aside == () for received in upload.received)
    assert [wire.stored(received.report) for received in upload.received] == [wire.stored(report) for report in batch]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0, 1), exponent=st.integers(0, 62), name=st.sampled_from(sorted(METRICS)))
def test_every_number_is_stored_as_version_1_stores_it(wire, share, exponent, name):
    """Also those that are too large for a column: such a report travels beside the columns."""
    spec = METRICS[name]
    value = share * 2**exponent / spec.scale
    sample = Sample(name, value, dict.fromkeys(spec.labels, "x"))
    report = Report(1, DEVICE, "b", 1, 1.8e9, 5.0, (), (sample,), ())
    (received,) = wire.taken([report]).received
    (kept,) = received.report.samples
    assert round(kept.value * spec.scale) == round(value * spec.scale)


def report_of(number=1, **changes):
    table = {
        "wire_version": 1,
        "device_id": DEVICE,
        "boot_id": "boot-a",
        "sequence": number,
        "wall_time_seconds": 1_800_000_000.0 + 60 * number,
        "monotonic_time_seconds": 60.0 * number,
        "outcomes": [],
        "samples": [{"metric": "uptime_seconds", "value": 60 * number, "labels": {}}],
        "facts": [],
    }
    return json.dumps({**table, **changes}).encode()


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        (report_of(2, device_id="another"), ""),
        (report_of(2, wire_version=3), "wire_version 3"),
        (report_of(2, later_key=1), ""),
        (report_of(2, sequence=0), "sequence 0"),
        (report_of(2, sequence="2"), "not a report"),
        (report_of(2, wall_time_seconds=None), "not a report"),
        (report_of(2, samples=[{"metric": "who_knows", "value": 1}]), ""),
        (report_of(2, samples=[{"metric": "uptime_seconds", "value": 10**400}]), "not a report"),
        (report_of(2, samples=[{"metric": "uptime_seconds", "value": True}]), "not a report"),
        (report_of(2, samples=[{"metric": "uptime_seconds"}]), "not a report"),
        (report_of(2, facts=[{"name": "os_name", "value": "x", "more": 1}]), ""),
        (report_of(2).replace(b"120", b"NaN", 1), "not a report"),
        (report_of(2)[:-9], "not a report"),
        (b'{"sequence": "\\ud800"}', "not a report"),
        (b"\xff\x00\xfe", "not a report"),
        (b"[" * 100_000, "not a report"),
        (b"", "not a report"),
    ],
    ids=lambda value: "" if isinstance(value, str) else value[:60].decode("latin-1"),
)
def test_a_report_that_fits_no_column_travels_beside_and_harms_none(wire, odd, problem):
    upload = wire.taken([report_of(1), odd, report_of(3)])
    first, second, third = upload.received
    assert (first.report.sequence, third.report.sequence) == (1, 3)
    assert first.report.samples[0].value == 60
    assert third.report.samples[0].value == 180
    assert (second.report is None) == bool(problem)
    assert problem in second.problem
    assert second.report is not None or second.raw


def test_the_head_comes_along(wire):
    head = UploadHead("a1b2c3", ReportName("boot-a", 41), Moment("boot-b", 1_800_000_000.25, 77.125))
    assert wire.taken([report_of()], head).head == head
    assert wire.taken([], head).head == head
    assert wire.taken([]).head == UploadHead()


def test_what_stays_as_it_was_costs_nothing():
    """Fifteen times the same costs hardly more than once."""
    same = [
        report_of(number, samples=[{"metric": "spool_reports", "value": 7, "labels": {}}]) for number in range(1, 16)
    ]
    table = json.loads(encode_batch(same, UploadHead()))
    assert table["samples"] == [["spool_reports", [], [7]]]
    assert table["runs"] == [[0, 1, 15]]
    assert table["offset_ms"] == [1_800_000_000_000]
    assert table["monotonic_ms"] == [60_000] * 15
    assert "outcomes" not in table
    assert "facts" not in table


def test_fifteen_reports_are_a_quarter_of_version_1(wire):
    """A guard, not the measure: that is benchmarks/agent_wire.py."""
    from agent.wire.codec import batch_from_json_reports, compress

    batch = [report_of(number) for number in range(1, 16)]
    assert len(wire.body_of(batch)) < len(compress(batch_from_json_reports(batch))) * 0.7


def test_a_report_says_its_wire_version(wire):
    report = Report(1, DEVICE, "b", 1, 1.8e9, 5.0)
    (received,) = wire.taken([report_to_json(report)]).received
    assert received.report == report
