"""The agent's command line.

Exit codes: 0 done, and `doctor` found no fault; 1 this machine is not enrolled, what was asked for failed, or a fault
was found; 2 the command was not understood.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Any, List, NoReturn, Optional, Sequence, Tuple

import agent
from agent.config import STATE_DIR_VARIABLE, default_state_dir
from agent.errors import AgentError, ConfigurationError
from agent.language import chosen_language, take_language, translator
from agent.wire.message import Translate, mark

DONE = 0
FAILED = 1
NOT_UNDERSTOOD = 2

_NOT_ENROLLED = mark("this machine is not enrolled; say: thongmang agent enrol URL --code CODE")


class _Parser(argparse.ArgumentParser):
    """argparse whose titles are in the reader's language."""

    translate: Translate = str

    def format_usage(self) -> str:
        return self._in_language(super().format_usage())

    def format_help(self) -> str:
        return self._in_language(super().format_help())

    def _in_language(self, text: str) -> str:
        # The one word that argparse takes from its own catalogue alone.
        return text.replace("usage: ", self.translate(mark("usage: ")), 1)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        text = self.translate(mark("{program}: the command is not understood: {detail}"))
        self.exit(NOT_UNDERSTOOD, text.format(program=self.prog, detail=message) + "\n")


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Runs `thongmang agent ...` and returns its exit code.

    Args:
        argv: the words after `agent`; by default those of the process.
    """
    _speak_utf8()
    asked, arguments = take_language(sys.argv[1:] if argv is None else argv)
    language = chosen_language(asked)
    _ = translator(language)
    try:
        options = _parser(_).parse_args(arguments)
    except SystemExit as finished:
        return finished.code if isinstance(finished.code, int) else NOT_UNDERSTOOD
    options.language = language
    try:
        return int(options.run(options, _))
    except AgentError as error:
        sys.stderr.write(error.message.render(_) + "\n")
    except OSError as error:
        why = error.strerror or type(error).__name__
        sys.stderr.write(_("{path}: failed: {why}").format(path=error.filename or "-", why=why) + "\n")
    return FAILED


def _speak_utf8() -> None:
    # A redirected stream on Windows is in an old code page that lacks Vietnamese letters.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _parser(_: Translate) -> argparse.ArgumentParser:
    top = _Parser(prog="thongmang agent", add_help=False)
    group = _dress(top, _("Measures this machine and reports to the collector."), _)
    group.add_argument("--version", action="version", version=agent.__version__, help=_("show the version and end"))
    commands = top.add_subparsers(title=_("commands"), metavar=_("COMMAND"), dest="command", required=True)

    def command(name: str, text: str, run: Any) -> Tuple[argparse.ArgumentParser, Any]:
        child = commands.add_parser(name, help=text, add_help=False)
        group = _dress(child, text, _)
        child.set_defaults(run=run)
        group.add_argument(
            "--state-dir",
            type=Path,
            default=None,
            metavar=_("FOLDER"),
            help=_("where the agent keeps its state (else {variable}, else {default})").format(
                variable=STATE_DIR_VARIABLE,
                default=str(default_state_dir()).replace("%", "%%"),
            ),
        )
        return child, group

    child, enrol = command("enrol", _("join this machine to a collector"), _enrol)
    positional = child.add_argument_group(_("arguments"))
    positional.add_argument("url", nargs="?", metavar="URL", help=_("the collector's address, as https://host:port"))
    enrol.add_argument("--url", dest="url_option", metavar="URL", help=_("the same, as an option"))
    enrol.add_argument("--code", required=True, metavar=_("CODE"), help=_("the one-time code from the administrator"))
    _add_authority_options(enrol, _)
    enrol.add_argument(
        "--allow-plain-http",
        action="store_true",
        help=_("allow http:// to another machine, which anybody on the way can read"),
    )
    enrol.add_argument("--again", action="store_true", help=_("replace the identity that is there"))

    _child, trust = command("trust", _("trust another authority for the collector from now on"), _trust)
    _add_authority_options(trust, _)

    _child, run = command("run", _("measure and report until stopped"), _run)
    run.add_argument("--once", action="store_true", help=_("one round and one upload, then end"))
    run.add_argument("--explain", action="store_true", help=_("say what was read from where, sent and answered"))
    run.add_argument(
        "--metrics-port",
        type=int,
        metavar=_("PORT"),
        help=_("show the newest round at http://127.0.0.1:PORT/metrics, for this machine alone"),
    )

    _child, inspect = command("inspect", _("show what this machine would report, without sending it"), _show)
    inspect.add_argument("--format", choices=("text", "json"), default="text", help=_("form of the output"))
    inspect.add_argument(
        "--offline", action="store_true", help=_("do not ask the collector what it knows of this machine")
    )

    child, trace = command("trace", _("show the routers on the way to a target (needs administrator rights)"), _show)
    positional = child.add_argument_group(_("arguments"))
    positional.add_argument(
        "target", metavar=_("TARGET"), help=_("a name or address, or the name of a measured target")
    )
    trace.add_argument("--format", choices=("text", "json"), default="text", help=_("form of the output"))

    _child, status = command("status", _("show where this machine is enrolled and how its agent stands"), _show)
    status.add_argument("--format", choices=("text", "json"), default="text", help=_("form of the output"))

    _child, doctor = command("doctor", _("say what is wrong on the way to the collector and what to do"), _show)
    doctor.add_argument("--format", choices=("text", "json"), default="text", help=_("form of the output"))
    return top


def _add_authority_options(group: Any, _: Translate) -> None:
    group.add_argument(
        "--ca-file", "--ca", type=Path, metavar=_("FILE"), help=_("PEM file of the only authority to trust")
    )
    group.add_argument(
        "--ca-sha256",
        metavar=_("FINGERPRINT"),
        help=_("fingerprint of the only authority to trust; the collector then hands out the authority itself"),
    )


def _dress(parser: argparse.ArgumentParser, text: str, _: Translate) -> Any:
    """Gives a parser its words in the reader's language; the group that its options belong to."""
    parser.description = text
    parser.epilog = _("--lang en|vi chooses the language (else THONGMANG_LANGUAGE, else vi).")
    if isinstance(parser, _Parser):
        parser.translate = _
    options = parser.add_argument_group(_("options"))
    options.add_argument("-h", "--help", action="help", help=_("show this help and end"))
    return options


