"""Prometheus Alertmanager (API v2) as the engine that groups, silences and notifies, instead of this collector's own.

Alertmanager forgets an alert that it is not told again, and keeps none over a restart. So everything that fires is told
to every Alertmanager again and again, with an end that lies some repeats ahead; an end is told until it is accepted and
never after that. What each was told is kept in the registry, so a restart of either side loses and doubles nothing.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Connection, Engine, Row, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

import agent
from agent.wire.message import Message, Translate, mark
from alerts.rules import SHIPPED_RULES, load_rules
from alerts.state import FIRING, RESOLVED
from collector.clock import local_time
from collector.db.alertmanager_tables import alertmanager_alert
from collector.db.tables import alert_state, transition
from collector.language import render_message, translator
from collector.notifiers.contract import AddressError, DeliveryError, TemporaryDeliveryError
from collector.notifiers.posting import post, refusal, tls_context
from collector.notifiers.secret_files import read_secret
from collector.settings import Alertmanager, Server, Settings
from inventory.units import load_units

# An active alert ends by itself so many repeats after the last one: long enough for a restart of the collector, which
# must not look like the end of every alert.
HOLD_REPEATS = 10
ALERTS_PER_POST = 500
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0
_NOT_TEXT = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")

WHOLE_PROVINCE = mark("the whole province")
NOT_WATCHED = mark("It is not watched any more.")


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """One alert as Alertmanager is told it.

    Args:
        labels: what it is known by; the same as long as it fires, and at its end.
        annotations: what explains it.
        generator_url: the collector's page about it.
        fired_at: seconds since 1970-01-01 UTC.
        rule: with `subject`, names it in the registry.
        subject: see `rule`.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generator_url: str
    fired_at: float
    rule: str
    subject: str

    @property
    def fingerprint(self) -> str:
        """Of its labels."""
        return hashlib.sha256(json.dumps(sorted(self.labels.items())).encode()).hexdigest()[:32]


def payload(alert: ActiveAlert, ends_at: float) -> dict[str, Any]:
    """The alert as `POST /api/v2/alerts` takes it.

    Args:
        alert: one that fires, or did.
        ends_at: when it ended, or when it shall end unless it is told again; never before it fired, which Alertmanager
            refuses and a clock that was set back can make.
    """
    return {
        "labels": _texts(alert.labels),
        "annotations": _texts(alert.annotations),
        "startsAt": _moment(alert.fired_at),
        "endsAt": _moment(max(ends_at, alert.fired_at)),
        "generatorURL": alert.generator_url,
    }


