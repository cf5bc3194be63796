"""ICMP echoes through Windows' own service (IcmpSendEcho of iphlpapi), which everybody may use; IPv4 alone.

Takes the place of `agent.link.echo.EchoSocket` where raw sockets are refused. The call blocks, so that each echo has a
thread of its own for as long as it is under way; it gives whole milliseconds, so that the round takes the times itself.
Structures are of ipexport.h; the size of a pointer decides their layout.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import threading
from collections import deque
from typing import Any, Deque, Iterator, NamedTuple, Tuple

from agent.link.echo import LARGE_BYTES

# Of ipexport.h.
ANSWERED = 0
PACKET_TOO_BIG = 11009
TIMED_OUT = 11010
_DO_NOT_FRAGMENT = 0x2
_HOPS = 128
# What an error's message may take behind the reply.
_ERROR_BYTES = 8

_TIMEOUT_MILLISECONDS = 2000
# A round has at most so many under way: 32 targets, each with an echo every five seconds that waits for two.
_MOST_AT_ONCE = 64


class EchoReply(NamedTuple):
    """What became of one echo.

    Args:
        status: `ANSWERED`, or why not, as ipexport.h numbers it.
        address: of who answered, or told why not.
    """

    status: int
    address: str


def option_bytes(pointer_bytes: int, *, dont_fragment: bool) -> bytes:
    """IP_OPTION_INFORMATION: hops, service, flags, and no options; its pointer stands at a multiple of its size."""
    flags = _DO_NOT_FRAGMENT if dont_fragment else 0
    return struct.pack("<BBBB", _HOPS, 0, flags, 0).ljust(pointer_bytes, b"\0") + bytes(pointer_bytes)


def reply_room_bytes(pointer_bytes: int, payload_bytes: int) -> int:
    """What ICMP_ECHO_REPLY takes with its payload behind it: 28 bytes on 32 bits, 40 on 64, as the pointers lie."""
    return 16 + pointer_bytes + 2 * pointer_bytes + payload_bytes + _ERROR_BYTES


def decode_reply(answer: bytes) -> EchoReply:
    """ICMP_ECHO_REPLY; what stands in front of its pointers is the same for all sizes of them."""
    status = struct.unpack_from("<I", answer, 4)[0]
    return EchoReply(status, socket.inet_ntoa(answer[:4]))


def service_echoes() -> ServiceEchoes:
    """Echoes through Windows' own service.

    Raises:
        OSError: this is another system, or it cannot be had.
    """
    return ServiceEchoes(IcmpService(icmp_library()))


def icmp_library() -> Any:
    """Iphlpapi with the signatures of its calls.

    Raises:
        OSError: this is another system, or it is missing.
    """
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  # wanted where raw sockets are refused

        return with_signatures(ctypes.WinDLL("iphlpapi", use_last_error=True))
    raise OSError("only Windows has iphlpapi")


def with_signatures(library: Any) -> Any:
    """The library, its calls told what they take: a handle has the size of a pointer, which ctypes cannot guess."""
    import ctypes  # noqa: PLC0415  # as above

    handle, word = ctypes.c_void_p, ctypes.c_uint32
    library.IcmpCreateFile.argtypes, library.IcmpCreateFile.restype = [], handle
    library.IcmpCloseHandle.argtypes, library.IcmpCloseHandle.restype = [handle], ctypes.c_int
    library.IcmpSendEcho.argtypes = [
        handle,
        word,
        ctypes.c_char_p,
        ctypes.c_uint16,
        ctypes.c_char_p,
        ctypes.c_void_p,
        word,
        word,
    ]
    library.IcmpSendEcho.restype = word
    return library


class IcmpService:
    """A handle of Windows' ICMP service.

    Args:
        library: of `icmp_library`.

    Raises:
        OSError: it gives none.
    """

    def __init__(self, library: Any) -> None:
        import ctypes  # noqa: PLC0415  # as above

        self._library = library
        self._ctypes = ctypes
        self._pointer_bytes = ctypes.sizeof(ctypes.c_void_p)
        self._handle = library.IcmpCreateFile()
        if self._handle is None or self._handle == ctypes.c_void_p(-1).value:
            raise OSError("Windows' ICMP service cannot be had")

    def echo(self, address: str, payload: bytes, timeout_milliseconds: int, *, dont_fragment: bool) -> EchoReply:
        """One echo; waits until it is answered, at most the time-out.

        Raises:
            OSError: the address is none of IPv4.
        """
        target = int.from_bytes(socket.inet_aton(address), "little")
        options = option_bytes(self._pointer_bytes, dont_fragment=dont_fragment)
        answer = self._ctypes.create_string_buffer(reply_room_bytes(self._pointer_bytes, len(payload)))
        count = self._library.IcmpSendEcho(
            self._handle, target, payload, len(payload), options, answer, len(answer), timeout_milliseconds
        )
        if count:
            return decode_reply(answer.raw)
        fault = getattr(self._ctypes, "get_last_error", int)()
        return EchoReply(fault or TIMED_OUT, address)

    def close(self) -> None:
        """Gives the handle back."""
        self._library.IcmpCloseHandle(self._handle)


class ServiceEchoes:
    """Echoes under way, as a round sees them: `channel` becomes readable when one was answered.

    Args:
        service: gives it back once the last echo under way has ended.
    """

    def __init__(self, service: IcmpService) -> None:
        self._service = service
        self._filler = os.urandom(LARGE_BYTES)
        self._answered: Deque[int] = deque()
        self._lock = threading.Lock()
        self._under_way = 0
        self._is_closed = False
        self.channel, self._bell = socket.socketpair()
        self.channel.setblocking(False)  # noqa: FBT003  # the library's own way
        self._bell.setblocking(False)  # noqa: FBT003  # same

    def send(self, address: Tuple[Any, ...], sequence: int, size_bytes: int) -> None:
        """Sends one echo request.

        Raises:
            OSError: too many are under way.
        """
        with self._lock:
            if self._is_closed or self._under_way >= _MOST_AT_ONCE:
                raise OSError("too many echoes are under way")
            self._under_way += 1
        arguments = (str(address[0]), sequence, self._filler[:size_bytes])
        threading.Thread(target=self._echo, args=arguments, name="echo", daemon=True).start()

    def receive(self) -> Iterator[int]:
        """Sequences of the echoes that were answered since it was asked last; never waits."""
        with contextlib.suppress(OSError):
            self.channel.recv(_MOST_AT_ONCE)
        while self._answered:
            yield self._answered.popleft()

    def close(self) -> None:
        """Gives up what is under way."""
        with self._lock:
            self._is_closed = True
            is_last = self._under_way == 0
        if is_last:
            self._give_back()

    def _echo(self, address: str, sequence: int, payload: bytes) -> None:
        try:
            reply = self._service.echo(address, payload, _TIMEOUT_MILLISECONDS, dont_fragment=False)
            if reply.status == ANSWERED:
                self._answered.append(sequence)
                # Full of bells that nobody has heard yet, it is heard all the same.
                self._bell.send(b"\0")
        except OSError:
            pass
        finally:
            with self._lock:
                self._under_way -= 1
                is_last = self._is_closed and self._under_way == 0
            if is_last:
                self._give_back()

    def _give_back(self) -> None:
        self.channel.close()
        self._bell.close()
        self._service.close()
