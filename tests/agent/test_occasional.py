"""Probes apart: real processes, one that hangs, one that dies, and what administrators alone are told."""

import importlib
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from agent import privileged
from agent.apart import ENDED_EARLY, NOT_STARTED, Apart
from agent.errors import NoRightsError
from agent.host import LINUX, Host
from agent.probes import PROBES
from agent.probes.contract import DAY_SECONDS, Collected, Probe, ProbeContext
from agent.runner import TOOK_TOO_LONG, Runner
from agent.wire.report import Sample

ROOT = Path(__file__).resolve().parents[2]
PROBES_OF_TESTS = {
    "good": "facts={'os_name': 'Debian', 'os_version': context.targets[0].name if context.targets else '-'}",
    "counting": """
        context.memory['runs'] = context.memory.get('runs', 0) + 1
        context.told['disk_hours'] = {'sda': context.memory['runs']}
        return Collected([Sample('uptime_seconds', context.memory['runs'])])
    """,
    "listening": "return Collected([Sample('uptime_seconds', context.told.get('disk_hours', {}).get('sda', -1))])",
    "noisy": "print('{\"run\": 1}', flush=True); return Collected(facts={'os_name': 'x'})",
    "hanging": """
        import subprocess
        child = subprocess.Popen(['sleep', '600'])
        open(os.environ['TEST_FOLDER'] + '/child', 'w').write(str(child.pid))
        time.sleep(600)
    """,
    "dying": "os._exit(3)",
    "surprised": "raise KeyError('C:/Users/Nguyen Van A')",
    "personal": "return Collected(facts={'logged_in_user': 'a', 'os_name': 'Debian'})",
    "refused": "raise NoRightsError('administrators only')",
}


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Name -> probe, whose modules lie where the processes find them."""
    for name, text in PROBES_OF_TESTS.items():
        body = textwrap.dedent(text).strip() if "\n" in text or "return" in text else text
        body = f"return Collected({body})" if body.startswith("facts=") else body
        (tmp_path / f"probe_{name}.py").write_text(
            "import os, time\nfrom agent.errors import NoRightsError\nfrom agent.probes.contract import Collected\n"
            "from agent.wire.report import Sample\n\ndef collect(host, context):\n"
            + textwrap.indent(body, "    ")
            + "\n"
        )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TEST_FOLDER", str(tmp_path))
    return {name: Probe(f"probe_{name}", 10, DAY_SECONDS) for name in PROBES_OF_TESTS}


def finished(apart, probes, context=None):
    apart.start(probes, context or ProbeContext())
    apart.wait(60)
    assert not apart.is_busy
    return {run.outcome.probe: run for run in apart.take()}


def pick(table, *names):
    return {name: table[name] for name in names}


def test_every_row_of_the_table_leads_to_a_probe():
    for name, probe in PROBES.items():
        assert isinstance(probe.source, str), name
        module = importlib.import_module(probe.source)
        assert probe.load() is module.collect
        assert probe.deadline_seconds < (60 if probe.period_seconds is None else 120)
    assert [name for name, probe in PROBES.items() if probe.needs_root] == ["hardware", "disk_health"]


def test_answers_come_back_as_they_were_found(table):
    runs = finished(Apart(Host()), pick(table, "good", "noisy", "surprised", "personal"))
    assert runs["good"].facts == {"os_name": "Debian", "os_version": "-"}
    assert runs["noisy"].facts == {"os_name": "x"}
    assert (runs["surprised"].outcome.outcome, runs["surprised"].outcome.message) == ("error", "KeyError")
    assert runs["personal"].facts == {"os_name": "Debian"}
    assert runs["personal"].outcome.outcome == "error"


def test_memory_and_what_is_told_outlive_the_process(table):
    apart = Apart(Host())
    probes = pick(table, "counting", "listening")
    first, second = finished(apart, probes), finished(apart, probes)
    assert [first["counting"].samples[0].value, second["counting"].samples[0].value] == [1, 2]
    assert [first["listening"].samples[0].value, second["listening"].samples[0].value] == [1, 2]


def test_one_that_hangs_costs_itself_alone(table, tmp_path):
    probes = pick(table, "good", "hanging", "counting")
    probes["hanging"] = Probe("probe_hanging", 1.0, DAY_SECONDS)
    begun = time.monotonic()
    # A process started for it anew has all of the patience for its start.
    runs = finished(Apart(Host(), start_seconds=20), probes)
    assert time.monotonic() - begun < 30
    assert list(runs) == ["good", "hanging", "counting"]
    assert (runs["hanging"].outcome.outcome, runs["hanging"].outcome.message) == ("timeout", TOOK_TOO_LONG)
    assert runs["hanging"].outcome.duration_seconds >= 1.0
    assert (runs["good"].outcome.outcome, runs["counting"].outcome.outcome) == ("ok", "ok")
    # And what it had started is gone with it.
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().rsplit(")")[1]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_one_that_ends_its_process_costs_itself_alone(table):
    runs = finished(Apart(Host()), pick(table, "dying", "good"))
    assert (runs["dying"].outcome.outcome, runs["dying"].outcome.message) == ("error", ENDED_EARLY)
    assert runs["good"].outcome.outcome == "ok"


def test_without_python_every_probe_says_so(table, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    runs = finished(Apart(Host()), pick(table, "good", "counting"))
    assert {(run.outcome.outcome, run.outcome.message) for run in runs.values()} == {("error", NOT_STARTED)}


def test_closing_ends_the_process(table, tmp_path):
    apart = Apart(Host())
    apart.start(pick(table, "hanging"), ProbeContext())
    deadline = time.monotonic() + 20
    while not (tmp_path / "child").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    apart.close()
    apart.wait(10)
    assert not apart.is_busy


def test_another_machine_is_read_there_too(machines):
    probes = pick(PROBES, "hardware", "operating_system")
    runs = finished(Apart(Host(machines / "linux-with-emulated-disks", LINUX)), probes)
    assert set(runs) == {"hardware", "operating_system"}
    here = Runner(Host(machines / "linux-with-emulated-disks", LINUX), probes, ProbeContext()).round()
    assert {**runs["hardware"].facts} == here.runs[0].facts


def test_a_round_does_not_wait_for_what_runs_apart(table):
    def quick(host, context):
        return Collected([Sample("memory_total_bytes", 5)])

    probes = {"good": table["good"], "quick": Probe(quick, 5)}
    runner = Runner(Host(), probes, ProbeContext(), apart=Apart(Host()))
    first = runner.round()
    assert [run.outcome.probe for run in first.runs] == ["quick"]
    late = runner.late(lambda: False, 30)
    assert [run.outcome.probe for run in late.runs] == ["good"]
    assert [run.outcome.probe for run in runner.round().runs] == ["quick"]
    assert runner.late(lambda: False, 30) is None
    runner.close()


def test_a_change_of_targets_reaches_what_runs_apart(table):
    from agent.configuration import Target

    runner = Runner(Host(), pick(table, "good"), ProbeContext(), apart=Apart(Host()))
    runner.targets = (Target("edge", "127.0.0.1"),)
    runner.round()
    assert runner.late(lambda: False, 30).facts["os_version"] == "edge"


def test_a_wish_to_stop_ends_waiting_at_once():
    release, asked = threading.Event(), threading.Event()
    probes = {"waiting": Probe(lambda host, context: release.wait(20), 20)}
    runner = Runner(Host(), probes, ProbeContext(), is_woken=True)

    def ask():
        asked.set()
        runner.wake()

    begun = time.monotonic()
    threading.Timer(0.3, ask).start()
    assert runner.round(asked.is_set) is None
    assert time.monotonic() - begun < 2
    release.set()


# What the run as an administrator leaves


def keep(path, facts, made_at=1_000_000.0, **more):
    runs = {"refused": {"outcome": {}, "facts": facts}}
    path.write_text(json.dumps({"version": 1, "made_at": made_at, "runs": runs, **more}))
    path.chmod(0o640)
    return privileged.Privileged(path, owner=os.getuid())


def refused(host, context):
    raise NoRightsError("administrators only")


def round_with(kept, wall_time_seconds):
    class At(Host):
        def wall_time_seconds(self):
            return wall_time_seconds

    return Runner(At(), {"refused": Probe(refused, 5, DAY_SECONDS)}, ProbeContext(), privileged=kept).round().runs[0]


@pytest.mark.parametrize(
    ("age_days", "message"),
    [
        (0.1, privileged.FROM_TODAY),
        (1.5, privileged.FROM_YESTERDAY),
        (2.9, privileged.FROM_BEFORE),
        # The clock of a machine may be behind by a little.
        (-0.5, privileged.FROM_TODAY),
    ],
)
def test_what_the_privileged_run_read_is_told_with_its_age(tmp_path, age_days, message):
    kept = keep(tmp_path / "privileged.json", {"os_name": "Debian"})
    run = round_with(kept, 1_000_000.0 + age_days * DAY_SECONDS)
    assert (run.outcome.outcome, run.outcome.message, run.facts) == ("ok", message, {"os_name": "Debian"})
    assert str(tmp_path / "privileged.json") in run.sources


@pytest.mark.parametrize("age_days", [3.1, -3.1, 400])
def test_what_is_older_than_three_days_is_not_told(tmp_path, age_days):
    run = round_with(keep(tmp_path / "p.json", {"os_name": "x"}), 1_000_000.0 + age_days * DAY_SECONDS)
    assert (run.outcome.outcome, run.facts) == ("no_data", {})


def test_a_probe_with_rights_tells_its_own(tmp_path):
    kept = keep(tmp_path / "p.json", {"os_name": "old"})

    def collect(host, context):
        return Collected(facts={"os_name": "new"})

    runner = Runner(Host(), {"refused": Probe(collect, 5, DAY_SECONDS)}, ProbeContext(), privileged=kept)
    assert runner.round().facts == {"os_name": "new"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows goes by the rights of the folder")
@pytest.mark.parametrize("spoil", ["group may write", "another owner", "link", "folder", "no file", "queue"])
def test_a_file_that_others_could_have_written_is_not_read(tmp_path, spoil):
    path = tmp_path / "p.json"
    kept = keep(path, {"os_name": "x"})
    if spoil == "group may write":
        path.chmod(0o660)
    elif spoil == "another owner":
        kept = privileged.Privileged(path, owner=os.getuid() + 1)
    else:
        path.rename(tmp_path / "elsewhere")
        if spoil == "link":
            path.symlink_to(tmp_path / "elsewhere")
        elif spoil == "folder":
            path.mkdir()
        elif spoil == "queue":
            os.mkfifo(str(path), 0o600)
    assert round_with(kept, 1_000_000.0).outcome.outcome == "no_data"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"version": 2, "made_at": 1000000, "runs": {"refused": {"facts": {"os_name": "x"}}}}',
        b'{"version": 1, "made_at": "now", "runs": {"refused": {"facts": {"os_name": "x"}}}}',
        b'{"version": 1, "made_at": 1000000, "runs": []}',
        b'{"version": 1, "made_at": 1000000, "runs": {"refused": {"facts": {"logged_in_user": "x"}}}}',
        b'{"version": 1, "made_at": 1000000, "runs": {"refused": {"facts": {"bios": "x"}}}}',
        b'{"version": 1, "made_at": 1000000, "runs": {"refused": {"facts": {"bios": [1]}}}}',
        b'{"version": 1, "made_at": 1000000, "runs": {"refused": {"facts": [1]}}}',
        b" " * (privileged.LIMIT_BYTES + 1),
    ],
)
def test_what_is_no_such_file_is_not_told(tmp_path, content):
    path = tmp_path / "p.json"
    path.write_bytes(content)
    path.chmod(0o640)
    run = round_with(privileged.Privileged(path, owner=os.getuid()), 1_000_000.0)
    assert (run.outcome.outcome, run.facts) == ("no_data", {})


def test_hours_of_disks_reach_the_other_probe_of_disks(tmp_path):
    rows = [{"device": "sda", "power_on_hours": 5}, {"device": "sdb", "power_on_hours": None}]
    assert keep(tmp_path / "p.json", {"disk": rows}).told(1_000_000.0) == {"disk_hours": {"sda": 5}}


def test_where_the_file_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.delenv(privileged.FOLDER_VARIABLE, raising=False)
    state = tmp_path / "thongmang-agent"
    assert privileged.privileged_file(state) == state / "privileged.json"
    beside = tmp_path / ("thongmang-agentPrivileged" if sys.platform == "win32" else "thongmang-agent-privileged")
    beside.mkdir()
    assert privileged.privileged_file(state) == beside / "privileged.json"
    monkeypatch.setenv(privileged.FOLDER_VARIABLE, str(tmp_path / "told"))
    assert privileged.privileged_file(state) == tmp_path / "told" / "privileged.json"


def run_occasional(*words):
    return subprocess.run(
        [sys.executable, "-m", "agent.occasional", *map(str, words)],
        cwd=str(ROOT),
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root may make the privileged file")
def test_root_s_run_makes_a_file_that_the_agent_reads(tmp_path):
    path = tmp_path / "privileged.json"
    path.write_text("whatever was there")
    done = run_occasional("--privileged", path)
    assert (done.returncode, done.stderr) == (0, b"")
    table = json.loads(path.read_text())
    assert set(table["runs"]) == {"hardware", "disk_health"}
    assert path.stat().st_mode & 0o777 == 0o640
    assert [item.name for item in tmp_path.iterdir()] == ["privileged.json"]
    assert abs(table["made_at"] - time.time()) < 120
    found = table["runs"]["hardware"]["facts"]
    kept = privileged.Privileged(path)
    run = Runner(Host(), {"hardware": Probe(refused, 5, DAY_SECONDS)}, ProbeContext(), privileged=kept).round().runs[0]
    assert {name: run.facts[name] for name in found} == found
    assert bool(found) == (run.outcome.message == privileged.FROM_TODAY)


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="needs root to become somebody else")
def test_somebody_else_may_not_make_it(tmp_path):
    tmp_path.chmod(0o777)
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); import agent.occasional as o; os.setgid(65534); "
        "os.setuid(65534); sys.exit(o.main(['--privileged', sys.argv[2]]))"
    )
    words = [sys.executable, "-c", program, str(ROOT), str(tmp_path / "p.json")]
    done = subprocess.run(words, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, b"only root" in done.stderr) == (1, True)
    assert not (tmp_path / "p.json").exists()


@pytest.mark.parametrize("words", [("--privileged",), ("--wrong", "x"), ("a", "b", "c")])
def test_wrong_words_are_not_understood(words):
    done = run_occasional(*words)
    assert (done.returncode, b"usage" in done.stderr) == (2, True)


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root may make the privileged file")
def test_a_folder_that_is_not_there_is_named(tmp_path):
    done = run_occasional("--privileged", tmp_path / "none" / "p.json")
    assert (done.returncode, b"none" in done.stderr) == (1, True)
