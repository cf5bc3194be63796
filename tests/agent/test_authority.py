"""The authority is pinned by its fingerprint, and nothing secret goes to anybody who is not of it."""

import ast
import hashlib
import http.server
import json
import ssl
import threading
from pathlib import Path

import pytest

import agent
from agent.authority import certificates, parse_fingerprint, trust_again
from agent.cli import main
from agent.config import Identity, load_identity, save_identity
from agent.enrolment import enrol
from agent.errors import AgentError, ConfigurationError

trustme = pytest.importorskip("trustme")

CODE = "7K2M-0QXT-9HZC"


class TlsCollector:
    """A real TLS server that hands out an authority and takes enrolments; keeps every byte it was sent."""

    def __init__(self, issuer, handed_out):
        self.requests = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer.issue_cert("127.0.0.1").configure_cert(context)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests.append(("GET", self.path, dict(self.headers), b""))
                self.answer(200 if handed_out else 404, handed_out)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append(("POST", self.path, dict(self.headers), body))
                configuration = {"interval_seconds": 60, "upload_interval_seconds": 300, "targets": []}
                table = {"device_id": "device-1", "token": "secret-token", "configuration": configuration}
                self.answer(200, json.dumps(table).encode())

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def serve():
    running = []

    def start(issuer, handed_out):
        running.append(TlsCollector(issuer, handed_out))
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def stranger():
    return trustme.CA()


def pem_of(issuer):
    return issuer.cert_pem.bytes()


def fingerprint_of(issuer):
    digits = hashlib.sha256(certificates(pem_of(issuer))[0]).hexdigest().upper()
    return ":".join(digits[at : at + 2] for at in range(0, 64, 2))


def test_enrolment_by_fingerprint_pins_the_authority(serve, authority, stranger, tmp_path):
    # Among several, the one with the fingerprint alone is pinned.
    collector = serve(authority, pem_of(stranger) + pem_of(authority))
    identity = enrol(collector.url, CODE, tmp_path / "state", ca_fingerprint=fingerprint_of(authority))
    assert certificates((tmp_path / "state" / "ca.pem").read_bytes()) == certificates(pem_of(authority))
    assert identity.ca_file == str(tmp_path / "state" / "ca.pem")
    assert [(method, path) for method, path, _, _ in collector.requests] == [
        ("GET", "/api/v1/authority"),
        ("POST", "/api/v1/enrolments"),
    ]
    assert CODE.encode() not in repr(collector.requests[0]).encode()
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["ca.pem", "identity.json"]


@pytest.mark.parametrize("hands_out", ["its own", "the right one", "nothing", "rubbish"])
def test_who_stands_in_between_gets_nothing_but_the_fetch(serve, authority, stranger, tmp_path, hands_out):
    """A machine with a certificate of another authority, whatever it hands out as the collector's."""
    pem = {"its own": pem_of(stranger), "the right one": pem_of(authority), "nothing": b"", "rubbish": b"-----BEGIN"}
    middle = serve(stranger, pem[hands_out])
    with pytest.raises(AgentError):
        enrol(middle.url, CODE, tmp_path / "state", ca_fingerprint=fingerprint_of(authority))
    assert [(method, path) for method, path, _, _ in middle.requests] == [("GET", "/api/v1/authority")]
    assert "authorization" not in {name.lower() for name in middle.requests[0][2]}
    assert load_identity(tmp_path / "state") is None
    assert not (tmp_path / "state" / "ca.pem").exists()


def test_after_enrolment_the_pinned_authority_alone_is_trusted(serve, authority, stranger, tmp_path, environment):
    from agent.connection import Connection, parse_collector_url

    collector = serve(authority, pem_of(authority))
    identity = enrol(collector.url, CODE, tmp_path / "state", ca_fingerprint=fingerprint_of(authority))
    middle = serve(stranger, pem_of(stranger))
    connection = Connection(parse_collector_url(middle.url), identity.ca_file)
    with pytest.raises(AgentError, match="not trusted"):
        connection.post("/api/v1/reports", b"secret", {"Authorization": "Bearer secret-token"})
    assert middle.requests == []


def test_another_authority_is_trusted_when_a_person_says_so(serve, authority, stranger, tmp_path):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "ca.pem").write_bytes(pem_of(authority))
    renewed = serve(stranger, pem_of(stranger))
    save_identity(state, Identity(renewed.url, "device-1", "secret-token", str(state / "ca.pem")))
    identity = trust_again(state, None, fingerprint_of(stranger))
    assert certificates((state / "ca.pem").read_bytes()) == certificates(pem_of(stranger))
    assert load_identity(state) == identity
    # One that the collector is not of is not taken, and the pinned one stays.
    (tmp_path / "other.pem").write_bytes(pem_of(authority))
    with pytest.raises(AgentError):
        trust_again(state, tmp_path / "other.pem", None)
    assert certificates((state / "ca.pem").read_bytes()) == certificates(pem_of(stranger))
    assert sorted(path.name for path in state.iterdir()) == ["ca.pem", "identity.json"]
    assert all(b"secret" not in repr(request).encode() for request in renewed.requests)


@pytest.mark.parametrize("text", ["", "AB:CD", "g" * 64, "a" * 63, "a" * 65, "sha256:" + "a" * 64])
def test_what_is_no_fingerprint(text, tmp_path):
    with pytest.raises(ConfigurationError, match="SHA-256 fingerprint"):
        enrol("https://127.0.0.1:1", CODE, tmp_path / "state", ca_fingerprint=text)


def test_spellings_of_a_fingerprint():
    assert parse_fingerprint(" AB:" * 32) == "ab" * 32
    assert parse_fingerprint("Ab-" * 31 + "aB") == "ab" * 32


def test_a_fingerprint_is_for_https(tmp_path):
    with pytest.raises(ConfigurationError, match="https"):
        enrol("http://127.0.0.1:1", CODE, tmp_path / "state", ca_fingerprint="a" * 64)


def test_the_command_line(serve, authority, tmp_path, capsys):
    collector = serve(authority, pem_of(authority))
    options = ["--state-dir", str(tmp_path / "state"), "--lang", "en"]
    words = ["enrol", "--url", collector.url, "--code", CODE, "--ca-sha256", fingerprint_of(authority)]
    assert main([*words, *options]) == 0
    assert "device-1" in capsys.readouterr().out
    assert main([*words, collector.url, *options]) == 1
    assert "say the collector's address once" in capsys.readouterr().err
    assert main(["trust", "--ca-sha256", fingerprint_of(authority), *options]) == 0
    assert main(["trust", *options]) == 1


def test_nothing_else_in_the_agent_leaves_certificates_unchecked():
    """Wherever a check is switched off, it is for a measurement that says nothing, or for the fetch."""
    found = {}
    package = Path(agent.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node, "attr", getattr(node, "id", ""))
            if name in {"CERT_NONE", "CERT_OPTIONAL", "_create_unverified_context", "_create_stdlib_context"}:
                found.setdefault(path.relative_to(package).as_posix(), []).append(name)
    allowed = {"authority.py": ["CERT_NONE"], "link/service_answer.py": ["CERT_NONE"]}
    assert found == {path: names for path, names in allowed.items() if path in found}
    assert "authority.py" in found
