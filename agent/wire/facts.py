"""The one list of everything an agent may send besides numbers: the allow-list of facts and their columns.

A fact or column that is not here is not stored. Nothing here names a person, a document, a window or a process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Tuple


@dataclass(frozen=True)
class FactSpec:
    """One fact: a scalar where `columns` is empty, else rows with these columns."""

    name: str
    help: str
    columns: Tuple[str, ...] = ()


_FACTS = (
    FactSpec("agent_version", "Version of the agent."),
    FactSpec("python_version", "Version of the Python that runs the agent."),
    FactSpec("os_name", "Name of the operating system, as Windows 10 Pro or Debian GNU/Linux."),
    FactSpec("os_version", "Version of the operating system."),
    FactSpec("os_build", "Build of the operating system."),
    FactSpec("os_family", "windows or linux."),
    FactSpec("os_architecture", "Machine word of the operating system, as x86_64."),
    FactSpec("os_installed_at", "Day the operating system was installed, as far as it tells."),
    FactSpec("smbios_version", "Version of the SMBIOS specification the firmware follows."),
    FactSpec("smbios_source", "Where the hardware facts were read: smbios_table, dmi_id or registry."),
    FactSpec("bios", "Firmware (SMBIOS type 0).", ("vendor", "version", "release_date")),
    FactSpec(
        "system",
        "The machine (SMBIOS type 1).",
        ("manufacturer", "product", "version", "serial", "uuid", "sku", "family"),
    ),
    FactSpec(
        "baseboard", "System board (SMBIOS type 2).", ("manufacturer", "product", "version", "serial", "asset_tag")
    ),
    FactSpec("chassis", "Case (SMBIOS type 3).", ("manufacturer", "type", "version", "serial", "asset_tag")),
    FactSpec(
        "processor",
        "Processors (SMBIOS type 4, or the operating system).",
        (
            "manufacturer",
            "version",
            "signature",
            "vendor_id",
            "family",
            "model",
            "stepping",
            "core_count",
            "thread_count",
            "max_speed_mhz",
            "populated",
        ),
    ),
    FactSpec("oem_string", "Strings of the maker (SMBIOS type 11).", ("text",)),
    FactSpec(
        "memory_device",
        "Memory slots (SMBIOS type 17).",
        ("locator", "size_bytes", "type", "speed_mts", "manufacturer", "part_number"),
    ),
    FactSpec(
        "battery",
        "Portable batteries (SMBIOS type 22).",
        ("manufacturer", "name", "chemistry", "manufacture_date", "sbds_manufacture_date"),
    ),
    FactSpec(
        "dell_revisions",
        "Dell's type 208: manufacture date and first power-on, as written.",
        ("manufacture_date", "first_power_on_date"),
    ),
    FactSpec(
        "monitor",
        "Screens (EDID).",
        ("connector", "manufacturer", "product_code", "manufacture_year", "manufacture_week", "internal"),
    ),
    FactSpec("disk", "Disks.", ("device", "model", "size_bytes", "rotational", "removable", "power_on_hours")),
    # Apart from `disk`: asking takes administrator rights and may wake a disk, so another probe does it, more rarely.
    FactSpec(
        "disk_health",
        "What disks say of their health: smart_health is ok, failing (the disk's own overall verdict, or a critical "
        "warning of NVMe) or unknown; wear_ratio is the share of its rated writes that is used up (above 1: more), "
        "reallocated_sectors how many it has replaced, pending_sectors how many it could not read.",
        ("device", "model", "smart_health", "wear_ratio", "reallocated_sectors", "pending_sectors", "power_on_hours"),
    ),
    FactSpec(
        "protection",
        "Protection that the operating system knows of: kind is antimalware or firewall, enabled whether it watches "
        "now; for antimalware signature_age_days is the age of its signatures by its own account.",
        ("kind", "product", "enabled", "signature_age_days"),
    ),
    FactSpec(
        "network_adapter",
        "Physical network adapters: hardware address and link speed, never an IP address.",
        ("name", "mac", "speed_mbps", "physical"),
    ),
    FactSpec(
        "computer_name_sha256",
        "SHA-256 of the computer's name in lower case without its domain: the name itself, often a person's, is not "
        "sent, and the digest serves only to be compared with the computer names in the register of assets.",
    ),
    FactSpec("filesystem", "Fixed file systems.", ("filesystem", "type", "size_bytes")),
    FactSpec(
        "link_method",
        "How each target is measured: icmp_raw, icmp_datagram or tcp_connect, and why not a better way.",
        ("target", "method", "reason"),
    ),
)

FACTS: Dict[str, FactSpec] = {spec.name: spec for spec in _FACTS}
