"""What a probe is, what it is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Tuple

from agent.configuration import Target
from agent.host import Host
from agent.wire.report import FactValue, Sample

DAY_SECONDS = 86_400.0

# In `told`: device -> hours of operation, of the disks that may be asked for them.
DISK_HOURS = "disk_hours"


@dataclass(frozen=True)
class Collected:
    """What one run of a probe found.

    Args:
        samples: numbers at this moment.
        facts: name -> value.
        remark: what could be better although the run succeeded, in fixed words; it becomes the outcome's message.
    """

    samples: List[Sample] = field(default_factory=list)
    facts: Dict[str, FactValue] = field(default_factory=dict)
    remark: str = ""


@dataclass(frozen=True)
class ProbeContext:
    """What a run is given besides the machine.

    Args:
        targets: addresses whose latency is measured.
        latency_window_seconds: the time over which one round's probes to a target are spread.
        ca_file: the only authority trusted for services that must prove their names; None means the system's own.
        measure_gateway: whether the default gateway is a target too.
        memory: what this probe kept from its earlier runs in this process; it may change it.
        told: what probes leave for one another, under the names of this module; the same for all.
    """

    targets: Tuple[Target, ...] = ()
    latency_window_seconds: float = 2.0
    ca_file: Optional[str] = None
    measure_gateway: bool = True
    memory: Dict[str, Any] = field(default_factory=dict)
    told: Dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """One row of the table of probes.

    Args:
        collect: reads the machine. Raises NoDataError or ProbeError with a fixed sentence; never logs.
        deadline_seconds: a run longer than this is given up and reported as `timeout`.
        period_seconds: how often it is due; None means in every round.
    """

    collect: Callable[[Host, ProbeContext], Collected]
    deadline_seconds: float = 10.0
    period_seconds: Optional[float] = None
