"""Temperature, pressure on memory, disks' activity and network cards, from files as the kernel shows them."""

import json
import struct
from types import SimpleNamespace

import pytest

from agent.errors import NoDataError, ProbeError
from agent.host import LINUX, Host
from agent.probes import PROBES, adapters, disk_activity, memory, temperature
from agent.probes.contract import DiskCounts, ProbeContext
from agent.runner import Runner
from agent.windows import counters
from agent.windows.adapters import physical_kinds


class Machine(Host):
    """A Linux machine of files that the test writes, whose clock it turns."""

    def __init__(self, root, system=LINUX):
        super().__init__(root, system)
        self.now = 1000.0

    def monotonic_time_seconds(self):
        return self.now

    def put(self, name, text):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def numbers(collected):
    return {(sample.metric, *sample.labels.values()): sample.value for sample in collected.samples}


class TestTemperature:
    def chip(self, machine, number, name, **files):
        folder = f"/sys/class/hwmon/hwmon{number}"
        machine.put(f"{folder}/name", name + "\n")
        for file, text in files.items():
            machine.put(f"{folder}/{file}", text + "\n")

    def collect(self, machine, context=None):
        found = temperature.collect(machine, context or ProbeContext())
        return [(sample.metric, sample.value) for sample in found.samples]

    def test_the_hottest_of_the_processor_and_of_nothing_else(self, machine):
        self.chip(machine, 0, "acpitz", temp1_input="99000")
        self.chip(machine, 1, "nvme", temp1_input="98000")
        self.chip(machine, 2, "coretemp", temp1_input="51000", temp2_input="53500", temp1_crit="100000")
        assert self.collect(machine) == [("cpu_temperature_celsius", 53.5)]

    def test_amd_with_an_offset_for_its_fans(self, machine):
        self.chip(
            machine, 0, "k10temp", temp1_input="77000", temp1_label="Tctl", temp2_input="50000", temp2_label="Tdie"
        )
        assert self.collect(machine) == [("cpu_temperature_celsius", 50.0)]

    def test_amd_that_tells_but_the_one(self, machine):
        self.chip(machine, 0, "k10temp", temp1_input="61250", temp1_label="Tctl")
        assert self.collect(machine) == [("cpu_temperature_celsius", 61.2)]

    @pytest.mark.parametrize("text", ["0", "127000", "128000", "255000", "-128000", "-1", "x", ""])
    def test_a_sensor_that_is_not_there(self, machine, text):
        self.chip(machine, 0, "coretemp", temp1_input=text, temp2_input="45000")
        assert self.collect(machine) == [("cpu_temperature_celsius", 45.0)]
        machine.put("/sys/class/hwmon/hwmon0/temp2_input", text)
        with pytest.raises(ProbeError, match="nothing possible"):
            self.collect(machine)

    def test_sensors_that_move_to_another_number(self, machine):
        self.chip(machine, 3, "coretemp", temp1_input="45000")
        context = ProbeContext()
        assert self.collect(machine, context)
        machine.path("/sys/class/hwmon/hwmon3").rename(machine.path("/sys/class/hwmon/hwmon4"))
        with pytest.raises(ProbeError):
            self.collect(machine, context)
        assert self.collect(machine, context) == [("cpu_temperature_celsius", 45.0)]

    def test_boards_show_a_zone(self, machine):
        machine.put("/sys/class/thermal/thermal_zone0/type", "acpitz\n")
        machine.put("/sys/class/thermal/thermal_zone0/temp", "27800\n")
        with pytest.raises(NoDataError, match="no sensor"):
            self.collect(machine)
        machine.put("/sys/class/thermal/thermal_zone1/type", "cpu-thermal\n")
        machine.put("/sys/class/thermal/thermal_zone1/temp", "48312\n")
        assert self.collect(machine) == [("cpu_temperature_celsius", 48.3)]

    def test_windows_says_that_it_does_not_tell(self, make_windows, machines):
        run = Runner(make_windows(machines / "windows-10-dell"), {"temperature": PROBES["temperature"]}, ProbeContext())
        outcome = run.round().outcomes[0]
        assert (outcome.outcome, "Windows" in outcome.message) == ("no_data", True)


