"""Waiting that a signal ends at once, on every system, and a lock against a second agent on the same state."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Callable, Iterator, Optional

from agent.errors import AlreadyRunningError

LOCK_FILE = "agent.lock"


class Stop:
    """Turns SIGINT and SIGTERM into a word that the agent's loop reads.

    A signal handler must take no lock that the interrupted code may hold, so it sets a flag, and the interpreter itself
    writes a byte into a socket that `wait` listens to.
    """

    def __init__(self) -> None:
        self._requested = False
        self._told: Callable[[], None] = lambda: None
        self._wake, self._writer = socket.socketpair()
        self._writer.setblocking(False)  # noqa: FBT003  # the library's own way
        self._wake.setblocking(False)  # noqa: FBT003  # same

    def requested(self) -> bool:
        """Whether the agent shall end."""
        return self._requested

    def tell(self, told: Callable[[], None]) -> None:
        """Has this called too when a stop is requested. In a signal handler: it may take no lock."""
        self._told = told

    def request(self) -> None:
        """Ends the agent, from any thread."""
        self._requested = True
        self._told()
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def wait(self, seconds: float) -> bool:
        """Waits, but not longer than until a stop is requested; whether it is."""
        if not self._requested:
            select.select([self._wake], [], [], max(seconds, 0.0))
            with contextlib.suppress(OSError):
                self._wake.recv(64)
        return self._requested

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Handles the signals until the block ends. Only the main thread may use it."""

        def handle(_number: int, _frame: Optional[FrameType]) -> None:
            self._requested = True
            self._told()

        numbers = [signal.SIGINT, signal.SIGTERM]
        if sys.platform == "win32":
            numbers.append(signal.SIGBREAK)
        wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        earlier = {number: signal.signal(number, handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)

    def close(self) -> None:
        """Gives the sockets back."""
        self._wake.close()
        self._writer.close()


@contextlib.contextmanager
def only_agent(state_dir: Path) -> Iterator[None]:
    """Keeps every other agent off this state folder until the block ends, or the process does.

    Raises:
        AlreadyRunningError: another agent is there.
        OSError: the lock file cannot be made.
    """
    descriptor = os.open(str(state_dir / LOCK_FILE), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if not _try_lock(descriptor):
            raise AlreadyRunningError("{path}: another agent is running on this state folder", path=str(state_dir))
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415  # exists on Windows only

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415  # does not exist on Windows

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
