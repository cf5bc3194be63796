"""Tests of rules as data: the shipped ones pass, and a wrong expectation or file is told in words."""

from __future__ import annotations

import shutil

import pytest

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
        ("after_days = 0, to", "to", "expect 1: expected one of after_minutes, after_days"),
        ("after_days = 0", 'after_days = "0"', "expect 1: after_days is '0', expected a number"),
        ("[[case.age]]", "parameters = { years = 99 }\n[[case.age]]", "parameters: years is 99, expected whole number"),
        (CASE[CASE.index("[[case.age]]") :], "", "expected either [[case.link]] or [[case.age]]"),
    ],
)
def test_a_bad_test_file_is_refused_by_place(check, old, new, expected):
    assert old in CASE
    with pytest.raises(RuleError) as caught:
        check(CASE.replace(old, new, 1))
    assert expected in str(caught.value)
    assert "device_over_10_years.test.toml: " in str(caught.value)


def test_numbers_of_a_link_are_checked(tmp_path):
    shutil.copy(SHIPPED_RULES / "link_latency_raised.toml", tmp_path)
    rule = load_rule(tmp_path / "link_latency_raised.toml")
    path = tmp_path / "link_latency_raised.test.toml"
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
