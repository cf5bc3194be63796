"""The units, judged by systemd itself."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.config import Identity, save_identity
from agent.configuration import Configuration

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "agent" / "systemd"
SERVICES = ("thongmang-agent.service", "thongmang-agent-privileged.service")
MOST_EXPOSURE = 2.0


def settings(name):
    """Section -> key -> all its values."""
    table = {}
    section = ""
    for line in (UNITS / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            table.setdefault(section, {}).setdefault(key, []).append(value)
    return table


@pytest.fixture
def systemd_analyze():
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")

    def run(*words):
        return subprocess.run(
            ["systemd-analyze", "--no-pager", *map(str, words)], capture_output=True, text=True, timeout=60, check=False
        )

    return run


@pytest.mark.parametrize("name", SERVICES)
def test_exposure(systemd_analyze, name):
    done = systemd_analyze("security", "--offline=true", UNITS / name)
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    if found is None and "offline" in done.stderr:
        pytest.skip("this systemd-analyze cannot judge a unit that is not loaded (systemd 250 can)")
    assert found is not None, done.stdout + done.stderr
    assert float(found.group(1)) <= MOST_EXPOSURE, done.stdout


def test_systemd_knows_every_word(systemd_analyze, tmp_path):
    # Only the paths of what is not installed here are changed, and the pages of the manual, which are not either.
    for path in UNITS.glob("thongmang-agent*"):
        text = path.read_text(encoding="utf-8").replace("/usr/bin/python3", "/bin/true")
        (tmp_path / path.name).write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE))
    done = systemd_analyze("verify", *tmp_path.glob("*.service"), *tmp_path.glob("*.timer"))
    ours = [line for line in done.stderr.splitlines() if "thongmang" in line and "WorkingDirectory" not in line]
    assert ours == [], done.stderr


def test_the_service_has_one_right_and_its_bounds():
    unit = settings("thongmang-agent.service")
    service = unit["Service"]
    assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"] == ["CAP_NET_RAW"]
    assert service["User"] == ["thongmang-agent"]
    assert {"MemoryMax", "CPUQuota", "TasksMax"} <= set(service)
    # Nothing may hold up the machine's start, and no end of the agent is the last one.
    assert "network-online.target" not in str(unit)
    assert service["Restart"] == ["always"]
    assert unit["Unit"]["StartLimitIntervalSec"] == ["0"]


def test_what_runs_as_root_has_no_network():
    service = settings("thongmang-agent-privileged.service")["Service"]
    assert service["Type"] == ["oneshot"]
    assert service["PrivateNetwork"] == ["yes"]
    assert service["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert set(service["CapabilityBoundingSet"][0].split()) == {"CAP_SYS_RAWIO", "CAP_SYS_ADMIN"}
    assert service["DevicePolicy"] == ["closed"]
    assert all(device.split()[1] == "r" for device in service["DeviceAllow"])
    # What it writes is the agent's to read, and nobody else's.
    assert (service["Group"], service["StateDirectoryMode"]) == (["thongmang-agent"], ["0750"])


def test_the_machines_of_a_province_do_not_start_at_once():
    timer = settings("thongmang-agent-privileged.timer")["Timer"]
    assert timer["Persistent"] == ["true"]
    assert timer["RandomizedDelaySec"] == ["20min"]


def test_the_wait_between_restarts_grows():
    parser = configparser.ConfigParser()
    parser.read(UNITS / "backoff.conf", encoding="utf-8")
    assert parser.getint("Service", "RestartSteps") > 1
    assert parser.get("Service", "RestartMaxDelaySec") == "15min"


@pytest.fixture
def system_calls(systemd_analyze):
    """Names in one of systemd's sets of system calls, other sets in it opened."""

    def names(group):
        found = set()
        for line in systemd_analyze("syscall-filter", group).stdout.splitlines()[1:]:
            word = line.strip()
            if word.startswith("@"):
                found |= names(word)
            elif word and not word.startswith("#"):
                found.add(word)
        return found

    return names


@pytest.mark.parametrize("name", SERVICES)
def test_the_filter_lets_through_what_the_agent_calls(system_calls, tmp_path, name):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: apt-get install strace")
    allowed = set()
    for value in settings(name)["Service"]["SystemCallFilter"]:
        for group in value.lstrip("~").split():
            named = system_calls(group) if group.startswith("@") else {group}
            allowed = allowed - named if value.startswith("~") else allowed | named
    assert {"socket", "fsync"} <= allowed
    assert not {"mount", "chown", "init_module", "setuid"} & allowed
    trace = tmp_path / "calls"
    words = ["-m", "agent", "agent", "run", "--once", "--state-dir", str(tmp_path)]
    if "privileged" in name:
        if os.geteuid() != 0:
            pytest.skip("what root runs can be started by root only")
        words = ["-m", "agent.occasional", "--privileged", str(tmp_path / "privileged.json")]
    # Nobody listens there, and no packet leaves this machine.
    save_identity(
        tmp_path, Identity("https://127.0.0.1:9", "device", "token", None, Configuration(measure_gateway=False))
    )
    done = subprocess.run(
        ["strace", "--follow-forks", "--quiet=all", "-o", str(trace), sys.executable, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if re.search(r"^strace: .*Operation not permitted", done.stderr, re.MULTILINE):
        pytest.skip("tracing processes is not permitted here")
    assert done.returncode == (0 if "privileged" in name else 1), done.stderr
    called = set(re.findall(r"^\d+\s+(\w+)\(", trace.read_text(errors="replace"), re.MULTILINE))
    assert len(called) > 30
    if os.geteuid() == 0:
        # SQLite gives its files to the owner of the database where it may: the service is not root, and may not.
        called.discard("fchown")
    assert called - allowed == set()
