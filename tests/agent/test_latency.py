"""Rounds over real sockets on this machine and in network namespaces, and the numbers made of them."""

import contextlib
import functools
import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from agent.configuration import SERVICE, Target
from agent.errors import NoDataError, ProbeError
from agent.host import LINUX, Host
from agent.link import addresses
from agent.link import round as link_round
from agent.link.budget import Share
from agent.link.round import NO_ICMP_ANSWER, NO_PORT, EchoWay
from agent.link.round_trips import Connects, Measured, Series, nearest_rank, numbers_of, schedule_seconds, statistics_of
from agent.probes import PROBES, latency
from agent.probes.contract import ProbeContext


def raw_icmp_permitted():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except OSError:
        return False
    return True


needs_raw = pytest.mark.skipif(not raw_icmp_permitted(), reason="this user may not open raw ICMP sockets")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="a full backlog answers differently elsewhere")


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


def without_icmp(version):
    return EchoWay(None, None, latency.NO_ICMP)


class Silence:
    """A socket whose echoes never come back."""

    def __init__(self):
        self.channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sent = []

    def send(self, address, sequence, size_bytes):
        self.sent.append((address[0], sequence, size_bytes))

    def receive(self):
        return iter(())

    def close(self):
        self.channel.close()


@pytest.fixture
def silence(monkeypatch):
    """Echoes go out and none comes back; the list of sockets that were opened for them."""
    opened = []

    def open_way(version):
        opened.append(Silence())
        return EchoWay(opened[-1], latency.ICMP_RAW, None)

    monkeypatch.setattr(latency, "open_way", open_way)
    return opened


@pytest.fixture
def short_waits(monkeypatch):
    monkeypatch.setattr(link_round, "TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(link_round, "SHORT_WINDOW_SECONDS", 0.1)


@pytest.fixture
def collect(tmp_path):
    """One run of the probe on a machine without a default gateway."""

    def run(*targets, memory=None, window=0.1, ca_file=None):
        context = ProbeContext(targets, window, ca_file, memory={} if memory is None else memory)
        return latency.collect(Host(tmp_path, LINUX), context)

    return run


def samples_of(collected, target):
    return {sample.metric: sample.value for sample in collected.samples if sample.labels["target"] == target}


def methods_of(collected):
    return {row["target"]: (row["method"], row["reason"]) for row in collected.facts["link_method"]}


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
    assert schedule_seconds(4, 2.0, 0.5) == [0.25, 0.75, 1.25, 1.75]


def test_numbers_beside_the_round_trips():
    measured = Measured("icmp_raw", None, Series(10, ()), Series(2, (0.01,)), Connects(4, (0.02, 1.1, 0.04)), 0.25)
    assert numbers_of(measured) == {
        "link_probes_sent": 10,
        "link_probes_received": 0,
        "link_large_probes_sent": 2,
        "link_large_probes_received": 1,
        "link_connects_tried": 4,
        "link_connects_slow": 1,
        "link_connects_failed": 1,
        "link_connect_p50_seconds": 0.04,
        "link_first_byte_p50_seconds": 0.25,
    }
    assert numbers_of(Measured("icmp_raw", None, Series(10, ()), None, Connects(2, ()))) == {
        "link_probes_sent": 10,
        "link_probes_received": 0,
        "link_connects_tried": 2,
        "link_connects_slow": 0,
        "link_connects_failed": 2,
    }
    assert not Measured(None, NO_PORT).has_numbers


@pytest.mark.parametrize(
    ("interval", "window"),
    [(86400, 54.0), (60, 54.0), (30, 24.0), (12, 6.0), (10, 4.0), (5, 2.0), (1, 0.4)],
)
def test_a_round_has_ended_before_the_next_begins(interval, window):
    assert latency.window_seconds(interval) == pytest.approx(window)
    if interval >= 5:
        assert latency.window_seconds(interval) + link_round.TIMEOUT_SECONDS < interval
    assert latency.window_seconds(interval) + link_round.TIMEOUT_SECONDS < PROBES["latency"].deadline_seconds


@needs_raw
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_icmp_to_this_machine(collect, address):
    collected = collect(Target("loop", address))
    samples = samples_of(collected, "loop")
    if address == "::1" and not samples["link_probes_received"]:
        pytest.skip("this machine has no IPv6")
    assert methods_of(collected)["loop"] == ("icmp_raw", None)
    assert (samples["link_probes_sent"], samples["link_probes_received"]) == (10, 10)
    assert 0 < samples["link_rtt_min_seconds"] <= samples["link_rtt_max_seconds"] < 1
    assert not [name for name in samples if "large" in name or "connect" in name or "first" in name]


@needs_raw
def test_a_service_gets_large_probes_and_connects(collect, listener):
    samples = samples_of(collect(Target("web", "127.0.0.1", listener, SERVICE)), "web")
    assert (samples["link_large_probes_sent"], samples["link_large_probes_received"]) == (2, 2)
    assert (samples["link_probes_sent"], samples["link_probes_received"]) == (10, 10)
    assert [samples[f"link_connects_{word}"] for word in ("tried", "slow", "failed")] == [2, 0, 0]
    assert 0 < samples["link_connect_p50_seconds"] < 1


@needs_raw
def test_a_refused_connect_failed(collect, closed_port):
    samples = samples_of(collect(Target("web", "127.0.0.1", closed_port)), "web")
    assert [samples[f"link_connects_{word}"] for word in ("tried", "slow", "failed")] == [2, 0, 2]
    assert "link_connect_p50_seconds" not in samples
    assert samples["link_probes_received"] == 10


@needs_raw
def test_two_rounds_at_once_do_not_take_each_others_answers(collect):
    found = {}

    def work(name):
        found[name] = samples_of(collect(*[Target(f"{name}{at}", f"127.0.0.{at}") for at in (1, 2, 3)]), name + "2")

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[name]["link_probes_received"] for name in ("one", "two")] == [10, 10]


