"""Runs probes that are due now and then in a process of their own, which is ended when one of them hangs.

What they load and leave behind does not stay in the memory of the agent.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from agent.host import Host
from agent.probes.contract import Probe, ProbeContext
from agent.runner import STILL_HANGING, TOOK_TOO_LONG, ProbeRun
from agent.wire.message import mark
from agent.wire.record import asdict
from agent.wire.report import ERROR, TIMEOUT, ProbeOutcome, Sample

# Reading Python itself from the disk of an old machine takes a while.
START_SECONDS = 30.0

ENDED_EARLY = mark("the program that runs this probe ended without an answer")
NOT_STARTED = mark("the program that runs this probe cannot be started")

_END_SECONDS = 5.0
_NO_WINDOW = 0x08000000
_BELOW_NORMAL_PRIORITY = 0x00004000


def run_to_dict(run: ProbeRun) -> Dict[str, Any]:
    """A run as JSON keeps it."""
    return asdict(run)


def run_from_dict(kept: Mapping[str, Any]) -> ProbeRun:
    """What `run_to_dict` made.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    samples = tuple(Sample(**sample) for sample in kept["samples"])
    outcome = ProbeOutcome(**kept["outcome"])
    return ProbeRun(outcome, tuple(kept["sources"]), samples, dict(kept["facts"]), bool(kept["lacks_rights"]))


