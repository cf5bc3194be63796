"""Real servers of this machine to deliver to, and notifications to deliver."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import random
import socket
import ssl
import threading

import pytest
import trustme
from aiosmtpd import smtp as aiosmtp

from collector.notifiers.contract import AlertItem, Notification

FIRED_AT = 1_795_140_000.0  # 2026-11-20 09:00 in Viet Nam


def make_item(**changed):
    values = {
        "rule": "outage",
        "title": "Mất kết nối",
        "subject": "16681/main",
        "state": "firing",
        "severity": "critical",
        "unit_code": "16681",
        "unit_name": "Phường Thành Vinh",
        "site": "main",
        "device_id": "",
        "place": "access",
        "since": FIRED_AT,
        "since_text": "09:00 20/11/2026",
        "ended": None,
        "reason": "Trụ sở main của Phường Thành Vinh mất kết nối từ 09:00.",
    }
    return AlertItem(**{**values, **changed})


def make_notification(**changed):
    values = {
        "id": "n-000123-can-bo-truc",
        "channel": "smtp",
        "receiver": "can_bo_truc",
        "address": "can.bo@nghean.example",
        "kind": "firing",
        "severity": "critical",
        "language": "vi",
        "title": "[NGHIÊM TRỌNG] Mất kết nối: Phường Thành Vinh",
        "body": "Trụ sở main mất kết nối từ 09:00.\nĐộ trễ tăng 85 ms < ngưỡng & còn tiếp diễn.\n\nCăn cứ: 5/5 máy.",
        "alerts": (make_item(),),
        "decided_at": FIRED_AT + 60,
        "link": "https://giamsat.nghean.example/alerts",
    }
    return Notification(**{**values, **changed})


@pytest.fixture(scope="session")
def notification():
    """Makes a notification; keywords change it."""
    return make_notification


@pytest.fixture(scope="session")
def item():
    """Makes an alert within a notification; keywords change it."""
    return make_item


@pytest.fixture
def secret_file(tmp_path):
    """Writes a file that only its owner may read, or with the mode given; returns its path."""

    def write(name, text, mode=0o600):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return str(path)

    return write


@pytest.fixture(scope="session")
def authority():
    """A certificate authority of the tests' own."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    """Its certificate as a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def server_tls(authority):
    """TLS of a server that calls itself localhost."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


class Mailbox:
    """An aiosmtpd handler that keeps what it takes, and refuses what it is told to."""

    def __init__(self):
        self.mails = []
        self.refuse_sender = self.refuse_recipient = self.refuse_data = None

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if self.refuse_sender:
            return self.refuse_sender
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if self.refuse_recipient:
            return self.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        if self.refuse_data:
            return self.refuse_data
        login = session.auth_data.login.decode() if session.auth_data else ""
        encrypted = session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, login, encrypted))
        return "250 taken"


class MailServer:
    """An aiosmtpd on a free port of 127.0.0.1, in a thread of its own."""

    def __init__(self, *, tls_from_start=None, **options):
        self.mailbox = Mailbox()
        self._options = options
        self._tls_from_start = tls_from_start
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self):
        asyncio.set_event_loop(self._loop)

        def session():
            return aiosmtp.SMTP(self.mailbox, hostname="mail.test", loop=self._loop, **self._options)

        server = self._loop.run_until_complete(
            self._loop.create_server(session, "127.0.0.1", 0, ssl=self._tls_from_start)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(server.wait_closed())
        self._loop.close()

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


@pytest.fixture
def mail_server():
    """Starts mail servers; keywords are those of aiosmtpd's session, and `logins` = {user: password}."""
    started = []

    def start(*, logins=None, **options):
        if logins is not None:

            def check(server, session, envelope, mechanism, data):
                known = logins.get(data.login.decode()) == data.password.decode()
                return aiosmtp.AuthResult(success=known, handled=False, auth_data=data)

            options.update(authenticator=check, auth_required=True)
        started.append(MailServer(**options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


class HttpPeer:
    """An HTTP server that keeps the requests it gets and answers as `answer` says: (status, headers, body)."""

    def __init__(self, context=None):
        self.requests = []
        self.answer = (200, {}, b"")
        self.seconds_before_answer = 0.0
        self.stopping = threading.Event()
        peer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                peer.requests.append((self.path, dict(self.headers.items()), body))
                peer.stopping.wait(peer.seconds_before_answer)
                status, headers, answer = peer.answer(self.path, body) if callable(peer.answer) else peer.answer
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://{'127.0.0.1' if context is None else 'localhost'}:{self.port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def http_peer():
    """Starts HTTP servers, with TLS where a context is given."""
    started = []

    def start(context=None):
        started.append(HttpPeer(context))
        return started[-1]

    yield start
    for peer in started:
        peer.stop()


@pytest.fixture
def scripted_peer():
    """Starts a TCP server whose one connection is handled by a function of the connection; returns its port."""
    stop = []

    def start(handle):
        listener = socket.create_server(("127.0.0.1", 0))

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        handle(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        stop.append((listener, thread))
        return listener.getsockname()[1]

    yield start
    for listener, thread in stop:
        with contextlib.suppress(OSError):
            listener.shutdown(2)
        listener.close()
        thread.join(10)
        assert not thread.is_alive()


def free_port():
    """A port that is free now and that no outgoing connection takes (those come from 32768 upwards)."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@pytest.fixture
def loopback_port():
    """Finds free ports."""
    return free_port
