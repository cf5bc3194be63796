"""Every query of every panel and variable, as Grafana would send it, on a real influxd with several terminals' data."""

from __future__ import annotations

import json
import re
import time

import pytest

from collector.metrics.influx import InfluxMetricStore
from collector.metrics.port import Point
from dashboards.build import DASHBOARDS, GENERATED

pytestmark = pytest.mark.influxd

DEVICES = {"may-1": "16681", "may-2": "16681", "may/3": "16690", "máy 4": "16690", "may.5": "17329"}
MOVED = "may-1"
TARGETS = ("cổng mạng", "core.nghean.vn")
MINUTES = 240
_SPAN = {"20m": 20 * 60, "1h": 3_600}


class Grafana:
    """What Grafana does to a query between the dashboard and InfluxDB.

    Args:
        choices: variable -> values the viewer picked; a variable that is missing stands on All.
    """

    def __init__(self, dashboard, *, start_seconds, end_seconds, choices=None) -> None:
        self._variables = {one["name"]: one for one in dashboard["templating"]["list"]}
        self._start_seconds = start_seconds
        self._end_seconds = end_seconds
        self._choices = choices or {}

    def _variable(self, match):
        picked = self._choices.get(match["name"])
        if picked is None:
            # A custom "all" value is put in as it stands.
            return self._variables[match["name"]]["allValue"]
        escaped = [re.sub(r"[\\^$*+?.()|\[\]{}/]", lambda letter: f"\\{letter[0]}", value) for value in picked]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"

    def variables(self, statement):
        """The browser's part."""
        return re.sub(r"\$\{(?P<name>\w+):regex\}", self._variable, statement)

    def panel_query(self, panel, target):
        """The backend's part too: the time filter in milliseconds, then intervals."""
        start = self._start_seconds
        if panel.get("timeFrom"):
            start = self._end_seconds - _SPAN[panel["timeFrom"]]
        filled = self.variables(target["query"])
        filled = filled.replace("$timeFilter", f"time >= {start * 1000}ms and time <= {self._end_seconds * 1000}ms")
        interval = panel.get("interval", "1m")
        filled = filled.replace("$interval", interval)
        filled = filled.replace("$__interval_ms", str(int(interval[:-1]) * 60_000))
        filled = filled.replace("$__interval", interval)
        assert "$" not in filled.replace("$/", ""), filled
        return filled


def _points(end_seconds):
    """Numbers whose medians, sums and ranks can be told by head."""
    for index, (device, unit) in enumerate(DEVICES.items()):
        for minute in range(MINUTES):
            seconds = end_seconds - 60 * (MINUTES - minute)
            in_unit = "16702" if device == MOVED and minute < MINUTES - 5 else unit
            tags = {"province": "40", "unit": in_unit, "site": "trụ sở", "device_id": device}
            health = {
                "uptime_s": 60 * minute,
                "cpu_pm": 100 * (index + 1),
                "cpu_mhz": 2_400,
                "memory_total_kib": 4 * 2**20,
                "memory_available_kib": (index + 1) * 2**19,
                "swap_used_kib": 0,
                "spool_reports": index,
                "spool_dropped": minute // 60 * index,
            }
            yield Point("device_health", tags, health, seconds)
            for drive, available in (("C:\\", 100 - 15 * index), ("D:\\", 90)):
                room = {"size_kib": 100, "available_kib": available}
                yield Point("device_filesystem", {**tags, "filesystem": drive}, room, seconds)
            for number, target in enumerate(TARGETS):
                rtt = 1_000 * (index + 1) + 10_000 * number
                latency = {
                    "sent": 10,
                    "received": 10 - (number if device == "may.5" else 0),
                    "rtt_min_us": rtt - 500,
                    "rtt_p50_us": rtt,
                    "rtt_p95_us": rtt + 500,
                    "rtt_max_us": rtt + 900,
                    "rtt_mean_us": rtt + 10,
                    "ipdv_us": 100 * (index + 1),
                }
                yield Point("link_latency", {**tags, "target": target}, latency, seconds)


