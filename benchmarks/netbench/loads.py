"""What a phase does to the province: real traffic, a changed link, a slow or hanging service. Each can be undone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from benchmarks.netbench.namespaces import BenchError, Namespaces
from benchmarks.netbench.topology import Topology

WEB_PORT = 5300
_FIRST_PORT = 5400
_LISTEN_SECONDS = 5.0
_MUCH_LONGER_SECONDS = 86_400


@dataclass
class Stage:
    """What loads act on.

    Args:
        spaces: the namespaces.
        topology: links and queues.
        service: the process of the service, whose standard input takes its delay.
    """

    spaces: Namespaces
    topology: Topology
    service: subprocess.Popen[bytes]

    def __post_init__(self) -> None:
        self._ports = count(_FIRST_PORT)

    def next_port(self) -> int:
        """A port that no earlier load used."""
        return next(self._ports)


Undo = Callable[[], None]
Load = Callable[[Stage], Undo]


def iperf(client: str, server: str, address: str, words: str) -> Load:
    """Traffic of iperf3 from `client` to `server` (with `-R` in `words`: the other way)."""

    def start(stage: Stage) -> Undo:
        port = str(stage.next_port())
        answering = stage.spaces.start(server, ["iperf3", "-s", "-p", port], log=f"iperf-{port}-server.log")
        _wait_for_listener(stage.spaces, server, port)
        command = ["iperf3", "-c", address, "-p", port, "-t", str(_MUCH_LONGER_SECONDS), *words.split()]
        asking = stage.spaces.start(client, command, log=f"iperf-{port}-client.log")

        def undo() -> None:
            failed = asking.poll()
            stage.spaces.stop(asking, signal.SIGKILL)
            stage.spaces.stop(answering, signal.SIGKILL)
            if failed is not None:
                raise BenchError(f"iperf3 ended during its phase with {failed}: see iperf-{port}-client.log")

        return undo

    return start


def web(client: str, address: str, bits_per_second: float, seed: int) -> Load:
    """Web-like pages that `client` fetches, so many bits a second on the long run."""

    def start(stage: Stage) -> Undo:
        words = [sys.executable, "-m", "benchmarks.netbench.webload", "fetch", "--address", address]
        words += ["--port", str(WEB_PORT), "--bits-per-second", str(bits_per_second), "--seed", str(seed)]
        process = stage.spaces.start(client, words, log=f"web-{client}.log")
        return lambda: stage.spaces.stop(process, signal.SIGKILL)

    return start


def link(name: str, before: dict[str, float], **values: float | bool) -> Load:
    """A relay that behaves otherwise; `before` is how it was."""

    def start(stage: Stage) -> Undo:
        stage.topology.set_link(name, **values)
        return lambda: stage.topology.set_link(name, **before)

    return start


def small_buffer(queue: str, buffer_ms: float) -> Load:
    """A queue that holds less."""

    def start(stage: Stage) -> Undo:
        stage.topology.set_buffer(queue, buffer_ms)
        return lambda: stage.topology.set_buffer(queue)

    return start


def slow_service(delay_ms: float) -> Load:
    """A service that thinks so long about every answer."""

    def tell(stage: Stage, milliseconds: float) -> None:
        pipe = stage.service.stdin
        if pipe is None or stage.service.poll() is not None:
            raise BenchError("the service has ended: see service.log")
        pipe.write(f"{milliseconds}\n".encode())
        pipe.flush()

    def start(stage: Stage) -> Undo:
        tell(stage, delay_ms)
        return lambda: tell(stage, 0)

    return start


def stalled_service() -> Load:
    """A service that hangs: its process is stopped."""

    def start(stage: Stage) -> Undo:
        stage.service.send_signal(signal.SIGSTOP)
        return lambda: stage.service.send_signal(signal.SIGCONT)

    return start


def _wait_for_listener(spaces: Namespaces, namespace: str, port: str) -> None:
    wanted = f":{int(port):04X} "
    deadline = time.monotonic() + _LISTEN_SECONDS
    while True:
        # Column `st` 0A is LISTEN; iperf3 listens on both families.
        tables = spaces.call(namespace, ["cat", "/proc/net/tcp", "/proc/net/tcp6"], 5)
        if any(wanted in line and " 0A " in line for line in tables.splitlines()):
            return
        if time.monotonic() > deadline:
            raise BenchError(f"iperf3 does not listen on port {port} in {namespace}")
        time.sleep(0.05)
