"""Whole machines mounted from tests/machines: what the agent says of each is what `expected.json` says."""

import json
from pathlib import Path

import pytest

from agent.host import LINUX, Host
from agent.probes import PROBES, ProbeContext
from agent.runner import Runner

FOLDERS = sorted(path.parent for path in (Path(__file__).resolve().parents[1] / "machines").glob("*/expected.json"))


def found_on(folder, make_linux, make_windows, names):
    host = make_windows(folder) if (folder / "registry.json").exists() else make_linux(folder)
    return Runner(host, {name: PROBES[name] for name in names}, ProbeContext()).round()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_machine(folder, make_linux, make_windows):
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    found = found_on(folder, make_linux, make_windows, list(expected["outcomes"]))

    assert {outcome.probe: [outcome.outcome, outcome.message] for outcome in found.outcomes} == expected["outcomes"]
    facts = found.facts
    # The machine word, birth times, times of files and room are those of the machine that runs the test.
    assert facts.pop("os_architecture", None) or "operating_system" not in expected["outcomes"]
    for name in ("os_installed_at", "os_installation", "last_update_at", "last_update_check_at"):
        if name not in expected["facts"]:
            facts.pop(name, None)
    for row in facts.get("filesystem", []):
        assert row.pop("size_bytes") > 0
    assert facts == expected["facts"]
    samples = {sample.metric: sample.value for sample in found.samples if not sample.labels}
    assert samples == expected["samples"]
    json.dumps(facts, allow_nan=False)


def test_there_are_machines_of_both_systems():
    assert len(FOLDERS) >= 9
    assert any((folder / "registry.json").exists() for folder in FOLDERS)


def test_no_word_of_a_path_leaves(machines, make_linux, make_windows):
    found = found_on(machines / "dell-optiplex-7010-as-root", make_linux, make_windows, ["filesystems"])
    assert {sample.labels["filesystem"] for sample in found.samples} == {"/", "sda2"}
    assert "Nguyen" not in repr((found.samples, found.facts))


def test_what_was_read_is_told(machines, make_linux, make_windows):
    found = found_on(machines / "lenovo-notebook-without-rights", make_linux, make_windows, ["hardware"])
    sources = found.runs[0].sources
    assert "/sys/firmware/dmi/tables/DMI (FileNotFoundError)" in sources
    assert "/sys/class/dmi/id/bios_date" in sources


def test_table_that_may_not_be_read(machines, tmp_path):
    class Closed(Host):
        def read_bytes(self, name, limit_bytes=1 << 20):
            if name.startswith("/sys/firmware"):
                raise PermissionError(13, "Permission denied")
            return super().read_bytes(name, limit_bytes)

    host = Closed(machines / "lenovo-notebook-without-rights", LINUX)
    collected = PROBES["hardware"].collect(host, ProbeContext())
    assert collected.facts["smbios_source"] == "dmi_id"
    assert "serial numbers" in collected.remark


def test_memory_without_psutil(machines, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psutil", None)
    host = Host(machines / "dell-optiplex-7010-as-root", LINUX)
    collected = PROBES["memory"].collect(host, ProbeContext())
    assert {sample.metric: sample.value for sample in collected.samples} == {
        "memory_total_bytes": 4000000 * 1024,
        "memory_available_bytes": 2500000 * 1024,
        "swap_used_bytes": 500000 * 1024,
    }
    assert "psutil" in collected.remark


@pytest.mark.parametrize("name", ["processor", "filesystems"])
def test_others_say_that_psutil_is_missing(monkeypatch, name):
    monkeypatch.setitem(__import__("sys").modules, "psutil", None)
    outcome = Runner(Host(), {name: PROBES[name]}, ProbeContext()).round().outcomes[0]
    assert (outcome.outcome, "psutil is not installed" in outcome.message) == ("error", True)


def test_processor_share_between_two_rounds():
    context = ProbeContext()
    first = PROBES["processor"].collect(Host(), context)
    total = sum(range(400_000))
    second = PROBES["processor"].collect(Host(), context)
    assert total > 0
    for collected in (first, second):
        shares = [sample.value for sample in collected.samples if sample.metric == "cpu_utilisation_ratio"]
        assert all(0 <= share <= 1 for share in shares)
    assert any(sample.metric == "cpu_utilisation_ratio" for sample in first.samples)


def test_processor_share_is_that_of_the_times(machines, tmp_path):
    stat = tmp_path / "proc" / "stat"
    stat.parent.mkdir()
    line = "{name} {user} 0 0 {idle} {iowait} 0 0 0 0 0\n"

    def write(user, idle, iowait):
        stat.write_text(line.format(name="cpu ", user=user, idle=idle, iowait=iowait))

    context, host = ProbeContext(), Host(tmp_path, LINUX)
    write(1000, 9000, 0)
    PROBES["processor"].collect(host, context)
    write(1300, 9600, 100)
    samples = PROBES["processor"].collect(host, context).samples
    assert [sample.value for sample in samples if sample.metric == "cpu_utilisation_ratio"] == [0.3]


def test_this_machine():
    # Without `latency`, which would send packets to this machine's gateway.
    probes = {name: probe for name, probe in PROBES.items() if name != "latency"}
    found = Runner(Host(), probes, ProbeContext()).round()
    outcomes = {outcome.probe: outcome.outcome for outcome in found.outcomes}
    assert list(outcomes) == list(probes)
    assert set(outcomes.values()) <= {"ok", "no_data"}
    assert found.facts["agent_version"]
    assert {sample.metric for sample in found.samples} >= {"uptime_seconds", "memory_total_bytes"}
