"""The first byte of services that really run: quick, slow, mute, encrypted, mistrusted."""

import contextlib
import socket
import ssl
import threading
import time

import pytest

from agent.configuration import SERVICE, Target
from agent.host import LINUX, Host
from agent.link import round as link_round
from agent.link.service_answer import head_request
from agent.probes import latency
from agent.probes.contract import ProbeContext


class Service:
    """Accepts, reads what comes, and answers after a while with whatever the test says.

    Args:
        answer: bytes sent back; None closes without one.
        after_seconds: how long it thinks.
        waits_for_request: a banner comes unasked.
        context: for TLS.
    """

    def __init__(self, answer=b"HTTP/1.1 200 OK\r\n", after_seconds=0.0, *, waits_for_request=True, context=None):
        self.received = []
        self._answer, self._after, self._waits, self._context = answer, after_seconds, waits_for_request, context
        self._ended = threading.Event()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(16)
        self._listener.settimeout(0.1)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while not self._ended.is_set():
            try:
                channel, _ = self._listener.accept()
            except OSError:
                # Nobody came for a moment, or the test is over.
                continue
            self._threads.append(threading.Thread(target=self._serve, args=(channel,)))
            self._threads[-1].start()

    def _serve(self, channel):
        with contextlib.suppress(OSError), channel:
            channel.settimeout(5)
            if self._context is not None:
                channel = self._context.wrap_socket(channel, server_side=True)
            with channel:
                if self._waits:
                    request = channel.recv(4096)
                    if not request:
                        return
                    self.received.append(request)
                if self._ended.wait(self._after) or self._answer is None:
                    return
                channel.sendall(self._answer)
                channel.recv(1)

    def close(self):
        self._ended.set()
        self._listener.close()
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def make_service():
    with contextlib.ExitStack() as stack:

        def make(*words, **options):
            return stack.enter_context(contextlib.closing(Service(*words, **options)))

        yield make


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """One round with a single target; its samples by name, and the remark."""
    monkeypatch.setattr(latency, "open_way", lambda version: link_round.EchoWay(None, None, latency.NO_ICMP))

    def run(port, service, path=None, *, verify=False, address="127.0.0.1", ca_file=None, window=0.1):
        target = Target("server", address, port, SERVICE, service, path, verify)
        found = latency.collect(Host(tmp_path, LINUX), ProbeContext((target,), window, ca_file))
        return {sample.metric: sample.value for sample in found.samples}, found.remark

    return run


@pytest.fixture
def authority(tmp_path):
    """A certificate authority's file, and a maker of server contexts with its certificates."""
    trustme = pytest.importorskip("trustme")
    issuer = trustme.CA()
    path = tmp_path / "ca.pem"
    issuer.cert_pem.write_to_path(str(path))

    def context(name="127.0.0.1"):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer.issue_cert(name).configure_cert(made)
        return made

    return str(path), context


FIRST = "link_first_byte_p50_seconds"


def test_the_request_names_nobody():
    target = Target("s", "dv.example", 443, None, "https", "/status?a=1")
    assert head_request(target) == (
        b"HEAD /status?a=1 HTTP/1.1\r\nHost: dv.example\r\nUser-Agent: thongmang\r\nAccept: */*\r\n"
        b"Connection: close\r\n\r\n"
    )
    assert b"Host: [::1]:80\r\n" in head_request(Target("s", "::1", 80, None, "https"))
    assert b"HEAD / HTTP/1.1\r\nHost: 10.0.0.1\r\n" in head_request(Target("s", "10.0.0.1", 80, None, "http"))


@pytest.mark.parametrize("after_seconds", [0.0, 0.4])
def test_http(make_service, ask, after_seconds):
    service = make_service(after_seconds=after_seconds)
    samples, _ = ask(service.port, "http", "/x")
    assert after_seconds <= samples[FIRST] < after_seconds + 0.3
    assert samples["link_connects_failed"] == 0
    assert samples["link_connect_p50_seconds"] < 0.3
    # One question a round, though ten connects are made.
    assert len(service.received) == 1
    assert service.received[0].startswith(b"HEAD /x HTTP/1.1\r\n")


