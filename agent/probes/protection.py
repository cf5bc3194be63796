"""What protects the machine: anti-malware with the age of its signatures, and the firewall.

Names of products and nothing else: no process, no path, no finding of a scan.
"""

from __future__ import annotations

from typing import List, Optional

from agent.host import WINDOWS, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.message import mark
from agent.wire.report import Row

_DAY_SECONDS = 86_400.0


def collect(host: Host, context: ProbeContext) -> Collected:
    """Fact `protection`: one row for each product the system knows of; none where it knows of none.

    Raises:
        NoDataError: the system cannot tell yet.
    """
    # Only here, for each brings in what the other system has no use of.
    rows: List[Row]
    if host.system == WINDOWS:
        from agent.windows import protection as of_windows  # noqa: PLC0415  # the other system's module is not loaded

        rows, remark = of_windows.protection(host, context.memory)
    else:
        from agent.linux import protection as of_linux  # noqa: PLC0415  # the other system's module is not loaded

        rows, remark = of_linux.protection(host), ""
    if not rows:
        remark = mark("the system knows of no anti-malware product and of no firewall")
    return Collected(facts={"protection": [*rows]}, remark=remark)


def protection_row(
    kind: str, product: Optional[str], *, enabled: Optional[bool], age_days: Optional[int] = None
) -> Row:
    """A row of the fact: `enabled` and the age of the signatures are None where they are not known."""
    return {"kind": kind, "product": product, "enabled": enabled, "signature_age_days": age_days}


def full_days(made_seconds: float, now_seconds: float) -> Optional[int]:
    """Full days from one moment to the other, both seconds since 1970.

    Up to a day the wrong way round counts as none: the maker's clock is not this machine's. None where it is more, for
    then the machine's clock is wrong.
    """
    age = now_seconds - made_seconds
    return None if age < -_DAY_SECONDS else max(0, int(age // _DAY_SECONDS))
