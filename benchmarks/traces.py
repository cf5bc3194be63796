"""Read labelled congestion traces: measurements by terminal and minute, labels, and what is known of the sites."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

SECONDS_PER_MINUTE = 60
FIELDS = ("sent", "received", "rtt_min_us", "rtt_p50_us", "rtt_mean_us")

Floats = npt.NDArray[np.float64]


class TraceError(Exception):
    """A trace or label file cannot be read; the text names file, row and field."""


@dataclass(frozen=True)
class Event:
    """What the labels say of a site (`*`: of all) from minute `start` to `end` (exclusive), minutes since 1970."""

    site: str
    kind: str
    start: int
    end: int


@dataclass
class Terminal:
    """One terminal: for each target one row of values per minute of the trace (nan where there is no report)."""

    site: str
    name: str
    targets: dict[str, dict[str, Floats]] = field(default_factory=dict)


@dataclass(frozen=True)
class Trace:
    """A whole trace: minute 0 of every array is minute `first` since 1970; a row stands for `step` minutes."""

    first: int
    minutes: int
    terminals: list[Terminal]
    step: int = 1

    @property
    def sites(self) -> list[str]:
        """The names of all sites, sorted."""
        return sorted({terminal.site for terminal in self.terminals})

    def of_site(self, site: str) -> list[Terminal]:
        """Return the terminals of a site."""
        return [terminal for terminal in self.terminals if terminal.site == site]


def minute_of(text: str) -> int:
    """Return the minute since 1970 of a time such as 2026-03-01T17:00:00Z; `ValueError` if it is none."""
    return int(datetime.fromisoformat(text).timestamp()) // SECONDS_PER_MINUTE


def read_trace(path: Path) -> Trace:
    """Read a trace, gzipped or plain; `TraceError` names the row that is wrong."""
    keys: dict[tuple[str, str, str], int] = {}
    minutes: dict[str, int] = {}
    rows: list[tuple[float, ...]] = []
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as raw:
        reader = csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8"))
        header = reader.fieldnames or []
        missing = {"time", "site", "terminal", "target", *FIELDS} - set(header)
        if missing:
            raise TraceError(f"{path}: column {min(missing)} is missing")
        time, site, terminal, target = (header.index(name) for name in ("time", "site", "terminal", "target"))
        columns = [header.index(name) for name in FIELDS]
        for number, row in enumerate(reader.reader, start=2):
            try:
                minute = minutes.get(row[time])
                if minute is None:
                    minute = minutes[row[time]] = minute_of(row[time])
                key = keys.setdefault((row[site], row[terminal], row[target]), len(keys))
                rows.append((minute, key, *(float(row[column] or "nan") for column in columns)))
            except (ValueError, IndexError) as error:
                raise TraceError(f"{path}, row {number}: {error}") from error
    if not rows:
        raise TraceError(f"{path}: no measurements")
    table = np.array(rows)
    first = int(table[:, 0].min())
    length = int(table[:, 0].max()) - first + 1
    terminals: dict[tuple[str, str], Terminal] = {}
    for (site_name, name, target_name), key in keys.items():
        own = table[table[:, 1] == key]
        grid = np.full((len(FIELDS), length), np.nan)
        grid[:, own[:, 0].astype(int) - first] = own[:, 2:].T
        one = terminals.setdefault((site_name, name), Terminal(site_name, name))
        one.targets[target_name] = dict(zip(FIELDS, grid, strict=True))
    gaps = np.diff(np.unique(table[:, 0]))
    return Trace(first, length, list(terminals.values()), int(gaps.min()) if gaps.size else 1)


def read_labels(path: Path) -> list[Event]:
    """Read labels; `TraceError` names the row that is wrong."""
    events = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                events.append(Event(row["site"], row["kind"], minute_of(row["start"]), minute_of(row["end"])))
            except (ValueError, KeyError, TypeError) as error:
                raise TraceError(f"{path}, row {number}: {error}") from error
    return events


def read_site_groups(path: Path) -> dict[str, set[str]]:
    """Read a simulated province's `sites.csv` as groups of sites: lines, tiny buffers, congested all day."""
    groups: dict[str, set[str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            groups.setdefault(f"line {row['line']}", set()).add(row["site"])
            if row["tiny_buffer"] == "1":
                groups.setdefault("tiny buffer", set()).add(row["site"])
            if row["all_day"] == "1":
                groups.setdefault("all day", set()).add(row["site"])
    return groups
