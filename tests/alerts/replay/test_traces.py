"""Reading traces: what is wrong with one is said with file, row and field."""

from __future__ import annotations

import gzip
import math
import re

import numpy as np
import pytest

from alerts.replay.trace import TraceError, read_trace

HEAD = "time,site,terminal,target,sent,received,rtt_p50_us\n"
ROW = "2026-03-02T00:00:00Z,s1,t1,server,10,10,16000\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty, expected a line of column names"),
        (HEAD, "holds no row"),
        (
            HEAD.replace("site,", "") + ROW,
            "column 'site' is missing, expected time, site, terminal, target, rtt_p50_us and others",
        ),
        (HEAD + ROW + ROW.replace("00:00Z", "00:0"), "row 3: time is '2026-03-02T00:00:0', expected as 2026-03-01T17"),
        (HEAD + ROW + ROW.replace("16000", "16 ms"), "row 3: rtt_p50_us is '16 ms', expected a number or nothing"),
        (HEAD + ROW + ROW.replace("16000", "inf"), "row 3: rtt_p50_us is 'inf', expected a number or nothing"),
        (HEAD + ROW.replace(",10,10,", ",ten,10,"), "row 2: sent is 'ten', expected a number or nothing"),
        (HEAD + ROW + "2026-03-02T00:01:00Z,s1,t1\n", "row 3: 3 fields, expected 7"),
        (HEAD + ROW + "\n", "row 3: 0 fields, expected 7"),
    ],
)
def test_what_is_wrong(tmp_path, text, problem):
    path = tmp_path / "trace.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TraceError, match="^" + re.escape(f"{path}: {problem}")):
        read_trace(path)


def test_damaged_files(tmp_path):
    whole = gzip.compress((HEAD + ROW * 1).encode() + b"x" * 50_000)
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TraceError, match="ends in the middle or is damaged"):
        read_trace(path)
    path.write_bytes((HEAD + ROW).replace("s1", "Vĩnh").encode("latin-1", "replace") + b"\xff\xfe")
    with pytest.raises(TraceError, match=r"is not UTF-8 text \(byte \d+\)"):
        read_trace(path)
    with pytest.raises(TraceError, match=f"{tmp_path}/none.csv: cannot be read: No such file"):
        read_trace(tmp_path / "none.csv")
    with pytest.raises(TraceError, match="cannot be read: Is a directory"):
        read_trace(tmp_path)


def test_columns_in_any_order_and_other_ones(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text(
        "\ufeffnote,rtt_p50_us,target,terminal,site,time\nx,16000,server,t1,s1,2026-03-02T07:00:00+07:00\n",
        encoding="utf-8",
    )
    trace = read_trace(path)
    assert trace.links == (("t1", "", "s1", "server"),)
    assert trace.first_step() * 60 == 1_772_409_600
    # Without counts a row that measured something lost nothing.
    assert {name: column.tolist() for name, column in trace.values.items()} == {
        "rtt_p50_us": [16_000],
        "sent": [10],
        "received": [10],
        "rtt_min_us": [16_000],
        "rtt_p95_us": [16_000],
    }


def test_of_rows_that_say_the_same_the_one_with_more_probes_counts(written, rows_of):
    rows = rows_of(("server",), sites=1, terminals=1, steps=3)
    worse = [(*row[:4], 9, 9, 50_000, 60_000, 70_000) for row in rows]
    for order in ([*rows, *worse], [*worse, *rows]):
        trace = read_trace(written(order))
        assert trace.repeated == 3
        assert trace.values["sent"].tolist() == [10, 10, 10]


def test_no_reply_is_not_a_number(written, rows_of):
    row = rows_of(("server",), sites=1, terminals=1, steps=1)[0]
    trace = read_trace(written([(*row[:5], 0, "", "", "")], "trace.csv.gz"))
    assert trace.values["received"].tolist() == [0]
    assert math.isnan(trace.values["rtt_p50_us"][0])


@pytest.mark.parametrize("minutes", [1, 5, 20])
def test_the_interval_is_that_of_most_rows(written, rows_of, minutes):
    rows = rows_of(("server",), sites=1, terminals=2, steps=30, step_minutes=minutes)
    trace = read_trace(written(rows[:7] + rows[9:]))
    assert trace.step_seconds == 60 * minutes
    assert np.diff(np.unique(trace.steps)).tolist() == [1] * 29
