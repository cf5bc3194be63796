"""A round's shares of the day's budget, given to the targets and counted after it."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Set

from agent.configuration import EDGE, SERVICE
from agent.link.budget import Far, Share, connect_bytes, echo_bytes, plan_round, question_bytes
from agent.link.echo import FAR_BYTES, LARGE_BYTES
from agent.link.orders import LinkOrders
from agent.link.round import TCP_CONNECT, Aim, EchoWay, LinkRound
from agent.link.round_trips import Measured
from agent.wire.record import replace

# The default gateway is a target of this name; a configured one of the same name takes its place.
GATEWAY = "gateway"

# Targets that answered the newest echoes, in the probe's memory.
_ANSWERED = "answered"


def share_out(
    aims: Sequence[Aim], ways: Mapping[int, EchoWay], memory: Dict[str, Any], orders: LinkOrders, now: float
) -> List[Aim]:
    """The aims with their shares of this round; one whose turn it is not is left out.

    Args:
        aims: every target whose address is known.
        ways: version of IP -> how echoes can be sent.
        memory: of the probe.
        orders: with the budget.
        now: on a clock that never jumps, as the account's.
    """
    account = orders.account
    if orders.budget_bytes is None or account is None:
        return list(aims)
    far = [_far(aim, ways[aim.version]) for aim in aims if aim.target.name != GATEWAY]
    shares = plan_round(
        far,
        interval_seconds=orders.interval_seconds,
        budget_bytes=orders.budget_bytes,
        left_seconds=account.left_seconds(now),
        spent_bytes=account.spent_bytes,
        number=account.number,
        in_detail=orders.in_detail,
    )
    answered: Set[str] = memory.setdefault(_ANSWERED, set())
    shared: List[Aim] = []
    for aim in aims:
        name = aim.target.name
        if name == GATEWAY:
            shared.append(aim)
            continue
        share = shares.get(name)
        if share is None:
            continue
        if aim.target.port is not None and not share.connects and name not in answered:
            # A filter that drops echoes must not be taken for an outage until a connect is due.
            share = Share(share.probes, share.large, 1, asks=False)
        shared.append(replace(aim, share=share, small_bytes=FAR_BYTES))
    return shared


def _far(aim: Aim, way: EchoWay) -> Far:
    """What probing this target costs on the way it will be probed."""
    target, version = aim.target, aim.version
    connect = connect_bytes(version) if target.port is not None else 0
    question = question_bytes(target.service)
    is_edge = target.role == EDGE
    if aim.is_silent or way.channel is None:
        return Far(target.name, connect or echo_bytes(version, FAR_BYTES), question_bytes=question, is_edge=is_edge)
    large = echo_bytes(version, LARGE_BYTES) if target.role == SERVICE else 0
    return Far(target.name, echo_bytes(version, FAR_BYTES), large, connect, question, is_edge)


def note_round(
    link_round: LinkRound, found: Mapping[str, Measured], memory: Dict[str, Any], orders: LinkOrders
) -> None:
    """Counts what the round took of the line, and remembers who answered."""
    if orders.account is not None:
        orders.account.spend(sum(count for name, count in link_round.sent_bytes.items() if name != GATEWAY))
    answered: Set[str] = memory.setdefault(_ANSWERED, set())
    for name, measured in found.items():
        series = measured.series
        if measured.method == TCP_CONNECT or series is None or series.round_trips_seconds:
            answered.add(name)
        else:
            answered.discard(name)
