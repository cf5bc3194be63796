"""What only the InfluxDB store promises, on Debian's influxd; other versions' answers come from a small HTTP server."""

from __future__ import annotations

import gzip
import http.server
import json
import ssl
import threading
from dataclasses import replace

import pytest
import trustme

from collector.metrics.influx import InfluxMetricStore
from collector.metrics.influx_versions import generation
from collector.metrics.port import StoreMisconfiguredError, StoreUnavailableError


@pytest.fixture
def influx(influx_options):
    opened = InfluxMetricStore(**influx_options)
    opened.ensure_storage()
    yield opened
    opened.close()


@pytest.fixture
def open_influx():
    """Opens stores that are closed with the test."""
    opened = []

    def make(url, **options):
        opened.append(InfluxMetricStore(url, **options))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


class Answers:
    """A real HTTP server on loopback that gives the answers it was told, and remembers what it was asked."""

    def __init__(self, context=None) -> None:
        self.by_path = {}
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer(b"")

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._answer(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)

            def _answer(self, body):
                outer.asked.append((self.path, dict(self.headers), body))
                given = outer.by_path[self.path.partition("?")[0]]
                status, headers, text = given(self.path, body) if callable(given) else given
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text.encode())), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def version(self, text, databases=("fleet_raw",)):
        self.by_path["/ping"] = (204, {"X-Influxdb-Version": text}, "")
        series = [{"name": "databases", "columns": ["name"], "values": [[name] for name in databases]}]
        self.by_path["/query"] = (200, {}, json.dumps({"results": [{"statement_id": 0, "series": series}]}))

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def answers():
    server = Answers()
    yield server
    server.stop()


@pytest.mark.influxd
def test_the_database_is_made_with_thirty_days_and_one_policy(influx, influxd, influx_options):
    (policies,) = influxd.query(f"SHOW RETENTION POLICIES ON {influx_options['database']}")
    assert policies["values"] == [["autogen", "720h0m0s", "24h0m0s", 1, True]]
    health = influx.health()
    assert health.ok
    assert "InfluxDB 1.6.7" in health.detail
    assert "keeps 720h0m0s" in health.detail


@pytest.mark.influxd
def test_values_are_stored_as_integers_at_whole_seconds(influx, influxd, influx_options, points):
    influx.write([points.latency()])
    database = influx_options["database"]
    (keys,) = influxd.query('SHOW FIELD KEYS FROM "link_latency"', database=database)
    assert keys["values"] == [["received", "integer"], ["rtt_p50_us", "integer"], ["sent", "integer"]]
    (series,) = influxd.query('SELECT * FROM "link_latency"', database=database, epoch="ns")
    assert series["values"][0][0] == points.start_seconds * 10**9


@pytest.mark.influxd
def test_one_point_with_a_type_conflict_is_refused_and_the_rest_is_stored(influx, influxd, influx_options, points):
    database = influx_options["database"]
    influx.write([points.health("other")])
    # As a foreign program might have written: the field is a float in this shard now.
    _write_foreign(influxd, database, f"link_latency,device_id=x rtt_p95_us=1.5 {points.start_seconds}")
    written = [points.latency(minute=minute) for minute in range(300)]
    bad = points.latency("bad", minute=7, fields={"rtt_p95_us": 1, "sent": 1})
    (refused,) = influx.write([*written[:211], bad, *written[211:]])
    assert refused.point == bad
    assert "field type conflict" in refused.reason
    readings = list(influx.read("link_latency", ["sent"], **points.window()))
    assert len(readings) == 300


def _write_foreign(influxd, database, line):
    import urllib3

    response = urllib3.PoolManager().request(
        "POST",
        f"{influxd.url}/write?db={database}&precision=s",
        body=line,
        headers=urllib3.make_headers(basic_auth=f"{influxd.username}:{influxd.password}".encode().decode("latin-1")),
    )
    assert response.status == 204, response.data


@pytest.mark.influxd
def test_trouble_hidden_behind_other_trouble_is_found(influx, influxd, influx_options, points):
    """InfluxDB 1.6 names one kind of trouble a request only; points too old for the database went unmentioned."""
    _write_foreign(influxd, influx_options["database"], f"link_latency,device_id=x sent=1.5 {points.start_seconds}")
    conflict = points.latency("conflict", minute=3)
    old = replace(points.health(), time_seconds=points.start_seconds - 40 * 86_400)
    good = [points.health(minute=minute) for minute in range(1, 60)]
    refused = influx.write([*good[:20], conflict, *good[20:50], old, *good[50:]])
    assert {(one.point.measurement, one.point.time_seconds) for one in refused} == {
        (conflict.measurement, conflict.time_seconds),
        (old.measurement, old.time_seconds),
    }
    assert any("beyond retention policy" in one.reason for one in refused)
    assert len(list(influx.read("device_health", ["uptime_s"], **points.window()))) == 59


