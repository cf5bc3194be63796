"""The probe of the disks' health, on disks that answer, sleep, refuse and fail."""

import errno
import functools
import json
import struct
import sys

import pytest

from agent.errors import NoDataError
from agent.firmware import smart
from agent.firmware import storage_query as query
from agent.host import LINUX, Host
from agent.probes import PROBES, ProbeContext
from agent.probes.contract import DAY_SECONDS, DISK_HOURS
from agent.runner import Runner


class Drive:
    """An ATA disk that answers as told and remembers what it was asked."""

    def __init__(self, *, power=0xFF, table=None, verdict=(0x4F, 0xC2), limits=b"", error=None, sense=None):
        self.power, self.table, self.verdict, self.limits = power, table, verdict, limits
        self.error, self.sense = error, sense
        self.asked = []

    def answer(self, command):
        if self.error is not None:
            raise self.error
        kind = "power" if command[14] == 0xE5 else {0xD0: "data", 0xD1: "limits", 0xDA: "status"}[command[4]]
        self.asked.append(kind)
        if kind == "power":
            return b"", b"" if self.power is None else self.sense(count=self.power)
        if kind == "status":
            return b"", b"" if self.verdict is None else self.sense(mid=self.verdict[0], high=self.verdict[1])
        return (self.table or b"") if kind == "data" else self.limits, b""


class Bench(Host):
    """A machine whose ATA disks are drives of the test, on a clock of the test."""

    def __init__(self, root):
        super().__init__(root, LINUX)
        self.drives = {}
        self.now = 1000.0

    def monotonic_time_seconds(self):
        return self.now

    def add(self, name, drive=None, *, vendor="ATA", rotational=1, model="ST500DM002", bus="ata1", removable=0):
        files = {"size": 4096, "removable": removable, "queue/rotational": rotational}
        files.update({"device/vendor": vendor, "device/model": model})
        folder = self.root / "sys/devices" / bus / name
        for file, text in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(f"{text}\n")
        (self.root / "sys/block").mkdir(parents=True, exist_ok=True)
        (self.root / "sys/block" / name).symlink_to(folder, target_is_directory=True)
        self.drives[name] = drive
        return drive

    def scsi_command(self, device, command, receive_bytes):
        return self.drives[device].answer(command)

    def nvme_log_page(self, device, page, receive_bytes):
        assert (page, receive_bytes) == (2, 512)
        answer = self.drives[device]
        if isinstance(answer, OSError):
            raise answer
        return answer


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def make_drive(disk_bytes):
    return functools.partial(Drive, sense=disk_bytes.descriptor)


def collect(host, context=None):
    return PROBES["disk_health"].collect(host, context or ProbeContext())


_ROWS = (
    bytes.fromhex("1000")
    + bytes.fromhex("05 3300 64 64 070000000000 00")
    + bytes.fromhex("09 3200 50 50 393000000000 00")
    + bytes.fromhex("c5 1200 64 64 000000000000 00")
)
TABLE = _ROWS.ljust(511, b"\0") + bytes([-sum(_ROWS) & 0xFF])


def test_a_disk_is_asked_in_order(bench, sense, make_drive):
    drive = bench.add("sda", make_drive(table=TABLE, sense=sense))
    facts = collect(bench).facts
    assert drive.asked == ["power", "data", "status"]
    assert facts["disk_health"] == [
        {
            "device": "sda",
            "model": "ST500DM002",
            "smart_health": "ok",
            "wear_ratio": None,
            "reallocated_sectors": 7,
            "pending_sectors": 0,
            "power_on_hours": 12345,
        }
    ]
    assert [(row["device"], row["size_bytes"], row["power_on_hours"]) for row in facts["disk"]] == [
        ("sda", 4096 * 512, 12345)
    ]