@needs_raw
def test_a_clock_step_is_no_round_trip(collect, monkeypatch):
    """While the wall clock jumps to and fro, every round trip stays what it is."""
    jumps = iter(range(100_000))
    monkeypatch.setattr(time, "time", lambda: 1e9 + (next(jumps) % 2) * 3600.0)
    samples = samples_of(collect(Target("loop", "127.0.0.1")), "loop")
    assert samples["link_probes_received"] == 10
    assert samples["link_rtt_max_seconds"] < 1


def test_probes_are_spread_and_targets_do_not_speak_at_once(silence, short_waits, collect, monkeypatch):
    """Over the whole window, one a step, those of several targets between each other; large ones apart from small."""
    sent = []
    send = Silence.send

    def note(self, address, sequence, size_bytes):
        sent.append((time.perf_counter(), address[0], size_bytes))
        send(self, address, sequence, size_bytes)

    monkeypatch.setattr(Silence, "send", note)
    memory = {"phase": 0.5}
    started = time.perf_counter()
    collect(Target("a", "127.0.0.1", None, SERVICE), Target("b", "127.0.0.2"), window=2.0, memory=memory)
    lasted = time.perf_counter() - started
    assert lasted < 2.0 + 0.3 + 0.3
    moments = {
        key: [moment - started for moment, *rest in sent if rest == list(key)]
        for key in (("127.0.0.1", 56), ("127.0.0.2", 56), ("127.0.0.1", 1400))
    }
    expected = {
        ("127.0.0.1", 56): [0.1 + 0.2 * at for at in range(10)],
        ("127.0.0.2", 56): [0.2 * at for at in range(10)],
        ("127.0.0.1", 1400): [0.0, 1.0],
    }
    for key, offsets in expected.items():
        assert moments[key] == pytest.approx(offsets, abs=0.09), key


def test_each_terminal_has_a_phase_of_its_own(collect):
    phases = set()
    for _ in range(8):
        memory = {}
        with contextlib.suppress(NoDataError):
            collect(Target("loop", "127.0.0.1", 1), memory=memory, window=0.0)
        phases.add(memory["phase"])
        assert 0 <= memory["phase"] < 1
    assert len(phases) == 8


def test_tcp_where_icmp_is_not_permitted(collect, listener, closed_port, monkeypatch):
    monkeypatch.setattr(latency, "open_way", without_icmp)
    collected = collect(
        Target("web", "127.0.0.1", listener),
        Target("closed", "127.0.0.1", closed_port),
        Target("no port", "127.0.0.1"),
    )
    assert methods_of(collected) == {
        "gateway": (None, latency.NO_GATEWAY),
        "web": ("tcp_connect", latency.NO_ICMP),
        "closed": ("tcp_connect", latency.NO_ICMP),
        "no port": (None, NO_PORT),
    }
    web, closed = samples_of(collected, "web"), samples_of(collected, "closed")
    for samples in (web, closed):
        assert (samples["link_probes_sent"], samples["link_probes_received"]) == (10, 10)
        assert 0 < samples["link_rtt_max_seconds"] < 1
        assert samples["link_connects_tried"] == 10
    assert (web["link_connects_failed"], closed["link_connects_failed"]) == (0, 10)
    assert samples_of(collected, "no port") == {}
    assert "link_method" in collected.remark


