"""What each terminal's hardware said of itself when it enrolled, and what each boot's says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Engine, insert, select, update

from agent.wire.report import Report
from collector.boots import Boots
from collector.db.identity_tables import device_hardware
from inventory.hardware import FACT_NAMES, OTHER, compare_hardware, hardware_keys

Keys = Mapping[str, Sequence[str]]


class HardwareMemory:
    """Keeps keys of hardware as reports tell them.

    Args:
        engine: the registry, which has those of the enrolment.
        boots: which has those of each boot.
    """

    def __init__(self, engine: Engine, boots: Boots) -> None:
        self._engine = engine
        self._boots = boots

    def note(self, device_id: str, reports: Sequence[Report], now: float) -> None:
        """Takes the keys that these reports tell; what was told first of a device stays what it enrolled with."""
        told: dict[str, dict[str, list[str]]] = {}
        for report in reports:
            facts = {fact.name: fact.value for fact in report.facts if fact.name in FACT_NAMES}
            if keys := hardware_keys(facts):
                told.setdefault(report.boot_id, {}).update(keys)
        for boot_id, keys in told.items():
            self._boots.note_hardware(device_id, boot_id, keys, now)
            self._enrol(device_id, keys, now)

    def enrolled(self, device_id: str) -> Keys:
        """Kind -> keys as they were first told; empty where nothing was."""
        with self._engine.connect().execution_options(read_only=True) as connection:
            row = connection.execute(
                select(device_hardware.c["keys"]).where(device_hardware.c.device_id == device_id)
            ).one_or_none()
        return {} if row is None else dict(row[0])

    def _enrol(self, device_id: str, keys: dict[str, list[str]], now: float) -> None:
        known = self.enrolled(device_id)
        # Probes tell their parts in reports of their own: kinds that were silent are added, of the same machine only.
        added = {kind: told for kind, told in keys.items() if kind not in known}
        if not added or compare_hardware(known, keys) == OTHER:
            return
        whole = {**known, **added}
        with self._engine.begin() as connection:
            if known:
                connection.execute(
                    update(device_hardware).where(device_hardware.c.device_id == device_id).values(keys=whole)
                )
            else:
                connection.execute(insert(device_hardware).values(device_id=device_id, keys=whole, taken_at=now))