def test_a_disk_that_gives_no_verdict_is_judged_by_its_limits(bench, disk_bytes, make_drive):
    table = disk_bytes.attributes((5, 0x33, 20, 4000), (9, 0x32, 80, 5))
    drive = bench.add("sda", make_drive(table=table, verdict=None, limits=disk_bytes.thresholds((5, 36))))
    assert collect(bench).facts["disk_health"][0]["smart_health"] == "failing"
    assert drive.asked == ["power", "data", "status", "limits"]


def test_a_sleeping_disk_is_not_woken(bench, make_drive):
    drive = bench.add("sda", make_drive(power=0x00, table=TABLE))
    found = collect(bench)
    assert drive.asked == ["power"]
    assert found.facts["disk_health"][0]["smart_health"] == "unknown"
    assert "disk" not in found.facts
    assert "was not woken" in found.remark


def test_a_disk_that_does_not_tell_whether_it_sleeps_is_left_alone(bench, make_drive):
    drive = bench.add("sda", make_drive(power=None, table=TABLE))
    found = collect(bench)
    assert drive.asked == ["power"]
    assert found.facts["disk_health"][0]["smart_health"] == "unknown"
    assert "does not answer" in found.remark


def test_a_disk_that_the_kernel_put_to_sleep_is_not_opened(bench, make_drive):
    drive = bench.add("sda", make_drive(table=TABLE))
    state = bench.root / "sys/block/sda/device/power/runtime_status"
    state.parent.mkdir()
    state.write_text("suspended\n")
    assert "was not woken" in collect(bench).remark
    assert drive.asked == []


def test_what_does_not_spin_is_asked_at_once(bench, disk_bytes, make_drive):
    drive = bench.add("sda", make_drive(table=disk_bytes.attributes((177, 0x13, 93, 1)), power=0), rotational=0)
    assert collect(bench).facts["disk_health"][0]["wear_ratio"] == 0.07
    assert drive.asked == ["data", "status"]


def test_asked_once_a_day_and_a_sleeping_one_each_hour(bench, make_drive):
    context = ProbeContext()
    awake, asleep = bench.add("sda", make_drive(table=TABLE)), bench.add("sdb", make_drive(power=0, table=TABLE))
    for _ in range(3):
        found = collect(bench, context)
        bench.now += PROBES["disk_health"].period_seconds
    assert (awake.asked, asleep.asked) == (["power", "data", "status"], ["power"] * 3)
    asleep.power = 0xFF
    found = collect(bench, context)
    assert [row["smart_health"] for row in found.facts["disk_health"]] == ["ok", "ok"]
    assert found.remark == ""
    bench.now += DAY_SECONDS
    collect(bench, context)
    assert awake.asked == ["power", "data", "status"] * 2


def test_the_last_word_of_a_disk_that_has_gone_to_sleep_stands(bench, make_drive):
    context = ProbeContext()
    drive = bench.add("sda", make_drive(table=TABLE))
    first = collect(bench, context)
    bench.now += DAY_SECONDS
    drive.power = 0
    second = collect(bench, context)
    assert second.facts == first.facts
    assert "was not woken" in second.remark
    # Another disk in its place has said nothing.
    (bench.root / "sys/block/sda/device/model").write_text("OTHER\n")
    third = collect(bench, context).facts["disk_health"][0]
    assert (third["smart_health"], third["power_on_hours"]) == ("unknown", None)


def test_a_disk_that_falls_silent_keeps_its_hours_and_loses_its_verdict(bench, make_drive):
    context = ProbeContext()
    drive = bench.add("sda", make_drive(table=TABLE))
    collect(bench, context)
    bench.now += DAY_SECONDS
    drive.error = OSError(errno.EIO, "Input/output error")
    found = collect(bench, context)
    (row,) = found.facts["disk_health"]
    assert (row["smart_health"], row["power_on_hours"], row["reallocated_sectors"]) == ("unknown", 12345, None)
    assert "does not answer" in found.remark


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES])
def test_who_may_not_ask(bench, number, disk_bytes, make_drive):
    context = ProbeContext()
    refusal = OSError(number, "refused")
    bench.add("sda", make_drive(error=refusal))
    bench.add("nvme0n1", refusal, rotational=0)
    with pytest.raises(NoDataError, match="administrators only"):
        collect(bench, context)
    # One of two: the other tells.
    bench.drives["nvme0n1"] = disk_bytes.nvme_log(warning=4)
    found = collect(bench)
    assert [row["smart_health"] for row in found.facts["disk_health"]] == ["failing", "unknown"]
    assert "administrators only" in found.remark


