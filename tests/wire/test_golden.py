"""What version 1 of the wire contract looks like, for ever.

The vectors under `v1/` are never edited, only added to: a collector of any later version must still read each of them,
for terminals are upgraded years apart. If a change of the code makes this test fail, the change is wrong, or it is a
new version of the contract, which gets a folder of its own.
"""

import json
import re
from pathlib import Path

import pytest

from agent.wire.catalogue import METRICS
from agent.wire.codec import (
    WireError,
    answer_from_json,
    batch_from_json_reports,
    compress,
    decompress,
    report_from_json,
    report_to_json,
)
from agent.wire.exchange import ReportName
from agent.wire.facts import FACTS
from agent.wire.report import OUTCOMES, WIRE_VERSION, Report

FOLDER = Path(__file__).parent / "v1"
NOT_REPORTS = ("answer.json", "batch.json")
REPORTS = sorted(path for path in FOLDER.glob("*.json") if path.name not in NOT_REPORTS)


def value_of(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.name)
def test_report_is_read_and_written_again(path):
    report = report_from_json(path.read_bytes())
    assert isinstance(report, Report)
    assert json.loads(report_to_json(report)) == value_of(path)
    assert report_from_json(report_to_json(report)) == report


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.name)
def test_report_names_only_what_the_catalogue_knows(path):
    report = report_from_json(path.read_bytes())
    for sample in report.samples:
        assert tuple(sample.labels) == METRICS[sample.metric].labels
    for fact in report.facts:
        columns = FACTS[fact.name].columns
        assert isinstance(fact.value, list) == bool(columns)
        for row in fact.value if columns else ():
            # Later versions add columns and take none away.
            assert set(row) <= set(columns)
    assert {outcome.outcome for outcome in report.outcomes} <= set(OUTCOMES)


def test_the_vectors_are_whole():
    assert {path.name for path in REPORTS} >= {
        "minimal.json",
        "full.json",
        "unicode.json",
        "every_outcome.json",
        "numbers.json",
    }
    full = report_from_json((FOLDER / "full.json").read_bytes())
    # Those of version 1 as it was first shipped; later names get vectors of their own.
    assert {sample.metric for sample in full.samples} <= set(METRICS)
    assert len({sample.metric for sample in full.samples}) == 18
    assert len({fact.name for fact in full.facts}) == 21
    outcomes = report_from_json((FOLDER / "every_outcome.json").read_bytes()).outcomes
    assert {outcome.outcome for outcome in outcomes} == set(OUTCOMES)


def test_batch_is_put_together_from_reports():
    table = value_of(FOLDER / "batch.json")
    reports = [report_from_json(json.dumps(report).encode()) for report in table["reports"]]
    body = batch_from_json_reports([report_to_json(report) for report in reports])
    assert json.loads(body) == table
    assert table["wire_version"] == WIRE_VERSION == 1
    assert decompress(compress(body), len(body)) == body


def test_answer_is_read():
    table = value_of(FOLDER / "answer.json")
    names = [ReportName(item["boot_id"], item["sequence"]) for item in table["results"]]
    answer = answer_from_json((FOLDER / "answer.json").read_bytes(), names)
    assert [vars(result) for result in answer.results] == table["results"]
    assert answer.server_time_seconds == table["server_time_seconds"]
    assert (answer.configuration, answer.has_acknowledged, answer.identity) == (None, True, None)


def test_text_stays_readable_on_the_wire():
    report = report_from_json((FOLDER / "unicode.json").read_bytes())
    assert "Máy chủ tỉnh".encode() in report_to_json(report)
    assert not re.search(rb"\\u00", report_to_json(report))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"{}", b'{"wire_version": 1, "later": 2}'])
def test_what_is_no_report(body):
    with pytest.raises(WireError):
        report_from_json(body)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[1]", b'{"results": [{"boot_id": "x"}]}', b'{"results": "x"}', b"[" * 100_000]
)
def test_what_is_no_answer(body):
    with pytest.raises(WireError):
        answer_from_json(body, [])


def test_what_is_no_compressed_body():
    whole = compress(b"x" * 1000)
    for body, limit, words in (
        (b"rubbish", 1000, "not zlib"),
        (whole[:-3], 1000, "cut short"),
        (whole, 999, "grows beyond"),
    ):
        with pytest.raises(WireError, match=words):
            decompress(body, limit)
    assert decompress(whole, 1000) == b"x" * 1000
