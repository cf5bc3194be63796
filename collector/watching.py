"""The site detector of a running collector: fed as points are written, remembered across restarts.

What lines are like is kept in small files, one for each hour; the newest hours are read from the metric store at the
start. So a restart forgets no baseline and loses no alarm.
"""

from __future__ import annotations

import logging
import os
import threading
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from agent.wire.catalogue import LINK_LATENCY
from alerts.congestion.detector import Detector, Judged
from alerts.congestion.layout import Site
from alerts.congestion.listing import SiteStatus, province_status, site_states
from alerts.congestion.parameters import DetectorParameters
from alerts.minutes import MINUTE_SECONDS, WINDOW_FIELDS, LinkWindow
from alerts.ports import StoredReading
from collector.metrics.port import MetricStore, MetricStoreError, Point
from inventory.units import load_units

log = logging.getLogger(__name__)

# A minute is judged when most reports of it can have come.
_COMPLETE_AFTER_SECONDS = 30
# So many points may wait to be judged: a quarter of an hour of 10,000 terminals with three targets.
_WAITING_POINTS = 450_000
# A clock that is set back by less only makes the judging pause.
_BACK_SECONDS = 300.0
# Learning from a store without these files stops here; what is missing is learned as time goes on.
_CATCH_UP_SECONDS = 120.0

# Nobody who opens a page waits longer for the detector to have learned what it needs after a start.
_STATES_WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SiteLine:
    """One site's line as it is now.

    Args:
        status: of the detector.
        terminals: how many had a reading in the last `unknown_minutes`.
        gateway_answers, edge_answers: whether any of their probes to it was answered; None where none was sent.
    """

    status: SiteStatus
    terminals: int
    gateway_answers: bool | None
    edge_answers: bool | None


@dataclass(frozen=True, slots=True)
class LineStates:
    """What holds at one moment.

    Args:
        at: end of the newest judged minute, seconds since 1970-01-01 UTC; None before the first.
        province: what lies behind all access lines.
        sites: every site that was seen since the start.
    """

    at: int | None
    province: SiteStatus
    sites: Mapping[Site, SiteLine]


