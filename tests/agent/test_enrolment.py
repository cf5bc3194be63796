"""Joining a collector, and the identity that comes of it."""

import json
import os
import stat
import sys

import pytest

from agent.config import Identity, load_identity, replace_file, save_identity
from agent.configuration import Configuration, Target, configuration_from_json
from agent.connection import parse_collector_url
from agent.enrolment import enrol
from agent.errors import AgentError, ConfigurationError, EnrolmentError


@pytest.fixture
def state_dir(tmp_path):
    return tmp_path / "state"


def test_enrolment_gives_an_identity(collector, answer_of_enrolment, state_dir):
    targets = [{"name": "máy chủ", "address": "10.1.1.1", "port": 443}, {"name": "gw", "address": "gw", "port": None}]
    collector.enrolment = (200, {}, answer_of_enrolment(interval_seconds=30, targets=targets))
    identity = enrol(collector.url + "/", "ABCD-1234", state_dir)
    assert collector.requests[0]["body"] == {"wire_version": 1, "code": "ABCD-1234"}
    expected = Configuration(30, 300, (Target("máy chủ", "10.1.1.1", 443), Target("gw", "gw")), measure_gateway=False)
    assert identity == Identity(collector.url, "device-1", "secret-token", None, expected)
    assert load_identity(state_dir) == identity
    assert "secret-token" not in repr(identity)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights another way")
def test_the_identity_is_closed_to_others(collector, answer_of_enrolment, state_dir):
    collector.enrolment = (200, {}, answer_of_enrolment())
    earlier = os.umask(0)
    try:
        enrol(collector.url, "code", state_dir)
    finally:
        os.umask(earlier)
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in state_dir.iterdir()} == {"identity.json": 0o600}


def test_enrolled_already(collector, answer_of_enrolment, state_dir):
    collector.enrolment = (200, {}, answer_of_enrolment())
    enrol(collector.url, "code", state_dir)
    with pytest.raises(ConfigurationError, match="--again"):
        enrol(collector.url, "code", state_dir)
    assert len(collector.requests) == 1
    collector.enrolment = (200, {}, dict(answer_of_enrolment(), device_id="device-2"))
    assert enrol(collector.url, "code", state_dir, again=True).device_id == "device-2"


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (403, {}, {}, "refused the code"),
        (429, {"Retry-After": "60"}, {}, "in 60 seconds"),
        (429, {}, {}, "try again later"),
        (404, {}, {}, "HTTP status 404"),
        (500, {}, {}, "HTTP status 500"),
        (200, {}, b"<html>", "not JSON"),
        (200, {}, [], "not JSON"),
        (200, {}, {"device_id": "d"}, "token: expected a text"),
        (200, {}, {"device_id": "", "token": "t", "configuration": {}}, "device_id: expected a text"),
        (200, {}, {"device_id": "d", "token": "t"}, "configuration: expected an object"),
    ],
)
def test_other_answers(collector, state_dir, status, headers, body, words):
    collector.enrolment = (status, headers, body)
    with pytest.raises(AgentError, match=words):
        enrol(collector.url, "code", state_dir)
    assert load_identity(state_dir) is None


def test_a_later_collector_may_say_more(collector, answer_of_enrolment, state_dir):
    collector.enrolment = (200, {}, dict(answer_of_enrolment(new_setting=5), also="new"))
    assert enrol(collector.url, "code", state_dir).device_id == "device-1"


