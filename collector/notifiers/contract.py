"""What the router hands to a channel, and how a channel answers.

A channel (e-mail, webhook, ...) is one file beside this one with one class that keeps `Notifier`, and one row in
`NOTIFIERS`. It holds no state of its own: what was told to whom is the outbox's affair.

DeliveryError
 +-- TemporaryDeliveryError   not now: the same notification is tried again later, under the same identity
 +-- PermanentDeliveryError   never: it is kept, shown to people, and not tried again
AddressError                  a receiver's address that this channel cannot use
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from collector.errors import CollectorError
from collector.settings import Settings

Kind = Literal["firing", "resolved", "reminder", "escalation", "digest", "flapping", "test"]
Severity = Literal["info", "warning", "critical"]


class DeliveryError(CollectorError):
    """A notification that did not arrive; the text says why, without any secret."""


class TemporaryDeliveryError(DeliveryError):
    """It may arrive later: no connection, a full mailbox, a 5xx or 429, a channel that is not configured yet.

    Args:
        reason: for people, English, without secrets.
        retry_after_seconds: what the other side asked for; None leaves the pause to the caller.
    """

    def __init__(self, reason: str, retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(reason)


class PermanentDeliveryError(DeliveryError):
    """It will never arrive: the address does not exist, the other side refuses the content."""


class AddressError(CollectorError):
    """An address that the channel cannot use; the text says what was expected."""


@dataclass(frozen=True, slots=True)
class AlertItem:
    """One alert within a notification, in the receiver's language and time zone.

    Args:
        rule: name of the rule.
        title: the rule's summary.
        subject: what it is about within the rule, stable for ever; (rule, subject) names the alert.
        state: `firing` or `resolved`, as of this notification.
        severity: of this alert.
        unit_code: code of the unit; empty where it is the whole province.
        unit_name: its name for people.
        site: site within the unit; empty if it is not about one.
        device_id: the terminal; empty if it is not about one.
        place: `lan`, `access`, `core`, `service`, `terminal`, or empty where the rule does not say.
        since: when it fired, seconds since 1970-01-01 UTC.
        since_text: the same, as the receiver reads it.
        ended: when it was resolved, seconds since 1970-01-01 UTC; None while it fires.
        reason: one sentence.
        labels: what identifies it, for Alertmanager: `alertname`, `severity`, `unit`, `site`, ... No value is empty.
            They are the same in every notification of one alert, so `severity` is that of its firing.
        annotations: what explains it, for Alertmanager: `summary`, `description`, ... in the receiver's language.
    """

    rule: str
    title: str
    subject: str
    state: Literal["firing", "resolved"]
    severity: Severity
    unit_code: str
    unit_name: str
    site: str
    device_id: str
    place: str
    since: float
    since_text: str
    ended: float | None
    reason: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing told to one receiver.

    Args:
        id: stable idempotency key, `[a-z0-9-]` of at most 64 characters: the same at every attempt, of this process or
            the next one. E-mail carries it in Message-ID, HTTP in Idempotency-Key.
        channel: key of `NOTIFIERS`.
        receiver: the receiver's name, unique among receivers; keys of secrets files are such names.
        address: one place: an e-mail address, a URL, a name in the file of Apprise URLs.
        kind: why it is sent.
        severity: the worst of its alerts.
        language: `vi` or `en`; title, body and alerts are already in it.
        title: one line.
        body: plain text, lines parted by a line feed.
        alerts: at least one, but none for kind `test`.
        decided_at: when the router decided it, seconds since 1970-01-01 UTC; stable, so a Date header may carry it.
        link: address of the page of alerts, empty where the collector has no public address.
    """

    id: str
    channel: str
    receiver: str
    address: str
    kind: Kind
    severity: Severity
    language: Literal["vi", "en"]
    title: str
    body: str
    alerts: tuple[AlertItem, ...]
    decided_at: float
    link: str = ""


class Notifier(Protocol):
    """One channel. Called from one thread at a time; it must bound its own waiting (time-outs of the settings)."""

    def check_address(self, address: str) -> None:
        """Lets an address pass that this channel can use; opens no connection.

        Raises:
            AddressError: what was expected.
        """

    def deliver(self, notification: Notification) -> None:
        """Hands the notification over; returning means the other side has taken it.

        Raises:
            TemporaryDeliveryError: it may arrive later.
            PermanentDeliveryError: it never will.
        """


# Makes a channel from the settings; opens neither connections nor files, so it cannot fail for reasons that pass.
NotifierMaker = Callable[[Settings], Notifier]