@pytest.mark.influxd
def test_a_wrong_password_says_so(influx_options, open_influx, points):
    store = open_influx(**{**influx_options, "password": "wrong"})
    for call in (store.ensure_storage, lambda: store.write([points.latency()]), lambda: list(_read(store, points))):
        with pytest.raises(StoreMisconfiguredError, match="password are wrong"):
            call()
    assert not store.health().ok
    assert "wrong" in store.health().detail


def _read(store, points):
    return store.read("link_latency", ["sent"], **points.window())


@pytest.mark.influxd
def test_a_user_without_rights_is_told_what_to_ask_for(influx, influxd, influx_options, open_influx, points):
    database = influx_options["database"]
    influxd.query(f"CREATE USER {database}_collector WITH PASSWORD 'one'")
    options = {**influx_options, "username": f"{database}_collector", "password": "one"}
    store = open_influx(**options)
    with pytest.raises(StoreMisconfiguredError, match="GRANT ALL ON"):
        store.write([points.latency()])
    assert "missing or hidden" in store.health().detail
    elsewhere = open_influx(**{**options, "database": f"{database}_elsewhere"})
    with pytest.raises(StoreMisconfiguredError, match=f'CREATE DATABASE "{database}_elsewhere"'):
        elsewhere.ensure_storage()
    # With the grant an administrator's rights are not needed: this is how the collector runs.
    influxd.query(f"GRANT ALL ON {database} TO {database}_collector")
    store.ensure_storage()
    assert store.write([points.latency()]) == []
    assert len(list(_read(store, points))) == 1
    assert store.health().ok


@pytest.mark.influxd
def test_a_database_dropped_under_it_says_so(influx, influxd, influx_options, points):
    influxd.query(f"DROP DATABASE {influx_options['database']}")
    with pytest.raises(StoreMisconfiguredError, match="database is missing"):
        influx.write([points.latency()])
    with pytest.raises(StoreMisconfiguredError, match="database not found"):
        list(_read(influx, points))
    assert not influx.health().ok
    influx.ensure_storage()
    assert influx.write([points.latency()]) == []


@pytest.mark.influxd
def test_a_server_killed_and_started_again_loses_nothing(own_influxd, open_influx, points):
    store = open_influx(own_influxd.url, username=own_influxd.username, password=own_influxd.password)
    store.ensure_storage()
    first = [points.latency(minute=minute) for minute in range(200)]
    second = [points.latency(minute=minute) for minute in range(200, 300)]
    assert store.write(first) == []
    own_influxd.kill()
    for call in (lambda: store.write(second), store.ensure_storage, lambda: list(_read(store, points))):
        with pytest.raises(StoreUnavailableError):
            call()
    assert not store.health().ok
    own_influxd.start()
    assert store.write(second) == []
    assert len(list(_read(store, points))) == 300
    assert store.health().ok


def test_nobody_listening_is_unavailable(open_influx, points):
    store = open_influx("http://127.0.0.1:1", timeout_seconds=2)
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1"):
        store.write([points.latency()])
    assert not store.health().ok


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_overloaded_server_is_unavailable(answers, open_influx, points, status):
    answers.by_path["/write"] = (status, {}, '{"error":"timeout"}')
    with pytest.raises(StoreUnavailableError, match=f"{status}.*timeout"):
        open_influx(answers.url).write([points.latency()])


def test_a_slow_server_is_unavailable(answers, open_influx, points):
    release = threading.Event()

    def wait(path, body):
        release.wait(10)
        return 204, {}, ""

    answers.by_path["/write"] = wait
    with pytest.raises(StoreUnavailableError):
        open_influx(answers.url, timeout_seconds=0.2).write([points.latency()])
    release.set()


def test_a_body_too_large_is_halved_until_it_fits(answers, open_influx, points):
    stored = []

    def nginx(path, body):
        if len(body) > 20_000:
            return 413, {"Content-Type": "text/html"}, "<html>413 Request Entity Too Large</html>"
        stored.extend(body.split(b"\n"))
        return 204, {}, ""

    answers.by_path["/write"] = nginx
    written = [points.latency(f"d{n}") for n in range(1_000)]
    assert open_influx(answers.url).write(written) == []
    assert len(set(stored)) == 1_000


def test_version_3_stores_the_good_lines_too(answers, open_influx, points):
    """It stores nothing of a request with a bad line, and tells so with 400."""
    stored = []

    def version_3(path, body):
        if b"device_id=bad" in body:
            return 400, {"X-Influxdb-Version": "3.10.1"}, '{"error":"write buffer error: line protocol parse failed"}'
        stored.extend(body.split(b"\n"))
        return 204, {}, ""

    answers.by_path["/write"] = version_3
    written = [points.latency(f"d{n}") for n in range(100)]
    bad = points.latency("bad")
    (refused,) = open_influx(answers.url).write([*written[:63], bad, *written[63:]])
    assert refused.point == bad
    assert len(stored) == 100


