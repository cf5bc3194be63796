"""Windows' ICMP service: layouts for both sizes of a pointer, and rounds over a stand-in that ctypes calls."""

import contextlib
import ctypes
import select
import socket
import struct
import threading
import time
from types import SimpleNamespace

import pytest

from agent.configuration import Target
from agent.link.path_mtu import PathMtu, ServiceWay, path_mtu
from agent.link.round import Aim, EchoWay, LinkRound
from agent.probes.latency import ICMP_SERVICE, NO_RAW
from agent.windows import echo


def structures(pointer):
    """The structures of ipexport.h as a compiler lays them out, with pointers of that type."""

    class Options(ctypes.Structure):
        _fields_ = [
            ("ttl", ctypes.c_ubyte),
            ("tos", ctypes.c_ubyte),
            ("flags", ctypes.c_ubyte),
            ("options_size", ctypes.c_ubyte),
            ("options_data", pointer),
        ]

    class Reply(ctypes.Structure):
        _fields_ = [
            ("address", ctypes.c_uint32),
            ("status", ctypes.c_uint32),
            ("round_trip_time", ctypes.c_uint32),
            ("data_size", ctypes.c_uint16),
            ("reserved", ctypes.c_uint16),
            ("data", pointer),
            ("options", Options),
        ]

    return Options, Reply


@pytest.mark.parametrize(("pointer", "reply_bytes"), [(ctypes.c_uint32, 28), (ctypes.c_uint64, 40)])
def test_layouts_are_those_of_the_compiler(pointer, reply_bytes):
    options_type, reply_type = structures(pointer)
    size = ctypes.sizeof(pointer)
    assert ctypes.sizeof(reply_type) == reply_bytes
    assert echo.reply_room_bytes(size, 56) == reply_bytes + 56 + 8
    for dont_fragment, flags in ((False, 0), (True, 2)):
        raw = echo.option_bytes(size, dont_fragment=dont_fragment)
        assert len(raw) == ctypes.sizeof(options_type)
        options = options_type.from_buffer_copy(raw)
        assert (options.ttl, options.tos, options.flags, options.options_size) == (128, 0, flags, 0)
        assert options.options_data == 0
    reply = reply_type(struct.unpack("<I", socket.inet_aton("10.1.2.3"))[0], 11009, 7, 56)
    assert echo.decode_reply(bytes(reply)) == (11009, "10.1.2.3")


class StandIn:
    """Behaves as iphlpapi is documented; ctypes marshals every call, so that wrong sizes of arguments show.

    Args:
        carries: packets above that may not be cut are answered with IP_PACKET_TOO_BIG.
        delay_seconds: until an echo is answered.
    """

    HANDLE = 0x1_0000_0007 if ctypes.sizeof(ctypes.c_void_p) == 8 else 0x7007

    def __init__(self, carries=1500, delay_seconds=0.0, silent=()):
        self.carries, self.delay_seconds, self.silent = carries, delay_seconds, silent
        self.asked, self.closed = [], []
        handle, word = ctypes.c_void_p, ctypes.c_uint32
        create = ctypes.CFUNCTYPE(handle)(lambda: self.HANDLE)
        close = ctypes.CFUNCTYPE(ctypes.c_int, handle)(self._close)
        arguments = [handle, word, handle, ctypes.c_uint16, handle, handle, word, word]
        send = ctypes.CFUNCTYPE(word, *arguments)(self._send)
        self.library = echo.with_signatures(
            SimpleNamespace(IcmpCreateFile=create, IcmpCloseHandle=close, IcmpSendEcho=send)
        )

    def _close(self, handle):
        self.closed.append(handle)
        return 1

    def _send(self, handle, address, payload, payload_bytes, options, answer, answer_bytes, timeout):
        target = socket.inet_ntoa(struct.pack("<I", address))
        options_type, reply_type = structures(ctypes.c_void_p)
        flags = options_type.from_address(options).flags
        self.asked.append((handle, target, ctypes.string_at(payload, payload_bytes), flags, timeout))
        assert answer_bytes >= ctypes.sizeof(reply_type) + payload_bytes + 8
        time.sleep(self.delay_seconds)
        if target in self.silent:
            return 0
        status = 11009 if flags & 2 and payload_bytes + 28 > self.carries else 0
        reply = reply_type(address, status, 1, payload_bytes)
        ctypes.memmove(answer, bytes(reply), ctypes.sizeof(reply_type))
        return 1


