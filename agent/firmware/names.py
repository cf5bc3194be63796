"""Names of the numbers that SMBIOS uses for cases, memory and batteries.

Source: DMTF DSP0134 (SMBIOS reference specification) 3.7, sections 7.4.1, 7.5.2, 7.18.2 and 7.23.1. English, as the
specification prints them, so that facts read from bytes and from a text dump are the same.
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


def is_other_architecture(processor_family: Optional[int]) -> bool:
    """Whether this SMBIOS processor family is known not to be x86."""
    return processor_family is not None and any(processor_family in families for families in _OTHER_ARCHITECTURES)


def _name(names: Tuple[Optional[str], ...], number: Optional[int]) -> Optional[str]:
    return names[number - 1] if number is not None and 1 <= number <= len(names) else None
