"""Disks under a mounted /sys/block."""

import pytest

from agent.errors import NoDataError
from agent.host import LINUX, WINDOWS, Host
from agent.probes import PROBES
from agent.probes.contract import DISK_HOURS, ProbeContext
from agent.runner import Runner


@pytest.fixture
def add_disk(tmp_path):
    """Adds a disk; the folders are links, as the kernel makes them."""

    def add(name, sectors, bus="pci0/ata1", **files):
        folder = tmp_path / "sys/devices" / bus / name
        block = tmp_path / "sys/block"
        block.mkdir(parents=True, exist_ok=True)
        for file, text in dict(files, size=sectors).items():
            path = folder / file.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        (block / name).symlink_to(folder, target_is_directory=True)
        return Host(tmp_path, LINUX)

    return add


def collect(host):
    return PROBES["disks"].collect(host, ProbeContext())


def test_disks(add_disk):
    add_disk("sdb", 976773168, removable=0, queue__rotational=1, device__model="ST500DM002-1BD14  ")
    add_disk("sdc", 2000, bus="pci0/usb2/2-1", removable=0, queue__rotational=1, device__model="Elements")
    add_disk("mmcblk0", 1000, device__type="SD", removable=0, queue__rotational=0)
    host = add_disk("nvme0n1", 500118192, removable=0, queue__rotational=0, device__model="SAMSUNG MZVLB256")
    rows = collect(host).facts["disk"]
    assert [(row["device"], row["model"], row["size_bytes"], row["rotational"], row["removable"]) for row in rows] == [
        ("mmcblk0", None, 512_000, False, True),
        ("nvme0n1", "SAMSUNG MZVLB256", 256_060_514_304, False, False),
        ("sdb", "ST500DM002-1BD14", 500_107_862_016, True, False),
        ("sdc", "Elements", 1_024_000, True, True),
    ]
    assert {row["power_on_hours"] for row in rows} == {None}


@pytest.mark.parametrize(
    "name",
    ["loop0", "ram3", "zram0", "dm-0", "md127", "sr0", "fd0", "nbd1", "mmcblk0boot0", "mmcblk0rpmb"],
)
def test_what_is_no_disk(add_disk, name):
    with pytest.raises(NoDataError, match="no disk"):
        collect(add_disk(name, 4096))
    host = add_disk("sda", 4096)
    assert [row["device"] for row in collect(host).facts["disk"]] == ["sda"]


@pytest.mark.parametrize("size", ["0", "", "-5", "many", "\N{SUPERSCRIPT TWO}"])
def test_no_size_is_no_disk(add_disk, size):
    with pytest.raises(NoDataError):
        collect(add_disk("sda", size))


def test_hidden_path_of_a_multipath_disk(add_disk):
    add_disk("nvme0c0n1", 4096, hidden=1)
    assert [row["device"] for row in collect(add_disk("nvme0n1", 4096)).facts["disk"]] == ["nvme0n1"]


def test_what_is_not_told_is_none(add_disk):
    (row,) = collect(add_disk("vda", 8)).facts["disk"]
    assert row == {
        "device": "vda",
        "model": None,
        "size_bytes": 4096,
        "rotational": None,
        "removable": None,
        "power_on_hours": None,
        "bus": "virtual",
    }


@pytest.mark.parametrize(
    ("name", "place", "kind", "bus"),
    [
        ("sda", "pci0/ata1/host0", "", "ata"),
        ("sda", "pci0/usb1/1-1/host6", "", "usb"),
        ("sda", "pci0/0000:03:00.0/host0", "", None),
        ("nvme0n1", "pci0/nvme/nvme0", "", "nvme"),
        ("sda", "pci0/virtio2/host2", "", "virtual"),
        ("xvda", "vbd-768/block", "", "virtual"),
        ("mmcblk0", "pci0/mmc_host/mmc0", "MMC", "mmc"),
        ("mmcblk0", "pci0/mmc_host/mmc0", "SD", "sd"),
        ("mmcblk0", "pci0/usb1/mmc_host/mmc0", "SD", "usb"),
        ("mmcblk0", "pci0/mmc_host/mmc0", "", None),
    ],
)
def test_what_a_disk_hangs_on(add_disk, name, place, kind, bus):
    (row,) = collect(add_disk(name, 8, bus=place, removable=0, device__type=kind)).facts["disk"]
    assert (row["bus"], row["removable"]) == (bus, bus in ("sd", "usb"))


def test_a_model_that_is_a_path_is_none(add_disk):
    (row,) = collect(add_disk("sda", 8, device__model="/home/nguyenvana/disk.img")).facts["disk"]
    assert row["model"] is None


def test_windows_without_disks(tmp_path):
    with pytest.raises(NoDataError, match="no disk"):
        collect(Host(tmp_path, WINDOWS))


def test_windows_wakes_nothing_and_takes_no_rights(machines, make_windows):
    host = make_windows(machines / "windows-10-dell")
    asked = []

    def ask(device, code, sent, receive_bytes, *, is_privileged=False):
        asked.append((device, is_privileged))
        return type(host).device_control(host, device, code, sent, receive_bytes, is_privileged=is_privileged)

    host.device_control = ask
    assert len(collect(host).facts["disk"]) == 2
    assert asked
    assert not any(is_privileged for _, is_privileged in asked)


def test_windows_tells_the_hours_that_the_other_probe_learnt(machines, make_windows):
    context = ProbeContext(told={DISK_HOURS: {"PhysicalDrive0": 41234}})
    rows = PROBES["disks"].collect(make_windows(machines / "windows-10-dell"), context).facts["disk"]
    assert [(row["device"], row["power_on_hours"]) for row in rows] == [
        ("PhysicalDrive0", 41234),
        ("PhysicalDrive2", None),
    ]


def test_the_fact_may_leave_the_machine(add_disk):
    found = Runner(add_disk("sda", 8, removable=0), {"disks": PROBES["disks"]}, ProbeContext()).round()
    assert (found.outcomes[0].outcome, found.outcomes[0].message) == ("ok", "")
    assert found.facts["disk"][0]["size_bytes"] == 4096
