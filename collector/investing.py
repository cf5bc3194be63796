"""The investment list of what the registry holds, kept ready for the pages, and its documents."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select

from collector.ageing import stored_estimate
from collector.clock import local_day
from collector.db.decisions import overrides_in_force
from collector.db.register import SqlRegister
from collector.db.staffing import SqlStaffing
from collector.db.tables import (
    asset,
    decision_override,
    device,
    device_age,
    identity_decision,
    register_import,
    survey_import,
    transition,
)
from collector.language import translator
from collector.posts import posts_in_force, posts_marker, state_folder
from inventory.age.evidence import AgeEstimate
from inventory.export import EXPORTS
from inventory.investment import InvestmentList, build_investment_list
from inventory.ports import DeviceRecord

# Terminals report all the time, and reading ten thousand of them takes seconds: a page shows evidence up to this
# old and has it read again meanwhile. What a person does shows at once.
EVIDENCE_DELAY_SECONDS = 60.0
# Where nobody looked for this long, the page waits for what is new.
OLDEST_EVIDENCE_SECONDS = 600.0

Marker = tuple[object, ...]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Document:
    """A file to hand out."""

    content: bytes
    media_type: str
    file_name: str


@dataclass(frozen=True)
class Terminals:
    """All terminals with the age estimates of one day.

    Args:
        as_of: the day.
        devices: with their facts and findings.
        estimates: by identity; those that were not made yet are missing.
        read_at: when they were read, seconds since 1970-01-01 UTC.
        marker: what will differ once terminals have told something new.
    """

    as_of: dt.date
    devices: Sequence[DeviceRecord]
    estimates: Mapping[str, AgeEstimate]
    read_at: float
    marker: Marker


@dataclass(frozen=True)
class ListSnapshot:
    """The list as it stood.

    Args:
        whole: the list.
        terminals: what it was made of beside the register and the decisions.
        people: what will differ once a person has changed something.
    """

    whole: InvestmentList
    terminals: Terminals
    people: Marker


class ListCache:
    """The newest list: made again when a person has changed something, when terminals have, or when the day ends."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._snapshot: ListSnapshot | None = None
        self._refreshing: threading.Thread | None = None

    def current(self, now: float, *, newest: bool = False) -> ListSnapshot:
        """The list at that moment, with every decision, link and import.

        What terminals told in the last minutes may be missing, unless `newest` is asked for, as documents do.
        """
        with self._lock, self._engine.connect().execution_options(read_only=True) as connection:
            known = self._snapshot
            if known is None or self._must_wait(connection, known, now, newest=newest):
                terminals = read_terminals(connection, now)
            else:
                terminals = known.terminals
                self._refresh_if_due(connection, terminals, now)
            people = people_marker(connection)
            if known is None or terminals is not known.terminals or people != known.people:
                known = self._snapshot = _snapshot(connection, terminals, people)
            return known

    @staticmethod
    def _must_wait(connection: Connection, known: ListSnapshot, now: float, *, newest: bool) -> bool:
        age_seconds = now - known.terminals.read_at
        if newest or not 0 <= age_seconds < OLDEST_EVIDENCE_SECONDS:
            return known.terminals.as_of != local_day(now) or evidence_marker(connection) != known.terminals.marker
        return False

    def _refresh_if_due(self, connection: Connection, terminals: Terminals, now: float) -> None:
        if now - terminals.read_at < EVIDENCE_DELAY_SECONDS or (self._refreshing and self._refreshing.is_alive()):
            return
        if terminals.as_of != local_day(now) or evidence_marker(connection) != terminals.marker:
            self._refreshing = threading.Thread(target=self._refresh, args=(now,), name="list", daemon=True)
            self._refreshing.start()

    def _refresh(self, now: float) -> None:
        try:
            with self._engine.connect().execution_options(read_only=True) as connection:
                terminals = read_terminals(connection, now)
                made = _snapshot(connection, terminals, people_marker(connection))
            # A decision made meanwhile differs from the marker of `made`, so that the next reader gets it.
            with self._lock:
                if self._snapshot is None or self._snapshot.terminals.read_at < terminals.read_at:
                    self._snapshot = made
        except Exception:  # the thread's edge: said; the list that is known stays, and the next page tries again
            log.exception("the investment list could not be made again")


