"""What version 2 of an upload looks like, for ever; the rules of `test_golden.py` hold here too."""

import hashlib
import json
from pathlib import Path

import pytest

from agent.wire.catalogue import METRICS
from agent.wire.codec import WireError, answer_from_json
from agent.wire.columns import COLUMNS_ENCODING, encode_batch
from agent.wire.dictionary import DICTIONARY
from agent.wire.exchange import Moment, ReportName, UploadHead
from agent.wire.report import ReportResult

FOLDER = Path(__file__).parent / "v2"
HEAD = UploadHead("0011223344556677", ReportName("boot-a", 7), Moment("boot-b", 1_800_000_400.5, 400.5))
NAMES = [ReportName("boot-a", 8), ReportName("boot-a", 9), ReportName("boot-b", 1), ReportName("boot-b", 2)]


def value_of(name):
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def test_reports_become_this_batch():
    reports = [json.dumps(report).encode() for report in value_of("reports.json")]
    assert json.loads(encode_batch(reports, HEAD)) == value_of("batch.json")


def test_the_packed_batch_is_still_read(wire):
    """Bytes that a terminal of 2026 sent: dictionary, columns and all."""
    upload = wire.decoded((FOLDER / "batch.packed").read_bytes(), COLUMNS_ENCODING)
    assert upload.head == HEAD
    assert upload.asides == ()
    plain = json.dumps({"wire_version": 1, "reports": value_of("reports.json")}).encode()
    reports = wire.decoded(plain, "").received
    for one, other in zip(upload.received, reports):
        assert wire.stored(one.report) == wire.stored(other.report)
    assert len(upload.received) == len(reports) == 4


def test_the_dictionary_is_never_changed():
    assert hashlib.sha256(DICTIONARY).hexdigest() == (FOLDER / "dictionary.sha256").read_text().strip()


def test_scales_and_labels_are_never_changed(request):
    """A column holds scaled integers without names of labels: both sides must mean the same by them, years apart."""
    path = FOLDER / "columns.json"
    known = value_of("columns.json") if path.exists() else {}
    if request.config.getoption("--rewrite-golden", default=False):
        known = {**{name: [spec.scale, list(spec.labels)] for name, spec in METRICS.items()}, **known}
        path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    now = {name: [METRICS[name].scale, list(METRICS[name].labels)] for name in known if name in METRICS}
    assert now == known
    assert set(METRICS) == set(known), "a new metric: write it down with --rewrite-golden"


def test_answers_are_read():
    answer = answer_from_json((FOLDER / "answer.json").read_bytes(), NAMES)
    assert answer.results == (
        ReportResult("boot-a", 8, "accepted"),
        ReportResult("boot-a", 9, "rejected", "sequence 0: expected 1 to 9007199254740992"),
        ReportResult("boot-b", 1, "accepted", "1 parts set aside: metric 'x' is not in the catalogue"),
        ReportResult("boot-b", 2, "retry", "the collector has no room to keep it"),
    )
    assert answer.server_time_seconds == 1_800_000_401.125
    assert answer.configuration == {"interval_seconds": 60, "upload_interval_seconds": 900, "targets": []}
    assert answer.has_acknowledged is False
    assert answer_from_json((FOLDER / "answer_short.json").read_bytes(), NAMES).results == tuple(
        ReportResult(name.boot_id, name.sequence, "accepted") for name in NAMES
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"accepted": 3},
        {"accepted": 5},
        {"accepted": "4"},
        {"accepted": None},
        {"exceptions": [[4, "rejected", ""]]},
        {"exceptions": [[-1, "rejected", ""]], "accepted": 3},
        {"exceptions": [[0, "fine", ""]], "accepted": 3},
        {"exceptions": [[0]]},
        {"exceptions": 7},
        {"server_time_seconds": "x"},
        {"server_time_seconds": None},
        {"configuration": [1]},
        {"identity": "x"},
    ],
)
def test_an_answer_to_something_else_is_refused(changes):
    table = {**value_of("answer_short.json"), **changes}
    with pytest.raises(WireError):
        answer_from_json(json.dumps(table).encode(), NAMES)
