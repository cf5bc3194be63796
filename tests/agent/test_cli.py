"""The command line in processes of its own, as people and service managers call it."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from agent import __version__
from agent.__main__ import COMMANDS
from agent.__main__ import main as thongmang_main
from agent.cli import main as agent_main
from agent.probes import PROBES

DIACRITICS = re.compile("[ăâđêôơưáàảãạấầẩẫậắằẳẵặéèẻẽẹếềểễệíìỉĩịóòỏõọốồổỗộớờởỡợúùủũụứừửữựýỳỷỹỵ]")


@pytest.fixture
def enrolled(collector, answer_of_enrolment, tmp_path, thongmang):
    """A state folder of a machine that has joined the stand-in."""
    targets = [{"name": "loop", "address": "127.0.0.1", "port": None}]
    configuration = answer_of_enrolment(interval_seconds=1, upload_interval_seconds=1, targets=targets)
    collector.enrolment = (200, {}, configuration)
    done = thongmang("agent", "enrol", collector.url, "--code", "ABCD", "--state-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_enrol_says_what_comes_next(enrolled, thongmang, collector):
    assert (enrolled / "identity.json").exists()
    again = thongmang("agent", "enrol", collector.url, "--code", "ABCD", "--state-dir", enrolled)
    assert again.returncode == 1
    assert "--again" in again.stderr


def test_once_with_explanation(enrolled, thongmang, collector):
    done = thongmang("agent", "run", "--once", "--explain", "--state-dir", enrolled)
    assert done.returncode == 0, done.stderr
    for probe in PROBES:
        assert re.search(rf"^{probe} +\w+ +\d+\.\d+ s", done.stdout, re.MULTILINE), probe
    assert "read from: /proc/uptime" in done.stdout or sys.platform != "linux"
    assert re.search(r"sent 1 reports: \d+ bytes, \d+ compressed; HTTP status 200", done.stdout)
    assert re.search(r"^    [0-9a-f]{32} 1: accepted$", done.stdout, re.MULTILINE)
    assert "1 reports taken by the collector, 0 refused, 0 to be sent again" in done.stdout
    report = collector.reports[0]
    assert (report["device_id"], report["wire_version"], report["sequence"]) == ("device-1", 1, 1)
    assert [outcome["probe"] for outcome in report["outcomes"]] == list(PROBES)
    assert "secret-token" not in done.stdout + done.stderr


def test_once_without_a_collector_fails_and_keeps(enrolled, thongmang, collector):
    collector.script = [{"status": 503}]
    done = thongmang("agent", "run", "--once", "--state-dir", enrolled)
    assert done.returncode == 1
    status = thongmang("agent", "status", "--state-dir", enrolled)
    assert status.returncode == 0
    assert re.search(r"waiting +1 reports, \d+ bytes", status.stdout)
    assert "busy" in status.stdout
    assert re.search(r"last upload +never", status.stdout)
    assert re.search(r"^    uptime +ok", status.stdout, re.MULTILINE)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another matter on Windows")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_ends_cleanly_at_a_signal(enrolled, environment, collector, number):
    command = [sys.executable, "-m", "agent", "agent", "run", "--state-dir", str(enrolled)]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    try:
        wait_for(lambda: len(collector.reports) >= 2)
        child.send_signal(number)
        begun = time.monotonic()
        _, errors = child.communicate(timeout=15)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 0, errors
    assert time.monotonic() - begun < 6
    assert "Traceback" not in errors
    names = [(report["boot_id"], report["sequence"]) for report in collector.reports]
    assert [sequence for _, sequence in names[:2]] == [1, 2]
    # Facts travel with the first report, and not again while they stay the same.
    first, second = collector.reports[:2]
    assert {fact["name"] for fact in first["facts"]} >= {"agent_version", "os_name", "link_method"}
    assert "agent_version" not in {fact["name"] for fact in second["facts"]}


def test_status_tells_of_every_probe_also_of_those_that_run_seldom(enrolled, environment, thongmang, collector):
    """Between their turns the rounds go on without them, and must not make them forgotten."""
    command = [sys.executable, "-m", "agent", "agent", "run", "--state-dir", str(enrolled)]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: any(outcome["probe"] == "updates" for outcome in outcomes_of(collector.reports)))
        seen = len(collector.reports)
        wait_for(lambda: len(collector.reports) >= seen + 2)
    finally:
        child.kill()
        child.wait()
    assert "updates" not in [outcome["probe"] for outcome in outcomes_of(collector.reports[-1:])]
    done = thongmang("agent", "status", "--format", "json", "--state-dir", enrolled)
    table = json.loads(done.stdout)
    told = {outcome["probe"]: outcome for outcome in table["last_outcomes"]}
    assert set(told) == set(PROBES)
    assert len(table["last_outcomes"]) == len(PROBES)
    assert told["updates"]["at"] < table["last_round_at"]
    assert "at" not in told["uptime"]
    text = thongmang("agent", "status", "--state-dir", enrolled).stdout
    assert re.search(r"^    updates .*\(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\)$", text, re.MULTILINE)


def outcomes_of(reports):
    return [outcome for report in reports for outcome in report["outcomes"]]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows")
def test_kill_9_of_a_running_agent_loses_no_report(enrolled, environment, collector):
    """Every number that was ever given out arrives, once or more, and no number names two different reports."""
    command = [sys.executable, "-m", "agent", "agent", "run", "--state-dir", str(enrolled)]
    for seconds in (3.2, 2.6, 4.1):
        collector.script = [{"status": 503}]
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        child.kill()
        child.wait()
    done = subprocess.run([*command, "--once"], env=environment, stdout=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 0
    by_sequence = {}
    for report in collector.reports:
        by_sequence.setdefault(report["sequence"], []).append(report)
    assert sorted(by_sequence) == list(range(1, max(by_sequence) + 1))
    assert max(by_sequence) >= 4
    for same in by_sequence.values():
        assert all(report == same[0] for report in same)


def test_one_agent_at_a_time(enrolled, environment, thongmang, collector):
    command = [sys.executable, "-m", "agent", "agent", "run", "--state-dir", str(enrolled)]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(collector.reports) >= 1)
        second = thongmang("agent", "run", "--once", "--state-dir", enrolled)
        assert second.returncode == 1
        assert "another agent is running" in second.stderr
        # Looking at it is allowed meanwhile.
        assert thongmang("agent", "status", "--state-dir", enrolled).returncode == 0
    finally:
        child.kill()
        child.wait()
    # The lock went with the process.
    assert thongmang("agent", "run", "--once", "--state-dir", enrolled).returncode == 0


def wait_for(condition, seconds=30.0):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.02)


def test_inspect_needs_no_enrolment(thongmang, tmp_path):
    done = thongmang("agent", "inspect", "--format", "json", "--state-dir", tmp_path / "none")
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    assert set(table) == {"outcomes", "samples", "facts", "known"}
    assert table["known"] is None
    assert [outcome["probe"] for outcome in table["outcomes"]] == list(PROBES)
    assert table["facts"]["agent_version"] == __version__
    assert {"metric", "value", "labels"} == set(table["samples"][0])
    assert not (tmp_path / "none").exists()
    text = thongmang("agent", "inspect", "--state-dir", tmp_path / "none")
    assert re.search(r"^latency +no_data .* no target is configured$", text.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", ["run", "status"])
def test_not_enrolled(thongmang, tmp_path, command):
    done = thongmang("agent", command, THONGMANG_AGENT_STATE_DIR=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "thongmang agent enrol URL --code CODE" in done.stderr
    assert not (tmp_path / "none").exists()


def test_a_broken_identity_names_file_and_key(thongmang, tmp_path):
    (tmp_path / "identity.json").write_text('{"tokn": 1}')
    done = thongmang("agent", "run", "--state-dir", tmp_path)
    assert done.returncode == 1
    assert "identity.json: tokn: there is no such key" in done.stderr


@pytest.mark.parametrize(
    "words",
    [(), ("run", "--often"), ("enrol", "http://127.0.0.1"), ("fly",), ("inspect", "--format", "xml")],
)
def test_what_is_not_understood(words, capsys):
    assert agent_main([*words, "--lang", "en"]) == 2
    assert "is not understood" in capsys.readouterr().err


def test_plain_http_is_refused_before_anything_is_sent(capsys, tmp_path):
    words = ["enrol", "http://10.255.255.1", "--code", "x", "--state-dir", str(tmp_path), "--lang=en"]
    assert agent_main(words) == 1
    assert "--allow-plain-http" in capsys.readouterr().err


def test_vietnamese_is_the_default(capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("THONGMANG_LANGUAGE", raising=False)
    assert agent_main(["--help"]) == 0
    spoken = capsys.readouterr().out
    assert "cách dùng" in spoken
    assert "usage" not in spoken
    assert agent_main(["status", "--state-dir", str(tmp_path)]) == 1
    assert "chưa được ghi danh" in capsys.readouterr().err
    monkeypatch.setenv("THONGMANG_LANGUAGE", "en")
    assert agent_main(["--help"]) == 0
    assert not DIACRITICS.search(capsys.readouterr().out)


def test_top_level(capsys, monkeypatch):
    monkeypatch.setenv("THONGMANG_LANGUAGE", "vi")
    assert thongmang_main(["--version"]) == 0
    assert capsys.readouterr().out == f"thongmang {__version__}\n"
    assert thongmang_main(["--help"]) == 0
    spoken = capsys.readouterr().out
    assert DIACRITICS.search(spoken)
    assert all(name in spoken for name in ("agent", *COMMANDS))
    assert thongmang_main([]) == 2
    assert thongmang_main(["fly"]) == 2
    assert "'fly'" in capsys.readouterr().err
    assert thongmang_main(["--lang", "en", "--help"]) == 0
    assert "commands:" in capsys.readouterr().out


@pytest.mark.parametrize("word", sorted(COMMANDS))
def test_commands_of_the_collector_where_it_is_not_installed(word, environment, tmp_path):
    """Only the agent's own folder is on the path, as in a base installation."""
    script = (
        "import sys, importlib.abc\n"
        "class Absent(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('collector', 'fastapi'):\n"
        "            raise ModuleNotFoundError('absent', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from agent.__main__ import main\n"
        f"sys.exit(main([{word!r}]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=str(tmp_path),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "install thongmang[collector] on Python 3.11 or newer" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["agent.cli", "agent.runner", "agent.uplink", "agent.measuring", "agent.__main__"])
def test_the_agent_loads_nothing_of_the_collector_s(module, environment):
    script = (
        "import sys, importlib\n"
        f"importlib.import_module({module!r})\n"
        "roots = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(roots & {'pydantic', 'fastapi', 'sqlalchemy', 'msgspec', 'collector', 'alerts', 'inventory',"
        " 'dashboards', 'psutil', 'icmplib', 'asyncio', 'ctypes'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, check=True)
    assert done.stdout.split() == [b"[]"]


def test_running_agent_loads_nothing_of_the_collector_s(enrolled, environment):
    script = (
        "import sys\n"
        "from agent.__main__ import main\n"
        f"code = main(['agent', 'run', '--once', '--state-dir', {str(enrolled)!r}])\n"
        "roots = {name.split('.')[0] for name in sys.modules}\n"
        "print(code, sorted(roots & {'pydantic', 'fastapi', 'sqlalchemy', 'msgspec', 'collector', 'inventory'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, check=True)
    assert done.stdout.splitlines()[-1] == b"0 []"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are another matter on Windows")
def test_an_old_code_page_is_no_crash(thongmang, tmp_path):
    done = thongmang("agent", "status", "--state-dir", tmp_path, PYTHONIOENCODING="ascii", THONGMANG_LANGUAGE="vi")
    assert done.returncode == 1
    assert "chưa được ghi danh" in done.stderr
