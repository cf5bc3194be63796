"""One connection against real servers: kept, resumed, measured; and against peers that drip, lie and hang up."""

import contextlib
import http.server
import socket
import ssl
import sys
import threading
import time

import pytest

import agent.connection as rooms
from agent.connection import Connection, ConnectTimes, parse_collector_url
from agent.errors import ConfigurationError, UplinkError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """Accepts connections one after the other and does with each what it is told; keeps what it was sent."""

    def __init__(self, *steps, context=None):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._steps, self._context = list(steps), context
        self.requests, self.resumed = [], []
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        for step in self._steps:
            try:
                channel = self._listener.accept()[0]
            except OSError:
                return
            with contextlib.suppress(OSError), channel:
                if self._context is not None:
                    channel = self._context.wrap_socket(channel, server_side=True)
                    self.resumed.append(channel.session_reused)
                with channel:
                    channel.settimeout(10)
                    step(self, channel)

    def read(self, channel):
        """One request, whole."""
        content = b""
        while b"\r\n\r\n" not in content:
            piece = channel.recv(65536)
            if not piece:
                return b""
            content += piece
        head, body = content.split(b"\r\n\r\n", 1)
        length = int(
            next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")).split()[1]
        )
        while len(body) < length:
            body += channel.recv(65536)
        self.requests.append((head, body))
        return head

    def close(self):
        # Closing alone would leave the thread waiting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(12)


@pytest.fixture
def peer():
    made = []

    def make(*steps, context=None):
        made.append(Peer(*steps, context=context))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def connect():
    made = []

    def make(peer, ca_file=None, url=None):
        made.append(Connection(parse_collector_url(url or peer.url), ca_file))
        return made[-1]

    yield make
    for one in made:
        one.close()


def saying(*pieces, pause=0.0, stay=False):
    """A step that reads one request and answers in these pieces."""

    def step(peer, channel):
        if not peer.read(channel):
            return
        for piece in pieces:
            channel.sendall(piece)
            time.sleep(pause)
        if stay:
            channel.recv(1)

    return step


def post(connection, body=b"{}", headers=None):
    return connection.post("/api/v1/reports", body, headers or {})


def always(peer, channel):
    while peer.read(channel):
        channel.sendall(OK)


@pytest.mark.parametrize(
    ("pieces", "status", "body"),
    [
        ([OK], 200, b"{}"),
        ([bytes([letter]) for letter in OK], 200, b"{}"),
        ([b"HTTP/1.1 503 \r\nRetry-After:  7 \r\ncontent-length: 0\r\n\r\n"], 503, b""),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b""),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 \r\nLink: x\r\n\r\n", OK], 200, b"{}"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"], 200, b"abcde"),
        (
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\nA\r\n0123456789\r\n00\r\nTrailer: 1\r\n\r\n"],
            200,
            b"0123456789",
        ),
        ([b"HTTP/1.0 200 OK\r\n\r\nuntil the end"], 200, b"until the end"),
        ([b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"], 302, b""),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}"], 200, b"{}"),
    ],
)
def test_answers_of_every_form(peer, connect, pieces, status, body):
    answer = post(connect(peer(saying(*pieces, pause=0.002))))
    assert (answer.status, answer.body) == (status, body)
    if status == 503:
        assert answer.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([], "it ended early"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"], "it ended early"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"], "it ended early"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n\r\n"], "it is not HTTP"),
        ([b"HTTP/2.0 200 OK\r\n\r\n"], "it is not HTTP"),
        ([b"HTTP/1.1 2000 OK\r\n\r\n"], "it is not HTTP"),
        ([b"HTTP/1.1 abc OK\r\n\r\n"], "it is not HTTP"),
        ([b"\x16\x03\x01\x00\xff" * 500 + b"\r\n\r\n"], "it is not HTTP"),
        ([b"HTTP/1.1 200 OK\r\n" + b"x" * 40_000], "its head is too long"),
        ([b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 8_000 + b"\r\n"], "its head is too long"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n" * 50], "no end of interim answers"),
        ([b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"], "a header of it is broken"),
        ([b"HTTP/1.1 200 OK\r\nfolded: a\r\n b\r\n\r\n"], "a header of it is broken"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}"], "a header of it is broken"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}"], "its length is not a number"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"], "its body has no clear end"),
        (
            [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"],
            "its body has no clear end",
        ),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}"], "its body has no clear end"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"], "the length of a piece is not a number"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n"], "a piece is not as long as it says"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5_000], "a line of it is too long"),
    ],
)
def test_what_is_no_answer_is_an_error_and_never_sent_twice(peer, connect, pieces, why):
    it = peer(saying(*pieces), saying(OK))
    with pytest.raises(UplinkError, match=why):
        post(connect(it))
    assert len(it.requests) == 1


