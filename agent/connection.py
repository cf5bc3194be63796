"""One kept-alive HTTP(S) connection to the collector. Standard library; never without checking the certificate.

No proxy, no redirect: the token goes to the address it was given for and to no other.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Dict, Mapping, Optional
from urllib.parse import urlsplit

import agent
from agent.errors import ConfigurationError, UplinkError
from agent.wire.message import mark

USER_AGENT = f"thongmang-agent/{agent.__version__}"
TIMEOUT_SECONDS = 30.0
ANSWER_LIMIT_BYTES = 8 * 1024 * 1024
_PIECE_BYTES = 64 * 1024

_NO_ANSWER = mark("the collector did not answer ({why})")


@dataclass(frozen=True)
class CollectorAddress:
    """Where a collector listens.

    Args:
        url: as given, without a trailing slash.
        is_https: whether the way is encrypted.
        host: name or IP address.
        port: TCP port.
        path: what stands before `/api/v1`, often empty.
    """

    url: str
    is_https: bool
    host: str
    port: int
    path: str

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine itself."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


@dataclass(frozen=True)
class Answer:
    """What the collector answered: status, headers with lower-case names, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def parse_collector_url(url: str, *, allow_plain_http: bool = False) -> CollectorAddress:
    """The address in a URL.

    Args:
        url: as http://127.0.0.1:8600 or https://giamsat.nghean.gov.vn/thongmang.
        allow_plain_http: also for other machines than this one, where anybody on the way can read and change reports.

    Raises:
        ConfigurationError: it is no such URL, or plain HTTP to another machine is not allowed.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _bad_url(url) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or "@" in url:
        raise _bad_url(url)
    is_https = parts.scheme == "https"
    address = CollectorAddress(
        url=url.rstrip("/"),
        is_https=is_https,
        host=parts.hostname,
        port=port or (443 if is_https else 80),
        path=parts.path.rstrip("/"),
    )
    if not is_https and not allow_plain_http and not address.is_loopback:
        raise ConfigurationError(
            "{url}: plain HTTP to another machine can be read and changed on the way; use https, or say "
            "--allow-plain-http",
            url=url,
        )
    return address


def _bad_url(url: str) -> ConfigurationError:
    return ConfigurationError("{url}: expected an address as https://host:port", url=url)


def tls_context(ca_file: Optional[str]) -> ssl.SSLContext:
    """TLS 1.2 or newer that trusts `ca_file` alone, or the system's authorities where it is None.

    Raises:
        ConfigurationError: the file cannot be read or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            "{path}: expected PEM certificates of the collector's authority ({why})",
            path=str(ca_file),
            why=error.strerror or type(error).__name__,
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Connection:
    """Posts to one collector, over one connection as long as it lives.

    Args:
        address: the collector.
        ca_file: the only authority to trust; None means the system's own.

    Raises:
        ConfigurationError: the authority's file is not usable.
    """

    def __init__(self, address: CollectorAddress, ca_file: Optional[str] = None) -> None:
        self._address = address
        self._connection: http.client.HTTPConnection
        if address.is_https:
            context = tls_context(ca_file)
            self._connection = http.client.HTTPSConnection(
                address.host,
                address.port,
                timeout=TIMEOUT_SECONDS,
                context=context,
            )
        else:
            self._connection = http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT_SECONDS)

    def close(self) -> None:
        """Ends the connection; the next post opens another."""
        self._connection.close()

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The answer to a POST of `body` to `/api/v1/...`.

        A connection that the other side closed while it was idle is opened anew once: everything posted here may be
        sent twice without harm.

        Raises:
            UplinkError: no answer came.
        """
        complete = {"User-Agent": USER_AGENT, "Content-Type": "application/json", **headers}
        was_open = self._connection.sock is not None
        try:
            return self._exchange(path, body, complete)
        except (http.client.BadStatusLine, ConnectionError) as error:
            self.close()
            if not was_open:
                raise UplinkError(_NO_ANSWER, why=_reason(error)) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise UplinkError(_NO_ANSWER, why=_reason(error)) from error
        try:
            return self._exchange(path, body, complete)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise UplinkError(_NO_ANSWER, why=_reason(error)) from error

    def _exchange(self, path: str, body: bytes, headers: Dict[str, str]) -> Answer:
        self._connection.request("POST", self._address.path + path, body=body, headers=headers)
        response = self._connection.getresponse()
        # In pieces: older versions of Python set aside as much memory as one is ready to read.
        content = b""
        # The socket's own limit is for one piece; a peer that drips must not hold a round for longer than one wait.
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while len(content) < ANSWER_LIMIT_BYTES:
            if time.monotonic() > deadline:
                raise socket.timeout("timed out")
            piece = response.read(_PIECE_BYTES)
            if not piece:
                break
            content += piece
        if not response.isclosed():
            # More than any answer of the contract: what is left must not be taken for the next answer.
            self.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, socket.timeout):
        return "timed out"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
