"""The real collector hands out its authority, and a real agent joins over TLS with nothing but the printed command."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import trustme

from agent.config import load_identity
from collector.cli.collector import main as collector_command
from collector.doors.authority import authority_certificates, fingerprint
from collector.errors import SettingsError
from collector.settings import Server, Settings

ROOT = Path(__file__).resolve().parents[2]
UNIT = "16681"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def settings(tmp_path, authority):
    leaf = authority.issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for place, blob in enumerate(leaf.cert_chain_pems):
        blob.write_to_path(str(tmp_path / "chain.pem"), append=bool(place))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = Server(
        certificate_file=str(tmp_path / "chain.pem"),
        key_file=str(tmp_path / "key.pem"),
        ca_file=str(tmp_path / "ca.pem"),
    )
    return Settings(server=server)


def test_the_printed_command_joins_a_terminal(running, settings, tmp_path, capsys):
    url = running.url.replace("http://", "https://")
    table = {**msgspec.structs.asdict(settings.server), "public_url": url}
    lines = [f'{key} = "{value}"' for key, value in table.items() if isinstance(value, str) and value]
    (running.collector.state / "collector.toml").write_text("[server]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    assert collector_command(["--state-dir", str(running.collector.state), "join-code", "--unit", UNIT]) == 0
    told = capsys.readouterr()
    words = shlex.split(next(line for line in told.err.splitlines() if line.startswith("thongmang agent enrol")))
    assert told.out.strip() in words
    state = tmp_path / "terminal"
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    command = [sys.executable, "-m", "agent", *words[1:], "--state-dir", str(state)]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path, timeout=60)
    identity = load_identity(state)
    assert identity.collector_url == url
    assert authority_certificates(state / "ca.pem") == authority_certificates(Path(settings.server.ca_file))
    # The same command with one digit of the fingerprint changed: nothing is joined, and the code stays unused.
    capsys.readouterr()
    collector_command(["--state-dir", str(running.collector.state), "join-code", "--unit", UNIT])
    line = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("thongmang agent enrol"))
    wrong = shlex.split(re.sub(r"[0-9A-F]{2}$", lambda pair: "00" if pair.group() != "00" else "01", line))
    other = [sys.executable, "-m", "agent", *wrong[1:], "--state-dir", str(tmp_path / "other")]
    done = subprocess.run(other, check=False, env=environment, cwd=tmp_path, timeout=60, capture_output=True)
    assert done.returncode == 1
    assert load_identity(tmp_path / "other") is None
    assert len(running.collector.identities.former_ids(identity.device_id)) == 0


def test_the_fingerprint_is_that_of_openssl(settings):
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", settings.server.ca_file],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (der,) = authority_certificates(Path(settings.server.ca_file))
    assert told.strip().partition("=")[2] == fingerprint(der)


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nx\n"])
def test_a_file_without_a_certificate_is_named(tmp_path, content):
    (tmp_path / "x.pem").write_bytes(content)
    with pytest.raises(SettingsError, match=r"server\.ca_file: .*x\.pem"):
        authority_certificates(tmp_path / "x.pem")
    with pytest.raises(SettingsError, match="missing"):
        authority_certificates(tmp_path / "missing")


class TestWithoutAnAuthority:
    @pytest.fixture
    def settings(self):
        return Settings()

    def test_there_is_none_to_hand_out(self, running):
        answer = running.get("/api/v1/authority")
        assert (answer.status, b"server.ca_file" in answer.data) == (404, True)
