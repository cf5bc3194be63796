"""A terminal and a collector over https, with an authority of one's own."""

from __future__ import annotations

import ssl

import pytest
import trustme
import urllib3


@pytest.fixture
def authority(processes):
    made = trustme.CA()
    certificate = made.issue_cert("127.0.0.1", "localhost")
    made.cert_pem.write_to_path(str(processes.state / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(processes.state / "key.pem"))
    for number, part in enumerate(certificate.cert_chain_pems):
        part.write_to_path(str(processes.state / "chain.pem"), append=number > 0)
    (processes.state / "collector.toml").write_text(
        f'[server]\ncertificate_file = "{processes.state}/chain.pem"\nkey_file = "{processes.state}/key.pem"\n'
        "[agents]\ninterval_seconds = 1\nupload_interval_seconds = 1\n"
    )
    processes.url = processes.url.replace("http://", "https://")
    processes.http = urllib3.PoolManager(
        retries=False, timeout=5, ssl_context=ssl.create_default_context(cafile=str(processes.state / "ca.pem"))
    )
    return made


def test_a_terminal_trusts_the_pinned_authority_and_no_other(processes, authority):
    processes.start_collector()
    code = processes.run("collector", "join-code", "--unit", "Xã Nghi Lộc").strip()
    state = ["--state-dir", str(processes.state / "agent")]
    foreign = processes.state / "foreign.pem"
    trustme.CA().cert_pem.write_to_path(str(foreign))
    # The system's own authorities do not know it either, and there is no way around the check.
    processes.run("agent", "enrol", processes.url, "--code", code, *state, expected=1)
    processes.run("agent", "enrol", processes.url, "--code", code, "--ca", str(foreign), *state, expected=1)
    ca = str(processes.state / "ca.pem")
    processes.run("agent", "enrol", processes.url, "--code", code, "--ca", ca, *state)
    processes.run("agent", "run", "--once", *state)
    processes.wait(lambda: processes.api("/api/v1/devices")["devices"][0]["samples"], 20)


def test_commands_of_the_collector(processes):
    assert "no registry in" in processes.run_failing("collector", "join-code", "--unit", "16681", expected=2)
    assert not (processes.state / "registry.sqlite").exists()
    assert "store (embedded)" in processes.run("collector", "check")
    processes.start_collector()
    assert "cannot be listened on" in processes.run_failing("collector", "serve", expected=1)
    viewer = processes.run("collector", "token", "--label", "Phòng CNTT").strip()
    headers = {"Authorization": f"Bearer {viewer}"}
    assert processes.http.request("GET", processes.url + "/api/v1/units", headers=headers).status == 200
    listing = processes.run("collector", "tokens")
    (line,) = [line for line in listing.splitlines() if "Phòng CNTT" in line]
    assert viewer.split("_", 2)[2] not in listing
    processes.run("collector", "revoke-token", line.split("\t")[0])
    assert processes.http.request("GET", processes.url + "/api/v1/units", headers=headers).status == 401
    processes.run("collector", "revoke-token", line.split("\t")[0], expected=2)
    processes.run("collector", "join-code", "--unit", "Nowhere", expected=2)
    processes.run("collector", "join-code", "--unit", "16681", "--site", "Đảng ủy", expected=2)
    processes.run("collector", "revoke", "nobody", expected=2)
    processes.run("collector", "move", "nobody", "--unit", "16681", expected=2)
    device_id = processes.enrol(processes.run("collector", "join-code", "--unit", "16681").strip())["device_id"]
    processes.run("collector", "move", device_id, "--unit", "Nghi Lộc", "--site", "dang-uy")
    (device,) = processes.api("/api/v1/devices")["devices"]
    assert (device["id"], device["unit_code"], device["site"]) == (device_id, "17827", "dang-uy")
    assert processes.run("collector", "rejected").startswith("0 kept")
    for name in ("registry.sqlite", "journal.sqlite", "metrics.sqlite", "admin.token"):
        assert (processes.state / name).stat().st_mode & 0o077 == 0, name
