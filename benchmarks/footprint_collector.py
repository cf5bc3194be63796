"""A real collector on this machine's loopback with TLS by an authority of its own, and terminals enrolled there."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import trustme

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
# Any unit of the list that the collector brings along.
UNIT = "16681"
START_SECONDS = 60.0


class CollectorError(Exception):
    """The collector did not start, or a terminal could not be enrolled; the text is its own."""


class LoopbackCollector:
    """A collector as a process; use as a context manager.

    Args:
        folder: for everything that it and its terminals keep.
        agents: further lines of the settings' table [agents].
    """

    def __init__(self, folder: Path, agents: str = "") -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind((HOST, 0))
            self.port = int(free.getsockname()[1])
        self.url = f"https://{HOST}:{self.port}"
        self.ca_file = folder / "ca.pem"
        self._state = folder / "collector"
        self._state.mkdir()
        self._log = folder / "collector.log"
        self._agents = agents
        self._process: subprocess.Popen[bytes] | None = None
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "THONGMANG_LANGUAGE": "en"}
        self.environment.pop("THONGMANG_PORT", None)

    def __enter__(self) -> Self:
        authority = trustme.CA()
        made = authority.issue_cert(HOST)
        authority.cert_pem.write_to_path(str(self.ca_file))
        made.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        made.cert_chain_pems[0].write_to_path(str(self.folder / "chain.pem"))
        (self._state / "collector.toml").write_text(
            f'[server]\nhost = "{HOST}"\nport = {self.port}\ncertificate_file = "{self.folder}/chain.pem"\n'
            f'key_file = "{self.folder}/key.pem"\n[agents]\n{self._agents}',
            encoding="utf-8",
        )
        words = [sys.executable, "-m", "agent", "collector", "--state-dir", str(self._state), "serve"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, cwd=ROOT
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 1):
                return self
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise CollectorError(self._log.read_text(errors="replace")[-2000:])
            time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def enrol(self, name: str, **configuration: Any) -> Path:
        """A terminal's folder, with these keys of its configuration changed."""
        asked = ["collector", "--state-dir", str(self._state), "join-code", "--unit", UNIT]
        code = self._run(asked).split()[-1]
        folder = self.folder / name
        words = ["agent", "enrol", self.url, "--code", code, "--ca", str(self.ca_file), "--state-dir", str(folder)]
        self._run(words)
        identity = folder / "identity.json"
        table = json.loads(identity.read_text(encoding="utf-8"))
        table["configuration"].update(configuration)
        identity.write_text(json.dumps(table), encoding="utf-8")
        return folder

    def _run(self, words: list[str]) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "agent", *words],
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            cwd=ROOT,
        )
        if done.returncode:
            raise CollectorError(done.stderr[-2000:] + self._log.read_text(errors="replace")[-2000:])
        return done.stdout