def test_a_redirect_is_not_followed(make_service, ask):
    other = make_service()
    moved = make_service(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\n\r\n" % other.port)
    samples, _ = ask(moved.port, "http")
    assert samples[FIRST] < 0.3
    assert other.received == []


def test_a_banner(make_service, ask):
    service = make_service(b"220 mail ready\r\n", 0.2, waits_for_request=False)
    samples, _ = ask(service.port, "tcp-banner")
    assert 0.2 <= samples[FIRST] < 0.5


@pytest.mark.parametrize("kind", ["https", "tls"])
def test_tls(make_service, ask, authority, kind):
    _, context = authority
    service = make_service(after_seconds=0.3, context=context())
    samples, remark = ask(service.port, kind)
    # `tls` ends with the first byte of the handshake, `https` waits for the service's own answer.
    assert (0.3 if kind == "https" else 0.0) <= samples[FIRST] < (0.6 if kind == "https" else 0.3)
    assert "prove" not in remark
    # The handshake ends long before a service that thinks has answered; `tls` does not wait for its end.
    assert ("link_handshake_seconds" in samples) == (kind == "https")
    assert 0.0 < samples.get("link_handshake_seconds", 0.1) < 0.3
    assert service.received[:1] == ([head_request(Target("", "127.0.0.1", service.port))] if kind == "https" else [])


def test_a_service_that_must_prove_its_name(make_service, ask, authority, tmp_path):
    path, context = authority
    right, wrong_name = make_service(context=context()), make_service(context=context("other.example"))
    samples, remark = ask(right.port, "https", verify=True, ca_file=path)
    assert samples[FIRST] < 0.5
    assert "prove" not in remark
    # Another name, an authority that the machine does not know, a file that is not there.
    for port, ca_file in ((wrong_name.port, path), (right.port, None), (right.port, str(tmp_path / "none.pem"))):
        received = len(right.received) + len(wrong_name.received)
        samples, remark = ask(port, "https", verify=True, ca_file=ca_file)
        assert FIRST not in samples
        assert samples["link_connects_failed"] == 0
        assert len(right.received) + len(wrong_name.received) == received
    assert ask(wrong_name.port, "https", verify=False)[0][FIRST] < 0.5


def test_who_is_mistrusted_is_told(make_service, authority, tmp_path):
    path, context = authority
    service = make_service(context=context("other.example"))
    table = tmp_path / "proc" / "net" / "route"
    table.parent.mkdir(parents=True)
    table.write_text("Iface\n" + "lo\t00000000\t0100007F\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")
    target = Target("server", "127.0.0.1", service.port, None, "https", None, verify=True)
    found = latency.collect(Host(tmp_path, LINUX), ProbeContext((target,), 0.1, path))
    if found.facts["link_method"][0]["method"] is None:
        pytest.skip("this user may not open ICMP sockets")
    assert found.remark == "a service did not prove its name; its first byte was not measured"


def test_a_mute_service_has_the_time_that_was_waited(make_service, ask, monkeypatch):
    """It is not as if nothing had been measured: a service that has stalled must be seen."""
    monkeypatch.setattr(link_round, "FIRST_BYTE_SECONDS", 0.6)
    monkeypatch.setattr(link_round, "TIMEOUT_SECONDS", 1.0)
    service = make_service(after_seconds=30)
    started = time.perf_counter()
    samples, _ = ask(service.port, "http")
    assert samples[FIRST] == pytest.approx(0.6, abs=0.05)
    assert samples["link_connects_failed"] == 0
    assert time.perf_counter() - started < 1.5


@pytest.mark.parametrize("kind", ["http", "https", "tls", "tcp-banner"])
def test_a_service_that_hangs_up_has_no_first_byte(make_service, ask, kind):
    service = make_service(None, waits_for_request=kind != "tcp-banner")
    samples, _ = ask(service.port, kind)
    assert FIRST not in samples
    assert samples["link_connects_failed"] == 0


def test_rubbish_instead_of_tls(make_service, ask):
    service = make_service(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    samples, _ = ask(service.port, "https")
    assert FIRST not in samples
    assert samples["link_probes_received"] == 10


def test_nobody_listens(ask):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    samples, _ = ask(port, "http")
    assert FIRST not in samples
    assert samples["link_connects_failed"] == 10
