"""A registry, changes of alerts, and receivers that are real servers."""

from __future__ import annotations

import email
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import insert, select

from agent.wire.message import Message
from alerts.route.rules import SHIPPED_ROUTING
from collector.db import routing
from collector.db.decisions import Author
from collector.db.notification_tables import incident, notice, notification
from collector.db.registry import open_registry
from collector.db.tables import alert_state, transition
from collector.notifying.entry import ReceiverEntry, receiver_values

SMTP_MESSAGE_ID = "message-id"


@dataclass
class Arrival:
    """One notification as its receiver got it."""

    id: str
    kind: str
    alerts: list
    text: str
    at: float = field(default_factory=time.monotonic)


class Inbox:
    """What arrived, in order; `spring` is called at named points of a delivery, and may kill the sender."""

    def __init__(self):
        self.arrivals = []
        self.spring = lambda _point: None
        self.answer = 200
        self.lock = threading.Lock()

    def add(self, arrival):
        with self.lock:
            self.arrivals.append(arrival)

    def distinct(self):
        """Arrivals without repeats, in order of the first."""
        with self.lock:
            return list({one.id: one for one in reversed(self.arrivals)}.values())[::-1]


class _Hook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        inbox = self.server.inbox
        inbox.spring("asked")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if inbox.answer != 200:
            self.send_response(inbox.answer)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        told = json.loads(body)
        assert self.headers["Idempotency-Key"] == f'"{told["id"]}"'
        inbox.add(Arrival(told["id"], told["kind"], told["alerts"], told["title"] + "\n" + told["body"]))
        inbox.spring("taken")
        try:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.wfile.flush()
        except OSError:
            return
        inbox.spring("answered")

    def log_message(self, *_args):
        pass


class _Mail:
    def __init__(self, inbox):
        self.inbox = inbox

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        self.inbox.spring("asked")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        name = message["Message-ID"].strip("<>").split("@")[0]
        text = message.get_body(("plain",)).get_content()
        self.inbox.add(Arrival(name, name.rpartition("-")[0], [], f"{message['Subject']}\n{text}"))
        self.inbox.spring("taken")
        return "250 OK"


@pytest.fixture
def hook():
    """An HTTP server; its address is `hook.url`."""
    inbox = Inbox()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    server.inbox = inbox
    server.daemon_threads = True
    inbox.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield inbox
    server.shutdown()
    thread.join()
    server.server_close()


class _Server(Controller):
    def _trigger_server(self):
        # It tries itself out at its own port, which is known only now.
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def mail():
    """An SMTP server; `mail.port` is its port."""
    inbox = Inbox()
    controller = _Server(_Mail(inbox), hostname="127.0.0.1", port=0)
    controller.start()
    inbox.port = controller.port
    yield inbox
    controller.stop()


@pytest.fixture
def registry(tmp_path):
    path = tmp_path / "state" / "registry.sqlite"
    engine = open_registry(path)
    yield engine
    engine.dispose()


class Alerts:
    """Writes changes of alerts as the judge does, and reads what became of them."""

    def __init__(self, engine):
        self.engine = engine

    def change(self, to_state, at, rule="disk_full", subject="pc1", severity="critical", **place):
        reason = Message("Only {free} MB are free since {since}.", {"free": 12, "since": "2026-03-02T02:00:00Z"})
        values = {"unit_code": "16681", "site": "main", "device_id": None, "readings": {}} | place
        before = "pending" if to_state == "firing" else "firing"
        with self.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM alert_state WHERE rule = ? AND subject = ?", (rule, subject))
            connection.execute(
                insert(alert_state).values(rule=rule, subject=subject, state=to_state, since=at, memory={})
            )
            connection.execute(
                insert(transition).values(
                    rule=rule,
                    subject=subject,
                    from_state=before,
                    to_state=to_state,
                    at=at,
                    reason=reason.as_dict(),
                    severity=severity,
                    **values,
                )
            )

    def fire(self, at, subject="pc1", rule="disk_full", **more):
        self.change("firing", at, rule, subject, **more)

    def resolve(self, at, subject="pc1", rule="disk_full", **more):
        self.change("resolved", at, rule, subject, **more)

    def incidents(self):
        with self.engine.connect().execution_options(read_only=True) as connection:
            return connection.execute(select(incident).order_by(incident.c.id)).all()

    def notices(self):
        with self.engine.connect().execution_options(read_only=True) as connection:
            return connection.execute(select(notice).order_by(notice.c.id)).all()

    def outbox(self):
        with self.engine.connect().execution_options(read_only=True) as connection:
            return connection.execute(select(notification).order_by(notification.c.id)).all()


@pytest.fixture
def alerts(registry):
    return Alerts(registry)


class _AnyAddress:
    def check_address(self, address):
        pass


@pytest.fixture
def add_receiver(registry):
    """Adds a receiver as the pages do; returns its number."""

    def add(name="it", channel="webhook", address="http://127.0.0.1:9/", **more):
        entry = ReceiverEntry(name, channel, address, **more)
        channels = {"smtp": _AnyAddress(), "webhook": _AnyAddress(), "apprise": _AnyAddress()}
        with registry.begin() as connection:
            return routing.add_receiver(connection, receiver_values(entry, channels), Author("thử", 0.0))

    return add


@pytest.fixture
def hasty_routing(tmp_path):
    """The shipped routing rules without any waiting."""
    text = SHIPPED_ROUTING.read_text(encoding="utf-8")
    for old, new in (
        (
            "wait_seconds = { critical = 15, warning = 60, info = 600 }",
            "wait_seconds = { critical = 0, warning = 0, info = 0 }",
        ),
        (
            "interval_seconds = { critical = 60, warning = 300, info = 14400 }",
            "interval_seconds = { critical = 0, warning = 0, info = 0 }",
        ),
        ("firings = 4", "firings = 100"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "hasty.toml"
    path.write_text(text, encoding="utf-8")
    return path
