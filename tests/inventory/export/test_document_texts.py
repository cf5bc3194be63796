"""Everything a document says has its Vietnamese, with the same fields."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[3]
FRAGMENTS = ROOT / "collector/locale/fragments"
SAYERS = {"Message", "mark", "translate"}


def said() -> set[str]:
    found = set()
    for path in (ROOT / "inventory/export").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in SAYERS and isinstance(node.args[0].value, str):
                    found.add(node.args[0].value)
    return found


def texts(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        return {message.id: message.string for message in read_po(file, locale="vi") if message.id}


def test_every_text_is_translated_and_none_of_the_fragment_is_left_over():
    known = {pattern for path in FRAGMENTS.glob("*.po") for pattern, text in texts(path).items() if text}
    assert said() - known == set()
    assert texts(FRAGMENTS / "documents.po").keys() - said() == set()


def test_translations_fill_the_same_fields():
    fields = re.compile(r"{(\w+)}")
    for pattern, text in texts(FRAGMENTS / "documents.po").items():
        assert set(fields.findall(pattern)) == set(fields.findall(text)), pattern
