"""Conditions of rules as data: what their files may say, and that each figure of a rule matters."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from agent.wire.catalogue import MEASUREMENTS
from alerts.checking import check_rule
from alerts.evaluate import evaluate, is_due
from alerts.parameters import RuleError
from alerts.ports import PARTS, Inputs
from alerts.presence import PresenceBook
from alerts.rules import SHIPPED_RULES, TEST_SUFFIX, load_rule, load_rules
from alerts.state import FIRING, AlertState, Subject

OURS = (
    "antimalware_off",
    "antimalware_stale",
    "clock_battery",
    "clock_wrong",
    "collector_backlog",
    "collector_disk",
    "collector_jobs",
    "collector_rejected",
    "collector_store",
    "collector_writer",
    "device_expired",
    "disk_failing",
    "disk_full",
    "memory_full",
    "os_out_of_support",
    "site_silent",
    "terminal_silent",
)


@dataclass(frozen=True)
class Device:
    device_id: str
    unit_code: str = "17029"
    site: str = "main"
    last_seen_seconds: float | None = 0.0
    clock_skew_seconds: float | None = None
    facts: dict = field(default_factory=dict)
    states: dict = field(default_factory=dict)


def test_they_are_shipped_and_switched_on(rules):
    assert set(OURS) <= {name for name, rule in rules.items() if rule.enabled}


@pytest.mark.parametrize("name", OURS)
def test_a_rule_asks_for_parts_that_exist(rules, name):
    for part, seconds in rules[name].condition.reads.items():
        assert part in (*PARTS, *MEASUREMENTS)
        assert seconds >= 0


@pytest.mark.parametrize(
    ("rule", "old", "new", "expected"),
    [
        (
            "disk_full",
            '"device_filesystem"',
            '"filesystem"',
            "measurement is 'filesystem', expected one of device_heal",
        ),
        (
            "disk_full",
            '"available_kib"',
            '"free_kib"',
            "part_field is 'free_kib', expected one of size_kib, available_kib",
        ),
        ("disk_full", 'side = "below"', 'side = "under"', "side is 'under', expected one of below, above"),
        (
            "disk_full",
            "clear_ratio = 0.12",
            "clear_ratio = 0.09",
            "clear_ratio is 0.09, expected at least raise_ratio (0.1)",
        ),
        (
            "disk_full",
            "{value} GiB of {whole}",
            "{free} GiB of {whole}",
            "raised_text has the place {free}, expected only",
        ),
        (
            "disk_full",
            "{label} of this terminal is",
            "{label of this terminal is",
            "raised_text has braces that do not match",
        ),
        ("disk_failing", 'fact = "disk_health"', 'fact = "disks"', "fact is 'disks', which is not in the catalogue"),
        ("disk_failing", '"smart_health"', '"smart"', "column is 'smart', expected one of device, model"),
        (
            "disk_failing",
            'good_values = "ok"',
            'good_values = "ok, failing"',
            "'failing' is both in bad_values and good",
        ),
        ("disk_failing", 'name_column = "device"', 'name_column = ""', "name_column is empty, expected the column"),
        ("antimalware_off", '"kind=antimalware"', '"antimalware"', "where is 'antimalware', expected column=value"),
        ("antimalware_off", '"kind=antimalware"', '"sort=antimalware"', "where names 'sort', expected one of kind"),
        (
            "antimalware_stale",
            "clear_value = 7",
            "clear_value = 15",
            "clear_value is 15, expected at most raise_value (14)",
        ),
        (
            "clock_wrong",
            "clear_seconds = 120",
            "clear_seconds = 301",
            "clear_seconds is 301, expected at most raise_second",
        ),
        (
            "collector_disk",
            "clear_value = 7516192768",
            "clear_value = 1",
            "clear_value is 1, expected at least raise_value",
        ),
        ("site_silent", "terminals_min = 2", "terminals_min = 1", "terminals_min is 1, expected whole number from 2"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused_in_words(tmp_path, rule, old, new, expected):
    text = (SHIPPED_RULES / f"{rule}.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / f"{rule}.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        load_rule(path)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "changed", "case"),
    [
        (
            "disk_full",
            {"raise_amount": 1e15, "clear_amount": 1e15},
            "a large disk with little left as a share has room",
        ),
        ("disk_full", {"raise_ratio": 1.0, "clear_ratio": 1.0}, "a small disk with a quarter left is no full disk"),
        (
            "disk_full",
            {"clear_ratio": 0.10, "clear_amount": 10485760},
            "between the limits it neither flutters nor ends",
        ),
        ("disk_full", {"no_data_seconds": 3600}, "switched off at night: the alert stands, and is not told anew"),
        ("disk_full", {"for_seconds": 0}, "a large file that comes and goes"),
        ("memory_full", {"raise_amount": 1e15, "clear_amount": 1e15}, "a terminal with much memory still has some"),
        ("antimalware_off", {"subjects": "each"}, "another product watches"),
        ("antimalware_off", {"fresh_seconds": 86_400}, "its last word before it was switched off"),
        (
            "antimalware_stale",
            {"where": "kind=antimalware", "subjects": "each"},
            "a product that is off, one that is new",
        ),
        ("clock_wrong", {"clear_seconds": 300}, "a drifting clock does not flutter"),
        ("clock_wrong", {"fresh_seconds": 86_400}, "switched off before the hour is over"),
        ("terminal_silent", {"missed_min_hours": 7.0}, "one terminal of a working unit is away"),
        ("terminal_silent", {"longest_ratio": 1.0}, "it was away as long before"),
        ("terminal_silent", {"learned_weeks_min": 2, "usual_ratio": 0.6}, "two weeks are not learned yet"),
        ("site_silent", {"together_terminals_min": 2}, "two people leave together"),
        ("site_silent", {"silent_seconds": 300}, "short gaps again and again"),
        ("collector_backlog", {"clear_value": 300}, "around the limit it does not flutter"),
    ],
)
def test_every_figure_of_a_rule_is_held_by_a_case(rules, rule, changed, case):
    """With another figure, the case that stands for it goes wrong."""
    changed_rule = rules[rule].with_parameters(changed, "here")
    results = check_rule(changed_rule, SHIPPED_RULES / (rule + TEST_SUFFIX))
    found = [result for result in results if result.case.startswith(case)]
    assert len(found) == 1
    assert found[0].differences != ()


def test_a_fact_that_changed_its_place_keeps_its_subject_and_carries_its_site(rules):
    facts = {"disk_health": [{"device": "sda", "smart_health": "failing"}]}
    rule = rules["disk_failing"]
    before = evaluate(rule, Inputs(devices=[Device("pc1", facts=facts)]), {}, 100.0)
    moved = Inputs(devices=[Device("pc1", unit_code="16708", site="second", facts=facts, last_seen_seconds=400.0)])
    after = evaluate(rule, moved, before.states, 400.0)
    assert after.transitions == ()
    assert after.states["pc1/sda"].subject == Subject("pc1/sda", "pc1", "16708", "second")
    assert {one.site for one in before.transitions} == {"main"}


def test_an_alert_that_goes_on_is_left_as_it_is_and_a_worse_one_is_not(rules):
    rule = rules["clock_wrong"]
    worst = {"pc1": AlertState(Subject("pc1", "pc1", "17029", "main"), FIRING, 0.0, 0.0, peak=900.0)}

    def judged(skew):
        devices = [Device("pc1", last_seen_seconds=5000.0, clock_skew_seconds=skew)]
        return evaluate(rule, Inputs(devices=devices), worst, 5000.0)

    assert judged(900.0).states == {}
    assert judged(-901.0).states["pc1"].peak == 901.0
    assert judged(200.0).states["pc1"].clear_since == 5000.0


def test_without_a_book_or_without_devices_nobody_is_silent(rules):
    for name in ("terminal_silent", "site_silent"):
        for inputs in (Inputs(), Inputs(presence=PresenceBook()), Inputs(devices=[Device("pc1")])):
            assert evaluate(rules[name], inputs, {}, 1e9).transitions == ()
        fresh = Inputs(presence=PresenceBook(), devices=[Device("pc1"), Device("pc2")])
        assert evaluate(rules[name], fresh, {}, 1e9).transitions == ()


def test_a_rule_is_due_after_its_interval_or_when_the_clock_was_set_back(rules):
    rule = rules["disk_full"]
    assert is_due(rule, None, 0.0)
    assert not is_due(rule, 1000.0, 1899.0)
    assert is_due(rule, 1000.0, 1900.0)
    assert is_due(rule, 1000.0, 999.0)
    assert is_due(rules["collector_store"], 1000.0, 1000.0)


def test_one_more_rule_of_a_kind_is_two_files(tmp_path):
    """Worn disks: no Python."""
    text = (SHIPPED_RULES / "antimalware_stale.toml").read_text(encoding="utf-8")
    for old, new in (
        ('name = "antimalware_stale"', 'name = "disk_worn"'),
        ('fact = "protection"', 'fact = "disk_health"'),
        ('where = "kind=antimalware, enabled=true"', 'where = "smart_health=ok"'),
        ('column = "signature_age_days"', 'column = "wear_ratio"'),
        ("raise_value = 14", "raise_value = 0.9"),
        ("clear_value = 7", "clear_value = 0.8"),
        ('name_column = "product"', 'name_column = "device"'),
        ('subjects = "all"', 'subjects = "each"'),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "disk_worn.toml").write_text(text, encoding="utf-8")
    rule = load_rules(tmp_path)["disk_worn"]
    disks = [
        {"device": "sda", "smart_health": "ok", "wear_ratio": 0.95},
        {"device": "sdb", "smart_health": "failing", "wear_ratio": 0.99},
        {"device": "sdc", "smart_health": "ok", "wear_ratio": 0.1},
    ]
    result = evaluate(rule, Inputs(devices=[Device("pc1", facts={"disk_health": disks})]), {}, 0.0)
    assert [(one.subject, one.to_state) for one in result.transitions] == [("pc1/sda", "pending")]