class Apart:
    """The processes, one at a time, and what their probes keep from one run to the next.

    Args:
        host: the machine; also another one mounted somewhere.
        start_seconds: how long a process may take until its first probe begins.

    Attributes:
        told: what probes leave for one another.
    """

    def __init__(self, host: Host, start_seconds: float = START_SECONDS) -> None:
        self._host = host
        self._start_seconds = start_seconds
        self._memory: Dict[str, Any] = {}
        self.told: Dict[str, Any] = {}
        self._ended: collections.deque[ProbeRun] = collections.deque()
        self._thread: Optional[threading.Thread] = None
        self._process: Any = None
        # Processes that could not be ended, by the probe that hangs in them.
        self._hanging: Dict[str, Tuple[Any, float]] = {}
        self._is_closed = False

    @property
    def is_busy(self) -> bool:
        """Whether probes are under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, probes: Mapping[str, Probe], context: ProbeContext) -> None:
        """Begins these probes; nothing may be under way."""
        self._thread = threading.Thread(target=self._run, args=(dict(probes), context), name="apart", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Waits until nothing is under way, but not longer than this."""
        if self._thread is not None:
            self._thread.join(seconds)

    def take(self) -> List[ProbeRun]:
        """The runs that have ended since the last call, from any thread."""
        return [self._ended.popleft() for _ in range(len(self._ended))]

    def close(self) -> None:
        """Ends the process under way; the runs of the rest are lost."""
        self._is_closed = True
        process = self._process
        if process is not None:
            _end(process)

    def _run(self, probes: Dict[str, Probe], context: ProbeContext) -> None:
        waiting = dict(probes)
        for name in [name for name in waiting if name in self._hanging]:
            process, started = self._hanging[name]
            if process.poll() is None:
                self._fail(name, TIMEOUT, time.perf_counter() - started, STILL_HANGING)
                del waiting[name]
            else:
                del self._hanging[name]
        while waiting and not self._is_closed:
            try:
                self._process = self._started(waiting, context)
            except OSError:
                for name in waiting:
                    self._fail(name, ERROR, 0.0, NOT_STARTED)
                return
            try:
                self._follow(waiting)
            finally:
                self._process = None

    def _follow(self, waiting: Dict[str, Probe]) -> None:
        """Takes the answers of one process; takes out of `waiting` what has ended, one way or another."""
        process = self._process
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

        def read() -> None:
            for line in process.stdout:
                lines.put(line)
            process.stdout.close()
            lines.put(b"")

        threading.Thread(target=read, name="apart-answers", daemon=True).start()
        grace = self._start_seconds
        for name in list(waiting):
            begun = time.perf_counter()
            try:
                line = lines.get(timeout=waiting[name].deadline_seconds + grace)
            except queue.Empty:
                self._fail(name, TIMEOUT, time.perf_counter() - begun, TOOK_TOO_LONG)
                if not _end(process):
                    self._hanging[name] = process, begun
                del waiting[name]
                return
            grace = 0.0
            if not self._take(name, line):
                _end(process)
                if not self._is_closed:
                    self._fail(name, ERROR, time.perf_counter() - begun, ENDED_EARLY)
                del waiting[name]
                return
            del waiting[name]
        with contextlib.suppress(Exception):
            process.wait(_END_SECONDS)
        _end(process)

    def _take(self, name: str, line: bytes) -> bool:
        """Keeps an answer; whether it is one."""
        try:
            answer = json.loads(line)
            run = run_from_dict(answer["run"])
            memory, told = dict(answer["memory"]), dict(answer["told"])
        except (ValueError, KeyError, TypeError):
            return False
        if run.outcome.probe != name:
            return False
        self._memory[name] = memory
        self.told.update(told)
        self._ended.append(run)
        return True

    def _fail(self, name: str, outcome: str, seconds: float, message: str) -> None:
        self._ended.append(ProbeRun(ProbeOutcome(name, outcome, round(seconds, 6), message)))

    def _started(self, waiting: Mapping[str, Probe], context: ProbeContext) -> Any:
        import subprocess  # noqa: PLC0415, TID251  # loaded by psutil already; this starts the agent itself

        home = str(Path(__file__).resolve().parents[1])
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join([home, *_given_paths()]))
        ways: Dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            ways = {"creationflags": _NO_WINDOW | _BELOW_NORMAL_PRIORITY}
        process = subprocess.Popen(  # noqa: S603  # the running interpreter and fixed words
            [sys.executable, *_flags(), "-m", "agent.occasional"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=home,
            env=environment,
            **ways,
        )
        question: Any = process.stdin
        with contextlib.suppress(OSError), question:
            question.write(json.dumps(self._question(waiting, context)).encode())
        return process

    def _question(self, waiting: Mapping[str, Probe], context: ProbeContext) -> Dict[str, Any]:
        # Who leaves the line to the probers of its site has none.
        targets = context.targets if context.orders is None else context.orders.targets
        return {
            "root": str(self._host.root),
            "system": self._host.system,
            "probes": [[name, probe.source] for name, probe in waiting.items()],
            "memory": {name: self._memory[name] for name in waiting if name in self._memory},
            "told": self.told,
            "targets": [asdict(target) for target in targets],
            "ca_file": None if context.ca_file is None else os.path.abspath(context.ca_file),  # noqa: PTH100  # a text
            "measure_gateway": context.measure_gateway,
            "collector_host": context.collector_host,
        }


def _flags() -> List[str]:
    """The running interpreter's own, as far as they say what is loaded."""
    flags = ["-O"] * sys.flags.optimize
    flags += ["-B"] if sys.flags.dont_write_bytecode else []
    return flags + (["-s"] if sys.flags.no_user_site else [])


def _given_paths() -> List[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def _end(process: Any) -> bool:
    """Ends a process and what it has started; whether it is gone."""
    if process.poll() is None:
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                _end_children(process.pid)
                process.kill()
            else:
                os.killpg(process.pid, 9)
        # Not where the kernel holds it in a call to a device: it stays until that returns.
        with contextlib.suppress(Exception):
            process.wait(_END_SECONDS)
    return process.poll() is not None


def _end_children(number: int) -> None:
    # Not by a job: a process of Windows 7 that is in one already cannot be put into another.
    with contextlib.suppress(Exception):
        import psutil  # noqa: PLC0415  # loaded already

        for child in psutil.Process(number).children(recursive=True):
            child.kill()
