"""What several of the agent's tests need: machines with a clock to turn, tables of bytes, a collector that listens."""

import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest

from agent.host import LINUX, WINDOWS, Host
from agent.wire.catalogue import METRICS
from agent.wire.columns import COLUMNS_ENCODING
from agent.wire.dictionary import DICTIONARY

ROOT = Path(__file__).resolve().parents[2]
MACHINES = ROOT / "tests" / "machines"


class SteppedHost(Host):
    """A machine whose clocks and boot are turned by the test."""

    def __init__(self, root="/"):
        super().__init__(root)
        self.wall = 1_800_000_000.0
        self.monotonic = 1_000.0
        self.boot = "boot-a"

    def pass_time(self, seconds):
        self.wall += seconds
        self.monotonic += seconds

    def reboot(self, boot, off_seconds=60.0):
        self.boot = boot
        self.wall += off_seconds
        self.monotonic = 10.0

    def wall_time_seconds(self):
        return self.wall

    def monotonic_time_seconds(self):
        return self.monotonic

    def boot_id(self):
        return self.boot


def answers_of(folder):
    """What devices and programs of a recorded machine answer: question -> answer, all bytes in hexadecimal."""
    path = folder / "devices.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


class RecordedLinux(Host):
    """A Linux machine as its files and the answers of its disks were recorded."""

    def __init__(self, folder):
        super().__init__(folder, LINUX)
        self._answers = answers_of(folder)

    def wall_time_seconds(self):
        return self._answers.get("wall_time_seconds") or super().wall_time_seconds()

    def scsi_command(self, device, command, receive_bytes):
        answer = self._answers.get(f"SG_IO {device}")
        if answer is None:
            raise PermissionError(1, "Operation not permitted")
        data, sense = answer[command.hex()]
        return bytes.fromhex(data)[:receive_bytes], bytes.fromhex(sense)

    def nvme_log_page(self, device, page, receive_bytes):
        answer = self._answers.get(f"NVME_IOCTL_ADMIN_CMD {device}")
        if answer is None:
            raise PermissionError(13, "Permission denied")
        return bytes.fromhex(answer[str(page)])[:receive_bytes]


class RecordedWindows(Host):
    """A Windows machine as its registry, its firmware table and the answers of its disks were recorded."""

    def __init__(self, folder):
        super().__init__(folder, WINDOWS)
        self._registry = json.loads((folder / "registry.json").read_text(encoding="utf-8"))
        self._table = folder / "rsmb.bin"
        self._answers = answers_of(folder)
        self.started = []

    def wall_time_seconds(self):
        return self._answers.get("wall_time_seconds") or super().wall_time_seconds()

    def _registry_read(self, key, name):
        value = self._registry.get(key, {}).get(name)
        if isinstance(value, dict):
            value = bytes.fromhex(value["hex"])
        if value is not None:
            self.note_source("HKLM\\" + key)
        return value

    def registry_has_key(self, key):
        return any(name == key or name.startswith(key + "\\") for name in self._registry)

    def firmware_type(self):
        return self._answers.get("firmware_type")

    def tpm_device_info(self):
        told = self._answers.get("tpm_device_info")
        return None if told is None else (told[0], bytes.fromhex(told[1]))

    def service_is_running(self, name):
        return self._answers.get("services", {}).get(name)

    def security_provider_health(self, providers):
        return self._answers.get("security_provider_health", {}).get(str(providers))

    def powershell(self, script, limit_seconds):
        self.started.append(script)
        if "powershell" not in self._answers:
            raise FileNotFoundError(2, "powershell.exe")
        return 0, self._answers["powershell"].encode("ascii")

    def device_control(self, device, code, sent, receive_bytes, *, is_privileged=False):
        disk = self._answers.get("disks", {}).get(device)
        if disk is None:
            raise FileNotFoundError(2, device)
        if is_privileged and disk.get("refused"):
            raise PermissionError(13, device)
        answer = disk.get(f"{code:08x} {sent.hex()}")
        if answer is None:
            raise OSError(22, "Incorrect function")
        return bytes.fromhex(answer)[:receive_bytes]

    def device_is_awake(self, device):
        return self._answers.get("disks", {}).get(device, {}).get("awake")

    def registry_subkeys(self, key):
        inside = [name[len(key) + 1 :] for name in self._registry if name.startswith(key + "\\")]
        return sorted({name.split("\\")[0] for name in inside})

    def firmware_table(self):
        return self._table.read_bytes() if self._table.exists() else super().firmware_table()

    def architecture(self):
        return "AMD64"


