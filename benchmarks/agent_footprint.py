"""What the agent costs a terminal: memory and processor time of a running agent, one round a minute.

    python benchmarks/agent_footprint.py [--source FOLDER] [--python PYTHON] [--rounds 5]

The agent of FOLDER (this tree) runs as a process of its own against targets on this machine's loopback and a stand-in
for the collector; no packet leaves the machine. Linux only; ICMP needs the rights for it. The first round, which reads
everything that is read once a day, is left out of the processor time.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGETS = (("edge", "127.0.0.2"), ("server", "127.0.0.3"), ("collector", "127.0.0.1"))
SETTLED_SECONDS = 75.0
ROUND_SECONDS = 60.0


class StandIn(http.server.BaseHTTPRequestHandler):
    """Accepts every report, and answers requests for the first byte."""

    def do_HEAD(self) -> None:
        """A service that answers at once."""
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        """The collector's answer to an upload."""
        reports = json.loads(zlib.decompress(self.rfile.read(int(self.headers["Content-Length"]))))["reports"]
        results = [
            {"boot_id": each["boot_id"], "sequence": each["sequence"], "status": "accepted", "reason": ""}
            for each in reports
        ]
        body = json.dumps({"wire_version": 1, "server_time_seconds": 1.0, "results": results}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


def identity(port: int, *, is_plain: bool) -> dict[str, object]:
    """An enrolled agent's file; `is_plain` leaves out the keys that version 0.1 does not know."""
    targets: list[dict[str, object]] = [{"name": name, "address": address, "port": port} for name, address in TARGETS]
    configuration: dict[str, object] = {"interval_seconds": 60, "upload_interval_seconds": 60, "targets": targets}
    if not is_plain:
        configuration["measure_gateway"] = False
        targets[1].update(role="service", service="http", path="/")
    url = f"http://127.0.0.1:{port}"
    return {"collector_url": url, "device_id": "d", "token": "t", "ca_file": None, "configuration": configuration}


def processor_seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status_of(process: int, key: str) -> str:
    """One line of /proc/PID/status."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(key + ":"))


def main() -> None:
    """Runs the agent and prints its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=ROOT)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    is_plain = not (options.source / "agent" / "link_round.py").exists()
    with tempfile.TemporaryDirectory() as folder:
        table = identity(server.server_address[1], is_plain=is_plain)
        (Path(folder) / "identity.json").write_text(json.dumps(table), encoding="utf-8")
        agent = subprocess.Popen(
            [options.python, "-m", "agent", "agent", "run", "--state-dir", folder],
            cwd=options.source,
            env={**os.environ, "PYTHONPATH": str(options.source), "THONGMANG_LANGUAGE": "en"},
        )
        try:
            time.sleep(SETTLED_SECONDS)
            first = processor_seconds(agent.pid)
            time.sleep(ROUND_SECONDS * options.rounds)
            spent = (processor_seconds(agent.pid) - first) / options.rounds
            size, most = status_of(agent.pid, "VmRSS"), status_of(agent.pid, "VmHWM")
            print(
                f"resident {size}, at most {most}; {spent:.3f} s of processor time a round; first rounds {first:.2f} s"
            )
        finally:
            agent.terminate()
            agent.wait(30)


if __name__ == "__main__":
    main()