@pytest.fixture(scope="module")
def filled(influxd):
    """(server, database, end in seconds) after every terminal wrote for four hours."""
    database = influxd.new_database_name()
    store = InfluxMetricStore(influxd.url, database=database, username=influxd.username, password=influxd.password)
    store.ensure_storage()
    # A multiple of every interval, so that the last one is whole.
    end_seconds = int(time.time()) // 900 * 900
    assert store.write(list(_points(end_seconds))) == []
    store.close()
    return influxd, database, end_seconds


@pytest.fixture
def ask(filled):
    """Runs every query of a panel and returns, query by query, InfluxDB's series."""
    server, database, end_seconds = filled

    def run(dashboard, panel, choices=None):
        grafana = Grafana(
            dashboard,
            start_seconds=end_seconds - MINUTES * 60,
            # Ranges end within the minute of now.
            end_seconds=end_seconds - 1,
            choices=choices,
        )
        return [
            server.query(grafana.panel_query(panel, target), database=database, epoch="ms")
            for target in panel["targets"]
        ]

    return run


def _load(name):
    return json.loads((GENERATED / name).read_text(encoding="utf-8"))


PANELS = [
    pytest.param(name, panel["id"], id=f"{name}-{panel['id']}-{panel['title']}")
    for name in sorted(DASHBOARDS)
    for panel in _load(name)["panels"]
]

CHOICES = [
    None,
    {"unit": ["16690"]},
    {"unit": ["16681", "16690"], "device": ["may/3", "máy 4"], "target": [TARGETS[1]]},
    {"device": ["may.5"]},
]


def _numbers(rows):
    return [cell for row in rows for cell in row[1:] if cell is not None and not isinstance(cell, str)]


