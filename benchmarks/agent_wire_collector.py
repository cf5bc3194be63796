"""What uploads cost the collector: processor time of its process for 1,000 reports, one or 15 in an upload.

    python benchmarks/agent_wire_collector.py [--reports 3000]

A real collector on this machine's loopback, HTTP without TLS, one kept connection; everything it does is counted:
authentication, decoding, the journal, its writer, the embedded store. Every report is new. The versions take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import urllib3

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from agent.wire.codec import batch_from_json_reports, compress  # noqa: E402  # found by the line above
from agent.wire.columns import compress_columns, encode_batch  # noqa: E402  # likewise
from agent.wire.exchange import UploadHead  # noqa: E402  # likewise
from benchmarks.agent_wire_terminal import record  # noqa: E402  # likewise

PORT = 18_611
ROUNDS = 5
WAYS = (("version 1, one report an upload", 1, 1), ("version 1, 15", 1, 15), ("version 2, 15", 2, 15))


def processor_seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Sender:
    """Uploads recorded reports under ever new numbers."""

    def __init__(self, url: str, enrolled: dict[str, str], recorded: list[bytes]) -> None:
        self._http = urllib3.PoolManager(retries=False, timeout=30, maxsize=1)
        self._url, self._enrolled = url + "/api/v1/reports", enrolled
        self._recorded = [json.loads(report) for report in recorded]
        self._made = 0
        self._began = time.time()

    def bodies(self, version: int, size: int, count: int) -> list[bytes]:
        """Whole uploads, made before the time is taken."""
        return [self._body(version, size) for _ in range(count // size)]

    def _body(self, version: int, size: int) -> bytes:
        reports = []
        for _ in range(size):
            table = dict(self._recorded[1 + self._made % (len(self._recorded) - 1)])
            self._made += 1
            table.update(device_id=self._enrolled["device_id"], boot_id="b", sequence=self._made)
            # Seconds apart, so that all fit into the past.
            table.update(wall_time_seconds=self._began - 86_400 + self._made, monotonic_time_seconds=float(self._made))
            reports.append(json.dumps(table).encode())
        if version == 1:
            return compress(batch_from_json_reports(reports))
        return compress_columns(encode_batch(reports, UploadHead()))

    def send(self, version: int, bodies: list[bytes]) -> None:
        """Posts them one after the other.

        Raises:
            RuntimeError: one was not taken.
        """
        encoding = "deflate" if version == 1 else "thongmang-2"
        headers = {"Authorization": f"Bearer {self._enrolled['token']}", "Content-Encoding": encoding}
        for body in bodies:
            answer = self._http.request("POST", self._url, body=body, headers=headers)
            if answer.status != 200 or b"rejected" in answer.data:
                raise RuntimeError(answer.data[:500])

    def wait_written(self) -> None:
        """Waits until nothing is on its way to the store."""
        while self._http.request("GET", self._url.replace("/api/v1/reports", "/healthz")).json()["journal"][
            "waiting_reports"
        ]:
            time.sleep(0.2)


def main() -> None:
    """Runs the collector and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=3000, help="of each way, over all rounds")
    options = parser.parse_args()
    recorded = record("ordinary", 16)
    with tempfile.TemporaryDirectory() as state:
        environment = {**os.environ, "THONGMANG_PORT": str(PORT), "THONGMANG_STATE_DIR": state, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "agent"]
        server = subprocess.Popen([*command, "collector", "serve"], env=environment)
        http, url = urllib3.PoolManager(retries=False, timeout=5), f"http://127.0.0.1:{PORT}"
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    http.request("GET", url + "/healthz")
                    break
                except urllib3.exceptions.HTTPError:
                    if time.monotonic() > deadline or server.poll() is not None:
                        raise
                    time.sleep(0.2)
            words = [*command, "collector", "join-code", "--unit", "16681"]
            code = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.split()[-1]
            request = {"wire_version": 1, "code": code}
            enrolled = http.request("POST", url + "/api/v1/enrolments", json=request).json()
            sender = Sender(url, enrolled, recorded)
            spent: dict[str, list[float]] = {name: [] for name, _, _ in WAYS}
            for _ in range(ROUNDS):
                for name, version, size in WAYS:
                    count = options.reports // ROUNDS // size * size
                    bodies = sender.bodies(version, size, count)
                    before = processor_seconds(server.pid)
                    sender.send(version, bodies)
                    sender.wait_written()
                    spent[name].append((processor_seconds(server.pid) - before) / count * 1000)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
    print("| way | processor seconds for 1,000 reports, median (least, most) |\n|---|---|")
    for name, values in spent.items():
        print(f"| {name} | {statistics.median(values):.3f} ({min(values):.3f}, {max(values):.3f}) |")


if __name__ == "__main__":
    main()
