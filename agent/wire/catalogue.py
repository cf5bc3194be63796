"""The one list of every number an agent may send; `facts` is the list of everything else.

Line-protocol fields, Prometheus names, dashboards and the reference in docs are made from it, and it is the allow-list:
a metric that is not here is not stored. Nothing here names a person, a document, a window or a process.
"""

from __future__ import annotations

from typing import Dict, Tuple

from agent.wire.record import dataclass

PREFIX = "thongmang_"

# InfluxDB measurements (and tables of the embedded store).
DEVICE_HEALTH = "device_health"
DEVICE_FILESYSTEM = "device_filesystem"
DEVICE_DISK = "device_disk"
# A terminal's own network cards; the ports of a site's equipment are `INTERFACE`.
DEVICE_ADAPTER = "device_adapter"
NAME_SERVICE = "name_service"
LINK_LATENCY = "link_latency"
# What is asked of a path a few times a day.
LINK_PATH = "link_path"
# Ports of network equipment at a site, one point per port and interval of polling.
INTERFACE = "interface"


@dataclass(frozen=True)
class MetricSpec:
    """One metric.

    Args:
        name: with its unit as suffix; the wire and Prometheus (after `PREFIX`) use it.
        unit: base unit on the wire: seconds, bytes, ratio, or empty for a plain count.
        help: one English sentence; the msgid of its translation.
        measurement: where the store keeps it.
        field: its name there, with the unit it is scaled to.
        scale: stored integer = round(value * scale). Integers take a quarter of the room of floats in InfluxDB, and a
            field that is always an integer cannot meet a type conflict.
        labels: names of the labels that tell several samples apart; they become tags.
    """

    name: str
    unit: str
    help: str
    measurement: str
    field: str
    scale: float = 1.0
    labels: Tuple[str, ...] = ()


def _latency(name: str, field: str, text: str, scale: float = 1e6, unit: str = "seconds") -> MetricSpec:
    return MetricSpec(name, unit, text, LINK_LATENCY, field, scale, ("target",))


def _interface(name: str, field: str, text: str, scale: float = 1.0, unit: str = "seconds") -> MetricSpec:
    return MetricSpec(name, unit, text, INTERFACE, field, scale, ("interface",))


def _adapter(name: str, field: str, text: str, scale: float = 1.0, unit: str = "") -> MetricSpec:
    return MetricSpec(name, unit, text, DEVICE_ADAPTER, field, scale, ("adapter",))


