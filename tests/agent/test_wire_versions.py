"""In which version the agent speaks: the newest, until a collector says that it does not know it."""

import pytest

from agent.config import Identity
from agent.host import Host
from agent.spool import Spool
from agent.uplink import Uplink
from agent.wire.codec import report_to_json
from agent.wire.report import ACCEPTED, Fact, ProbeOutcome, Report, Sample


@pytest.fixture
def uplink(tmp_path, collector):
    host = Host()
    spool = Spool(tmp_path / "spool.sqlite3", host)
    spool.adopt("d")
    made = Uplink(Identity(collector.url, "d", "secret", None), spool, host)

    def append(value):
        samples = (Sample("uptime_seconds", value), Sample("link_probes_sent", 10, {"target": "máy chủ"}))
        outcomes = (ProbeOutcome("uptime", "ok", 0.1), ProbeOutcome("disks", "no_data", 0.2, "none"))

        def build(boot_id, sequence, _waiting, _dropped):
            facts = (Fact("os_name", "Windows 7"),) if sequence == 1 else ()
            return report_to_json(Report(1, "d", boot_id, sequence, 1.8e9 + value, value, outcomes, samples, facts))

        return spool.append(build)

    made.append = append
    yield made
    made.close()
    spool.close()


def test_reports_arrive_whole_in_columns(uplink, collector):
    for value in (60, 120, 180):
        uplink.append(value)
    cycle = uplink.cycle()
    assert (cycle.accepted, cycle.error) == (3, None)
    (request,) = collector.requests
    headers = {name.lower(): value for name, value in request["headers"].items()}
    assert headers["content-encoding"] == "thongmang-2"
    first, second, third = request["reports"]
    assert [one["samples"][0]["value"] for one in request["reports"]] == [60, 120, 180]
    assert first["samples"][1] == {"metric": "link_probes_sent", "value": 10, "labels": {"target": "máy chủ"}}
    assert [outcome["probe"] for outcome in second["outcomes"]] == ["uptime", "disks"]
    assert (first["facts"], second["facts"]) == ([{"name": "os_name", "value": "Windows 7"}], [])
    assert third["wall_time_seconds"] == 1.8e9 + 180


def test_an_older_collector_gets_version_1(uplink, collector):
    collector.knows_columns = False
    uplink.append(60)
    assert uplink.cycle().accepted == 1
    assert [request["status"] for request in collector.requests] == [415, 200]
    assert collector.requests[1]["headers"]["Content-Encoding"] == "deflate"
    # It is not asked again at every upload.
    uplink.append(120)
    cycle = uplink.cycle()
    assert [result.status for result in cycle.exchanges[0].results] == [ACCEPTED]
    assert [request["status"] for request in collector.requests] == [415, 200, 200]


def test_a_day_later_it_is_asked_again(uplink, collector):
    collector.knows_columns = False
    uplink.append(60)
    uplink.cycle()
    collector.knows_columns = True
    uplink._columns_from -= 86_400
    uplink.append(120)
    assert uplink.cycle().accepted == 1
    assert collector.requests[-1]["headers"]["Content-Encoding"] == "thongmang-2"