class AlertmanagerPeer:
    """One Alertmanager, as `http://127.0.0.1:9093` or with a path before `/api`."""

    def __init__(self, url: str, settings: Alertmanager) -> None:
        self.url = url.rstrip("/")
        self._settings = settings

    def tell(self, alerts: Iterable[Mapping[str, Any]], now: float) -> None:
        """Posts alerts made by `payload`, some hundreds at once; returning means that all were accepted.

        Raises:
            TemporaryDeliveryError, PermanentDeliveryError: some or all were not.
            AddressError: the URL cannot be used.
        """
        told = list(alerts)
        if not told:
            return
        headers = {"Content-Type": "application/json", "User-Agent": f"thongmang/{agent.__version__}"}
        if self._settings.username:
            password = read_secret(self._settings.password_file, "alertmanager.password_file")
            login = base64.b64encode(f"{self._settings.username}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {login}"
        tls: ssl.SSLContext = tls_context(self._settings.ca_file, "alertmanager.ca_file")
        for start in range(0, len(told), ALERTS_PER_POST):
            body = json.dumps(told[start : start + ALERTS_PER_POST], separators=(",", ":")).encode()
            timeout_seconds = self._settings.timeout_seconds
            answer = post(f"{self.url}/api/v2/alerts", body, headers, tls=tls, timeout_seconds=timeout_seconds, now=now)
            if not answer.accepted:
                raise refusal(answer, self.url)


class AlertmanagerFeed:
    """Keeps every Alertmanager of the settings told; `tick` is called often, by one thread.

    Raises:
        alerts.parameters.RuleError: the rules, whose summaries it tells, cannot be read.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._repeat_seconds = settings.alertmanager.repeat_seconds
        self._teller = AlertTeller(settings)
        self._peers = [_Course(AlertmanagerPeer(url, settings.alertmanager)) for url in settings.alertmanager.urls]

    def tick(self, now: float) -> None:
        """Tells each Alertmanager what it is due to be told; one that is away does not keep another from being told.

        Everything that fires is told when something began or ended, and every `repeat_seconds`. Together, and what
        fires first: an Alertmanager that has just started would take an end for the end of the whole group.

        Args:
            now: seconds since 1970-01-01 UTC.

        Raises:
            TemporaryDeliveryError: at least one is away or refuses; the others have been told.
        """
        if not self._peers:
            return
        with self._engine.connect().execution_options(read_only=True) as connection:
            firing = {alert.fingerprint: alert for alert in self._teller.firing(connection)}
        faults = []
        for course in self._peers:
            if course.pausing(now):
                faults.append(course.fault)
                continue
            try:
                self._feed(course, firing, now)
            except (DeliveryError, AddressError) as error:
                faults.append(course.failed(str(error), now))
            else:
                course.succeeded()
        if faults:
            raise TemporaryDeliveryError("; ".join(faults))

    def _feed(self, course: _Course, firing: Mapping[str, ActiveAlert], now: float) -> None:
        url = course.peer.url
        with self._engine.begin() as connection:
            told = {row.fingerprint: row for row in _told(connection, url)}
            begun = [alert for key, alert in firing.items() if _is_new(alert, told.get(key))]
            ended = [row for key, row in told.items() if key not in firing]
            if not begun and not ended and not course.due(now, self._repeat_seconds):
                return
            _remember(connection, url, begun)
            ends = [self._teller.ended(connection, row, now) for row in ended]
        hold_until = now + HOLD_REPEATS * self._repeat_seconds
        course.peer.tell((payload(alert, hold_until) for alert in firing.values()), now)
        course.told_at = now
        with self._engine.begin() as connection:
            _mark_accepted(connection, url, begun, now)
        course.peer.tell((payload(alert, ended_at) for alert, ended_at in ends), now)
        with self._engine.begin() as connection:
            _forget(connection, url, ended)


class _Course:
    """One Alertmanager and how telling it goes; what must outlast the process is in the registry."""

    def __init__(self, peer: AlertmanagerPeer) -> None:
        self.peer = peer
        self.fault = ""
        # Not known after a start, so everything is told at once.
        self.told_at: float | None = None
        self._failed_at = 0.0
        self._pause_seconds = 0.0

    def due(self, now: float, repeat_seconds: float) -> bool:
        # A clock that was set back must not make a long silence.
        return self.told_at is None or not 0 <= now - self.told_at < repeat_seconds

    def pausing(self, now: float) -> bool:
        return bool(self.fault) and 0 <= now - self._failed_at < self._pause_seconds

    def failed(self, fault: str, now: float) -> str:
        self.fault, self._failed_at = fault, now
        self._pause_seconds = min(max(2 * self._pause_seconds, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        # It may have been restarted meanwhile, and then it knows nothing.
        self.told_at = None
        return fault

    def succeeded(self) -> None:
        self.fault, self._pause_seconds = "", 0.0


class AlertTeller:
    """Puts the registry's alerts into labels and sentences, in the language of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._language = settings.web.language
        self._translate: Translate = translator(self._language)
        directory = settings.alerts.rules_directory
        rules = load_rules(Path(directory) if directory else SHIPPED_RULES)
        self._titles = {name: rule.summary for name, rule in rules.items()}
        self._severities = {name: rule.severity for name, rule in rules.items()}
        self._unit_names = {unit.code: unit.name for unit in load_units()}
        self._pages = _own_address(settings.server)

    def firing(self, connection: Connection) -> Iterator[ActiveAlert]:
        """Every alert that fires now, as it was when it began to."""
        fired = (
            select(func.max(transition.c.id))
            .where(
                transition.c.rule == alert_state.c.rule,
                transition.c.subject == alert_state.c.subject,
                transition.c.to_state == FIRING,
            )
            .correlate(alert_state)
            .scalar_subquery()
        )
        query = select(transition).join(alert_state, transition.c.id == fired).where(alert_state.c.state == FIRING)
        for row in connection.execute(query.order_by(transition.c.id)):
            yield self._alert(row)

    def ended(self, connection: Connection, told: Row[Any], now: float) -> tuple[ActiveAlert, float]:
        """What was told as firing, with how it ended and when."""
        query = (
            select(transition.c.at, transition.c.reason)
            .where(
                transition.c.rule == told.rule,
                transition.c.subject == told.subject,
                transition.c.from_state == FIRING,
                transition.c.to_state == RESOLVED,
                transition.c.at >= told.fired_at,
            )
            .order_by(transition.c.id)
            .limit(1)
        )
        end = connection.execute(query).one_or_none()
        if end is None:
            description, ended_at = self._translate(NOT_WATCHED), now
        else:
            description, ended_at = self._sentence(end.reason), end.at
        annotations = {**told.annotations, "description": description, "ended": self._clock_time(ended_at)}
        return (
            ActiveAlert(told.labels, annotations, told.generator_url, told.fired_at, told.rule, told.subject),
            # An end ahead of Alertmanager's time would only come about then.
            min(ended_at, now),
        )

    def _alert(self, row: Row[Any]) -> ActiveAlert:
        labels = {
            "alertname": row.rule,
            "severity": row.severity or self._severities.get(row.rule, "warning"),
            "scope": _scope(row),
            "unit": row.unit_code,
            "site": row.site,
            "device_id": row.device_id,
            "place": row.readings.get("place"),
            # Two alerts with the same labels would be one, and the end of the first that of both.
            "subject": row.subject,
        }
        title = self._translate(self._titles.get(row.rule, row.rule))
        unit = self._unit_names.get(row.unit_code or "", row.unit_code or self._translate(WHOLE_PROVINCE))
        where = f"{unit}, {row.site}" if row.site else unit
        return ActiveAlert(
            {name: str(value) for name, value in labels.items() if value},
            {
                "summary": f"{title} – {where}",
                "description": " ".join(
                    self._sentence(kept) for kept in (row.reason, row.readings.get("because")) if kept
                ),
                "unit_name": unit,
                "since": self._clock_time(row.at),
            },
            self._page(row),
            row.at,
            row.rule,
            row.subject,
        )

    def _page(self, row: Row[Any]) -> str:
        if row.device_id:
            return f"{self._pages}/devices/{quote(row.device_id, safe='')}"
        return f"{self._pages}/units/{quote(row.unit_code, safe='')}" if row.unit_code else f"{self._pages}/alerts"

    def _sentence(self, kept: Mapping[str, Any]) -> str:
        return render_message(Message.from_dict(kept), self._language)

    def _clock_time(self, seconds: float) -> str:
        return local_time(seconds).strftime("%H:%M %d/%m/%Y")


def _scope(row: Row[Any]) -> str:
    if row.device_id:
        return "terminal"
    if row.site:
        return "site"
    return "unit" if row.unit_code else "province"


def _told(connection: Connection, url: str) -> Sequence[Row[Any]]:
    return connection.execute(select(alertmanager_alert).where(alertmanager_alert.c.url == url)).all()


def _is_new(alert: ActiveAlert, told: Row[Any] | None) -> bool:
    return told is None or told.fired_at != alert.fired_at or told.accepted_at is None


def _remember(connection: Connection, url: str, begun: Sequence[ActiveAlert]) -> None:
    if not begun:
        return
    statement = upsert(alertmanager_alert)
    keys = ("url", "fingerprint")
    changed = {
        column.name: statement.excluded[column.name] for column in alertmanager_alert.c if column.name not in keys
    }
    connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=changed),
        [
            {
                "url": url,
                "fingerprint": alert.fingerprint,
                "rule": alert.rule,
                "subject": alert.subject,
                "fired_at": alert.fired_at,
                "labels": dict(alert.labels),
                "annotations": dict(alert.annotations),
                "generator_url": alert.generator_url,
                "accepted_at": None,
            }
            for alert in begun
        ],
    )


def _mark_accepted(connection: Connection, url: str, begun: Sequence[ActiveAlert], now: float) -> None:
    if begun:
        statement = update(alertmanager_alert).where(_named(url)).values(accepted_at=now)
        connection.execute(statement, [{"named": alert.fingerprint} for alert in begun])


def _forget(connection: Connection, url: str, ended: Sequence[Row[Any]]) -> None:
    if ended:
        connection.execute(delete(alertmanager_alert).where(_named(url)), [{"named": row.fingerprint} for row in ended])


def _named(url: str) -> ColumnElement[bool]:
    return (alertmanager_alert.c.url == url) & (alertmanager_alert.c.fingerprint == bindparam("named"))


def _texts(texts: Mapping[str, str]) -> dict[str, str]:
    # A label that is no UTF-8 makes Alertmanager refuse the alert.
    return {name: text.translate(_NOT_TEXT) for name, text in texts.items()}


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _own_address(server: Server) -> str:
    if server.public_url:
        return server.public_url.rstrip("/")
    return f"{'https' if server.certificate_file else 'http'}://{server.host}:{server.port}"