@pytest.mark.parametrize("choices", CHOICES, ids=["all", "unit", "several", "device"])
@pytest.mark.parametrize(("name", "panel_id"), PANELS)
def test_every_panel_gets_rows_of_the_shape_it_needs(ask, name, panel_id, choices):
    dashboard = _load(name)
    (panel,) = [one for one in dashboard["panels"] if one["id"] == panel_id]
    for target, series in zip(panel["targets"], ask(dashboard, panel, choices), strict=True):
        assert series, f"no rows for {target['query']}"
        assert len(series) < 1000
        for one in series:
            assert one["columns"][0] == "time"
            assert _numbers(one["values"]), target["query"]
            for tag in re.findall(r"\$tag_(\w+)", target["alias"]):
                assert one["tags"][tag]
        if panel["type"] == "table":
            (transformation,) = panel["transformations"]
            assert set(series[0]["columns"][1:]) == set(transformation["options"]["renameByName"])
            assert len(series) == 1
            assert all(None not in row for row in series[0]["values"])
        else:
            # One column besides the time, so that each series is one line with the alias for a name.
            assert {len(one["columns"]) for one in series} == {2}
            assert len({tuple(sorted(one.get("tags", {}).items())) for one in series}) == len(series)
        if panel["type"] == "stat":
            assert [len(one["values"]) for one in series] == [1]
        if panel["type"] == "timeseries":
            minutes = int(panel["interval"].rstrip("m"))
            assert all(len(one["values"]) >= MINUTES // minutes - 1 for one in series)


def _panel(dashboard, title):
    (found,) = [panel for panel in dashboard["panels"] if panel["title"] == title]
    return found


@pytest.fixture
def overview():
    return _load("overview.json")


def test_a_terminal_that_moved_counts_once(ask, overview):
    ((series,),) = ask(overview, _panel(overview, "Máy trạm đang báo cáo"))
    assert series["values"][0][1] == len(DEVICES)
    ((series,),) = ask(overview, _panel(overview, "Máy trạm báo cáo theo thời gian"))
    assert {row[1] for row in series["values"]} == {len(DEVICES)}


def test_loss_is_what_was_sent_and_not_received(ask, overview):
    ((series,),) = ask(overview, _panel(overview, "Tỷ lệ mất gói"))
    assert series["values"][0][1] == pytest.approx(1 / 100)
    (by_target,) = ask(overview, _panel(overview, "Tỷ lệ mất gói theo đích"))
    last = {one["tags"]["target"]: one["values"][-1][1] for one in by_target}
    assert last == {TARGETS[0]: 0, TARGETS[1]: pytest.approx(1 / 50)}


def test_percentiles_are_those_of_all_terminals(ask, overview):
    medians, high = ask(overview, _panel(overview, "Độ trễ theo đích: p50 và p95"))
    assert {one["tags"]["target"]: one["values"][5][1] for one in medians} == {TARGETS[0]: 3_000, TARGETS[1]: 13_000}
    assert {one["tags"]["target"]: one["values"][5][1] for one in high} == {TARGETS[0]: 5_500, TARGETS[1]: 15_500}
    (((_, now),),) = [one["values"] for one in ask(overview, _panel(overview, "Độ trễ p95"))[0]]
    assert now == 15_500


def test_shares_are_ratios(ask, overview):
    median, high = ask(overview, _panel(overview, "Sử dụng CPU"))
    assert (median[0]["values"][3][1], high[0]["values"][3][1]) == (0.3, 0.5)


def test_the_lowest_memory_is_there_however_few_terminals_there_are(ask, overview):
    panel = _panel(overview, "Bộ nhớ còn dùng được")
    (median,), (lowest,) = ask(overview, panel)
    assert (median["values"][3][1], lowest["values"][3][1]) == (3 * 2**19, 2**19)
    (_,), (lowest,) = ask(overview, panel, {"device": ["may/3"]})
    assert {row[1] for row in lowest["values"]} == {3 * 2**19}


def test_spools_add_up_over_terminals(ask, overview):
    (waiting,), (lost,) = ask(overview, _panel(overview, "Báo cáo chờ gửi và đã mất"))
    assert {row[1] for row in waiting["values"]} == {0 + 1 + 2 + 3 + 4}
    # Three times in four hours every terminal's counter grew by its index.
    assert sorted(row[1] for row in lost["values"] if row[1]) == [10, 10, 10]


def test_rankings_have_the_worst_first_and_name_each_once(ask, overview):
    ((worst,),) = ask(overview, _panel(overview, "Mười máy có độ trễ cao nhất"))
    assert len(worst["values"]) == 10
    rows = [dict(zip(worst["columns"], row, strict=True)) for row in worst["values"]]
    highest = max(rows, key=lambda row: row["value"])
    assert (highest["device_id"], highest["target"], highest["value"]) == ("may.5", TARGETS[1], 15_500)
    ((least,),) = ask(overview, _panel(overview, "Mười ổ đĩa còn ít chỗ nhất"))
    rows = [dict(zip(least["columns"], row, strict=True)) for row in least["values"]]
    lowest = min(rows, key=lambda row: row["value"])
    assert (lowest["device_id"], lowest["value"]) == ("may.5", 0.4)
    assert lowest["filesystem"].startswith("C:\\")


@pytest.mark.parametrize(
    ("variable", "choices", "expected"),
    [
        ("unit", {}, {*DEVICES.values(), "16702"}),
        ("device", {}, set(DEVICES)),
        ("device", {"unit": ["16690"]}, {"may/3", "máy 4"}),
        ("device", {"unit": ["16690", "17329"]}, {"may/3", "máy 4", "may.5"}),
        ("target", {}, set(TARGETS)),
        ("target", {"unit": ["16690"], "device": ["máy 4"]}, set(TARGETS)),
    ],
)
def test_variables_offer_what_is_there(filled, overview, variable, choices, expected):
    server, database, end_seconds = filled
    (found,) = [one for one in overview["templating"]["list"] if one["name"] == variable]
    grafana = Grafana(overview, start_seconds=0, end_seconds=end_seconds, choices=choices)
    (series,) = server.query(grafana.variables(found["query"]), database=database)
    assert series["columns"] == ["key", "value"]
    assert {row[1] for row in series["values"]} == expected
