"""The search on paths made up, and real sockets through a router of network namespaces whose second line is narrow."""

import os
import subprocess
import sys

import pytest

from agent.configuration import EDGE, Target
from agent.errors import NoDataError, ProbeError
from agent.host import Host
from agent.link.path_mtu import ANSWERED, LOST, TOO_LARGE, PathMtu, Way, path_mtu
from agent.probes import path_mtu as probe
from agent.probes.contract import ProbeContext


class MadeUp(Way):
    """A path that carries `carries` bytes; routers tell of it or not, and some packets are lost by chance."""

    def __init__(self, carries, told=None, tells=True, lost=lambda number, size: False):
        self.carries, self.told, self.tells, self.lost = carries, told, tells, lost
        self.sent = []

    def once(self, packet_bytes):
        self.sent.append(packet_bytes)
        if self.lost(len(self.sent), packet_bytes):
            return LOST
        if packet_bytes <= self.carries:
            return ANSWERED
        return TOO_LARGE if self.tells else LOST

    def told_bytes(self):
        return self.told

    def close(self):
        pass


def test_a_wide_path_costs_one_packet():
    way = MadeUp(1500)
    assert path_mtu(way) == PathMtu(1500, is_black_hole=False)
    assert way.sent == [1500]


def test_a_router_that_tells_ends_the_search():
    way = MadeUp(1400, told=1400)
    assert path_mtu(way) == PathMtu(1400, is_black_hole=False)
    assert way.sent == [1500, 1400]


@pytest.mark.parametrize("carries", [85, 576, 1279, 1280, 1453, 1492, 1499])
def test_every_size_is_found_where_nobody_tells(carries):
    way = MadeUp(carries, tells=False)
    assert path_mtu(way) == PathMtu(carries, is_black_hole=True)
    assert len(set(way.sent)) <= 14
    told_without_size = MadeUp(carries)
    assert path_mtu(told_without_size) == PathMtu(carries, is_black_hole=False)


@pytest.mark.parametrize("expected", [86, 700, 1402, 1403, 1404, 1405, 1450, 1499, 1500, 9000, 84, 0, -5])
def test_what_was_found_earlier_spares_the_search_and_decides_nothing(expected):
    way = MadeUp(1404, tells=False)
    assert path_mtu(way, expected) == PathMtu(1404, is_black_hole=True)
    if expected == 1404:
        # Three that are lost of each size above, sent again at the end to be sure.
        assert way.sent == [1500] * 3 + [84, 1404] + [1405] * 6 + [1404]
    wide = MadeUp(1500)
    assert path_mtu(wide, expected) == PathMtu(1500, is_black_hole=False)
    assert wide.sent == [1500]


def test_a_second_router_that_says_nothing_is_a_black_hole_behind_one_that_tells():
    class Two(MadeUp):
        def once(self, packet_bytes):
            word = super().once(packet_bytes)
            return TOO_LARGE if packet_bytes > 1400 else word

    assert path_mtu(Two(1300, told=1400, tells=False)) == PathMtu(1300, is_black_hole=True)


def test_a_lossy_path_is_not_a_narrow_one():
    assert path_mtu(MadeUp(1500, lost=lambda number, size: number % 3 != 0)) == PathMtu(1500, is_black_hole=False)
    # Of the large ones all are lost for a while: the sizes contradict each other in the end.
    congested = MadeUp(1500, lost=lambda number, size: size > 700 and number < 20)
    assert path_mtu(congested) is None


def test_nothing_is_said_of_an_address_that_does_not_answer_or_takes_too_long():
    silent = MadeUp(0, tells=False)
    assert path_mtu(silent) is None
    assert len(silent.sent) == 6
    clock = iter(range(0, 10_000, 3))
    assert path_mtu(MadeUp(1000, tells=False), None, now=lambda: next(clock), limit_seconds=20) is None


def collect(*targets):
    return probe.collect(Host(), ProbeContext(tuple(targets)))


