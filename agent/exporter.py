"""The newest round as a page in Prometheus's text format, on this machine's own loopback address and only when asked.

prometheus-client makes the page. It is loaded only here: it costs a terminal some 4 MB.
"""

from __future__ import annotations

import threading
from typing import Any, Dict, Iterable, Iterator, List, Tuple

from agent.errors import ConfigurationError
from agent.runner import Round
from agent.wire.catalogue import METRICS, PREFIX
from agent.wire.report import OUTCOMES, Sample

LOOPBACK = "127.0.0.1"


class Exporter:
    """Serves `http://127.0.0.1:PORT/metrics`.

    Args:
        port: of TCP; 0 lets the system choose (`port` tells).

    Raises:
        ConfigurationError: prometheus-client is missing, or the port is taken.
    """

    def __init__(self, port: int) -> None:
        try:
            from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415  # see above
        except ImportError as error:
            raise ConfigurationError(
                "the metrics page needs prometheus-client (on Debian: python3-prometheus-client)"
            ) from error
        self._lock = threading.Lock()
        self._round = Round()
        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._server, self._thread = start_http_server(port, LOOPBACK, registry)
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                "port {port} of this machine cannot be used for the metrics page ({why})",
                port=port,
                why=getattr(error, "strerror", None) or type(error).__name__,
            ) from error
        self.port = int(self._server.server_port)

    def close(self) -> None:
        """Ends the page."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def show(self, found: Round) -> None:
        """Makes this the round that the page tells of."""
        with self._lock:
            self._round = found

    def describe(self) -> List[Any]:
        """Nothing: names are known only after a round. prometheus-client asks at registration."""
        return []

    def collect(self) -> Iterator[Any]:
        """The round as metric families of the catalogue's names; called by prometheus-client for each request."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415  # see above

        with self._lock:
            found = self._round
        for name, samples in _by_metric(found.samples):
            spec = METRICS[name]
            # Of the catalogue's names those in _total only ever grow.
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = kind(PREFIX + name, spec.help, labels=spec.labels)
            for sample in samples:
                family.add_metric([sample.labels[label] for label in spec.labels], sample.value)
            yield family
        labels = ["probe", "outcome"]
        ended = GaugeMetricFamily(PREFIX + "probe_outcome", "1 for how a probe's run ended.", labels=labels)
        for outcome in found.outcomes:
            for word in OUTCOMES:
                ended.add_metric([outcome.probe, word], float(word == outcome.outcome))
        yield ended


def _by_metric(samples: Iterable[Sample]) -> List[Tuple[str, List[Sample]]]:
    table: Dict[str, List[Sample]] = {}
    for sample in samples:
        table.setdefault(sample.metric, []).append(sample)
    return sorted(table.items())