class TestMemory:
    MEMINFO = "MemTotal: 4000000 kB\nMemAvailable: 2000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"

    @pytest.fixture
    def collect(self, machine, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "psutil", None)
        monkeypatch.setattr(memory, "_page_bytes", lambda: 4096)
        machine.put("/proc/meminfo", self.MEMINFO)
        context = ProbeContext()

        def at(now, stalled_us=None, swapped_in=None):
            machine.now = now
            if stalled_us is not None:
                text = (
                    "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
                )
                machine.put("/proc/pressure/memory", text.format(stalled_us))
            if swapped_in is not None:
                machine.put("/proc/vmstat", f"pgpgin 5\npswpin {swapped_in}\npswpout 9\n")
            found = numbers(memory.collect(machine, context))
            return found.get(("memory_stalled_ratio",)), found.get(("swap_in_bytes_per_second",))

        return at

    def test_shares_and_rates_are_of_the_time_between_rounds(self, collect):
        assert collect(1000.0, 5_000_000, 100) == (None, None)
        assert collect(1060.0, 20_000_000, 250) == (0.25, 10240)
        assert collect(1120.0, 20_000_000, 250) == (0.0, 0)

    def test_counts_that_began_anew_tell_nothing_once(self, collect):
        collect(1000.0, 5_000_000, 100)
        assert collect(1060.0, 4_000_000, 90) == (None, None)
        assert collect(1120.0, 10_000_000, 91) == (0.1, 68)

    def test_more_waiting_than_time_is_all_of_it(self, collect):
        collect(1000.0, 0, 0)
        assert collect(1010.0, 60_000_000, 0) == (1.0, 0)
        assert collect(1010.0, 70_000_000, 5) == (None, None)

    def test_old_kernels_tell_the_rest(self, collect):
        collect(1000.0, None, 10)
        assert collect(1060.0, None, 40) == (None, 2048)

    def test_this_machine_twice(self):
        context = ProbeContext()
        assert len(memory.collect(Host(), context).samples) == 3
        later = numbers(memory.collect(Host(), context))
        assert all(value >= 0 for value in later.values())


class TestWindowsCounters:
    def test_commitments(self):
        gib = 2**30
        status = struct.pack("<II7Q", 64, 61, 4 * gib, gib, 9 * gib, 3 * gib, 2**47, 2**46, 0)
        assert counters.MEMORY_STATUS_BYTES == len(status) == 64
        assert [(sample.metric, sample.value) for sample in counters.commit_samples(status)] == [
            ("memory_committed_bytes", 6 * gib),
            ("memory_commit_limit_bytes", 9 * gib),
        ]
        assert counters.commit_samples(b"") == counters.commit_samples(status[:60]) == []
        broken = struct.pack("<II7Q", 64, 61, 4 * gib, gib, 3 * gib, 9 * gib, 0, 0, 0)
        assert counters.commit_samples(broken) == []

    def performance(self, reads, writes, read_time, write_time, idle, moment):
        return struct.pack("<5q4Iq", 1, 2, read_time, write_time, idle, reads, writes, 3, 4, moment) + bytes(24)

    def test_a_disk_performance(self):
        answer = self.performance(10, 5, 20_000_000, 10_000_000, 400_000_000, 1_000_000_000)
        assert len(answer) == counters.DISK_PERFORMANCE_BYTES
        assert counters.decode_disk_performance(answer) == DiskCounts(15, 3.0, 60.0)
        assert counters.decode_disk_performance(answer[:63]) is None
        assert counters.decode_disk_performance(self.performance(1, 1, -1, 0, 0, 0)) is None

    def test_two_rounds_of_a_windows_machine(self, make_windows, tmp_path):
        code = f"{counters.DISK_PERFORMANCE:08x} "
        first = self.performance(100, 100, 0, 0, 0, 1_000_000_000)
        later = self.performance(150, 150, 10_000_000, 10_000_000, 300_000_000, 1_600_000_000)
        (tmp_path / "registry.json").write_text("{}")

        def answering(answer):
            (tmp_path / "devices.json").write_text(json.dumps({"disks": {"PhysicalDrive1": {code: answer.hex()}}}))
            return make_windows(tmp_path)

        context = ProbeContext()
        for now, answer in ((1000.0, first), (1060.0, later)):
            host = answering(answer)
            host.monotonic_time_seconds = lambda now=now: now
            found = disk_activity.collect(host, context)
        assert numbers(found) == {
            ("disk_busy_ratio", "PhysicalDrive1"): 0.5,
            ("disk_io_seconds", "PhysicalDrive1"): 0.02,
        }
        (tmp_path / "devices.json").unlink()
        with pytest.raises(NoDataError):
            disk_activity.collect(make_windows(tmp_path), ProbeContext())


def diskstats(**disks):
    lines = [
        "   7       0 loop0 9 9 9 9 9 9 9 9 9 9 9 9",
        "   8       1 sda1 9 9 9 9 9 9 9 9 9 9 9 9 0 0 0 0 0 0",
        " 253       0 dm-0 9 9 9 9 9 9 9 9 9 9 9 9",
    ]
    for name, (reads, read_ms, writes, write_ms, busy_ms) in disks.items():
        lines.append(f"   8       0 {name} {reads} 1 2 {read_ms} {writes} 3 4 {write_ms} 0 {busy_ms} 99")
    return "\n".join(lines) + "\n"


