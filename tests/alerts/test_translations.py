"""Every sentence of the rules has a Vietnamese translation with the same places to fill."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from alerts import age, state
from alerts.conditions import clock, detected, silence
from alerts.congestion import events
from alerts.parameters import specs
from alerts.rules import KINDS
from alerts.state import Timing

FRAGMENTS = Path(__file__).parents[2] / "collector" / "locale" / "fragments"
PLACES = re.compile(r"\{\w+\}")


@pytest.fixture(scope="module")
def catalogue():
    """What all rooms wrote: rules take sentences of several."""
    whole = Catalog(locale="vi")
    for path in sorted(FRAGMENTS.glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale="vi", abort_invalid=True):
                if message.id:
                    whole.add(message.id, message.string)
    return whole


def sentences(rules):
    for module in (age, state, clock, silence, detected, events):
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, str) and value.endswith("."):
                yield value
    for owner in (*KINDS.values(), Timing):
        yield from (spec.help for spec in specs(owner).values())
    for rule in rules.values():
        yield rule.summary
        yield rule.description
        for name in specs(type(rule.condition)):
            if name.endswith("_text"):
                yield getattr(rule.condition, name)


def test_nothing_is_shown_untranslated(catalogue, rules):
    wanted = list(sentences(rules))
    assert len(wanted) > 40
    missing = [text for text in wanted if text not in catalogue or not catalogue[text].string]
    assert missing == []


def test_translations_fill_the_same_places(catalogue):
    for message in catalogue:
        if message.id:
            assert sorted(PLACES.findall(message.id)) == sorted(PLACES.findall(message.string)), message.id


def test_a_warning_is_called_an_early_warning_and_never_a_violation(catalogue):
    for text in (events.ACCESS_TEXT, events.CORE_TEXT, events.LAN_TEXT, events.TERMINAL_TEXT):
        assert catalogue[text].string.startswith("Cảnh báo sớm: ")
        assert "vi phạm" not in catalogue[text].string
