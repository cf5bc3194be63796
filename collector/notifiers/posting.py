"""One POST over HTTP or HTTPS, bounded in every way (http.client).

http.client rather than the heavier clients that come with the dependencies (requests, urllib3): no redirects, proxies,
cookies, retries or connection pools that would have to be switched off one by one, and its socket can be shut down when
the whole exchange takes too long.
"""

from __future__ import annotations

import contextlib
import http.client
import math
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit

from collector.notifiers.contract import AddressError, DeliveryError, PermanentDeliveryError, TemporaryDeliveryError
from collector.notifiers.deadline import deadline

# Connecting, TLS, sending, the answer: each may take the time-out, all of them this many.
EXCHANGE_TIMEOUTS = 4
EXCERPT_BYTES = 2048
LONGEST_RETRY_AFTER_SECONDS = 86_400.0
# Beside 5xx: what may be otherwise at the next attempt. 409 answers a repeated key while the first is still worked on.
_PASSING = frozenset({408, 409, 421, 423, 425, 429})
# Redirects that say "for now": maintenance pages and login walls.
_PASSING_REDIRECTS = frozenset({302, 303, 307})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said.

    Args:
        status: HTTP status.
        phrase: its reason phrase.
        excerpt: beginning of an answer that is not 2xx, one line of text.
        retry_after_seconds: what it asked for; None if nothing.
    """

    status: int
    phrase: str
    excerpt: str = ""
    retry_after_seconds: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the other side has taken it."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


def check_url(url: str) -> SplitResult:
    """The parts of an address that can be posted to.

    Raises:
        AddressError: not http(s), no host, a user name in it, a fragment, or signs that do not belong into a URL.
    """
    expected = "expected https://host/path"
    if not re.fullmatch(r"[!-~]+", url):
        raise AddressError(f"address {_shown(url)!r}: {expected}, in ASCII and without blanks")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressError(f"address {_shown(url)!r}: {error}; {expected}") from error
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        raise AddressError(f"address {_shown(url)!r}: {expected}")
    if "@" in parts.netloc or parts.fragment:
        raise AddressError(f"address {_shown(url)!r}: {expected}, without user name, password and fragment")
    return parts


def tls_context(ca_file: str, setting: str) -> ssl.SSLContext:
    """Certificates are verified, against those of a file where one is named.

    Raises:
        TemporaryDeliveryError: the file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise TemporaryDeliveryError(f"{setting}: {ca_file}: {error}") from error


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    tls: ssl.SSLContext,
    timeout_seconds: float,
    now: float,
) -> Answer:
    """Sends a body and tells how it was answered; follows no redirect.

    Args:
        url: see `check_url`.
        body: whole.
        headers: beside Host, Content-Length and Connection.
        tls: for https.
        timeout_seconds: for each wait; the whole takes at most `EXCHANGE_TIMEOUTS` of them.
        now: for a Retry-After that names a date, seconds since 1970-01-01 UTC.

    Raises:
        AddressError: as `check_url`.
        TemporaryDeliveryError: no connection, no answer in time, or none that is HTTP.
    """
    parts = check_url(url)
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=timeout_seconds, context=tls)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    )
    seconds = timeout_seconds * EXCHANGE_TIMEOUTS
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # The path may hold a token: errors name the place only.
    where = f"{parts.scheme}://{parts.netloc}"
    # http.client forgets its socket when an answer says "close", though the answer is still read from it.
    used: list[socket.socket] = []
    with deadline(seconds, lambda: used[-1] if used else None) as expiry, contextlib.closing(connection):
        try:
            connection.connect()
            used.append(connection.sock)
            connection.request("POST", target, body=body, headers={**headers, "Connection": "close"})
            response = connection.getresponse()
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            text = f"no answer within {seconds:g} seconds" if expiry.passed else _fault(error)
            raise TemporaryDeliveryError(f"{where}: {text}") from error
        answer = Answer(response.status, response.reason, "", _retry_after(response.getheader("Retry-After"), now))
        if answer.accepted:
            return answer
        excerpt = ""
        # The status has been read; a text that does not come does not change it.
        with contextlib.suppress(OSError, http.client.HTTPException):
            excerpt = response.read(EXCERPT_BYTES).decode("utf-8", "replace")
        return Answer(answer.status, answer.phrase, one_line(excerpt, 300), answer.retry_after_seconds)


def refusal(answer: Answer, where: str) -> DeliveryError:
    """The error of an answer that is not 2xx: temporary for 408, 409, 421, 423, 425, 429, 5xx and passing redirects."""
    text = f"{where}: HTTP {answer.status} {one_line(answer.phrase, 60)}"
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        text += " (redirects are not followed)"
    elif answer.excerpt:
        text += f": {answer.excerpt}"
    if (
        not HTTPStatus.OK <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
        or answer.status in _PASSING
        or answer.status in _PASSING_REDIRECTS
    ):
        return TemporaryDeliveryError(text, answer.retry_after_seconds)
    return PermanentDeliveryError(text)


def one_line(text: str, characters: int) -> str:
    """Text of somebody else, fit for a log line: without control characters, not longer than that."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).split())[:characters]


def _retry_after(text: str | None, now: float) -> float | None:
    if text is None:
        return None
    text = text.strip()
    try:
        seconds = float(text) if re.fullmatch(r"\d{1,9}", text) else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError, OSError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else None


def _fault(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return one_line(str(error), 200) or type(error).__name__


def _shown(url: str) -> str:
    """The address without what may be secret in it."""
    scheme, found, rest = url.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    return one_line(f"{scheme}://{host}/…" if found else url.partition("?")[0], 100)
