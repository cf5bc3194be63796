"""Reports as the spool keeps them: deflated against the words that every report is made of.

One at a time, so that each can be dropped, sent and saved from a damaged file by itself. `docs/spool.md` has the sizes.
"""

from __future__ import annotations

import zlib

_PLAIN_BEGINS = b"{"
_LEVEL = 9
# 16 KiB of window hold the dictionary and a long report, and cost 100 KiB while one is packed instead of 256.
_WINDOW_BITS = 14
_MEMORY_LEVEL = 6


def _number(name: str, label: str = "") -> str:
    value = "10" if name.endswith(("_sent", "_received")) else "0.0"
    return f'{{"metric":"{name}","value":{value},"labels":{{{label}}}}},'


def _vocabulary() -> bytes:
    """What reports consist of, the most frequent last. Packed reports lie on terminals' disks: it is never changed.

    A later version that wants another adds it, and `unpack` chooses by the checksum that each packed report begins
    with.
    """
    probes = (
        "software hardware operating_system monitors disks disk_health protection security updates battery network"
        " temperature path_mtu name_service adapters disk_activity uptime processor memory filesystems latency"
    )
    machine = (
        "uptime_seconds cpu_utilisation_ratio cpu_frequency_hertz cpu_temperature_celsius memory_total_bytes"
        " memory_available_bytes swap_used_bytes swap_in_bytes_per_second memory_stalled_ratio memory_committed_bytes"
        " memory_commit_limit_bytes"
    )
    of_each = (
        ('"disk":"sda"', "disk_io_seconds disk_busy_ratio"),
        ('"adapter":"eth0"', "adapter_speed_bits_per_second adapter_half_duplex adapter_frames adapter_errors"),
        ('"adapter":"eth0"', "adapter_drops"),
        ('"server":"1"', "name_lookup_seconds name_lookup_failed"),
        ('"filesystem":"/"', "filesystem_size_bytes filesystem_available_bytes"),
        ('"filesystem":"C:"', "filesystem_size_bytes filesystem_available_bytes"),
    )
    line = (
        "link_probes_sent link_probes_received link_rtt_min_seconds link_rtt_p50_seconds link_rtt_p95_seconds"
        " link_rtt_max_seconds link_rtt_mean_seconds link_ipdv_seconds link_jitter_seconds link_large_probes_sent"
        " link_large_probes_received link_connects_tried link_connects_slow link_connects_failed"
        " link_connect_p50_seconds link_first_byte_p50_seconds link_handshake_seconds"
    )
    parts = ['{"wire_version":1,"device_id":"","boot_id":"","sequence":0,"wall_time_seconds":17.0,']
    parts.append('"monotonic_time_seconds":0.0,"outcomes":[')
    parts += [f'{{"probe":"{name}","outcome":"ok","duration_seconds":0.000,"message":""}},' for name in probes.split()]
    parts.append('],"samples":[')
    parts += [_number(name) for name in machine.split()]
    parts += [_number(name, label) for label, names in of_each for name in names.split()]
    parts += [_number(name, f'"target":"{target}"') for target in ("gateway", "server") for name in line.split()]
    parts += [_number("spool_reports"), _number("spool_dropped_total")[:-1], '],"facts":[]}']
    return "".join(parts).encode()


VOCABULARY = _vocabulary()


def pack(body: bytes) -> bytes:
    """A report's JSON as the spool keeps it: some 0.4 kB instead of 4."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, VOCABULARY)
    return packer.compress(body) + packer.flush()


def unpack(kept: bytes) -> bytes:
    """A report's JSON again; also of what earlier versions kept as it was.

    Raises:
        zlib.error: it is not whole.
    """
    if kept.startswith(_PLAIN_BEGINS):
        return kept
    unpacker = zlib.decompressobj(_WINDOW_BITS, VOCABULARY)
    body = unpacker.decompress(kept)
    if not unpacker.eof:
        raise zlib.error("cut short")
    return body