class SmbiosTable:
    """Makes an SMBIOS table structure by structure."""

    def __init__(self, version=(2, 7)):
        self.version = version
        self.structures = []

    def add(self, kind, data, *strings, handle=None, length=None):
        """A structure: `data` is the formatted area after the header; strings are bytes or text."""
        header = bytes([kind, len(data) + 4 if length is None else length])
        header += (len(self.structures) if handle is None else handle).to_bytes(2, "little")
        texts = [text if isinstance(text, bytes) else text.encode() for text in strings]
        tail = b"".join(text + b"\0" for text in texts) + b"\0" if texts else b"\0\0"
        self.structures.append(header + data + tail)
        return self

    def with_parts(self):
        """What a board holds: slots, room for memory, devices, TPM, the last start's word."""
        self.add(9, bytes([1, 0xB6, 13, 3, 4, 1, 0, 4, 1]), "PCIEX16_1")
        self.add(9, bytes([1, 0x17, 8, 4, 3, 2, 0, 4, 1]), "M2_1")
        # 32 GiB in four slots.
        self.add(16, bytes([3, 3, 3]) + (32 << 20).to_bytes(4, "little") + b"\xfe\xff" + (4).to_bytes(2, "little"))
        self.add(32, bytes(6) + bytes([0]))
        self.add(41, bytes([1, 0x85, 1, 0, 0, 2, 0]), "Onboard LAN")
        self.add(41, bytes([1, 0x07, 1, 0, 0, 0, 0xD8]), "Onboard Audio")
        tpm = b"IFX\0" + bytes([2, 0]) + (0x70055).to_bytes(4, "little") + bytes(4) + bytes([1]) + bytes(12)
        return self.add(43, tpm, "INFINEON")

    def end(self):
        return self.add(127, b"")

    @property
    def table(self):
        return b"".join(self.structures)

    @property
    def entry_point(self):
        major, minor = self.version
        if major >= 3:
            raw = bytearray(b"_SM3_\0\x18" + bytes([major, minor, 0, 1, 0]))
            raw += len(self.table).to_bytes(4, "little") + (32).to_bytes(8, "little")
            raw[5] = -sum(raw) & 0xFF
            return bytes(raw)
        middle = bytearray(b"_DMI_\0" + len(self.table).to_bytes(2, "little") + (32).to_bytes(4, "little"))
        middle += len(self.structures).to_bytes(2, "little") + bytes([major << 4 | minor])
        middle[5] = -sum(middle) & 0xFF
        raw = bytearray(b"_SM_\0\x1f" + bytes([major, minor]) + b"\xff\0\0" + bytes(5) + middle)
        raw[4] = -sum(raw) & 0xFF
        return bytes(raw)

    @property
    def dump(self):
        """As `dmidecode --dump-bin` writes it."""
        return self.entry_point.ljust(32, b"\0") + self.table

    @property
    def rsmb(self):
        """As Windows hands it out."""
        return b"\0" + bytes(self.version) + b"\0" + len(self.table).to_bytes(4, "little") + self.table


