"""Debian's Alertmanager, and alerts of a registry to tell it."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import signal
import subprocess
import time

import pytest
import urllib3
from sqlalchemy import delete, insert

from agent.wire.message import Message
from alerts.state import LAPSED, SILENT_PENDING, STAYED_QUIET, AlertState, Subject
from collector.db.registry import open_registry
from collector.db.tables import alert_state, transition
from collector.notifiers.alertmanager import AlertmanagerFeed
from collector.settings import Alertmanager, Server, Settings

RULE = "device_over_10_years"
REASON = Message(STAYED_QUIET, {"minutes": 5})
EVIDENCE = Message(SILENT_PENDING)
ENDED = Message(LAPSED, {"minutes": 9})

_ALERTMANAGER_CONFIG = """
route:
  receiver: test
  group_by: [alertname]
  group_wait: 200ms
  group_interval: 500ms
  repeat_interval: 1h
receivers:
  - name: test
    webhook_configs:
      - url: {url}
        send_resolved: true
"""


class AlertmanagerServer:
    """Debian's Alertmanager on a loopback port, telling a webhook of the test's."""

    def __init__(self, binary, folder, port, webhook_url, *flags):
        self._binary, self._folder, self._flags = binary, folder, flags
        self.port = port
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = None
        folder.mkdir()
        self.configure(_ALERTMANAGER_CONFIG.format(url=webhook_url))

    def configure(self, text):
        """Takes another configuration from the next start on."""
        (self._folder / "alertmanager.yml").write_text(text, encoding="utf-8")

    def start(self):
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._binary,
                    f"--config.file={self._folder}/alertmanager.yml",
                    f"--storage.path={self._folder}/data",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    *(self._flags or ("--cluster.listen-address=",)),
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 30
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"alertmanager does not start: {(self._folder / 'log').read_text(errors='replace')}")
            time.sleep(0.02)

    def stop(self, how=signal.SIGTERM):
        """Ends it; with SIGTERM it keeps its log of notifications."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def alerts(self):
        """What it knows and does not count as ended, by subject."""
        answer = urllib3.request("GET", f"{self.url}/api/v2/alerts", retries=False, timeout=5.0)
        return {alert["labels"]["subject"]: alert for alert in answer.json()}

    def _ready(self):
        try:
            return urllib3.request("GET", f"{self.url}/-/ready", retries=False, timeout=1.0).status == 200
        except urllib3.exceptions.HTTPError:
            return False


@pytest.fixture
def alertmanager(alertmanager_binary, http_peer, loopback_port, tmp_path):
    """Makes Alertmanagers that all tell `receiver`; not started yet."""
    receiver = http_peer()
    made = []

    def make(*flags):
        folder = tmp_path / f"alertmanager{len(made)}"
        made.append(AlertmanagerServer(alertmanager_binary, folder, loopback_port(), receiver.url, *flags))
        return made[-1]

    make.receiver = receiver
    yield make
    for server in made:
        server.stop(signal.SIGKILL)


@pytest.fixture
def registry(tmp_path):
    """An empty registry."""
    engine = open_registry(tmp_path / "registry.sqlite")
    yield engine
    engine.dispose()


class Alarm:
    """One alert of the registry, changed as the judge changes it."""

    def __init__(self, engine, subject="pc1/wan", *, rule=RULE, unit_code="16681", site="main", device_id="pc1"):
        self._engine = engine
        self._rule = rule
        self._subject = Subject(subject, device_id, unit_code, site)

    def fire(self, at, severity="warning", connection=None):
        readings = {"place": "access", "because": EVIDENCE.as_dict()}
        with contextlib.nullcontext(connection) if connection else self._engine.begin() as used:
            self._change(used, "pending", "firing", at, REASON, readings, severity)
        return self

    def resolve(self, at):
        with self._engine.begin() as connection:
            self._change(connection, "firing", "resolved", at, ENDED, {}, "warning")
        return self

    def _change(self, connection, before, after, at, reason, readings, severity):
        who = self._subject
        named = (alert_state.c.rule == self._rule) & (alert_state.c.subject == who.key)
        connection.execute(delete(alert_state).where(named))
        kept = AlertState(who, after, at, at).to_json()
        connection.execute(
            insert(alert_state).values(rule=self._rule, subject=who.key, state=after, since=at, memory=kept)
        )
        connection.execute(
            insert(transition).values(
                rule=self._rule,
                subject=who.key,
                device_id=who.device_id or None,
                unit_code=who.unit_code or None,
                site=who.site or None,
                from_state=before,
                to_state=after,
                at=at,
                reason=reason.as_dict(),
                readings=readings,
                severity=severity,
            )
        )


@pytest.fixture
def alarm(registry):
    """Makes alerts of the registry: see `Alarm`."""
    return lambda *subject, **place: Alarm(registry, *subject, **place)


@pytest.fixture
def feed_of(registry):
    """Makes a feed from the registry to some URLs; keywords are settings."""

    def make(*urls, **settings):
        chosen = Alertmanager(urls=urls, **{"repeat_seconds": 1.0, "timeout_seconds": 5.0, **settings})
        server = Server(public_url="https://giamsat.example")
        return AlertmanagerFeed(registry, Settings(alertmanager=chosen, server=server))

    return make


@pytest.fixture
def told(alertmanager):
    """Asks what people were told: (status, subject) of every alert in every notification, in order."""
    return lambda: [
        (alert["status"], alert["labels"]["subject"])
        for _, _, body in alertmanager.receiver.requests
        for alert in json.loads(body)["alerts"]
    ]


@pytest.fixture
def wait_for():
    """Waits until a condition holds, and fails where it does not."""

    def wait(condition, seconds=30.0):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "did not come about"
            time.sleep(0.05)

    return wait


@pytest.fixture
def keep_ticking():
    """Lets a feed tick in real time for some seconds."""

    def tick(feed, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            feed.tick(time.time())
            time.sleep(0.05)

    return tick


@pytest.fixture
def moment():
    """Seconds since 1970-01-01 UTC of a time in a payload."""
    return lambda text: dt.datetime.fromisoformat(text).timestamp()


@pytest.fixture
def posted(moment):
    """Lists what an HTTP server was posted: of each alert its subject and whether it still fires, POST by POST."""

    def posts(peer):
        now = time.time()
        return [
            [(alert["labels"]["subject"], moment(alert["endsAt"]) > now) for alert in json.loads(body)]
            for _, _, body in peer.requests
        ]

    return posts
