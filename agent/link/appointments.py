"""Many small waits in one thread: actions at their moments, and when their sockets are ready."""

from __future__ import annotations

import heapq
import select
import socket
import time
from typing import Callable, Dict, List, Tuple

Action = Callable[[float], None]


class Appointments:
    """Calls each action with the performance counter's reading at which it was called."""

    def __init__(self) -> None:
        self._waiting: List[Tuple[float, int, Action]] = []
        self._count = 0
        self._readers: Dict[socket.socket, Action] = {}
        self._writers: Dict[socket.socket, Action] = {}

    def at(self, moment: float, action: Action) -> None:
        """Makes an appointment; one in the past is kept at once."""
        self._count += 1
        heapq.heappush(self._waiting, (moment, self._count, action))

    def when_readable(self, channel: socket.socket, action: Action) -> None:
        """Calls the action whenever something can be read, until `leave`."""
        self._writers.pop(channel, None)
        self._readers[channel] = action

    def when_connected(self, channel: socket.socket, action: Action) -> None:
        """Calls the action when a connect has ended, well or badly."""
        self._writers[channel] = action

    def leave(self, channel: socket.socket) -> None:
        """Listens to this socket no more."""
        self._readers.pop(channel, None)
        self._writers.pop(channel, None)

    def run(self, seconds_left: Callable[[float], float]) -> None:
        """Keeps appointments and listens until `seconds_left` is zero or less; it is asked after each of them."""
        while True:
            now = time.perf_counter()
            while self._waiting and self._waiting[0][0] <= now:
                heapq.heappop(self._waiting)[2](now)
                now = time.perf_counter()
            left = seconds_left(now)
            if left <= 0:
                return
            self._listen(min(left, self._waiting[0][0] - now) if self._waiting else left)

    def _listen(self, seconds: float) -> None:
        readers, writers = list(self._readers), list(self._writers)
        if not readers and not writers:
            # Windows refuses to wait for no socket.
            time.sleep(max(seconds, 0.0))
            return
        # Windows tells of a refused connect through the third list.
        readable, connected, failed = select.select(readers, writers, writers, max(seconds, 0.0))
        now = time.perf_counter()
        # One action may end the business of another socket.
        for channel in readable:
            if channel in self._readers:
                self._readers[channel](now)
        for channel in {*connected, *failed}:
            if channel in self._writers:
                self._writers[channel](now)
