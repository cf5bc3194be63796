"""What the doctor finds: judged from numbers, and looked at over real sockets."""

import contextlib
import datetime as dt
import json
import socket
import ssl
import sys

import pytest

from agent.config import Identity, save_identity
from agent.configuration import Configuration, Target
from agent.connection import parse_collector_url
from agent.doctor import machine, network
from agent.doctor.finding import FAULT, FINE, SKIPPED, WARNING, finding, finding_lines, worst_state
from agent.host import LINUX, WINDOWS, Host
from agent.spool import SPOOL_FILE, Spool
from agent.status import Status
from agent.stop import only_agent
from agent.wire.message import Message

NOW = 1_800_000_000.0
DAY = 86_400.0


def by_check(findings):
    return {item.check: item for item in findings}


@pytest.fixture
def make_identity():
    def make(url, ca_file=None, targets=()):
        return Identity(url, "device-1", "secret-token", ca_file, Configuration(60, 300, targets, False))

    return make


@pytest.fixture
def authority(tmp_path):
    """(context of a server that proves 127.0.0.1, file of its authority)."""
    trustme = pytest.importorskip("trustme")
    made = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return context, str(path)


class TestMachine:
    @pytest.mark.parametrize(
        ("version", "psutil", "icmplib", "state"),
        [
            ((3, 7, 9), True, True, FAULT),
            ((3, 8, 0), False, True, WARNING),
            ((3, 8, 0), True, False, FINE),
            ((3, 12, 1), True, True, FINE),
        ],
    )
    def test_python(self, version, psutil, icmplib, state):
        assert machine.python_finding(version, psutil, icmplib).state == state

    @pytest.mark.parametrize(("system", "word"), [(LINUX, "sudo"), (WINDOWS, "administrator")])
    def test_no_right_to_ping_is_no_fault_and_says_what_to_do(self, tmp_path, system, word):
        found = machine.rights_finding(Host(tmp_path, system), None)
        assert found.state == WARNING
        assert word in found.advice.render()
        assert machine.rights_finding(Host(tmp_path, system), "icmp_raw").state == FINE
        assert machine.rights_finding(Host(tmp_path, system), "icmp_datagram").state == FINE

    def test_no_state_folder(self, tmp_path):
        (found,) = machine.state_findings(tmp_path / "none")
        assert (found.check, found.state) == ("state", FAULT)
        assert "enrol" in found.advice.render()

    def test_little_room(self):
        assert machine.room_finding("/x", machine.FREE_BYTES - 1).state == WARNING
        assert machine.room_finding("/x", machine.FREE_BYTES).state == FINE

    def test_whether_an_agent_runs(self, tmp_path):
        assert by_check(machine.state_findings(tmp_path))["service"].state == FAULT
        with only_agent(tmp_path):
            assert machine.running_finding(tmp_path).state == FINE
        assert machine.running_finding(tmp_path).state == FAULT

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (Status(last_round_at=NOW - 50), {"rounds": FINE, "uploads": FINE}),
            (Status(), {"rounds": WARNING, "uploads": FINE}),
            (Status(last_round_at=NOW - 900, waiting=3), {"rounds": WARNING, "uploads": WARNING}),
            # A clock that was set back by a year.
            (Status(last_round_at=NOW + 365 * DAY), {"rounds": WARNING, "uploads": FINE}),
            (Status(last_round_at=NOW, waiting=15, last_upload_at=NOW - 800), {"rounds": FINE, "uploads": FINE}),
            (
                Status(last_round_at=NOW, last_error=Message("it is {what}", {"what": "so"}), dropped_total=2),
                {"rounds": FINE, "uploads": FAULT, "dropped": WARNING},
            ),
            (
                Status(last_round_at=NOW, rejected=[("b", 1, "why")]),
                {"rounds": FINE, "uploads": FINE, "refused": WARNING},
            ),
        ],
    )
    def test_the_work_so_far(self, status, expected):
        found = by_check(machine.status_findings(status, NOW))
        assert {check: item.state for check, item in found.items()} == expected

    def test_a_spool_that_cannot_be_read(self, tmp_path):
        (tmp_path / SPOOL_FILE).write_bytes(b"no database " * 500)
        (found,) = machine.work_findings(tmp_path, NOW)
        assert (found.check, found.state) == ("spool", FAULT)

    def test_a_new_spool(self, tmp_path):
        Spool(tmp_path / SPOOL_FILE, Host()).close()
        assert by_check(machine.work_findings(tmp_path, NOW))["rounds"].state == WARNING