@pytest.mark.parametrize(
    "length", [b"Content-Length: 50000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n2FAF080\r\n", b"\r\n"]
)
def test_more_than_the_limit_is_left_unread_and_not_taken_for_the_next_answer(peer, connect, length, monkeypatch):
    monkeypatch.setattr(rooms, "ANSWER_LIMIT_BYTES", 100_000)
    connection = connect(peer(saying(b"HTTP/1.1 200 OK\r\n" + length + b"x" * 3_000_000), saying(OK)))
    assert post(connection).body == b"x" * 100_000
    assert post(connection).body == b"{}"


def test_what_follows_an_answer_is_not_taken_for_the_next(peer, connect):
    connection = connect(peer(saying(OK + b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", stay=True), saying(OK)))
    assert post(connection).status == 200
    assert post(connection).status == 200


def test_a_peer_that_drips_is_left_after_the_whole_wait(peer, connect, monkeypatch):
    monkeypatch.setattr(rooms, "TIMEOUT_SECONDS", 0.6)
    begun = time.monotonic()
    with pytest.raises(UplinkError, match="timed out"):
        post(connect(peer(saying(*[b"H"] * 100, pause=0.1))))
    assert time.monotonic() - begun < 3


def test_a_peer_that_does_not_take_the_body_is_left(peer, connect, monkeypatch):
    monkeypatch.setattr(rooms, "TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(rooms, "_SLOWEST_BYTES_PER_SECOND", 1e9)
    begun = time.monotonic()
    with pytest.raises(UplinkError, match="timed out"):
        post(connect(peer(lambda _peer, _channel: time.sleep(2))), b"x" * 30_000_000)
    assert time.monotonic() - begun < 3


def test_the_request_is_whole_and_in_order(peer, connect):
    it = peer(saying(OK))
    post(connect(it, url=it.url + "/below"), b"body", {"Authorization": "Bearer t", "Content-Encoding": "deflate"})
    head, body = it.requests[0]
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /below/api/v1/reports HTTP/1.1"
    assert {line.split(":")[0] for line in lines[1:]} == {
        "Host",
        "User-Agent",
        "Content-Type",
        "Content-Length",
        "Authorization",
        "Content-Encoding",
    }
    assert f"Host: {it.url[7:]}" in lines
    assert body == b"body"


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "Nghệ An"])
def test_nothing_can_be_smuggled_into_a_request(peer, connect, value):
    it = peer(saying(OK))
    with pytest.raises(UplinkError):
        post(connect(it), b"", {"Authorization": value})
    assert it.requests == []


@pytest.mark.parametrize("url", ["http://127.0.0.1/a b", "http://127.0.0.1/ệ", "http://127.0.0.1/a\x7f"])
def test_a_path_that_cannot_stand_in_a_request_is_refused(url):
    with pytest.raises(ConfigurationError):
        parse_collector_url(url)


def test_a_connection_is_kept_and_its_times_told_once(peer, connect):
    connection = connect(peer(always))
    post(connection)
    first = connection.last_times
    assert first.handshake_seconds is None
    assert 0 < first.connect_seconds < 1
    post(connection)
    assert connection.last_times is None


def test_a_connection_that_died_idle_is_opened_anew_once(peer, connect):
    it = peer(saying(OK), saying(OK), lambda _peer, _channel: None, lambda _peer, _channel: None, saying(OK))
    connection = connect(it)
    post(connection)
    time.sleep(0.1)
    post(connection)
    assert connection.last_times is not None
    time.sleep(0.1)
    # The peer hangs up on the second try too.
    with pytest.raises(UplinkError):
        post(connection)
    assert len(it.requests) == 2


def test_where_nobody_listens_the_time_is_told_as_none(connect):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    connection = connect(None, url=url)
    with pytest.raises(UplinkError):
        post(connection)
    assert connection.last_times == ConnectTimes(None, None)


# TLS


@pytest.fixture(scope="module")
def authority():
    return pytest.importorskip("trustme").CA()


@pytest.fixture
def secured(authority, tmp_path):
    """(context of a server, its authority's file)."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    def make(name="127.0.0.1", issuer=authority):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer.issue_cert(name).configure_cert(context)
        return context, str(tmp_path / "ca.pem")

    return make


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_connection_closed_between_uploads_resumes_its_session(peer, connect, secured, version):
    context, ca_file = secured()
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    it = peer(always, always, always, context=context)
    connection = connect(it, ca_file)
    handshakes = []
    for _ in range(3):
        post(connection)
        post(connection)
        handshakes.append(connection.is_resumed)
        connection.close()
    assert handshakes == [False, True, True]


def test_a_collector_that_forgot_the_session_makes_a_new_one(peer, connect, secured):
    first, ca_file = secured()
    it = peer(always, context=first)
    connection = connect(it, ca_file)
    post(connection)
    connection.close()
    port = int(it.url.rsplit(":", 1)[1])
    it.close()
    second, _ca_file = secured()
    listener = socket.create_server(("127.0.0.1", port))

    def serve():
        channel = second.wrap_socket(listener.accept()[0], server_side=True)
        with channel:
            channel.recv(65536)
            channel.sendall(OK)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert post(connection).status == 200
    assert connection.is_resumed is False
    assert connection.last_times.handshake_seconds > 0
    thread.join(5)
    listener.close()


def test_another_authority_or_name_is_refused_and_sent_nothing(peer, connect, secured):
    import trustme

    for context, ca_file in (secured(issuer=trustme.CA()), secured(name="other.example")):
        it = peer(always, context=context)
        with pytest.raises(UplinkError, match="not trusted"):
            post(connect(it, ca_file))
        assert it.requests == []


def test_a_session_does_not_outlive_a_refusal(peer, connect, secured):
    """Who takes the collector's place is not trusted on the word of an earlier handshake."""
    import trustme

    good, ca_file = secured()
    bad, _ca_file = secured(issuer=trustme.CA())
    it = peer(always, context=good)
    connection = connect(it, ca_file)
    post(connection)
    connection.close()
    impostor = peer(always, context=bad)
    connection._address = parse_collector_url(impostor.url)
    with pytest.raises(UplinkError, match="not trusted"):
        post(connection)
    assert impostor.requests == []


def test_a_peer_that_speaks_no_tls_is_an_error(peer, connect, secured):
    _context, ca_file = secured()
    it = peer(lambda _peer, channel: (channel.recv(10), channel.sendall(OK)))
    with pytest.raises(UplinkError):
        post(connect(it, ca_file, url=it.url.replace("http:", "https:")))


class Chunked(http.server.BaseHTTPRequestHandler):
    """The library's own server, with an answer in pieces."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(content), 70_000):
            piece = content[start : start + 70_000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *arguments):
        pass


def test_the_library_s_server_in_pieces(connect):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Chunked) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        connection = connect(None, url=f"http://127.0.0.1:{server.server_address[1]}")
        for size in (0, 1, 70_000, 1_000_000):
            assert post(connection, b"z" * size).body == b"z" * size
        connection.close()
        server.shutdown()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="uvicorn is the collector's, which needs Python 3.11")
def test_uvicorn_over_tls_kept_and_resumed(connect, authority, tmp_path):
    uvicorn = pytest.importorskip("uvicorn")
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "chain.pem"))
    clients = []

    async def application(scope, receive, send):
        if scope["type"] != "http":
            return
        clients.append(scope["client"])
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        headers = [] if scope["path"].endswith("chunked") else [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await send({"type": "http.response.body", "body": body[len(body) // 2 :]})

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=port,
        log_config=None,
        lifespan="off",
        ssl_certfile=str(tmp_path / "chain.pem"),
        ssl_keyfile=str(tmp_path / "key.pem"),
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    connection = connect(None, str(tmp_path / "ca.pem"), f"https://127.0.0.1:{port}")
    try:
        for path in ("/plain", "/chunked"):
            assert connection.post(path, b"q" * 300_000, {}).body == b"q" * 300_000
        assert len(set(clients)) == 1
        connection.close()
        assert connection.post("/plain", b"x", {}).body == b"x"
        assert connection.is_resumed
        assert len(set(clients)) == 2
    finally:
        connection.close()
        server.should_exit = True
        thread.join(10)
