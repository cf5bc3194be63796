"""`thongmang alerts` as people type it."""

from __future__ import annotations

import shutil

import pytest

from alerts.rules import SHIPPED_RULES
from collector.cli.alerts import main


@pytest.fixture
def folder(tmp_path):
    for path in SHIPPED_RULES.glob("device_over_10_years*"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_shipped_rules_pass(capsys):
    assert main(["test", "--language", "en"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "device_over_10_years: passed: uncertain does not fire" in lines
    assert lines[-1].endswith(" passed, 0 failed")


def test_a_failure_is_shown_with_its_difference(folder, capsys):
    path = folder / "device_over_10_years.test.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("after_days = 5, to", "after_days = 4, to", 1), "utf-8")
    assert main(["test", str(folder), "--language", "en"]) == 1
    out = capsys.readouterr().out
    assert "device_over_10_years: FAILED: becomes over 10 years old while it is watched\n" in out
    assert "    expected after_days 4, to 'pending'; came after_days 5, subject 'pc1', from 'inactive'" in out
    assert out.endswith("5 passed, 1 failed\n")


def test_a_rule_without_test_fails(folder, capsys):
    (folder / "device_over_10_years.test.toml").unlink()
    assert main(["test", str(folder), "--language", "en"]) == 1
    assert "device_over_10_years: FAILED: (no test file)" in capsys.readouterr().out


def test_a_bad_file_is_an_error_without_traceback(folder, capsys):
    path = folder / "device_over_10_years.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("years = 10", "years = 100", 1), "utf-8")
    for command in ("test", "rules"):
        assert main([command, str(folder)]) == 1
        shown = capsys.readouterr()
        assert f"{path}: parameters: years is 100, expected whole number from 1 to 50" in shown.err
        assert shown.out == ""


def test_wrong_words_are_told(capsys):
    assert main(["tests"]) == 2
    assert "No such command" in capsys.readouterr().err


def test_days_without_a_site_are_refused(tmp_path, capsys):
    assert main(["replay", str(tmp_path / "trace.csv"), "--since", "2026-11-01"]) == 2
    assert "belong to --site" in capsys.readouterr().err


def test_rules_are_listed_with_figures_and_sources(folder, capsys):
    path = folder / "device_over_10_years.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("enabled = true", "enabled = false"), "utf-8")
    assert main(["rules", str(folder), "--language", "en"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "device_over_10_years [device_over_age, info] (switched off)\n  Equipment over 10 years old\n"
    )
    assert (
        "  years = 10  [whole number from 1 to 50]  Equipment older than this fires.\n      Source: The review" in out
    )
    assert "  resolved_seconds = 86400  [whole number from 0 to 86400]" in out
