"""Every sentence has its Vietnamese, and the compiled catalogue is what the rooms wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.wire.message import Message
from collector.language import format_date, format_number, render_message, translator

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("locale") / "thongmang.pot"
    script = (ROOT / "deploy/locale.sh").read_text()
    words = script.split("extract ", 1)[1].split("-o ", 1)[0].replace("\\\n", " ").split()
    subprocess.run(
        [Path(sys.executable).parent / "pybabel", "--quiet", "extract", *words, "-o", path, "."], cwd=ROOT, check=True
    )
    return path


def said_by(script, *arguments):
    done = subprocess.run([sys.executable, script, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_no_sentence_is_untranslated(template):
    merged = ROOT / "collector/locale/vi/LC_MESSAGES/thongmang.po"
    done = subprocess.run(
        [sys.executable, "deploy/untranslated.py", template, merged],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""


def test_the_catalogue_is_what_the_rooms_wrote(tmp_path):
    merged = tmp_path / "thongmang.po"
    folder = "collector/locale/fragments"
    done = subprocess.run(
        [sys.executable, "deploy/merge_translations.py", folder, merged],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    kept = ROOT / "collector/locale/vi/LC_MESSAGES"
    assert merged.read_text() == (kept / "thongmang.po").read_text()
    compiled = tmp_path / "thongmang.mo"
    subprocess.run(
        [Path(sys.executable).parent / "pybabel", "--quiet", "compile", "-l", "vi", "-i", merged, "-o", compiled],
        check=True,
    )
    assert compiled.read_bytes() == (kept / "thongmang.mo").read_bytes()


def test_dates_and_numbers_are_written_as_readers_write_them():
    assert format_number(1234567.891, 1, "vi") == "1.234.567,9"
    assert format_number(1234567.891, 1, "en") == "1,234,567.9"
    assert format_date("2026-03-09") == "09/03/2026"
    message = Message(
        "{day} {month} {moment} {number}",
        {"day": "2026-03-09", "month": "2012-04", "moment": "2026-03-02T20:10:00Z", "number": 0.5},
    )
    assert render_message(message, "vi") == "09/03/2026 04/2012 03:10 03/03/2026 0,5"


def test_probe_messages_come_from_the_agents_own_catalogue():
    assert translator("vi")("raw ICMP sockets are not permitted") != "raw ICMP sockets are not permitted"
    assert translator("en")("raw ICMP sockets are not permitted") == "raw ICMP sockets are not permitted"
