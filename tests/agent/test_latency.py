"""Round trips over real sockets on this machine, and the numbers made of them."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from agent import round_trips
from agent.config import Target
from agent.errors import NoDataError, ProbeError
from agent.host import Host
from agent.probes import latency
from agent.probes.contract import ProbeContext
from agent.round_trips import Series, icmp_series, nearest_rank, schedule_seconds, statistics_of, tcp_series


def raw_icmp_permitted():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except OSError:
        return False
    return True


needs_raw = pytest.mark.skipif(not raw_icmp_permitted(), reason="this user may not open raw ICMP sockets")


@pytest.fixture
def listener():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield server.getsockname()[1]


@pytest.fixture
def closed_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@pytest.fixture
def deaf_port():
    """A port whose backlog is full: connects are neither accepted nor refused."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
            fillers.append(filler)
        time.sleep(0.05)
        yield server.getsockname()[1]
        for filler in fillers:
            filler.close()


def without_icmp(address, offsets_seconds, *, privileged):
    raise PermissionError("not permitted")


def test_statistics():
    numbers = statistics_of(Series(10, (0.010, 0.030, 0.020, 0.050)))
    assert numbers == {
        "link_probes_sent": 10,
        "link_probes_received": 4,
        "link_rtt_min_seconds": 0.010,
        "link_rtt_p50_seconds": 0.025,
        "link_rtt_p95_seconds": 0.050,
        "link_rtt_max_seconds": 0.050,
        "link_rtt_mean_seconds": 0.0275,
        "link_ipdv_seconds": 0.02,
    }


def test_statistics_of_few_answers():
    assert statistics_of(Series(10, ())) == {"link_probes_sent": 10, "link_probes_received": 0}
    assert "link_ipdv_seconds" not in statistics_of(Series(10, (0.01,)))
    assert statistics_of(Series(1, (0.01,)))["link_rtt_p50_seconds"] == 0.01


@pytest.mark.parametrize(("count", "index"), [(1, 0), (10, 9), (19, 18), (20, 18), (100, 94)])
def test_nearest_rank(count, index):
    assert nearest_rank(range(count), 0.95) == index


def test_schedule_is_even():
    assert schedule_seconds(4, 2.0) == [0.0, 0.5, 1.0, 1.5]


@needs_raw
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_icmp_to_this_machine(address):
    series = icmp_series(address, schedule_seconds(5, 0.1), privileged=True)
    if address == "::1" and not series.round_trips_seconds:
        pytest.skip("this machine has no IPv6")
    assert series.sent == 5
    assert len(series.round_trips_seconds) == 5
    assert all(0 <= round_trip < 1 for round_trip in series.round_trips_seconds)


@needs_raw
def test_two_series_at_once_do_not_take_each_others_answers():
    found = {}

    def work(name, count):
        found[name] = icmp_series("127.0.0.1", schedule_seconds(count, 0.2), privileged=True)

    threads = [threading.Thread(target=work, args=item) for item in (("one", 20), ("two", 7))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found["one"].round_trips_seconds), len(found["two"].round_trips_seconds)) == (20, 7)


@needs_raw
def test_a_clock_step_is_no_round_trip(monkeypatch):
    """The library would stamp with the wall clock; while it jumps to and fro, every round trip stays what it is."""
    icmp_series("127.0.0.1", [0.0], privileged=True)
    sockets = sys.modules["icmplib.sockets"]
    assert sockets.time is time.perf_counter
    jumps = iter(range(10_000))
    monkeypatch.setattr(time, "time", lambda: 1e9 + (next(jumps) % 2) * 3600.0)
    series = icmp_series("127.0.0.1", schedule_seconds(5, 0.05), privileged=True)
    assert len(series.round_trips_seconds) == 5
    assert max(series.round_trips_seconds) < 1


def test_tcp_accepted_and_refused(listener, closed_port):
    for port in (listener, closed_port):
        series = tcp_series("127.0.0.1", port, schedule_seconds(5, 0.05))
        assert (series.sent, len(series.round_trips_seconds)) == (5, 5)
        assert all(0 < round_trip < 1 for round_trip in series.round_trips_seconds)


