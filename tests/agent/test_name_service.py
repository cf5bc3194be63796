"""Questions to name servers that really listen, and where a system keeps their addresses."""

import socket
import struct
import threading

import pytest

from agent.configuration import Target
from agent.errors import NoDataError
from agent.host import LINUX, Host
from agent.link.name_query import Answered, ask, is_answer, question
from agent.linux.name_servers import name_servers
from agent.probes import name_service
from agent.probes.contract import ProbeContext
from agent.windows.name_servers import decode_name_servers

NO_SUCH_NAME, SERVER_FAILURE, REFUSED = 3, 2, 5


class NameServer:
    """Answers each question in turn with the next of its replies, a function of the packet; None says nothing."""

    def __init__(self, *replies):
        self.asked = []
        self._replies = list(replies)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.address = self._socket.getsockname()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while not self._ended.is_set():
            try:
                packet, sender = self._socket.recvfrom(4096)
            except OSError:
                continue
            self.asked.append(packet)
            for answer in self._replies[min(len(self.asked), len(self._replies)) - 1](packet):
                self._socket.sendto(answer, sender)

    def close(self):
        self._ended.set()
        self._thread.join()
        self._socket.close()


def reply(code=0, *, with_question=True, identifier=None, shout=False):
    """A reply of that code."""

    def made(packet):
        body = (packet[12:].upper() if shout else packet[12:]) if with_question else b""
        head = packet[:2] if identifier is None else identifier
        return [head + struct.pack("!5H", 0x8180 | code, int(with_question), 0, 0, 0) + body]

    return made


def silence(_packet):
    return []


def both(first, second):
    return lambda packet: [*first(packet), *second(packet)]


@pytest.fixture
def serve():
    servers = []

    def start(*replies):
        servers.append(NameServer(*replies))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def test_the_question_is_that_of_the_standard():
    # RFC 1035, section 4: header, then labels with their lengths, type A, class IN.
    assert question(0xABCD, "giamsat.nghean.vn") == (
        b"\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"\x07giamsat\x06nghean\x02vn\x00\x00\x01\x00\x01"
    )
    assert question(1, "a.vn.") == question(1, "a.vn")
    for bad in ("", "a..vn", "x" * 64 + ".vn", ".".join(["abcdefghi"] * 27), "xã.vn"):
        with pytest.raises(ValueError):
            question(1, bad)


@pytest.mark.parametrize(
    ("made", "works"),
    [
        (reply(), True),
        (reply(shout=True), True),
        (reply(NO_SUCH_NAME), True),
        (reply(SERVER_FAILURE), False),
        (reply(REFUSED, with_question=False), False),
        (reply(identifier=b"\0\1"), None),
        (lambda packet: [packet], None),
        (lambda packet: [packet[:11]], None),
        (lambda packet: [reply()(packet)[0].replace(b"nghean", b"hatinh")], None),
    ],
)
def test_which_packets_are_answers(made, works):
    asked = question(0xABCD, "giamsat.nghean.vn")
    assert is_answer(made(asked)[0], asked) is works


def test_a_server_that_answers(serve):
    server = serve(reply())
    answer = ask(server.address, "giamsat.nghean.vn")
    assert answer.works
    assert 0 < answer.seconds < 1


def test_a_false_answer_is_waited_past(serve):
    def of_another(packet):
        return reply(identifier=bytes([packet[0] ^ 1, packet[1]]))(packet)

    server = serve(both(of_another, reply()))
    assert ask(server.address, "a.vn").works