def people_marker(connection: Connection) -> Marker:
    """Differs after every import, survey, undoing, link and decision, and after a change of the table of posts."""
    linked = func.count(asset.c.device_id)
    return (
        *connection.execute(select(func.count(asset.c.id), func.max(asset.c.updated_at), linked)).one(),
        *connection.execute(select(func.max(register_import.c.id), func.count(register_import.c.undone_at))).one(),
        connection.execute(select(func.max(decision_override.c.id))).scalar_one(),
        connection.execute(select(func.max(identity_decision.c.id))).scalar_one(),
        connection.execute(select(func.max(survey_import.c.id))).scalar_one(),
        posts_marker(connection),
    )


def evidence_marker(connection: Connection) -> Marker:
    """Differs when a terminal joined or left, facts or estimates have changed, or an alert began or ceased to fire."""
    firing = (transition.c.to_state == "firing") | (transition.c.from_state == "firing")
    joined, left = func.count(device.c.id), func.count(device.c.revoked_at)
    return (
        *connection.execute(select(joined, left, func.max(device.c.facts_changed_at))).one(),
        *connection.execute(select(func.max(device_age.c.estimated_at), func.count(device_age.c.device_id))).one(),
        connection.execute(
            select(transition.c.id).where(firing).order_by(transition.c.id.desc()).limit(1)
        ).scalar_one_or_none(),
    )


def read_terminals(connection: Connection, now: float) -> Terminals:
    """All terminals as the registry has them now."""
    # Asked first: what changes while they are read makes the marker differ next time.
    marker, day = evidence_marker(connection), local_day(now)
    devices = SqlRegister(connection).devices()
    return Terminals(day, devices, _estimates(connection, day), now, marker)


def _estimates(connection: Connection, day: dt.date) -> dict[str, AgeEstimate]:
    rows = connection.execute(select(device_age).where(device_age.c.as_of == day.isoformat()))
    return {row.device_id: stored_estimate(row) for row in rows}


def _snapshot(connection: Connection, terminals: Terminals, people: Marker) -> ListSnapshot:
    return ListSnapshot(_build(connection, terminals), terminals, people)


def _build(connection: Connection, terminals: Terminals, block: str | None = None) -> InvestmentList:
    register = SqlRegister(connection)
    return build_investment_list(
        terminals.devices,
        register.assets(),
        as_of=terminals.as_of,
        estimates=terminals.estimates,
        block=block,
        overrides=overrides_in_force(connection),
        apart=register.pairs_kept_apart(),
        staffing=SqlStaffing(connection).staffing(
            posts_in_force(state_folder(connection), terminals.as_of),
        ),
    )


def investment_list(connection: Connection, *, as_of: dt.date, block: str | None = None) -> InvestmentList:
    """The list on that day, with people's decisions; estimates of the day that are kept are not made again."""
    devices = SqlRegister(connection).devices()
    return _build(connection, Terminals(as_of, devices, _estimates(connection, as_of), 0.0, ()), block)


def investment_document(
    connection: Connection,
    format_name: str,
    *,
    as_of: dt.date,
    language: str,
    block: str | None = None,
) -> Document:
    """The list as a file.

    Raises:
        KeyError: no such format.
        DocumentError: the document cannot be set (typst is missing, or failed).
    """
    return document_of(investment_list(connection, as_of=as_of, block=block), format_name, language=language)


def document_of(whole: InvestmentList, format_name: str, *, language: str) -> Document:
    """A list that was built already, as a file.

    Raises:
        KeyError: no such format.
        DocumentError: the document cannot be set (typst is missing, or failed).
    """
    export = EXPORTS[format_name]
    content = export.write(whole, translator(language), whole.as_of)
    name = "-".join(part for part in ("danh-muc-dau-tu", whole.block, whole.as_of.isoformat()) if part)
    return Document(content, export.content_type, name + export.suffix)
