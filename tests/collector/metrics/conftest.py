"""Points and stores that the tests of this room share."""

from __future__ import annotations

import time

import pytest

from collector.metrics.port import Point
from collector.metrics.stores import open_store


class Points:
    """Makes points of recent time, floored to the minute as reports are."""

    def __init__(self) -> None:
        self.end_seconds = int(time.time()) // 60 * 60
        self.start_seconds = self.end_seconds - 6 * 3600

    def latency(self, device_id="d1", target="core", minute=0, *, unit="16681", fields=None) -> Point:
        """One round to a target, `minute` minutes after `start_seconds`."""
        return Point(
            "link_latency",
            {"province": "40", "unit": unit, "site": "trụ sở", "device_id": device_id, "target": target},
            {"sent": 10, "received": 9, "rtt_p50_us": 2_000 + minute} if fields is None else fields,
            self.start_seconds + 60 * minute,
        )

    def health(self, device_id="d1", minute=0, fields=None) -> Point:
        """One round of a terminal's own state."""
        return Point(
            "device_health",
            {"province": "40", "unit": "16681", "site": "trụ sở", "device_id": device_id},
            {"uptime_s": 60 * minute, "cpu_pm": 125} if fields is None else fields,
            self.start_seconds + 60 * minute,
        )

    def filesystem(self, filesystem, minute=0) -> Point:
        """One round of a drive."""
        tags = {"province": "40", "unit": "16681", "site": "trụ sở", "device_id": "d1", "filesystem": filesystem}
        return Point(
            "device_filesystem", tags, {"size_kib": 100, "available_kib": 40}, self.start_seconds + 60 * minute
        )

    def window(self) -> dict[str, int]:
        """Arguments of `read` that take in every point made here."""
        return {"start_seconds": self.start_seconds, "end_seconds": self.end_seconds + 86_400}


@pytest.fixture
def points() -> Points:
    return Points()


@pytest.fixture
def embedded_path(tmp_path):
    return tmp_path / "store" / "metrics.sqlite"


@pytest.fixture
def influx_options(influxd):
    """Options of a store on the shared server with a database of its own."""
    return {
        "url": influxd.url,
        "database": influxd.new_database_name(),
        "username": influxd.username,
        "password": influxd.password,
    }


@pytest.fixture(params=["embedded", pytest.param("influxdb", marks=pytest.mark.influxd)])
def store(request):
    """Every kind of store in turn, ready to be written to."""
    if request.param == "embedded":
        opened = open_store("embedded", path=request.getfixturevalue("embedded_path"))
    else:
        opened = open_store("influxdb", **request.getfixturevalue("influx_options"))
    opened.ensure_storage()
    yield opened
    opened.close()
