"""What the machine brings for a secure start: kind of firmware, Secure Boot, TPM. The collector judges its fitness."""

from __future__ import annotations

from typing import Dict

from agent.errors import NoDataError
from agent.host import WINDOWS, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.message import mark
from agent.wire.report import FactValue


def collect(host: Host, _context: ProbeContext) -> Collected:
    """Facts `firmware_type`, `secure_boot_enabled`, `secure_boot_capable`, `tpm_present` and `tpm_version`.

    Raises:
        NoDataError: the system tells neither.
    """
    facts: Dict[str, FactValue]
    if host.system == WINDOWS:
        from agent.windows import security as of_windows  # noqa: PLC0415  # the other system's module is not loaded

        facts = of_windows.security(host)
    else:
        from agent.linux import security as of_linux  # noqa: PLC0415  # the other system's module is not loaded

        facts = of_linux.security(host)
    if not facts:
        raise NoDataError("the system tells neither its kind of firmware nor its TPM")
    remark = ""
    if "firmware_type" not in facts:
        remark = mark("the system does not tell its kind of firmware")
    elif "tpm_present" not in facts:
        remark = mark("the system does not tell whether there is a TPM")
    return Collected(facts=facts, remark=remark)
