"""What the registry keeps about terminals: written by the writer and enrolment, read by pages, API and jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from agent.wire.report import Fact, FactValue, Report
from collector.db.identity_tables import device_clock
from collector.db.network_tables import network_device
from collector.db.tables import device, device_fact, device_fact_history, device_probe, device_token, rejected

# Under this name the history of facts also keeps where a terminal stood.
PLACE_HISTORY = "place"
FACT_REFRESH_SECONDS = 86400.0 - 3600.0
# A clock that begins so far in the past lost its battery; nobody sets one back by a month by mistake.
CLOCK_RESET_SECONDS = 30 * 86400.0
OLD_PROBE_SECONDS = 30 * 86400.0


@dataclass(frozen=True)
class Place:
    """Where a device is; `terminal` is false for network equipment, which has no row among the terminals."""

    unit_code: str
    site: str
    terminal: bool = True


def places(connection: Connection, device_ids: Sequence[str]) -> dict[str, Place]:
    """Unit and site of each of these devices that is known, terminals and network equipment alike."""
    found: dict[str, Place] = {}
    for table, terminal in ((device, True), (network_device, False)):
        rows = connection.execute(select(table.c.id, table.c.unit_code, table.c.site).where(table.c.id.in_(device_ids)))
        found |= {row.id: Place(row.unit_code, row.site, terminal) for row in rows}
    return found


@dataclass(frozen=True)
class SeenReport:
    """A report on its way into the registry.

    Args:
        report: as kept.
        time_seconds: the time the collector gave it.
        received_at: when it came.
        skew_seconds: the terminal's clock less the collector's.
    """

    report: Report
    time_seconds: float
    received_at: float
    skew_seconds: float


def record_reports(connection: Connection, seen: Sequence[SeenReport]) -> None:
    """Brings the registry up to these reports: when devices were seen, their newest samples, probes and facts.

    Doing it again changes nothing, and reports may come in any order: an older one never undoes a newer one.

    Args:
        connection: within a transaction.
        seen: reports of devices that the registry knows.
    """
    newest: dict[str, SeenReport] = {}
    last_seen: dict[str, float] = {}
    for one in seen:
        device_id = one.report.device_id
        last_seen[device_id] = max(one.received_at, last_seen.get(device_id, 0.0))
        if device_id not in newest or one.time_seconds >= newest[device_id].time_seconds:
            newest[device_id] = one
    rows = connection.execute(
        select(device.c.id, device.c.last_report_at, device.c.last_seen_at).where(device.c.id.in_(newest)),
    )
    known = {row.id: row for row in rows}
    connection.execute(
        update(device).where(device.c.id == bindparam("b_id")).values(last_seen_at=bindparam("b_seen")),
        [{"b_id": id_, "b_seen": max(at, known[id_].last_seen_at or 0.0)} for id_, at in last_seen.items()],
    )
    fresh = [one for id_, one in newest.items() if one.time_seconds >= (known[id_].last_report_at or 0.0)]
    if fresh:
        _record_newest(connection, fresh)
        _record_clock_starts(connection, seen, fresh)
    _record_facts(connection, [one for one in seen if one.report.facts])


def _record_newest(connection: Connection, fresh: Sequence[SeenReport]) -> None:
    connection.execute(
        update(device)
        .where(device.c.id == bindparam("b_id"))
        .values(
            last_report_at=bindparam("b_time"),
            last_boot_id=bindparam("b_boot"),
            last_sequence=bindparam("b_sequence"),
            clock_skew_seconds=bindparam("b_skew"),
            last_samples=bindparam("b_samples"),
        ),
        [
            {
                "b_id": one.report.device_id,
                "b_time": one.time_seconds,
                "b_boot": one.report.boot_id,
                "b_sequence": one.report.sequence,
                "b_skew": one.skew_seconds,
                "b_samples": [
                    {"metric": sample.metric, "value": sample.value, "labels": sample.labels}
                    for sample in one.report.samples
                ],
            }
            for one in fresh
        ],
    )
    probes = [
        {
            "device_id": one.report.device_id,
            "probe": outcome.probe,
            "outcome": outcome.outcome,
            "duration_seconds": outcome.duration_seconds,
            "message": outcome.message,
            "reported_at": one.time_seconds,
        }
        for one in fresh
        for outcome in one.report.outcomes
    ]
    if probes:
        _upsert(connection, device_probe, ("device_id", "probe"), probes)
        # A probe that the agent has no longer would stand there for ever.
        connection.execute(
            delete(device_probe).where(
                device_probe.c.device_id == bindparam("b_id"),
                device_probe.c.reported_at < bindparam("b_time"),
            ),
            [{"b_id": one.report.device_id, "b_time": one.time_seconds - OLD_PROBE_SECONDS} for one in fresh],
        )


def _record_clock_starts(connection: Connection, seen: Sequence[SeenReport], fresh: Sequence[SeenReport]) -> None:
    """Notes how wrong the clock was in the earliest report of each boot that begins: it may be set minutes later."""
    rows = connection.execute(
        select(device_clock).where(device_clock.c.device_id.in_([one.report.device_id for one in fresh]))
    )
    known = {row.device_id: row for row in rows}
    found = []
    for one in fresh:
        device_id, boot_id = one.report.device_id, one.report.boot_id
        before = known.get(device_id)
        if before is not None and (before.boot_id == boot_id or one.time_seconds < before.started_at):
            continue
        of_boot = (other for other in seen if (other.report.device_id, other.report.boot_id) == (device_id, boot_id))
        first = min(of_boot, key=lambda other: other.report.monotonic_time_seconds)
        is_reset = first.skew_seconds <= -CLOCK_RESET_SECONDS
        found.append(
            {
                "device_id": device_id,
                "boot_id": boot_id,
                "start_skew_seconds": first.skew_seconds,
                "started_at": first.time_seconds,
                "reset_boots": 1 + (before.reset_boots if before is not None else 0) if is_reset else 0,
            }
        )
    if found:
        _upsert(connection, device_clock, ("device_id",), found)


def _upsert(connection: Connection, table: Table, keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    statement = upsert(table)
    values = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(keys), set_=values), [dict(row) for row in rows]
    )


def _record_facts(connection: Connection, seen: Sequence[SeenReport]) -> None:
    if not seen:
        return
    ids = {one.report.device_id for one in seen}
    rows = connection.execute(select(device_fact).where(device_fact.c.device_id.in_(ids)))
    changes = _FactChanges({(row.device_id, row.name): _fact_row(row) for row in rows})
    for one in sorted(seen, key=lambda item: item.time_seconds):
        for fact in one.report.facts:
            changes.take(one.report.device_id, fact, one.time_seconds)
    if changes.written:
        _upsert(connection, device_fact, ("device_id", "name"), [changes.known[key] for key in sorted(changes.written)])
    if changes.history:
        connection.execute(insert(device_fact_history), changes.history)
    if changes.changed_at:
        connection.execute(
            update(device).where(device.c.id == bindparam("b_id")).values(facts_changed_at=bindparam("b_at")),
            [{"b_id": device_id, "b_at": at} for device_id, at in changes.changed_at.items()],
        )


def _fact_row(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("device_id", "name", "value", "changed_at", "reported_at")}


class _FactChanges:
    """What a batch of reports changes of the facts that are known."""

    def __init__(self, known: dict[tuple[str, str], dict[str, Any]]) -> None:
        self.known = known
        self.written: set[tuple[str, str]] = set()
        self.history: list[dict[str, Any]] = []
        self.changed_at: dict[str, float] = {}

    def take(self, device_id: str, fact: Fact, time_seconds: float) -> None:
        """Takes one fact of one report, in order of time."""
        key = (device_id, fact.name)
        old = self.known.get(key)
        changed_at = time_seconds
        if old is not None:
            if time_seconds < old["reported_at"]:
                return
            if old["value"] == fact.value:
                # The same as before: worth a write only so often that people see it is alive.
                if time_seconds - old["reported_at"] < FACT_REFRESH_SECONDS:
                    return
                changed_at = old["changed_at"]
            else:
                past = {name: old[name] for name in ("device_id", "name", "value")}
                self.history.append({**past, "since": old["changed_at"], "until": time_seconds})
        if changed_at == time_seconds:
            self.changed_at[device_id] = time_seconds
        self.known[key] = {
            "device_id": device_id,
            "name": fact.name,
            "value": fact.value,
            "changed_at": changed_at,
            "reported_at": time_seconds,
        }
        self.written.add(key)


def facts_of(connection: Connection, device_id: str) -> dict[str, FactValue]:
    """The facts of one device as they are now."""
    rows = connection.execute(
        select(device_fact.c.name, device_fact.c.value).where(device_fact.c.device_id == device_id),
    )
    return {row.name: row.value for row in rows}


def move_device(connection: Connection, device_id: str, place: Place, now: float) -> bool:
    """Notes that a terminal stands elsewhere now; it stays the same device, and its history shows where it stood.

    Its samples go on as new series under the new unit. False where there is no such device.
    """
    row = connection.execute(select(device).where(device.c.id == device_id)).one_or_none()
    if row is None:
        return False
    here = (device_fact_history.c.device_id == device_id) & (device_fact_history.c.name == PLACE_HISTORY)
    since = connection.execute(select(func.max(device_fact_history.c.until)).where(here)).scalar_one()
    connection.execute(
        insert(device_fact_history).values(
            device_id=device_id,
            name=PLACE_HISTORY,
            value=[{"unit_code": row.unit_code, "site": row.site}],
            since=row.enrolled_at if since is None else since,
            until=now,
        ),
    )
    connection.execute(
        update(device).where(device.c.id == device_id).values(unit_code=place.unit_code, site=place.site),
    )
    return True


def revoke_device(connection: Connection, device_id: str, now: float) -> bool:
    """Ends a device's right to report; false where there is no such device. Its history stays."""
    found = connection.execute(update(device).where(device.c.id == device_id).values(revoked_at=now)).rowcount
    connection.execute(update(device_token).where(device_token.c.device_id == device_id).values(revoked_at=now))
    return bool(found)


