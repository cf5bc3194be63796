"""Channels that notifications leave by, by name; `contract` says what each of them keeps."""

from __future__ import annotations

from collector.notifiers.apprise_bots import AppriseNotifier
from collector.notifiers.contract import NotifierMaker
from collector.notifiers.smtp import SmtpNotifier
from collector.notifiers.webhook import WebhookNotifier

# One more channel: its file in this folder, one row here, its section of settings and docs.
NOTIFIERS: dict[str, NotifierMaker] = {
    "smtp": SmtpNotifier,
    "webhook": WebhookNotifier,
    "apprise": AppriseNotifier,
}
