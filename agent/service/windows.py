"""What Windows starts as the service `ThongMangAgent`: `python.exe -m agent.service.windows`.

The interpreter itself is the service's program, so nothing is frozen, and the signature that an anti-malware product
sees is that of python.exe.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Optional, Tuple

from agent.config import default_state_dir, load_identity, make_state_dir
from agent.errors import AgentError
from agent.service.control import (
    ERROR_FAILED_SERVICE_CONTROLLER_CONNECT,
    HandlerPrototype,
    Service,
    ServiceFailedError,
    ServiceStatus,
    ServiceTableEntry,
    Work,
)
from agent.stop import Stop, only_agent
from agent.wire.message import Message, mark

SERVICE_NAME = "ThongMangAgent"
LOG_FILE = "agent.log"

# The service's own exit codes, as `sc query` shows them.
NOT_ENROLLED = 1
NOT_USABLE = 2

_LOG_BYTES = 256 * 1024
# After a sleep the network card needs some seconds; probes before that would count as loss.
_AFTER_RESUME_SECONDS = 15.0
_NOT_UNDERSTOOD = 2
_NOT_A_SERVICE = mark("only Windows starts this program, as a service; to measure at a command line: {command}")
_NOT_ENROLLED = mark("this machine is not enrolled; say: thongmang agent enrol URL --code CODE")


class ServiceLog:
    """What a person should know, in a file beside the state; the older half is kept under a second name.

    Args:
        path: of the file.
        limit_bytes: of each half.
    """

    def __init__(self, path: Path, limit_bytes: int = _LOG_BYTES) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Adds lines under the time; a disk that refuses them stops nothing."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
        with self._lock:
            try:
                if self._path.exists() and self._path.stat().st_size > self._limit_bytes:
                    self._path.replace(self._path.with_name(self._path.name + ".1"))
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(f"{stamp} {text.rstrip()}\n")
            except OSError:
                return

    def failure(self, error: BaseException) -> None:
        """Adds an unforeseen error with where it came from."""
        import traceback  # noqa: PLC0415  # nobody wants it while all goes well

        self.write("".join(traceback.format_exception(type(error), error, error.__traceback__)))


class AgentWork(Work):
    """The agent, measuring on one state folder.

    Args:
        state_dir: where the identity and the spool lie.
        log: is told what a person should know.
        after_resume_seconds: from the machine's waking to the first round.
    """

    def __init__(self, state_dir: Path, log: ServiceLog, after_resume_seconds: float = _AFTER_RESUME_SECONDS) -> None:
        self._state_dir = state_dir
        self._log = log
        self._after_resume_seconds = after_resume_seconds
        self._lock = threading.Lock()
        self._stopped = False
        self._resumed = False
        self._stop: Optional[Stop] = None

    def run(self, started: Callable[[], None]) -> None:
        """Measures and uploads until told to stop.

        After a sleep it begins anew, as after the machine's start: connections are dead, a wait for the next upload may
        have slept too, and what the machine is may have changed.
        """
        from agent.language import chosen_language, translator  # noqa: PLC0415  # loaded once Windows has been told

        try:
            while True:
                stop, is_waking = self._begin()
                if stop is None:
                    return
                try:
                    if is_waking:
                        stop.wait(self._after_resume_seconds)
                    if not stop.requested():
                        self._measure(stop, started)
                finally:
                    self._end(stop)
        except AgentError as error:
            self._log.write(error.message.render(translator(chosen_language())))
            raise ServiceFailedError(NOT_USABLE) from error

    def stop(self) -> None:
        """Makes `run` return soon."""
        with self._lock:
            self._stopped = True
            if self._stop is not None:
                self._stop.request()

    def resume(self) -> None:
        """Begins anew; Windows may tell of one waking twice."""
        with self._lock:
            if self._stop is not None and not self._resumed:
                self._resumed = True
                self._stop.request()

    def _begin(self) -> Tuple[Optional[Stop], bool]:
        """(what ends the measuring to come, whether the machine has just woken); None where no more is to come."""
        with self._lock:
            if self._stopped:
                return None, False
            is_waking, self._resumed = self._resumed, False
            self._stop = Stop()
            return self._stop, is_waking

    def _end(self, stop: Stop) -> None:
        with self._lock:
            self._stop = None
        stop.close()

    def _measure(self, stop: Stop, started: Callable[[], None]) -> None:
        from agent.host import Host  # noqa: PLC0415  # loaded once Windows has been told
        from agent.language import chosen_language, translator  # noqa: PLC0415  # same
        from agent.measuring import Agent  # noqa: PLC0415  # same

        translate = translator(chosen_language())

        def announce(message: Message) -> None:
            self._log.write(message.render(translate))

        make_state_dir(self._state_dir)
        identity = load_identity(self._state_dir)
        if identity is None:
            self._log.write(translate(_NOT_ENROLLED))
            raise ServiceFailedError(NOT_ENROLLED)
        with only_agent(self._state_dir):
            worker = Agent(identity, self._state_dir, Host(), announce)
            try:
                announce(Message(mark("measuring for {url}"), {"url": identity.collector_url}))
                started()
                worker.run(stop)
            finally:
                worker.close()


def declare(library: Any) -> Any:
    """The library with the prototypes of the three functions; without them ctypes would cut handles to 32 bits."""
    library.StartServiceCtrlDispatcherW.argtypes = [ctypes.POINTER(ServiceTableEntry)]
    library.StartServiceCtrlDispatcherW.restype = ctypes.c_int
    library.RegisterServiceCtrlHandlerExW.argtypes = [ctypes.c_wchar_p, HandlerPrototype, ctypes.c_void_p]
    library.RegisterServiceCtrlHandlerExW.restype = ctypes.c_void_p
    library.SetServiceStatus.argtypes = [ctypes.c_void_p, ctypes.POINTER(ServiceStatus)]
    library.SetServiceStatus.restype = ctypes.c_int
    return library


def main() -> int:
    """Serves Windows until it lets the process go; its exit code, 2 where it was not Windows who started it."""
    # Windows gives a service no place to write to.
    if sys.stderr is None:
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # for the process' life
    if sys.platform == "win32":
        state_dir = default_state_dir()
        log = ServiceLog(state_dir / LOG_FILE)
        library = declare(ctypes.WinDLL("advapi32", use_last_error=True))
        service = Service(library, SERVICE_NAME, lambda: AgentWork(state_dir, log), log.failure)
        if service.run():
            return 0
        error = ctypes.get_last_error()
        if error != ERROR_FAILED_SERVICE_CONTROLLER_CONNECT:
            log.write(f"StartServiceCtrlDispatcherW: error {error}")
            return error or 1
    from agent.language import chosen_language, translator  # noqa: PLC0415  # the service itself does without

    text = translator(chosen_language())(_NOT_A_SERVICE)
    sys.stderr.write(text.format(command="thongmang agent run") + "\n")
    return _NOT_UNDERSTOOD


if __name__ == "__main__":
    sys.exit(main())
