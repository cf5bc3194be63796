"""`thongmang inspect`: the age of this machine, of a `dmidecode` text, or of many in one JSON-lines file."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import subprocess  # noqa: TID251 - the agent is a program of its own; its facts are to be had no other way
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import click

from agent.wire.message import Message, mark
from agent.wire.report import FactValue
from collector.age_wording import estimate_to_json, estimate_to_text
from collector.cli.running import run_command
from collector.clock import local_day, now_seconds
from collector.language import DEFAULT_LANGUAGE, LANGUAGES, render_message
from inventory.age.dmidecode import facts_from_dmidecode
from inventory.age.estimate import estimate_age

# A dump is some 20 KiB. The limits keep a wrong or hostile file from filling the memory or running for ever.
TEXT_LIMIT_BYTES = 8 << 20
FILE_LIMIT_BYTES = 4 << 30
AGENT_TIMEOUT_SECONDS = 120

EXIT_BAD_LINES = 1
EXIT_UNREADABLE = 2

_NOT_DUMP = mark("{file}: no SMBIOS structures found; expected the text that `dmidecode` prints")
_UNREADABLE = mark("{file}: cannot be read: {reason}")
_TOO_LARGE = mark("{file}: larger than {limit} MiB")
_TRUNCATED = mark("{file}: damaged or cut short after line {line}")
_BAD_LINE = mark("{file}, line {line}: {reason}")
_AGENT_FAILED = mark("the agent could not read this machine: {reason}")

_EXPECTED = mark('expected a JSON object with the texts "path" and "text"')
_LINE_TOO_LONG = mark("longer than {limit} MiB; expected one dump a line")


class UnreadableInputError(click.ClickException):
    """The input as a whole cannot be used; ends the command with code 2."""

    exit_code = EXIT_UNREADABLE

    def __init__(self, message: Message, language: str) -> None:
        super().__init__(render_message(message, language))


@dataclass(frozen=True)
class _Line:
    number: int
    path: str | None
    text: str
    problem: Message | None


@click.command(help="Estimates when a machine was made and whether it is over 10 years old, with the reasons.")
@click.option(
    "--dmidecode",
    "dump",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A dmidecode text, or .jsonl/.jsonl.gz with path and text a line; without it, this machine.",
)
@click.option(
    "--as-of", "as_of", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="Day of judgement; default today."
)
@click.option("--format", "form", type=click.Choice(["json", "text"]), help="Default text; JSON lines are always JSON.")
@click.option("--language", type=click.Choice(LANGUAGES), default=DEFAULT_LANGUAGE, show_default=True)
def inspect(dump: Path | None, as_of: dt.datetime | None, form: str | None, language: str) -> int:
    """Prints the estimate; the exit code is that of the command."""
    day = as_of.date() if as_of else local_day(now_seconds())
    if dump is not None and ".jsonl" in dump.suffixes:
        return _inspect_lines(dump, day, language)
    facts = _facts_of_this_machine(language) if dump is None else _facts_of_file(dump, language)
    estimate = estimate_age(facts, as_of=day)
    if form == "json":
        click.echo(json.dumps(estimate_to_json(estimate, language), ensure_ascii=False))
    else:
        click.echo(estimate_to_text(estimate, language))
    return 0


def main(argv: list[str]) -> int:
    """Runs `thongmang inspect` and returns its exit code: 0 done, 1 some lines were bad, 2 nothing could be read."""
    return run_command(inspect, argv, "thongmang inspect")


def _inspect_lines(file: Path, as_of: dt.date, language: str) -> int:
    bad = 0
    out = sys.stdout
    for line in _lines(file, language):
        result: dict[str, Any] = {"path": line.path}
        if line.problem is None:
            result |= estimate_to_json(estimate_age(facts_from_dmidecode(line.text), as_of=as_of), language)
        else:
            bad += 1
            problem = render_message(line.problem, language)
            result["error"] = problem
            parameters = {"file": str(file), "line": str(line.number), "reason": problem}
            click.echo(render_message(Message(_BAD_LINE, parameters), language), err=True)
        out.write(json.dumps(result, ensure_ascii=False) + "\n")
    out.flush()
    return EXIT_BAD_LINES if bad else 0


def _lines(file: Path, language: str) -> Iterator[_Line]:
    number = total = 0
    try:
        with _opened(file) as stream:
            while raw := stream.readline(TEXT_LIMIT_BYTES + 1):
                number += 1
                total += len(raw)
                too_long = len(raw) > TEXT_LIMIT_BYTES
                rest = raw
                while too_long and rest and not rest.endswith(b"\n") and total <= FILE_LIMIT_BYTES:
                    rest = stream.readline(TEXT_LIMIT_BYTES)
                    total += len(rest)
                if total > FILE_LIMIT_BYTES:
                    raise _too_large(file, FILE_LIMIT_BYTES, language)
                if too_long:
                    yield _Line(number, None, "", Message(_LINE_TOO_LONG, {"limit": TEXT_LIMIT_BYTES >> 20}))
                elif raw.strip():
                    yield _line(number, raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableInputError(Message(_TRUNCATED, {"file": str(file), "line": number}), language) from error
    except OSError as error:
        raise _unreadable(file, error, language) from error


def _line(number: int, raw: bytes) -> _Line:
    try:
        # Surrogates and repeated keys are JSON's own problem; a RecursionError is a hostile line's.
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return _Line(number, None, "", Message(_EXPECTED))
    path = value.get("path") if isinstance(value, dict) else None
    text = value.get("text") if isinstance(value, dict) else None
    if isinstance(path, str) and isinstance(text, str):
        return _Line(number, path, text, None)
    return _Line(number, path if isinstance(path, str) else None, "", Message(_EXPECTED))


def _facts_of_file(file: Path, language: str) -> dict[str, FactValue]:
    try:
        with _opened(file) as stream:
            raw = stream.read(TEXT_LIMIT_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableInputError(Message(_TRUNCATED, {"file": str(file), "line": 0}), language) from error
    except OSError as error:
        raise _unreadable(file, error, language) from error
    if len(raw) > TEXT_LIMIT_BYTES:
        raise _too_large(file, TEXT_LIMIT_BYTES, language)
    facts = facts_from_dmidecode(_decoded(raw))
    if not facts:
        raise UnreadableInputError(Message(_NOT_DUMP, {"file": str(file)}), language)
    return facts


def _decoded(raw: bytes) -> str:
    # What PowerShell's redirection writes.
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return raw.decode(encoding, errors="replace")


def _opened(file: Path) -> IO[bytes]:
    if file.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(file, "rb"))
    return file.open("rb")


def _too_large(file: Path, limit_bytes: int, language: str) -> UnreadableInputError:
    return UnreadableInputError(Message(_TOO_LARGE, {"file": str(file), "limit": limit_bytes >> 20}), language)


def _unreadable(file: Path, error: OSError, language: str) -> UnreadableInputError:
    reason = error.strerror or type(error).__name__
    return UnreadableInputError(Message(_UNREADABLE, {"file": str(file), "reason": reason}), language)


def _facts_of_this_machine(language: str) -> Mapping[str, FactValue]:
    command = [sys.executable, "-m", "agent", "agent", "inspect", "--format", "json"]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=AGENT_TIMEOUT_SECONDS)  # noqa: S603 - fixed words
        facts = json.loads(done.stdout)["facts"]
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise UnreadableInputError(Message(_AGENT_FAILED, {"reason": reason}), language) from error
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise UnreadableInputError(Message(_AGENT_FAILED, {"reason": type(error).__name__}), language) from error
    return facts if isinstance(facts, dict) else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
