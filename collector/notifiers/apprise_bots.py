"""Chat services (Telegram and some hundred others) through Apprise.

Addresses of chat services hold their tokens, so routing names a service and a file that others cannot read says where
it is, one line each: `truc_mang = "tgram://TOKEN/CHAT"`, or, where the Bot API runs on a server of one's own,
`truc_mang = { url = "tgram://TOKEN/CHAT", telegram_api = "https://bot.nghean.example" }`.

Apprise and its plugins cost a second and 17 MiB beside the collector (docs/notifiers.md), so they are imported at the
first delivery.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from collector.notifiers.contract import AddressError, Notification, PermanentDeliveryError, TemporaryDeliveryError
from collector.notifiers.posting import check_url, one_line
from collector.notifiers.secret_files import read_secret_table
from collector.settings import Settings

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase, NotifyType

EXCHANGE_TIMEOUTS = 4
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SETTING = "apprise.urls_file"
_SHORTEST_SECRET = 6
_LONGEST_REASON = 400


class AppriseNotifier:
    """Delivers notifications to one chat each.

    Apprise swallows what goes wrong and answers no; every no becomes a `TemporaryDeliveryError` with what Apprise
    logged, because it does not say whether the next attempt could fare better.

    Args:
        settings: section `apprise`; the file it names is read at each delivery.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.apprise

    def check_address(self, address: str) -> None:
        """Lets a name pass that is in the file of addresses; where that cannot be read, every well-formed one.

        Raises:
            AddressError: not a name, or not in the file.
        """
        if not _NAME.fullmatch(address):
            raise AddressError(
                f"chat service {address!r}: expected a name from the file that {_SETTING} names "
                "(letters, digits, _ and -); the URL itself belongs into that file",
            )
        try:
            table = self._table()
        except TemporaryDeliveryError:
            return
        if address not in table:
            known = ", ".join(sorted(table)) or "none"
            raise AddressError(f"chat service {address!r}: expected one of {self._settings.urls_file}: {known}")

    def deliver(self, notification: Notification) -> None:
        """Hands it to the chat service; returning means the service has taken it.

        Raises:
            TemporaryDeliveryError: the service did not take it, or the file of addresses does not tell where it is.
            PermanentDeliveryError: the address is no name.
        """
        if not _NAME.fullmatch(notification.address):
            raise PermanentDeliveryError(f"chat service {notification.address!r}: expected a name")
        table = self._table()
        if notification.address not in table:
            raise TemporaryDeliveryError(f"{_SETTING}: {self._settings.urls_file}: has no {notification.address!r}")
        where = f"{self._settings.urls_file}: {notification.address}"
        url, telegram_api = _entry(table[notification.address], where)
        service = self._service(url, telegram_api, where)
        self._send(service, notification, url)

    def _table(self) -> dict[str, Any]:
        if not self._settings.urls_file:
            raise TemporaryDeliveryError(f"{_SETTING} is not set: chat services wait")
        return read_secret_table(self._settings.urls_file, _SETTING)

    def _service(self, url: str, telegram_api: str, where: str) -> NotifyBase:
        from apprise import Apprise, OverflowMode  # noqa: PLC0415 - see the module
        from apprise.plugins.telegram import NotifyTelegram  # noqa: PLC0415 - see the module

        service = Apprise.instantiate(url, asset=_asset(self._settings.timeout_seconds))
        if service is None:
            raise TemporaryDeliveryError(f"{where}: Apprise knows no such service, or its address lacks something")
        if len(service) != 1:
            # One no for several chats leaves open who has it, and the next attempt would tell some of them twice.
            raise TemporaryDeliveryError(f"{where}: names {len(service)} chats, expected one; give each its own name")
        if isinstance(service, NotifyTelegram):
            if not service.targets:
                raise TemporaryDeliveryError(f"{where}: expected the number of the chat, as tgram://TOKEN/CHAT")
            if telegram_api:
                service.notify_url = f"{telegram_api.rstrip('/')}/bot"
        elif telegram_api:
            raise TemporaryDeliveryError(f"{where}: telegram_api is for tgram:// addresses")
        if "overflow=" not in url:
            # Parts of a long text could arrive without the others, and then again.
            service.overflow_mode = OverflowMode.TRUNCATE
        service.socket_connect_timeout = service.socket_read_timeout = self._settings.timeout_seconds
        return service

    def _send(self, service: NotifyBase, notification: Notification, url: str) -> None:
        from apprise import Apprise, NotifyFormat  # noqa: PLC0415 - see the module

        messenger = Apprise(asset=service.asset)
        messenger.add(service)
        with_link = notification.link and notification.link not in notification.body
        result = messenger.notify(
            f"{notification.body}\n{notification.link}" if with_link else notification.body,
            title=notification.title,
            notify_type=_type(notification),
            body_format=NotifyFormat.TEXT,
            timeout=self._settings.timeout_seconds * EXCHANGE_TIMEOUTS,
            log_level=logging.DEBUG,
        )
        if not result:
            said = [
                entry.message
                for entry in result.logs()
                if entry.level in ("WARNING", "ERROR", "CRITICAL") or entry.message.startswith("Socket Exception")
            ]
            raise TemporaryDeliveryError(
                f"{notification.address}: {without_secrets(' / '.join(said), url) or 'Apprise gives no reason'}",
            )


