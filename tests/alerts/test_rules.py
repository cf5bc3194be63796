"""Rule files: what is refused and in which words; what is shipped holds together."""

from __future__ import annotations

import re

import pytest

from alerts.parameters import RuleError, specs
from alerts.rules import KINDS, SHIPPED_RULES, load_rule, load_rules
from alerts.state import Timing

GOOD = (SHIPPED_RULES / "device_over_10_years.toml").read_text(encoding="utf-8")
CONGESTION = (SHIPPED_RULES / "congestion.toml").read_text(encoding="utf-8")
KEYS = "name, kind, enabled, severity, summary, description, timing, parameters, sources"
TIMING_KEYS = "for_seconds, pending_seconds, keep_firing_seconds, linger_seconds, no_data_seconds, resolved_seconds"


def changed(old: str, new: str, text: str = GOOD) -> str:
    assert old in text
    return text.replace(old, new, 1)


BAD = {
    "not TOML": ("name = ", "is not TOML: Invalid value (at end of document)"),
    "unknown key": ("threshold = 1\n" + GOOD, f"unknown key 'threshold', expected one of {KEYS}"),
    "name differs": (
        changed('"device_over_10_years"', '"device_old"'),
        "name is 'device_old', expected the file's own name without .toml (small letters, digits and _)",
    ),
    "no name": (changed("name =", "# name ="), "name is None, expected text, not empty"),
    "unknown kind": (
        changed('"device_over_age"', '"device_age"'),
        f"kind is 'device_age', expected one of {', '.join(KINDS)}",
    ),
    "severity": (changed('"info"', '"high"'), "severity is 'high', expected one of info, warning, critical"),
    "enabled": (changed("enabled = true", 'enabled = "yes"'), "enabled is 'yes', expected true or false"),
    "summary": (changed('"Equipment over 10 years old"', '" "'), "summary is ' ', expected text, not empty"),
    "parameter missing": (
        changed("years = 10\n", ""),
        "parameters: key 'years' is missing, expected whole number from 1 to 50",
    ),
    "parameter unknown": (
        changed("years = 10\n", "years = 10\nmonths = 3\n"),
        "parameters: unknown key 'months', expected one of years",
    ),
    "parameter of the wrong kind": (
        changed("years = 10\n", "years = 10.5\n"),
        "parameters: years is 10.5, expected whole number from 1 to 50",
    ),
    "a truth value is no number": (
        changed("years = 10\n", "years = true\n"),
        "parameters: years is True, expected whole number from 1 to 50",
    ),
    "parameter out of range": (
        changed("years = 10\n", "years = 0\n"),
        "parameters: years is 0, expected whole number from 1 to 50",
    ),
    "no timing": (changed("[timing]", "[timings]"), f"unknown key 'timings', expected one of {KEYS}"),
    "timing is no table": (
        changed("[timing]", "[sources2]").replace("[sources2]", "timing = 1\n[parameters2]"),
        f"unknown key 'parameters2', expected one of {KEYS}",
    ),
    "timing key": (
        changed("for_seconds = 0", "wait_seconds = 0"),
        f"timing: unknown key 'wait_seconds', expected one of {TIMING_KEYS}",
    ),
    "timing against itself": (
        changed("for_seconds = 0", "for_seconds = 7200"),
        "timing: for_seconds is 7200, expected at most pending_seconds (3600)",
    ),
    "source missing": (
        changed('years = "', 'for_ever = "'),
        f"sources: unknown key 'for_ever', expected one of years, {TIMING_KEYS}",
    ),
    "source empty": (
        re.sub(r'(?m)^years = ".*"$', 'years = ""', GOOD),
        "sources: years has no text that says where its figure comes from",
    ),
}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_refused_in_exact_words(tmp_path, text, expected):
    path = tmp_path / "device_over_10_years.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        load_rule(path)
    assert str(caught.value) == f"{path}: {expected}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("hot_steps = 2", "hot_steps = 6", "hot_steps is 6, expected at most evidence_steps (5)"),
        (
            "on_min_us = 8000",
            "on_min_us = 60000",
            "on_min_us is 60000, expected at most on_max_us (50000)",
        ),
        ("clear_steps = 8", "clear_steps = 11", "clear_steps is 11, expected at most clear_window_steps (10)"),
        ('gateway_target = "gateway"', 'gateway_target = ""', "gateway_target is '', expected text, not empty"),
        ("strength_min = 4.0", "strength_min = nan", "strength_min is nan, expected number from 0 to 120"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(tmp_path, old, new, expected):
    path = tmp_path / "congestion.toml"
    path.write_text(changed(old, new, CONGESTION), encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        load_rule(path)
    assert str(caught.value) == f"{path}: parameters: {expected}"


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(RuleError, match=r"none\.toml: cannot be read: No such file or directory"):
        load_rule(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(RuleError, match=r"latin\.toml: is not UTF-8 text \(byte 8\)"):
        load_rule(tmp_path / "latin.toml")


def test_a_folder_without_rules_is_refused(tmp_path):
    with pytest.raises(RuleError, match=r"holds no rule \(\*\.toml\)"):
        load_rules(tmp_path)
    with pytest.raises(RuleError, match=r"expected a folder with rules"):
        load_rules(tmp_path / "none")
    (tmp_path / "x.test.toml").write_text("")
    with pytest.raises(RuleError, match=r"holds no rule"):
        load_rules(tmp_path)


def test_other_figures_can_be_tried(rules):
    other = rules["congestion"].with_parameters({"on_min_us": 9000, "no_data_seconds": 60}, "here")
    assert other.condition.on_min_us == 9000
    assert other.timing.no_data_seconds == 60
    assert rules["congestion"].condition.on_min_us == 8000
    with pytest.raises(RuleError, match=r"here: unknown key 'threshold', expected one of gateway_target, "):
        rules["congestion"].with_parameters({"threshold": 1}, "here")
    with pytest.raises(RuleError, match=r"here: hot_steps is 0, expected whole number from 1 to 60"):
        rules["congestion"].with_parameters({"hot_steps": 0}, "here")


@pytest.mark.parametrize("owner", [*KINDS.values(), Timing], ids=lambda owner: owner.__name__)
def test_units_stand_in_the_names_of_parameters(owner):
    suffixes = {
        "days": "_days",
        "hours": "_hours",
        "kbit/s": "_kbit_s",
        "minutes": "_minutes",
        "seconds": "_seconds",
        "microseconds": "_us",
        "ratio": "_ratio",
        "years": "years",
        "sites": "_sites",
        "probes": "_count",
    }
    for name, spec in specs(owner).items():
        assert spec.help.endswith(".")
        if spec.unit in ("minutes", "steps"):
            assert spec.unit in name
        elif spec.unit:
            assert name.endswith(suffixes[spec.unit])


def test_the_first_two_rules_are_shipped_and_switched_on(rules):
    assert {"congestion", "device_over_10_years"} <= {name for name, rule in rules.items() if rule.enabled}
