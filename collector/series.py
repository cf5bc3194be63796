"""Keeps one terminal from starting more series than a store can bear."""

from __future__ import annotations

import dataclasses

from agent.wire.catalogue import METRICS
from agent.wire.report import Fact, Sample
from collector.ingest import Received

SeriesKey = tuple[str, tuple[tuple[str, str], ...]]


class SeriesLimit:
    """Remembers the series of each device and sets aside samples that would start one too many.

    Args:
        most: series (measurement and labels) that one device may have since the collector started.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[str, set[SeriesKey]] = {}

    def sort(self, device_id: str, received: Received) -> Received:
        """The same report, its samples beyond the limit set aside with the reason."""
        if received.report is None:
            return received
        known = self._known.setdefault(device_id, set())
        kept: list[Sample] = []
        aside: list[tuple[Sample | Fact, str]] = []
        for sample in received.report.samples:
            key = (METRICS[sample.metric].measurement, tuple(sorted(sample.labels.items())))
            if key in known or len(known) < self._most:
                known.add(key)
                kept.append(sample)
            else:
                aside.append((sample, f"{sample.metric}: limits.series_per_device = {self._most}"))
        if not aside:
            return received
        return dataclasses.replace(
            received,
            report=dataclasses.replace(received.report, samples=tuple(kept)),
            set_aside=(*received.set_aside, *aside),
        )
