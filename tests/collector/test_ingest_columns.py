"""Uploads of version 2: what is refused, how far, and in which words."""

from __future__ import annotations

import json
import time
import zlib

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.wire.columns import COLUMNS_ENCODING, compress_columns
from agent.wire.dictionary import DICTIONARY
from collector.errors import BodyError
from collector.ingest import decode_body
from collector.settings import Limits

LIMITS = Limits()


def table_of(**changes):
    table = {
        "wire_version": 2,
        "device_id": "d",
        "boots": ["a"],
        "runs": [[0, 1, 3]],
        "monotonic_ms": [60_000, 60_000, 60_000],
        "offset_ms": [1_800_000_000_000],
        "samples": [["uptime_seconds", [], [60, 60, 60]], ["link_probes_sent", ["gateway"], [10]]],
        "states": [["ok", ""], ["error", "no"]],
        "outcomes": [["latency", [0, 1], [540, 1, -1]]],
        "facts": [[1, "os_name", "Debian"]],
    }
    return {name: value for name, value in {**table, **changes}.items() if value is not None}


def take(table, limits=LIMITS):
    body = table if isinstance(table, bytes) else json.dumps(table).encode()
    return decode_body(compress_columns(body), COLUMNS_ENCODING, limits)


def numbers_of(upload, metric):
    return [
        next((sample.value for sample in received.report.samples if sample.metric == metric), None)
        for received in upload.received
    ]


def test_a_good_upload_comes_through_whole():
    upload = take(table_of())
    assert (upload.wire_version, upload.asides) == (2, ())
    assert [received.report.sequence for received in upload.received] == [1, 2, 3]
    assert numbers_of(upload, "uptime_seconds") == [60, 120, 180]
    assert numbers_of(upload, "link_probes_sent") == [10, 10, 10]
    assert [received.report.outcomes[0].outcome for received in upload.received] == ["ok", "error", "error"]
    assert [received.report.outcomes[0].duration_seconds for received in upload.received] == [54.0, 54.1, 54.0]
    assert [len(received.report.facts) for received in upload.received] == [0, 1, 0]
    assert upload.received[2].report.wall_time_seconds == 1_800_000_180.0


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"wire_version": 3}, 400, "wire_version 3: expected 2"),
        ({"later": 1}, 400, "unknown field"),
        ({"runs": [[0, 1, 0]]}, 400, "runs: expected lengths"),
        ({"runs": [[0, 1, -1]]}, 400, "runs: expected lengths"),
        ({"runs": [[1, 1, 3]]}, 400, "expected numbers of boots from 0 to 0"),
        ({"runs": [[-1, 1, 3]]}, 400, "expected numbers of boots"),
        ({"runs": [[0, 1, 1001]]}, 413, "limits.reports_per_batch = 1000"),
        ({"runs": [[0, 1, 2**62]] * 4}, 413, "limits.reports_per_batch = 1000"),
        ({"runs": None}, 400, "monotonic_ms, offset_ms: expected at most 0"),
        ({"monotonic_ms": [1] * 4}, 400, "expected at most 3 numbers"),
        ({"monotonic_ms": [1, None]}, 400, "monotonic_ms"),
        ({"offset_ms": ["1"]}, 400, "offset_ms"),
        ({"samples": [["uptime_seconds", [], [1]]] * 4097}, 413, "limits.columns_per_batch = 4096"),
        ({"runs": [[0, 1, 1000]], "samples": [["uptime_seconds", [], [1]]] * 101}, 413, "limits.samples_per_batch"),
        ({"runs": [[0, 1, 1000]], "outcomes": [["latency", [], []]] * 101}, 413, "limits.samples_per_batch"),
        ({"beside": [[4, {}]]}, 400, "beside: expected places from 0 to 3"),
        ({"beside": [[-1, {}]]}, 400, "beside: expected places"),
        ({"beside": [[1, {}], [1, {}]]}, 400, "beside: expected places"),
        ({"beside": [[1, {}], [0, {}]]}, 400, "beside: expected places"),
        ({"beside": [[place, {}] for place in range(998)]}, 413, "limits.reports_per_batch"),
    ],
)
def test_an_upload_that_is_wrong_as_a_whole_says_why(changes, status, words):
    with pytest.raises(BodyError, match=words) as caught:
        take(table_of(**changes))
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "cut short"),
        (b"not zlib", 400, "not zlib"),
        (zlib.compress(b"{}", 6)[:-6], 400, "cut short"),
        (compress_columns(json.dumps(table_of()).encode())[:-6], 400, "cut short"),
        (compress_columns(b" " * (LIMITS.decompressed_bytes + 1)), 413, "grows beyond"),
        (compress_columns(b"{"), 400, "not a batch of wire version 2"),
        (compress_columns(b"[" * 100_000), 400, "not a batch"),
        (compress_columns(b"\xff\xfe"), 400, "not a batch"),
    ],
)
def test_a_body_that_is_no_upload_says_why(body, status, words):
    with pytest.raises(BodyError, match=words) as caught:
        decode_body(body, COLUMNS_ENCODING, LIMITS)
    assert caught.value.status == status


