"""The agent's translations are whole: every sentence of the code, every field of every sentence."""

import ast
import gettext
import re
import string
import struct
import unicodedata
from pathlib import Path

import pytest

from agent.language import chosen_language, take_language, translator

AGENT = Path(__file__).resolve().parents[2] / "agent"
CATALOGUE = AGENT / "locale" / "vi" / "LC_MESSAGES" / "agent.mo"
CALLS = {
    "_",
    "mark",
    "Message",
    "AgentError",
    "ConfigurationError",
    "EnrolmentError",
    "AlreadyRunningError",
    "NoDataError",
    "ProbeError",
    "SpoolError",
    "UplinkError",
}


def sentences():
    """Every text in the agent's code that is a person's to read."""
    for path in sorted(AGENT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                if name in CALLS and node.args and isinstance(node.args[0], ast.Constant):
                    yield node.args[0].value, path.name


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.fixture(scope="module")
def catalogue():
    with CATALOGUE.open("rb") as file:
        return gettext.GNUTranslations(file)._catalog


def test_every_sentence_is_translated(catalogue):
    found = list(sentences())
    assert len(found) > 100
    missing = sorted({f"{place}: {text}" for text, place in found if not catalogue.get(text)})
    assert missing == []


def test_nothing_is_translated_that_is_not_said(catalogue):
    said = {text for text, _ in sentences()}
    assert [text for text in catalogue if text and text not in said] == []


def test_fields_are_the_same(catalogue):
    assert {text: fields(text) for text in catalogue if text} == {
        text: fields(translated) for text, translated in catalogue.items() if text
    }


def test_vietnamese_is_composed(catalogue):
    assert [text for text in catalogue.values() if text != unicodedata.normalize("NFC", text)] == []


def test_source_and_compiled_agree(catalogue):
    source = (CATALOGUE.parent / "agent.po").read_text(encoding="utf-8")
    entries = re.findall(r'^msgid ((?:".*"\n)+)msgstr ((?:".*"\n?)+)', source, re.MULTILINE)
    assert len(entries) == len(catalogue)

    def joined(lines):
        return "".join(ast.literal_eval(line) for line in lines.splitlines())

    assert {joined(msgid): joined(msgstr) for msgid, msgstr in entries if joined(msgid)} == {
        text: translated for text, translated in catalogue.items() if text
    }
    assert struct.unpack("<I", CATALOGUE.read_bytes()[:4])[0] == 0x950412DE


def test_choice(monkeypatch):
    monkeypatch.delenv("THONGMANG_LANGUAGE", raising=False)
    assert chosen_language() == "vi"
    assert chosen_language("en") == "en"
    assert chosen_language("xx") == "vi"
    monkeypatch.setenv("THONGMANG_LANGUAGE", "en")
    assert chosen_language() == "en"
    assert chosen_language("vi") == "vi"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], (None, [])),
        (["run", "--lang", "en", "--once"], ("en", ["run", "--once"])),
        (["--lang=vi", "run"], ("vi", ["run"])),
        (["run", "--lang"], ("", ["run"])),
    ],
)
def test_the_option_is_taken_out(arguments, expected):
    assert take_language(arguments) == expected


def test_a_sentence_without_translation_stays_as_it_is():
    assert translator("vi")("no such sentence") == "no such sentence"
    assert translator("en")("never") == "never"
    assert translator("vi")("never") == "chưa có"
