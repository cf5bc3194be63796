"""The registry of stores."""

from __future__ import annotations

import subprocess
import sys

import pytest

from collector.metrics.embedded import EmbeddedMetricStore
from collector.metrics.influx import InfluxMetricStore
from collector.metrics.port import StoreMisconfiguredError
from collector.metrics.stores import STORES, open_store


def test_each_kind_opens_its_class(tmp_path):
    assert set(STORES) == {"embedded", "influxdb"}
    assert isinstance(open_store("embedded", path=tmp_path / "m.sqlite"), EmbeddedMetricStore)
    store = open_store("influxdb", url="http://127.0.0.1:1")
    assert isinstance(store, InfluxMetricStore)
    store.close()


def test_opening_touches_neither_disk_nor_network(tmp_path):
    open_store("embedded", path=tmp_path / "folder" / "m.sqlite")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("postgres", {}, "allowed: embedded, influxdb"),
        ("embedded", {}, "missing a required argument: 'path'"),
        ("embedded", {"path": "x", "url": "y"}, "unexpected keyword argument 'url'"),
        ("influxdb", {"url": "http://x", "db": "y"}, "its options are url, database, username"),
        ("influxdb", {"url": "127.0.0.1:8086"}, "expected http://host:port"),
        ("influxdb", {"url": "http://x", "database": 'a"; DROP'}, "letters, digits and underscores"),
        ("influxdb", {"url": "http://x", "username": "a:b"}, "no colon"),
    ],
)
def test_what_cannot_be_opened_says_why(kind, options, words):
    with pytest.raises(StoreMisconfiguredError, match=words):
        open_store(kind, **options)


def test_the_embedded_store_does_not_load_the_influxdb_client(tmp_path):
    code = (
        "import sys\n"
        "from collector.metrics.stores import open_store\n"
        "open_store('embedded', path=sys.argv[1]).ensure_storage()\n"
        "sys.exit(sorted(name for name in sys.modules if name.startswith(('influxdb_client', 'urllib3')))[:3] or 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.sqlite")], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
