"""Network equipment in the registry: what is to be polled, and what the last polls gave."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from agent.wire.message import Message
from collector.db.network_tables import network_device, network_device_state, network_import
from collector.db.tables import site_line

CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"

# Where a line's capacity is known from.
OF_DEVICE, OF_SURVEY, UNKNOWN = "device", "survey", ""


@dataclass(frozen=True)
class DeviceSpec:
    """What people state of one piece of equipment; see `collector.db.network_tables`."""

    name: str
    kind: str
    unit_code: str
    site: str
    address: str
    port: int
    snmp_version: str
    credentials: str
    interface: str
    received_is_down: bool
    capacity_down_kbit_s: int | None = None
    capacity_up_kbit_s: int | None = None
    expected_speed_kbit_s: int | None = None


@dataclass(frozen=True)
class NetworkDevice(DeviceSpec):
    """One piece of equipment that is polled, its line's capacity taken from the survey of lines where it has none.

    Args:
        device_id: as it stands in the points of its ports.
        capacity_source: `OF_DEVICE`, `OF_SURVEY` or `UNKNOWN`; the worse of the two directions.
    """

    device_id: str = ""
    capacity_source: str = UNKNOWN


@dataclass(frozen=True)
class PollResult:
    """What one poll of one device gave.

    Args:
        device_id: of `NetworkDevice`.
        slot: number of the interval.
        polled_at: seconds since 1970-01-01 UTC.
        outcome: `ok`, or an outcome of `collector.snmp.session`.
        reason: a sentence for people; empty where it is `ok`.
        reading: the counters as JSON, None where there are none.
        no_sample: why there is no sample of traffic, None where there is one.
        sample: metric -> value of the sample, for people.
        description: sysDescr.
        uptime_seconds: since the device started.
        page_count: of a printer.
    """

    device_id: str
    slot: int
    polled_at: float
    outcome: str
    reason: Message
    reading: dict[str, Any] | None = None
    no_sample: Message | None = None
    sample: dict[str, float] | None = None
    description: str | None = None
    uptime_seconds: float | None = None
    page_count: int | None = None


OK = "ok"


def network_devices(connection: Connection) -> list[NetworkDevice]:
    """Everything that is polled, in order of unit and name."""
    lines = {(row.unit_code, row.site): row for row in connection.execute(select(site_line))}
    rows = connection.execute(
        select(network_device)
        .where(network_device.c.removed_at.is_(None))
        .order_by(network_device.c.unit_code, network_device.c.name),
    )
    return [_device(row, lines.get((row.unit_code, row.site))) for row in rows]


def poll_states(connection: Connection) -> dict[str, Row[Any]]:
    """The row of `network_device_state` of each device that was polled, by its id."""
    return {row.device_id: row for row in connection.execute(select(network_device_state))}


def put_device(connection: Connection, spec: DeviceSpec, now: float) -> str:
    """Adds a device, or changes the one of that name; `CREATED`, `UPDATED` or `UNCHANGED`.

    One that was removed comes back with its history.
    """
    row = connection.execute(select(network_device).where(network_device.c.name == spec.name)).one_or_none()
    values: dict[str, Any] = asdict(spec)
    if row is None:
        connection.execute(
            insert(network_device).values(id=secrets.token_hex(16), added_at=now, updated_at=now, **values)
        )
        return CREATED
    if row.removed_at is None and all(getattr(row, name) == value for name, value in values.items()):
        return UNCHANGED
    connection.execute(
        update(network_device).where(network_device.c.id == row.id).values(updated_at=now, removed_at=None, **values)
    )
    if (row.address, row.port, row.interface) != (spec.address, spec.port, spec.interface):
        # Another port's counters must not be taken for the same one's.
        connection.execute(
            update(network_device_state).where(network_device_state.c.device_id == row.id).values(reading=None)
        )
    return CREATED if row.removed_at is not None else UPDATED


def remove_device(connection: Connection, name: str, now: float) -> bool:
    """Ends the polling of a device; false where none of that name is polled. Its history stays."""
    here = (network_device.c.name == name) & network_device.c.removed_at.is_(None)
    return bool(connection.execute(update(network_device).where(here).values(removed_at=now, updated_at=now)).rowcount)


def record_polls(connection: Connection, results: Sequence[PollResult]) -> None:
    """Keeps what these polls gave; a poll without an answer leaves the last counters and facts as they were."""
    known = poll_states(connection)
    for one in results:
        before = known.get(one.device_id)
        values: dict[str, Any] = {
            "slot": one.slot,
            "polled_at": one.polled_at,
            "outcome": one.outcome,
            "reason": one.reason.as_dict(),
        }
        if one.outcome == OK:
            values |= {
                "failed_in_row": 0,
                "failed": 0 if before is None else before.failed,
                "answered_at": one.polled_at,
                "reading": one.reading,
                "no_sample": None if one.no_sample is None else one.no_sample.as_dict(),
                "sample": one.sample,
                "description": one.description,
                "uptime_seconds": one.uptime_seconds,
                "page_count": one.page_count,
            }
        else:
            values |= {
                "failed_in_row": 1 if before is None else before.failed_in_row + 1,
                "failed": 1 if before is None else before.failed + 1,
            }
        connection.execute(
            upsert(network_device_state)
            .values(device_id=one.device_id, **values)
            .on_conflict_do_update(index_elements=["device_id"], set_=values),
        )


def record_import(connection: Connection, values: Mapping[str, Any]) -> int:
    """Keeps one import of a list (columns of `network_import`); returns its number."""
    result = connection.execute(insert(network_import).values(**values))
    return int((result.inserted_primary_key or (0,))[0])


def _device(row: Row[Any], line: Row[Any] | None) -> NetworkDevice:
    device = NetworkDevice(
        device_id=row.id,
        **{name: getattr(row, name) for name in DeviceSpec.__dataclass_fields__},
    )
    down, up = row.capacity_down_kbit_s, row.capacity_up_kbit_s
    source = OF_DEVICE
    if line is not None and (down is None or up is None):
        down = line.down_kbit_per_second if down is None else down
        up = line.up_kbit_per_second if up is None else up
        source = OF_SURVEY
    if down is None or up is None:
        source = UNKNOWN
    return replace(device, capacity_down_kbit_s=down, capacity_up_kbit_s=up, capacity_source=source)
