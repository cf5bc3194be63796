"""What a round measured of one target, and the numbers made of it. Pure."""

from __future__ import annotations

import math
from typing import Dict, List, Optional, Sequence, Tuple

from agent.wire.record import dataclass

# A SYN, or its answer, that was lost is sent again after one second (RFC 6298).
SLOW_CONNECT_SECONDS = 0.9

# RFC 3550, section 6.4.1: the share of each new difference in the running estimate.
_JITTER_GAIN = 1 / 16


@dataclass(frozen=True)
class Series:
    """The probes of one round to one address.

    Args:
        sent: how many were sent, or tried where the machine had no way out.
        round_trips_seconds: of those answered in time, in the order of sending.
    """

    sent: int
    round_trips_seconds: Tuple[float, ...]


@dataclass(frozen=True)
class Connects:
    """The TCP connects of one round to one port.

    Args:
        tried: how many were begun.
        accepted_seconds: times of those that were accepted; the others were refused, not answered or had no way.
    """

    tried: int
    accepted_seconds: Tuple[float, ...]


@dataclass(frozen=True)
class Measured:
    """One target's round.

    Args:
        method: how `series` was measured; None where it could not be.
        reason: why not in a better way.
        series: small probes, or connects in their place; None where there were none.
        large: large probes; None where there were none.
        connects: None where there were none.
        first_byte_seconds: from the start of a connect to the first byte of the service's answer; a service that had
            not answered when the round ended has the time that was waited. None where it could not be asked.
        is_untrusted: the service did not prove its name.
        handshake_seconds: from the connect's acceptance to the end of the TLS handshake; None where there was none.
    """

    method: Optional[str]
    reason: Optional[str]
    series: Optional[Series] = None
    large: Optional[Series] = None
    connects: Optional[Connects] = None
    first_byte_seconds: Optional[float] = None
    is_untrusted: bool = False
    handshake_seconds: Optional[float] = None

    @property
    def has_numbers(self) -> bool:
        """Whether there is anything to report."""
        return self.series is not None or self.connects is not None


def numbers_of(measured: Measured) -> Dict[str, float]:
    """The catalogue's link metrics of one target's round; what was not measured is missing."""
    numbers: Dict[str, float] = {}
    if measured.series is not None:
        numbers.update(statistics_of(measured.series))
    if measured.large is not None:
        numbers["link_large_probes_sent"] = measured.large.sent
        numbers["link_large_probes_received"] = len(measured.large.round_trips_seconds)
    if measured.connects is not None:
        accepted = sorted(measured.connects.accepted_seconds)
        numbers["link_connects_tried"] = measured.connects.tried
        numbers["link_connects_slow"] = sum(1 for seconds in accepted if seconds > SLOW_CONNECT_SECONDS)
        numbers["link_connects_failed"] = measured.connects.tried - len(accepted)
        if accepted:
            numbers["link_connect_p50_seconds"] = round(_median(accepted), 6)
    if measured.first_byte_seconds is not None:
        numbers["link_first_byte_p50_seconds"] = round(measured.first_byte_seconds, 6)
    if measured.handshake_seconds is not None:
        numbers["link_handshake_seconds"] = round(measured.handshake_seconds, 6)
    return numbers


def statistics_of(series: Series) -> Dict[str, float]:
    """The catalogue's metrics of a series of probes; what needs answers is missing where there are not enough."""
    numbers: Dict[str, float] = {
        "link_probes_sent": series.sent,
        "link_probes_received": len(series.round_trips_seconds),
    }
    if not series.round_trips_seconds:
        return numbers
    ordered = sorted(series.round_trips_seconds)
    numbers["link_rtt_min_seconds"] = ordered[0]
    numbers["link_rtt_p50_seconds"] = _median(ordered)
    numbers["link_rtt_p95_seconds"] = nearest_rank(ordered, 0.95)
    numbers["link_rtt_max_seconds"] = ordered[-1]
    numbers["link_rtt_mean_seconds"] = sum(ordered) / len(ordered)
    if len(ordered) > 1:
        following = series.round_trips_seconds[1:]
        differences = [abs(second - first) for first, second in zip(series.round_trips_seconds, following)]
        numbers["link_ipdv_seconds"] = sum(differences) / len(differences)
    return {name: round(value, 6) for name, value in numbers.items()}


def running_jitter(round_trips_seconds: Sequence[float], earlier_seconds: Optional[float]) -> Optional[float]:
    """The interarrival jitter of RFC 3550, section 6.4.1, after one more round: J += (|D| - J) / 16.

    D is the difference of two consecutive round trips: what a probe took longer than the one before, wherever on the
    two ways, so it is of round trips, not of one way. Probes without an answer are passed over, as the RFC does.

    Args:
        round_trips_seconds: in the order of sending.
        earlier_seconds: the estimate after the round before. None makes a new one, which begins at the round's mean
            difference: from 0, as in the RFC, it would stand too low for its first minutes.

    Returns:
        The estimate; None where there is neither an earlier one nor a difference.
    """
    differences = [abs(after - before) for before, after in zip(round_trips_seconds, round_trips_seconds[1:])]
    jitter = earlier_seconds
    if jitter is None and differences:
        jitter = sum(differences) / len(differences)
    if jitter is None:
        return None
    for difference in differences:
        jitter += (difference - jitter) * _JITTER_GAIN
    return jitter


def _median(ordered: Sequence[float]) -> float:
    # The standard library's statistics module costs two megabytes of memory.
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def nearest_rank(ordered: Sequence[float], share: float) -> float:
    """The smallest of the ordered values that at least `share` of them do not exceed."""
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def schedule_seconds(count: int, window_seconds: float, phase: float = 0.0) -> List[float]:
    """When to send each of `count` probes: evenly over the window, `phase` (0 to 1) of a step after its beginning."""
    return [(index + phase) * window_seconds / count for index in range(count)]
