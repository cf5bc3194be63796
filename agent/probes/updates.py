"""Whether a restart waits for updates to take hold, and when the newest update came. Names of updates are not sent."""

from __future__ import annotations

from typing import Dict, List, Optional

from agent.errors import NoDataError
from agent.host import WINDOWS, Host
from agent.probes.contract import Collected, ProbeContext
from agent.probes.days import day_of
from agent.wire.message import mark
from agent.wire.report import FactValue

# Left behind by many programs that have nothing to do with updates.
_NOT_COUNTED = frozenset({"file_rename"})


def collect(host: Host, _context: ProbeContext) -> Collected:
    """Facts `reboot_pending`, `reboot_reason`, `last_update_at` and `last_update_check_at`.

    Raises:
        NoDataError: the system tells none of them.
    """
    reasons: Optional[List[str]]
    remark = ""
    if host.system == WINDOWS:
        from agent.windows import updates as of_windows  # noqa: PLC0415  # the other system's module is not loaded

        reasons = of_windows.restart_reasons(host)
        days = {
            "last_update_at": day_of(of_windows.last_update_seconds(host)),
            "last_update_check_at": day_of(of_windows.last_check_seconds(host)),
        }
    else:
        from agent.linux import updates as of_linux  # noqa: PLC0415  # the other system's module is not loaded

        reasons, is_compared = of_linux.restart_reasons(host)
        if not is_compared:
            remark = mark("the running kernel is not among those installed, so whether a newer one waits is not known")
        days = {
            "last_update_at": day_of(of_linux.last_change_seconds(host)),
            "last_update_check_at": day_of(of_linux.last_check_seconds(host)),
        }
    facts: Dict[str, FactValue] = {name: day for name, day in days.items() if day is not None}
    if reasons is not None:
        facts["reboot_pending"] = any(reason not in _NOT_COUNTED for reason in reasons)
        facts["reboot_reason"] = [{"reason": reason} for reason in reasons]
    if not facts:
        raise NoDataError("the system tells neither whether a restart waits nor when it was updated")
    return Collected(facts=facts, remark=remark)
