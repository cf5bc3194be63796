"""Everything the register and the list can say has its Vietnamese."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "collector/locale/fragments/inventory.po"
SAYERS = {"Message", "mark", "translate", "_translate"}


def patterns():
    sources = [path for path in (ROOT / "inventory").rglob("*.py") if "age" not in path.relative_to(ROOT).parts]
    sources += [ROOT / "collector/cli/inventory.py", ROOT / "collector/db/register.py"]
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in SAYERS and isinstance(node.args[0].value, str):
                    yield node.args[0].value
    kinds = tomllib.loads((ROOT / "inventory/data/equipment_kinds.toml").read_text(encoding="utf-8"))
    yield from (kind["label"] for kind in kinds["kind"])
    for path in (ROOT / "inventory/norms").glob("*.toml"):
        yield tomllib.loads(path.read_text(encoding="utf-8"))["note"]


@pytest.fixture(scope="module")
def catalogue():
    with CATALOGUE.open("rb") as file:
        return {message.id: message.string for message in read_po(file, locale="vi") if message.id}


def test_every_pattern_is_translated_and_none_is_left_over(catalogue):
    said = set(patterns())
    assert said - catalogue.keys() == set()
    assert catalogue.keys() - said == set()
    assert [pattern for pattern, text in catalogue.items() if not text] == []


def test_translations_fill_the_same_fields(catalogue):
    fields = re.compile(r"{(\w+)}")
    for pattern, text in catalogue.items():
        assert set(fields.findall(pattern)) == set(fields.findall(text)), pattern
