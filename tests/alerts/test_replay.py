"""The latency rule over labelled traces: what was congested is found, little else is."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "data" / "congestion"
DAY = 86_400


def alarms(transitions, *, gateway=False):
    """[(from, to)] of what fired, alarms at most five minutes apart taken as one."""
    fired, spans = {}, []
    for each in transitions:
        if each.subject.endswith("/gateway") != gateway:
            continue
        if each.to_state == "firing":
            fired[each.subject] = each.at
        elif each.to_state == "resolved":
            spans.append((fired.pop(each.subject), each.at))
    end = max((each.at for each in transitions), default=0)
    spans += [(at, end) for at in fired.values()]
    merged = []
    for start, stop in sorted(spans):
        if merged and start <= merged[-1][1] + 300:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def overlaps(span, others):
    return any(span[0] < stop and span[1] > start for start, stop in others)


def test_one_site(latency_rule, read_trace, replay, seconds):
    minutes = read_trace(HERE / "traces" / "one_site.csv.gz", {"s05"})
    minutes[max(minutes) + 3600] = []  # everyone goes home: whatever still fires is closed for want of readings
    transitions, states = replay(latency_rule, minutes, judge_from=seconds("2026-03-18T01:00:00Z"))
    access = (seconds("2026-03-18T03:27:00Z"), seconds("2026-03-18T04:26:00Z"))
    core = (seconds("2026-03-18T08:20:00Z"), seconds("2026-03-18T08:44:00Z"))
    found = alarms(transitions)
    for true_start, true_stop in (access, core):
        hits = [span for span in found if overlaps(span, [(true_start, true_stop)])]
        assert true_start <= hits[0][0] <= true_start + 4 * 60
        # Past it at most 8 quiet minutes of 10, or half an hour where the line came back on a longer route.
        assert true_stop <= hits[-1][1] <= true_stop + 45 * 60
    # At 05:56 a queue too short for the labels stands on top of a change of route.
    assert len([span for span in found if not overlaps(span, [access, core])]) <= 1
    assert alarms(transitions, gateway=True) == []
    assert all(state.state == "inactive" for state in states.values())


def test_one_site_in_another_order(latency_rule, read_trace, replay, seconds):
    minutes = read_trace(HERE / "traces" / "one_site.csv.gz", {"s05"}, until="2026-03-18T04:00")
    start = seconds("2026-03-18T01:00:00Z")
    backwards = {at: each[::-1] for at, each in minutes.items()}
    assert replay(latency_rule, backwards, start) == replay(latency_rule, minutes, start)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the labelled traces (../shared/data/congestion) are not here")
def test_a_site_of_the_labelled_province_for_two_weeks(latency_rule, read_trace, replay, seconds):
    site = "s02"
    minutes = read_trace(SHARED / "trace_easy.csv.gz", {site}, until="2026-03-20")
    transitions, _ = replay(latency_rule, minutes, judge_from=min(minutes) + 7 * DAY)
    truth, neither, lan = [], [], []
    with (SHARED / "labels_easy.csv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            span = (seconds(row["start"]), seconds(row["end"]))
            if row["site"] != site or span[0] < min(minutes) + 7 * DAY or span[1] > max(minutes):
                continue
            if row["kind"] in ("access", "core") and span[1] - span[0] >= 600:
                truth.append(span)
            elif row["kind"] == "lan":
                lan.append(span)
            else:
                neither.append(span)
    found = alarms(transitions)
    assert len(truth) >= 4
    assert all(overlaps(span, found) for span in truth)
    assert sum(not overlaps(span, truth + neither) for span in found) <= 3
    assert all(overlaps(span, alarms(transitions, gateway=True)) for span in lan)
