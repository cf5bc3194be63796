"""What every metric store must do; `store` is each of them in turn."""

from __future__ import annotations

import random
import threading
from dataclasses import replace

import pytest

from collector.metrics.schema import INTEGER_MAX, INTEGER_MIN, TAG_MAX_BYTES


def _written(points):
    return sorted((tuple(sorted(p.tags.items())), p.time_seconds, tuple(sorted(p.fields.items()))) for p in points)


def _read_all(store, points, measurement="link_latency", fields=("sent", "received", "rtt_p50_us"), **options):
    return list(store.read(measurement, fields, **points.window(), **options))


def test_ten_thousand_points_come_back_as_they_were_written(store, points):
    written = [
        points.latency(f"d{device}", target, minute)
        for device in range(20)
        for target in ("gateway", "core")
        for minute in range(250)
    ]
    assert len(written) == 10_000
    assert store.write(written) == []
    assert _written(_read_all(store, points)) == _written(written)


def test_each_series_comes_in_order_of_time(store, points):
    written = [points.latency(f"d{device}", minute=minute) for device in range(5) for minute in range(100)]
    random.Random(4).shuffle(written)
    store.write(written)
    newest = {}
    for reading in _read_all(store, points):
        assert reading.time_seconds > newest.get(reading.tags["device_id"], 0)
        newest[reading.tags["device_id"]] = reading.time_seconds
    assert len(newest) == 5


def test_writing_again_adds_no_point(store, points):
    written = [points.latency(minute=minute) for minute in range(50)]
    for _ in range(3):
        assert store.write(written) == []
    assert len(_read_all(store, points)) == 50


def test_writing_again_replaces_only_the_fields_given(store, points):
    store.write([points.latency(fields={"sent": 10, "received": 9})])
    store.write([points.latency(fields={"received": 8, "rtt_p50_us": 0})])
    (reading,) = _read_all(store, points)
    assert reading.fields == {"sent": 10, "received": 8, "rtt_p50_us": 0}


def test_the_later_of_two_in_one_write_wins(store, points):
    store.write([points.latency(fields={"sent": 1}), points.latency(fields={"sent": 2})])
    (reading,) = _read_all(store, points)
    assert reading.fields == {"sent": 2}


def test_a_reading_needs_one_of_the_fields_and_has_no_others(store, points):
    store.write([points.latency(minute=0, fields={"sent": 1}), points.latency(minute=1, fields={"received": 2})])
    assert [reading.fields for reading in _read_all(store, points, fields=("sent", "rtt_p95_us"))] == [{"sent": 1}]


def test_start_is_inside_and_end_outside(store, points):
    store.write([points.latency(minute=minute) for minute in range(5)])
    first = points.start_seconds
    readings = store.read("link_latency", ["sent"], start_seconds=first + 60, end_seconds=first + 180)
    assert [reading.time_seconds for reading in readings] == [first + 60, first + 120]


def test_tags_select(store, points):
    store.write([points.latency(device, target) for device in ("d1", "d2") for target in ("core", "gateway")])
    store.write([points.latency("d3", unit="16690")])

    def found(**tags):
        return {(r.tags["device_id"], r.tags["target"]) for r in _read_all(store, points, tags=tags)}

    assert found(device_id="d1", target="core") == {("d1", "core")}
    assert found(device_id="d2") == {("d2", "core"), ("d2", "gateway")}
    assert found(unit="16690") == {("d3", "core")}
    assert found(province="40", target="gateway") == {("d1", "gateway"), ("d2", "gateway")}
    assert found(device_id="d9") == set()
    assert found(device_id="") == set()


def test_measurements_do_not_mix(store, points):
    store.write([points.latency(), points.health(), points.filesystem("/")])
    (reading,) = _read_all(store, points, "device_health", ("uptime_s", "cpu_pm"))
    assert reading.fields == {"uptime_s": 0, "cpu_pm": 125}
    assert "target" not in reading.tags
    (reading,) = _read_all(store, points, "device_filesystem", ("available_kib",))
    assert reading.tags["filesystem"] == "/"


@pytest.mark.parametrize(
    "value",
    [
        "Phường Thành Vinh",
        "C:\\",
        "C:\\Dữ liệu\\",
        "a\\,b=c d",
        "\\ \\= \\,",
        "\\\\",
        "\\\u2060",
        "' OR '' = '",
        '"quoted" $tag_target',
        " spaces ",
        "#, =",
        "đĩa 💾",
        "a" * TAG_MAX_BYTES,
    ],
)
def test_tag_values_of_any_kind_come_back_and_select(store, points, value):
    store.write([points.filesystem(value), points.filesystem("other")])
    readings = _read_all(store, points, "device_filesystem", ("size_kib",), tags={"filesystem": value})
    assert [reading.tags["filesystem"] for reading in readings] == [value]


