"""The election alone: how soon a prober is replaced, how little is moved, and who is chosen."""

import heapq
import itertools
import random

import pytest

from collector.steering.election import (
    FLAPPING_SECONDS,
    ORDINARY,
    PROBER,
    PROVED_SECONDS,
    STANDBY,
    SWAP_SECONDS,
    Held,
    Member,
    Terms,
    Traits,
    elect,
    fitness,
    traits_of,
)

TERMS = Terms()
GOOD = Traits(can_ping=True, is_portable=False, is_wireless=False)
LAPTOP = Traits(can_ping=True, is_portable=True, is_wireless=True)


class Office:
    """A site whose terminals upload as they were told, and the collector that elects as they speak."""

    def __init__(self, terms=TERMS, ordinary_seconds=900.0):
        self.terms, self.ordinary_seconds = terms, ordinary_seconds
        self.members, self.held, self.on = {}, {}, {}
        self.told, self.changes, self.queue, self.now = {}, [], [], 0.0

    def add(self, device_id, traits=Traits()):  # noqa: B008 - a value
        self.members[device_id] = Member(device_id, float("-inf"), 0.0, traits)

    def switch_on(self, device_id, at, delay=2.0):
        turn = self.on.get(device_id, (0, False))[0] + 1
        self.on[device_id] = (turn, True)
        self.members[device_id] = self._but(device_id, working_since=at)
        heapq.heappush(self.queue, (at + delay, device_id, turn))

    def switch_off(self, device_id):
        self.on[device_id] = (self.on[device_id][0] + 1, False)

    def is_on(self, device_id):
        return self.on.get(device_id, (0, False))[1]

    def _but(self, device_id, **changes):
        old = self.members[device_id]
        values = {
            name: getattr(old, name) for name in ("device_id", "uploaded_at", "working_since", "traits", "lost_at")
        }
        return Member(**{**values, **changes})

    def speak(self, device_id, at):
        self.now = at
        self.members[device_id] = self._but(device_id, uploaded_at=at)
        found = elect(self.members[device_id], self.members.values(), self.held, at, self.terms)
        for change in found:
            if change.role == ORDINARY:
                self.held.pop(change.device_id, None)
            else:
                self.held[change.device_id] = Held(change.role, at)
            if change.by_silence:
                self.members[change.device_id] = self._but(change.device_id, lost_at=at)
            self.changes.append((at, change))
        self.told[device_id] = self.held[device_id].role if device_id in self.held else ORDINARY

    def run_to(self, end, chance):
        """Lets everybody upload who is on: each minute, or in batches, with a slow line's delay."""
        while self.queue and self.queue[0][0] <= end:
            at, device_id, turn = heapq.heappop(self.queue)
            if self.on[device_id] != (turn, True):
                continue
            self.speak(device_id, at)
            wait = self.ordinary_seconds if self.told[device_id] == ORDINARY else 60.0
            heapq.heappush(self.queue, (at + wait + chance.uniform(0.0, 10.0), device_id, turn))
        self.now = end

    def holders(self, role):
        return [one for one, held in self.held.items() if held.role == role]

    def working(self):
        """Probers that are on and know that they are."""
        return [one for one in self.holders(PROBER) if self.is_on(one) and self.told.get(one) == PROBER]


def office(count, **options):
    made = Office(**options)
    for number in range(count):
        made.add(f"t{number:02}")
    return made


def test_a_terminal_alone_is_a_prober():
    one = office(1)
    one.speak("t00", 0.0)
    assert one.told == {"t00": PROBER}


def test_the_first_to_speak_fill_the_places():
    made = office(6)
    for number in range(6):
        made.speak(f"t{number:02}", float(number))
    assert [made.told[f"t{number:02}"] for number in range(6)] == [PROBER, PROBER, PROBER, STANDBY, ORDINARY, ORDINARY]


def test_who_speaks_keeps_its_role():
    made = office(8)
    chance = random.Random(3)
    for number in range(8):
        made.switch_on(f"t{number:02}", float(number))
    made.run_to(600.0, chance)
    first = dict(made.held)
    made.run_to(8 * 3600.0, chance)
    assert made.held == first


