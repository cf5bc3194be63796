"""The default gateway from routing tables in the forms in which systems show them."""

import struct

import pytest

from agent.host import LINUX, WINDOWS, Host
from agent.link.gateway import default_gateway, gateway_of_forward_table, gateway_of_ipv6_route, gateway_of_route

HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
LAN = "enp3s0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
CABLE = "enp3s0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
RADIO = "wlp2s0\t00000000\tFE01A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
POINT_TO_POINT = "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n"
HALF = "tun0\t00000000\t0100080A\t0003\t0\t0\t50\t00000080\t0\t0\t0\n"
REJECTED = "*\t00000000\t0101A8C0\t0203\t0\t0\t1\t00000000\t0\t0\t0\n"

IPV6_LAN = "fe800000000000000000000000000000 40 " + "0" * 32 + " 00 " + "0" * 32 + " 00000100 1 0 00000001     eth0\n"
IPV6_LOCAL = (
    "0" * 32 + " 00 " + "0" * 32 + " 00 fe800000000000000242acfffe110002 00000400 00000003 0 00450003     eth0\n"
)
IPV6_GLOBAL = (
    "0" * 32 + " 00 " + "0" * 32 + " 00 fd000000000000000000000000000001 00000100 00000003 0 00000003     eth1\n"
)
IPV6_REJECT = "0" * 32 + " 00 " + "0" * 32 + " 00 " + "0" * 32 + " ffffffff 00000001 0 00200200       lo\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([LAN, CABLE], "192.168.1.1"),
        ([RADIO, CABLE, LAN], "192.168.1.1"),
        ([RADIO], "192.168.1.254"),
        ([LAN], None),
        ([POINT_TO_POINT], None),
        ([HALF, LAN, CABLE], "192.168.1.1"),
        ([REJECTED], None),
        (["garbage\n", "a b c\n", CABLE], "192.168.1.1"),
        ([], None),
    ],
)
def test_linux(lines, expected):
    assert gateway_of_route(HEADER + "".join(lines)) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([IPV6_LAN, IPV6_LOCAL], "fe80::242:acff:fe11:2%eth0"),
        ([IPV6_LOCAL, IPV6_GLOBAL], "fd00::1"),
        ([IPV6_LAN, IPV6_REJECT], None),
        (["garbage\n"], None),
        ([], None),
    ],
)
def test_linux_ipv6(lines, expected):
    assert gateway_of_ipv6_route("".join(lines)) == expected


def row(destination, mask, next_hop, metric):
    """A row of MIB_IPFORWARDTABLE: addresses in their own order of bytes, numbers in the machine's."""
    octets = [bytes(int(part) for part in address.split(".")) for address in (destination, mask, next_hop)]
    numbers = [12, 4, 3, 86400, 0, metric, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF]
    return octets[0] + octets[1] + struct.pack("=I", 0) + octets[2] + struct.pack("=10I", *numbers)


def table(*rows, count=None):
    return struct.pack("=I", len(rows) if count is None else count) + b"".join(rows)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            table(row("0.0.0.0", "0.0.0.0", "10.40.1.1", 25), row("10.40.1.0", "255.255.255.0", "0.0.0.0", 281)),
            "10.40.1.1",
        ),
        (
            table(row("0.0.0.0", "0.0.0.0", "10.40.1.1", 50), row("0.0.0.0", "0.0.0.0", "192.168.43.1", 35)),
            "192.168.43.1",
        ),
        (table(row("0.0.0.0", "128.0.0.0", "10.8.0.1", 1), row("0.0.0.0", "0.0.0.0", "10.40.1.1", 25)), "10.40.1.1"),
        (table(row("0.0.0.0", "0.0.0.0", "0.0.0.0", 1)), None),
        (table(), None),
        (b"", None),
        # The buffer is larger than the table, or cut short.
        (table(row("0.0.0.0", "0.0.0.0", "10.40.1.1", 25), count=0), None),
        (table(row("0.0.0.0", "0.0.0.0", "10.40.1.1", 25), count=9), "10.40.1.1"),
        (table(row("0.0.0.0", "0.0.0.0", "10.40.1.1", 25))[:-1], None),
    ],
)
def test_windows(content, expected):
    assert gateway_of_forward_table(content) == expected


def test_through_the_host(tmp_path):
    assert default_gateway(Host(tmp_path, LINUX)) is None
    # Windows' own table cannot be had elsewhere.
    assert default_gateway(Host(tmp_path, WINDOWS)) is None
    folder = tmp_path / "proc" / "net"
    folder.mkdir(parents=True)
    (folder / "ipv6_route").write_text(IPV6_LOCAL)
    host = Host(tmp_path, LINUX)
    assert default_gateway(host) == "fe80::242:acff:fe11:2%eth0"
    (folder / "route").write_text(HEADER + CABLE)
    assert default_gateway(host) == "192.168.1.1"
    assert "/proc/net/route" in host.sources


def test_a_recorded_windows_machine(make_windows, machines):
    class Routed(make_windows):
        def forward_table(self):
            return table(row("0.0.0.0", "0.0.0.0", "10.40.1.1", 25))

    assert default_gateway(Routed(machines / "windows-10-dell")) == "10.40.1.1"
