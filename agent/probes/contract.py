"""What a probe is, what it is given and what it gives back."""

from __future__ import annotations

import importlib
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

from agent.configuration import Target
from agent.host import Host
from agent.link.orders import LinkOrders
from agent.wire.record import dataclass, field
from agent.wire.report import FactValue, Sample

DAY_SECONDS = 86_400.0

# In `told`: device -> hours of operation, of the disks that may be asked for them.
DISK_HOURS = "disk_hours"


class DiskCounts(NamedTuple):
    """Counts of a disk's work; only what they have grown by has a meaning.

    Args:
        operations: reads and writes.
        operation_seconds: that they took together.
        busy_seconds: in which there was any.
    """

    operations: int
    operation_seconds: float
    busy_seconds: float


@dataclass(frozen=True)
class Collected:
    """What one run of a probe found.

    Args:
        samples: numbers at this moment.
        facts: name -> value.
        remark: what could be better although the run succeeded, in fixed words; it becomes the outcome's message.
        lacks_rights: whether an administrator would have been told more.
    """

    samples: List[Sample] = field(default_factory=list)
    facts: Dict[str, FactValue] = field(default_factory=dict)
    remark: str = ""
    lacks_rights: bool = False


@dataclass(frozen=True)
class ProbeContext:
    """What a run is given besides the machine.

    Args:
        targets: addresses whose latency is measured.
        latency_window_seconds: the time over which one round's probes to a target are spread.
        ca_file: the only authority trusted for services that must prove their names; None means the system's own.
        measure_gateway: whether the default gateway is a target too.
        memory: what this probe kept from its earlier runs under this agent; it may change it. That of a probe with a
            period is kept as JSON: what was a tuple comes back as a list.
        told: what probes leave for one another, under the names of this module; the same for all.
        collector_host: the collector's name or address, as this terminal is configured; empty where there is none.
        orders: what the probe of latency goes by instead of `targets` and `measure_gateway`; None where nobody steers.
    """

    targets: Tuple[Target, ...] = ()
    latency_window_seconds: float = 2.0
    ca_file: Optional[str] = None
    measure_gateway: bool = True
    memory: Dict[str, Any] = field(default_factory=dict)
    told: Dict[str, Any] = field(default_factory=dict)
    collector_host: str = ""
    orders: Optional[LinkOrders] = None


Collect = Callable[[Host, ProbeContext], Collected]


@dataclass(frozen=True)
class Probe:
    """One row of the table of probes.

    Args:
        source: the name of a module with `collect`, loaded when it is first wanted; or such a function, which reads the
            machine, raises NoDataError or ProbeError with a fixed sentence, and never logs.
        deadline_seconds: a run longer than this is given up and reported as `timeout`.
        period_seconds: how often it is due; None means in every round.
        needs_root: whether an administrator is told more than the agent, so that the daily privileged run asks too.
    """

    source: Union[str, Collect]
    deadline_seconds: float = 10.0
    period_seconds: Optional[float] = None
    needs_root: bool = False

    def load(self) -> Collect:
        """The function that reads the machine.

        Raises:
            ImportError: its module is not there.
        """
        if not isinstance(self.source, str):
            return self.source
        collect: Collect = importlib.import_module(self.source).collect
        return collect

    def collect(self, host: Host, context: ProbeContext) -> Collected:
        """Reads the machine; raises what its function does."""
        return self.load()(host, context)
