"""What a terminal may send across its line to measure it: a round's share of the day's budget.

Bytes are those of IP packets, both ways, as a line carries them; what goes to the gateway stays in the office and is
not counted. A plan's costs are upper bounds, so that a day never exceeds its budget.
"""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

from agent.configuration import HTTP, HTTPS, TCP_BANNER, TLS
from agent.wire.record import dataclass

DAY_SECONDS = 86_400.0

PROBES_PER_ROUND = 10
LARGE_PROBES_PER_ROUND = 2
CONNECTS_PER_ROUND = 2

_ICMP_HEADER_BYTES = 8
_IP_HEADER_BYTES = {4: 20, 6: 40}
# Timestamps are an option of every segment, more of a SYN: 40 bytes of TCP header there, 32 in the others.
_SYN_BYTES, _SEGMENT_BYTES = 40, 32
# SYN, SYN-ACK; then ACK, FIN, ACK, FIN, ACK.
_SYNS, _SEGMENTS = 2, 5
# Question, answer and their acknowledgements; a handshake of TLS 1.2 with three certificates takes 5 to 6 kB.
_QUESTION_BYTES = {HTTP: 1_500, TCP_BANNER: 400, TLS: 7_000, HTTPS: 8_500}

# Terminals work by day, and so do lines: most of a day's budget is for its first ten hours. An account's day begins at
# midnight UTC, which is seven in the morning in Viet Nam. What is left over pays for rounds in detail, and for connects
# that take the place of echoes in mid-round.
_OFFICE_SECONDS = 36_000.0
_OFFICE_RATIO, _NIGHT_RATIO = 0.67, 0.28
# Of the usual rate, for what is rare: large probes, connects, questions.
_RARE_RATIO = 0.15
# Connects and questions come so often for each large probe.
_CONNECTS_A_LARGE = 4
# A round in detail is refused where less than this of the usual would be left for the rest of the day.
_LEFT_RATIO = 1 / 2
# The far targets tell whether a line is full, the edge only where: it gets half as many probes.
_EDGE_WEIGHT, _WEIGHT = 1, 2
# With fewer a round's median is a matter of luck: rather a round less often.
_LEAST, _LEAST_OF_EDGE = 5, 2


def echo_bytes(version: int, payload_bytes: int) -> int:
    """An echo and its reply."""
    return 2 * (_IP_HEADER_BYTES[version] + _ICMP_HEADER_BYTES + payload_bytes)


def connect_bytes(version: int) -> int:
    """A TCP connect that is accepted and closed."""
    header = _IP_HEADER_BYTES[version]
    return _SYNS * (header + _SYN_BYTES) + _SEGMENTS * (header + _SEGMENT_BYTES)


def question_bytes(service: Optional[str]) -> int:
    """What asking a service costs beside its connect; 0 where it is not asked."""
    return 0 if service is None else _QUESTION_BYTES[service]


@dataclass(frozen=True)
class Share:
    """What one target gets in one round.

    Args:
        probes: echoes, or connects in their place where there is no ICMP.
        large: large echoes.
        connects: TCP connects beside the echoes.
        asks: whether the service is asked on the first of these.
    """

    probes: int = PROBES_PER_ROUND
    large: int = LARGE_PROBES_PER_ROUND
    connects: int = CONNECTS_PER_ROUND
    asks: bool = True


# Without a budget, and in detail.
FULL = Share()


@dataclass(frozen=True)
class Far:
    """A target across the line and what probing it costs.

    Args:
        name: of the target.
        probe_bytes: one small probe: an echo, or a connect in its place.
        large_bytes: one large echo; 0 where it gets none.
        connect_bytes: one connect beside the echoes; 0 where it gets none.
        question_bytes: asking its service, beside the connect; 0 where it is not asked.
        is_edge: whether it is the first hop beyond the line.
    """

    name: str
    probe_bytes: int
    large_bytes: int = 0
    connect_bytes: int = 0
    question_bytes: int = 0
    is_edge: bool = False

    def cost(self, share: Share) -> int:
        """Bytes of a share."""
        probes = share.probes * self.probe_bytes + share.large * self.large_bytes
        asked = self.question_bytes if share.asks and (self.connect_bytes or self.question_bytes) else 0
        return probes + share.connects * self.connect_bytes + asked


def plan_round(
    far: Sequence[Far],
    *,
    interval_seconds: float,
    budget_bytes: int,
    spent_bytes: int,
    left_seconds: float,
    number: int,
    in_detail: bool,
) -> Dict[str, Share]:
    """What each target gets in this round; one that gets nothing is missing.

    Where the day's budget allows it, a round in full; else small probes, as many as the budget has room for and never
    so few that they tell nothing, and one of what is rare at a time, every so many rounds.

    Args:
        far: the targets, in an order that stays.
        interval_seconds: from one round to the next.
        budget_bytes: of a day.
        spent_bytes: of it, so far.
        left_seconds: of the day.
        number: of the round: whose turn it is.
        in_detail: whether a round in full may be paid from what the day has left over.
    """
    if not far:
        return {}
    passed = DAY_SECONDS - left_seconds
    usual = interval_seconds * usual_bytes(budget_bytes, passed)
    # Rounds in full may have taken much of the day: what is left is then spread as the whole would have been.
    needed = max(_usual_to_come(budget_bytes, passed), usual)
    left = budget_bytes - spent_bytes
    allowance = usual * min(left / needed, 1.0)
    full = sum(one.cost(FULL) for one in far)
    if full <= allowance or (in_detail and left - full >= needed * _LEFT_RATIO):
        return {one.name: FULL for one in far}
    rare: Dict[str, Tuple[int, int, bool]] = {}
    if left >= needed:
        rare = _rare_of(far, usual * _RARE_RATIO, number)
        allowance -= usual * _RARE_RATIO
    shares = _shares(far, _probes(far, allowance, number), rare)
    return shares if _cost(far, shares) <= left else {}