class TestNetwork:
    def test_all_is_well(self, make_collector, authority, make_identity):
        context, ca_file = authority
        collector = make_collector(tls_context=context)
        target = Target("loop", "127.0.0.1", parse_collector_url(collector.url).port)
        found = list(network.network_findings(Host(), make_identity(collector.url, ca_file, (target,))))
        states = {item.check: item.state for item in found if item.check not in ("clock", "route")}
        assert states == {"targets": FINE, "name": FINE, "port": FINE, "tls": FINE, "token": FINE}
        # The stand-in says that it is 1970.
        assert by_check(found)["clock"].state == FAULT
        request = collector.requests[-1]
        assert request["reports"] == []
        assert request["headers"]["Authorization"] == "Bearer secret-token"

    @pytest.mark.parametrize(
        ("status", "state"), [(401, FAULT), (403, FAULT), (404, FAULT), (503, WARNING), (429, WARNING)]
    )
    def test_what_the_answer_to_the_token_means(self, collector, make_identity, status, state):
        collector.script = [{"status": status}]
        found = by_check(network.network_findings(Host(), make_identity(collector.url)))
        assert found["token"].state == state
        assert found["tls"].state == FINE
        assert "clock" not in found

    def test_nobody_listens(self, make_identity):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        found = by_check(network.network_findings(Host(), make_identity(f"https://127.0.0.1:{port}")))
        assert (found["port"].state, found["tls"].state) == (FAULT, SKIPPED)
        assert "refuses" in found["port"].message.render()

    def test_a_proxy_is_named_where_the_way_is_shut(self, make_identity, monkeypatch):
        monkeypatch.setenv("https_proxy", "http://10.0.0.1:3128")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        found = by_check(network.network_findings(Host(), make_identity(f"https://127.0.0.1:{port}")))
        assert f"127.0.0.1:{port}" in found["proxy"].advice.render()
        assert "10.0.0.1" not in found["proxy"].message.render()

    def test_a_name_that_nobody_knows(self, make_identity):
        found = by_check(network.network_findings(Host(), make_identity("https://collector.invalid")))
        assert (found["name"].state, found["port"].state) == (FAULT, SKIPPED)
        assert "DNS" in found["name"].advice.render()

    def test_another_authority(self, make_collector, authority, make_identity, tmp_path):
        context, _ca_file = authority
        trustme = pytest.importorskip("trustme")
        other = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(str(other))
        collector = make_collector(tls_context=context)
        found = by_check(network.network_findings(Host(), make_identity(collector.url, str(other))))
        assert (found["tls"].state, found["token"].state) == (FAULT, SKIPPED)
        assert "fingerprint" in found["tls"].advice.render()
        # The token went nowhere.
        assert collector.requests == []

    def test_plain_http_where_https_is_expected(self, collector, make_identity, authority):
        url = collector.url.replace("http://", "https://")
        found = by_check(network.network_findings(Host(), make_identity(url, authority[1])))
        assert found["tls"].state == FAULT

    @pytest.mark.parametrize(
        ("code", "word"), [(10, "clock"), (9, "clock"), (62, "made out to"), (64, "made out to"), (20, "trusted")]
    )
    def test_why_a_certificate_is_not_trusted(self, code, word):
        found = network.certificate_finding(code, "reason", "host")
        assert found.state == FAULT
        assert word in found.message.render()

    @pytest.mark.parametrize(
        ("skew_seconds", "state", "word"),
        [(3.0, FINE, "agrees"), (-600.0, WARNING, "10 minutes behind"), (2 * DAY, FAULT, "2880 minutes ahead")],
    )
    def test_the_clock(self, skew_seconds, state, word):
        found = network.clock_finding(skew_seconds)
        assert found.state == state
        assert word in found.message.render()

    def test_no_way_out(self):
        assert network.gateway_finding(None, is_loopback=False).state == FAULT
        assert network.gateway_finding(None, is_loopback=True).state == WARNING
        assert network.gateway_finding("10.0.0.1", is_loopback=False).state == FINE

    def test_a_certificate_that_ends_soon(self, tmp_path, make_collector):
        trustme = pytest.importorskip("trustme")
        made = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ends = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=3, hours=1)
        made.issue_cert("127.0.0.1", not_after=ends).configure_cert(context)
        ca_file = tmp_path / "ca.pem"
        made.cert_pem.write_to_path(str(ca_file))
        collector = make_collector(tls_context=context)
        address = parse_collector_url(collector.url)
        found = network.tls_finding(address, str(ca_file), Host().wall_time_seconds())
        assert found.state == WARNING
        assert "3 days" in found.message.render()


def test_the_worst_counts():
    assert worst_state([]) == SKIPPED
    assert worst_state([finding("a", FINE, "x"), finding("b", WARNING, "x")]) == WARNING
    assert worst_state([finding("a", FAULT, "x"), finding("b", WARNING, "x")]) == FAULT
    lines = list(finding_lines(finding("a", FAULT, "it is {what}", "mend {what}", what="so"), str))
    assert lines == ["x fault    it is so", "    mend so"]


@pytest.fixture
def enrolled(collector, make_identity, tmp_path):
    target = Target("loop", "127.0.0.1", parse_collector_url(collector.url).port)
    state_dir = tmp_path / "state"
    state_dir.mkdir(mode=0o700)
    save_identity(state_dir, make_identity(collector.url, None, (target,)))
    return state_dir


def test_the_command(enrolled, collector, thongmang):
    done = thongmang("agent", "doctor", "--state-dir", enrolled)
    assert done.returncode == 1, done.stderr
    assert "the agent is not running" in done.stdout
    told = thongmang("agent", "doctor", "--state-dir", enrolled, "--format", "json", THONGMANG_LANGUAGE="vi")
    table = json.loads(told.stdout)
    assert table["worst"] == FAULT
    checks = {item["check"]: item["state"] for item in table["findings"]}
    assert (checks["token"], checks["service"]) == (FINE, FAULT)
    assert "secret-token" not in told.stdout + done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="the lock is held by this process only on POSIX")
def test_the_command_where_nothing_is_wrong(enrolled, collector, thongmang, monkeypatch):
    with contextlib.ExitStack() as stack:
        stack.enter_context(only_agent(enrolled))
        done = thongmang("agent", "doctor", "--state-dir", enrolled)
    # The stand-in's clock is the one thing that is wrong here.
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line.startswith("x")] == [
        line for line in done.stdout.splitlines() if "the clock is" in line
    ]


def test_without_an_identity(tmp_path, thongmang):
    done = thongmang("agent", "doctor", "--state-dir", tmp_path)
    assert done.returncode == 1
    assert "not enrolled" in done.stdout