def test_another_dictionary_is_another_contract():
    packer = zlib.compressobj(9, zdict=DICTIONARY[1:])
    body = packer.compress(json.dumps(table_of()).encode()) + packer.flush()
    with pytest.raises(BodyError, match="dictionary of wire version 2") as caught:
        decode_body(body, COLUMNS_ENCODING, LIMITS)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["who_knows", [], [1]], "not in the catalogue"),
        (["uptime_seconds", ["x"], [1]], "expected the labels none"),
        (["link_probes_sent", [], [1]], "expected the labels target"),
        (["uptime_seconds", [], [1] * 4], "at most 3 numbers"),
        (["uptime_seconds", [], ["1"]], "not a column"),
        (["uptime_seconds", [], [1.5]], "not a column"),
        (["uptime_seconds", []], "not a column"),
        ([1], "not a column"),
        ("x", "not a column"),
        ({}, "not a column"),
    ],
)
def test_a_column_that_cannot_be_read_is_set_aside_alone(column, words):
    upload = take(table_of(samples=[column, ["uptime_seconds", [], [60, 60, 60]]]))
    (aside,) = upload.asides
    assert (aside.kind, json.loads(aside.raw)) == ("column", column)
    assert words in aside.reason
    assert numbers_of(upload, "uptime_seconds") == [60, 120, 180]
    assert all(received.problem == "" for received in upload.received)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["disks", [2], []], "expected states from 0 to 1"),
        (["disks", [-1], []], "expected states"),
        (["disks", [0, None, None], [1, 1]], "at most 1 durations"),
        (["disks", [0] * 4, []], "at most 3 numbers"),
        (["disks", [0], ["x"]], "not a column"),
    ],
)
def test_outcomes_that_cannot_be_read_are_set_aside_alone(column, words):
    upload = take(table_of(outcomes=[column, ["latency", [], [540]]]))
    assert [(aside.kind, words in aside.reason) for aside in upload.asides] == [("column", True)]
    assert [received.report.outcomes[0].probe for received in upload.received] == ["latency"] * 3


@pytest.mark.parametrize("fact", [[3, "os_name", "x"], [-1, "os_name", "x"], [0, "os_name"], [0, 1, "x"], "x"])
def test_a_fact_that_belongs_nowhere_is_set_aside_alone(fact):
    upload = take(table_of(facts=[fact, [0, "os_family", "linux"]]))
    assert [(aside.kind, json.loads(aside.raw)) for aside in upload.asides] == [("fact", fact)]
    assert upload.received[0].report.facts[0].name == "os_family"


def test_a_number_out_of_range_is_set_aside_alone():
    series = [60, -61, 2**64, -(2**64) + 181]
    upload = take(table_of(runs=[[0, 1, 4]], samples=[["uptime_seconds", [], series]]))
    assert numbers_of(upload, "uptime_seconds") == [60, None, None, 180]
    assert [[reason for _, reason in received.set_aside] for received in upload.received] == [
        [],
        ["uptime_seconds: -1.0 is out of range"],
        ["uptime_seconds: inf is out of range"],
        [],
    ]


