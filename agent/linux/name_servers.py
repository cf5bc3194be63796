"""The name servers that a Linux machine asks, from its own settings."""

from __future__ import annotations

from typing import List

from agent.host import Host

_SETTINGS = "/etc/resolv.conf"
# systemd-resolved stands before the servers with a cache of its own, and keeps a list of them here.
_BEHIND_RESOLVED = "/run/systemd/resolve/resolv.conf"
_RESOLVED = frozenset({"127.0.0.53", "127.0.0.54"})
# More the C library does not ask.
_MOST_SERVERS = 3


def name_servers(host: Host) -> List[str]:
    """Their addresses, in the order in which they are asked."""
    servers = _servers(host.text_or_none(_SETTINGS) or "")
    if servers and _RESOLVED.issuperset(servers):
        servers = _servers(host.text_or_none(_BEHIND_RESOLVED) or "") or servers
    return servers


def _servers(text: str) -> List[str]:
    lines = (line.split() for line in text.splitlines())
    found = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return list(dict.fromkeys(found))[:_MOST_SERVERS]
