"""`thongmang`: the agent's commands, and the collector's where it is installed."""

from __future__ import annotations

import importlib
import os
import sys
from typing import List, Optional, Sequence

import agent
from agent.language import LANGUAGE_VARIABLE, LANGUAGES, chosen_language, translator
from agent.wire.message import Translate, mark

AGENT = "agent"
# Command -> module with `main(argv)`. By name: the agent knows nobody else, and loads none of it unasked.
COMMANDS = {
    "alerts": "collector.cli.alerts",
    "collector": "collector.cli.collector",
    "inspect": "collector.cli.inspect",
    "inventory": "collector.cli.inventory",
    "local": "collector.cli.local",
    "simulate": "collector.cli.simulate",
}
OLDEST_PYTHON = (3, 11)

_HELP = {
    AGENT: mark("measure this machine and report to a collector"),
    "collector": mark("receive, store and judge what the agents report"),
    "alerts": mark("test alert rules with their data files, and list them"),
    "inspect": mark("estimate the age of this machine, or of the machine in a dmidecode dump"),
    "inventory": mark("equipment register and investment list"),
    "local": mark("collector and agent together on this machine"),
    "simulate": mark("drive a collector with simulated terminals, for sizing it"),
}
_NOT_UNDERSTOOD = 2


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Runs the command that the first word names and returns its exit code.

    Args:
        argv: the words after the program's name; by default those of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    arguments = _take_leading_language(arguments)
    if arguments[:1] == [AGENT]:
        from agent.running import run_if_plain  # noqa: PLC0415  # other commands do without

        code = run_if_plain(arguments[1:])
        if code is not None:
            return code
    _ = translator(chosen_language())
    word = arguments[0] if arguments else "--help"
    if word == AGENT:
        from agent.cli import main as run_agent  # noqa: PLC0415  # other commands do without

        return run_agent(arguments[1:])
    if word in COMMANDS:
        return _run_other(word, arguments[1:], _)
    if word in ("--version", "-V"):
        sys.stdout.write(f"thongmang {agent.__version__}\n")
        return 0
    if word in ("--help", "-h", "help"):
        sys.stdout.write(_help(_))
        return 0 if arguments else _NOT_UNDERSTOOD
    sys.stderr.write(_("there is no command {word}").format(word=repr(word)) + "\n" + _help(_))
    return _NOT_UNDERSTOOD


def _take_leading_language(arguments: List[str]) -> List[str]:
    """Arguments without `--lang` in front of the command, which is handed on to it through the environment."""
    if arguments and arguments[0].startswith("--lang="):
        asked, rest = arguments[0][len("--lang=") :], arguments[1:]
    elif len(arguments) > 1 and arguments[0] == "--lang":
        asked, rest = arguments[1], arguments[2:]
    else:
        return arguments
    if asked in LANGUAGES:
        os.environ[LANGUAGE_VARIABLE] = asked
    return rest


def _run_other(word: str, arguments: List[str], _: Translate) -> int:
    needed = _("{word}: install thongmang[collector] on Python 3.11 or newer")
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(str(number) for number in sys.version_info[:2])
        text = needed + _(" (this is Python {found})")
        sys.stderr.write(text.format(word=word, found=found) + "\n")
        return _NOT_UNDERSTOOD
    try:
        module = importlib.import_module(COMMANDS[word])
    except ModuleNotFoundError as error:
        text = needed + _(" (missing: {module})")
        sys.stderr.write(text.format(word=word, module=error.name) + "\n")
        return _NOT_UNDERSTOOD
    return int(module.main(arguments))


def _help(_: Translate) -> str:
    width = max(len(name) for name in _HELP)
    lines = [
        _("usage: thongmang [--lang en|vi] COMMAND ..."),
        "",
        _("commands:"),
        *(f"  {name:<{width}}  {_(text)}" for name, text in _HELP.items()),
        "",
        _("thongmang COMMAND --help tells more; thongmang --version shows the version."),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
