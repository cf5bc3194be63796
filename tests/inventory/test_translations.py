"""Everything the register and the list can say has its Vietnamese."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
FRAGMENTS = ROOT / "collector/locale/fragments"
# These say nothing but what is looked for here; the others hold sentences of other rooms as well.
OWN = ("inventory.po", "staffing.po")
SAYERS = {"Message", "mark", "translate", "_translate"}


def patterns():
    sources = [path for path in (ROOT / "inventory").rglob("*.py") if "age" not in path.relative_to(ROOT).parts]
    sources += [ROOT / "collector/cli" / name for name in ("inventory.py", "staffing.py", "plan.py")]
    sources += [ROOT / "collector/db/register.py"]
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in SAYERS and isinstance(node.args[0].value, str):
                    yield node.args[0].value
    kinds = tomllib.loads((ROOT / "inventory/data/equipment_kinds.toml").read_text(encoding="utf-8"))
    yield from (kind["label"] for kind in kinds["kind"])
    for path in (ROOT / "inventory/norms").glob("*.toml"):
        norm = tomllib.loads(path.read_text(encoding="utf-8"))
        yield norm["note"]
        yield from (ground["says"] for ground in norm.get("ground", ()))


@pytest.fixture(scope="module")
def fragments():
    read = {}
    for path in FRAGMENTS.glob("*.po"):
        with path.open("rb") as file:
            read[path.name] = {message.id: message.string for message in read_po(file, locale="vi") if message.id}
    return read


def test_every_pattern_is_translated_and_none_is_left_over(fragments):
    said = set(patterns())
    assert said - {pattern for texts in fragments.values() for pattern in texts} == set()
    for name in OWN:
        assert fragments[name].keys() - said == set(), name
        assert [pattern for pattern, text in fragments[name].items() if not text] == []


def test_the_survey_repeats_no_sentence_of_another_fragment(fragments):
    others = {pattern for name, texts in fragments.items() if name != "staffing.po" for pattern in texts}
    assert fragments["staffing.po"].keys() & others == set()


def test_translations_fill_the_same_fields(fragments):
    fields = re.compile(r"{(\w+)}")
    for pattern, text in (pair for name in OWN for pair in fragments[name].items()):
        assert set(fields.findall(pattern)) == set(fields.findall(text)), pattern
