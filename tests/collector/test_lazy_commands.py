"""Commands that are loaded when they are called are all there, under their own words."""

from __future__ import annotations

import importlib
import subprocess
import sys

import click

from collector.cli.collector import ELSEWHERE, collector


def test_the_table_names_every_command_of_its_modules():
    for module, words in ELSEWHERE.items():
        assert sorted(command.name for command in importlib.import_module(module).COMMANDS) == sorted(words)


def test_all_are_listed_and_found():
    context = click.Context(collector)
    listed = collector.list_commands(context)
    assert {word for words in ELSEWHERE.values() for word in words} | {"serve", "check"} <= set(listed)
    assert all(collector.get_command(context, word) is not None for word in listed)
    assert collector.get_command(context, "nothing") is None


def test_one_word_does_not_load_what_others_need():
    code = (
        "import sys; from collector.cli.collector import main; main(['tokens', '--help']); "
        "print(sorted({'fastapi', 'pysnmp', 'numpy', 'uvicorn', 'apprise'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