_METRICS = (
    MetricSpec("uptime_seconds", "seconds", "Time since the machine started.", DEVICE_HEALTH, "uptime_s"),
    MetricSpec(
        "cpu_utilisation_ratio",
        "ratio",
        "Share of processor time in use since the last round.",
        DEVICE_HEALTH,
        "cpu_pm",
        1000.0,
    ),
    MetricSpec("cpu_frequency_hertz", "hertz", "Current processor clock.", DEVICE_HEALTH, "cpu_mhz", 1e-6),
    MetricSpec(
        "memory_total_bytes",
        "bytes",
        "Memory the operating system can use.",
        DEVICE_HEALTH,
        "memory_total_kib",
        1 / 1024,
    ),
    MetricSpec(
        "memory_available_bytes",
        "bytes",
        "Memory that programs can still get without swapping.",
        DEVICE_HEALTH,
        "memory_available_kib",
        1 / 1024,
    ),
    MetricSpec("swap_used_bytes", "bytes", "Memory written out to disk.", DEVICE_HEALTH, "swap_used_kib", 1 / 1024),
    MetricSpec(
        "swap_in_bytes_per_second",
        "bytes_per_second",
        "Memory read back from disk since the last round.",
        DEVICE_HEALTH,
        "swap_in_bytes_s",
    ),
    MetricSpec(
        "memory_stalled_ratio",
        "ratio",
        "Share of the time since the last round in which a program waited for memory.",
        DEVICE_HEALTH,
        "memory_stalled_pm",
        1000.0,
    ),
    MetricSpec(
        "memory_committed_bytes",
        "bytes",
        "Memory that Windows has promised to programs.",
        DEVICE_HEALTH,
        "memory_committed_kib",
        1 / 1024,
    ),
    MetricSpec(
        "memory_commit_limit_bytes",
        "bytes",
        "Memory and page files together: what Windows can promise.",
        DEVICE_HEALTH,
        "memory_commit_limit_kib",
        1 / 1024,
    ),
    MetricSpec(
        "cpu_temperature_celsius",
        "celsius",
        "Temperature of the processor, of its hottest sensor.",
        DEVICE_HEALTH,
        "cpu_temperature_dc",
        10.0,
    ),
    MetricSpec("spool_reports", "", "Reports waiting on the terminal to be sent.", DEVICE_HEALTH, "spool_reports"),
    MetricSpec(
        "spool_dropped_total",
        "",
        "Reports the terminal had to drop because its spool was full or they were too old.",
        DEVICE_HEALTH,
        "spool_dropped",
    ),
    MetricSpec(
        "filesystem_size_bytes",
        "bytes",
        "Size of a fixed file system.",
        DEVICE_FILESYSTEM,
        "size_kib",
        1 / 1024,
        ("filesystem",),
    ),
    MetricSpec(
        "filesystem_available_bytes",
        "bytes",
        "Room left on a fixed file system.",
        DEVICE_FILESYSTEM,
        "available_kib",
        1 / 1024,
        ("filesystem",),
    ),
    MetricSpec(
        "disk_io_seconds",
        "seconds",
        "Mean time of a disk's reads and writes since the last round.",
        DEVICE_DISK,
        "io_us",
        1e6,
        ("disk",),
    ),
    MetricSpec(
        "disk_busy_ratio",
        "ratio",
        "Share of the time since the last round in which a disk had something to do.",
        DEVICE_DISK,
        "busy_pm",
        1000.0,
        ("disk",),
    ),
    _adapter(
        "adapter_speed_bits_per_second",
        "speed_kbit_s",
        "Speed that a network card's cable runs at.",
        0.001,
        "bits_per_second",
    ),
    _adapter("adapter_half_duplex", "half_duplex", "1 where a network card's cable runs half duplex, 0 where not."),
    _adapter("adapter_frames", "frames", "Frames that a network card received and sent since the last round."),
    _adapter("adapter_errors", "errors", "Frames with errors, received or sent, since the last round."),
    _adapter("adapter_drops", "drops", "Frames received or to be sent that were dropped since the last round."),
    MetricSpec(
        "name_lookup_seconds",
        "seconds",
        "Time until a name server answered; servers are numbered in the order in which they are asked.",
        NAME_SERVICE,
        "lookup_us",
        1e6,
        ("server",),
    ),
    MetricSpec(
        "name_lookup_failed",
        "",
        "1 where a name server did not answer twice, or could not, 0 where it did.",
        NAME_SERVICE,
        "failed",
        1.0,
        ("server",),
    ),
    _latency("link_probes_sent", "sent", "Probes sent to a target in this round.", 1.0, ""),
    _latency("link_probes_received", "received", "Probes answered by a target in this round.", 1.0, ""),
    _latency("link_rtt_min_seconds", "rtt_min_us", "Shortest round trip of this round."),
    _latency("link_rtt_p50_seconds", "rtt_p50_us", "Median round trip of this round."),
    _latency("link_rtt_p95_seconds", "rtt_p95_us", "95th percentile of this round's round trips (nearest rank)."),
    _latency("link_rtt_max_seconds", "rtt_max_us", "Longest round trip of this round."),
    _latency("link_rtt_mean_seconds", "rtt_mean_us", "Mean round trip of this round."),
    _latency("link_ipdv_seconds", "ipdv_us", "Mean absolute difference of consecutive round trips (RFC 3393)."),
    _latency(
        "link_jitter_seconds",
        "jitter_us",
        "Jitter of the round trips: the running estimate of RFC 3550, carried on from round to round.",
    ),
    _latency("link_large_probes_sent", "large_sent", "Probes of 1400 bytes sent to a target in this round.", 1.0, ""),
    _latency(
        "link_large_probes_received",
        "large_received",
        "Probes of 1400 bytes answered by a target in this round.",
        1.0,
        "",
    ),
    _latency("link_connects_tried", "connect_tried", "TCP connects tried to a target's port in this round.", 1.0, ""),
    _latency(
        "link_connects_slow",
        "connect_slow",
        "TCP connects of this round that took over 0.9 s: the first SYN or its answer was lost.",
        1.0,
        "",
    ),
    _latency("link_connects_failed", "connect_failed", "TCP connects of this round that failed.", 1.0, ""),
    _latency("link_connect_p50_seconds", "connect_p50_us", "Median TCP connect time of this round."),
    _latency(
        "link_first_byte_p50_seconds",
        "first_byte_us",
        "Median time from asking a service to the first byte of its answer, connecting included.",
    ),
    _latency("link_handshake_seconds", "handshake_us", "Time of the TLS handshake with a service."),
    MetricSpec(
        "link_path_mtu_bytes",
        "bytes",
        "Largest packet, of 1500 bytes and less, that comes through to a target in one piece.",
        LINK_PATH,
        "mtu_bytes",
        1.0,
        ("target",),
    ),
    MetricSpec(
        "link_path_black_hole",
        "",
        "1 where packets that are too large for the path vanish without a word, 0 where not.",
        LINK_PATH,
        "black_hole",
        1.0,
        ("target",),
    ),
    _interface(
        "interface_interval_seconds", "interval_ms", "Time between the two readings that the bytes lie between.", 1000.0
    ),
    _interface("interface_received_bytes", "received_bytes", "Bytes received in the interval.", unit="bytes"),
    _interface("interface_transmitted_bytes", "transmitted_bytes", "Bytes sent in the interval.", unit="bytes"),
    _interface("interface_receive_errors", "receive_errors", "Frames received with errors in the interval.", unit=""),
    _interface(
        "interface_transmit_errors", "transmit_errors", "Frames that could not be sent in the interval.", unit=""
    ),
    _interface(
        "interface_receive_discards", "receive_discards", "Frames received and dropped in the interval.", unit=""
    ),
    _interface("interface_transmit_discards", "transmit_discards", "Frames dropped before sending.", unit=""),
    _interface(
        "interface_speed_bits_per_second", "speed_kbit_s", "Speed the port has agreed on.", 0.001, "bits_per_second"
    ),
    _interface("interface_up", "up", "1 where the port is up, 0 where it is not.", unit=""),
    _interface("interface_half_duplex", "half_duplex", "1 where the port runs half duplex, 0 where not.", unit=""),
)

METRICS: Dict[str, MetricSpec] = {spec.name: spec for spec in _METRICS}


def measurement_fields(measurement: str) -> Tuple[MetricSpec, ...]:
    """Metrics of one measurement, in the catalogue's order."""
    return tuple(spec for spec in _METRICS if spec.measurement == measurement)


def measurement_labels(measurement: str) -> Tuple[str, ...]:
    """Label names that a measurement's points carry besides the device's own tags."""
    return next(spec.labels for spec in _METRICS if spec.measurement == measurement)


MEASUREMENTS: Tuple[str, ...] = tuple(dict.fromkeys(spec.measurement for spec in _METRICS))