def test_the_code_is_not_used_up_where_nothing_can_be_kept(collector, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(ConfigurationError, match="state"):
        enrol(collector.url, "code", blocked / "state")
    assert collector.requests == []


def test_authority_is_copied(make_collector, answer_of_enrolment, state_dir, tmp_path):
    import ssl

    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    collector = make_collector(tls_context=context)
    collector.enrolment = (200, {}, answer_of_enrolment())
    given = tmp_path / "given.pem"
    authority.cert_pem.write_to_path(str(given))
    identity = enrol(collector.url, "code", state_dir, ca_file=given)
    assert identity.ca_file == str(state_dir / "ca.pem")
    assert (state_dir / "ca.pem").read_bytes() == given.read_bytes()
    with pytest.raises(AgentError, match="not trusted"):
        enrol(collector.url, "code", tmp_path / "other")


def test_authority_that_is_no_certificate(collector, state_dir, tmp_path):
    (tmp_path / "x.pem").write_text("hello")
    for name in ("x.pem", "missing.pem"):
        with pytest.raises(ConfigurationError, match=name):
            enrol(collector.url, "code", state_dir, ca_file=tmp_path / name)
    assert collector.requests == []


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "loopback"),
    [
        ("http://127.0.0.1:8600", "127.0.0.1", 8600, "", True),
        ("http://localhost/", "localhost", 80, "", True),
        ("http://[::1]:1", "::1", 1, "", True),
        ("http://127.9.9.9", "127.9.9.9", 80, "", True),
        ("https://giamsat.example.vn/tm/", "giamsat.example.vn", 443, "/tm", False),
    ],
)
def test_addresses(url, host, port, path, loopback):
    address = parse_collector_url(url)
    assert (address.host, address.port, address.path, address.is_loopback) == (host, port, path, loopback)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host",
        "ftp://host",
        "http://",
        "https://user:word@host",
        "https://host?x=1",
        "https://host:port",
        "https://h:99999",
    ],
)
def test_what_is_no_address(url):
    with pytest.raises(ConfigurationError, match="expected an address"):
        parse_collector_url(url)


@pytest.mark.parametrize("url", ["http://10.0.0.1", "http://localhost.example.vn", "http://127.0.0.1.example.vn"])
def test_plain_http_to_others_must_be_asked_for(url):
    with pytest.raises(ConfigurationError, match="--allow-plain-http"):
        parse_collector_url(url)
    assert not parse_collector_url(url, allow_plain_http=True).is_https


def identity_table(**changes):
    configuration = {"interval_seconds": 60, "upload_interval_seconds": 300, "targets": []}
    table = {"collector_url": "http://127.0.0.1", "device_id": "d", "token": "t", "ca_file": None}
    configuration.update(changes.pop("configuration", {}))
    table["configuration"] = configuration
    table.update(changes)
    return table


@pytest.mark.parametrize(
    ("table", "key", "expected"),
    [
        ([], "(top)", "an object with the keys"),
        (identity_table(tokn="x"), "tokn", "no such key"),
        (identity_table(token=5), "token", "text of 1 to 512"),
        (identity_table(device_id=""), "device_id", "text of 1 to 64"),
        (identity_table(device_id="a\nb"), "device_id", "text of 1 to 64"),
        (identity_table(ca_file=5), "ca_file", "path or null"),
        (identity_table(configuration={"interval": 5}), "configuration.interval", "no such key"),
        (identity_table(configuration={"interval_seconds": 0}), "configuration.interval_seconds", "whole seconds"),
        (identity_table(configuration={"interval_seconds": True}), "configuration.interval_seconds", "whole seconds"),
        (identity_table(configuration={"interval_seconds": 1.5}), "configuration.interval_seconds", "whole seconds"),
        (identity_table(configuration={"targets": {}}), "configuration.targets", "a list"),
        (identity_table(configuration={"targets": [5]}), "configuration.targets[0]", "an object"),
        (
            identity_table(configuration={"targets": [{"name": "a", "address": "b", "port": 70000}]}),
            "configuration.targets[0].port",
            "from 1 to 65535",
        ),
        (
            identity_table(configuration={"targets": [{"name": "a", "address": "b", "prt": 1}]}),
            "configuration.targets[0].prt",
            "no such key",
        ),
        (
            identity_table(configuration={"targets": [{"name": "", "address": "b", "port": None}]}),
            "configuration.targets[0].name",
            "text of 1 to 64",
        ),
        (
            identity_table(configuration={"targets": [{"name": "a", "address": "b", "port": None}] * 2}),
            "configuration.targets",
            "a different name",
        ),
    ],
)
def test_a_wrong_identity_is_named(tmp_path, table, key, expected):
    (tmp_path / "identity.json").write_text(json.dumps(table))
    with pytest.raises(ConfigurationError) as caught:
        load_identity(tmp_path)
    text = str(caught.value)
    assert f"identity.json: {key}: " in text
    assert expected in text


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe"])
def test_an_identity_that_is_no_json(tmp_path, body):
    (tmp_path / "identity.json").write_bytes(body)
    with pytest.raises(ConfigurationError, match=r"identity\.json"):
        load_identity(tmp_path)