def without_secrets(text: str, url: str) -> str:
    """One line of the text without any part of the address but its host and port."""
    scheme, _, rest = url.partition("://")
    authority = rest.partition("/")[0]
    host = re.escape(authority.rpartition("@")[2].partition("?")[0])
    # The first part of a Telegram address is no host but half the token.
    pieces = re.split(r"[/:@?&=#,]", rest if scheme == "tgram" else re.sub(host, "", rest, count=1))
    for piece in sorted({*pieces, *map(unquote, pieces)}, key=len, reverse=True):
        if len(piece) >= _SHORTEST_SECRET:
            text = text.replace(piece, "…")
    return one_line(text, _LONGEST_REASON)


def _entry(value: object, where: str) -> tuple[str, str]:
    if isinstance(value, str):
        return value, ""
    if isinstance(value, Mapping) and set(value) <= {"url", "telegram_api"}:
        url, telegram_api = value.get("url"), value.get("telegram_api", "")
        if isinstance(url, str) and isinstance(telegram_api, str):
            if telegram_api:
                try:
                    check_url(telegram_api)
                except AddressError as error:
                    raise TemporaryDeliveryError(f"{where}: telegram_api: {error}") from error
            return url, telegram_api
    raise TemporaryDeliveryError(f'{where}: expected "URL" or {{ url = "URL", telegram_api = "https://host" }}')


def _asset(timeout_seconds: float) -> AppriseAsset:
    """Apprise without its habits: no pictures from its home page, no redirects, no templates, nothing on disk."""
    from apprise import AppriseAsset  # noqa: PLC0415 - see the module

    # Debug lines hold tokens: Apprise's are for the error text here, which is cleaned, and those of what it posts with
    # are for nobody.
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
    return AppriseAsset(
        # ASCII, because it goes into a header.
        app_id="Thong Mang",
        app_desc="Thong Mang",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        http_redirects=False,
        allow_templates=False,
        storage_mode="memory",
        pgp_autogen=False,
        pem_autogen=False,
        default_service_retry=0,
        service_timeout=timeout_seconds * EXCHANGE_TIMEOUTS,
    )


def _type(notification: Notification) -> NotifyType:
    from apprise import NotifyType  # noqa: PLC0415 - see the module

    if notification.kind == "resolved":
        return NotifyType.SUCCESS
    if notification.kind in ("test", "digest"):
        return NotifyType.INFO
    return {"critical": NotifyType.FAILURE, "warning": NotifyType.WARNING}.get(notification.severity, NotifyType.INFO)
