"""The name servers that a Windows machine asks, from the bytes that GetNetworkParams fills (FIXED_INFO of iptypes.h).

The structure also holds the computer's name, which is not looked at.
"""

from __future__ import annotations

import sys
from typing import List, Tuple

# Behind the names of computer and domain: a pointer without use, then the first IP_ADDR_STRING.
_NAMES_BYTES = 264
_ADDRESS_BYTES = 16
_MOST_SERVERS = 3
_ERROR_BUFFER_OVERFLOW = 111


def network_parameters() -> Tuple[bytes, int]:
    """(the structure, where it lay in memory); empty where this is another system, or it cannot be had."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  # loaded already for other calls

        size = ctypes.c_ulong(0)
        # The list may grow between asking for its size and reading it.
        for _ in range(3):
            buffer = ctypes.create_string_buffer(max(size.value, 1))
            status = ctypes.windll.iphlpapi.GetNetworkParams(buffer, ctypes.byref(size))
            if status == 0:
                return bytes(buffer.raw), ctypes.addressof(buffer)
            if status != _ERROR_BUFFER_OVERFLOW:
                break
    return b"", 0


def decode_name_servers(structure: bytes, address: int, pointer_bytes: int) -> List[str]:
    """Addresses of the servers, in the order in which they are asked; IPv4 alone.

    Args:
        structure: of `network_parameters`.
        address: where it lay: its pointers lead into itself.
        pointer_bytes: size of one, 4 or 8.
    """
    servers: List[str] = []
    at = _NAMES_BYTES + pointer_bytes
    # As many steps as there are servers wanted: a list that leads back into itself ends too.
    for _ in range(_MOST_SERVERS):
        text = structure[at + pointer_bytes : at + pointer_bytes + _ADDRESS_BYTES]
        if at < 0 or len(text) < _ADDRESS_BYTES:
            break
        server = text.split(b"\0", 1)[0].decode("ascii", "replace")
        if server and server not in servers:
            servers.append(server)
        following = int.from_bytes(structure[at : at + pointer_bytes], "little")
        if following == 0:
            break
        at = following - address
    return servers