class DiskBytes:
    """Makes what disks answer, byte by byte after the standards."""

    @staticmethod
    def sector(body, *, broken=False):
        """512 bytes whose sum is a multiple of 256."""
        raw = bytearray(512)
        raw[: len(body)] = body
        raw[511] = (-sum(raw[:511]) + broken) & 0xFF
        return bytes(raw)

    @staticmethod
    def attributes(*rows):
        """A table of (number, flags, value, raw)."""
        body = b"\x10\0"
        for number, flags, value, raw in rows:
            body += (
                bytes([number])
                + flags.to_bytes(2, "little")
                + bytes([value, value])
                + raw.to_bytes(6, "little")
                + b"\0"
            )
        return DiskBytes.sector(body)

    @staticmethod
    def thresholds(*rows):
        return DiskBytes.sector(b"\x10\0" + b"".join(bytes([number, limit]) + bytes(10) for number, limit in rows))

    @staticmethod
    def descriptor(error=0, status=0x50, count=0, mid=0, high=0):
        """SAT-3, 12.2.2.6: ATA Status Return descriptor, as libata answers with CK_COND."""
        row = bytes([0x09, 0x0C, 0, error, 0, count, 0, 0, 0, mid, 0, high, 0xA0, status])
        return (bytes([0x72, 0x01, 0x00, 0x1D, 0, 0, 0, len(row)]) + row).ljust(64, b"\0")

    @staticmethod
    def fixed(error=0, status=0x50, count=0, mid=0, high=0):
        """SAT-3, 12.2.2.7: the same in fixed form."""
        head = bytes([0x70, 0, 0x01, error, status, 0xA0, count, 0x0A, 0, 0, mid, high, 0x00, 0x1D])
        return head.ljust(64, b"\0")

    @staticmethod
    def nvme_log(warning=0, used=3, hours=4321, units=10):
        """NVM Express 1.4, figure of log page 02h: the bytes used here."""
        raw = bytearray(512)
        raw[0], raw[5] = warning, used
        raw[1:3] = (310).to_bytes(2, "little")
        raw[48:64] = units.to_bytes(16, "little")
        raw[128:144] = hours.to_bytes(16, "little")
        return bytes(raw)


def filled(differences, count):
    """The numbers of a column; the last one goes on to the end."""
    numbers, last = [], 0
    for difference in list(differences) + [0] * (count - len(differences)):
        last += difference or 0
        numbers.append(None if difference is None else last)
    return numbers


def reports_of_columns(body):
    """The reports of an upload of version 2, as version 1 has them."""
    table = json.loads(zlib.decompressobj(zdict=DICTIONARY).decompress(body))
    names = [(table["boots"][boot], first + step) for boot, first, length in table["runs"] for step in range(length)]
    reports = [
        {"wire_version": 1, "device_id": table["device_id"], "boot_id": boot_id, "sequence": sequence}
        for boot_id, sequence in names
    ]
    count = len(reports)
    times = zip(filled(table.get("monotonic_ms", []), count), filled(table.get("offset_ms", []), count))
    for report, (monotonic, offset) in zip(reports, times):
        report["wall_time_seconds"] = (monotonic + offset) / 1000
        report["monotonic_time_seconds"] = monotonic / 1000
        report.update(outcomes=[], samples=[], facts=[])
    for metric, texts, series in table.get("samples", []):
        spec = METRICS[metric]
        labels = dict(zip(spec.labels, texts))
        for report, number in zip(reports, filled(series, count)):
            if number is not None:
                report["samples"].append({"metric": metric, "value": number / spec.scale, "labels": labels})
    for probe, states, durations in table.get("outcomes", []):
        ran = [(report, state) for report, state in zip(reports, filled(states, count)) if state is not None]
        for (report, state), tenths in zip(ran, filled(durations, len(ran))):
            outcome, message = table["states"][state]
            found = {"probe": probe, "outcome": outcome, "duration_seconds": tenths / 10, "message": message}
            report["outcomes"].append(found)
    for place, name, value in table.get("facts", []):
        reports[place]["facts"].append({"name": name, "value": value})
    for place, report in table.get("beside", []):
        reports.insert(place, report)
    return reports


