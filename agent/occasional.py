"""`python -m agent.occasional`: runs the probes that are named on its input, or those that need an administrator.

    python -m agent.occasional                     a question of `agent.apart` on stdin, a line of JSON for every answer
    python -m agent.occasional --privileged FILE   as root or SYSTEM: what administrators alone are told, into FILE

Exit codes: 0 done; 1 FILE could not be written, or this is not root; 2 the words were not understood.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO, Dict, List, Optional, Sequence

from agent.apart import run_to_dict
from agent.configuration import Target
from agent.host import Host
from agent.privileged import VERSION
from agent.probes import PROBES
from agent.probes.contract import Probe, ProbeContext
from agent.runner import Round, Runner, ended
from agent.wire.record import asdict

DONE = 0
FAILED = 1
NOT_UNDERSTOOD = 2

_NICE = 10


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Does what its words say and returns the exit code.

    Args:
        argv: the words after the program's name; by default those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words and (words[0] != "--privileged" or len(words) != 2):  # noqa: PLR2004  # the option and its value
        sys.stderr.write("usage: python -m agent.occasional [--privileged FILE]\n")
        return NOT_UNDERSTOOD
    if words:
        return _write_privileged(Path(words[1]))
    if sys.platform != "win32":
        os.nice(_NICE)
    question = json.loads(sys.stdin.buffer.read())
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    with contextlib.suppress(BrokenPipeError), answers:
        answer(question, answers)
    return DONE


def answer(question: Dict[str, Any], answers: BinaryIO) -> None:
    """Runs the probes of a question, one after the other, and writes how each ended before the next begins.

    Raises:
        KeyError, TypeError: it is not a question of `agent.apart`.
        BrokenPipeError: nobody listens any more.
    """
    host = Host(question["root"], question["system"])
    told: Dict[str, Any] = question["told"]
    context_words = {name: question[name] for name in ("ca_file", "measure_gateway", "collector_host")}
    targets = tuple(Target(**target) for target in question["targets"])
    for name, source in question["probes"]:
        memory: Dict[str, Any] = question["memory"].get(name, {})
        context = ProbeContext(targets=targets, memory=memory, told=told, **context_words)
        recording, started = host.recording(), time.perf_counter()
        result: Any
        try:
            result = Probe(source).collect(recording, context)
        except Exception as error:  # noqa: BLE001  # the edge: a faulty probe must not end the others
            result = error
        run = ended(name, result, round(time.perf_counter() - started, 6), recording.sources)
        line = {"run": run_to_dict(run), "memory": memory, "told": told}
        answers.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        answers.flush()


def _write_privileged(path: Path) -> int:
    if sys.platform != "win32" and os.geteuid() != 0:
        sys.stderr.write("agent.occasional --privileged: only root may do this\n")
        return FAILED
    host = Host()
    probes = {name: probe for name, probe in PROBES.items() if probe.needs_root}
    found = Runner(host, probes, ProbeContext(measure_gateway=False)).round() or Round()
    runs = {run.outcome.probe: {"outcome": asdict(run.outcome), "facts": run.facts} for run in found.runs}
    table = {"version": VERSION, "made_at": round(host.wall_time_seconds(), 3), "runs": runs}
    try:
        _replace(path, json.dumps(table, ensure_ascii=False).encode("utf-8", "replace"))
    except OSError as error:
        sys.stderr.write(f"{path}: cannot be written ({error.strerror or type(error).__name__})\n")
        return FAILED
    return DONE


def _replace(path: Path, body: bytes) -> None:
    """Puts a file that its group may read in place of whatever is there, in one step that survives a power cut."""
    fresh = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(str(fresh), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
    with os.fdopen(descriptor, "wb") as file:
        if sys.platform != "win32":
            # Whatever the umask of who started this takes away or leaves.
            os.fchmod(file.fileno(), 0o640)
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


__all__: List[str] = ["DONE", "FAILED", "NOT_UNDERSTOOD", "answer", "main"]

if __name__ == "__main__":
    sys.exit(main())
