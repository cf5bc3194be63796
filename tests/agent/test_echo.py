"""ICMP packets: made, recognised, and told from everything else that arrives on such a socket."""

import os
import random
import subprocess
import sys

import pytest

from agent.link.echo import LARGE_BYTES, SMALL_BYTES, EchoSocket, checksum_of, echo_reply, echo_request

# An echo request and its reply, written out after RFC 792, the reply with its IPv4 header.
REQUEST = bytes.fromhex("0800 5435 1234 0001 6162636465666768".replace(" ", ""))
REPLY = bytes.fromhex(
    "4500 0024 1f2e 0000 4001 5da9 7f000001 7f000001 0000 5c35 1234 0001 6162636465666768".replace(" ", "")
)


def test_a_request_is_what_the_rfc_says():
    packet = echo_request(4, 0x1234, 1, b"abcdefgh")
    assert packet == REQUEST
    # A packet with its checksum in place sums up to nothing.
    assert checksum_of(packet) == checksum_of(REPLY[20:]) == checksum_of(REPLY[:20]) == 0
    assert echo_request(6, 1, 2, b"")[:1] == b"\x80"


@pytest.mark.parametrize("length", [0, 1, 2, 7, 56, 1400, 1401])
def test_the_checksum_is_that_of_rfc_1071(length):
    data = random.Random(length).randbytes(length) if sys.version_info >= (3, 9) else os.urandom(length)
    total = 0
    for at in range(0, length, 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    assert checksum_of(data) == total ^ 0xFFFF


def test_replies_with_and_without_their_ip_header():
    bare = REPLY[20:]
    assert echo_reply(4, REPLY) == echo_reply(4, bare) == (1, b"abcdefgh")
    # A header with options is longer.
    assert echo_reply(4, b"\x46" + REPLY[1:20] + b"\0" * 4 + bare) == (1, b"abcdefgh")
    assert echo_reply(6, b"\x81" + bare[1:]) == (1, b"abcdefgh")


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x45",
        REPLY[:20],
        REPLY[:27],
        REPLY[:20] + b"\x08" + REPLY[21:],  # a request
        REPLY[:20] + b"\x03\x01" + REPLY[22:],  # host unreachable
        REPLY[:20] + b"\x00\x01" + REPLY[22:],  # no such code
    ],
)
def test_what_is_no_reply(packet):
    assert echo_reply(4, packet) is None
    assert echo_reply(6, packet) is None


def test_noise_is_never_a_fault():
    noise = random.Random(5)
    for _ in range(2000):
        packet = bytes(noise.randrange(256) for _ in range(noise.randrange(40)))
        for version in (4, 6):
            assert echo_reply(version, packet) is None or packet


def open_or_skip(version, *, privileged):
    try:
        return EchoSocket(version, privileged=privileged)
    except OSError as error:
        pytest.skip(f"no such socket for this user: {error}")


@pytest.mark.parametrize(("version", "address"), [(4, ("127.0.0.1", 0)), (6, ("::1", 0, 0, 0))])
@pytest.mark.parametrize("privileged", [True, False])
def test_every_size_comes_back_to_its_own_socket_only(version, address, privileged):
    import select

    first = open_or_skip(version, privileged=privileged)
    second = open_or_skip(version, privileged=privileged)
    try:
        try:
            for sequence, size_bytes in enumerate((8, SMALL_BYTES, LARGE_BYTES)):
                first.send(address, sequence, size_bytes)
        except OSError as error:
            pytest.skip(f"this machine has no IPv{version}: {error}")
        got = []
        while len(got) < 3 and select.select([first.channel], [], [], 2)[0]:
            got += first.receive()
        assert got == [0, 1, 2]
        assert list(second.receive()) == []
    finally:
        first.close()
        second.close()


SNIFF = """
import select, socket, struct
from agent.link.echo import EchoSocket, LARGE_BYTES
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
echoes = EchoSocket(4, privileged=True)
echoes.send(("127.0.0.1", 0), 7, LARGE_BYTES)
while True:
    assert select.select([sniffer], [], [], 3)[0], "nothing was sent"
    packet = sniffer.recv(4096)
    if packet[20] == 8:
        break
print(len(packet), struct.unpack("!H", packet[6:8])[0] >> 14 & 1)
"""


def test_a_large_probe_may_be_cut_on_its_way(environment):
    """1400 bytes, a header of 8 and one of 20; the bit that forbids to cut is not set."""
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("only root can make a network namespace")
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$0" -c "$1"', sys.executable, SNIFF],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    if done.returncode != 0 and "Traceback" not in done.stderr:
        pytest.skip("no network namespace can be made here: " + done.stderr.strip())
    assert done.stdout.split() == ["1428", "0"], done.stderr
