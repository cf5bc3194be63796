"""How a Windows machine was started, and its TPM. Everybody may ask.

Sources: GetFirmwareType (Windows 8 and newer; before, `PEFirmwareType` in the registry where it is kept), the value
`UEFISecureBootEnabled`, Tbsi_GetDeviceInfo (Windows 8 and newer; before, the devices of the TPM driver).
"""

from __future__ import annotations

import struct
from typing import Dict

from agent.host import Host
from agent.wire.report import FactValue

_CONTROL = r"SYSTEM\CurrentControlSet\Control"
_SECURE_BOOT = _CONTROL + r"\SecureBoot\State"
_TPM_DEVICES = r"SYSTEM\CurrentControlSet\Services\TPM\Enum"
_FIRMWARE_TYPES = {1: "bios", 2: "uefi"}
# TPM_VERSION_12 and TPM_VERSION_20 of tbs.h.
_TPM_VERSIONS = {1: "1.2", 2: "2.0"}
_FOUND, _NOT_FOUND = 0, 0x8028400F
# ACPI's identity of every TPM 2.0.
_TPM_2 = "ACPI\\MSFT0101"


def security(host: Host) -> Dict[str, FactValue]:
    """Facts of the firmware's start and of the TPM, as far as Windows tells them."""
    facts: Dict[str, FactValue] = {}
    kind = host.firmware_type() or host.registry_value(_CONTROL, "PEFirmwareType")
    if kind in (1, 2):
        facts["firmware_type"] = _FIRMWARE_TYPES[int(kind)]
    enabled = host.registry_value(_SECURE_BOOT, "UEFISecureBootEnabled")
    if isinstance(enabled, int):
        facts["secure_boot_enabled"] = enabled == 1
        # Off may mean that the firmware cannot: Windows tells the two apart for administrators only.
        if enabled == 1:
            facts["secure_boot_capable"] = True
    facts.update(_tpm(host))
    return facts


def _tpm(host: Host) -> Dict[str, FactValue]:
    told = host.tpm_device_info()
    if told is None:
        count = host.registry_value(_TPM_DEVICES, "Count")
        device = str(host.registry_value(_TPM_DEVICES, "0") or "").upper()
        if not isinstance(count, int) or not count:
            # The driver comes with Windows Vista and 7 and starts where there is a TPM.
            return {"tpm_present": False}
        return {"tpm_present": True, "tpm_version": "2.0" if device.startswith(_TPM_2) else "1.2"}
    status, info = told
    if status == _NOT_FOUND:
        return {"tpm_present": False}
    version = _TPM_VERSIONS.get(struct.unpack_from("<II", info)[1]) if len(info) >= 8 else None  # noqa: PLR2004
    if status != _FOUND or version is None:
        return {}
    return {"tpm_present": True, "tpm_version": version}
