"""One HTTP(S) connection to the collector, kept or resumed; never without checking the certificate.

No proxy, no redirect: the token goes to the address it was given for and to no other.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional
from urllib.parse import urlsplit

import agent
from agent.errors import ConfigurationError, UplinkError
from agent.http_answer import AnswerReader, BrokenAnswerError
from agent.wire.message import mark
from agent.wire.record import dataclass

USER_AGENT = f"thongmang-agent/{agent.__version__}"
# For each of: the connects, the TLS handshake, the whole answer.
TIMEOUT_SECONDS = 30.0
# Some fifty times the largest answer of the contract; a decoded one takes up to thirty times its bytes of memory.
ANSWER_LIMIT_BYTES = 1024 * 1024
# The thinnest line that a body is still sent over: it has that much longer than `TIMEOUT_SECONDS`.
_SLOWEST_BYTES_PER_SECOND = 2048
_PIECE_BYTES = 16 * 1024

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
    if not all("!" <= letter <= "~" for letter in parts.path):
        # It goes into the first line of a request.
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


class ConnectTimes(NamedTuple):
    """How long it took to open a connection, both None where it could not be opened.

    Args:
        connect_seconds: until TCP stood, without the look-up of the name.
        handshake_seconds: of TLS after that; None without TLS.
    """

    connect_seconds: Optional[float]
    handshake_seconds: Optional[float]


class Connection:
    """Posts to one collector, over one connection until it is closed.

    It stays open after an answer. Who posts again only after the collector gives up idle connections calls `close`: the
    next connection resumes the TLS session, which spares both sides its certificates.

    Args:
        address: the collector.
        ca_file: the only authority to trust; None means the system's own.

    Attributes:
        last_times: of the connection that the newest post opened or tried to; None where it used the one before.

    Raises:
        ConfigurationError: the authority's file is not usable.
    """

    def __init__(self, address: CollectorAddress, ca_file: Optional[str] = None) -> None:
        self._address = address
        self._context = tls_context(ca_file) if address.is_https else None
        self._channel: Any = None
        self._session: Optional[ssl.SSLSession] = None
        self.last_times: Optional[ConnectTimes] = None

    @property
    def is_resumed(self) -> bool:
        """Whether the open connection resumed an earlier TLS session."""
        return bool(getattr(self._channel, "session_reused", False))

    def close(self) -> None:
        """Ends the connection; the next post opens another."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The answer to a POST of `body` to `/api/v1/...`.

        A connection that the other side closed while it was idle is opened anew once: everything posted here may be
        sent twice without harm.

        Raises:
            UplinkError: no answer came.
        """
        self.last_times = None
        was_open = self._channel is not None
        try:
            return self._exchange(path, body, headers)
        except (BrokenAnswerError, ConnectionError, ssl.SSLZeroReturnError, ssl.SSLEOFError) as error:
            self.close()
            if not was_open or not getattr(error, "is_empty", True):
                raise UplinkError(_NO_ANSWER, why=_reason(error)) from error
        except (OSError, ValueError) as error:
            self.close()
            raise UplinkError(_NO_ANSWER, why=_reason(error)) from error
        try:
            return self._exchange(path, body, headers)
        except (BrokenAnswerError, OSError, ValueError) as error:
            self.close()
            raise UplinkError(_NO_ANSWER, why=_reason(error)) from error

    def _exchange(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        request = self._request(path, body, headers)
        if self._channel is None:
            self._open()
        channel = self._channel
        # The socket's own limit is for one piece; a peer that drips must not hold an upload for longer than one wait.
        deadline = time.monotonic() + TIMEOUT_SECONDS + len(request) / _SLOWEST_BYTES_PER_SECOND
        left = memoryview(request)
        while left:
            channel.settimeout(_seconds_until(deadline))
            left = left[channel.send(left[:_PIECE_BYTES]) :]
        deadline = time.monotonic() + TIMEOUT_SECONDS

        def receive(most: int) -> bytes:
            channel.settimeout(_seconds_until(deadline))
            piece: bytes = channel.recv(most)
            return piece

        reader = AnswerReader(receive, ANSWER_LIMIT_BYTES)
        status, kept_headers, content = reader.read()
        if self._context is not None:
            # Of TLS 1.3 only now: its tickets come behind the handshake, in front of the answer.
            self._session = channel.session or self._session
        if not reader.is_reusable:
            # What is left of it must not be taken for the next answer.
            self.close()
        return Answer(status, kept_headers, content)

    def _request(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        complete: Dict[str, str] = {
            "Host": f"{host}:{self._address.port}",
            "User-Agent": USER_AGENT,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **headers,
        }
        if any("\r" in text or "\n" in text for header in complete.items() for text in header):
            raise ValueError("a header with a line end")
        lines = [f"POST {self._address.path}{path} HTTP/1.1", *(f"{name}: {text}" for name, text in complete.items())]
        # In one piece with the body: each piece is a packet and a record of TLS of its own.
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def _open(self) -> None:
        self.last_times = ConnectTimes(None, None)
        channel, connect_seconds = self._connect()
        try:
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handshake_seconds = None
            if self._context is not None:
                started = time.perf_counter()
                channel = self._secured(self._context, channel)
                handshake_seconds = time.perf_counter() - started
        except BaseException:
            channel.close()
            raise
        self._channel = channel
        self.last_times = ConnectTimes(connect_seconds, handshake_seconds)

    def _connect(self) -> Any:
        """(socket, seconds) of the first of the host's addresses that answers."""
        # As bytes: a text is prepared for names of other alphabets, with tables that stay in memory.
        name: Any = self._address.host
        if name.isascii():
            name = name.encode()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        found: List[Any] = socket.getaddrinfo(name, self._address.port, 0, socket.SOCK_STREAM)
        failure = OSError("no address")
        for family, kind, protocol, _name, address in found:
            channel = socket.socket(family, kind, protocol)
            try:
                channel.settimeout(max(deadline - time.monotonic(), 1.0))
                started = time.perf_counter()
                channel.connect(address)
            except OSError as error:
                failure = error
                channel.close()
                continue
            return channel, time.perf_counter() - started
        raise failure

    def _secured(self, context: ssl.SSLContext, channel: socket.socket) -> ssl.SSLSocket:
        channel.settimeout(TIMEOUT_SECONDS)
        name: Any = self._address.host
        if name.isascii():
            name = name.encode()
        session, self._session = self._session, None
        try:
            return context.wrap_socket(channel, server_hostname=name, session=session)
        except ssl.SSLError:
            # Whatever it was: the next try does not lean on an earlier handshake.
            self._session = None
            raise


def _seconds_until(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout("timed out")
    return left


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, socket.timeout):
        return "timed out"
    if isinstance(error, BrokenAnswerError):
        return str(error)
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
