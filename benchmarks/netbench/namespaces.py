"""Network namespaces of one run: made, entered, and taken away again, also after a run that was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

PREFIX = "tmnb"
NEEDED_PROGRAMS = ("ip", "tc", "sysctl", "setpriv", "iperf3")
_MODULE = "benchmarks.netbench"
_GRACE_SECONDS = 3.0


class BenchError(Exception):
    """The bench cannot go on; the text says what is missing or failed."""


def run(*words: str, check: bool = True) -> str:
    """Standard output of a short command.

    Raises:
        BenchError: it failed or took over 20 seconds; names the command and what it wrote.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{' '.join(words)}: {error}") from error
    if check and done.returncode:
        raise BenchError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def missing_requirements() -> list[str]:
    """Why the bench cannot run here, one sentence each; empty where it can."""
    found: list[str] = []
    if os.geteuid() != 0:
        return ["network namespaces need root"]
    found.extend(f"the program {name} is not installed" for name in NEEDED_PROGRAMS if shutil.which(name) is None)
    if not Path("/dev/net/tun").exists():
        found.append("the kernel has no /dev/net/tun")
    if found:
        return found
    name = f"{PREFIX}{os.getpid()}-try"
    try:
        run("ip", "netns", "add", name)
    except BenchError as error:
        return [f"network namespaces cannot be made ({error})"]
    try:
        for what, words in (
            ("tun devices", f"ip -n {name} tuntap add dev t mode tun"),
            ("veth pairs", f"ip -n {name} link add name v type veth peer name w"),
            ("bridges", f"ip -n {name} link add name b type bridge"),
            ("the queue discipline tbf", f"tc -n {name} qdisc add dev t root tbf rate 4mbit burst 3000 limit 15000"),
        ):
            try:
                run(*words.split())
            except BenchError as error:
                found.append(f"the kernel lacks {what} ({error})")
    finally:
        run("ip", "netns", "del", name, check=False)
    return found


def congestion_controls() -> tuple[str, ...]:
    """TCP congestion controls that the kernel has."""
    listed = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
    return tuple(listed.read_text(encoding="ascii").split())


class Namespaces:
    """The namespaces of this run, named after this process, and every process started in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []

    def full_name(self, name: str) -> str:
        """As `ip netns` lists it."""
        return f"{PREFIX}{os.getpid()}-{name}"

    def add(self, name: str, *, forwards: bool = False) -> None:
        """Makes a namespace with its loopback up and without IPv6.

        Args:
            name: short, as `a1`.
            forwards: whether it is a router.

        Raises:
            BenchError: it cannot be made.
        """
        run("ip", "netns", "add", self.full_name(name))
        settings = ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv4.conf.all.rp_filter=0"]
        settings += ["net.ipv4.conf.default.rp_filter=0", f"net.ipv4.ip_forward={int(forwards)}"]
        run("ip", "netns", "exec", self.full_name(name), "sysctl", "-q", "-w", *settings)
        self.ip(name, "link set lo up")

    def ip(self, name: str, words: str) -> str:
        """Runs `ip` in a namespace.

        Raises:
            BenchError: it failed.
        """
        return run("ip", "-n", self.full_name(name), *words.split())

    def tc(self, name: str, words: str) -> str:
        """Runs `tc` in a namespace.

        Raises:
            BenchError: it failed.
        """
        return run("tc", "-n", self.full_name(name), *words.split())

    def start(
        self,
        name: str,
        words: Sequence[str],
        *,
        log: str,
        stdin: bool = False,
        environment: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Starts a process in a namespace; it dies with this one.

        Args:
            name: the namespace; empty means that of this process.
            words: the command.
            log: file in the run's folder for what it writes.
            stdin: whether to hold a pipe to it.
            environment: in place of this process's own.
        """
        enter = ["ip", "netns", "exec", self.full_name(name)] if name else []
        with (self._folder / log).open("ab") as file:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *enter, *words],
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environment,
            )
        self._processes.append(process)
        return process

    def call(self, name: str, words: Sequence[str], seconds: float, environment: dict[str, str] | None = None) -> str:
        """Standard output of a command that is run in a namespace to its end.

        Raises:
            BenchError: it failed or took too long.
        """
        command = ["ip", "netns", "exec", self.full_name(name), *words]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds, check=False, env=environment
            )
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{name}: {' '.join(words)}: took over {seconds:g} s") from error
        if done.returncode:
            raise BenchError(f"{name}: {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def stop(self, process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> None:
        """Ends a process that `start` gave, by force after a while."""
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        if process.poll() is None:
            process.kill()
            process.wait()
        if process in self._processes:
            self._processes.remove(process)

    def remove_all(self) -> None:
        """Ends all processes and takes all namespaces of this run away."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            if process.poll() is None:
                process.kill()
                process.wait()
        self._processes.clear()
        # As the system lists them: an interrupted run may have made one that it does not know of.
        for name in _listed():
            if name.startswith(self.full_name("")):
                _remove(name)


def remove_left_behind() -> list[str]:
    """Takes away namespaces of earlier runs whose process is gone; their names."""
    removed: list[str] = []
    for name in _listed():
        owner = name[len(PREFIX) :].split("-")[0]
        if owner.isdecimal() and not _is_bench(int(owner)):
            _remove(name)
            removed.append(name)
    return removed


def _listed() -> Iterator[str]:
    folder = Path("/run/netns")
    if folder.is_dir():
        yield from sorted(path.name for path in folder.iterdir() if path.name.startswith(PREFIX))


def _is_bench(process_id: int) -> bool:
    try:
        words = Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:
        return False
    return _MODULE.encode() in words or process_id == os.getpid()


def _remove(full_name: str) -> None:
    for process_id in run("ip", "netns", "pids", full_name, check=False).split():
        with contextlib.suppress(OSError):
            os.kill(int(process_id), signal.SIGKILL)
    run("ip", "netns", "del", full_name, check=False)
