"""Reads an answer of HTTP/1.1 off a connection, bounded in every way. The library's own costs a megabyte of memory."""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Tuple

HEAD_LIMIT_BYTES = 32 * 1024

_LINE_LIMIT_BYTES = 1024
_INTERIM_LIMIT = 8
_PIECE_BYTES = 16 * 1024
_END = b"\r\n\r\n"
_STATUS_CHARACTERS = 3
_DIGITS = frozenset("0123456789")
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

Receive = Callable[[int], bytes]


class BrokenAnswerError(Exception):
    """What came is no answer of HTTP/1.1, or ended before its end.

    Args:
        reason: in fixed words.
        is_empty: whether not a byte had come, as on a connection that the other side had given up.
    """

    def __init__(self, reason: str, *, is_empty: bool = False) -> None:
        super().__init__(reason)
        self.is_empty = is_empty


class AnswerReader:
    """Reads one answer.

    Args:
        receive: gives at most so many bytes, none at the end of the connection; may raise OSError.
        body_limit_bytes: what goes beyond is left unread.
    """

    def __init__(self, receive: Receive, body_limit_bytes: int) -> None:
        self._receive = receive
        self._limit_bytes = body_limit_bytes
        self._buffer = b""
        self._has_begun = False
        self._is_reusable = False

    @property
    def is_reusable(self) -> bool:
        """Whether the connection stands behind the answer, ready for another request."""
        return self._is_reusable and not self._buffer

    def read(self) -> Tuple[int, Dict[str, str], bytes]:
        """(status, headers under lower-case names, body).

        Raises:
            BrokenAnswerError: it is not one.
            OSError: the connection failed.
        """
        for _ in range(_INTERIM_LIMIT):
            status, is_newest, headers = self._head()
            if status >= 200:  # noqa: PLR2004  # below are answers that another follows
                break
        else:
            raise BrokenAnswerError("no end of interim answers")
        wishes = [wish.strip().lower() for wish in headers.get("connection", "").split(",")]
        self._is_reusable = "close" not in wishes and (is_newest or "keep-alive" in wishes)
        return status, headers, self._body(status, headers)

    def _head(self) -> Tuple[int, bool, Dict[str, str]]:
        while _END not in self._buffer:
            if len(self._buffer) > HEAD_LIMIT_BYTES:
                raise BrokenAnswerError("its head is too long")
            self._more()
        head, self._buffer = self._buffer.split(_END, 1)
        if len(head) > HEAD_LIMIT_BYTES:
            raise BrokenAnswerError("its head is too long")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        number = rest[:_STATUS_CHARACTERS]
        if version not in ("HTTP/1.1", "HTTP/1.0") or len(number) != _STATUS_CHARACTERS or not set(number) <= _DIGITS:
            raise BrokenAnswerError("it is not HTTP")
        if rest[_STATUS_CHARACTERS : _STATUS_CHARACTERS + 1].strip(" "):
            raise BrokenAnswerError("it is not HTTP")
        return int(number), version == "HTTP/1.1", _headers(lines)

    def _body(self, status: int, headers: Dict[str, str]) -> bytes:
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if status in (204, 304):
            return b""
        if coding is not None:
            # Both at once is how one answer is made to look like two.
            if length is not None or coding.strip().lower() != "chunked":
                raise BrokenAnswerError("its body has no clear end")
            return self._chunks()
        if length is None:
            self._is_reusable = False
            return self._rest()
        if not length or not set(length) <= _DIGITS:
            raise BrokenAnswerError("its length is not a number")
        wanted = min(int(length), self._limit_bytes)
        if wanted < int(length):
            self._is_reusable = False
        return self._exactly(wanted)

    def _chunks(self) -> bytes:
        content: List[bytes] = []
        room = self._limit_bytes
        while True:
            size = self._line().partition(b";")[0].strip().decode("latin-1")
            if not size or not set(size) <= _HEXADECIMAL:
                raise BrokenAnswerError("the length of a piece is not a number")
            wanted = int(size, 16)
            if wanted == 0:
                break
            content.append(self._exactly(min(wanted, room)))
            if wanted >= room:
                self._is_reusable = False
                return b"".join(content)
            room -= wanted
            if self._exactly(2) != b"\r\n":
                raise BrokenAnswerError("a piece is not as long as it says")
        # Headers that follow the body: nobody asked for any.
        left = HEAD_LIMIT_BYTES
        while True:
            line = self._line()
            left -= len(line) + 2
            if not line:
                return b"".join(content)
            if left < 0:
                raise BrokenAnswerError("its head is too long")

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            if len(self._buffer) > _LINE_LIMIT_BYTES:
                raise BrokenAnswerError("a line of it is too long")
            self._more()
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line

    def _exactly(self, count: int) -> bytes:
        content = bytearray(self._buffer[:count])
        self._buffer = self._buffer[count:]
        while len(content) < count:
            self._more(min(_PIECE_BYTES, count - len(content)))
            content += self._buffer
            self._buffer = b""
        return bytes(content)

    def _rest(self) -> bytes:
        content = bytearray(self._buffer[: self._limit_bytes])
        self._buffer = b""
        while len(content) < self._limit_bytes:
            piece = self._receive(min(_PIECE_BYTES, self._limit_bytes - len(content)))
            if not piece:
                break
            content += piece
        return bytes(content)

    def _more(self, most: int = _PIECE_BYTES) -> None:
        piece = self._receive(most)
        if not piece:
            raise BrokenAnswerError("it ended early", is_empty=not self._has_begun)
        self._has_begun = True
        self._buffer += piece


def _headers(lines: List[str]) -> Dict[str, str]:
    headers: Dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or not set(name) <= _TOKEN or "\n" in value or "\r" in value or "\0" in value:
            raise BrokenAnswerError("a header of it is broken")
        value = value.strip(" \t")
        earlier: Optional[str] = headers.get(name.lower())
        if earlier is not None and name.lower() in ("content-length", "transfer-encoding") and earlier != value:
            raise BrokenAnswerError("its body has no clear end")
        if earlier is not None and name.lower() != "content-length":
            value = f"{earlier}, {value}"
        headers[name.lower()] = value
    return headers
