"""Hands the rules what they read: parts of `alerts.ports.Inputs` from the registry, the metric store and the collector.

One more part: its function here, one row in `Parts.PROVIDERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine, func, select

from agent.wire.catalogue import MEASUREMENTS, measurement_fields
from alerts.congestion.detector import Judged
from alerts.congestion.settings import detector_parameters
from alerts.minutes import LinkWindow
from alerts.ports import (
    AGES,
    COLLECTOR,
    DETECTED,
    DEVICES,
    LINK_WINDOW,
    PORTS,
    PRESENCE,
    CollectorHealth,
    Inputs,
    StoredReading,
)
from alerts.presence import PresenceBook
from alerts.rules import SHIPPED_RULES, Rule, load_rules
from alerts.slots import PortInputs
from collector.ageing import stored_estimate
from collector.db.tables import device, device_age
from collector.device_status import DeviceStatuses, StoredDevice
from collector.metrics.port import MetricStore, Reading
from collector.presence import Presence
from collector.snmp.ports import PortSource
from collector.watching import LinkWatch
from inventory.age.evidence import AgeEstimate

MINUTE_SECONDS = 60
# SQLite takes so many bound values in one statement.
_DEVICES_AT_ONCE = 500

Health = Callable[[float], CollectorHealth]


@dataclass(frozen=True)
class StoredAge:
    """The age estimate of one enrolled device, as the age rules read it."""

    device_id: str
    unit_code: str
    site: str
    estimate: AgeEstimate


class StoredAges:
    """Estimates of every device; one that was not made again is not read again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, AgeEstimate]] = {}

    def read(self, connection: Connection) -> list[StoredAge]:
        """The estimates of all devices whose right to report was not ended."""
        rows = connection.execute(
            select(device_age.c.device_id, device_age.c.estimated_at, device.c.unit_code, device.c.site)
            .join(device, device.c.id == device_age.c.device_id)
            .where(device.c.revoked_at.is_(None)),
        ).all()
        changed = [row.device_id for row in rows if self._known.get(row.device_id, (None,))[0] != row.estimated_at]
        for part in (changed[at : at + _DEVICES_AT_ONCE] for at in range(0, len(changed), _DEVICES_AT_ONCE)):
            for row in connection.execute(select(device_age).where(device_age.c.device_id.in_(part))):
                self._known[row.device_id] = row.estimated_at, stored_estimate(row)
        present = {row.device_id for row in rows}
        self._known = {key: value for key, value in self._known.items() if key in present}
        return [StoredAge(row.device_id, row.unit_code, row.site, self._known[row.device_id][1]) for row in rows]


class JudgingInputs:
    """Whatever is remembered between ticks, so that a tick costs little.

    Args:
        engine: the registry.
        store: the metric store.
        rules: those that will be judged: they say which facts and computed states are needed.
        health: the collector's own numbers; None where nobody tells them.
    """

    def __init__(self, engine: Engine, store: MetricStore, rules: Iterable[Rule], health: Health | None) -> None:
        rules = list(rules)
        conditions = [rule.condition for rule in rules]
        self.engine = engine
        self.store = store
        self.health = health
        self.ages = StoredAges()
        self.statuses = DeviceStatuses(
            {name for each in conditions for name in getattr(each, "fact_names", ())},
            {name for each in conditions for name in getattr(each, "state_names", ())},
        )
        self.ports = PortSource(engine, store)
        database = engine.url.database
        directory = Path(database).parent if database else None
        self.presence = Presence(store, directory)
        self.watch = LinkWatch(
            detector_parameters(rules, load_rules(SHIPPED_RULES)),
            store,
            directory / "lines" if directory else None,
        )

    def at(self, now: float, rules: Iterable[Rule]) -> Parts:
        """The parts of one tick; nothing is read before a rule asks for it.

        Args:
            now: seconds since 1970-01-01 UTC.
            rules: those that are judged in this tick.
        """
        seconds: dict[str, int] = {}
        fields: dict[str, set[str]] = {}
        whole: set[str] = set()
        for rule in rules:
            named = getattr(rule.condition, "reading_fields", {})
            for name, wanted in rule.condition.reads.items():
                seconds[name] = max(wanted, seconds.get(name, 0))
                if name in MEASUREMENTS:
                    fields.setdefault(name, set()).update(named.get(name) or _all_fields(name))
                    if not getattr(rule.condition, "newest_only", False):
                        whole.add(name)
        return Parts(self, now, seconds, fields, whole)


