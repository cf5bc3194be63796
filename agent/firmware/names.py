"""Names of the numbers that SMBIOS uses for cases, memory, slots, devices and batteries.

Source: DMTF DSP0134 (SMBIOS reference specification) 3.7, sections 7.4.1, 7.4.2, 7.10.1, 7.10.3, 7.17.2, 7.17.3,
7.18.1, 7.18.2, 7.23.1, 7.33.1 and 7.42.2. English, as the specification prints them, so that facts read from bytes and
from a text dump are the same.
"""

from __future__ import annotations

from typing import Optional, Tuple

_CHASSIS = (
    "Other",
    "Unknown",
    "Desktop",
    "Low Profile Desktop",
    "Pizza Box",
    "Mini Tower",
    "Tower",
    "Portable",
    "Laptop",
    "Notebook",
    "Hand Held",
    "Docking Station",
    "All In One",
    "Sub Notebook",
    "Space-saving",
    "Lunch Box",
    "Main Server Chassis",
    "Expansion Chassis",
    "Sub Chassis",
    "Bus Expansion Chassis",
    "Peripheral Chassis",
    "RAID Chassis",
    "Rack Mount Chassis",
    "Sealed-case PC",
    "Multi-system",
    "CompactPCI",
    "AdvancedTCA",
    "Blade",
    "Blade Enclosing",
    "Tablet",
    "Convertible",
    "Detachable",
    "IoT Gateway",
    "Embedded PC",
    "Mini PC",
    "Stick PC",
)
_MEMORY = (
    "Other",
    "Unknown",
    "DRAM",
    "EDRAM",
    "VRAM",
    "SRAM",
    "RAM",
    "ROM",
    "Flash",
    "EEPROM",
    "FEPROM",
    "EPROM",
    "CDRAM",
    "3DRAM",
    "SDRAM",
    "SGRAM",
    "RDRAM",
    "DDR",
    "DDR2",
    "DDR2 FB-DIMM",
    None,
    None,
    None,
    "DDR3",
    "FBD2",
    "DDR4",
    "LPDDR",
    "LPDDR2",
    "LPDDR3",
    "LPDDR4",
    "Logical non-volatile device",
    "HBM",
    "HBM2",
    "DDR5",
    "LPDDR5",
    "HBM3",
)
_CHEMISTRY = (
    "Other",
    "Unknown",
    "Lead Acid",
    "Nickel Cadmium",
    "Nickel Metal Hydride",
    "Lithium Ion",
    "Zinc Air",
    "Lithium Polymer",
)
_STATE = ("Other", "Unknown", "Safe", "Warning", "Critical", "Non-recoverable")
_FORM_FACTOR = (
    "Other",
    "Unknown",
    "SIMM",
    "SIP",
    "Chip",
    "DIP",
    "ZIP",
    "Proprietary Card",
    "DIMM",
    "TSOP",
    "Row Of Chips",
    "RIMM",
    "SODIMM",
    "SRIMM",
    "FB-DIMM",
    "Die",
    "CAMM",
)
_ARRAY_USE = (
    "Other",
    "Unknown",
    "System Memory",
    "Video Memory",
    "Flash Memory",
    "Non-volatile RAM",
    "Cache Memory",
)
_ERROR_CORRECTION = ("Other", "Unknown", "None", "Parity", "Single-bit ECC", "Multi-bit ECC", "CRC")
_SLOT_USAGE = ("Other", "Unknown", "Available", "In Use", "Unavailable")
# Others are older than any machine that still runs, or have no place in a desktop.
_SLOT = {
    0x03: "ISA",
    0x06: "PCI",
    0x07: "PC Card (PCMCIA)",
    0x0E: "PCI-66",
    0x0F: "AGP",
    0x10: "AGP 2x",
    0x11: "AGP 4x",
    0x12: "PCI-X",
    0x13: "AGP 8x",
    0x14: "M.2 Socket 1-DP",
    0x15: "M.2 Socket 1-SD",
    0x16: "M.2 Socket 2",
    0x17: "M.2 Socket 3",
    0x1F: "PCI Express 2 SFF-8639 (U.2)",
    0x20: "PCI Express 3 SFF-8639 (U.2)",
    0x21: "PCI Express Mini 52-pin with bottom-side keep-outs",
    0x22: "PCI Express Mini 52-pin without bottom-side keep-outs",
    0x23: "PCI Express Mini 76-pin",
}
# From these numbers on: of any width, then x1, x2, x4, x8 and x16.
_EXPRESS_SLOTS = {
    0xA5: "PCI Express",
    0xAB: "PCI Express 2",
    0xB1: "PCI Express 3",
    0xB8: "PCI Express 4",
    0xBE: "PCI Express 5",
}
_EXPRESS_WIDTHS = ("", " x1", " x2", " x4", " x8", " x16")
_DEVICE = (
    "Other",
    "Unknown",
    "Video",
    "SCSI Controller",
    "Ethernet",
    "Token Ring",
    "Sound",
    "PATA Controller",
    "SATA Controller",
    "SAS Controller",
    "Wireless LAN",
    "Bluetooth",
    "WWAN",
    "eMMC",
    "NVMe Controller",
    "UFS Controller",
)
_BOOT_STATUS = (
    "No errors detected",
    "No bootable media",
    "Operating system failed to load",
    "Firmware-detected hardware failure",
    "Operating system-detected hardware failure",
    "User-requested boot",
    "System security violation",
    "Previously-requested image",
    "System watchdog timer expired",
)
_BOOT_STATUS_OF_MAKERS, _BOOT_STATUS_OF_PRODUCTS = 0x80, 0xC0
_LOCK_BIT = 0x80