@pytest.mark.parametrize("seed", range(60))
def test_a_prober_that_goes_off_is_replaced_within_three_minutes(seed):
    """Whenever it goes off, in whatever phase of the uploads, at offices of every size."""
    chance = random.Random(seed)
    count = chance.randrange(5, 40)
    made = office(count)
    for number in range(count):
        made.switch_on(f"t{number:02}", chance.uniform(0.0, 300.0))
    at = 1500.0
    made.run_to(at, chance)
    slowest = 0.0
    for _ in range(6):
        at += chance.uniform(1000.0, 2500.0)
        made.run_to(at, chance)
        assert len(made.working()) == 3
        assert len(made.holders(STANDBY)) == 1
        gone = chance.choice(made.working())
        made.switch_off(gone)
        step = at
        while len(made.working()) < 3:
            step += 1.0
            made.run_to(step, chance)
            assert step - at <= 180.0
        slowest = max(slowest, step - at)
        # Somebody else is on again, so that the office does not run empty.
        made.switch_on(gone, step + 5.0)
        at = step
    assert slowest > 20.0


@pytest.mark.parametrize("seed", range(20))
def test_the_standby_goes_off_too(seed):
    """Without any standby the next to speak is elected on the spot."""
    chance = random.Random(seed)
    made = office(20)
    for number in range(20):
        made.switch_on(f"t{number:02}", chance.uniform(0.0, 300.0))
    made.run_to(3000.0, chance)
    for one in [*made.holders(PROBER), *made.holders(STANDBY)]:
        made.switch_off(one)
    made.run_to(3000.0 + 101.0, chance)
    speaker = next(one for one in made.members if made.is_on(one))
    made.speak(speaker, made.now)
    assert made.told[speaker] == PROBER
    made.run_to(3000.0 + 101.0 + 920.0, chance)
    assert len(made.working()) == 3


def test_the_first_of_a_morning_takes_over_at_once():
    made = office(6)
    for number in range(4):
        made.speak(f"t{number:02}", float(number))
    made.speak("t05", 50_000.0)
    assert made.told["t05"] == PROBER
    assert sorted(made.holders(PROBER)) == ["t01", "t02", "t05"]
    # One that was prober yesterday and whose place nobody has taken goes on.
    made.speak("t01", 50_010.0)
    assert made.told["t01"] == PROBER
    # And one whose place is taken gets one that is free: the others are silent still.
    made.speak("t00", 50_020.0)
    assert made.told["t00"] == PROBER
    assert sorted(made.holders(PROBER)) == ["t00", "t01", "t05"]


@pytest.mark.parametrize("seed", range(25))
def test_two_that_flap_take_nothing_from_those_that_work(seed):
    chance = random.Random(seed)
    made = office(9)
    for number in range(9):
        made.switch_on(f"t{number:02}", float(number))
    made.run_to(2000.0, chance)
    steady = {f"t{number:02}" for number in range(9)} - {"t00", "t01"}
    at, flaps = 2000.0, 0
    while at < 6 * 3600.0:
        for one in ("t00", "t01"):
            if made.is_on(one):
                made.switch_off(one)
                flaps += 1
            else:
                made.switch_on(one, at)
        at += chance.uniform(100.0, 400.0)
        made.run_to(at, chance)
    lost = [change for _, change in made.changes if change.device_id in steady and change.role == ORDINARY]
    assert lost == []
    # The first falls cost their roles; after that they are nobody's probers any more.
    late = [change for moment, change in made.changes if moment > 2000.0 + 3600.0]
    assert late == []
    assert flaps > 60
    assert set(made.holders(PROBER)) | set(made.holders(STANDBY)) <= steady


@pytest.mark.parametrize("seed", range(30))
def test_there_are_never_more_than_there_shall_be(seed):
    chance = random.Random(seed)
    count = chance.randrange(1, 12)
    terms = Terms(chance.randrange(1, 5), chance.randrange(1, 3))
    made = office(count, terms=terms)
    names = list(made.members)
    at = 0.0
    for _ in range(2000):
        at += chance.uniform(0.5, 120.0)
        made.speak(chance.choice(names), at)
        assert len(made.holders(PROBER)) <= terms.probers
        assert len(made.holders(STANDBY)) <= terms.standbys


def test_fewer_are_wanted_than_there_are():
    held = {f"t{number}": Held(PROBER, float(number)) for number in range(4)}
    members = [Member(f"t{number}", 100.0, 0.0) for number in range(4)]
    terms = Terms(probers=2)
    assert elect(members[0], members, held, 100.0, terms) == []
    assert [one.role for one in elect(members[3], members, held, 100.0, terms)] == [ORDINARY]


