"""Write simulated measurements and labels in the format of the labelled congestion traces."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.provinces.sites import Site
from benchmarks.provinces.terminals import Minutes
from benchmarks.provinces.trouble import Floats
from benchmarks.provinces.truth import Label

START = datetime(2026, 3, 1, 17, 0, tzinfo=UTC)
COLUMNS = (
    "time,site,terminal,target,sent,received,rtt_min_us,rtt_p50_us,rtt_p95_us,rtt_max_us,rtt_mean_us,ipdv_us,"
    "first_byte_us"
)
TARGETS = ("gateway", "edge", "server")


def stamp(minute: int) -> str:
    """Return a minute of the trace as the text of the `time` column."""
    return (START + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")


def summarise(probes: Floats) -> Floats:
    """Return received, min, p50, p95, max, mean and ipdv of every row of probes, in microseconds; nan is no value."""
    order = np.sort(probes, axis=1) * 1e3
    received = (~np.isnan(order)).sum(axis=1)
    rows = np.arange(len(order))
    last = np.maximum(received - 1, 0)
    p50 = (order[rows, last // 2] + order[rows, (last + 1) // 2]) / 2
    p95 = order[rows, np.maximum(np.ceil(0.95 * received).astype(int) - 1, 0)]
    mean = np.nansum(order, axis=1) / np.where(received > 0, received, np.nan)
    columns = [received.astype(float), order[:, 0], p50, p95, order[rows, last], mean, _variation(probes) * 1e3]
    return np.column_stack(columns)


def _variation(probes: Floats) -> Floats:
    """Return the mean absolute difference of consecutive answers of every row; nan with fewer than two."""
    differences = np.abs(np.diff(probes, axis=1))
    plain = ~np.isnan(probes).any(axis=1)
    values = np.full(len(probes), np.nan)
    values[plain] = differences[plain].mean(axis=1)
    for row in np.flatnonzero(~plain):
        answers = probes[row][~np.isnan(probes[row])]
        if answers.size > 1:
            values[row] = np.abs(np.diff(answers)).mean()
    return values


def write_trace(path: Path, measured: Sequence[tuple[str, Minutes]]) -> None:
    """Write (site, measurements of one terminal and target) as a gzipped trace, in order of time."""
    lines: list[str] = []
    keys: list[np.ndarray] = []
    for rank, (site, one) in enumerate(measured):
        values = summarise(one.probes)
        first_byte = one.first_byte_milliseconds
        tail = np.full(len(values), np.nan) if first_byte is None else first_byte * 1e3
        table = np.column_stack([values, tail])
        sent = one.probes.shape[1]
        name = f"{site},{one.terminal},{one.target},{sent}"
        whole: list[bool] = [bool(flag) for flag in np.atleast_1d(np.isfinite(table).all(axis=1))]
        for row, complete in zip(table.tolist(), whole, strict=True):
            cells = row if complete else [value if value == value else None for value in row]  # noqa: PLR0124 - nan
            lines.append(f"{name},{','.join('' if cell is None else str(int(cell)) for cell in cells)}\n")
        keys.append(one.minutes.astype(np.int64) * 100_000 + rank)
    key = np.concatenate(keys)
    stamps = {int(minute): stamp(int(minute)) for minute in np.unique(key // 100_000)}
    order = np.argsort(key, kind="stable")
    minutes = (key // 100_000).tolist()
    # No time stamp in the gzip header: the same seed gives the same bytes.
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0, filename="") as packed:
        text = io.TextIOWrapper(packed, encoding="ascii", newline="\n")
        text.write(COLUMNS + "\n")
        text.writelines(f"{stamps[minutes[index]]},{lines[index]}" for index in order.tolist())
        text.flush()
        text.detach()


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    """Write labels as CSV."""
    with path.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["site", "kind", "start", "end"])
        writer.writerows([label.site, label.kind, stamp(label.start), stamp(label.end)] for label in labels)


def write_sites(path: Path, sites: Iterable[Site]) -> None:
    """Write what each site is, so that scores can be told apart by line and weak spot."""
    with path.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["site", "line", "terminals", "wifi", "edge", "buffer_ms", "tiny_buffer", "all_day"])
        for site in sites:
            wifi = sum(terminal.wifi for terminal in site.terminals)
            buffer_milliseconds = round(site.line.buffer_milliseconds)
            row = [site.name, site.kind, len(site.terminals), wifi, site.edge, buffer_milliseconds]
            writer.writerow([*row, int(site.tiny_buffer), int(site.all_day)])