@pytest.mark.skipif(sys.platform != "linux", reason="a full backlog answers differently elsewhere")
def test_tcp_without_answer_costs_one_time_out(deaf_port, monkeypatch):
    monkeypatch.setattr(round_trips, "TIMEOUT_SECONDS", 0.3)
    started = time.perf_counter()
    series = tcp_series("127.0.0.1", deaf_port, schedule_seconds(5, 0.2))
    assert (series.sent, series.round_trips_seconds) == (5, ())
    assert time.perf_counter() - started < 1.0


def collect(*targets, memory=None):
    context = ProbeContext(targets, 0.1, {} if memory is None else memory)
    return latency.collect(Host(), context)


@needs_raw
def test_raw_icmp_is_first():
    collected = collect(Target("loop", "127.0.0.1"))
    assert collected.facts["link_method"] == [{"target": "loop", "method": "icmp_raw", "reason": None}]
    samples = {sample.metric: sample.value for sample in collected.samples}
    assert samples["link_probes_received"] == latency.PROBES_PER_ROUND
    assert {sample.labels["target"] for sample in collected.samples} == {"loop"}


def test_tcp_where_icmp_is_not_permitted(listener, monkeypatch):
    monkeypatch.setattr(latency, "icmp_series", without_icmp)
    collected = collect(Target("web", "127.0.0.1", listener), Target("no port", "127.0.0.1"))
    methods = {row["target"]: (row["method"], row["reason"]) for row in collected.facts["link_method"]}
    assert methods["web"] == ("tcp_connect", latency.NO_ICMP)
    assert methods["no port"] == (None, latency.NO_PORT)
    assert {sample.labels["target"] for sample in collected.samples} == {"web"}
    assert "link_method" in collected.remark


def test_no_data_where_nothing_is_left(monkeypatch):
    monkeypatch.setattr(latency, "icmp_series", without_icmp)
    with pytest.raises(NoDataError, match="no target has a TCP port"):
        collect(Target("a", "127.0.0.1"), Target("b", "127.0.0.1"))


def test_no_target_is_no_data():
    with pytest.raises(NoDataError, match="no target is configured"):
        collect()


def test_icmplib_missing(listener, monkeypatch):
    monkeypatch.setitem(sys.modules, "icmplib", None)
    collected = collect(Target("web", "127.0.0.1", listener))
    row = {"target": "web", "method": "tcp_connect", "reason": latency.NO_ICMPLIB}
    assert collected.facts["link_method"] == [row]


def test_target_that_drops_icmp_is_measured_by_tcp_and_remembered(listener, monkeypatch):
    calls = []

    def silent(address, offsets_seconds, *, privileged):
        calls.append(privileged)
        return Series(len(offsets_seconds), ())

    monkeypatch.setattr(latency, "icmp_series", silent)
    monkeypatch.setattr(latency, "_SHORT_WINDOW_SECONDS", 0.05)
    memory = {}
    for _ in range(2):
        collected = collect(Target("web", "127.0.0.1", listener), memory=memory)
        row = {"target": "web", "method": "tcp_connect", "reason": latency.NO_ICMP_ANSWER}
        assert collected.facts["link_method"] == [row]
        assert {sample.metric: sample.value for sample in collected.samples}["link_probes_received"] == 10
    assert calls == [True]
    memory["web"] = time.monotonic() - 1
    collect(Target("web", "127.0.0.1", listener), memory=memory)
    assert calls == [True, True]


