"""The one list of everything an agent may send besides numbers: the allow-list of facts and their columns.

A fact or column that is not here is not stored. Nothing here names a person, a document, a window or a process.
"""

from __future__ import annotations

from typing import Dict, Tuple

from agent.wire.record import dataclass


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
    FactSpec(
        "os_installation",
        "What is known of installations, each with its day: source is current, earlier (Windows keeps one at every "
        "feature update), root_file_system, machine_id or installer_log (Linux).",
        ("source", "name", "version", "build", "installed_at"),
    ),
    FactSpec("reboot_pending", "Whether updates wait for a restart, as far as the system tells."),
    FactSpec(
        "reboot_reason",
        "Why a restart waits: component_servicing, windows_update, computer_rename, packages or newer_kernel; and "
        "file_rename, which by itself is not counted, for many programs leave it behind.",
        ("reason",),
    ),
    FactSpec("last_update_at", "Day of the newest update or change of packages."),
    FactSpec("last_update_check_at", "Day the system last looked for updates."),
    FactSpec("firmware_type", "How the system was started: uefi or bios (the old way)."),
    FactSpec("secure_boot_enabled", "Whether the firmware starts signed systems only."),
    FactSpec("secure_boot_capable", "Whether the firmware can start securely; missing where that is not told."),
    FactSpec("tpm_present", "Whether the system sees a TPM; one that is switched off in the firmware is not seen."),
    FactSpec("tpm_version", "Version of the TPM's specification: 2.0 or 1.2."),
    FactSpec("smbios_version", "Version of the SMBIOS specification the firmware follows."),
    FactSpec("smbios_source", "Where the hardware facts were read: smbios_table, dmi_id or registry."),
    FactSpec("smbios_structure", "Types of structures in the SMBIOS table, and how many of each.", ("type", "count")),
    FactSpec(
        "bios",
        "Firmware (SMBIOS type 0); uefi_supported and virtual_machine as its characteristics say.",
        ("vendor", "version", "release_date", "revision", "rom_size_bytes", "uefi_supported", "virtual_machine"),
    ),
    FactSpec(
        "system",
        "The machine (SMBIOS type 1).",
        ("manufacturer", "product", "version", "serial", "uuid", "sku", "family"),
    ),
    FactSpec(
        "baseboard", "System board (SMBIOS type 2).", ("manufacturer", "product", "version", "serial", "asset_tag")
    ),
    FactSpec(
        "chassis",
        "Case (SMBIOS type 3); the states are those of the last start.",
        (
            "manufacturer",
            "type",
            "version",
            "serial",
            "asset_tag",
            "bootup_state",
            "power_supply_state",
            "thermal_state",
        ),
    ),
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
            "socket",
        ),
    ),
    FactSpec("oem_string", "Strings of the maker (SMBIOS type 11).", ("text",)),
    FactSpec(
        "memory_device",
        "Memory slots, the empty ones with size 0 (SMBIOS type 17).",
        (
            "locator",
            "size_bytes",
            "type",
            "speed_mts",
            "manufacturer",
            "part_number",
            "bank",
            "form_factor",
            "configured_speed_mts",
            "serial",
            "asset_tag",
        ),
    ),
    FactSpec(
        "memory_array",
        "How much memory the board takes, in how many slots (SMBIOS type 16).",
        ("use", "error_correction", "maximum_bytes", "slot_count"),
    ),
    FactSpec("system_slot", "Slots for cards (SMBIOS type 9).", ("designation", "type", "usage")),
    FactSpec("onboard_device", "Devices on the board (SMBIOS type 41).", ("designation", "type", "enabled")),
    FactSpec("boot_status", "How the last start went, by the firmware (SMBIOS type 32).", ("status",)),
    FactSpec("tpm_device", "TPM as the firmware lists it (SMBIOS type 43).", ("vendor_id", "version", "description")),
    FactSpec(
        "battery_wear",
        "Batteries as they are now: wear_ratio is the share of the designed capacity that is lost; capacities in watt "
        "hours where the battery tells them so.",
        (
            "name",
            "manufacturer",
            "model",
            "chemistry",
            "design_capacity_wh",
            "full_capacity_wh",
            "wear_ratio",
            "cycle_count",
            "manufacture_date",
        ),
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
    FactSpec(
        "disk",
        "Disks; bus is ata, sata, sas, scsi, nvme, mmc, sd, usb, raid or virtual.",
        ("device", "model", "size_bytes", "rotational", "removable", "power_on_hours", "bus"),
    ),
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
        "How each target is measured: icmp_raw, icmp_datagram, icmp_service (Windows' own) or tcp_connect, and why "
        "not a better way.",
        ("target", "method", "reason"),
    ),
    FactSpec(
        "configuration_refused",
        "The newest configuration that the terminal could not use, and why; no row where it follows what it was told.",
        ("hash", "version", "reason"),
    ),
    FactSpec(
        "path_trace",
        "The routers on the way to a target, where the collector's people asked for it once; of routers outside of "
        "private networks not the address.",
        ("target", "request", "distance", "address", "sent", "received", "rtt_min_seconds", "problem"),
    ),
)

FACTS: Dict[str, FactSpec] = {spec.name: spec for spec in _FACTS}