def test_nvme(bench, disk_bytes):
    bench.add("nvme0n1", disk_bytes.nvme_log(used=120), rotational=0, model="MZVLB256")
    found = collect(bench)
    (row,) = found.facts["disk_health"]
    assert (row["smart_health"], row["wear_ratio"], row["power_on_hours"]) == ("ok", 1.2, 4321)
    bench.drives["nvme0n1"] = bytes(512)
    assert "does not answer" in collect(bench).remark


def test_what_is_not_judged(bench):
    bench.add("sdb", bus="usb1/1-1")
    bench.add("sdc", removable=1)
    bench.add("sdd", model="QEMU HARDDISK")
    bench.add("vda")
    bench.add("mmcblk0")
    with pytest.raises(NoDataError, match="not asked"):
        collect(bench)


SMARTCTL = json.dumps(
    {
        "smartctl": {"exit_status": 0},
        "serial_number": "S3YZNB0KB00000X",
        "smart_status": {"passed": True},
        "ata_smart_attributes": {"table": [{"id": 5, "value": 100, "raw": {"value": 12, "string": "12"}}]},
        "power_on_time": {"hours": 1440},
    }
).encode()


def smartctl_message(text):
    return json.dumps({"smartctl": {"exit_status": 2, "messages": [{"string": text}]}}).encode()


STANDBY = smartctl_message("Device is in STANDBY mode, exit(2)")
CLOSED = smartctl_message("Smartctl open device: /dev/sda failed: Permission denied")


def script(host, output, status=0, before=""):
    """A smartctl of the machine that writes `output` and the words it was given."""
    path = host.root / "usr/sbin/smartctl"
    path.parent.mkdir(parents=True, exist_ok=True)
    (host.root / "output").write_bytes(output)
    given, output_path = host.root / "given", host.root / "output"
    path.write_text(f'#!/bin/sh\n{before}\necho "$@" >> {given}\ncat {output_path}\nexit {status}\n')
    path.chmod(0o755)
    return given


@pytest.mark.skipif(sys.platform != "linux", reason="a shell script stands for the program")
def test_smartctl_asks_what_the_kernel_does_not(bench):
    bench.add("sda", vendor="SEAGATE")
    given = script(bench, SMARTCTL)
    (row,) = collect(bench).facts["disk_health"]
    assert (row["smart_health"], row["reallocated_sectors"], row["power_on_hours"]) == ("ok", 12, 1440)
    assert given.read_text() == "--json -n standby -i -H -A /dev/sda\n"
    script(bench, STANDBY, 2)
    assert "was not woken" in collect(bench).remark
    script(bench, CLOSED, 2)
    assert "does not answer" in collect(bench).remark


@pytest.mark.skipif(sys.platform != "linux", reason="a shell script stands for the program")
def test_smartctl_may_ask_no_more_than_the_agent(bench, make_drive):
    bench.add("sda", make_drive(error=PermissionError(errno.EPERM, "Operation not permitted")))
    given = script(bench, CLOSED, 2)
    context = ProbeContext()
    for _ in range(2):
        with pytest.raises(NoDataError, match="administrators only"):
            collect(bench, context)
        bench.now += PROBES["disk_health"].period_seconds
    assert len(given.read_text().splitlines()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="a shell script stands for the program")
def test_a_program_that_hangs_is_ended(bench):
    script(bench, b"", before="exec sleep 30")
    with pytest.raises(TimeoutError):
        bench.run("/usr/sbin/smartctl", [], 0.2)
    assert bench.program("/usr/bin/none") is None
    with pytest.raises(OSError, match="none"):
        bench.run("/usr/bin/none", [], 1)


