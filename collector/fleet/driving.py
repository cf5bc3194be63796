"""Drives a fleet against a collector: each terminal at its own times, over connections as real ones hold them."""

from __future__ import annotations

import heapq
import http.client
import random
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from agent.wire.codec import WireError, answer_from_json
from collector.clock import now_seconds
from collector.fleet.tally import Tally
from collector.fleet.terminal import MINUTE_SECONDS, SimulatedTerminal

TIMEOUT_SECONDS = 30.0
# A connection that a real agent would keep: its next upload comes within the collector's own patience.
KEPT_SECONDS = 90.0
OK = 200
NOT_UNDERSTOOD = -1
_PLACES = 10_007
_PATH = "/api/v1/reports"
_LATER = (429, 503)
_LONGEST_WAIT_SECONDS = 300.0


@dataclass(frozen=True)
class Drive:
    """How a fleet is driven.

    Args:
        url: the collector.
        ca_file: authority of its certificate; None for the system's own.
        minutes: how long terminals go on measuring, each one report a minute.
        waiting_minutes: how many reports wait at each terminal when the run begins; None for as many as make its first
            upload a full one, as in a fleet that has run for long.
        spread_seconds: over which the first uploads are spread.
        last_seconds: over which what is left at the end is sent.
        threads: how many uploads may be under way.
    """

    url: str
    ca_file: Path | None
    minutes: int
    waiting_minutes: int | None = None
    spread_seconds: float = 900.0
    last_seconds: float = 60.0
    threads: int = 32


class _Line(http.client.HTTPSConnection):
    """A connection that goes on with the TLS session of the terminal's last one."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=TIMEOUT_SECONDS, context=context)
        self._tls = context
        self.session: ssl.SSLSession | None = None

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), TIMEOUT_SECONDS)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host, session=self.session)


class _Shard(threading.Thread):
    """Some terminals, in one thread, in the order of their times."""

    def __init__(self, terminals: Sequence[SimulatedTerminal], drive: Drive, tally: Tally, started: float) -> None:
        super().__init__(name="fleet", daemon=True)
        self._drive, self._tally, self._began = drive, tally, started
        self._terminals = terminals
        self._lines: dict[int, http.client.HTTPConnection] = {}
        self._random = random.Random(len(terminals))  # noqa: S311 - waits, not secrets
        self._measured_to: dict[int, int] = {}
        parts = urlsplit(drive.url)
        self._host, self._port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._base = parts.path.rstrip("/")
        self._tls = ssl.create_default_context(cafile=drive.ca_file) if parts.scheme == "https" else None

    def run(self) -> None:
        drive, ends = self._drive, self._drive.minutes * MINUTE_SECONDS
        due: list[tuple[float, int]] = []
        for index, terminal in enumerate(self._terminals):
            share = terminal.seed % _PLACES / _PLACES
            first = share * drive.spread_seconds
            waiting = drive.waiting_minutes
            if waiting is None:
                waiting = max(0, int((terminal.upload_interval_seconds - first) // MINUTE_SECONDS))
            self._measured_to[index] = -waiting
            # Whoever has no turn within the run has one at its end.
            heapq.heappush(due, (first if first < ends else ends + share * drive.last_seconds, index))
        while due:
            at, index = heapq.heappop(due)
            self._sleep_until(at)
            later = at + self._upload(index, min(at, ends))
            if at < ends <= later:
                share = self._terminals[index].seed % _PLACES / _PLACES
                heapq.heappush(due, (ends + share * drive.last_seconds, index))
            elif at < ends or self._terminals[index].waiting:
                heapq.heappush(due, (later, index))
        for line in self._lines.values():
            line.close()

    def _sleep_until(self, at: float) -> None:
        rest = self._began + at - now_seconds()
        if rest > 0:
            time.sleep(rest)

    def _upload(self, index: int, at: float) -> float:
        """Sends one batch of a terminal; the seconds that it waits after it."""
        terminal = self._terminals[index]
        minute, first = int(at // MINUTE_SECONDS), self._measured_to[index]
        for number in range(first, minute):
            terminal.measure(self._began + number * MINUTE_SECONDS)
        self._tally.note_measured(max(0, minute - first))
        self._measured_to[index] = max(minute, first)
        batch = terminal.batch()
        if not batch:
            return terminal.upload_interval_seconds
        body, encoding = terminal.body(batch, now_seconds())
        status, content, retry_after, seconds = self._post(index, body, encoding)
        self._tally.note_upload(status, seconds, len(body), len(content))
        if status != OK:
            wait = retry_after if status in _LATER and retry_after else 5.0 * (1 + self._random.random())
            return min(wait, _LONGEST_WAIT_SECONDS) * (1 + self._random.random() / 2)
        try:
            answer = answer_from_json(content, terminal.names(batch))
        except WireError:
            self._tally.note_upload(NOT_UNDERSTOOD, 0.0, 0, 0)
            return 60.0
        self._tally.note_answers(*terminal.settle(batch, answer))
        # History takes at most half of a line, as a real agent's does.
        return max(0.2, seconds) if terminal.waiting else terminal.upload_interval_seconds

    def _post(self, index: int, body: bytes, encoding: str) -> tuple[int, bytes, float, float]:
        terminal = self._terminals[index]
        line = self._lines.get(index)
        if line is None:
            line = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
            if self._tls is not None:
                line = _Line(self._host, self._port, self._tls)
            self._lines[index] = line
        headers = {
            "Authorization": f"Bearer {terminal.token}",
            "Content-Type": "application/json",
            "Content-Encoding": encoding,
        }
        began = time.perf_counter()
        # The collector may have closed a kept connection meanwhile; a new one is tried once, as agents do.
        for is_last in (line.sock is None, True):
            try:
                line.request("POST", self._base + _PATH, body, headers)
                answer = line.getresponse()
                content = answer.read()
                break
            except (OSError, http.client.HTTPException):
                line.close()
                if is_last:
                    return 0, b"", 0.0, time.perf_counter() - began
        seconds = time.perf_counter() - began
        if isinstance(line, _Line) and isinstance(line.sock, ssl.SSLSocket):
            line.session = line.sock.session
        if terminal.upload_interval_seconds > KEPT_SECONDS and not terminal.waiting:
            line.close()
        wait = answer.headers.get("Retry-After", "")
        return answer.status, content, float(wait) if wait.isdigit() else 0.0, seconds


def drive_fleet(terminals: Sequence[SimulatedTerminal], drive: Drive, tally: Tally) -> float:
    """Runs the whole fleet until everything is sent; returns the seconds that it took.

    Each upload is sent again until it is answered, so a collector that is away holds the run up.
    """
    began = now_seconds()
    shards = [_Shard(terminals[index :: drive.threads], drive, tally, began) for index in range(drive.threads)]
    for shard in shards:
        shard.start()
    for shard in shards:
        shard.join()
    return now_seconds() - began
