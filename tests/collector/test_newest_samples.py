"""The newest numbers of a terminal, each in the unit that a person reads it in."""

from __future__ import annotations

import pytest

from collector.web.latency_view import sample_rows


@pytest.mark.parametrize(
    ("metric", "value", "label", "text"),
    [
        ("cpu_temperature_celsius", 61.25, "", "61.2 °C"),
        ("adapter_speed_bits_per_second", 1e9, "eth0", "1,000 Mbit/s"),
        ("swap_in_bytes_per_second", 3.5 * 2**20, "", "3.50 MiB/s"),
        ("link_path_mtu_bytes", 1492.0, "server", "1,492 B"),
        ("memory_available_bytes", 2.0**31, "", "2,048 MiB"),
        ("swap_used_bytes", 0.0, "", "0 MiB"),
        ("memory_stalled_ratio", 0.125, "", "12.5 %"),
        ("disk_io_seconds", 0.0087, "sda", "8.70 ms"),
        ("adapter_half_duplex", 1.0, "eth0", "1"),
    ],
)
def test_units(metric, value, label, text):
    labels = {"x": label} if label else {}
    (row,) = sample_rows([{"metric": metric, "value": value, "labels": labels}], "en")
    assert (row["text"], row["labels"]) == (text, label)