def test_one_echo():
    stand_in = StandIn(silent=("10.0.0.9",))
    service = echo.IcmpService(stand_in.library)
    assert service.echo("10.0.0.1", b"12345678", 700, dont_fragment=False) == (echo.ANSWERED, "10.0.0.1")
    assert stand_in.asked == [(StandIn.HANDLE, "10.0.0.1", b"12345678", 0, 700)]
    assert service.echo("10.0.0.9", b"12345678", 700, dont_fragment=True) == (echo.TIMED_OUT, "10.0.0.9")
    assert stand_in.asked[-1][3] == 2
    service.close()
    # Whole, although it does not fit 32 bits.
    assert stand_in.closed == [StandIn.HANDLE]
    with pytest.raises(OSError, match="illegal IP"):
        service.echo("not an address", b"", 1, dont_fragment=False)


def test_no_handle_is_an_error():
    stand_in = StandIn()
    stand_in.library.IcmpCreateFile = lambda: ctypes.c_void_p(-1).value
    with pytest.raises(OSError, match="cannot be had"):
        echo.IcmpService(stand_in.library)


def test_a_round_over_the_service():
    stand_in = StandIn(delay_seconds=0.02, silent=("10.0.0.9",))
    channel = echo.ServiceEchoes(echo.IcmpService(stand_in.library))
    aims = [Aim(Target("near", "10.0.0.1"), ("10.0.0.1", 0)), Aim(Target("gone", "10.0.0.9"), ("10.0.0.9", 0))]
    found = LinkRound(aims, {4: EchoWay(channel, ICMP_SERVICE, NO_RAW)}, 0.3, 0.0).run()
    channel.close()
    near, gone = found["near"], found["gone"]
    assert (near.method, near.reason) == (ICMP_SERVICE, NO_RAW)
    assert (near.series.sent, len(near.series.round_trips_seconds)) == (10, 10)
    assert all(0.02 <= seconds < 0.5 for seconds in near.series.round_trips_seconds)
    assert (gone.series.sent, gone.series.round_trips_seconds) == (10, ())
    assert {len(payload) for _, _, payload, _, _ in stand_in.asked} == {56}
    # None of these may be cut short by flags: only the search for the path's size asks for that.
    assert {flags for _, _, _, flags, _ in stand_in.asked} == {0}
    assert stand_in.closed == [StandIn.HANDLE]


def test_the_handle_is_given_back_after_the_last_echo_only():
    stand_in = StandIn(delay_seconds=0.3)
    channel = echo.ServiceEchoes(echo.IcmpService(stand_in.library))
    channel.send(("10.0.0.1", 0), 1, 56)
    channel.close()
    assert stand_in.closed == []
    with pytest.raises(OSError, match="too many"):
        channel.send(("10.0.0.1", 0), 2, 56)
    ends = time.monotonic() + 5
    while not stand_in.closed and time.monotonic() < ends:
        time.sleep(0.01)
    assert stand_in.closed == [StandIn.HANDLE]


def test_no_more_threads_than_its_limit(monkeypatch):
    monkeypatch.setattr(echo, "_MOST_AT_ONCE", 3)
    stand_in = StandIn(delay_seconds=0.3)
    with contextlib.closing(echo.ServiceEchoes(echo.IcmpService(stand_in.library))) as channel:
        for sequence in range(3):
            channel.send(("10.0.0.1", 0), sequence, 56)
        with pytest.raises(OSError, match="too many"):
            channel.send(("10.0.0.1", 0), 3, 56)
        assert len([thread for thread in threading.enumerate() if thread.name == "echo"]) <= 3
        seen = set()
        ends = time.monotonic() + 5
        while len(seen) < 3 and time.monotonic() < ends:
            select.select([channel.channel], [], [], 1)
            seen |= set(channel.receive())
        assert seen == {0, 1, 2}


@pytest.mark.parametrize("carries", [1500, 1400])
def test_the_path_is_measured_over_the_service(carries):
    way = ServiceWay("10.0.0.1", echo.IcmpService(StandIn(carries).library))
    with contextlib.closing(way):
        assert path_mtu(way) == PathMtu(carries, is_black_hole=False)


@pytest.mark.skipif(hasattr(ctypes, "windll"), reason="this is about other systems")
def test_other_systems_have_none():
    with pytest.raises(OSError, match="only Windows"):
        echo.service_echoes()