class TestDiskActivity:
    @pytest.fixture
    def collect(self, machine):
        context = ProbeContext()

        def at(now, **disks):
            machine.now = now
            machine.put("/proc/diskstats", diskstats(**disks))
            return numbers(disk_activity.collect(machine, context))

        return at

    def test_means_of_what_was_done_since_the_last_round(self, collect):
        assert collect(1000.0, sda=(1000, 5000, 500, 2500, 60_000), nvme0n1=(0, 0, 0, 0, 0)) == {}
        assert collect(1060.0, sda=(1100, 6000, 600, 4500, 75_000), nvme0n1=(3, 9, 0, 0, 12)) == {
            ("disk_busy_ratio", "sda"): 0.25,
            ("disk_io_seconds", "sda"): 0.015,
            # Three reads are no mean.
            ("disk_busy_ratio", "nvme0n1"): 0.0002,
        }

    def test_counts_that_began_anew_and_disks_that_came(self, collect):
        collect(1000.0, sda=(1000, 5000, 500, 2**32 - 10, 60_000))
        assert collect(1060.0, sda=(1100, 6000, 600, 90, 61_000), sdb=(5, 5, 5, 5, 5)) == {}
        found = collect(1120.0, sda=(1100, 6000, 600, 90, 61_000), sdb=(5, 5, 5, 5, 5))
        assert found == {("disk_busy_ratio", "sda"): 0.0, ("disk_busy_ratio", "sdb"): 0.0}

    def test_never_busier_than_always(self, collect):
        collect(1000.0, sda=(0, 0, 0, 0, 0))
        assert collect(1001.0, sda=(0, 0, 0, 0, 5000)) == {("disk_busy_ratio", "sda"): 1.0}
        assert collect(1001.0, sda=(100, 0, 0, 0, 5000)) == {}

    def test_sticks_are_left_out(self, machine, collect):
        machine.put("/sys/block/sdb/removable", "1\n")
        target = machine.path("/sys/devices/pci0000:00/usb2/2-1/block/sdc")
        target.mkdir(parents=True)
        machine.path("/sys/block/sdc").symlink_to(target, target_is_directory=True)
        collect(1000.0, sda=(0, 0, 0, 0, 0), sdb=(0, 0, 0, 0, 0), sdc=(0, 0, 0, 0, 0))
        assert set(collect(1060.0, sda=(0,) * 5, sdb=(0,) * 5, sdc=(0,) * 5)) == {("disk_busy_ratio", "sda")}

    def test_no_disk_is_no_data(self, machine, collect):
        with pytest.raises(NoDataError):
            disk_activity.collect(machine, ProbeContext())
        with pytest.raises(NoDataError):
            collect(1000.0)


def net_dev(**cards):
    text = "Inter-|   Receive    |  Transmit\n face |bytes    packets errs drop fifo|bytes    packets\n"
    for name, (received, errors, drops, sent) in cards.items():
        text += f"{name}: 77 {received} {errors} {drops} 0 0 0 0 88 {sent} 1 2 0 0 0 0\n"
    return text