def test_no_data_where_nothing_is_left(collect, monkeypatch):
    monkeypatch.setattr(latency, "open_way", without_icmp)
    with pytest.raises(NoDataError, match="no target has a TCP port"):
        collect(Target("a", "127.0.0.1"), Target("b", "127.0.0.1"))


def test_no_target_is_no_data(collect):
    with pytest.raises(NoDataError, match="no target is configured, and this machine has no default gateway"):
        collect()


def test_nothing_but_the_standard_library_is_loaded(environment, tmp_path):
    """Every library costs a terminal's memory."""
    script = (
        "import sys\n"
        "from agent.configuration import Target\n"
        "from agent.host import Host\n"
        "from agent.probes import latency\n"
        "from agent.probes.contract import ProbeContext\n"
        f"found = latency.collect(Host({str(tmp_path)!r}), ProbeContext((Target('loop', '127.0.0.1', 1),), 0.1))\n"
        "roots = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(roots & {'asyncio', 'icmplib', 'ssl', 'http', 'email', 'ctypes', 'statistics'}))\n"
    )
    done = subprocess.run([sys.executable, "-S", "-c", script], env=environment, stdout=subprocess.PIPE, check=True)
    assert done.stdout.split() == [b"[]"]


def test_target_that_drops_icmp_is_measured_by_tcp_and_remembered(silence, short_waits, collect, listener):
    memory = {}
    for _ in range(2):
        collected = collect(Target("web", "127.0.0.1", listener), memory=memory)
        assert methods_of(collected)["web"] == ("tcp_connect", NO_ICMP_ANSWER)
        samples = samples_of(collected, "web")
        assert (samples["link_probes_sent"], samples["link_probes_received"]) == (10, 10)
        assert samples["link_connects_failed"] == 0
    assert [len(opened.sent) for opened in silence] == [10, 0]
    memory["silent_until"]["web"] = time.monotonic() - 1
    collect(Target("web", "127.0.0.1", listener), memory=memory)
    assert [len(opened.sent) for opened in silence] == [10, 0, 10]


def test_echoes_that_come_back_end_the_tcp_fallback(collect, listener):
    if not raw_icmp_permitted():
        pytest.skip("this user may not open raw ICMP sockets")
    memory = {"silent_until": {"web": time.monotonic() - 1}}
    collected = collect(Target("web", "127.0.0.1", listener), memory=memory)
    assert methods_of(collected)["web"] == ("icmp_raw", None)
    assert memory["silent_until"] == {}


@linux_only
def test_target_that_is_gone_is_reported_as_loss(silence, short_waits, collect, deaf_port):
    collected = collect(Target("gone", "127.0.0.1", deaf_port))
    samples = samples_of(collected, "gone")
    assert samples == {
        "link_probes_sent": 10,
        "link_probes_received": 0,
        "link_connects_tried": 2,
        "link_connects_slow": 0,
        "link_connects_failed": 2,
    }
    assert methods_of(collected)["gone"] == ("icmp_raw", None)


@linux_only
def test_a_connect_whose_first_packet_was_lost_is_slow(collect, monkeypatch):
    """While nobody accepts, packets that ask for a connection are dropped; the second one, a second later, is taken."""
    monkeypatch.setattr(latency, "open_way", without_icmp)
    one = functools.partial(latency.Aim, share=Share(1, 0, 0, asks=False))
    monkeypatch.setattr(latency, "Aim", one)
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        time.sleep(0.05)

        def accept_at_last():
            time.sleep(0.5)
            while True:
                with contextlib.suppress(OSError):
                    server.settimeout(2)
                    stack.enter_context(server.accept()[0])
                    continue
                return

        waiting = threading.Thread(target=accept_at_last)
        waiting.start()
        samples = samples_of(collect(Target("web", "127.0.0.1", server.getsockname()[1])), "web")
        waiting.join()
    assert [samples[f"link_connects_{word}"] for word in ("tried", "slow", "failed")] == [1, 1, 0]
    assert 0.9 < samples["link_connect_p50_seconds"] < 1.5