def test_an_identity_comes_back_as_it_was(tmp_path):
    identity = Identity("https://h", "d", "t", "/ca.pem", Configuration(5, 7, (Target("Nghệ An", "::1", 1),)))
    save_identity(tmp_path, identity)
    save_identity(tmp_path, identity)
    assert load_identity(tmp_path) == identity
    assert [path.name for path in tmp_path.iterdir()] == ["identity.json"]


def test_an_identity_that_an_earlier_agent_can_read(tmp_path):
    """What is not set is not written: version 0.1 refuses keys that it does not know."""
    targets = (Target("gw", "10.0.0.1"), Target("dv", "dv.example", 443, "service", "https", "/a", verify=True))
    save_identity(tmp_path, Identity("https://h", "d", "t", None, Configuration(5, 7, targets, measure_gateway=False)))
    table = json.loads((tmp_path / "identity.json").read_text(encoding="utf-8"))["configuration"]
    assert table["targets"][0] == {"name": "gw", "address": "10.0.0.1", "port": None}
    assert set(table["targets"][1]) == {"name", "address", "port", "role", "service", "path", "verify"}
    assert table["measure_gateway"] is False
    assert load_identity(tmp_path).configuration == Configuration(5, 7, targets, measure_gateway=False)
    save_identity(tmp_path, Identity("https://h", "d", "t", None, Configuration(5, 7)))
    table = json.loads((tmp_path / "identity.json").read_text(encoding="utf-8"))["configuration"]
    assert set(table) == {"interval_seconds", "upload_interval_seconds", "targets"}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"role": "core"}, r"targets\[0\].role: expected one of edge, service, conference, or null"),
        ({"service": "smtp"}, r"targets\[0\].service: expected one of http, https, tls, tcp-banner, or null"),
        ({"service": ["http"]}, r"targets\[0\].service: expected one of"),
        ({"service": "http", "port": None}, r"targets\[0\].service: expected a port beside it"),
        ({"path": "status"}, r"targets\[0\].path: expected a path as /status"),
        ({"path": "/a b"}, r"targets\[0\].path"),
        ({"path": "/a\r\nHost: x"}, r"targets\[0\].path"),
        ({"path": "/" + "a" * 256}, r"targets\[0\].path: .* at most 256"),
        ({"path": 7}, r"targets\[0\].path"),
        ({"verify": "yes"}, r"targets\[0\].verify: expected true or false"),
        ({"colour": "red"}, r"targets\[0\].colour: there is no such key"),
    ],
)
def test_targets_that_cannot_be_used(keys, words):
    table = {"targets": [dict({"name": "a", "address": "b", "port": 1}, **keys)]}
    with pytest.raises(ConfigurationError, match=words):
        configuration_from_json(table, "x")


def test_what_a_later_collector_knows_is_left_out():
    """An option that this agent does not know must not keep a terminal from joining."""
    told = {"name": "a", "address": "b", "port": 1, "role": "core", "service": "quic", "colour": "red"}
    found = configuration_from_json({"targets": [told], "more": 1}, "x", strict=False)
    assert found.targets == (Target("a", "b", 1),)
    with pytest.raises(ConfigurationError, match="measure_gateway: expected true or false"):
        configuration_from_json({"measure_gateway": 1}, "x", strict=False)


def test_a_half_written_file_of_before_is_no_hindrance(tmp_path):
    (tmp_path / "x.new").write_text("half")
    replace_file(tmp_path / "x", b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole"
    assert not (tmp_path / "x.new").exists()


def test_errors_can_be_said_in_another_language():
    error = EnrolmentError("too many tries; try again in {seconds} seconds", seconds=5)
    assert error.message.render(lambda pattern: "thử lại sau {seconds} giây") == "thử lại sau 5 giây"
    assert str(error) == "too many tries; try again in 5 seconds"
