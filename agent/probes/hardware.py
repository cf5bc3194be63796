"""What the machine is made of: the SMBIOS table where it may be read, else what the system shows to everybody."""

from __future__ import annotations

from typing import Dict, List, Optional

from agent.errors import NoDataError
from agent.firmware import names, smbios
from agent.firmware.processors import join_processors, processors_from_cpuinfo, processors_from_registry
from agent.host import WINDOWS, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.facts import FACTS
from agent.wire.message import mark
from agent.wire.report import FactValue, Row

_TABLE = "/sys/firmware/dmi/tables/DMI"
_ENTRY_POINT = "/sys/firmware/dmi/tables/smbios_entry_point"
_ID = "/sys/class/dmi/id/"
_REGISTRY_ID = r"HARDWARE\DESCRIPTION\System\BIOS"
_REGISTRY_PROCESSORS = r"HARDWARE\DESCRIPTION\System\CentralProcessor"
_TABLE_LIMIT_BYTES = 1024 * 1024

# Fact -> column -> file under /sys/class/dmi/id, value under the registry's key. Empty: not told there.
_SHOWN = {
    "bios": {
        "vendor": ("bios_vendor", "BIOSVendor"),
        "version": ("bios_version", "BIOSVersion"),
        "release_date": ("bios_date", "BIOSReleaseDate"),
    },
    "system": {
        "manufacturer": ("sys_vendor", "SystemManufacturer"),
        "product": ("product_name", "SystemProductName"),
        "version": ("product_version", "SystemVersion"),
        "serial": ("product_serial", ""),
        "uuid": ("product_uuid", ""),
        "sku": ("product_sku", "SystemSKU"),
        "family": ("product_family", "SystemFamily"),
    },
    "baseboard": {
        "manufacturer": ("board_vendor", "BaseBoardManufacturer"),
        "product": ("board_name", "BaseBoardProduct"),
        "version": ("board_version", "BaseBoardVersion"),
        "serial": ("board_serial", ""),
        "asset_tag": ("board_asset_tag", ""),
    },
    "chassis": {
        "manufacturer": ("chassis_vendor", ""),
        "type": ("chassis_type", ""),
        "version": ("chassis_version", ""),
        "serial": ("chassis_serial", ""),
        "asset_tag": ("chassis_asset_tag", ""),
    },
}


def collect(host: Host, _context: ProbeContext) -> Collected:
    """Facts from the firmware, and the processor as the operating system knows it; `smbios_source` says from where."""
    facts: Dict[str, FactValue] = {}
    remark, lacks_rights = "", False
    processors: List[Row] = []
    decoded = _read_table(host)
    if decoded is not None and decoded.facts:
        facts.update(decoded.facts)
        facts["smbios_source"] = "smbios_table"
        facts["smbios_version"] = decoded.version
        processors = decoded.facts.get("processor", [])
        if not decoded.complete:
            remark = mark("the firmware's table is cut short or broken; what comes behind the break is lost")
    else:
        shown = _read_shown(host)
        facts.update(shown)
        if shown:
            lacks_rights = host.exists(_TABLE)
            facts["smbios_source"] = "registry" if host.system == WINDOWS else "dmi_id"
            remark = mark(
                "the firmware's table may not be read, so serial numbers, the maker's own dates, batteries and memory "
                "slots are missing",
            )
        else:
            remark = mark("this machine has no firmware table; only the processor is known")
    processors = join_processors(processors, _read_processors(host))
    if processors:
        facts["processor"] = [*processors]
    if not facts:
        raise NoDataError("this machine tells neither its firmware nor its processor")
    known: Dict[str, FactValue] = {name: value for name, value in facts.items() if value is not None}
    return Collected(facts=known, remark=remark, lacks_rights=lacks_rights)


def _read_table(host: Host) -> Optional[smbios.Decoded]:
    if host.system == WINDOWS:
        try:
            return smbios.decode_windows(host.firmware_table())
        except NoDataError:
            return None
    try:
        table = host.read_bytes(_TABLE, _TABLE_LIMIT_BYTES)
    except OSError:
        return None
    try:
        entry_point = host.read_bytes(_ENTRY_POINT)
    except OSError:
        entry_point = b""
    return smbios.decode(table, entry_point)


def _read_shown(host: Host) -> Dict[str, List[Row]]:
    facts: Dict[str, List[Row]] = {}
    if host.system != WINDOWS and not host.exists(_ID):
        return facts
    for fact, columns in _SHOWN.items():
        row: Row = dict.fromkeys(FACTS[fact].columns)
        for column, (file, value) in columns.items():
            row[column] = _shown_text(host, file, value)
        if fact == "chassis":
            number = str(row["type"] or "")
            row["type"] = names.chassis_type(int(number)) if number.isdigit() else None
        if any(row.values()):
            facts[fact] = [row]
    return facts


def _shown_text(host: Host, file: str, value: str) -> Optional[str]:
    if host.system != WINDOWS:
        return host.text_or_none(_ID + file)
    found = host.registry_value(_REGISTRY_ID, value) if value else None
    return str(found).strip() or None if found is not None else None


def _read_processors(host: Host) -> List[Row]:
    if host.system != WINDOWS:
        return processors_from_cpuinfo(host.text_or_none("/proc/cpuinfo") or "")
    key = _REGISTRY_PROCESSORS + r"\0"
    return processors_from_registry(
        {
            name: host.registry_value(key, name)
            for name in ("ProcessorNameString", "VendorIdentifier", "Identifier", "~MHz")
        },
        thread_count=len(host.registry_subkeys(_REGISTRY_PROCESSORS)),
    )
