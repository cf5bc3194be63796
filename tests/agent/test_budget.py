"""What a day of probes across the line takes, by the plan and by the packets that were really sent."""

import math
import random
import socket
import time

import pytest

from agent.configuration import Configuration, Target
from agent.host import LINUX, Host
from agent.link import round as link_round
from agent.link.budget import (
    DAY_SECONDS,
    FULL,
    Account,
    Far,
    Share,
    connect_bytes,
    echo_bytes,
    plan_round,
    question_bytes,
)
from agent.link.orders import LinkOrders, far_targets
from agent.link.round import EchoWay
from agent.probes import latency
from agent.probes.contract import ProbeContext

BUDGET = 1_000_000
ECHO = echo_bytes(4, 8)
CONNECT = connect_bytes(4)


def service(name, service=None):
    return Far(name, ECHO, echo_bytes(4, 1400), CONNECT, question_bytes(service))


def edge(name):
    return Far(name, ECHO, is_edge=True)


def day(far, budget=BUDGET, interval=60.0, detail=lambda number: False, hours=24.0):
    """Shares and total cost of a day of rounds, as the agent plans and pays them."""
    account = Account(0.0)
    rounds = []
    for number in range(int(hours * 3600 / interval)):
        shares = plan_round(
            far,
            interval_seconds=interval,
            budget_bytes=budget,
            left_seconds=account.left_seconds(number * interval),
            spent_bytes=account.spent_bytes,
            number=number,
            in_detail=detail(number),
        )
        account.spend(sum(one.cost(shares[one.name]) for one in far if one.name in shares))
        rounds.append(shares)
    return rounds, account.spent_bytes


def test_packets_cost_what_their_headers_say():
    # 20 bytes of IP, 8 of ICMP, 8 of payload, there and back; IPv6 takes 20 more of each.
    assert echo_bytes(4, 8) == 72
    assert echo_bytes(6, 8) == 112
    assert echo_bytes(4, 1400) == 2856
    # Two SYN of 60 bytes, five segments of 52: acknowledgement, and two ends with theirs.
    assert connect_bytes(4) == 2 * 60 + 5 * 52


@pytest.mark.parametrize(
    ("far", "by_day", "night_rounds"),
    [
        ([service("collector")], (10,), 2),
        ([service("collector"), edge("edge")], (8, 4), 2),
        ([service("collector"), edge("edge"), service("server", "https")], (5, 2, 5), 4),
        ([service("collector"), edge("edge"), service("server", "https"), service("conference")], (5, 2, 5, 5), 8),
    ],
)
def test_a_day_stays_within_its_budget_and_no_round_tells_less_than_a_median(far, by_day, night_rounds):
    rounds, spent = day(far)
    assert 0.6 * BUDGET < spent <= BUDGET
    for at, one in enumerate(far):
        counts = [shares[one.name].probes if one.name in shares else 0 for shares in rounds]
        assert min(count for count in counts if count) >= (2 if one.is_edge else 5)
        assert all(max(counts[first : first + 2]) >= by_day[at] for first in range(598))
        assert all(max(counts[first : first + night_rounds]) for first in range(1440 - night_rounds))
        large = sum(shares[one.name].large for shares in rounds if one.name in shares)
        connects = sum(shares[one.name].connects for shares in rounds if one.name in shares)
        assert (large > 0) == (one.large_bytes > 0)
        assert (connects > large) == (one.connect_bytes > 0)


def test_what_is_rare_comes_one_at_a_time_and_evenly():
    far = [service("collector"), edge("edge"), service("server", "https")]
    rounds, _spent = day(far)
    dear = [at for at, shares in enumerate(rounds[:600]) if any(one.large or one.connects for one in shares.values())]
    gaps = [after - before for before, after in zip(dear, dear[1:])]
    assert max(gaps) - min(gaps) <= 2
    for shares in rounds:
        assert sum(one.large + one.connects for one in shares.values()) <= 1


def test_connects_in_place_of_echoes_are_within_the_same_budget():
    far = [Far("a", CONNECT), Far("b", CONNECT)]
    rounds, spent = day(far)
    assert spent <= BUDGET
    # A connect costs five echoes: five of each by day in every fourth or fifth round, by night in every fourteenth.
    for name in "ab":
        turns = [at for at, shares in enumerate(rounds) if name in shares]
        gaps = [after - before for before, after in zip(turns, turns[1:])]
        assert max(gaps[:100]) <= 5
        assert max(gaps) <= 14
        assert {shares[name].probes for shares in rounds if name in shares} == {5}


def test_detail_is_paid_from_what_is_left_and_never_blinds():
    far = [service("collector"), edge("edge")]
    rounds, spent = day(far, detail=lambda number: True)
    full = [at for at, shares in enumerate(rounds) if shares.get("edge") is FULL]
    assert spent <= BUDGET
    # An hour and more in full ...
    assert len(full) >= 60
    assert full[:60] == list(range(60))
    # ... and afterwards still a median of each every four minutes.
    for one in far:
        turns = [at for at, shares in enumerate(rounds) if one.name in shares and shares[one.name].probes]
        assert max(after - before for before, after in zip(turns, turns[1:])) <= 4


