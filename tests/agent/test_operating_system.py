"""Name and installations of the system: words in known forms only."""

import os

import pytest

from agent.errors import NoDataError
from agent.firmware.makers_text import makers_text, windows_name
from agent.host import LINUX, WINDOWS, Host
from agent.probes import PROBES, ProbeContext

KEY = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
SETUP = "SYSTEM\\Setup\\"


def collect(host):
    return PROBES["operating_system"].collect(host, ProbeContext()).facts


@pytest.mark.parametrize(
    "name",
    [
        "Windows 10 Pro",
        "Windows 7 Home Premium",
        "Windows 8.1 Single Language",
        "Windows 8.1 Pro with Bing",
        "Windows 10 Home Country Specific",
        "Windows 10 Enterprise LTSC 2021",
        "Windows 10 IoT Enterprise LTSC",
        "Windows 10 Pro for Workstations N",
        "Windows 11 SE",
        "Windows Server 2008 R2 Standard",
        "Windows Server 2019 Datacenter Evaluation",
        "Microsoft Windows XP",
        "Windows Embedded POSReady 2009",
        "Windows Thin PC",
    ],
)
def test_editions(name):
    assert windows_name(name) == name


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Windows\u00ae 7 Ultimate", "Windows 7 Ultimate"),
        ("Windows (TM) Vista Business", "Windows Vista Business"),
        ("Windows 10 Pro Nguyen Van A", "Windows 10 Pro"),
        ("Windows 7 C:\\Users\\NguyenVanA", "Windows 7"),
        ("Nguyen Van A", None),
        ("", None),
        (None, None),
    ],
)
def test_other_words_stay(name, kept):
    assert windows_name(name) == kept


@pytest.mark.parametrize(
    "text",
    [
        "C:\\Users\\NguyenVanA",
        "/home/nguyenvana",
        "~/x",
        "Tờ trình.docx",
        "luong 2026.XLSX",
        "a@nghean.gov.vn",
        "http://x",
        "anh.jpg to",
        "  ",
        None,
    ],
)
def test_what_people_write(text):
    assert makers_text(text) is None


@pytest.mark.parametrize("text", ["Debian GNU/Linux", "ST500DM002-1BD142", "Bkav Pro Diệt virus", "SD/MMC/MS PRO"])
def test_what_makers_write(text):
    assert makers_text(f" {text} ") == text
    assert len(makers_text(text * 20)) <= 120


@pytest.fixture
def windows(make_windows, tmp_path):
    def make(**current):
        (tmp_path / "registry.json").write_text("{}")
        host = make_windows(tmp_path)
        host._registry[KEY] = {"ProductName": "Windows 10 Pro", **current}
        return host

    return make


def test_forms(windows):
    salt = "C:\\Users\\NguyenVanA"
    facts = collect(windows(DisplayVersion=salt, ReleaseId="2009", CurrentBuild=salt, UBR=salt, InstallDate=salt))
    assert (facts["os_version"], facts.get("os_build"), facts.get("os_installed_at")) == ("2009", None, None)
    assert "NguyenVanA" not in repr(facts)
    facts = collect(windows(DisplayVersion="22H2", CurrentBuild="19045", UBR=3803))
    assert (facts["os_version"], facts["os_build"]) == ("22H2", "19045.3803")


def test_installations_in_their_order(windows):
    host = windows(CurrentBuild="19045", InstallDate=1_697_000_000)
    for name, moment in (("b", 1_500_000_000), ("a", 1_380_000_000), ("c", 0)):
        host._registry[f"{SETUP}Source OS (Updated on {name})"] = {"ProductName": "Windows 7", "InstallDate": moment}
    facts = collect(host)
    assert [(row["source"], row["installed_at"]) for row in facts["os_installation"]] == [
        ("earlier", "2013-09-24"),
        ("earlier", "2017-07-14"),
        ("current", "2023-10-11"),
    ]
    assert facts["os_installed_at"] == "2013-09-24"


def test_no_day_is_no_installation(windows):
    assert "os_installation" not in collect(windows(InstallDate=0))
    # More than any calendar has.
    assert collect(windows(InstallDate=2**62)).get("os_installed_at") is None


def test_linux(tmp_path):
    for name, text, at in (
        ("etc/os-release", 'NAME="Debian GNU/Linux"\nVERSION_ID="12"\n', 0),
        ("etc/machine-id", "x", 1_600_000_000),
        ("var/log/installer/syslog", "x", 0),
        ("proc/sys/kernel/osrelease", "6.1.0-18-amd64", 0),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(str(path), (at, at))
    os.utime(str(tmp_path / "var/log/installer"), (1_500_000_000, 1_500_000_000))
    facts = collect(Host(tmp_path, LINUX))
    days = {row["source"]: row["installed_at"] for row in facts["os_installation"]}
    assert (days["machine_id"], days["installer_log"]) == ("2020-09-13", "2017-07-14")
    assert (facts["os_name"], facts["os_version"], facts["os_build"]) == ("Debian GNU/Linux", "12", "6.1.0-18-amd64")


def test_linux_words_of_people(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text(
        'NAME="/home/nguyenvana"\nPRETTY_NAME="a@b.vn"\nVERSION_ID="Nguyen Van A"\n'
    )
    facts = collect(Host(tmp_path, LINUX))
    assert "os_name" not in facts
    assert "os_version" not in facts


def test_a_system_without_a_name(tmp_path):
    with pytest.raises(NoDataError, match="name"):
        collect(Host(tmp_path, WINDOWS))
