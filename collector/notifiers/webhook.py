"""A notification as JSON, posted to a program of the receiver's.

The same notification carries the same Idempotency-Key and the same body at every attempt. Where the receiver has a
secret, `X-Thongmang-Signature: v1=HEX` is HMAC-SHA256 with it over `TIMESTAMP.BODY`, TIMESTAMP being the decimal number
in `X-Thongmang-Timestamp`: a receiver that refuses old timestamps cannot be fed yesterday's notifications.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import agent
from collector.clock import now_seconds
from collector.notifiers.contract import AddressError, Notification, PermanentDeliveryError, TemporaryDeliveryError
from collector.notifiers.posting import check_url, post, refusal, tls_context
from collector.notifiers.secret_files import read_secret_table
from collector.settings import Settings

BODY_VERSION = 1
_SHORTEST_SECRET = 16


class WebhookNotifier:
    """Delivers notifications by HTTP POST.

    Args:
        settings: section `webhook`; the files it names are read at each delivery.
        clock: seconds since 1970-01-01 UTC, for the signature's timestamp.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = now_seconds) -> None:
        self._webhook = settings.webhook
        self._clock = clock

    def check_address(self, address: str) -> None:
        """Lets an http or https address pass.

        Raises:
            AddressError: see `check_url`.
        """
        check_url(address)

    def deliver(self, notification: Notification) -> None:
        """Posts it; returning means the other side answered 2xx.

        Raises:
            TemporaryDeliveryError: no connection, no answer, 408, 409, 425, 429 or 5xx; a file of the settings cannot
                be used.
            PermanentDeliveryError: any other answer, or an address that cannot be used.
        """
        try:
            parts = check_url(notification.address)
        except AddressError as error:
            raise PermanentDeliveryError(str(error)) from error
        now = self._clock()
        text = json.dumps(body_of(notification), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        body = text.encode("utf-8", "replace")
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": f"thongmang/{agent.__version__}",
            # A string of structured headers, as the draft on Idempotency-Key has it.
            "Idempotency-Key": f'"{notification.id}"',
        }
        secret = self._secret(notification.receiver)
        if secret:
            timestamp = str(int(now))
            headers["X-Thongmang-Timestamp"] = timestamp
            headers["X-Thongmang-Signature"] = f"v1={signature(secret, timestamp, body)}"
        answer = post(
            notification.address,
            body,
            headers,
            tls=tls_context(self._webhook.ca_file, "webhook.ca_file"),
            timeout_seconds=self._webhook.timeout_seconds,
            now=now,
        )
        if not answer.accepted:
            raise refusal(answer, f"{parts.scheme}://{parts.netloc}")

    def _secret(self, receiver: str) -> str:
        path = self._webhook.secrets_file
        if not path:
            return ""
        secret = read_secret_table(path, "webhook.secrets_file").get(receiver, "")
        if not isinstance(secret, str) or 0 < len(secret) < _SHORTEST_SECRET:
            raise TemporaryDeliveryError(
                f"webhook.secrets_file: {path}: {receiver}: expected a text of at least {_SHORTEST_SECRET} characters",
            )
        return secret


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over `timestamp.body`, in hexadecimal digits."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def body_of(notification: Notification) -> dict[str, Any]:
    """What is posted; times are seconds since 1970-01-01 UTC. A key may be added; none changes under one version."""
    return {
        "version": BODY_VERSION,
        "id": notification.id,
        "receiver": notification.receiver,
        "kind": notification.kind,
        "severity": notification.severity,
        "language": notification.language,
        "title": notification.title,
        "body": notification.body,
        "link": notification.link,
        "decided_at": notification.decided_at,
        "alerts": [
            {
                "rule": item.rule,
                "title": item.title,
                "subject": item.subject,
                "state": item.state,
                "severity": item.severity,
                "unit_code": item.unit_code,
                "unit_name": item.unit_name,
                "site": item.site,
                "device_id": item.device_id,
                "place": item.place,
                "since": item.since,
                "ended": item.ended,
                "reason": item.reason,
            }
            for item in notification.alerts
        ],
    }
