"""What a process of this machine costs while a fleet is driven: processor time and memory, by psutil."""

from __future__ import annotations

import threading

import psutil

_EVERY_SECONDS = 1.0


class ProcessCost:
    """Watches one process from its making until `stop`.

    Args:
        pid: of the process; its children count too.

    Raises:
        psutil.NoSuchProcess, psutil.AccessDenied: it cannot be watched.
    """

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._began_seconds = self._cpu_seconds()
        self.cpu_seconds = 0.0
        self.resident_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="process-cost", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Takes the last reading."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            try:
                self.cpu_seconds = self._cpu_seconds() - self._began_seconds
                self.resident_bytes = max(self.resident_bytes, self._process.memory_info().rss)
            except psutil.Error:
                # It has ended: what was read until then stands.
                return
            if self._stop.is_set():
                return
            self._stop.wait(_EVERY_SECONDS)

    def _cpu_seconds(self) -> float:
        own = self._process.cpu_times()
        children = [child.cpu_times() for child in self._process.children(recursive=True)]
        return sum(item.user + item.system for item in (own, *children))
