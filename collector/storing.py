"""Opens the metric store that the settings name."""

from __future__ import annotations

import threading
from pathlib import Path

from collector.errors import SettingsError
from collector.metrics.port import MetricStore, StoreHealth
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


class StoreWatch:
    """Asks the store for its health now and then, so that nobody who asks the collector waits for the store."""

    INTERVAL_SECONDS = 5.0
    TROUBLE_SECONDS = 0.5

    def __init__(self, store: MetricStore) -> None:
        self._store = store
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-watch", daemon=True)
        self.health = StoreHealth(ok=True, kind="", detail="not asked yet")

    def start(self) -> None:
        """Begins with the first question at once."""
        self._thread.start()

    def stop(self) -> None:
        """Asks no more; a question under way is not waited for."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.health = self._store.health()
            self._stop.wait(self.INTERVAL_SECONDS if self.health.ok else self.TROUBLE_SECONDS)