@pytest.mark.skipif(sys.platform != "linux", reason="calls of the Linux kernel")
def test_the_kernels_own_answer_to_what_is_no_disk():
    for ask in (
        lambda: Host().scsi_command("null", smart.check_power_mode_command(), 0),
        lambda: Host().scsi_command("null", smart.read_data_command(), 512),
        lambda: Host().nvme_log_page("null", 2, 512),
    ):
        with pytest.raises(OSError, match="device") as caught:
            ask()
        assert caught.value.errno == errno.ENOTTY
    with pytest.raises(FileNotFoundError):
        Host().scsi_command("none", b"", 0)


@pytest.mark.skipif(sys.platform == "win32", reason="this is about other systems")
def test_what_only_windows_has():
    host = Host("/", "windows")
    assert host.device_is_awake("PhysicalDrive0") is None
    with pytest.raises(OSError, match="not implemented"):
        host.device_control("PhysicalDrive0", query.QUERY_PROPERTY, b"", 512)
    with pytest.raises(OSError, match="powershell"):
        host.powershell("'end'", 5)
    assert host.registry_bytes("SOFTWARE", "x") is None


# The two probes of disks together


def test_the_hours_stay_in_the_fact_of_disks(bench, make_drive):
    bench.add("sda", make_drive(table=TABLE))
    runner = Runner(bench, {name: PROBES[name] for name in ("disks", "disk_health")}, ProbeContext())
    first = runner.round()
    assert [row["power_on_hours"] for row in first.facts["disk"]] == [12345]
    # A day later `disks` is due in a round of its own.
    runner._due_at["disk_health"] = bench.now + 2 * DAY_SECONDS
    bench.now += DAY_SECONDS
    second = runner.round()
    assert [outcome.probe for outcome in second.outcomes] == ["disks"]
    assert second.facts["disk"] == first.facts["disk"]


def test_hours_are_left_for_the_other_probe(bench, make_drive):
    bench.add("sda", make_drive(table=TABLE))
    context = ProbeContext()
    collect(bench, context)
    assert context.told[DISK_HOURS] == {"sda": 12345}


# Windows


@pytest.fixture
def windows(machines, make_windows):
    return make_windows(machines / "windows-10-with-two-products")


def test_windows_does_not_wake_a_disk(windows):
    windows._answers["disks"]["PhysicalDrive0"]["awake"] = False
    found = collect(windows)
    assert [row["smart_health"] for row in found.facts["disk_health"]] == ["unknown", "failing"]
    assert "was not woken" in found.remark


def test_windows_without_rights(windows):
    for disk in windows._answers["disks"].values():
        disk["refused"] = True
    with pytest.raises(NoDataError, match="administrators only"):
        collect(windows)


def test_windows_without_a_verdict_goes_by_limits(windows, disk_bytes):
    disk = windows._answers["disks"]["PhysicalDrive0"]
    del disk["002d1100 "]
    assert collect(windows).facts["disk_health"][0]["smart_health"] == "unknown"
    answer = struct.pack("<I", 512) + bytes(12) + disk_bytes.thresholds((5, 36), (177, 5))
    disk[f"0007c088 {query.smart_question(thresholds=True).hex()}"] = answer.hex()
    assert collect(windows).facts["disk_health"][0]["smart_health"] == "ok"


def test_windows_disk_that_tells_nothing(windows):
    disk = windows._answers["disks"]["PhysicalDrive0"]
    for key in [key for key in disk if key.startswith(("0007c088", "002d1100"))]:
        del disk[key]
    found = collect(windows)
    assert found.facts["disk_health"][0]["smart_health"] == "unknown"
    assert "does not answer" in found.remark


def test_no_serial_number_leaves_windows(windows):
    found = Runner(windows, {"disk_health": PROBES["disk_health"]}, ProbeContext()).round()
    assert found.outcomes[0].outcome == "ok"
    assert "SECRETSERIAL" not in repr(found)