def test_five_hundred_hostile_tag_values_stay_apart(store, points):
    source = random.Random(7)
    values = {"".join(source.choices("\\, =\"'$/\u2060ạb", k=source.randint(1, 7))) for _ in range(500)}
    assert store.write([points.filesystem(value) for value in sorted(values)]) == []
    readings = _read_all(store, points, "device_filesystem", ("size_kib",))
    assert sorted(reading.tags["filesystem"] for reading in readings) == sorted(values)


def test_integers_keep_all_64_bits(store, points):
    fields = {"sent": INTEGER_MAX, "received": INTEGER_MIN, "rtt_p50_us": 2**53 + 1}
    assert store.write([points.latency(fields=fields)]) == []
    (reading,) = _read_all(store, points)
    assert reading.fields == fields


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"measurement": "link_speed"}, "unknown measurement 'link_speed'; allowed: device_health"),
        ({"fields": {"sent": 1, "rtt_p99_us": 5}}, "unknown field 'rtt_p99_us'"),
        ({"fields": {}}, "no field; allowed for link_latency: sent"),
        ({"fields": {"sent": 2**63}}, "does not fit 64 bits"),
        ({"fields": {"sent": -(2**63) - 1}}, "does not fit 64 bits"),
        ({"fields": {"sent": 1.0}}, "not an integer"),
        ({"fields": {"sent": True}}, "not an integer"),
        ({"time_seconds": -1}, "time_seconds is -1"),
        ({"time_seconds": 2**40}, "time_seconds is"),
        ({"tags": {"device_id": "d1"}}, "required: province, unit, site, device_id, target"),
    ],
)
def test_a_bad_point_is_refused_and_the_others_are_stored(store, points, change, words):
    bad = replace(points.latency(minute=1), **change)
    (refused,) = store.write([points.latency(minute=0), bad, points.latency(minute=2)])
    assert refused.point == bad
    assert words in refused.reason
    assert len(_read_all(store, points)) == 2


@pytest.mark.parametrize("value", ["", "two\nlines", "cr\r", "nul\0", "\ud800", "đ" * TAG_MAX_BYTES])
def test_a_tag_value_that_cannot_be_kept_is_refused(store, points, value):
    (refused,) = store.write([points.filesystem(value), points.filesystem("/")])
    assert refused.reason.startswith("tag filesystem")
    assert len(_read_all(store, points, "device_filesystem", ("size_kib",))) == 1


@pytest.mark.parametrize(
    ("measurement", "fields", "tags", "words"),
    [
        ("link_speed", ["sent"], {}, "allowed: device_health"),
        ("link_latency", ["sent", "speed"], {}, "allowed: sent, received"),
        ("link_latency", [], {}, "allowed: sent, received"),
        ("link_latency", ["sent"], {"filesystem": "/"}, "allowed: province, unit, site, device_id, target"),
        ('link_latency" --', ["sent"], {}, "unknown measurement"),
    ],
)
def test_reading_what_does_not_exist_names_what_does(store, points, measurement, fields, tags, words):
    with pytest.raises(KeyError, match=words):
        store.read(measurement, fields, **points.window(), tags=tags)


def test_storage_is_made_once_and_health_is_good(store, points):
    store.write([points.latency()])
    store.ensure_storage()
    assert len(_read_all(store, points)) == 1
    health = store.health()
    assert health.ok, health.detail


def test_writing_nothing_is_fine(store, points):
    assert store.write([]) == []
    assert _read_all(store, points) == []


def test_threads_write_and_read_at_once(store, points):
    problems = []

    def work(device):
        try:
            for minute in range(20):
                store.write([points.latency(f"d{device}", target, minute) for target in ("core", "gateway")])
                readings = _read_all(store, points, tags={"device_id": f"d{device}"})
                assert len(readings) == 2 * (minute + 1)
        except BaseException as error:  # noqa: BLE001 (a thread's failure must reach the test)
            problems.append(error)

    threads = [threading.Thread(target=work, args=(device,)) for device in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(_read_all(store, points)) == 6 * 20 * 2


def test_a_read_given_up_half_way_disturbs_nobody(store, points):
    store.write([points.latency(f"d{device}", minute=minute) for device in range(40) for minute in range(300)])
    for _ in range(8):
        readings = store.read("link_latency", ["sent"], **points.window())
        next(readings)
        readings.close()
    assert store.write([points.latency("late")]) == []
    assert len(_read_all(store, points)) == 40 * 300 + 1
