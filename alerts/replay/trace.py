"""Traces of links as CSV, plain or gzip: one row per terminal, target and step. docs/congestion.md gives the format."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from alerts.minutes import WINDOW_FIELDS, Floats, Link
from alerts.ports import StoredReading

MINUTE_SECONDS = 60
_NEEDED = ("time", "site", "terminal", "target", "rtt_p50_us")
_COUNTED = ("sent", "received")
_GZIP = b"\x1f\x8b"
# A row without counts was measured somehow; so many probes leave its loss at nothing.
_PROBES_UNKNOWN = 10.0


class TraceError(ValueError):
    """A trace that cannot be used; the text names file, row, field and what was expected."""


@dataclass(frozen=True)
class Trace:
    """Readings in order of time, each link and step once.

    Args:
        step_seconds: interval of the rows.
        links: that `of_link` counts through.
        of_link: of each reading.
        steps: number of each reading's step.
        values: store field -> value of each reading, NaN where it was not measured.
        repeated: rows that said again what another row of the same link and step says.
    """

    step_seconds: int
    links: tuple[Link, ...]
    of_link: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]
    values: dict[str, Floats]
    repeated: int

    def first_step(self) -> int:
        """Number of the oldest step."""
        return int(self.steps[0])

    def last_step(self) -> int:
        """Number of the newest step."""
        return int(self.steps[-1])


def read_trace(path: Path) -> Trace:
    """The trace of one file.

    Columns that are missing were not measured; `time`, `site`, `terminal`, `target` and `rtt_p50_us` must be there. The
    order of rows does not matter.

    Raises:
        TraceError: cannot be read, or a row that is not such a row.
    """
    times: list[int] = []
    of_link: list[int] = []
    links: dict[Link, int] = {}
    with _opened(path) as lines:
        rows = csv.reader(lines)
        head = next(rows, None)
        if head is None:
            raise TraceError(f"{path}: is empty, expected a line of column names")
        place = _places(head, path)
        fields = [name for name in WINDOW_FIELDS if name in place]
        columns: dict[str, list[float]] = {name: [] for name in fields}
        taken = [(place[name], columns[name], name) for name in fields]
        at, site, terminal, target = (place[name] for name in _NEEDED[:4])
        seconds_of: dict[str, int] = {}
        for row in rows:
            if len(row) != len(head):
                raise TraceError(f"{path}: row {rows.line_num}: {len(row)} fields, expected {len(head)}")
            known = seconds_of.get(row[at])
            if known is None:
                known = seconds_of[row[at]] = _seconds(row[at], path, rows.line_num)
            times.append(known)
            of_link.append(links.setdefault(Link(row[terminal], "", row[site], row[target]), len(links)))
            for index, column, name in taken:
                text = row[index]
                column.append(_number(text, name, path, rows.line_num) if text else np.nan)
    if not times:
        raise TraceError(f"{path}: holds no row")
    values = {name: np.array(column) for name, column in columns.items()}
    return _ordered(np.array(times), np.array(of_link), tuple(links), values)


def trace_of(readings: Iterable[StoredReading], what: str) -> Trace:
    """The trace of readings as a metric store hands them out.

    Args:
        readings: of measurement `link_latency`, in any order.
        what: they are, for the error's text.

    Raises:
        TraceError: there is none.
    """
    times: list[int] = []
    of_link: list[int] = []
    links: dict[Link, int] = {}
    columns: dict[str, list[float]] = {name: [] for name in WINDOW_FIELDS}
    for reading in readings:
        tags = reading.tags
        link = Link(tags["device_id"], tags["unit"], tags["site"], tags["target"])
        times.append(reading.time_seconds)
        of_link.append(links.setdefault(link, len(links)))
        for name, column in columns.items():
            column.append(float(reading.fields.get(name, np.nan)))
    if not times:
        raise TraceError(f"{what}: there are no readings")
    values = {name: np.array(column) for name, column in columns.items()}
    return _ordered(np.array(times), np.array(of_link), tuple(links), values)


def _ordered(
    times: npt.NDArray[np.int64], of_link: npt.NDArray[np.int64], links: tuple[Link, ...], values: dict[str, Floats]
) -> Trace:
    for name in _COUNTED:
        if name not in values:
            measured = np.isfinite(values["rtt_p50_us"])
            values[name] = np.where(measured, _PROBES_UNKNOWN, np.nan)
    for name in ("rtt_min_us", "rtt_p95_us"):
        # A trace of single round trips has nothing but its middle.
        values.setdefault(name, values["rtt_p50_us"])
    step_seconds = _interval(times, of_link)
    steps = times // step_seconds
    # Of two rows of the same link and step the one with more probes, then with greater values: in any order the same.
    ranks = [np.nan_to_num(values[name], nan=-1.0) for name in WINDOW_FIELDS if name in values]
    order = np.lexsort((*reversed(ranks), of_link, steps))
    last = np.ones(len(order), dtype=bool)
    same = (steps[order][1:] == steps[order][:-1]) & (of_link[order][1:] == of_link[order][:-1])
    last[:-1] = ~same
    kept = order[last]
    return Trace(
        step_seconds,
        links,
        of_link[kept],
        steps[kept],
        {name: column[kept] for name, column in values.items()},
        int(len(order) - len(kept)),
    )


def _interval(times: npt.NDArray[np.int64], of_link: npt.NDArray[np.int64]) -> int:
    """The commonest distance between the rows of a link, in whole minutes."""
    order = np.lexsort((times, of_link))
    apart = np.diff(times[order])[np.diff(of_link[order]) == 0]
    apart = apart[apart > 0]
    if not len(apart):
        return MINUTE_SECONDS
    common = int(Counter(apart.tolist()).most_common(1)[0][0])
    return max(MINUTE_SECONDS, round(common / MINUTE_SECONDS) * MINUTE_SECONDS)


def _places(head: Sequence[str], path: Path) -> dict[str, int]:
    place = {name.strip().lstrip("\ufeff"): at for at, name in enumerate(head)}
    for name in _NEEDED:
        if name not in place:
            raise TraceError(f"{path}: column {name!r} is missing, expected {', '.join(_NEEDED)} and others")
    return place


def _number(text: str, name: str, path: Path, row: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    # What other programs write for "not measured" is no number either, but says so.
    if math.isinf(value):
        raise TraceError(f"{path}: row {row}: {name} is {text!r}, expected a number or nothing")
    return value


def _seconds(text: str, path: Path, row: int) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise TraceError(f"{path}: row {row}: time is {text!r}, expected as 2026-03-01T17:00:00Z") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
        with (
            gzip.open(path, "rt", encoding="utf-8", newline="")
            if packed
            else path.open(encoding="utf-8", newline="") as lines
        ):
            yield lines
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise TraceError(f"{path}: ends in the middle or is damaged: {error}") from error
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    except csv.Error as error:
        raise TraceError(f"{path}: is not CSV: {error}") from error