def test_detail_of_an_hour_in_an_office_day():
    rounds, spent = day([service("collector"), edge("edge")], detail=lambda number: 120 <= number < 180, hours=9.0)
    assert spent <= BUDGET
    assert all(shares["edge"] is FULL for shares in rounds[120:180])
    assert all("edge" in {**before, **after} for before, after in zip(rounds[180:], rounds[181:]))


def test_a_large_budget_measures_in_full_each_round():
    rounds, _spent = day([service("server", "http"), edge("edge")], budget=1_000_000_000, interval=10.0, hours=1.0)
    assert all(share is FULL for shares in rounds for share in shares.values())


def test_any_plan_is_within_what_is_left():
    chance = random.Random(11)
    for _ in range(3000):
        far = [
            Far(
                str(at),
                chance.choice((ECHO, 112, CONNECT)),
                chance.choice((0, 2856)),
                chance.choice((0, CONNECT)),
                chance.choice((0, 1500, 8500)),
            )
            for at in range(chance.randrange(1, 33))
        ]
        budget = chance.randrange(10_000, 3_000_000)
        spent = chance.randrange(0, budget + 1)
        shares = plan_round(
            far,
            interval_seconds=chance.choice((1, 10, 60, 300, 86_400)),
            budget_bytes=budget,
            spent_bytes=spent,
            left_seconds=chance.uniform(0.001, DAY_SECONDS),
            number=chance.randrange(100_000),
            in_detail=chance.random() < 0.5,
        )
        assert sum(one.cost(shares[one.name]) for one in far if one.name in shares) <= budget - spent


@pytest.mark.parametrize("count", [9, 20, 32])
def test_many_targets_take_turns(count):
    far = [Far(str(at), ECHO) for at in range(count)]
    rounds, spent = day(far)
    assert spent <= BUDGET
    for one in far:
        turns = [at for at, shares in enumerate(rounds) if one.name in shares]
        gaps = {after - before for before, after in zip(turns, turns[1:])}
        assert max(gaps) <= math.ceil(5 * count * ECHO / (BUDGET * 0.28 / 840 * 0.85)) * 2


def test_an_account_survives_a_restart_and_a_clock_that_goes_back():
    account = Account(1000.0)
    account.spend(700_000)
    kept = account.to_json(now=1000.0 + 3600, wall=2_000_000.0)
    # A new boot: the monotonic clock begins again.
    again = Account.restored(kept, now=50.0, wall=2_000_000.0 + 600)
    assert (again.spent_bytes, again.number) == (700_000, 1)
    assert again.left_seconds(50.0) == pytest.approx(DAY_SECONDS - 4200)
    # The battery of the clock is dead: what was spent is not forgotten.
    lost = Account.restored(kept, now=50.0, wall=1_000.0)
    assert lost.spent_bytes == 700_000
    assert lost.left_seconds(50.0) == DAY_SECONDS
    # A day later it is another day.
    assert Account.restored(kept, now=50.0, wall=2_000_000.0 + DAY_SECONDS).spent_bytes == 0
    assert again.left_seconds(50.0 + DAY_SECONDS) == pytest.approx(DAY_SECONDS - 4200)
    assert again.spent_bytes == 0


@pytest.mark.parametrize("kept", [None, [], {"begun": "x", "spent": 1, "number": 1}, {"begun": 1.0}, 7])
def test_an_account_that_cannot_be_read_is_a_new_one(kept):
    assert Account.restored(kept, now=5.0, wall=100.0) == Account(-95.0, number=5)


def test_a_day_begins_at_seven_in_viet_nam():
    # 2026-11-22T03:00:00Z, which is ten o'clock there.
    account = Account.new(now=50.0, wall=1_795_316_400.0)
    assert account.left_seconds(50.0) == 21 * 3600
    account.spend(5)
    assert account.left_seconds(50.0 + 21 * 3600 - 1) == 1
    assert account.spent_bytes == 5
    assert account.left_seconds(50.0 + 21 * 3600) == DAY_SECONDS
    assert account.spent_bytes == 0


# --- what is really sent ---


class CountedEchoes:
    """A socket that counts what is sent through it; nothing comes back, or everything at once."""

    def __init__(self):
        self.channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sent = []

    def send(self, address, sequence, size_bytes):
        self.sent.append((address[0], size_bytes))

    def receive(self):
        return iter(())

    def close(self):
        self.channel.close()


