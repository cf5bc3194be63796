"""Readings as a metric store hands them out, and rules to judge them by."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from alerts.rules import SHIPPED_RULES, load_rules

MEASURED = ("sent", "received", "rtt_min_us", "rtt_p50_us", "rtt_p95_us")


@dataclass(frozen=True)
class Stored:
    tags: Mapping[str, str]
    time_seconds: int
    fields: Mapping[str, int]


def reading(
    time_seconds: int, median_us: int | None, *, device="pc1", target="server", site="main", sent=10, received=None
) -> Stored:
    """One minute of one terminal; its minimum is a little under its median."""
    tags = {"province": "40", "unit": "17029", "site": site, "device_id": device, "target": target}
    fields: dict[str, Any] = {"sent": sent, "received": sent if received is None else received}
    if median_us is not None:
        fields |= {"rtt_min_us": median_us - 500, "rtt_p50_us": median_us, "rtt_p95_us": median_us + 1500}
    return Stored(tags, time_seconds, fields)


def read_trace(path: Path, sites: set[str], until: str = "9999") -> dict[int, list[Stored]]:
    """The readings of some sites by time."""
    minutes: dict[int, list[Stored]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            if row["time"] >= until:
                break
            if row["site"] in sites:
                time_seconds = seconds(row["time"])
                tags = {
                    "province": "40",
                    "unit": row["site"],
                    "site": "main",
                    "device_id": row["terminal"],
                    "target": row["target"],
                }
                fields = {name: int(row[name]) for name in MEASURED if row[name]}
                minutes[time_seconds].append(Stored(tags, time_seconds, fields))
    return minutes


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.fixture(name="reading")
def _reading():
    return reading


@pytest.fixture(name="read_trace")
def _read_trace():
    return read_trace


@pytest.fixture(name="seconds")
def _seconds():
    return seconds


@pytest.fixture(scope="session")
def rules():
    return load_rules(SHIPPED_RULES)