def _state_dir(options: argparse.Namespace) -> Path:
    return options.state_dir if isinstance(options.state_dir, Path) else default_state_dir()


def _enrol(options: argparse.Namespace, _: Translate) -> int:
    from agent.enrolment import enrol  # noqa: PLC0415  # the running agent does without

    if bool(options.url) == bool(options.url_option):
        raise ConfigurationError("say the collector's address once: as URL or as --url URL")
    identity = enrol(
        options.url or options.url_option,
        options.code.strip(),
        _state_dir(options),
        ca_file=options.ca_file,
        ca_fingerprint=options.ca_sha256,
        allow_plain_http=options.allow_plain_http,
        again=options.again,
    )
    text = _("enrolled at {url} as device {device}; {count} targets; start it with: thongmang agent run")
    count = len(identity.configuration.targets)
    _say(text.format(url=identity.collector_url, device=identity.device_id, count=count))
    return DONE


def _trust(options: argparse.Namespace, _: Translate) -> int:
    from agent.authority import trust_again  # noqa: PLC0415  # see _enrol

    identity = trust_again(_state_dir(options), options.ca_file, options.ca_sha256)
    _say(_("{url}: its authority is trusted now; restart the agent").format(url=identity.collector_url))
    return DONE


def _run(options: argparse.Namespace, _: Translate) -> int:
    from agent.running import run  # noqa: PLC0415  # see _enrol

    return run(
        _state_dir(options), _, is_once=options.once, explains=options.explain, metrics_port=options.metrics_port
    )


def _show(options: argparse.Namespace, _: Translate) -> int:
    from agent import cli_show  # noqa: PLC0415  # see _enrol

    return cli_show.SHOWN[options.command](options, _state_dir(options), _)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


__all__: List[str] = ["DONE", "FAILED", "NOT_UNDERSTOOD", "main"]