def test_a_server_that_is_silent_or_not_there(serve):
    silent = serve(silence)
    assert ask(silent.address, "a.vn", timeout_seconds=0.2) == Answered(None, works=False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    assert ask(address, "a.vn", timeout_seconds=1.0) == Answered(None, works=False)


@pytest.fixture
def collect(monkeypatch, tmp_path):
    """One run on a machine with these servers."""
    monkeypatch.setattr(name_service, "ask", lambda server, name: ask(server, name, timeout_seconds=0.3))

    def run(*servers, targets=(), collector_host=""):
        monkeypatch.setattr(name_service, "_servers", lambda host: [server.address for server in servers])
        context = ProbeContext(tuple(targets), collector_host=collector_host)
        return name_service.collect(Host(tmp_path, LINUX), context)

    return run


def numbers(collected):
    return {(sample.metric, sample.labels["server"]): sample.value for sample in collected.samples}


def test_each_server_by_its_number(serve, collect):
    first, second, third = serve(silence, reply()), serve(reply(SERVER_FAILURE)), serve(reply(NO_SUCH_NAME))
    found = collect(first, second, third, collector_host="giamsat.nghean.vn")
    told = numbers(found)
    assert {key: value for key, value in told.items() if key[0] == "name_lookup_failed"} == {
        ("name_lookup_failed", "1"): 0,
        ("name_lookup_failed", "2"): 1,
        ("name_lookup_failed", "3"): 0,
    }
    assert {key[1] for key in told if key[0] == "name_lookup_seconds"} == {"1", "3"}
    assert [len(server.asked) for server in (first, second, third)] == [2, 2, 1]
    assert found.remark == ""
    # Neither an address nor a name leaves the machine.
    assert "127.0.0.1" not in repr(found)
    assert "giamsat" not in repr(found)
    assert "no name server answers" in collect(second, collector_host="a.vn").remark


def test_the_name_is_a_configured_one(serve, collect):
    server = serve(reply())
    targets = [Target("edge", "10.0.0.1"), Target("six", "fd00::1"), Target("dvc", "dichvu.nghean.vn")]
    collect(server, targets=targets, collector_host="10.1.2.3")
    collect(server, targets=targets, collector_host="giamsat.nghean.vn")
    assert [packet[12:].split(b"\0")[0] for packet in server.asked] == [
        b"\x06dichvu\x06nghean\x02vn",
        b"\x07giamsat\x06nghean\x02vn",
    ]
    with pytest.raises(NoDataError, match="no name is configured"):
        collect(server, targets=targets[:2], collector_host="localhost")
    with pytest.raises(NoDataError, match="no name server"):
        collect(targets=targets)


def test_servers_of_linux(tmp_path):
    settings, behind = tmp_path / "etc/resolv.conf", tmp_path / "run/systemd/resolve/resolv.conf"
    for path in (settings, behind):
        path.parent.mkdir(parents=True)
    host = Host(tmp_path, LINUX)
    assert name_servers(host) == []
    settings.write_text("# x\nsearch nghean.vn\nnameserver 10.0.0.1\nnameserver 10.0.0.2 # two\nnameserver 10.0.0.1\n")
    assert name_servers(host) == ["10.0.0.1", "10.0.0.2"]
    settings.write_text("nameserver 127.0.0.53\noptions edns0\n")
    assert name_servers(host) == ["127.0.0.53"]
    behind.write_text("nameserver 10.0.0.3\nnameserver 10.0.0.4\nnameserver 10.0.0.5\nnameserver 10.0.0.6\n")
    assert name_servers(host) == ["10.0.0.3", "10.0.0.4", "10.0.0.5"]
    settings.write_text("nameserver\nnameserver fe80::1%eth0\n")
    assert name_servers(host) == ["fe80::1%eth0"]


def fixed_info(pointer_bytes, base, *servers):
    """FIXED_INFO as Windows fills it: the first server inside, the others behind, each leading to the next."""
    pack = {4: "<I", 8: "<Q"}[pointer_bytes]
    row_bytes = -(-(pointer_bytes + 32 + 4) // pointer_bytes) * pointer_bytes
    head = b"PC-NGUYEN-VAN-A".ljust(132, b"\0") + b"".ljust(132, b"\0") + struct.pack(pack, 0)
    # Type, scope and switches lie between the first server and the next.
    gap = 4 + 260 + 12
    gap += -(len(head) + row_bytes + gap) % pointer_bytes
    offsets = [len(head), *(len(head) + row_bytes + gap + at * row_bytes for at in range(len(servers) - 1))]
    rows = []
    for at, server in enumerate(servers):
        following = base + offsets[at + 1] if at + 1 < len(servers) else 0
        row = struct.pack(pack, following) + server.encode().ljust(16, b"\0") + b"255.255.255.255\0" + bytes(4)
        rows.append(row.ljust(row_bytes, b"\0"))
    return head + rows[0] + bytes(gap) + b"".join(rows[1:])


@pytest.mark.parametrize(("pointer_bytes", "base"), [(4, 0x0012_F000), (8, 0x0000_01D4_5A3B_0000)])
def test_servers_of_windows(pointer_bytes, base):
    servers = ["10.40.0.53", "10.40.0.54", "8.8.8.8"]
    for count in (1, 2, 3):
        structure = fixed_info(pointer_bytes, base, *servers[:count])
        assert decode_name_servers(structure, base, pointer_bytes) == servers[:count]
    assert decode_name_servers(fixed_info(pointer_bytes, base, *servers, "1.1.1.1"), base, pointer_bytes) == servers
    assert decode_name_servers(fixed_info(pointer_bytes, base, ""), base, pointer_bytes) == []
    assert decode_name_servers(b"", 0, pointer_bytes) == []
    # A pointer that leads out of it, before or behind, ends the list.
    whole = fixed_info(pointer_bytes, base, *servers)
    assert decode_name_servers(whole, base + 10**6, pointer_bytes) == servers[:1]
    assert decode_name_servers(whole, base - 10**6, pointer_bytes) == servers[:1]