@pytest.fixture
def echoes(monkeypatch):
    opened = []

    def open_way(version):
        opened.append(CountedEchoes())
        return EchoWay(opened[-1], latency.ICMP_RAW, None)

    monkeypatch.setattr(latency, "open_way", open_way)
    monkeypatch.setattr(link_round, "TIMEOUT_SECONDS", 0.05)
    return opened


@pytest.fixture
def listener():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield server.getsockname()[1]


def collect(tmp_path, orders, memory):
    context = ProbeContext((), 0.02, None, memory=memory, orders=orders)
    return latency.collect(Host(tmp_path, LINUX), context)


def test_a_round_sends_its_share_and_counts_it(echoes, listener, tmp_path):
    orders = LinkOrders(
        (Target("collector", "127.0.0.1", listener, role="service"), Target("edge", "127.0.0.2", role="edge")),
        measure_gateway=False,
        budget_bytes=BUDGET,
        account=Account(Host().monotonic_time_seconds()),
    )
    memory = {}
    collected = collect(tmp_path, orders, memory)
    sent = [size for way in echoes for _address, size in way.sent]
    assert sent.count(8) == 13
    samples = {(one.metric, one.labels["target"]): one.value for one in collected.samples}
    # Nothing has answered yet: a connect tells a filter from an outage.
    assert samples["link_connects_tried", "collector"] >= 1
    assert orders.account.number == 1
    connects = sum(value for (metric, _), value in samples.items() if metric == "link_connects_tried")
    assert orders.account.spent_bytes == sum(echo_bytes(4, size) for size in sent) + connects * CONNECT
    assert not orders.is_full


def test_in_detail_a_round_is_full(echoes, listener, tmp_path):
    orders = LinkOrders(
        (Target("collector", "127.0.0.1", listener, role="service"),),
        measure_gateway=False,
        budget_bytes=BUDGET,
        in_detail=True,
        account=Account(time.monotonic()),
    )
    collect(tmp_path, orders, {})
    assert sorted({size for way in echoes for _address, size in way.sent}) == [8, 1400]
    assert orders.is_full


def test_a_target_whose_turn_it_is_not_keeps_its_method(echoes, tmp_path):
    targets = tuple(Target(f"t{at}", f"127.0.0.{at + 2}") for at in range(20))
    orders = LinkOrders(targets, measure_gateway=False, budget_bytes=BUDGET, account=Account(time.monotonic()))
    memory = {}
    seen = [collect(tmp_path, orders, memory) for _ in range(20)]
    measured = [{one.labels["target"] for one in found.samples} for found in seen]
    assert set() in measured
    assert {target.name for target in targets} in measured
    first = measured.index({target.name for target in targets})
    assert [one.facts["link_method"] for one in seen[first:]] == [seen[first].facts["link_method"]] * (20 - first)


def test_the_uploads_own_connects_are_the_line_s_measure(tmp_path):
    class Times:
        def __init__(self, connect_seconds):
            self.connect_seconds = connect_seconds

    taken = [[Times(0.02), Times(1.2), Times(None)]]
    orders = LinkOrders(measure_gateway=False, take_connects=taken.pop, measures_collector=True)
    collected = collect(tmp_path, orders, {})
    assert {one.metric: one.value for one in collected.samples} == {
        "link_connects_tried": 3,
        "link_connects_slow": 1,
        "link_connects_failed": 1,
        "link_connect_p50_seconds": 0.61,
    }
    assert all(one.labels == {"target": "collector"} for one in collected.samples)


def test_an_ordinary_terminal_sends_nothing_across_the_line():
    told = Configuration(targets=(Target("edge", "10.0.0.1"),), measure_collector=True, role="ordinary")
    orders = LinkOrders()
    orders.follow(told, "https://collector.example:8443")
    assert orders.targets == ()
    assert orders.measure_gateway
    assert orders.measures_collector
    orders.follow(Configuration(targets=told.targets, measure_collector=True), "https://collector.example:8443")
    assert [(one.name, one.address, one.port, one.role) for one in orders.targets] == [
        ("edge", "10.0.0.1", None, None),
        ("collector", "collector.example", 8443, "service"),
    ]


@pytest.mark.parametrize(
    ("url", "port"), [("https://a.example", 443), ("http://127.0.0.1", 80), ("http://[::1]:8600", 8600)]
)
def test_the_collector_s_place_is_that_of_the_enrolment(url, port):
    assert far_targets(Configuration(measure_collector=True), url)[0].port == port


def test_a_configured_target_of_that_name_stands():
    told = Configuration(targets=(Target("collector", "10.9.9.9"),), measure_collector=True)
    assert far_targets(told, "https://a.example") == told.targets


def test_shares_are_named_by_what_they_cost():
    one = Far("server", ECHO, 2856, CONNECT, 1500)
    assert one.cost(Share(3, 1, 1, asks=True)) == 3 * ECHO + 2856 + CONNECT + 1500
    assert one.cost(Share(3, 0, 1, asks=False)) == 3 * ECHO + CONNECT