class LinkWatch:
    """Holds the detector; safe to be fed by one thread and asked by another.

    Args:
        parameters: of the detector's rules.
        store: where readings of before the start are.
        directory: for what is learned; None to remember nothing.
    """

    def __init__(self, parameters: DetectorParameters, store: MetricStore, directory: Path | None) -> None:
        self._detector = Detector(parameters)
        self._store = store
        self._directory = directory
        self._lock = threading.Lock()
        # Of its own: who writes must not wait while history is learned.
        self._waiting_lock = threading.Lock()
        self._waiting: list[Point] = []
        self._fed = False
        self._missed = False
        self._ready = False
        self._asked_at: float | None = None
        self._saved: set[int] = set()

    def put(self, points: Sequence[Point]) -> None:
        """Takes points that were just written; those of other measurements are passed over."""
        links = [point for point in points if point.measurement == LINK_LATENCY]
        with self._waiting_lock:
            self._fed = True
            self._waiting += links
            if len(self._waiting) > _WAITING_POINTS:
                # Nobody has asked for long. The store has them, and is read again when somebody does.
                self._waiting = []
                self._missed = True

    def judged(self, now: float) -> Judged:
        """What the detector holds to be true at that moment.

        Raises:
            MetricStoreError: what it needs of the time before the start cannot be read yet.
        """
        with self._lock:
            self._take_in(now)
            self._detector.advance(_last_complete(now))
            self._detector.take_settled()
            self._save()
            return self._detector.judged(site_name)

    def window(self, now: float, minutes: int, fields: Sequence[str] = WINDOW_FIELDS) -> LinkWindow:
        """The newest minutes of every link, that of `now` included.

        Raises:
            MetricStoreError: as `judged`.
        """
        with self._lock:
            self._take_in(now)
            last = int(now) // MINUTE_SECONDS
            return self._detector.ring.window(last - minutes + 1, last, fields)

    def states(self, now: float) -> LineStates | None:
        """How every site's line is; None while the detector still learns from before the start.

        Raises:
            MetricStoreError: as `judged`.
        """
        if not self._lock.acquire(timeout=_STATES_WAIT_SECONDS):
            return None
        try:
            self._take_in(now)
            last = _last_complete(now)
            self._detector.advance(last)
            parameters, clock, memory = self._detector.parameters, self._detector.clock, self._detector.memory()
            statuses = site_states(memory, clock, parameters)
            window = self._detector.ring.window(
                last - parameters.congestion.unknown_minutes + 1, last, ("sent", "received")
            )
            return LineStates(
                clock.time(memory.step + 1) if statuses else None,
                province_status(memory, clock, parameters),
                _lines(statuses, window, parameters),
            )
        finally:
            self._lock.release()

    def _take_in(self, now: float) -> None:
        asked_at, self._asked_at = self._asked_at, now
        most = self._detector.ring.rows * MINUTE_SECONDS
        if asked_at is not None and not -_BACK_SECONDS <= now - asked_at <= most:
            # The machine's clock has jumped or it has slept: as after a restart, the store tells what was.
            log.warning("lines: the time has jumped, judging begins again from what is stored")
            self._detector = self._detector.again()
            self._ready = False
        if not self._ready:
            self._restore()
            self._read(now, self._detector.ring.rows * MINUTE_SECONDS)
            self._catch_up(now)
            self._ready = True
        elif not self._fed or self._missed:
            # Nobody tells what is written: the store is asked again for what may still be judged.
            self._read_again(now)
        with self._waiting_lock:
            waiting, self._waiting = self._waiting, []
        self._detector.put(waiting, now)

    def _read_again(self, now: float) -> None:
        with self._waiting_lock:
            missed, self._missed = self._missed, False
        try:
            self._read(now, self._detector.ring.rows * MINUTE_SECONDS)
        except MetricStoreError:
            self._missed = missed
            raise

    def _read(self, now: float, seconds: int) -> None:
        self._detector.put(self._readings(int(now) - seconds, int(now) + MINUTE_SECONDS), now)

    def _readings(self, start_seconds: int, end_seconds: int) -> Iterable[StoredReading]:
        return self._store.read(LINK_LATENCY, WINDOW_FIELDS, start_seconds=start_seconds, end_seconds=end_seconds)

    def _catch_up(self, now: float) -> None:
        """Learns hours that no file tells and the ring does not hold, the newest first."""
        baselines = self._detector.baselines
        seconds = baselines.block_seconds
        begun = monotonic()
        days = self._detector.parameters.congestion.baseline_days
        first_held = (int(now) - self._detector.ring.rows * MINUTE_SECONDS) // seconds
        known = baselines.block_numbers()
        for number in range(first_held, first_held - days * 86_400 // seconds, -1):
            if number in known:
                continue
            if monotonic() - begun > _CATCH_UP_SECONDS:
                log.warning("lines: history before hour %d is not learned, reading it takes too long", number + 1)
                return
            learned = Detector(self._detector.parameters)
            end = (number + 1) * seconds
            learned.put(self._readings(number * seconds, end), end - 1)
            window = learned.ring.window(number * seconds // MINUTE_SECONDS, end // MINUTE_SECONDS - 1)
            if window.links:
                baselines.put_block(number * seconds, window)

    def _restore(self) -> None:
        for path in sorted(self._directory.glob("*.npz")) if self._directory and self._directory.is_dir() else ():
            try:
                # Opened here: numpy leaves a damaged file open.
                with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                    self._detector.baselines.restore(arrays)
                self._saved.add(int(path.stem))
            except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
                # It is learned again from the store, or as time goes on.
                log.warning("%s cannot be read and is not used: %s", path, error)

    def _save(self) -> None:
        if self._directory is None:
            return
        kept = set(self._detector.baselines.block_numbers())
        new = kept - self._saved
        if not new:
            return
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            for number in sorted(new):
                made = self._directory / f"{number}.npz.new"
                with made.open("wb") as file:
                    arrays: dict[str, Any] = dict(self._detector.baselines.to_arrays(number))
                    np.savez_compressed(file, **arrays)
                    file.flush()
                    os.fsync(file.fileno())
                made.replace(self._directory / f"{number}.npz")
                self._saved.add(number)
            for number in self._saved - kept:
                (self._directory / f"{number}.npz").unlink(missing_ok=True)
            self._saved &= kept
        except OSError as error:
            log.warning("%s: what was learned of the lines cannot be kept: %s", self._directory, error)


def _last_complete(now: float) -> int:
    return int(now - _COMPLETE_AFTER_SECONDS) // MINUTE_SECONDS - 1


def _lines(
    statuses: Mapping[Site, SiteStatus], window: LinkWindow, parameters: DetectorParameters
) -> dict[Site, SiteLine]:
    """The states together with what answers in the newest minutes."""
    terms = parameters.congestion
    asked = np.nansum(window.values["sent"], axis=0) > 0
    answered = np.nansum(window.values["received"], axis=0) > 0
    terminals: dict[Site, set[str]] = {}
    near: dict[tuple[Site, str], bool] = {}
    for column in np.flatnonzero(asked).tolist():
        link = window.links[column]
        site = Site(link.unit_code, link.site)
        terminals.setdefault(site, set()).add(link.device_id)
        near[site, link.target] = near.get((site, link.target), False) or bool(answered[column])
    return {
        site: SiteLine(
            status,
            len(terminals.get(site, ())),
            near.get((site, terms.gateway_target)),
            near.get((site, terms.edge_target)),
        )
        for site, status in statuses.items()
    }


@cache
def _unit_names() -> Mapping[str, str]:
    return {unit.code: unit.name for unit in load_units()}


def site_name(site: Site) -> str:
    """How a site of any unit is called in sentences."""
    unit = _unit_names().get(site.unit_code, site.unit_code)
    return f"{unit} ({site.site})" if site.site else unit
