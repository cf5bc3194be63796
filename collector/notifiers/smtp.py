"""E-mail through one SMTP server (smtplib).

What concerns the receiver or the content and is refused for good (5xx) is permanent. What concerns this collector's own
settings (login, sender, encryption) is temporary even where the server says 5xx: a person repairs it, and no mail shall
be lost meanwhile.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import html
import re
import smtplib
import socket
import ssl
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from collector.clock import LOCAL_ZONE
from collector.notifiers.contract import (
    AddressError,
    AlertItem,
    Notification,
    PermanentDeliveryError,
    TemporaryDeliveryError,
)
from collector.notifiers.deadline import deadline
from collector.notifiers.secret_files import read_secret
from collector.settings import Settings, Smtp, is_loopback

SENDER_NAME = "Thông Mạng"
# Connecting, greeting, TLS, login and the mail itself: each step may take the time-out, all of them this many.
EXCHANGE_TIMEOUTS = 6
_PERMANENT = 500
_MAILBOX_FULL = 552
_LONGEST_ADDRESS = 254
_LONGEST_ID_DOMAIN = 40
_MOST_REFERENCES = 20
_LONGEST_ANSWER = 300
# Encoded words may be on lines of 76 signs (RFC 2047).
_HEADER_LINE = 76
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_NOT_HEADER = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]+")


class SmtpNotifier:
    """Delivers notifications as e-mail, one connection each.

    Args:
        settings: section `smtp`; files it names are read at each delivery, so that a new password needs no restart.
    """

    def __init__(self, settings: Settings) -> None:
        self._smtp = settings.smtp

    def check_address(self, address: str) -> None:
        """Lets one plain e-mail address in ASCII pass.

        Raises:
            AddressError: it is none.
        """
        if not _is_address(address):
            raise AddressError(f"e-mail address {address!r}: expected one address, as can.bo@nghean.example")

    def deliver(self, notification: Notification) -> None:
        """Hands one mail over to the server; returning means that the server has taken it.

        A connection that dies after the mail was sent and before the answer leaves open whether it was taken; the next
        attempt carries the same Message-ID, by which mailboxes drop the second copy.

        Raises:
            TemporaryDeliveryError, PermanentDeliveryError: see the module.
        """
        smtp = self._smtp
        if not smtp.host:
            raise TemporaryDeliveryError("smtp.host is not set: e-mail waits")
        if smtp.encryption == "none" and not is_loopback(smtp.host):
            raise TemporaryDeliveryError(
                f'smtp.encryption = "none" is for a loopback host only; smtp.host is {smtp.host}'
            )
        if not _is_address(smtp.sender):
            raise TemporaryDeliveryError(
                f"smtp.sender: expected one address, as thongmang@nghean.example: {smtp.sender}"
            )
        try:
            self.check_address(notification.address)
        except AddressError as error:
            raise PermanentDeliveryError(str(error)) from error
        password = read_secret(smtp.password_file, "smtp.password_file") if smtp.username else ""
        message = build_message(notification, smtp.sender)
        where = f"{smtp.host}:{smtp.port}"
        server = _server(smtp)
        seconds = smtp.timeout_seconds * EXCHANGE_TIMEOUTS
        with deadline(seconds, lambda: getattr(server, "sock", None)) as expiry:
            try:
                _exchange(server, smtp, password, message, notification.address)
            except (smtplib.SMTPException, OSError, UnicodeError) as error:
                if expiry.passed:
                    # What the server seemed to say then is half a line.
                    raise TemporaryDeliveryError(f"{where}: no end within {seconds:g} seconds") from error
                raise _delivery_error(error, where, notification.address) from error
            finally:
                server.close()


def build_message(notification: Notification, sender: str) -> EmailMessage:
    """The mail of a notification: the same bytes at every attempt.

    Args:
        notification: whatever control characters its texts hold do not reach a header.
        sender: address in From.
    """
    domain = _id_domain(sender)
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(SENDER_NAME, addr_spec=sender)
    message["To"] = Address(addr_spec=notification.address)
    # Folding by the email package loses blanks between encoded words; `Header` keeps them.
    message.set_raw("Subject", _encoded_header("Subject", header_text(notification.title)))
    message["Date"] = format_datetime(dt.datetime.fromtimestamp(notification.decided_at, LOCAL_ZONE))
    message["Message-ID"] = f"<{_NOT_HEADER.sub('', notification.id)}@{domain}>"
    roots = [f"<{thread_of(item)}@{domain}>" for item in notification.alerts[:_MOST_REFERENCES]]
    if roots:
        # A root that was never sent: mail programs gather everything below it, whichever mail of an alert came first.
        message["In-Reply-To"] = roots[0]
        message["References"] = " ".join(dict.fromkeys(roots))
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["Content-Language"] = notification.language
    if notification.severity == "critical" and notification.kind != "resolved":
        message["Importance"] = "high"
    text = _NOT_TEXT.sub("", notification.body.replace("\r\n", "\n").replace("\r", "\n"))
    message.set_content(_with_link(text, notification.link) + "\n", cte="quoted-printable")
    message.add_alternative(_html(notification, text), subtype="html", cte="quoted-printable")
    message.set_boundary(f"=_{hashlib.sha256(notification.id.encode()).hexdigest()[:32]}")
    return message


def thread_of(item: AlertItem) -> str:
    """The left part of the Message-ID that every mail about one alert refers to."""
    named = f"{item.rule}\n{item.subject}\n{item.since!r}".encode()
    return f"alert-{hashlib.sha256(named).hexdigest()[:24]}"


def header_text(text: str) -> str:
    """One line that cannot end a header, whatever the text holds."""
    return " ".join(_NOT_HEADER.sub(" ", text).split())


def _encoded_header(name: str, text: str) -> str:
    charset = "us-ascii" if text.isascii() else "utf-8"
    return Header(text, charset, header_name=name, maxlinelen=_HEADER_LINE).encode(linesep="\r\n")


def _is_address(text: str) -> bool:
    return len(text) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None


def _server(smtp: Smtp) -> smtplib.SMTP:
    # smtplib would look the host's full name up in DNS, which takes long where there is none.
    name = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "localhost"
    if smtp.encryption == "tls":
        return smtplib.SMTP_SSL(local_hostname=name, timeout=smtp.timeout_seconds, context=_tls(smtp))
    return smtplib.SMTP(local_hostname=name, timeout=smtp.timeout_seconds)


def _tls(smtp: Smtp) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=smtp.ca_file or None)
    except OSError as error:
        raise TemporaryDeliveryError(f"smtp.ca_file: {smtp.ca_file}: {_fault(error)}") from error


def _exchange(server: smtplib.SMTP, smtp: Smtp, password: str, message: EmailMessage, address: str) -> None:
    code, answer = _connect(server, smtp)
    if code != 220:  # noqa: PLR2004 - the greeting of RFC 5321
        raise smtplib.SMTPConnectError(code, answer)
    if smtp.encryption == "starttls":
        # Raises where the server does not offer it: nothing goes on in the clear.
        server.starttls(context=_tls(smtp))
    if smtp.username:
        server.login(smtp.username, password)
    server.sendmail(smtp.sender, [address], message.as_bytes())
    # The mail is taken; how the server says good-bye cannot change that.
    with contextlib.suppress(smtplib.SMTPException, OSError):
        server.quit()


def _connect(server: smtplib.SMTP, smtp: Smtp) -> tuple[int, bytes]:
    # starttls() checks the certificate against the name given to the constructor, which would have connected at once.
    server._host = smtp.host  # type: ignore[attr-defined]  # noqa: SLF001 - no other way to connect under the deadline
    return server.connect(smtp.host, smtp.port)


def _delivery_error(error: Exception, where: str, address: str) -> TemporaryDeliveryError | PermanentDeliveryError:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, answer = error.recipients[address]
        return _refusal(f"{where} refuses the recipient", code, answer)
    if isinstance(error, smtplib.SMTPDataError):
        return _refusal(f"{where} refuses the mail", error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPResponseException):
        # Greeting, EHLO, login, sender: whatever the code says, it is about this collector, not about the mail.
        return TemporaryDeliveryError(f"{where}: {error.smtp_code} {_readable(error.smtp_error)}")
    return TemporaryDeliveryError(f"{where}: {_fault(error)}")


def _refusal(what: str, code: int, answer: bytes | str) -> TemporaryDeliveryError | PermanentDeliveryError:
    said = _readable(answer)
    text = f"{what}: {code} {said}"
    full = code == _MAILBOX_FULL or said.startswith("5.2.2 ")
    return PermanentDeliveryError(text) if code >= _PERMANENT and not full else TemporaryDeliveryError(text)


def _readable(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return header_text(text)[:_LONGEST_ANSWER]


def _fault(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "user name and password must be of ASCII letters, digits and signs"
    return _readable(str(error)) or type(error).__name__


def _id_domain(sender: str) -> str:
    domain = sender.rpartition("@")[2].lower()
    # The email package breaks identifiers that are longer than a line, and then nothing refers to anything.
    if len(domain) > _LONGEST_ID_DOMAIN or not re.fullmatch(r"[a-z0-9.-]+", domain):
        return f"{hashlib.sha256(domain.encode()).hexdigest()[:24]}.invalid"
    return domain


def _with_link(text: str, link: str) -> str:
    return text if not link or link in text else f"{text}\n\n{header_text(link)}"


def _html(notification: Notification, text: str) -> str:
    paragraphs = "".join(
        f"<p>{'<br>'.join(html.escape(line) for line in paragraph.split(chr(10)))}</p>\n"
        for paragraph in re.split(r"\n{2,}", text.strip("\n"))
    )
    link = header_text(notification.link)
    if link.startswith(("https://", "http://")):
        paragraphs += f'<p><a href="{html.escape(link)}">{html.escape(link)}</a></p>\n'
    return (
        f'<!DOCTYPE html>\n<html lang="{notification.language}"><head><meta charset="utf-8">'
        f"<title>{html.escape(header_text(notification.title))}</title></head>\n"
        f'<body style="font-family:sans-serif">\n{paragraphs}</body></html>\n'
    )