@pytest.mark.parametrize("label", ["", "a\nb", "x" * 513])
def test_a_label_that_no_store_takes_is_set_aside_in_every_report(label):
    upload = take(table_of(samples=[["link_probes_sent", [label], [10]]]))
    for received in upload.received:
        assert received.report.samples == ()
        assert "label" in received.set_aside[0][1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"runs": [[0, 0, 1], [0, 8, 2]]}, "sequence 0: expected 1"),
        ({"boots": ["", "a"], "runs": [[0, 1, 1], [1, 1, 2]]}, "boot_id"),
        ({"monotonic_ms": [-1, 1]}, "monotonic_time_seconds: expected 0"),
        ({"monotonic_ms": [10**30, 1 - 10**30]}, "monotonic_time_seconds"),
        ({"offset_ms": [10**30, -(10**30)]}, "wall_time_seconds"),
        ({"states": [["ok", ""], ["fine", ""]], "outcomes": [["latency", [1, -1], []]]}, "expected one of ok"),
        ({"outcomes": [["latency", [], [-5, 5]]]}, "duration_seconds"),
        ({"facts": [[0, "os_name", "x"]] * 101}, "facts_per_report"),
    ],
)
def test_a_report_that_cannot_be_kept_is_rejected_alone(changes, words):
    first, *others = take(table_of(**changes)).received
    assert first.report is None
    assert words in first.problem
    assert json.loads(first.raw)["device_id"] == "d"
    assert [received.problem for received in others] == ["", ""]


def test_facts_outside_the_allow_list_are_set_aside():
    facts = [[0, "user_name", "nguyen.van.a"], [0, "os_family", "linux"]]
    received = take(table_of(facts=facts)).received[0]
    assert [kept.name for kept in received.report.facts] == ["os_family"]
    assert "not in the catalogue" in received.set_aside[0][1]


def test_a_short_body_cannot_ask_for_much():
    """The most that the limits let through: a body of some kilobytes, expanded in bounded time and memory."""
    columns = [["link_probes_sent", [f"t{number}"], [10]] for number in range(100)]
    body = compress_columns(json.dumps(table_of(runs=[[0, 1, 1000]], samples=columns, outcomes=[], facts=[])).encode())
    assert len(body) < 2000
    started = time.process_time()
    upload = decode_body(body, COLUMNS_ENCODING, LIMITS)
    assert sum(len(received.report.samples) for received in upload.received) == LIMITS.samples_per_batch
    assert time.process_time() - started < 5.0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=15,
)
series = st.lists(st.none() | st.integers() | st.integers(-3, 3), max_size=5)
shaped = st.fixed_dictionaries(
    {},
    optional={
        "runs": st.lists(st.tuples(st.integers(-1, 2), st.integers(), st.integers(0, 3)), max_size=3),
        "boots": st.lists(st.text(max_size=3), max_size=3),
        "monotonic_ms": st.lists(st.integers(), max_size=4),
        "offset_ms": st.lists(st.integers(), max_size=4),
        "samples": st.lists(
            st.tuples(
                st.sampled_from(["uptime_seconds", "link_probes_sent", "x"]),
                st.lists(st.text(max_size=3), max_size=2),
                series,
            ),
            max_size=3,
        ),
        "outcomes": st.lists(st.tuples(st.text(max_size=3), series, series), max_size=3),
        "facts": st.lists(
            st.tuples(st.integers(-1, 4), st.sampled_from(["os_name", "bios", "x"]), json_values), max_size=3
        ),
        "beside": st.lists(st.tuples(st.integers(-1, 4), json_values), max_size=3),
        "sent": st.tuples(st.text(max_size=3), st.integers(), st.integers()),
    },
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(shaped | st.dictionaries(st.sampled_from([*table_of(), "beside", "acknowledged", "sent"]), json_values))
def test_no_columns_break_the_decoder(changes):
    try:
        upload = take({**table_of(), **changes})
    except BodyError as error:
        assert error.status in {400, 413}  # noqa: PT017 - either is right, a third is not
    else:
        for received in upload.received:
            assert (received.report is None) == bool(received.problem)
            assert msgspec.json.encode(received.report)
