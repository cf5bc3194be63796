from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from collector.cli.inspect import main

ROOT = Path(__file__).parents[3]
AS_OF = "2026-11-21"


def run(*words, language="en", module="collector.cli.inspect"):
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env={**os.environ, "THONGMANG_LANGUAGE": language},
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


@pytest.fixture
def text_file(dumps, tmp_path):
    dump = next(item for item in dumps if "/OptiPlex" in item["path"])
    file = tmp_path / "dmidecode.txt"
    file.write_text(dump["text"], encoding="utf-8")
    return file


def test_one_text_as_json(text_file):
    done = run("--dmidecode", str(text_file), "--as-of", AS_OF, "--format", "json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert list(result) == ["earliest", "latest", "best", "confidence", "over_10_years", "evidence", "contradictions"]
    assert set(result["evidence"][0]) == {"source", "earliest", "latest", "why"}
    assert result["earliest"] <= result["best"] <= result["latest"]


def test_one_text_for_people(text_file):
    done = run("--dmidecode", str(text_file), "--as-of", AS_OF)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Made: about ")
    assert "Reasons:" in done.stdout


def test_powershell_writes_utf_16(text_file):
    text_file.write_text(text_file.read_text(encoding="utf-8"), encoding="utf-16")
    assert run("--dmidecode", str(text_file), "--as-of", AS_OF).stdout.startswith("Made: about ")


@pytest.mark.parametrize("packed", [False, True])
def test_lines_in_order(dumps, tmp_path, packed):
    body = "".join(json.dumps(dump) + "\n" for dump in dumps).encode()
    file = tmp_path / ("dumps.jsonl.gz" if packed else "dumps.jsonl")
    file.write_bytes(gzip.compress(body) if packed else body)
    done = run("--dmidecode", str(file), "--as-of", AS_OF)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [item["path"] for item in results] == [dump["path"] for dump in dumps]
    assert all(
        {"earliest", "latest", "best", "confidence", "over_10_years", "evidence"} <= set(item) for item in results
    )


def test_the_program_knows_the_command(text_file):
    done = run("inspect", "--dmidecode", str(text_file), "--as-of", AS_OF, "--format", "json", module="agent")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["over_10_years"] in {"yes", "no", "uncertain"}


def test_bad_lines_are_named_and_the_rest_is_read(dumps, tmp_path):
    file = tmp_path / "dumps.jsonl"
    good = json.dumps(dumps[0])
    file.write_text(f'{good}\nnot json\n{{"path": "a/b"}}\n[1]\n\n{good}\n', encoding="utf-8")
    done = run("--dmidecode", str(file), "--as-of", AS_OF)
    assert done.returncode == 1
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [item["path"] for item in results] == [dumps[0]["path"], None, "a/b", None, dumps[0]["path"]]
    assert ["error" in item for item in results] == [False, True, True, True, False]
    assert f"{file}, line 2: expected a JSON object" in done.stderr
    assert f"{file}, line 3: " in done.stderr


def test_a_line_without_end_is_bounded(dumps, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("collector.cli.inspect.TEXT_LIMIT_BYTES", 1 << 16)
    file = tmp_path / "dumps.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"path": "' + b"x" * (1 << 20) + b"\n" + json.dumps(dumps[0]).encode()))
    assert main(["--dmidecode", str(file), "--as-of", AS_OF, "--language", "en"]) == 1
    out = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "longer than" in out[0]["error"]
    assert out[1]["path"] == dumps[0]["path"]


def test_a_bomb_ends(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("collector.cli.inspect.FILE_LIMIT_BYTES", 1 << 24)
    monkeypatch.setattr("collector.cli.inspect.TEXT_LIMIT_BYTES", 1 << 20)
    file = tmp_path / "bomb.jsonl.gz"
    file.write_bytes(gzip.compress(b"0" * (1 << 26)))
    assert main(["--dmidecode", str(file), "--language", "en"]) == 2
    assert "larger than 16 MiB" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("absent.txt", None, "cannot be read"),
        ("absent.jsonl", None, "cannot be read"),
        ("page.txt", b"<html>", "no SMBIOS structures"),
        ("empty.txt", b"", "no SMBIOS structures"),
        ("cut.jsonl.gz", gzip.compress(b'{"path": "a", "text": ""}\n' * 4000)[:-20], "damaged or cut short"),
        ("plain.jsonl.gz", b'{"path": "a", "text": ""}\n', "damaged or cut short"),
    ],
)
def test_unreadable_files(tmp_path, capsys, name, content, expected):
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    assert main(["--dmidecode", str(file), "--as-of", AS_OF, "--language", "en"]) == 2
    assert expected in capsys.readouterr().err


def test_wrong_words(capsys):
    assert main(["--as-of", "21/11/2026"]) == 2
    assert main(["--format", "xml"]) == 2


def test_this_machine():
    done = run("--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["confidence"] in {"high", "medium", "low"}


def test_every_sentence_has_its_vietnamese():
    from babel.messages.extract import extract_from_dir
    from babel.messages.pofile import read_po

    fragment = ROOT / "collector" / "locale" / "fragments" / "age.po"
    if not fragment.exists():
        pytest.skip("the fragment has been merged into the catalogue")
    with fragment.open("rb") as file:
        catalogue = read_po(file, locale="vi")
    keywords = {"mark": None, "Message": None}
    folders = [(ROOT / "inventory" / "age", "**.py"), (ROOT / "collector" / "cli", "inspect.py")]
    found = {
        message
        for folder, pattern in folders
        for _, _, message, _, _ in extract_from_dir(folder, method_map=[(pattern, "python")], keywords=keywords)
    }
    assert len(found) > 40
    missing = [text for text in found if not (catalogue.get(text) and catalogue.get(text).string)]
    assert missing == []
