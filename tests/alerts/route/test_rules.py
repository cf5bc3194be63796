"""The file of routing rules is read strictly."""

from __future__ import annotations

import pytest

from alerts.parameters import RuleError
from alerts.route.rules import SHIPPED_ROUTING, load_routing
from alerts.rules import SHIPPED_RULES, load_rules


def test_every_shipped_rule_has_a_family_of_its_own():
    routing = load_routing()
    assert {
        name: routing.family_of(name) for name in load_rules(SHIPPED_RULES) if routing.family_of(name) == "other"
    } == {}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("firings = 4", "firings = 1", "flapping.firings is 1, expected a number from 2 to 100"),
        ("firings = 4", "firing = 4", "unknown key 'firing'"),
        ('handover = "07:00"', 'handover = "7h"', "duty.handover is '7h', expected a time from 00:00 to 23:59"),
        ("equal = []", 'equal = ["room"]', "equal is \\['room'\\]"),
        ("critical = [15, 60]", "critical = [60, 15]", "expected numbers that grow"),
        ("wait_seconds = { critical = 15, ", "wait_seconds = { ", "key 'critical' is missing"),
        ('source = { rules = ["congestion*"], scopes = ["province"] }', "source = {}", "source is empty"),
        ('name = "core_congestion"', 'name = "site_outage"', "no other inhibition has"),
        ('"duty.handover" = "start', '"duty.handover" = "" #', "no text that says where"),
        ("[group]", "[grouping]", "unknown key 'grouping'"),
        ('scopes = ["province"]', 'scopes = ["world"]', "scopes: 'world', expected one of terminal"),
        ("[duty]", "duty", "is not TOML"),
    ],
)
def test_what_cannot_be_used_names_file_key_and_what_was_expected(tmp_path, old, new, words):
    text = SHIPPED_ROUTING.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "routing.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RuleError, match=words) as caught:
        load_routing(path)
    assert str(path) in str(caught.value)
