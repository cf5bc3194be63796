"""`thongmang collector network` as people use it."""

from __future__ import annotations

import json

import pytest

from collector.cli.collector import main
from collector.db.registry import open_registry

ADD = ("add", "--name", "CPE A", "--unit", "16681", "--address", "10.40.1.1", "--version", "3")


@pytest.fixture
def run(tmp_path, capsys):
    open_registry(tmp_path / "registry.sqlite").dispose()

    def run(*arguments, expected=0):
        language = () if arguments[0] == "remove" else ("--language", "en")
        assert main(["--state-dir", str(tmp_path), "network", *arguments, *language]) == expected
        said = capsys.readouterr()
        return said.out + said.err

    return run


def test_a_device_is_added_changed_listed_and_removed(run):
    assert "No network device" in run("list")
    credentials = ("--credentials", "vnpt", "--interface", "ether1")
    assert run(*ADD, *credentials) == "CPE A: added; it is polled from the next interval on.\n"
    assert run(*ADD, *credentials) == "CPE A: unchanged.\n"
    assert run(*ADD, *credentials, "--capacity-down-kbit-s", "100000") == "CPE A: changed.\n"
    text = run("list")
    assert "CPE A\t16681/main\tcpe\t10.40.1.1:161\tether1\n  not polled yet\n  ! The capacity of the line" in text
    (one,) = json.loads(run("list", "--format", "json"))
    assert (one["capacity_down_kbit_s"], one["capacity_up_kbit_s"], one["to_site"]) == (100_000, None, "received")
    assert "removed CPE A" in run("remove", "CPE A")
    assert "no network device 'CPE A'" in run("remove", "CPE A", expected=2)


def test_what_cannot_be_used_is_named_with_what_was_expected(run):
    told = run(*ADD, "--credentials", "a b", "--port", "x", expected=2)
    assert "port: found 'x', expected a whole number from 1 to 65535" in told
    assert "credentials: found 'a b'" in told
    assert "interface: found ''" in told
    assert "no network device CPE B" in run("poll-once", "CPE B", expected=2)


def test_lines_without_samples_or_capacity_are_shown_as_such(run):
    run(*ADD, "--credentials", "vnpt", "--interface", "1", "--capacity-up-kbit-s", "5000")
    assert run("capacity").splitlines() == [
        "CPE A, to the site: capacity not configured, nothing is judged.",
        "CPE A, from the site: not enough samples to judge (0 of 2016).",
    ]


def test_a_device_without_credentials_fails_and_says_so(run):
    run(*ADD, "--credentials", "vnpt", "--interface", "1")
    assert "The file of credentials has no entry vnpt." in run("poll-once", expected=1)


def test_a_mistyped_directory_does_not_become_a_registry(tmp_path, capsys):
    assert main(["--state-dir", str(tmp_path / "x"), "network", "list"]) == 2
    assert "no registry in" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