@dataclass(frozen=True)
class Refused:
    """Something refused for good: a report, a part of one, a point or a receiptless entry, with the reason."""

    kind: str
    device_id: str
    received_at: float
    reason: str
    body: bytes


def keep_rejected(connection: Connection, items: Sequence[Refused], *, most: int, item_bytes: int) -> int:
    """Keeps what was refused, the same thing once; returns how many were new.

    The newest `most` are kept, each to `item_bytes`, so that a broken sender cannot fill the disk.
    """
    new = 0
    for item in items:
        digest = hashlib.sha256(b"\0".join((item.kind.encode(), item.device_id.encode(), item.body))).digest()
        new += connection.execute(
            upsert(rejected)
            .values(
                kind=item.kind,
                device_id=item.device_id,
                received_at=item.received_at,
                reason=item.reason,
                body=item.body[:item_bytes],
                body_bytes=len(item.body),
                digest=digest,
            )
            .on_conflict_do_nothing(index_elements=["digest"]),
        ).rowcount
    if new:
        newest = connection.execute(select(func.max(rejected.c.id))).scalar_one()
        connection.execute(delete(rejected).where(rejected.c.id <= newest - most))
    return new


def rejected_count(connection: Connection) -> int:
    """How many refused items are kept."""
    return int(connection.execute(select(func.count()).select_from(rejected)).scalar_one())


def part_body(part: object) -> bytes:
    """A refused part of a report as JSON, to be kept."""
    return json.dumps(part, ensure_ascii=False, default=vars).encode()
