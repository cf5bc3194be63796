"""What the probe of latency is told for its next rounds, in one place that changes while the agent runs."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Tuple
from urllib.parse import urlsplit

from agent.configuration import COLLECTOR, PROBER, SERVICE, Configuration, Target
from agent.link.budget import Account
from agent.link.round_trips import Connects
from agent.wire.record import dataclass

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass
class LinkOrders:
    """Set before a round by whoever runs it; read by the probe.

    Args:
        targets: beyond the gateway.
        measure_gateway: whether the default gateway is a target too.
        interval_seconds: from one round to the next.
        budget_bytes: of a day, across the line; None for no limit.
        in_detail: whether somebody waits for more than the usual.
        account: of that budget; the probe counts there what it sent.
        take_connects: `agent.uplink.Uplink.take_connect_times`; None where nobody uploads.
        measures_collector: whether the collector is a target, so that the uploads' connects are its numbers too.
        is_full: told by the probe: whether some target had all its probes in the last round.
    """

    targets: Tuple[Target, ...] = ()
    measure_gateway: bool = True
    interval_seconds: float = 60.0
    budget_bytes: Optional[int] = None
    in_detail: bool = False
    account: Optional[Account] = None
    take_connects: Optional[Callable[[], List[Any]]] = None
    measures_collector: bool = False
    is_full: bool = True

    def follow(self, configuration: Configuration, collector_url: str) -> None:
        """Takes up what a configuration says; its wishes are those that hold now.

        Args:
            configuration: of `agent.configuration.in_force`.
            collector_url: of the enrolment.
        """
        far = far_targets(configuration, collector_url)
        self.targets = far if configuration.role == PROBER else ()
        self.measures_collector = any(target.name == COLLECTOR for target in far)
        self.measure_gateway = configuration.measure_gateway
        self.interval_seconds = float(configuration.interval_seconds)
        self.budget_bytes = configuration.probe_budget_bytes_per_day
        self.in_detail = configuration.detail_until is not None

    def connects(self) -> Optional[Connects]:
        """The connects of the uploads since it was last asked; None where there were none, or none is to be told."""
        times = self.take_connects() if self.take_connects is not None else []
        seconds = [getattr(one, "connect_seconds", None) for one in times]
        if not seconds or not self.measures_collector:
            return None
        return Connects(len(seconds), tuple(one for one in seconds if one is not None))


def far_targets(configuration: Configuration, collector_url: str) -> Tuple[Target, ...]:
    """The targets of a prober: those configured, and the collector where it shall be one and is not among them."""
    if not configuration.measure_collector or any(target.name == COLLECTOR for target in configuration.targets):
        return configuration.targets
    parts = urlsplit(collector_url)
    if not parts.hostname:
        return configuration.targets
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    return (*configuration.targets, Target(COLLECTOR, parts.hostname, port, role=SERVICE))
