"""What one tick of the alert rules costs: a whole province's registry and embedded store, judged by the collector.

    python -m benchmarks.judging [--devices 10000] [--hours 1] [--all-rules]

Prints processor seconds: the first tick's (which reads everything), the dearest's and the mean of the others. Rules on
link latency are another matter and are left out unless `--all-rules` is given.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import Engine, insert

from agent.wire.catalogue import DEVICE_FILESYSTEM, DEVICE_HEALTH
from alerts.presence import BOOK_WEEKS, SLOT_SECONDS, WEEK_SLOTS, PresenceBook, province_weekday
from alerts.rules import SHIPPED_RULES
from collector.db.registry import open_registry
from collector.db.tables import device, device_fact
from collector.judging import Judge
from collector.metrics.embedded import EmbeddedMetricStore
from collector.metrics.port import Point
from collector.presence import FILE_NAME
from collector.selfmetrics import SelfMetrics
from collector.settings import Alerts

# A Monday, ten o'clock in the province.
START = 1_795_402_800
UNITS = 130
SITES = 3
SYSTEMS = ("Windows 10 Pro", "Windows 11 Pro", "Windows 7 Professional")
# Of the names of rules on latency.
LATENCY_RULES = ("link_", "congestion", "path_", "outage", "service_", "loss", "jitter", "mos", "voice", "video")
MINUTE = 60
TICK = 30


def main(words: list[str] | None = None) -> int:
    """Fills a folder, judges, prints; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--hours", type=float, default=0.5)
    parser.add_argument("--all-rules", action="store_true")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), asked.devices, round(asked.hours * 3600), links=asked.all_rules)
    return 0


def _run(folder: Path, devices: int, seconds: int, *, links: bool) -> None:
    ids = [f"device-{number:05}" for number in range(devices)]
    engine = open_registry(folder / "registry.sqlite")
    store = EmbeddedMetricStore(folder / "metrics.sqlite")
    store.ensure_storage()
    _fill_registry(engine, ids)
    (folder / FILE_NAME).write_bytes(_weeks(ids).dump())
    rules = folder / "rules"
    rules.mkdir()
    for path in SHIPPED_RULES.glob("*.toml"):
        if links or not path.name.startswith(LATENCY_RULES):
            (rules / path.name).write_bytes(path.read_bytes())
    judge = Judge(engine, store, SelfMetrics(), Alerts(rules_directory=str(rules)))
    costs = []
    for now in range(START, START + seconds, TICK):
        if (now - START) % MINUTE == 0:
            for at in range(now - 2 * MINUTE, now + 1, MINUTE) if now == START else (now,):
                _fill_store(store, ids, at)
            with engine.begin() as connection:
                connection.execute(device.update().values(last_seen_at=now))
        begun = time.process_time()
        judge.judge(now + 1)
        costs.append(time.process_time() - begun)
    first, others = costs[0], costs[1:]
    names = ", ".join(sorted(rule.name for rule in judge.rules.values()))
    sys.stdout.write(f"{devices} devices, {len(judge.rules)} rules ({names})\n")
    sys.stdout.write(f"first tick {first:.2f} s; {len(others)} others: mean {sum(others) / len(others):.3f} s, ")
    sys.stdout.write(f"dearest {max(others):.2f} s of processor time\n")


def _fill_registry(engine: Engine, ids: list[str]) -> None:
    chance = random.Random(1)
    devices, facts = [], []
    for number, device_id in enumerate(ids):
        unit = str(16_000 + number % UNITS)
        devices.append(
            {
                "id": device_id,
                "unit_code": unit,
                "site": f"site-{number // UNITS % SITES}",
                "enrolled_at": START - 90 * 86_400,
                "clock_skew_seconds": chance.gauss(0, 60),
                "facts_changed_at": float(START - 86_400),
            }
        )
        values = {
            "os_family": "windows",
            "os_name": SYSTEMS[number % 10 % 3],
            "os_build": "10.0.19045.5011",
            "disk_health": [{"device": "sda", "smart_health": "failing" if chance.random() < 0.01 else "ok"}],
            "protection": [{"kind": "antimalware", "product": "Defender", "enabled": True, "signature_age_days": 2}],
        }
        facts += [
            {"device_id": device_id, "name": name, "value": value, "changed_at": START, "reported_at": START}
            for name, value in values.items()
        ]
    with engine.begin() as connection:
        connection.execute(insert(device), devices)
        connection.execute(insert(device_fact), facts)


def _fill_store(store: EmbeddedMetricStore, ids: list[str], at: int) -> None:
    points = []
    for number, device_id in enumerate(ids):
        tags = {
            "province": "40",
            "unit": str(16_000 + number % UNITS),
            "site": f"site-{number // UNITS % SITES}",
            "device_id": device_id,
        }
        free = 200_000 if number % 50 == 0 else 2_000_000
        health = {"uptime_s": at - START + 9_000, "memory_total_kib": 4_194_304, "memory_available_kib": free}
        points.append(Point(DEVICE_HEALTH, tags, health, at))
        for drive in ("C:", "D:"):
            room = {"size_kib": 104_857_600, "available_kib": 40_000_000 if number % 30 else 2_000_000}
            points.append(Point(DEVICE_FILESYSTEM, {**tags, "filesystem": drive}, room, at))
    for begin in range(0, len(points), 10_000):
        store.write(points[begin : begin + 10_000])


def _weeks(ids: list[str]) -> PresenceBook:
    book = PresenceBook()
    newest = START // SLOT_SECONDS - 1
    for slot in range(newest - BOOK_WEEKS * WEEK_SLOTS + 1, newest + 1):
        weekday, second = province_weekday(slot * SLOT_SECONDS)
        works = weekday < 5 and (27_000 <= second < 41_400 or 48_600 <= second < 61_200)
        book.put_slot(slot, ids if works else ids[:50])
    return book


if __name__ == "__main__":
    sys.exit(main())