@pytest.mark.skipif(sys.platform != "linux", reason="a full backlog answers differently elsewhere")
def test_target_that_is_gone_is_reported_as_loss(deaf_port, monkeypatch):
    monkeypatch.setattr(round_trips, "TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(latency, "icmp_series", lambda address, offsets, privileged: Series(len(offsets), ()))
    collected = collect(Target("gone", "127.0.0.1", deaf_port))
    samples = {sample.metric: sample.value for sample in collected.samples}
    assert samples == {"link_probes_sent": 10, "link_probes_received": 0}
    assert collected.facts["link_method"][0]["method"] == "icmp_raw"


def test_name_that_does_not_resolve():
    with pytest.raises(ProbeError, match="names do not resolve"):
        collect(Target("x", "no such name"))


def test_a_hanging_name_does_not_hold_up_the_others(listener, monkeypatch):
    release = threading.Event()
    real = latency.resolve

    def slow(address):
        if address == "slow.invalid":
            release.wait(20)
        return real("127.0.0.1")

    monkeypatch.setattr(latency, "resolve", slow)
    monkeypatch.setattr(latency, "icmp_series", without_icmp)
    monkeypatch.setattr(latency, "_JOIN_SECONDS", 0.6)
    try:
        collected = collect(Target("web", "127.0.0.1", listener), Target("slow", "slow.invalid", listener))
    finally:
        release.set()
    methods = {row["target"]: row["reason"] for row in collected.facts["link_method"]}
    assert methods == {"web": latency.NO_ICMP, "slow": latency.TOO_LONG}


@pytest.fixture
def in_namespace(environment):
    """Runs Python in a network namespace of its own, whose kernel settings can be changed; its output's lines."""
    if not hasattr(os, "getuid") or os.getuid() != 0:
        pytest.skip("only root can make a network namespace and become somebody else")

    def run(setting, value, script):
        commands = 'ip link set lo up && echo "$2" > "/proc/sys/net/ipv4/$1" && exec "$3" -c "$4"'
        done = subprocess.run(
            ["unshare", "-n", "sh", "-c", commands, "sh", setting, value, sys.executable, script],
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        if done.returncode != 0 and "Traceback" not in done.stderr:
            pytest.skip("no network namespace can be made here: " + done.stderr.strip())
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


# The interpreter may lie where another user cannot read: everything is loaded before the rights are given up.
UNPRIVILEGED = """
import encodings.idna, os, icmplib, psutil
from agent.config import Target
from agent.host import Host
from agent.probes import latency
from agent.probes.contract import ProbeContext
os.setgid(65534)
os.setuid(65534)
found = latency.collect(Host(), ProbeContext((Target("loop", "127.0.0.1", 1),), 0.1))
row = found.facts["link_method"][0]
print(row["method"], "|", row["reason"])
print(sum(sample.value for sample in found.samples if sample.metric == "link_probes_received"))
"""


@pytest.mark.parametrize(
    ("group_range", "method", "reason"),
    [("1 0", "tcp_connect", latency.NO_ICMP), ("0 65535", "icmp_datagram", latency.NO_RAW)],
)
def test_a_user_without_rights(in_namespace, group_range, method, reason):
    lines = in_namespace("ping_group_range", group_range, UNPRIVILEGED)
    assert lines == [f"{method} | {reason}", "10"]


SILENT = """
import time
from agent import round_trips
round_trips.TIMEOUT_SECONDS = 0.5
round_trips.icmp_series("127.0.0.1", [0.0], privileged=True)
started = time.perf_counter()
series = round_trips.icmp_series("127.0.0.1", round_trips.schedule_seconds(10, 0.5), privileged=True)
print(series.sent, len(series.round_trips_seconds), 0.9 < time.perf_counter() - started < 1.8)
"""


def test_silence_costs_one_time_out(in_namespace):
    assert in_namespace("icmp_echo_ignore_all", "1", SILENT) == ["10 0 True"]


FILTERED = """
import socket
from agent import round_trips
from agent.config import Target
from agent.host import Host
from agent.probes import latency
from agent.probes.contract import ProbeContext
round_trips.TIMEOUT_SECONDS = 0.5
latency._SHORT_WINDOW_SECONDS = 0.1
with socket.socket() as server:
    server.bind(("127.0.0.1", 0))
    server.listen(32)
    target = Target("web", "127.0.0.1", server.getsockname()[1])
    found = latency.collect(Host(), ProbeContext((target,), 0.1))
print(found.facts["link_method"][0]["method"])
print({sample.metric: sample.value for sample in found.samples}["link_probes_received"])
"""


def test_a_filter_for_icmp_is_no_loss(in_namespace):
    assert in_namespace("icmp_echo_ignore_all", "1", FILTERED) == ["tcp_connect", "10"]
