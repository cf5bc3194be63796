"""The running estimate of RFC 3550 against its definition in one-way terms, and carried from round to round."""

import random

import pytest

from agent.configuration import Target
from agent.host import LINUX, Host
from agent.link.round_trips import Measured, Series, numbers_of, running_jitter
from agent.probes import latency
from agent.probes.contract import ProbeContext


def jitter_of_the_rfc(sent, received, jitter=0.0):
    """Section 6.4.1 word by word: D(i-1,i) = (R_i - R_i-1) - (S_i - S_i-1), J += (|D| - J) / 16."""
    for at in range(1, len(sent)):
        difference = (received[at] - received[at - 1]) - (sent[at] - sent[at - 1])
        jitter += (abs(difference) - jitter) / 16
    return jitter


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_rfc_s_whatever_the_spacing(seed):
    chance = random.Random(seed)
    sent, received, now = [], [], 0.0
    for _ in range(40):
        now += chance.uniform(0.5, 6.0)
        sent.append(now)
        received.append(now + chance.uniform(0.01, 0.2))
    round_trips = [back - out for out, back in zip(sent, received)]
    assert running_jitter(round_trips, 0.0) == pytest.approx(jitter_of_the_rfc(sent, received), rel=1e-9)


def test_rounds_follow_each_other_without_the_pause_between():
    first, second = (0.010, 0.030), (0.500, 0.540)
    after_first = running_jitter(first, 0.010)
    assert after_first == pytest.approx(0.010 + (0.020 - 0.010) / 16)
    # From 0.030 to 0.500 a minute has gone by, and perhaps a change of route: it is no variation between neighbours.
    assert running_jitter(second, after_first) == pytest.approx(after_first + (0.040 - after_first) / 16)


def test_the_beginning_is_not_too_low():
    steady = [0.010, 0.030] * 5
    assert running_jitter(steady, None) == pytest.approx(0.020)
    assert running_jitter(steady, 0.0) < 0.010
    assert running_jitter([0.010], None) is None
    assert running_jitter([], 0.004) == 0.004


def test_a_single_late_probe_counts_for_a_sixteenth_twice():
    quiet = running_jitter([0.010] * 10, 0.0)
    late = running_jitter([0.010] * 5 + [0.170] + [0.010] * 4, 0.0)
    assert quiet == 0.0
    assert late == pytest.approx(0.160 / 16 * (15 / 16) ** 4 + 0.160 / 16 * (15 / 16) ** 3)


def test_the_handshake_is_a_number_of_its_own():
    measured = Measured("icmp_raw", None, Series(10, ()), None, None, 0.25, handshake_seconds=0.0312345678)
    assert numbers_of(measured)["link_handshake_seconds"] == 0.031235


class TestTheProbe:
    @pytest.fixture
    def collect(self, tmp_path, monkeypatch):
        context = ProbeContext((Target("far", "127.0.0.1"),), measure_gateway=False)

        def run(method, *round_trips):
            measured = Measured(method, None, Series(10, round_trips))
            monkeypatch.setattr(latency, "_measure", lambda *arguments: {"far": measured})
            found = latency.collect(Host(tmp_path, LINUX), context)
            return {sample.metric: sample.value for sample in found.samples}.get("link_jitter_seconds")

        return run

    def test_it_goes_on_where_it_was(self, collect):
        assert collect("icmp_raw", 0.010, 0.030) == 0.02
        assert collect("icmp_raw") is None
        assert collect("icmp_raw", 0.010) is None
        assert collect("icmp_raw", 0.010, 0.010) == pytest.approx(0.02 * 15 / 16)

    def test_each_method_has_its_own(self, collect):
        collect("icmp_raw", 0.010, 0.010)
        assert collect("tcp_connect", 0.010, 0.050) == 0.04
        assert collect("icmp_raw", 0.010, 0.010) == 0.0
