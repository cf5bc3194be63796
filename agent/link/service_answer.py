"""How long a service takes to its first byte: what is asked, and when the answer has begun.

Sent is at most a TLS handshake and one HEAD request that names nobody; read is no more than shows that an answer has
begun; nothing of it is kept, and no redirect is followed.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Optional

from agent.configuration import HTTP, HTTPS, TCP_BANNER, TLS, Target

if TYPE_CHECKING:
    import ssl

USER_AGENT = "thongmang"

_PIECE_BYTES = 16 * 1024
# The longest handshake of a service, its certificates included; who sends more is not listened to.
_HANDSHAKE_LIMIT_BYTES = 128 * 1024


def head_request(target: Target) -> bytes:
    """The request that is sent to a target's service."""
    host = f"[{target.address}]" if ":" in target.address else target.address
    usual = {HTTP: 80, HTTPS: 443}.get(target.service or "")
    place = host if target.port == usual else f"{host}:{target.port}"
    text = (
        f"HEAD {target.path or '/'} HTTP/1.1\r\nHost: {place}\r\nUser-Agent: {USER_AGENT}\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    )
    return text.encode("ascii", "replace")


def tls_context(target: Target, ca_file: Optional[str]) -> Any:
    """TLS for a target's service; None where it speaks none.

    Where the target shall prove its name, `ca_file` alone is trusted, or the system's authorities where it is None.

    Raises:
        OSError: the file cannot be read or holds no certificate.
    """
    if target.service not in (HTTPS, TLS):
        return None
    import ssl  # noqa: PLC0415  # 5 MB of memory where nothing else needs it

    if target.verify:
        return ssl.create_default_context(cafile=ca_file)
    # Nothing secret is sent and nothing received is used: only when it came is of interest.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Question:
    """One question to a service over a socket that is connected and never waits.

    Args:
        target: whose service is asked.
        context: of `tls_context`.

    Attributes:
        is_secured: whether the TLS handshake is done.
    """

    def __init__(self, target: Target, context: Any) -> None:
        self._target = target
        self._context: Optional[ssl.SSLContext] = context
        self.is_secured = False
        self._received_bytes = 0
        self._tls: Any = None
        self._incoming: Any = None
        self._outgoing: Any = None

    def ask(self, channel: socket.socket) -> None:
        """Sends what makes the service speak.

        Raises:
            OSError: the connection is gone.
            ValueError: TLS cannot carry the target's name.
        """
        service = self._target.service
        if service == HTTP:
            _send(channel, head_request(self._target))
        elif service != TCP_BANNER:
            self._begin_tls(channel)

    def has_answer(self, channel: socket.socket) -> bool:
        """Whether the first byte of the answer is among what can be read now.

        Raises:
            OSError: the connection is gone, or TLS failed; `ssl.SSLCertVerificationError` where the service did not
                prove its name.
        """
        try:
            piece = channel.recv(_PIECE_BYTES if self._target.service == HTTPS else 1)
        except BlockingIOError:
            return False
        if not piece:
            raise ConnectionError("closed without an answer")
        return True if self._target.service != HTTPS else self._take_tls(channel, piece)

    def _begin_tls(self, channel: socket.socket) -> None:
        import ssl  # noqa: PLC0415  # loaded already for the context

        if self._context is None:
            raise ConnectionError("no TLS")
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_hostname=self._target.address)
        self._take_tls(channel, b"")

    def _take_tls(self, channel: socket.socket, piece: bytes) -> bool:
        import ssl  # noqa: PLC0415  # same

        self._received_bytes += len(piece)
        if self._received_bytes > _HANDSHAKE_LIMIT_BYTES:
            raise ConnectionError("more than an answer's beginning")
        self._incoming.write(piece)
        try:
            if not self.is_secured:
                self._tls.do_handshake()
                self.is_secured = True
                self._tls.write(head_request(self._target))
            if not self._tls.read(1):
                raise ConnectionError("closed without an answer")
        except ssl.SSLWantReadError:
            return False
        finally:
            _send(channel, self._outgoing.read())
        return True


def _send(channel: socket.socket, content: bytes) -> None:
    """Sends what fits into the room of a fresh connection, which everything here does."""
    if content and channel.send(content) < len(content):
        raise ConnectionError("no room to send")