class TestAdapters:
    @pytest.fixture
    def plug(self, machine):
        def add(name, speed="1000", duplex="full", carrier="1", *, physical=True, wireless=False):
            folder = f"/sys/class/net/{name}"
            for file, text in (("speed", speed), ("duplex", duplex), ("carrier", carrier)):
                machine.put(f"{folder}/{file}", text + "\n")
            if physical:
                machine.path(f"{folder}/device").mkdir(exist_ok=True)
            if wireless:
                machine.path(f"{folder}/phy80211").mkdir(exist_ok=True)

        return add

    @pytest.fixture
    def collect(self, machine):
        context = ProbeContext()

        def at(**cards):
            machine.put("/proc/net/dev", net_dev(**cards))
            return numbers(adapters.collect(machine, context))

        return at

    def test_a_bad_port_and_its_frames(self, plug, collect):
        plug("eth0", "10", "half")
        plug("br0", physical=False)
        speed = {("adapter_speed_bits_per_second", "eth0"): 10_000_000, ("adapter_half_duplex", "eth0"): 1}
        assert collect(lo=(9, 9, 9, 9), br0=(1, 1, 1, 1), eth0=(1000, 5, 7, 2000)) == speed
        assert collect(lo=(9, 9, 9, 9), br0=(1, 1, 1, 1), eth0=(1600, 9, 8, 2100)) == {
            **speed,
            ("adapter_frames", "eth0"): 700,
            ("adapter_errors", "eth0"): 4,
            ("adapter_drops", "eth0"): 1,
        }

    def test_a_card_started_anew(self, plug, collect):
        plug("eth0")
        collect(eth0=(1000, 5, 7, 2000))
        speed = {("adapter_speed_bits_per_second", "eth0"): 1_000_000_000, ("adapter_half_duplex", "eth0"): 0}
        assert collect(eth0=(10, 0, 0, 5)) == speed
        assert collect(eth0=(20, 0, 0, 5))["adapter_frames", "eth0"] == 10

    @pytest.mark.parametrize(("speed", "duplex"), [("-1", "unknown"), ("65535x", ""), ("0", "unknown")])
    def test_what_is_not_known_is_not_told(self, plug, collect, speed, duplex):
        plug("eth0", speed, duplex)
        assert collect(eth0=(1, 0, 0, 1)) == {}

    def test_wireless_has_no_cable(self, plug, collect):
        plug("wlan0", "54", "half", wireless=True)
        collect(wlan0=(1, 0, 0, 1))
        assert set(collect(wlan0=(2, 0, 0, 1))) == {
            (f"adapter_{word}", "wlan0") for word in ("frames", "errors", "drops")
        }

    def test_no_link_is_no_data(self, plug, collect):
        plug("eth0", carrier="0")
        with pytest.raises(NoDataError, match="no physical network card has a link"):
            collect(eth0=(1, 0, 0, 1))

    def test_this_machine(self):
        context = ProbeContext()
        try:
            adapters.collect(Host(), context)
        except NoDataError:
            pytest.skip("no physical card here")
        found = numbers(adapters.collect(Host(), context))
        assert all(value >= 0 for value in found.values())


CONNECTIONS = r"SYSTEM\CurrentControlSet\Control\Network\{4D36E972-E325-11CE-BFC1-08002BE10318}"
DRIVERS = r"SYSTEM\CurrentControlSet\Control\Class\{4D36E972-E325-11CE-BFC1-08002BE10318}"


class TestWindowsAdapters:
    @pytest.fixture
    def windows(self, make_windows, tmp_path, monkeypatch):
        """Three cards: one set to half duplex, one wireless, one of a virtual network."""
        registry = {}
        cards = {
            "{A}": ("Máy của Nguyễn Văn A", "PCI\\VEN_10EC", 6, "3"),
            "{B}": ("Wi-Fi", "PCI\\VEN_8086", 71, "1"),
            "{C}": ("VPN", "ROOT\\NET", 6, "3"),
        }
        for number, (identity, (name, device, kind, duplex)) in enumerate(cards.items()):
            registry[f"{CONNECTIONS}\\{identity}\\Connection"] = {"Name": name, "PnPInstanceId": device}
            registry[f"{DRIVERS}\\{number:04}"] = {
                "NetCfgInstanceId": identity,
                "*IfType": kind,
                "*SpeedDuplex": duplex,
            }
        (tmp_path / "registry.json").write_text(json.dumps(registry))
        host = make_windows(tmp_path)
        host.frames = 1000
        names = [name for name, *_ in cards.values()]

        def counters_of(*, pernic, nowrap):
            assert (pernic, nowrap) == (True, False)
            row = SimpleNamespace(packets_recv=host.frames, packets_sent=5, errin=2, errout=1, dropin=0, dropout=4)
            return dict.fromkeys(names, row)

        library = SimpleNamespace(
            net_if_stats=lambda: {name: SimpleNamespace(isup=True, speed=100) for name in names},
            net_io_counters=counters_of,
        )
        monkeypatch.setattr(host, "psutil", lambda: library)
        return host

    def test_cards_bear_the_identity_that_windows_gave(self, windows):
        context = ProbeContext()
        adapters.collect(windows, context)
        windows.frames = 1600
        found = adapters.collect(windows, context)
        assert numbers(found) == {
            ("adapter_speed_bits_per_second", "{A}"): 100_000_000,
            ("adapter_half_duplex", "{A}"): 1,
            ("adapter_frames", "{A}"): 600,
            ("adapter_errors", "{A}"): 0,
            ("adapter_drops", "{A}"): 0,
            ("adapter_frames", "{B}"): 600,
            ("adapter_errors", "{B}"): 0,
            ("adapter_drops", "{B}"): 0,
        }
        assert "Nguy" not in repr(found)

    def test_duplex_that_was_negotiated_is_not_known(self, windows):
        windows._registry[f"{DRIVERS}\\0000"]["*SpeedDuplex"] = "0"
        assert not physical_kinds(windows)["Máy của Nguyễn Văn A"].is_half_duplex
        found = adapters.collect(windows, ProbeContext())
        assert not [sample for sample in found.samples if sample.metric == "adapter_half_duplex"]
