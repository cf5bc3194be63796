"""Restarts that wait and the day of the newest update, on mounted files and on Windows' registry."""

import os

import pytest

from agent.errors import NoDataError
from agent.host import LINUX, WINDOWS, Host
from agent.linux.updates import newer_kernel
from agent.probes import PROBES, ProbeContext

DAY = 1_700_000_000
CBS = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing"
WU = r"SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update"
NAMES = r"SYSTEM\CurrentControlSet\Control\ComputerName"
SESSION = r"SYSTEM\CurrentControlSet\Control\Session Manager"


def collect(host):
    return PROBES["updates"].collect(host, ProbeContext())


@pytest.mark.parametrize(
    ("running", "installed", "newer"),
    [
        ("6.1.0-13-amd64", ["6.1.0-9-amd64", "6.1.0-13-amd64"], False),
        ("6.1.0-9-amd64", ["6.1.0-9-amd64", "6.1.0-13-amd64"], True),
        ("5.15.0-91-generic", ["5.15.0-91-generic", "6.5.0-14-generic"], True),
        # Another flavour is no newer one of this.
        ("6.1.0-13-amd64", ["6.1.0-13-amd64", "6.5.0-1-cloud-amd64", "6.9.0-1-rt-amd64"], False),
        ("6.5.6-300.fc39.x86_64", ["6.5.6-300.fc39.x86_64", "6.5.12-300.fc39.x86_64"], True),
        ("5.10.0-8-686-pae", ["5.10.0-8-686-pae", "6.1.0-13-amd64"], False),
        # What runs was not installed here: a container, a rescue system.
        ("6.18.44-custom", ["6.1.0-13-amd64"], None),
        ("6.1.0-13-amd64", [], None),
        (None, ["6.1.0-13-amd64"], None),
    ],
)
def test_kernels(running, installed, newer):
    assert newer_kernel(running, installed) is newer


