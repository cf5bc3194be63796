"""What the collector asks of a metric store; all of them pass tests/collector/metrics/test_every_store.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

# Tags every point carries, besides the labels of its measurement (`agent.wire.catalogue.measurement_labels`).
# All four are functions of the device, so they add no series; codes, never names, which a merger would change.
DEVICE_TAGS = ("province", "unit", "site", "device_id")


class MetricStoreError(Exception):
    """The tree of what a store may raise: StoreUnavailableError | StoreMisconfiguredError."""


class StoreUnavailableError(MetricStoreError):
    """The store does not answer, is overloaded or has no room: the same write may be tried again later."""


class StoreMisconfiguredError(MetricStoreError):
    """No retry will help until a person acts; the text says on what (rights, a missing database, an index setting)."""


@dataclass(frozen=True, slots=True)
class Point:
    """Numbers of one measurement of one device at one second.

    Args:
        measurement: one of `agent.wire.catalogue.MEASUREMENTS`.
        tags: a value for every name in `DEVICE_TAGS` and in the measurement's labels.
        fields: store field -> integer in the catalogue's scaled unit; a subset of the measurement's fields, not empty.
        time_seconds: whole seconds since 1970-01-01 UTC.
    """

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, int]
    time_seconds: int


@dataclass(frozen=True, slots=True)
class RefusedPoint:
    """A point the store will never take, with the store's own words; the caller keeps it for a person to see."""

    point: Point
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One stored point as it is read back; fields that were never written are missing from `fields`."""

    tags: Mapping[str, str]
    time_seconds: int
    fields: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """Whether the store can be used now, and in what words to say so."""

    ok: bool
    kind: str
    detail: str


class MetricStore(Protocol):
    """Keeps points. Writing the same measurement, tags and second again replaces fields and adds no point."""

    def ensure_storage(self) -> None:
        """Makes databases, tables or columns that are missing. Idempotent.

        Raises:
            StoreUnavailableError, StoreMisconfiguredError.
        """

    def write(self, points: Sequence[Point]) -> list[RefusedPoint]:
        """Stores all points durably before it returns, but those it refuses for good, which it returns.

        Raises:
            StoreUnavailableError: nothing is lost by writing all of them again.
            StoreMisconfiguredError: as above, after a person has acted.
        """

    def read(
        self,
        measurement: str,
        fields: Sequence[str],
        *,
        start_seconds: int,
        end_seconds: int,
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[Reading]:
        """Readings with start <= time < end whose tags equal `tags`, each series in order of time.

        A reading comes back if it has at least one of `fields`.

        Raises:
            KeyError: unknown measurement, field or tag.
            StoreUnavailableError, StoreMisconfiguredError.
        """

    def purge(self, before_seconds: int) -> None:
        """Forgets points older than `before_seconds`, where the store does not do so by itself."""

    def health(self) -> StoreHealth:
        """Asks the store; never raises."""

    def close(self) -> None:
        """Releases files and connections."""