def test_a_better_terminal_takes_over_after_a_while_and_only_once():
    made = Office()
    for number in range(4):
        made.add(f"laptop{number}", LAPTOP)
    for number in range(3):
        made.add(f"desk{number}", GOOD)
    chance = random.Random(1)
    for one in made.members:
        made.switch_on(one, 0.0 if one.startswith("laptop") else 100.0)
    made.run_to(SWAP_SECONDS - 200.0, chance)
    assert sorted(made.holders(PROBER)) == ["laptop0", "laptop1", "laptop2"]
    made.run_to(5 * SWAP_SECONDS, chance)
    assert sorted(made.holders(PROBER)) == ["desk0", "desk1", "desk2"]
    swaps = [moment for moment, change in made.changes if change.role == PROBER and change.device_id.startswith("desk")]
    assert min(after - before for before, after in itertools.pairwise(swaps)) >= SWAP_SECONDS
    before = len(made.changes)
    made.run_to(12 * SWAP_SECONDS, chance)
    assert len(made.changes) == before


def test_probers_of_several_kinds_are_preferred():
    same, other = Traits(True, False, False, "dell"), Traits(True, False, False, "hp")
    now = 10 * SWAP_SECONDS
    members = [Member(f"t{number}", now, 0.0, same) for number in range(4)] + [Member("t9", now, 0.0, other)]
    held = {f"t{number}": Held(PROBER, 0.0) for number in range(3)} | {"t3": Held(STANDBY, 0.0)}
    found = elect(members[4], members, held, now, TERMS)
    assert (found[0].device_id, found[0].role) == ("t9", PROBER)
    assert found[1].role == ORDINARY
    held = {"t9": Held(PROBER, 0.0), "t0": Held(PROBER, 0.0), "t1": Held(PROBER, 0.0), "t3": Held(STANDBY, 0.0)}
    assert elect(members[2], members, held, now, TERMS) == []


def test_nobody_takes_over_who_has_only_just_come():
    now = 10 * SWAP_SECONDS
    members = [Member(f"t{number}", now, 0.0, LAPTOP) for number in range(4)]
    held = {f"t{number}": Held(PROBER, 0.0) for number in range(3)} | {"t3": Held(STANDBY, 0.0)}
    fresh = Member("new", now, now - PROVED_SECONDS + 1, GOOD)
    assert elect(fresh, [*members, fresh], held, now, TERMS) == []
    proved = Member("new", now, now - PROVED_SECONDS, GOOD)
    assert elect(proved, [*members, proved], held, now, TERMS)[0].device_id == "new"
    flapping = Member("new", now, now - PROVED_SECONDS, GOOD, now - FLAPPING_SECONDS + 1)
    assert elect(flapping, [*members, flapping], held, now, TERMS) == []


def test_a_prober_without_a_row_among_the_members_gives_way():
    # Its right to report was ended between two looks at the registry.
    held = {"gone": Held(PROBER, 0.0), "a": Held(PROBER, 0.0), "b": Held(PROBER, 0.0)}
    members = [Member("a", 10.0, 0.0), Member("b", 10.0, 0.0), Member("c", 10.0, 0.0)]
    found = elect(members[2], members, held, 10.0, TERMS)
    assert [(one.device_id, one.role, one.by_silence) for one in found] == [
        ("c", PROBER, False),
        ("gone", ORDINARY, False),
    ]


def test_traits_are_those_of_the_facts():
    facts = {
        "link_method": [{"target": "gateway", "method": "icmp_raw", "reason": None}],
        "chassis": [{"type": "Mini Tower"}],
        "system": [{"manufacturer": "Dell Inc.", "product": "OptiPlex 3020"}],
        "network_adapter": [{"name": "eth0", "mac": "98:90:96:aa:bb:cc", "speed_mbps": 1000, "physical": True}],
    }
    assert traits_of(facts) == Traits(True, False, False, "Dell Inc.|OptiPlex 3020|98:90:96")
    facts["chassis"] = [{"type": "Notebook"}]
    facts["network_adapter"] = [
        {"name": "eth0", "mac": "98:90:96:aa:bb:cc", "speed_mbps": None},
        {"name": "wlp2s0", "mac": "00:11:22:33:44:55", "speed_mbps": 150},
    ]
    facts["link_method"] = [
        {"target": "gateway", "method": None, "reason": "x"},
        {"target": "a", "method": "tcp_connect"},
    ]
    assert traits_of(facts) == Traits(False, True, True, "Dell Inc.|OptiPlex 3020|00:11:22")
    assert traits_of({}) == Traits()
    assert traits_of({"chassis": "x", "system": [1], "battery": [{"name": "b"}]}).is_portable
    assert fitness(GOOD) > fitness(LAPTOP) > fitness(Traits()) > fitness(Traits(can_ping=False, is_portable=False))
