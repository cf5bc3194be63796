"""Tests of rules as data: the shipped ones pass, and a wrong expectation or file is told in words."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import ClassVar

import numpy as np
import pytest

from alerts.cases.case import read_case
from alerts.checking import check_directory, check_rule
from alerts.parameters import RuleError
from alerts.rules import SHIPPED_RULES, load_rule

CASE = """
[[case]]
name = "old"
start = 2026-11-21T00:00:00Z
expect = [{ after_days = 0, to = "pending" }, { after_days = 0, to = "firing" }]
[[case.age]]
device = "pc1"
segments = [{ days = 2, latest = 2014-03-31, over_10_years = "yes" }]
"""


@pytest.fixture
def check(tmp_path):
    shutil.copy(SHIPPED_RULES / "device_over_10_years.toml", tmp_path)
    rule = load_rule(tmp_path / "device_over_10_years.toml")

    def run(text):
        path = tmp_path / "device_over_10_years.test.toml"
        path.write_text(text, encoding="utf-8")
        return check_rule(rule, path)

    return run


RESULTS = [pytest.param(result, id=f"{result.rule}: {result.case}") for result in check_directory(SHIPPED_RULES)]


@pytest.mark.parametrize("result", RESULTS)
def test_shipped_rules_do_what_their_tests_say(result):
    assert result.differences == ()


def test_a_good_case_passes(check):
    (result,) = check(CASE)
    assert result.differences == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (', { after_days = 0, to = "firing" }', "", "not expected: after_days 0, subject 'pc1', from 'pending'"),
        ('to = "pending"', 'to = "resolved"', "expected after_days 0, to 'resolved'; came after_days 0, subject 'pc1'"),
        ('after_days = 0, to = "firing"', 'after_days = 1, to = "firing"', "expected after_days 1, to 'firing'; came"),
        ('to = "firing" }', 'to = "firing" }, { after_days = 1, to = "resolved" }', "did not come: after_days 1"),
        ('to = "firing"', 'to = "firing", reason = "seven"', "reason 'seven'; came"),
        ('to = "firing"', 'to = "firing", subject = "pc2"', "subject 'pc2'; came"),
        ('to = "firing"', 'to = "firing", from = "resolved"', "from 'resolved'; came"),
        (
            'to = "firing"',
            'to = "firing", readings = { latest = "2013-01-01" }',
            "readings {'latest': '2013-01-01'}; came",
        ),
    ],
)
def test_a_wrong_expectation_is_a_difference(check, old, new, expected):
    assert old in CASE
    (result,) = check(CASE.replace(old, new, 1))
    assert len(result.differences) == 1
    assert expected in result.differences[0]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[[case]]", "[[cases]]", "unknown key 'cases', expected one of case"),
        (CASE, "case = []", "expected at least one [[case]]"),
        ("[[case.age]]", "[[case.ages]]", "case 1: unknown key 'ages', expected one of name, start, parameters, link"),
        ('name = "old"', "name = 1", "case 1: name is 1, expected text"),
        ("T00:00:00Z", "T00:00:00", "start is 2026-11-21T00:00:00, expected a full minute with a time zone"),
        ('"yes"', '"maybe"', "age 1: segment 1: over_10_years is 'maybe', expected one of yes, no, uncertain"),
        ("days = 2", "days = 0", "segment 1: days is 0, expected a whole number from 1 to 40320"),
        ("2014-03-31", '"2014"', "segment 1: latest is '2014', expected a day as 2014-05-31"),
        (
            'to = "pending"',
            'to = "open"',
            "expect 1: to is 'open', expected one of inactive, pending, firing, resolved",
        ),
        ("after_days = 0, to", "to", "expect 1: expected one of after_minutes, after_hours, after_days"),
        ("after_days = 0", 'after_days = "0"', "expect 1: after_days is '0', expected a number"),
        ("[[case.age]]", "parameters = { years = 99 }\n[[case.age]]", "parameters: years is 99, expected whole number"),
        (CASE[CASE.index("[[case.age]]") :], "", "expected at least one of [[case.link]], [[case.age]], "),
    ],
)
def test_a_bad_test_file_is_refused_by_place(check, old, new, expected):
    assert old in CASE
    with pytest.raises(RuleError) as caught:
        check(CASE.replace(old, new, 1))
    assert expected in str(caught.value)
    assert "device_over_10_years.test.toml: " in str(caught.value)


def test_numbers_of_a_link_are_checked(tmp_path):
    shutil.copy(SHIPPED_RULES / "congestion.toml", tmp_path)
    rule = load_rule(tmp_path / "congestion.toml")
    path = tmp_path / "congestion.test.toml"
    head = '[[case]]\nname = "x"\nstart = 2026-11-21T00:00:00Z\n'
    head += '[[case.link]]\ndevice = "a"\ntarget = "b"\nsegments = [%s]\n'
    for segment, expected in (
        ("{ minutes = 1 }", "link 1: segment 1: median_ms is None, expected a number"),
        ('{ minutes = 1, median_ms = "9" }', "median_ms is '9', expected a number"),
        ("{ minutes = 1, median_ms = 9, lost = 2 }", "unknown key 'lost', expected one of minutes, missing, median_ms"),
        ("{ minutes = 1, median_ms = 9, sent = inf }", "sent is inf, expected a number"),
        ("3", "segment 1: expected a table with the keys minutes"),
    ):
        path.write_text(head % segment, encoding="utf-8")
        with pytest.raises(RuleError) as caught:
            check_rule(rule, path)
        assert expected in str(caught.value)


def test_a_rule_without_test_is_a_difference_and_a_test_without_rule_an_error(tmp_path):
    shutil.copy(SHIPPED_RULES / "device_over_10_years.toml", tmp_path)
    (result,) = check_directory(tmp_path)
    assert result.differences == ("there is no device_over_10_years.test.toml beside the rule",)
    (tmp_path / "other.test.toml").write_text(CASE, encoding="utf-8")
    with pytest.raises(RuleError, match=r"other\.test\.toml: there is no rule other\.toml beside it"):
        check_directory(tmp_path)


HEAD = '[[case]]\nname = "x"\nstart = 2026-11-21T00:00:00Z\n'


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("disk_full", '[[case.reading]]\nmeasurement = "disks"', "reading 1: measurement is 'disks', expected one of"),
        (
            "disk_full",
            '[[case.reading]]\nmeasurement = "device_filesystem"\ndevice = "a"\nsegments = []',
            "reading 1: tags has [], expected ['filesystem']",
        ),
        (
            "memory_full",
            '[[case.reading]]\nmeasurement = "device_health"\ndevice = "a"\nsegments = [{ minutes = 1 }]',
            "segment 1: expected either missing = true or at least one of uptime_s, cpu_pm",
        ),
        (
            "memory_full",
            '[[case.reading]]\nmeasurement = "device_health"\ndevice = "a"\nsegments = [{ minutes = 1, days = 1 }]',
            "segment 1: expected one of minutes, hours, days, got minutes, days",
        ),
        (
            "disk_failing",
            '[[case.device]]\ndevice = "a"\nsegments = [{ minutes = 1, facts = { disks = [] } }]',
            "device 1: segment 1: facts: 'disks' is not in the catalogue",
        ),
        (
            "os_out_of_support",
            '[[case.device]]\ndevice = "a"\nsegments = [{ days = 1, states = { operating_system = { word = "x" } } }]',
            "states: operating_system: unknown key 'word', expected one of value, why, readings",
        ),
        (
            "terminal_silent",
            '[[case.device]]\ndevice = "a"\nhistory = { weeks = 3, on = ["mo-fr 8-12"] }\nsegments = []',
            "history: on has 'mo-fr 8-12', expected days and hours as 'mon-fri 07:30-11:30'",
        ),
        (
            "collector_store",
            "[[case.collector]]\nsegments = []\n[[case.collector]]\nsegments = []",
            "collector: expected one table, there is one collector",
        ),
        (
            "collector_store",
            '[[case.collector]]\nsegments = [{ minutes = 1, numbers = { store_failing = "no" } }]',
            "segment 1: store_failing is 'no', expected a number",
        ),
        (
            "clock_wrong",
            'expect = [{ after_days = 1, to = "firing", severity = 1 }]\n[[case.device]]\ndevice = "a"\nsegments = []',
            "expect 1: severity is 1, expected text",
        ),
    ],
)
def test_other_inputs_are_refused_by_place(tmp_path, rule, text, expected):
    path = tmp_path / f"{rule}.test.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        check_rule(load_rule(SHIPPED_RULES / f"{rule}.toml"), path)
    assert expected in str(caught.value)


def test_links_come_as_arrays():
    """With the link's own stored numbers; what is missing stays missing."""
    table = {
        "name": "both",
        "start": datetime(2026, 11, 21, tzinfo=UTC),
        "link": [
            {
                "device": "pc1",
                "target": "server",
                "segments": [
                    {"minutes": 3, "median_ms": 20.0, "large_sent": 10, "large_received": 7},
                    {"minutes": 2, "missing": True},
                    {"minutes": 1, "received": 0},
                ],
            }
        ],
    }

    class Reads:
        reads: ClassVar = {"link_window": 240}

    case = read_case(table, load_rule(SHIPPED_RULES / "congestion.toml"), "here")
    start = case.start_seconds
    (supply,) = case.supplies
    parts = [supply.at(now, Reads()) for now in case.times()][-1]
    window = parts["link_window"]
    assert [minute - start for minute in window.minutes.tolist()] == [120, 180, 240, 300]
    assert window.values["rtt_p50_us"][:, 0].tolist()[:1] == [20_000.0]
    assert np.isnan(window.values["rtt_p50_us"][1:, 0]).all()
    assert window.values["large_received"][0, 0] == 7
    assert window.values["received"][3, 0] == 0
