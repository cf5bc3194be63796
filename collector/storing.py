"""Opens the metric store that the settings name."""

from __future__ import annotations

from pathlib import Path

from collector.errors import SettingsError
from collector.metrics.port import MetricStore
from collector.metrics.stores import open_store
from collector.settings import Store


def store_of(settings: Store, state: Path) -> MetricStore:
    """The store, not yet asked for anything.

    Raises:
        SettingsError: the password file cannot be read.
        StoreMisconfiguredError: as the store says.
    """
    if settings.kind == "embedded":
        return open_store("embedded", path=state / "metrics.sqlite")
    return open_store(
        "influxdb",
        url=settings.url,
        database=settings.database,
        username=settings.username or None,
        password=_password(settings) or None,
        timeout_seconds=settings.timeout_seconds,
        ca_file=settings.ca_file or None,
    )


def _password(settings: Store) -> str:
    if not settings.password_file:
        return ""
    try:
        return Path(settings.password_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"store.password_file {settings.password_file}: {error.strerror}") from error
