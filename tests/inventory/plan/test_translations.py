"""Everything a plan says has its Vietnamese."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from inventory.plan import load_weights

ROOT = Path(__file__).parents[3]
CATALOGUE = ROOT / "collector/locale/fragments/plan.po"
SAYERS = {"Message", "mark", "translate"}


def patterns():
    for path in [*(ROOT / "inventory/plan").glob("*.py"), ROOT / "collector/cli/plan.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in SAYERS and isinstance(node.args[0].value, str):
                    yield node.args[0].value
    for part in load_weights().parts:
        yield part.label
        yield part.explanation


def read(path):
    with path.open("rb") as file:
        return {message.id: message.string for message in read_po(file, locale="vi") if message.id}


@pytest.fixture(scope="module")
def catalogue():
    return read(CATALOGUE)


def test_every_pattern_is_translated_and_none_is_left_over(catalogue):
    said = set(patterns())
    others = [read(path) for path in CATALOGUE.parent.glob("*.po") if path != CATALOGUE]
    # A sentence that another room says too may stand in its catalogue, or in both with the same words.
    assert said - catalogue.keys() - {pattern for other in others for pattern in other} == set()
    assert catalogue.keys() - said == set()
    assert [pattern for pattern, text in catalogue.items() if not text] == []
    for other in others:
        assert {p: other[p] for p in catalogue.keys() & other.keys()} == {
            p: catalogue[p] for p in catalogue.keys() & other.keys()
        }


def test_translations_fill_the_same_fields(catalogue):
    fields = re.compile(r"{(\w+)}")
    for pattern, text in catalogue.items():
        assert set(fields.findall(pattern)) == set(fields.findall(text)), pattern
