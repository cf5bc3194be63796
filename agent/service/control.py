"""How a Windows service lives: what it tells the Service Control Manager, and when.

Written against the three functions of advapi32 alone, so that it can be driven by a stand-in on any system. Structures
and constants: winsvc.h and winuser.h of the Windows SDK.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any, Callable, List, Optional

# dwCurrentState
STOPPED = 1
START_PENDING = 2
STOP_PENDING = 3
RUNNING = 4

# dwControl
CONTROL_STOP = 1
CONTROL_INTERROGATE = 4
CONTROL_SHUTDOWN = 5
CONTROL_POWER_EVENT = 13
CONTROL_PRE_SHUTDOWN = 15
# dwEventType of a power event: a resume without, and with, a person at the machine.
RESUME_AUTOMATIC = 0x12
RESUME_SUSPEND = 0x07

# dwControlsAccepted: stop, shutdown, power event, pre-shutdown
ACCEPTED_CONTROLS = 0x1 | 0x4 | 0x40 | 0x100

ERROR_CALL_NOT_IMPLEMENTED = 120
ERROR_FAILED_SERVICE_CONTROLLER_CONNECT = 1063
ERROR_SERVICE_SPECIFIC_ERROR = 1066
ERROR_PROCESS_ABORTED = 1067

_OWN_PROCESS = 0x10
_NO_ERROR = 0
# Told with each pending state; the manager takes a service for hung when it passes without a word.
WAIT_HINT_MILLISECONDS = 20_000
_HEARTBEAT_SECONDS = 5.0
# The agent's own longest wait at its end is five seconds; a machine that is switched off waits no longer than it must.
STOP_SECONDS = 15.0

# On 32-bit Windows the manager calls with the callee's convention; elsewhere there is one convention only.
_PROTOTYPE: Callable[..., Any] = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)
MainPrototype = _PROTOTYPE(None, ctypes.c_uint32, ctypes.c_void_p)
HandlerPrototype = _PROTOTYPE(ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p)


class ServiceStatus(ctypes.Structure):
    """SERVICE_STATUS: seven DWORDs, the same on 32 and 64 bits."""

    _fields_ = [  # the form that ctypes reads
        ("service_type", ctypes.c_uint32),
        ("current_state", ctypes.c_uint32),
        ("controls_accepted", ctypes.c_uint32),
        ("win32_exit_code", ctypes.c_uint32),
        ("service_specific_exit_code", ctypes.c_uint32),
        ("check_point", ctypes.c_uint32),
        ("wait_hint", ctypes.c_uint32),
    ]


class ServiceTableEntry(ctypes.Structure):
    """SERVICE_TABLE_ENTRYW; an entry of nulls ends the table."""

    _fields_ = [("name", ctypes.c_wchar_p), ("main", MainPrototype)]  # as above


class ServiceFailedError(Exception):
    """The work cannot go on.

    Args:
        code: what Windows shows as the service's own exit code.
    """

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"service-specific exit code {code}")


class Work:
    """What the service does. Its methods are called from different threads."""

    def run(self, started: Callable[[], None]) -> None:
        """Works until told to stop; calls `started` once it is at work.

        Raises:
            ServiceFailedError: it cannot go on.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Makes `run` return soon."""
        raise NotImplementedError

    def resume(self) -> None:
        """The machine woke from sleep."""
        raise NotImplementedError


class Service:
    """One service in a process of its own.

    Args:
        functions: `StartServiceCtrlDispatcherW`, `RegisterServiceCtrlHandlerExW`, `SetServiceStatus` as attributes.
        name: under which it is installed.
        make_work: makes what it does; called after the manager has heard from the service, so it may load slowly.
        note_failure: is told of an end that nobody foresaw, before Windows hears of it.
        stop_seconds: work that has not ended so long after it was told to is left behind.
    """

    def __init__(
        self,
        functions: Any,
        name: str,
        make_work: Callable[[], Work],
        note_failure: Callable[[BaseException], None],
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self._functions = functions
        self._name = name
        self._make_work = make_work
        self._note_failure = note_failure
        self._stop_seconds = stop_seconds
        self._lock = threading.Lock()
        self._work: Optional[Work] = None
        self._stopping = False
        self._ended = threading.Event()
        self._left_pending = threading.Event()
        self._status = ServiceStatus(service_type=_OWN_PROCESS, current_state=START_PENDING)
        self._handle: Optional[int] = None
        # Referred to as long as the service lives: ctypes frees callbacks that nobody holds.
        self._main = MainPrototype(self._service_main)
        self._handler = HandlerPrototype(self._handle_control)

    def run(self) -> bool:
        """Serves until the manager lets the process go; False if it was not the manager who started the process."""
        table = (ServiceTableEntry * 2)(ServiceTableEntry(self._name, self._main), ServiceTableEntry())
        return bool(self._functions.StartServiceCtrlDispatcherW(table))

    def _service_main(self, _count: int, _arguments: Optional[int]) -> None:
        """On a thread of the manager's."""
        self._handle = self._functions.RegisterServiceCtrlHandlerExW(self._name, self._handler, None)
        if not self._handle:
            return
        # Before anything heavy is loaded: a silent service is given up after 30 s.
        self._report(START_PENDING)
        threading.Thread(target=self._keep_alive, name="service-heartbeat", daemon=True).start()
        exit_code, specific_code = _NO_ERROR, 0
        try:
            work = self._make_work()
            with self._lock:
                self._work = work
                stopped_already = self._stopping
            if not stopped_already:
                work.run(self._started)
        except ServiceFailedError as error:
            exit_code, specific_code = ERROR_SERVICE_SPECIFIC_ERROR, error.code
        except BaseException as error:  # noqa: BLE001  # the edge: Windows must hear of every end, and starts it again
            exit_code = ERROR_PROCESS_ABORTED
            self._note_failure(error)
        finally:
            self._ended.set()
            self._left_pending.set()
            self._report(STOPPED, exit_code, specific_code)

    def _started(self) -> None:
        with self._lock:
            if self._stopping:
                return
        self._left_pending.set()
        self._report(RUNNING)

    def _handle_control(self, control: int, event: int, _data: Optional[int], _context: Optional[int]) -> int:
        """On the dispatcher's thread; the manager waits for its return, so it only passes the word on."""
        if control == CONTROL_INTERROGATE:
            self._tell()
        elif control in (CONTROL_STOP, CONTROL_SHUTDOWN, CONTROL_PRE_SHUTDOWN):
            with self._lock:
                work, first = self._work, not self._stopping
                self._stopping = True
            if first and not self._ended.is_set():
                self._left_pending.set()
                self._report(STOP_PENDING)
                threading.Thread(target=self._end_in_time, name="service-end", daemon=True).start()
            if work is not None:
                work.stop()
        elif control == CONTROL_POWER_EVENT:
            with self._lock:
                work = self._work
            if work is not None and event in (RESUME_AUTOMATIC, RESUME_SUSPEND):
                work.resume()
        else:
            return ERROR_CALL_NOT_IMPLEMENTED
        return _NO_ERROR

    def _keep_alive(self) -> None:
        """Tells the manager, while a start is slow, that it goes on."""
        while not self._left_pending.wait(_HEARTBEAT_SECONDS):
            with self._lock:
                if self._status.current_state != START_PENDING:
                    return
                self._status.check_point += 1
                self._set_status()

    def _end_in_time(self) -> None:
        if not self._ended.wait(self._stop_seconds):
            self._report(STOPPED, ERROR_PROCESS_ABORTED)

    def _report(self, state: int, exit_code: int = _NO_ERROR, specific_code: int = 0) -> None:
        with self._lock:
            # A word that comes late must not call a stopping service running, nor a stopped one stopping.
            order: List[int] = [START_PENDING, RUNNING, STOP_PENDING, STOPPED]
            current = self._status.current_state
            if current == STOPPED or order.index(state) < order.index(current):
                return
            is_pending = state in (START_PENDING, STOP_PENDING)
            self._status.current_state = state
            self._status.controls_accepted = ACCEPTED_CONTROLS if state == RUNNING else 0
            self._status.win32_exit_code = exit_code
            self._status.service_specific_exit_code = specific_code
            self._status.check_point = 1 if is_pending else 0
            self._status.wait_hint = WAIT_HINT_MILLISECONDS if is_pending else 0
            self._set_status()

    def _tell(self) -> None:
        with self._lock:
            # Nothing may be told of a service after its end: the handle is the manager's again.
            if self._status.current_state != STOPPED:
                self._set_status()

    def _set_status(self) -> None:
        self._functions.SetServiceStatus(self._handle, ctypes.byref(self._status))
