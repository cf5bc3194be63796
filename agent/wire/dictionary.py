"""What uploads of version 2 have in common, for zlib to refer to: a part of the contract, never changed.

A name that is not in it travels all the same and costs its letters. Another dictionary is another version of the
contract: its checksum is in the head of every upload, and a reader with another refuses it.
"""

from __future__ import annotations

_ROUNDS = "60000,60000,60000,60000"
_FACTS = "manufacturer product version serial model size_bytes name type device reason method target"
_PROBES = (
    "software hardware operating_system monitors disks disk_health protection network temperature name_lookup uptime"
    " processor memory filesystems latency"
)
_MACHINE = (
    "uptime_seconds cpu_utilisation_ratio cpu_frequency_hertz cpu_temperature_celsius memory_total_bytes"
    " memory_available_bytes swap_used_bytes swap_in_bytes_per_second memory_stalled_ratio memory_committed_bytes"
    " memory_commit_limit_bytes spool_reports spool_dropped_total"
)
_OF_EACH = (
    ("server", "1", "name_lookup_seconds name_lookup_failed"),
    ("adapter", "eth0", "speed_bits_per_second half_duplex frames errors drops"),
    ("disk", "sda", "io_seconds busy_ratio"),
    ("filesystem", "/", "size_bytes available_bytes"),
)
_LINK = (
    "large_probes_sent large_probes_received connects_tried connects_slow connects_failed connect_p50_seconds"
    " handshake_seconds first_byte_p50_seconds probes_sent probes_received rtt_min_seconds rtt_p50_seconds"
    " rtt_p95_seconds rtt_max_seconds rtt_mean_seconds ipdv_seconds jitter_seconds"
)


def _dictionary() -> bytes:
    parts = [f'"{name}":"",' for name in _FACTS.split()]
    for subject, label, names in _OF_EACH:
        prefix = "" if subject == "server" else subject + "_"
        parts += [f'["{prefix}{name}",["{label}"],[0]],' for name in names.split()]
    parts += [f'["link_{name}",["{target}"],[10]],' for target in ("server", "gateway") for name in _LINK.split()]
    parts += ['{"wire_version":2,"configuration_hash":"","acknowledged":["",1],"sent":["",17],"device_id":"","boots":[']
    parts += [f'""],"runs":[[0,1]],"monotonic_ms":[{_ROUNDS}],"offset_ms":[17],"samples":[']
    parts += [f'["{name}",[],[]],' for name in _MACHINE.split()]
    parts += ['],"states":[["ok",""]],"outcomes":[']
    parts += [f'["{name}",[],[]],' for name in _PROBES.split()]
    return "".join([*parts, '],"facts":[[0,"']).encode()


DICTIONARY = _dictionary()