def usual_bytes(budget_bytes: int, passed_seconds: float) -> float:
    """What may usually be sent in a second of the day, so long after its beginning."""
    if passed_seconds < _OFFICE_SECONDS:
        return budget_bytes * _OFFICE_RATIO / _OFFICE_SECONDS
    return budget_bytes * _NIGHT_RATIO / (DAY_SECONDS - _OFFICE_SECONDS)


def _usual_to_come(budget_bytes: int, passed_seconds: float) -> float:
    """What would usually be sent in the rest of the day."""
    office = max(_OFFICE_SECONDS - passed_seconds, 0.0) * usual_bytes(budget_bytes, 0.0)
    night = min(DAY_SECONDS - passed_seconds, DAY_SECONDS - _OFFICE_SECONDS)
    return office + night * usual_bytes(budget_bytes, DAY_SECONDS)


def _shares(far: Sequence[Far], probes: Dict[str, int], rare: Dict[str, Tuple[int, int, bool]]) -> Dict[str, Share]:
    whole = {one.name: Share(probes.get(one.name, 0), *rare.get(one.name, (0, 0, False))) for one in far}
    return {name: share for name, share in whole.items() if share.probes or share.large or share.connects}


def _cost(far: Sequence[Far], shares: Dict[str, Share]) -> int:
    return sum(one.cost(shares[one.name]) for one in far if one.name in shares)


def _probes(far: Sequence[Far], allowance: float, number: int) -> Dict[str, int]:
    """Small probes by target; where there is not enough for a sound median of each, all wait for their turn."""
    least = {one.name: _LEAST_OF_EDGE if one.is_edge else _LEAST for one in far}
    needed = sum(one.probe_bytes * least[one.name] for one in far)
    if allowance < needed:
        turns = -int(-needed // max(allowance, 1.0))
        return least if number % turns == 0 else {}
    unit = (allowance - needed) / sum(one.probe_bytes * _weight(one) for one in far)
    found = {one.name: min(least[one.name] + int(unit * _weight(one)), PROBES_PER_ROUND) for one in far}
    left = allowance - sum(one.probe_bytes * found[one.name] for one in far)
    for at in range(PROBES_PER_ROUND * len(far)):
        one = far[(number + at) % len(far)]
        if found[one.name] < PROBES_PER_ROUND and one.probe_bytes <= left:
            found[one.name] += 1
            left -= one.probe_bytes
    return found


def _weight(one: Far) -> int:
    return _EDGE_WEIGHT if one.is_edge else _WEIGHT


def _rare_of(far: Sequence[Far], allowance: float, number: int) -> Dict[str, Tuple[int, int, bool]]:
    """(large, connects, asks) by target, of the one thing whose turn it is: dear ones come more rarely."""
    things: List[Tuple[int, str, Tuple[int, int, bool]]] = []
    for one in far:
        if one.large_bytes:
            things.append((one.large_bytes, one.name, (1, 0, False)))
        if one.connect_bytes:
            asks = one.question_bytes > 0
            things += [(one.connect_bytes + one.question_bytes, one.name, (0, 1, asks))] * _CONNECTS_A_LARGE
    if not things:
        return {}
    total = sum(cost for cost, _, _ in things)
    period = max(-int(-total // max(allowance, 1.0)), len(things))
    for at, (_, name, what) in enumerate(things):
        if (number + at * period // len(things)) % period == 0:
            return {name: what}
    return {}


@dataclass
class Account:
    """What was sent of a day's budget.

    Args:
        begun_seconds: of the day, on a clock that never jumps.
        spent_bytes: since then.
        number: of the next round.
    """

    begun_seconds: float
    spent_bytes: int = 0
    number: int = 0

    @classmethod
    def new(cls, now: float, wall: float) -> Account:
        """That of a day which began at midnight UTC by the wall clock, as far as that is right."""
        # Not all terminals have their turns together.
        return cls(now - wall % DAY_SECONDS, number=int(now))

    def left_seconds(self, now: float) -> float:
        """Of the day; a new one begins where it is over.

        Args:
            now: on the clock of `begun_seconds`.
        """
        passed = now - self.begun_seconds
        if not 0 <= passed < DAY_SECONDS:
            self.begun_seconds, self.spent_bytes = now - passed % DAY_SECONDS, 0
        return DAY_SECONDS - (now - self.begun_seconds)

    def spend(self, count_bytes: int) -> None:
        """Counts what a round has sent."""
        self.spent_bytes += count_bytes
        self.number += 1

    def to_json(self, now: float, wall: float) -> Dict[str, float]:
        """What survives a restart: when the day began by the wall clock, and what was spent."""
        return {"begun": wall - (now - self.begun_seconds), "spent": self.spent_bytes, "number": self.number}

    @classmethod
    def restored(cls, kept: object, now: float, wall: float) -> Account:
        """The account that was kept; a day that is over, or nothing usable, is a new one.

        Where the wall clock has gone back the day is taken to begin now, with what was spent.
        """
        if not isinstance(kept, dict):
            return cls.new(now, wall)
        begun, spent, number = kept.get("begun"), kept.get("spent"), kept.get("number")
        if not (isinstance(begun, (int, float)) and isinstance(spent, int) and isinstance(number, int)):
            return cls.new(now, wall)
        passed = max(wall - begun, 0.0)
        if passed < DAY_SECONDS:
            return cls(now - passed, max(spent, 0), number)
        fresh = cls.new(now, wall)
        fresh.number = number
        return fresh