class Parts:
    """What the rules of one tick share: every part is read once, for the rule that looks back farthest."""

    def __init__(
        self,
        source: JudgingInputs,
        now: float,
        seconds: Mapping[str, int],
        fields: Mapping[str, Collection[str]],
        whole: Collection[str],
    ) -> None:
        self._source = source
        self._now = now
        self._seconds = seconds
        self._fields = fields
        self._whole = whole
        self._read: dict[str, Any] = {}

    def inputs(self, rule: Rule) -> Inputs:
        """What one rule needs.

        Raises:
            MetricStoreError: of the parts that come from the metric store.
            KeyError: a part or measurement that nobody provides.
        """
        names = tuple(rule.condition.reads)
        parts = {name: self._part(name) for name in names if name not in MEASUREMENTS}
        readings = {name: self._part(name) for name in names if name in MEASUREMENTS}
        return Inputs(**parts, readings=readings)

    def _part(self, name: str) -> Any:
        if name not in self._read:
            provide = self.PROVIDERS.get(name)
            self._read[name] = provide(self) if provide else self._readings(name)
        return self._read[name]

    def _readings(self, measurement: str) -> Sequence[StoredReading]:
        return self._stored(measurement, sorted(self._fields[measurement]), self._seconds[measurement])

    def _stored(self, measurement: str, fields: Sequence[str], seconds: int) -> Sequence[StoredReading]:
        start, end = int(self._now - seconds), int(self._now) + 1
        found = self._source.store.read(measurement, fields, start_seconds=start, end_seconds=end)
        return list(found) if measurement in self._whole else newest_of_each(found)

    def _link_window(self) -> LinkWindow:
        return self._source.watch.window(self._now, max(1, self._seconds[LINK_WINDOW] // MINUTE_SECONDS))

    def _detected(self) -> Judged:
        return self._source.watch.judged(self._now)

    def _ages(self) -> list[StoredAge]:
        with self._registry() as connection:
            return self._source.ages.read(connection)

    def _devices(self) -> Sequence[StoredDevice]:
        with self._registry() as connection:
            return self._source.statuses.read(connection, self._now)

    def _presence(self) -> PresenceBook:
        with self._registry() as connection:
            since = connection.execute(select(func.min(device.c.enrolled_at))).scalar_one()
        return self._source.presence.current(self._now, self._now if since is None else since)

    def _collector(self) -> CollectorHealth | None:
        return self._source.health(self._now) if self._source.health else None

    def _ports(self) -> PortInputs:
        return self._source.ports.inputs(self._now)

    def _registry(self) -> Connection:
        return self._source.engine.connect().execution_options(read_only=True)

    PROVIDERS: ClassVar[dict[str, Callable[[Parts], Any]]] = {
        LINK_WINDOW: _link_window,
        DETECTED: _detected,
        AGES: _ages,
        DEVICES: _devices,
        PRESENCE: _presence,
        COLLECTOR: _collector,
        PORTS: _ports,
    }


def newest_of_each(readings: Iterable[Reading]) -> list[Reading]:
    """Of each series the newest reading for each set of fields that it has.

    Rules that judge the newest reading with the fields they need find in these the same one as among all: terminals
    deliver by the quarter of an hour, and 10,000 of them have half a million readings in that time.
    """
    newest: dict[tuple[frozenset[tuple[str, str]], frozenset[str]], Reading] = {}
    tags: Mapping[str, str] | None = None
    series: frozenset[tuple[str, str]] = frozenset()
    for reading in readings:
        if reading.tags is not tags:
            # A series lies together, its tags but once.
            tags = reading.tags
            series = frozenset(tags.items())
        key = series, frozenset(reading.fields)
        known = newest.get(key)
        if known is None or reading.time_seconds > known.time_seconds:
            newest[key] = reading
    return list(newest.values())


def _all_fields(measurement: str) -> set[str]:
    return {spec.field for spec in measurement_fields(measurement)}
