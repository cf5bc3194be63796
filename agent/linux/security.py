"""How a Linux machine was started, and its TPM: from files that everybody may read."""

from __future__ import annotations

import re
from typing import Dict, Optional

from agent.host import Host
from agent.wire.report import FactValue

_FIRMWARE = "/sys/firmware"
_EFI = _FIRMWARE + "/efi"
_VARIABLES = _EFI + "/efivars"
# EFI_GLOBAL_VARIABLE of the UEFI specification; four bytes of attributes stand before the value.
_SECURE_BOOT = _VARIABLES + "/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_SECURE_BOOT_BYTES = 5
_TPMS = "/sys/class/tpm"
_TPM = _TPMS + "/tpm0"
_VERSION_OF_CAPS = re.compile(r"TCG version:\s*(\d\.\d)")


def security(host: Host) -> Dict[str, FactValue]:
    """Facts of the firmware's start and of the TPM, as far as the kernel shows them."""
    facts: Dict[str, FactValue] = {}
    for folder in (_FIRMWARE, _TPMS):
        if host.exists(folder):
            host.note_source(folder)
    if host.exists(_EFI):
        facts["firmware_type"] = "uefi"
        facts.update(_secure_boot(host))
    # Only where the kernel shows a firmware at all: a container may hide it, and other boards have neither.
    elif host.exists(f"{_FIRMWARE}/acpi") or host.exists(f"{_FIRMWARE}/dmi"):
        facts["firmware_type"] = "bios"
    if host.exists(_TPMS):
        facts["tpm_present"] = host.exists(_TPM)
    version = _tpm_version(host) if host.exists(_TPM) else None
    if version is not None:
        facts["tpm_version"] = version
    return facts


def _secure_boot(host: Host) -> Dict[str, FactValue]:
    try:
        value = host.read_bytes(_SECURE_BOOT)
    except FileNotFoundError:
        # A firmware that has other variables and not this one does not know of it.
        return {"secure_boot_capable": False} if any(host.path(_VARIABLES).glob("*-*")) else {}
    except OSError:
        return {}
    if len(value) != _SECURE_BOOT_BYTES:
        return {}
    return {"secure_boot_capable": True, "secure_boot_enabled": value[-1] == 1}


def _tpm_version(host: Host) -> Optional[str]:
    # Kernels from 5.5 on say so; older ones list the capabilities of a 1.2 only, and keep ACPI's words on a 2.0.
    major = host.text_or_none(f"{_TPM}/tpm_version_major")
    if major in ("1", "2"):
        return {"1": "1.2", "2": "2.0"}[major]
    caps = _VERSION_OF_CAPS.search(host.text_or_none(f"{_TPM}/caps") or host.text_or_none(f"{_TPM}/device/caps") or "")
    if caps is not None:
        return caps.group(1)
    return "2.0" if host.text_or_none(f"{_TPM}/device/firmware_node/hid") == "MSFT0101" else None
