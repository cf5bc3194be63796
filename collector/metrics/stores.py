"""The metric stores by the name that settings give them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from collector.metrics.embedded import EmbeddedMetricStore
from collector.metrics.influx import InfluxMetricStore
from collector.metrics.port import MetricStore, StoreMisconfiguredError

STORES: dict[str, Callable[..., MetricStore]] = {
    "embedded": EmbeddedMetricStore,
    "influxdb": InfluxMetricStore,
}


def open_store(kind: str, **options: Any) -> MetricStore:
    """The store of this kind, not yet asked for anything; `ensure_storage` comes next.

    Args:
        kind: a key of `STORES`.
        options: arguments of its class: `path` for embedded; `url`, `database`, `username`, `password`,
            `timeout_seconds`, `ca_file` for influxdb.

    Raises:
        StoreMisconfiguredError: another kind or option, or one is missing.
    """
    make = STORES.get(kind)
    if make is None:
        raise StoreMisconfiguredError(f"metric store {kind!r} is not known; allowed: {', '.join(STORES)}")
    signature = inspect.signature(make)
    try:
        signature.bind(**options)
    except TypeError as error:
        raise StoreMisconfiguredError(
            f"metric store {kind}: {error}; its options are {', '.join(signature.parameters)}"
        ) from error
    return make(**options)
