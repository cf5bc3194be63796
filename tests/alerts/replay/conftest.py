"""Traces as CSV."""

from __future__ import annotations

import datetime as dt
import gzip

import numpy as np
import pytest

from alerts.congestion.settings import detector_parameters

COLUMNS = ("time", "site", "terminal", "target", "sent", "received", "rtt_min_us", "rtt_p50_us", "rtt_p95_us")
START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
FLOORS_US = {"gateway": 1_000, "edge": 6_000, "server": 16_000}


def trace_rows(
    targets=("gateway", "edge", "server"), *, sites=2, terminals=2, steps=240, step_minutes=1, troubles=(), seed=1
):
    """Rows of a province; `troubles`: (kind, site or None, first step, steps, microseconds)."""
    noise = np.random.default_rng(seed)
    rows = []
    for site in range(sites):
        for terminal in range(terminals):
            for target in targets:
                shortest = FLOORS_US[target] + np.abs(noise.normal(0, 200, steps))
                median = shortest + 400
                for kind, where, first, count, size in troubles:
                    reached = {"access": target != "gateway", "core": target == "server"}[kind]
                    if reached and where in (None, site):
                        added = size * noise.uniform(0.7, 1.3, count)
                        median[first : first + count] += added
                        shortest[first : first + count] += added * noise.uniform(0.1, 0.6, count)
                for step in range(steps):
                    at = START + dt.timedelta(minutes=step * step_minutes)
                    rows.append(
                        (
                            at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                            f"s{site}",
                            f"s{site}-t{terminal}",
                            target,
                            10,
                            10,
                            int(shortest[step]),
                            int(median[step]),
                            int(median[step]) + 1_500,
                        )
                    )
    return rows


@pytest.fixture(scope="session")
def rows_of():
    """Makes rows."""
    return trace_rows


@pytest.fixture
def written(tmp_path):
    """Writes rows to a file and says where it is."""

    def write(rows, name="trace.csv", columns=COLUMNS):
        lines = [",".join(columns), *(",".join(str(value) for value in row) for row in rows)]
        data = ("\n".join(lines) + "\n").encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


@pytest.fixture(scope="session")
def parameters(rules):
    """Of the shipped rules."""
    return detector_parameters(rules.values())