def test_everything_dropped_at_once_is_not_searched(answers, open_influx, points):
    limit = "partial write: max-values-per-tag limit exceeded (100000/100000): dropped=50"
    answers.by_path["/write"] = (400, {"X-Influxdb-Version": "1.6.7"}, json.dumps({"error": limit}))
    refused = open_influx(answers.url).write([points.latency(f"d{n}") for n in range(50)])
    assert len(refused) == 50
    assert len(answers.asked) == 1
    assert 'index-version = "tsi1"' in refused[0].reason


def test_a_400_that_is_not_influxdbs_refuses_no_point(answers, open_influx, points):
    answers.by_path["/write"] = (400, {}, "Client sent an HTTP request to an HTTPS server.")
    with pytest.raises(StoreMisconfiguredError, match="not InfluxDB's own answer"):
        open_influx(answers.url).write([points.latency(), points.health()])


def test_lines_go_compressed_with_seconds_and_basic_authentication(answers, open_influx, points):
    answers.by_path["/write"] = (204, {}, "")
    open_influx(answers.url, username="thu", password="a:b").write([points.latency(f"d{n}") for n in range(12_000)])
    assert [path for path, _, _ in answers.asked] == ["/write?db=fleet_raw&precision=s"] * 3
    assert [body.count(b"\n") + 1 for _, _, body in answers.asked] == [5_000, 5_000, 2_000]
    headers = answers.asked[0][1]
    assert headers["Authorization"] == "Basic dGh1OmE6Yg=="
    assert headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("version", "command"),
    [("v2.7.12", "influx bucket create --name fleet_raw"), ("3.10.1", "influxdb3 create database")],
)
def test_versions_2_and_3_want_the_database_made_by_hand(answers, open_influx, version, command):
    answers.version(version, databases=["_internal"])
    with pytest.raises(StoreMisconfiguredError, match=command):
        open_influx(answers.url).ensure_storage()
    assert not open_influx(answers.url).health().ok
    answers.version(version)
    store = open_influx(answers.url)
    store.ensure_storage()
    assert store.health().ok


def test_the_index_in_memory_is_warned_of(answers, open_influx):
    """From 1.7 on a shard's statistics name its index, to an administrator."""
    answers.version("1.8.10")
    plain = answers.by_path["/query"]

    def version_1_8(path, body):
        if "SHOW+STATS" not in path:
            return plain
        tags = {"database": "fleet_raw", "indexType": "inmem"}
        series = [{"name": "shard", "tags": tags, "columns": ["seriesCreate"], "values": [[1]]}]
        return 200, {}, json.dumps({"results": [{"series": series}]})

    answers.by_path["/query"] = version_1_8
    store = open_influx(answers.url)
    # The same answer serves SHOW RETENTION POLICIES, which has no default policy then.
    store.ensure_storage()
    assert 'index-version = "tsi1"' in store.health().detail


def test_another_server_is_not_taken_for_influxdb(answers, open_influx):
    answers.by_path["/ping"] = (204, {}, "")
    with pytest.raises(StoreMisconfiguredError, match="it is not InfluxDB"):
        open_influx(answers.url).ensure_storage()


@pytest.mark.parametrize(("text", "number"), [("1.6.7~rc0", 1), ("v2.7.12", 2), ("2.9.1", 2), ("3.10.1", 3)])
def test_generations(text, number):
    assert generation(text) == number


@pytest.mark.parametrize("text", ["0.13.0", "4.0", "unknown", "12.0"])
def test_unknown_generations_are_refused(text):
    with pytest.raises(StoreMisconfiguredError, match="not known"):
        generation(text)


def test_an_answer_cut_short_is_not_taken_for_the_whole(answers, open_influx, points):
    def cut(path, body):
        text = (
            '{"results":[{"series":[{"name":"link_latency","tags":{},"columns":["time","sent"],"values":[[1,2]]}]}]}\n'
        )
        return 200, {"Content-Length": str(len(text) + 500)}, text

    answers.by_path["/query"] = cut
    with pytest.raises(StoreUnavailableError):
        list(_read(open_influx(answers.url, timeout_seconds=2), points))


def test_the_servers_certificate_is_checked(open_influx, tmp_path, points):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    secure = Answers(context)
    secure.version("1.8.10")
    secure.by_path["/write"] = (204, {}, "")
    url = f"https://127.0.0.1:{secure.port}"
    try:
        assert open_influx(url, ca_file=str(tmp_path / "ca.pem")).write([points.latency()]) == []
        with pytest.raises(StoreMisconfiguredError, match="ca_file"):
            open_influx(url).write([points.latency()])
    finally:
        secure.stop()
