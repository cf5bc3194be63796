"""Terminals whose identity changes: a new token, a copied disk told apart, a reinstalled machine back under its name.

A new token travels in the answer to an upload that was authenticated with the old one. The old one is valid until the
terminal has shown the new one, so that an answer that was lost, or a power cut at the terminal, locks nobody out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from agent.wire.exchange import Moment
from agent.wire.report import Report
from collector.boots import Boots
from collector.cloning import are_two_machines, is_the_copy
from collector.db.identity_tables import device_alias, identity_change, identity_offer
from collector.db.tables import device, device_token
from collector.enrolment import add_device_token, new_device_id
from collector.hardware_memory import HardwareMemory

log = logging.getLogger(__name__)

ROTATE, CLONE, REATTACH = "rotate", "clone", "reattach"
FOUND_BY_COLLECTOR = "collector"

# Changes that people ask for in another process are seen after so long.
LOOK_SECONDS = 10.0
# An answer that was lost is followed by another offer, not by one with every try.
OFFER_AGAIN_SECONDS = 60.0
# A stolen token must not make terminals without end.
MOST_COPIES_A_DAY = 50
DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class Verdict:
    """What the collector makes of who sent an upload.

    Args:
        is_copy: the sender is a copy of the terminal's disk: its reports wait at the sender until it has an identity of
            its own.
        identity: `device_id` and `token` for the sender to use from now on; None for none.
    """

    is_copy: bool = False
    identity: dict[str, str] | None = None


class Identities:
    """Watches who uploads, and hands out new identities.

    Args:
        engine: the registry.
        boots: the memory of boots.
    """

    def __init__(self, engine: Engine, boots: Boots) -> None:
        self._engine = engine
        self._boots = boots
        self._hardware = HardwareMemory(engine, boots)
        self._lock = threading.Lock()
        self._open: dict[str, tuple[str, ...]] = {}
        self._looked_at = float("-inf")

    def judge(self, device_id: str, reports: Sequence[Report], sent: Moment | None, now: float) -> Verdict:
        """Whether the sender may go on as this device, and which identity it is offered.

        Args:
            device_id: by its token.
            reports: of the upload.
            sent: the sender's clocks; None from an agent that does not tell them, which is offered nothing.
            now: seconds since 1970-01-01 UTC.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, sqlite3.Error: a database cannot be read or written.
        """
        self._hardware.note(device_id, reports, now)
        if sent is None:
            return Verdict()
        turns = self._boots.take_turn(device_id, sent, now)
        if are_two_machines(turns):
            hardware = self._boots.hardware(device_id)
            if is_the_copy(turns, self._hardware.enrolled(device_id), hardware):
                return Verdict(is_copy=True, identity=self._split(device_id, sent.boot_id, now))
            # Which of two would get the new token is left open until they are told apart.
            return Verdict()
        if device_id not in self._open_changes(now):
            return Verdict()
        with self._engine.begin() as connection:
            change = connection.execute(
                select(identity_change)
                .where(
                    identity_change.c.from_device_id == device_id,
                    identity_change.c.done_at.is_(None),
                    identity_change.c.purpose != CLONE,
                )
                .order_by(identity_change.c.id.desc())
                .limit(1)
            ).one_or_none()
            return Verdict() if change is None else Verdict(identity=_offer(connection, change, now))

    def claim(self, token_id: str, now: float) -> None:
        """A terminal has shown a token that was offered to it: the change is done, and what was before it ends."""
        with self._engine.begin() as connection:
            offer = connection.execute(
                update(identity_offer)
                .where(identity_offer.c.token_id == token_id, identity_offer.c.claimed_at.is_(None))
                .values(claimed_at=now)
                .returning(
                    identity_offer.c.from_device_id,
                    identity_offer.c.device_id,
                    identity_offer.c.purpose,
                    identity_offer.c.boot_id,
                )
            ).one_or_none()
            if offer is None:
                return
            _carry_out(connection, offer, token_id, now)
        if offer.purpose == CLONE:
            self._boots.forget_turns(offer.from_device_id, offer.boot_id)
        log.info("device %s: identity %s taken by the terminal, from %s", *_words(offer))

    def former_ids(self, device_id: str) -> frozenset[str]:
        """The identities that reports of this device may still name."""
        with self._engine.connect().execution_options(read_only=True) as connection:
            rows = connection.execute(
                select(device_alias.c.former_device_id).where(device_alias.c.device_id == device_id)
            )
            return frozenset(row.former_device_id for row in rows)

    def _open_changes(self, now: float) -> dict[str, tuple[str, ...]]:
        with self._lock:
            if abs(now - self._looked_at) > LOOK_SECONDS:
                with self._engine.connect().execution_options(read_only=True) as connection:
                    rows = connection.execute(
                        select(identity_change.c.from_device_id, identity_change.c.purpose).where(
                            identity_change.c.done_at.is_(None), identity_change.c.purpose != CLONE
                        )
                    ).all()
                found: dict[str, tuple[str, ...]] = {}
                for row in rows:
                    found[row.from_device_id] = (*found.get(row.from_device_id, ()), row.purpose)
                self._open, self._looked_at = found, now
            return self._open

    def _split(self, device_id: str, boot_id: str, now: float) -> dict[str, str] | None:
        """The identity for the copy that runs this boot; None where one was offered a moment ago, or too many were."""
        with self._engine.begin() as connection:
            copies = select(identity_change).where(
                identity_change.c.from_device_id == device_id, identity_change.c.purpose == CLONE
            )
            change = connection.execute(
                copies.where(identity_change.c.boot_id == boot_id, identity_change.c.done_at.is_(None))
            ).one_or_none()
            if change is None:
                recent = copies.where(identity_change.c.asked_at > now - DAY_SECONDS).subquery()
                if connection.execute(select(func.count()).select_from(recent)).scalar_one() >= MOST_COPIES_A_DAY:
                    log.error(
                        "device %s: more than %d copies in a day; no more are taken", device_id, MOST_COPIES_A_DAY
                    )
                    return None
                change = _new_copy(connection, device_id, boot_id, now)
                log.warning("device %s: two machines speak under it; the copy becomes %s", device_id, change.device_id)
            return _offer(connection, change, now)


def _new_copy(connection: Connection, device_id: str, boot_id: str, now: float) -> Row[tuple[object, ...]]:
    """A terminal of its own for a copied disk, in the place of the original until a person has said where it stands."""
    place = connection.execute(select(device.c.unit_code, device.c.site).where(device.c.id == device_id)).one()
    copy_id = new_device_id()
    connection.execute(insert(device).values(id=copy_id, unit_code=place.unit_code, site=place.site, enrolled_at=now))
    return connection.execute(
        insert(identity_change)
        .values(
            from_device_id=device_id,
            device_id=copy_id,
            purpose=CLONE,
            boot_id=boot_id,
            asked_at=now,
            asked_by=FOUND_BY_COLLECTOR,
            reason="",
        )
        .returning(identity_change)
    ).one()


def _offer(connection: Connection, change: Row[tuple[object, ...]], now: float) -> dict[str, str] | None:
    newest = connection.execute(
        select(func.max(identity_offer.c.offered_at)).where(
            identity_offer.c.from_device_id == change.from_device_id,
            identity_offer.c.device_id == change.device_id,
            identity_offer.c.boot_id == change.boot_id,
            identity_offer.c.claimed_at.is_(None),
        )
    ).scalar_one()
    if newest is not None and 0 <= now - newest < OFFER_AGAIN_SECONDS:
        return None
    token = add_device_token(connection, str(change.device_id), now)
    connection.execute(
        insert(identity_offer).values(
            token_id=token.id,
            from_device_id=change.from_device_id,
            device_id=change.device_id,
            purpose=change.purpose,
            boot_id=change.boot_id,
            offered_at=now,
        )
    )
    return {"device_id": str(change.device_id), "token": token.text}


def _carry_out(connection: Connection, offer: Row[tuple[str, str, str, str]], token_id: str, now: float) -> None:
    connection.execute(
        update(identity_change)
        .where(
            identity_change.c.from_device_id == offer.from_device_id,
            identity_change.c.device_id == offer.device_id,
            identity_change.c.purpose == offer.purpose,
            identity_change.c.done_at.is_(None),
        )
        .values(done_at=now)
    )
    # Of earlier offers too: they were made to the same terminal, which has taken this one.
    connection.execute(
        update(device_token)
        .where(
            device_token.c.device_id == offer.device_id,
            device_token.c.id != token_id,
            device_token.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    if offer.from_device_id == offer.device_id:
        return
    former = [offer.from_device_id]
    if offer.purpose == REATTACH:
        aliases = select(device_alias.c.former_device_id).where(device_alias.c.device_id == offer.from_device_id)
        former += [row.former_device_id for row in connection.execute(aliases)]
        # The identity of a few days ends; its reports of that time stay where they are.
        connection.execute(update(device).where(device.c.id == offer.from_device_id).values(revoked_at=now))
        connection.execute(
            update(device_token)
            .where(device_token.c.device_id == offer.from_device_id, device_token.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
    for former_id in former:
        if former_id != offer.device_id:
            connection.execute(
                insert(device_alias)
                .prefix_with("OR IGNORE")
                .values(device_id=offer.device_id, former_device_id=former_id, since=now)
            )


def _words(offer: Row[tuple[str, str, str, str]]) -> tuple[str, str, str]:
    return offer.device_id, offer.purpose, offer.from_device_id
