"""What people and alerts ask terminals for: kept, checked, and turned into what each terminal is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Row, insert, select, update

from agent.wire.message import Message, mark
from alerts.state import FIRING, PENDING, AlertState
from collector.db.decisions import Author, DecisionError, UnknownTargetError
from collector.db.steering_tables import wish
from collector.db.tables import alert_state, device

LONGEST_MINUTES = 24 * 60
# Rules whose alerts are about a site's line: the more is known of it the better.
LINE_RULES = frozenset(
    {"congestion", "jitter_high", "link_loss", "outage", "path_change", "service_slow", "voice_quality_low"}
)
# A doubt mostly comes to nothing: it asks for a shorter time.
_DOUBT_SECONDS = 1800
# What the registry can count to.
_LARGEST_NUMBER = 2**63 - 1

NO_DEVICE = mark("there is no terminal {device}")
NO_SITE = mark("there is no terminal at {unit}/{site}")
NOTHING_ASKED = mark("say what is asked for: delivery each minute, detail, or a way to trace")
NO_TARGET = mark("there is no target {target}; there are: {known}")
TOO_LONG = mark("a wish may last 1 to {most} minutes, not {minutes}")
NO_WISH = mark("there is no wish {number} that still holds")


@dataclass(frozen=True, slots=True)
class Asked:
    """A wish as it is stated.

    Args:
        device_id: one terminal; empty for a site's.
        unit_code, site: the site.
        minutes: how long it holds.
        deliver: reports each minute.
        detail: probers measure in full.
        trace_target: name of the target whose way is to be traced; empty for none.
    """

    minutes: int
    device_id: str = ""
    unit_code: str = ""
    site: str = ""
    deliver: bool = False
    detail: bool = False
    trace_target: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """A wish that holds."""

    id: int
    device_id: str | None
    place: tuple[str, str] | None
    deliver: bool
    detail: bool
    trace_target: str | None
    until: float


def add_wish(connection: Connection, asked: Asked, targets: Iterable[str], author: Author) -> int:
    """Keeps a wish; returns its number.

    Args:
        connection: within a transaction.
        asked: what for.
        targets: names of measured targets.
        author: who asks, and when.

    Raises:
        UnknownTargetError: no such terminal, or none at that site.
        DecisionError: nothing is asked for, the time is out of bounds, or the target is not measured.
    """
    if not (asked.deliver or asked.detail or asked.trace_target):
        raise DecisionError(Message(NOTHING_ASKED))
    if not 1 <= asked.minutes <= LONGEST_MINUTES:
        raise DecisionError(Message(TOO_LONG, {"most": LONGEST_MINUTES, "minutes": asked.minutes}))
    known = list(targets)
    if asked.trace_target and asked.trace_target not in known:
        raise DecisionError(Message(NO_TARGET, {"target": asked.trace_target, "known": ", ".join(known)}))
    _check_place(connection, asked)
    row = {
        "device_id": asked.device_id or None,
        "unit_code": None if asked.device_id else asked.unit_code,
        "site": None if asked.device_id else asked.site,
        "deliver": asked.deliver,
        "detail": asked.detail,
        "trace_target": asked.trace_target or None,
        "asked_at": author.at,
        "until": author.at + asked.minutes * 60,
        "by_label": author.label,
    }
    return int(connection.execute(insert(wish).values(row).returning(wish.c.id)).scalar_one())


def _check_place(connection: Connection, asked: Asked) -> None:
    known = select(device.c.id).where(device.c.revoked_at.is_(None)).limit(1)
    if asked.device_id:
        if connection.execute(known.where(device.c.id == asked.device_id)).one_or_none() is None:
            raise UnknownTargetError(Message(NO_DEVICE, {"device": asked.device_id}))
        return
    here = known.where(device.c.unit_code == asked.unit_code, device.c.site == asked.site)
    if connection.execute(here).one_or_none() is None:
        raise UnknownTargetError(Message(NO_SITE, {"unit": asked.unit_code, "site": asked.site}))


def end_wish(connection: Connection, number: int, author: Author) -> None:
    """Ends a wish before its time.

    Raises:
        UnknownTargetError: there is none of that number that still holds.
    """
    if not 0 < number <= _LARGEST_NUMBER:
        raise UnknownTargetError(Message(NO_WISH, {"number": number}))
    done = connection.execute(
        update(wish)
        .where(wish.c.id == number, wish.c.ended_at.is_(None), wish.c.until > author.at)
        .values(ended_at=author.at, ended_by=author.label)
    )
    if not done.rowcount:
        raise UnknownTargetError(Message(NO_WISH, {"number": number}))


def wishes(connection: Connection, *, since: float) -> list[Row[tuple[object, ...]]]:
    """Rows of the wishes that ended after `since` or still hold, the newest first."""
    return list(connection.execute(select(wish).where(wish.c.until > since).order_by(wish.c.id.desc())))


def standing_wishes(connection: Connection, now: float) -> list[Wish]:
    """The wishes that hold at that moment, the oldest first."""
    rows = connection.execute(
        select(wish).where(wish.c.until > now, wish.c.ended_at.is_(None)).order_by(wish.c.id)
    ).all()
    return [
        Wish(
            row.id,
            row.device_id,
            None if row.device_id else (row.unit_code, row.site),
            row.deliver,
            row.detail,
            row.trace_target,
            row.until,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class SiteWish:
    """Until when alerts ask a site's terminals for more; whole seconds since 1970-01-01 UTC, 0 for not at all."""

    deliver_until: int = 0
    detail_until: int = 0


def alert_wishes(connection: Connection, alert_seconds: int) -> dict[tuple[str, str], SiteWish]:
    """What the alerts on lines that fire or are in doubt now ask for, by site.

    An alert asks for as long after its beginning as the settings say, so that one that stands for days does not cost a
    full line for days. A doubt asks for detail only, and shorter; the whole province's alerts ask nobody.
    """
    rows = connection.execute(
        select(alert_state.c.state, alert_state.c.since, alert_state.c.memory).where(
            alert_state.c.rule.in_(LINE_RULES), alert_state.c.state.in_((PENDING, FIRING))
        )
    )
    found: dict[tuple[str, str], SiteWish] = {}
    for row in rows:
        subject = AlertState.from_json(row.memory).subject
        if not subject.unit_code or not subject.site:
            continue
        place = (subject.unit_code, subject.site)
        seconds = alert_seconds if row.state == FIRING else min(alert_seconds, _DOUBT_SECONDS)
        until = int(row.since) + seconds
        found[place] = later(found.get(place), SiteWish(until if row.state == FIRING else 0, until))
    return found


def later(one: SiteWish | None, other: SiteWish) -> SiteWish:
    """Both wishes together."""
    if one is None:
        return other
    return SiteWish(max(one.deliver_until, other.deliver_until), max(one.detail_until, other.detail_until))


def merged(
    kept: Mapping[tuple[str, str], SiteWish], new: Mapping[tuple[str, str], SiteWish], now: float
) -> dict[tuple[str, str], SiteWish]:
    """What is asked now, and what was asked and has not passed: an alert that flutters does not make this flutter."""
    whole = {place: later(kept.get(place), one) for place, one in new.items()}
    whole |= {place: one for place, one in kept.items() if place not in whole}
    return {place: one for place, one in whole.items() if max(one.deliver_until, one.detail_until) > now}