@linux_only
def test_tcp_without_answer_costs_one_time_out(short_waits, collect, deaf_port, monkeypatch):
    monkeypatch.setattr(latency, "open_way", without_icmp)
    started = time.perf_counter()
    samples = samples_of(collect(Target("gone", "127.0.0.1", deaf_port), window=0.2), "gone")
    assert (samples["link_probes_sent"], samples["link_probes_received"]) == (10, 0)
    assert samples["link_connects_failed"] == 10
    assert time.perf_counter() - started < 1.0


def test_name_that_does_not_resolve(collect):
    with pytest.raises(ProbeError, match="names do not resolve"):
        collect(Target("x", "no such name"))


def test_a_hanging_name_does_not_hold_up_the_others(collect, listener, monkeypatch):
    release = threading.Event()
    real = addresses.resolve
    asked = []

    def slow(name):
        asked.append(name)
        if name == "slow.invalid":
            release.wait(20)
        return real("127.0.0.1")

    monkeypatch.setattr(addresses, "resolve", slow)
    monkeypatch.setattr(latency, "open_way", without_icmp)
    monkeypatch.setattr(latency, "_RESOLVE_SECONDS", 0.3)
    targets = (Target("web", "web.invalid", listener), Target("slow", "slow.invalid", listener))
    memory = {}
    try:
        for _ in range(2):
            started = time.perf_counter()
            collected = collect(*targets, memory=memory, window=0.5)
            assert time.perf_counter() - started < 1.0
            reasons = {name: reason for name, (_, reason) in methods_of(collected).items()}
            assert (reasons["web"], reasons["slow"]) == (latency.NO_ICMP, latency.TOO_LONG)
    finally:
        release.set()
    # A thread that hangs is not joined by another one every minute.
    assert asked.count("slow.invalid") == 1


def test_a_line_that_takes_the_name_server_with_it_is_an_outage(collect, closed_port, monkeypatch):
    """The address of an earlier round is used on, so that probes are counted as lost instead of not sent."""
    answers = [("127.0.0.1", 0)]

    def once(name):
        if not answers:
            raise socket.gaierror(socket.EAI_AGAIN, "no name server")
        return answers.pop()

    monkeypatch.setattr(addresses, "resolve", once)
    monkeypatch.setattr(latency, "open_way", without_icmp)
    memory = {}
    for _ in range(2):
        samples = samples_of(collect(Target("web", "web.invalid", closed_port), memory=memory), "web")
        assert samples["link_probes_sent"] == 10


@needs_raw
def test_the_gateway_is_a_target_unless_another_is_named_so(tmp_path, listener):
    table = tmp_path / "proc" / "net" / "route"
    table.parent.mkdir(parents=True)
    table.write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0900007F\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    )
    host = Host(tmp_path, LINUX)
    found = latency.collect(host, ProbeContext((Target("web", "127.0.0.1", listener),), 0.1))
    assert list(methods_of(found)) == ["gateway", "web"]
    assert samples_of(found, "gateway")["link_probes_received"] == 10
    assert "icmp_raw 127.0.0.9" in host.sources
    # Its address stays here.
    assert "127.0.0.9" not in repr((found.samples, found.facts))
    unwanted = ProbeContext((Target("web", "127.0.0.1", listener),), 0.1, measure_gateway=False)
    assert list(methods_of(latency.collect(host, unwanted))) == ["web"]
    named = latency.collect(Host(tmp_path, LINUX), ProbeContext((Target("gateway", "127.0.0.8", listener),), 0.1))
    assert samples_of(named, "gateway")["link_connects_tried"] == 2


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
import encodings.idna, os, psutil
from agent.configuration import Target
from agent.host import Host
from agent.probes import latency
from agent.probes.contract import ProbeContext
os.setgid(65534)
os.setuid(65534)
found = latency.collect(Host(), ProbeContext((Target("loop", "127.0.0.1", 1, "service"),), 0.1))
row = found.facts["link_method"][1]
print(row["method"], "|", row["reason"])
print(sum(sample.value for sample in found.samples if sample.metric == "link_probes_received"))
print([sample.value for sample in found.samples if sample.metric == "link_large_probes_received"])
"""


@pytest.mark.parametrize(
    ("group_range", "method", "reason", "large"),
    [("1 0", "tcp_connect", latency.NO_ICMP, "[]"), ("0 65535", "icmp_datagram", latency.NO_RAW, "[2]")],
)
def test_a_user_without_rights(in_namespace, group_range, method, reason, large):
    lines = in_namespace("ping_group_range", group_range, UNPRIVILEGED)
    assert lines == [f"{method} | {reason}", "10", large]


SILENT = """
import time
from agent.link import round as link_round
from agent.configuration import Target
from agent.host import Host
from agent.probes import latency
from agent.probes.contract import ProbeContext
link_round.TIMEOUT_SECONDS = 0.5
started = time.perf_counter()
found = latency.collect(Host(), ProbeContext((Target("loop", "127.0.0.1"),), 0.5))
values = {sample.metric: sample.value for sample in found.samples}
print(values["link_probes_sent"], values["link_probes_received"], 0.9 < time.perf_counter() - started < 1.8)
"""


def test_silence_costs_one_time_out(in_namespace):
    assert in_namespace("icmp_echo_ignore_all", "1", SILENT) == ["10 0 True"]


FILTERED = """
import socket
from agent.link import round as link_round
from agent.configuration import Target
from agent.host import Host
from agent.probes import latency
from agent.probes.contract import ProbeContext
link_round.TIMEOUT_SECONDS = 0.5
link_round.SHORT_WINDOW_SECONDS = 0.1
with socket.socket() as server:
    server.bind(("127.0.0.1", 0))
    server.listen(32)
    target = Target("web", "127.0.0.1", server.getsockname()[1])
    found = latency.collect(Host(), ProbeContext((target,), 0.1))