class CollectorStandIn:
    """A real HTTP server that answers uploads as it is told and keeps what it was sent."""

    def __init__(self, tls_context=None):
        self.script = []
        self.requests = []
        self.enrolment = (200, {}, None)
        self.bad_sequences = set()
        self.bad_status = 400
        self.knows_columns = True
        self.judge = lambda report: ("accepted", "")
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stand_in._answer(self, body)

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls_context is not None:
            self._server.socket = tls_context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if tls_context else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def reports(self):
        """Reports of uploads that were answered with 200, in order of arrival."""
        return [report for request in self.requests if request["status"] == 200 for report in request["reports"]]

    def _answer(self, handler, body):
        if handler.path.endswith("/enrolments"):
            status, headers, table = self.enrolment
            self.requests.append({"path": handler.path, "body": json.loads(body), "status": status, "reports": []})
            return self._send(handler, status, headers, table)
        is_columns = handler.headers["Content-Encoding"] == COLUMNS_ENCODING
        if is_columns and not self.knows_columns:
            self.requests.append({"path": handler.path, "status": 415, "reports": []})
            return self._send(handler, 415, {}, {"detail": "expected deflate or none"})
        reports = reports_of_columns(body) if is_columns else json.loads(zlib.decompress(body))["reports"]
        step = self.script.pop(0) if self.script else {}
        status = step.get("status", 200)
        if self.bad_sequences & {report["sequence"] for report in reports}:
            status = self.bad_status
        record = {"path": handler.path, "headers": dict(handler.headers), "reports": reports, "status": status}
        record["connection"] = handler.client_address
        if step.get("drop"):
            record["status"] = None
            self.requests.append(record)
            handler.close_connection = True
            return None
        self.requests.append(record)
        table = {"detail": "as told"}
        if status == 200:
            results = []
            for report in reports:
                word, reason = self.judge(report)
                if word is not None:
                    result = {"boot_id": report["boot_id"], "sequence": report["sequence"]}
                    results.append(dict(result, status=word, reason=reason))
            table = {"wire_version": 1, "server_time_seconds": 1.0, "results": results}
        if "body" in step:
            table = step["body"]
        handler.close_connection = bool(step.get("close"))
        return self._send(handler, status, step.get("headers", {}), table)

    @staticmethod
    def _send(handler, status, headers, table):
        content = table if isinstance(table, bytes) else json.dumps(table).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


@pytest.fixture(autouse=True)
def real_proc():
    """A test that mounted a machine leaves psutil with this one's /proc."""
    yield
    if "psutil" in sys.modules and sys.modules["psutil"] is not None:
        sys.modules["psutil"].PROCFS_PATH = "/proc"


@pytest.fixture
def stepped_host():
    return SteppedHost()


@pytest.fixture
def make_stepped_host():
    return SteppedHost


@pytest.fixture
def make_linux():
    return RecordedLinux


@pytest.fixture
def make_windows():
    return RecordedWindows


@pytest.fixture
def disk_bytes():
    return DiskBytes


@pytest.fixture(params=["descriptor", "fixed"])
def sense(request):
    """Each form of sense data."""
    return getattr(DiskBytes, request.param)


@pytest.fixture
def make_table():
    return SmbiosTable


@pytest.fixture
def machines():
    return MACHINES


@pytest.fixture
def collector():
    stand_in = CollectorStandIn()
    with contextlib.closing(stand_in):
        yield stand_in


@pytest.fixture
def make_collector():
    with contextlib.ExitStack() as stack:

        def make(**options):
            return stack.enter_context(contextlib.closing(CollectorStandIn(**options)))

        yield make


@pytest.fixture
def answer_of_enrolment():
    """A collector's answer to an enrolment."""

    def make(**configuration):
        # No test sends packets to the gateway of the machine it runs on.
        table = {"interval_seconds": 60, "upload_interval_seconds": 300, "targets": [], "measure_gateway": False}
        table.update(configuration)
        return {"device_id": "device-1", "token": "secret-token", "configuration": table}

    return make


@pytest.fixture
def environment():
    """The environment of a child process that finds this source tree and speaks English."""
    table = dict(os.environ, PYTHONPATH=str(ROOT), THONGMANG_LANGUAGE="en", PYTHONWARNINGS="error")
    table.pop("THONGMANG_AGENT_STATE_DIR", None)
    return table


@pytest.fixture
def thongmang(environment):
    """Runs the command line in a process of its own."""

    def run(*words, **variables):
        return subprocess.run(
            [sys.executable, "-m", "agent", *[str(word) for word in words]],
            env=dict(environment, **variables),
            cwd=str(ROOT),
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return run
