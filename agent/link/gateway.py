"""The default gateway as the system's own routing table tells it: pure functions over what a `Host` reads."""

from __future__ import annotations

import socket
import struct
import sys
from typing import List, Optional, Tuple

from agent.host import WINDOWS, Host

_IPV4_TABLE = "/proc/net/route"
_IPV6_TABLE = "/proc/net/ipv6_route"

# Of linux/route.h.
_UP_AND_GATEWAY = 0x0003
_REJECT = 0x0200

# fe80::/10
_LINK_LOCAL = ("fe8", "fe9", "fea", "feb")

# Destination, gateway, flags, metric and mask: column and base.
_ROUTE_COLUMNS = ((1, 16), (2, 16), (3, 16), (6, 10), (7, 16))

# MIB_IPFORWARDTABLE of iphlpapi: a count, then rows of 14 numbers.
_ROW_NUMBERS = 14
_ROW_BYTES = _ROW_NUMBERS * 4
_DESTINATION, _MASK, _NEXT_HOP, _METRIC = 0, 1, 3, 9


def default_gateway(host: Host) -> Optional[str]:
    """Address of the router that this machine sends everything through for which it knows no other way.

    IPv4 where there is one. None where there is none: no network, or a point-to-point line, which names no router.
    Of Windows the IPv4 table alone is read.
    """
    if host.system == WINDOWS:
        return gateway_of_forward_table(host.forward_table())
    return gateway_of_route(host.text_or_none(_IPV4_TABLE) or "") or gateway_of_ipv6_route(
        host.text_or_none(_IPV6_TABLE) or ""
    )


def gateway_of_route(text: str) -> Optional[str]:
    """The gateway of least metric in the text of /proc/net/route; None if there is none."""
    found: List[Tuple[int, str]] = []
    for line in text.splitlines()[1:]:
        words = line.split()
        try:
            destination, gateway, flags, metric, mask = (int(words[at], base) for at, base in _ROUTE_COLUMNS)
        except (IndexError, ValueError):
            continue
        if destination == 0 and mask == 0 and flags & _UP_AND_GATEWAY == _UP_AND_GATEWAY and not flags & _REJECT:
            # The kernel prints the bytes of the address as one number of this machine.
            found.append((metric, socket.inet_ntoa(struct.pack("=I", gateway))))
    return min(found)[1] if found else None


def gateway_of_ipv6_route(text: str) -> Optional[str]:
    """The gateway of least metric in the text of /proc/net/ipv6_route, a link-local one with its interface."""
    found: List[Tuple[int, str]] = []
    for line in text.splitlines():
        words = line.split()
        try:
            length, metric, flags = int(words[1], 16), int(words[5], 16), int(words[8], 16)
            next_hop, interface = bytes.fromhex(words[4]), words[9]
            address = socket.inet_ntop(socket.AF_INET6, next_hop)
        except (IndexError, ValueError):
            continue
        is_default = length == 0 and not words[0].strip("0") and not flags & _REJECT
        if is_default and flags & _UP_AND_GATEWAY == _UP_AND_GATEWAY:
            found.append((metric, f"{address}%{interface}" if address.startswith(_LINK_LOCAL) else address))
    return min(found)[1] if found else None


def gateway_of_forward_table(table: bytes) -> Optional[str]:
    """The gateway of least metric in the bytes that Windows' GetIpForwardTable fills; None if there is none."""
    found: List[Tuple[int, str]] = []
    count = int.from_bytes(table[:4], sys.byteorder)
    for at in range(min(count, (len(table) - 4) // _ROW_BYTES)):
        row = table[4 + at * _ROW_BYTES : 4 + (at + 1) * _ROW_BYTES]
        numbers = struct.unpack(f"={_ROW_NUMBERS}I", row)
        # A next hop of zero is the machine's own interface: a line without a router.
        if numbers[_DESTINATION] == 0 and numbers[_MASK] == 0 and numbers[_NEXT_HOP] != 0:
            found.append((numbers[_METRIC], socket.inet_ntoa(row[_NEXT_HOP * 4 : _NEXT_HOP * 4 + 4])))
    return min(found)[1] if found else None