@pytest.fixture
def linux(tmp_path):
    def make(*files, running="6.1.0-13-amd64", at=DAY):
        for name in (*files, "proc/sys/kernel/osrelease"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(running if name.endswith("osrelease") else "")
            os.utime(str(path), (at, at))
        return Host(tmp_path, LINUX)

    return make


def test_nothing_waits(linux):
    collected = collect(linux("boot/vmlinuz-6.1.0-13-amd64", "boot/vmlinuz-6.1.0-9-amd64", "var/lib/dpkg/status"))
    assert collected.facts == {"reboot_pending": False, "reboot_reason": [], "last_update_at": "2023-11-14"}
    assert collected.remark == ""


def test_a_newer_kernel_and_a_package_wait(linux):
    collected = collect(linux("usr/lib/modules/6.1.0-13-amd64/vmlinuz", "usr/lib/modules/6.1.0-25-amd64/vmlinuz"))
    assert collected.facts["reboot_reason"] == [{"reason": "newer_kernel"}]
    collected = collect(linux("run/reboot-required"))
    assert collected.facts["reboot_reason"] == [{"reason": "packages"}, {"reason": "newer_kernel"}]
    assert collected.facts["reboot_pending"] is True


def test_kernels_that_cannot_be_compared(linux):
    collected = collect(linux("var/lib/dpkg/status", "var/lib/apt/lists/partial"))
    assert collected.facts == {"last_update_at": "2023-11-14", "last_update_check_at": "2023-11-14"}
    assert "newer one waits is not known" in collected.remark
    # A word of the packages stands all the same.
    assert collect(linux("run/reboot-required")).facts["reboot_pending"] is True


def test_of_several_packet_managers_the_newest(linux):
    linux("var/lib/dpkg/status", at=DAY)
    collected = collect(linux("var/lib/rpm/rpmdb.sqlite", at=DAY + 5 * 86400))
    assert collected.facts["last_update_at"] == "2023-11-19"


def test_a_system_that_tells_nothing(tmp_path):
    with pytest.raises(NoDataError, match="neither"):
        collect(Host(tmp_path / "empty", LINUX))
    with pytest.raises(NoDataError, match="neither"):
        collect(Host(tmp_path, WINDOWS))


# Windows


@pytest.fixture
def windows(make_windows, tmp_path):
    def make(**registry):
        (tmp_path / "registry.json").write_text("{}")
        host = make_windows(tmp_path)
        host._registry.update({CBS: {}, WU: {}}, **registry)
        return host

    return make


def package(seconds, state=0x70):
    number = seconds * 10_000_000 + 116_444_736_000_000_000
    # The registry keeps two words of 32 bits.
    return {"InstallTimeHigh": number >> 32, "InstallTimeLow": number & 0xFFFFFFFF, "CurrentState": state}


def test_windows_waits_for_nothing(windows):
    assert collect(windows()).facts == {"reboot_pending": False, "reboot_reason": []}


@pytest.mark.parametrize(
    ("registry", "reason", "is_counted"),
    [
        ({CBS + r"\RebootPending": {}}, "component_servicing", True),
        ({WU + r"\RebootRequired": {}}, "windows_update", True),
        (
            {
                NAMES + r"\ActiveComputerName": {"ComputerName": "OLD"},
                NAMES + r"\ComputerName": {"ComputerName": "NEW"},
            },
            "computer_rename",
            True,
        ),
        ({SESSION: {"PendingFileRenameOperations": ["\\??\\C:\\Users\\NguyenVanA\\x.tmp", ""]}}, "file_rename", False),
    ],
)
def test_windows_waits(windows, registry, reason, is_counted):
    facts = collect(windows(**registry)).facts
    assert facts == {"reboot_pending": is_counted, "reboot_reason": [{"reason": reason}]}


def test_windows_that_does_not_wait(windows):
    same = {
        NAMES + r"\ActiveComputerName": {"ComputerName": "PC01"},
        NAMES + r"\ComputerName": {"ComputerName": "pc01"},
    }
    registry = dict(same, **{SESSION: {"PendingFileRenameOperations": []}})
    assert collect(windows(**registry)).facts["reboot_reason"] == []


def test_windows_newest_update(windows):
    registry = {
        CBS + r"\Packages\Package_for_RollupFix~a~amd64~~19041.1": package(DAY),
        CBS + r"\Packages\Package_for_KB5000001~a~amd64~~1": package(DAY + 86400),
        # Superseded, or only staged; and what is no update.
        CBS + r"\Packages\Package_for_KB5000002~a~amd64~~1": package(DAY + 5 * 86400, state=0x50),
        CBS + r"\Packages\Microsoft-Windows-Client~a~amd64~~1": package(DAY + 9 * 86400),
        CBS + r"\Packages\Package_for_KB5000003~a~amd64~~1": {"CurrentState": 0x70},
    }
    host = windows(**registry)
    assert collect(host).facts["last_update_at"] == "2023-11-15"
    # Hundreds of packages are one source.
    assert [source for source in host.sources if "Packages" in source] == ["HKLM\\" + CBS + r"\Packages"]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2020-01-15 03:12:09", "2020-01-15"),
        ("2020-13-45 03:12:09", None),
        ("C:\\Users\\A", None),
        ("", None),
        (5, None),
    ],
)
def test_windows_before_10_keeps_the_moment(windows, text, day):
    registry = {WU + r"\Results\Install": {"LastSuccessTime": text}, WU + r"\Results\Detect": {"LastSuccessTime": text}}
    facts = collect(windows(**registry)).facts
    assert (facts.get("last_update_at"), facts.get("last_update_check_at")) == (day, day)


def test_names_of_updates_files_and_computers_stay(windows):
    registry = {
        CBS + r"\Packages\Package_for_KB5000001~a~amd64~~1": package(DAY),
        NAMES + r"\ActiveComputerName": {"ComputerName": "NGUYENVANA"},
        NAMES + r"\ComputerName": {"ComputerName": "NGUYENVANA2"},
        SESSION: {"PendingFileRenameOperations": ["\\??\\C:\\Users\\NguyenVanA\\x.tmp"]},
    }
    text = repr(collect(windows(**registry))).lower()
    assert "nguyen" not in text
    assert "kb5000001" not in text