print(found.facts["link_method"][1]["method"])
print({sample.metric: sample.value for sample in found.samples}["link_probes_received"])
"""


def test_a_filter_for_icmp_is_no_loss(in_namespace):
    assert in_namespace("icmp_echo_ignore_all", "1", FILTERED) == ["tcp_connect", "10"]


# Two machines with a line of little room between them: 1428-byte packets do not fit into its queue, small ones do.
NARROW = """
import json, subprocess
from agent.link import round as link_round
from agent.configuration import Target
from agent.host import Host
from agent.probes import latency
from agent.probes.contract import ProbeContext


def sh(words):
    done = subprocess.run(words, shell=True, capture_output=True, text=True)
    if done.returncode:
        print("cannot: " + done.stderr.strip())
        raise SystemExit


far = subprocess.Popen(["unshare", "-n", "sleep", "60"])
try:
    import time
    time.sleep(0.3)
    sh(f"ip link add near type veth peer name far && ip link set far netns {far.pid}")
    sh("ip addr add 10.77.0.1/24 dev near && ip link set near up && ip route add default via 10.77.0.2")
    sh(f"nsenter -t {far.pid} -n sh -c 'ip addr add 10.77.0.2/24 dev far; ip link set far up; ip link set lo up'")
    sh("tc qdisc add dev near root tbf rate 2mbit burst 1000 limit 1000")
    link_round.TIMEOUT_SECONDS = 0.5
    target = Target("server", "10.77.0.2", None, "service")
    found = latency.collect(Host(), ProbeContext((target,), 1.0))
    print(json.dumps({f"{s.labels['target']} {s.metric}": s.value for s in found.samples if "ived" in s.metric}))
finally:
    far.kill()
    far.wait()
"""


def test_a_line_that_drops_large_packets_and_lets_small_ones_through(in_namespace):
    line = in_namespace("ip_forward", "0", NARROW)[-1]
    if line.startswith("cannot"):
        pytest.skip(line)
    assert json.loads(line) == {
        "gateway link_probes_received": 10,
        "server link_probes_received": 10,
        "server link_large_probes_received": 0,
    }


WHOLE = """
import json, os, signal, sys, threading, time
from agent.__main__ import main
threading.Timer(float(sys.argv[1]), lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
started = time.perf_counter()
code = main(["agent", "run", "--state-dir", sys.argv[2]])
print(code, time.perf_counter() - started)
"""


def test_a_stop_does_not_wait_for_the_window(tmp_path, environment, answer_of_enrolment):
    """The second round spreads its probes over 4 s of 10; a stop in its midst ends the agent at once."""
    identity = answer_of_enrolment(interval_seconds=10, targets=[{"name": "loop", "address": "127.0.0.1"}])
    identity.update(collector_url="http://127.0.0.1:1", device_id=device_that_begins_soon(10))
    (tmp_path / "identity.json").write_text(json.dumps(identity), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", WHOLE, "7", str(tmp_path)],
        env=environment,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    code, lasted = done.stdout.split()
    assert code == "0"
    assert 7.0 <= float(lasted) < 8.5


def device_that_begins_soon(interval):
    """An identity whose second round is under way 7 s after the start."""
    from agent.runner import round_offset_seconds

    names = (f"device-{number}" for number in range(1000))
    return next(name for name in names if 5.0 < round_offset_seconds(name, interval) < 5.5)