def test_only_targets_with_a_role_are_asked(monkeypatch):
    ways = []

    def way_to(address):
        ways.append(address)
        return MadeUp(1400, told=1400)

    monkeypatch.setattr(probe, "way_to", way_to)
    found = collect(Target("plain", "127.0.0.2"), Target("edge", "127.0.0.1", role=EDGE))
    assert ways == ["127.0.0.1"]
    assert {sample.metric: (sample.value, sample.labels) for sample in found.samples} == {
        "link_path_mtu_bytes": (1400, {"target": "edge"}),
        "link_path_black_hole": (0, {"target": "edge"}),
    }
    assert found.remark == ""
    other = collect(Target("edge", "127.0.0.1", role=EDGE), Target("six", "::1", role=EDGE))
    assert "could not be measured" in other.remark
    with pytest.raises(NoDataError, match="no target is configured"):
        collect(Target("plain", "127.0.0.2"))
    with pytest.raises(ProbeError, match="over IPv4"):
        collect(Target("six", "::1", role=EDGE))


def test_where_echoes_may_not_be_sent(monkeypatch):
    def way_to(address):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(probe, "way_to", way_to)
    with pytest.raises(NoDataError, match="may not send echoes"):
        collect(Target("edge", "127.0.0.1", role=EDGE))


SCRIPT = """
import sys
from agent.link.path_mtu import path_mtu, way_to
way = way_to("10.9.2.2")
print(path_mtu(way))
"""
# Two lines with a router between: this namespace is the router, the other ends are namespaces of their own.
ROUTER = """
set -e
mtu=$1; shift
unshare -n sleep 60 & near=$!
unshare -n sleep 60 & far=$!
trap 'kill $near $far' EXIT
for end in near far; do
  eval pid=\\$$end
  tries=0
  while [ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do
    tries=$((tries + 1)); [ $tries -lt 200 ]; sleep 0.02
  done
done
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
ip link add name near0 type veth peer name host0 netns $near
ip link add name far0 type veth peer name host0 netns $far
ip addr add 10.9.1.1/24 dev near0; ip link set near0 up
ip addr add 10.9.2.1/24 dev far0; ip link set far0 mtu $mtu; ip link set far0 up
nsenter -t $near -n sh -c 'ip addr add 10.9.1.2/24 dev host0; ip link set host0 up; ip route add default via 10.9.1.1'
nsenter -t $far -n sh -c "ip addr add 10.9.2.2/24 dev host0; ip link set host0 mtu $mtu; ip link set host0 up"
nsenter -t $far -n ip route add default via 10.9.2.1
if [ "$1" = mute ]; then
  # The router believes in a wider line than there is, and drops without a word what does not fit.
  ip link set far0 mtu 1500
fi
shift
nsenter -t $near -n "$@"
"""


@pytest.fixture
def through_router(environment):
    if not hasattr(os, "getuid") or os.getuid() != 0:
        pytest.skip("only root can make network namespaces")

    def run(mtu, word):
        done = subprocess.run(
            ["unshare", "-n", "sh", "-c", ROUTER, "sh", str(mtu), word, sys.executable, "-c", SCRIPT],
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=100,
            check=False,
        )
        if "not permitted" in done.stderr or "not supported" in done.stderr or "Unknown" in done.stderr:
            pytest.skip("this machine cannot make such namespaces: " + done.stderr.strip()[:200])
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.mark.parametrize(
    ("mtu", "word", "expected"),
    [
        (1500, "tells", "PathMtu(mtu_bytes=1500, is_black_hole=False)"),
        (1400, "tells", "PathMtu(mtu_bytes=1400, is_black_hole=False)"),
        # The kernel lets four bytes more pass, for a VLAN.
        (1400, "mute", "PathMtu(mtu_bytes=1404, is_black_hole=True)"),
    ],
)
def test_through_a_real_router(through_router, mtu, word, expected):
    assert through_router(mtu, word) == expected