# Processor families whose identification bytes are no x86 CPUID signature: PowerPC, Alpha, MIPS, SPARC, 68000, Itanium,
# PA-RISC, zSeries, ARM, RISC-V, LoongArch.
_OTHER_ARCHITECTURES = (
    range(0x20, 0x28),
    range(0x30, 0x38),
    range(0x40, 0x46),
    range(0x50, 0x59),
    range(0x60, 0x66),
    range(0x82, 0x83),
    range(0x90, 0x97),
    range(0xC8, 0xCD),
    range(0x100, 0x11F),
    range(0x200, 0x25F),
)


def chassis_type(number: Optional[int]) -> Optional[str]:
    """The kind of case, the lock bit left out; None where it is missing or not in the specification."""
    return None if number is None else _name(_CHASSIS, number & ~_LOCK_BIT)


def memory_type(number: Optional[int]) -> Optional[str]:
    """The kind of memory, as DDR3; None where it is missing or not in the specification."""
    return _name(_MEMORY, number)


def battery_chemistry(number: Optional[int]) -> Optional[str]:
    """What the battery is made of; None where it is missing or not in the specification."""
    return _name(_CHEMISTRY, number)


def chassis_state(number: Optional[int]) -> Optional[str]:
    """How well a part of the case was at the last start; None where it is missing or not in the specification."""
    return _name(_STATE, number)


def memory_form_factor(number: Optional[int]) -> Optional[str]:
    """What shape a memory module has; None where it is missing or not in the specification."""
    return _name(_FORM_FACTOR, number)


def memory_array_use(number: Optional[int]) -> Optional[str]:
    """What the memory is for; None where it is missing or not in the specification."""
    return _name(_ARRAY_USE, number)


def error_correction(number: Optional[int]) -> Optional[str]:
    """How memory mends its errors; None where it is missing or not in the specification."""
    return _name(_ERROR_CORRECTION, number)


def slot_usage(number: Optional[int]) -> Optional[str]:
    """Whether a slot for a card is free; None where it is missing or not in the specification."""
    return _name(_SLOT_USAGE, number)


def slot_type(number: Optional[int]) -> Optional[str]:
    """The kind of a slot for a card; None where it is missing or of a kind that is not told apart."""
    for first, kind in _EXPRESS_SLOTS.items():
        if number is not None and 0 <= number - first < len(_EXPRESS_WIDTHS):
            return kind + _EXPRESS_WIDTHS[number - first]
    return None if number is None else _SLOT.get(number)


def onboard_device_type(number: Optional[int]) -> Optional[str]:
    """The kind of a device on the board; None where it is missing or not in the specification."""
    return _name(_DEVICE, number)


def boot_status(number: Optional[int]) -> Optional[str]:
    """How the last start went; None where it is missing or not in the specification."""
    if number is None or number < _BOOT_STATUS_OF_MAKERS:
        return None if number is None else _name(_BOOT_STATUS, number + 1)
    return "OEM-specific" if number < _BOOT_STATUS_OF_PRODUCTS else "Product-specific"


def is_other_architecture(processor_family: Optional[int]) -> bool:
    """Whether this SMBIOS processor family is known not to be x86."""
    return processor_family is not None and any(processor_family in families for families in _OTHER_ARCHITECTURES)


def _name(names: Tuple[Optional[str], ...], number: Optional[int]) -> Optional[str]:
    return names[number - 1] if number is not None and 1 <= number <= len(names) else None
