"""The door to the machine."""

import os
import sys
import time

import pytest

from agent.errors import NoDataError
from agent.host import LINUX, WINDOWS, Host
from agent.probes import PROBES, ProbeContext


def test_paths_stay_under_the_root(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "name").write_bytes(b" \xff value \n")
    host = Host(tmp_path, LINUX)
    assert host.text_or_none("/etc/name") == "\ufffd value"
    assert host.text_or_none("/etc/none") is None
    assert host.real_path("/etc/name") == "/etc/name"
    assert host.read_bytes("/etc/name", 2) == b" \xff"
    assert host.sources == ["/etc/name", "/etc/none (FileNotFoundError)"]


def test_runs_have_sources_of_their_own(tmp_path):
    host = Host(tmp_path, LINUX)
    first, second = host.recording(), host.recording()
    first.note_source("a")
    first.note_source("a")
    second.note_source("b")
    assert (host.sources, first.sources, second.sources) == ([], ["a"], ["b"])


def test_clocks():
    host = Host()
    assert abs(host.wall_time_seconds() - time.time()) < 5
    first = host.monotonic_time_seconds()
    assert 0 <= host.monotonic_time_seconds() - first < 5


def test_boot_id(machines, tmp_path):
    assert Host(machines / "arm-board", LINUX).boot_id() == "77777777-7777-4777-8777-777777777777"
    # Where no boot can be told from another, every start of the agent is one of its own.
    nameless = Host(tmp_path, LINUX)
    assert nameless.boot_id() == nameless.boot_id() == nameless.recording().boot_id()
    assert nameless.boot_id() != Host(tmp_path, LINUX).boot_id()


def test_boot_id_of_windows(make_windows, machines):
    host = make_windows(machines / "windows-10-dell")
    assert host.boot_id() == host.boot_id()
    key = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"
    host._registry[key] = {"BootId": 57}
    assert host.boot_id() == "windows-57"


@pytest.mark.skipif(sys.platform == "win32", reason="this is about other systems")
def test_what_only_windows_has():
    host = Host("/", WINDOWS)
    assert host.registry_value("SOFTWARE", "x") is None
    assert host.registry_subkeys("SOFTWARE") == []
    with pytest.raises(NoDataError):
        host.firmware_table()


@pytest.mark.skipif(sys.platform != "linux", reason="birth times are asked of Linux")
def test_birth_time(tmp_path):
    path = tmp_path / "new"
    path.write_text("x")
    os.utime(str(path), (1, 1))
    birth = Host(tmp_path, LINUX).birth_time_seconds("/new")
    if birth is None:
        pytest.skip("this file system keeps no birth times")
    assert abs(birth - time.time()) < 60
    assert Host(tmp_path, LINUX).birth_time_seconds("/none") is None


def test_installed_at_is_the_later_of_its_clues(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").write_text("NAME=x\n")
    (tmp_path / "etc" / "machine-id").write_text("x")
    later = 4_102_444_800
    os.utime(str(tmp_path / "etc" / "machine-id"), (later, later))
    facts = PROBES["operating_system"].collect(Host(tmp_path, LINUX), ProbeContext()).facts
    assert facts["os_installed_at"] == "2100-01-01"
    os.utime(str(tmp_path / "etc" / "machine-id"), (86400, 86400))
    facts = PROBES["operating_system"].collect(Host(tmp_path, LINUX), ProbeContext()).facts
    born = Host(tmp_path, LINUX).birth_time_seconds("/")
    expected = "1970-01-02" if born is None else time.strftime("%Y-%m-%d", time.gmtime(born))
    assert facts["os_installed_at"] == expected
