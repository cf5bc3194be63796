"""What the inventory needs of the collector: to read devices and assets, and to write an import as one whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.wire.message import Message
from agent.wire.report import FactValue
from inventory.assets import RegisteredAsset
from inventory.register.importing import ImportPlan


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A terminal as the registry knows it.

    Args:
        id: its identity.
        unit_code: official code of its commune or ward.
        site: the place within the unit.
        first_seen: the day it was enrolled.
        last_seen: the day of its newest report, None before the first.
        facts: as the agent sent them (`agent.wire.facts.FACTS`).
        findings: what is wrong with it now, as the alert rules found it.
    """

    id: str
    unit_code: str
    site: str
    first_seen: dt.date
    last_seen: dt.date | None
    facts: Mapping[str, FactValue]
    findings: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """Which file an import was of: its name, the SHA-256 of its bytes in hex, and when it was imported (seconds)."""

    name: str
    sha256: str
    imported_at: float


class DeviceReader(Protocol):
    """Reads terminals."""

    def devices(self) -> Sequence[DeviceRecord]:
        """All terminals that may report, in the order of their identities."""


class AssetReader(Protocol):
    """Reads the register."""

    def assets(self) -> Sequence[RegisteredAsset]:
        """All assets of the register, in the order of their numbers."""


class AssetWriter(Protocol):
    """Writes the register; a whole import at once or nothing of it."""

    def write_import(self, plan: ImportPlan, file: ImportedFile) -> int:
        """Writes what the plan says and returns the import's number."""

    def undo_import(self, import_id: int, now: float) -> int:
        """Puts every asset back as it was before the import; returns how many.

        Raises:
            inventory.register.errors.UndoError: unknown, undone already, or a later import built on it.
        """

    def link(self, pairs: Iterable[tuple[int, str, str]]) -> int:
        """Writes which terminal an asset is: (asset number, device identity, how it is known). Returns how many."""
