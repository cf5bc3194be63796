"""How busy the processor is, and at what clock it runs."""

from __future__ import annotations

import time
from typing import Any, List, Tuple

from agent.errors import ProbeError
from agent.host import Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.report import Sample

_FIRST_SPAN_SECONDS = 0.5


def collect(host: Host, context: ProbeContext) -> Collected:
    """Samples `cpu_utilisation_ratio` since the last round (half a second in the first) and `cpu_frequency_hertz`."""
    library = host.psutil()
    host.note_source("psutil.cpu_times")
    try:
        earlier = context.memory.get("times")
        if earlier is None:
            earlier = _busy_and_total_seconds(library.cpu_times())
            time.sleep(_FIRST_SPAN_SECONDS)
        later = _busy_and_total_seconds(library.cpu_times())
    except (OSError, RuntimeError, ValueError) as error:
        raise ProbeError("the system does not tell its processor times") from error
    context.memory["times"] = later
    samples: List[Sample] = []
    if later[1] > earlier[1]:
        ratio = (later[0] - earlier[0]) / (later[1] - earlier[1])
        samples.append(Sample("cpu_utilisation_ratio", round(min(max(ratio, 0.0), 1.0), 4)))
    samples.extend(_frequency(host, library))
    return Collected(samples)


def _busy_and_total_seconds(times: Any) -> Tuple[float, float]:
    # Guests' time is part of user time already. Waiting for a disk is not work of the processor.
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def _frequency(host: Host, library: Any) -> List[Sample]:
    # Virtual machines and old kernels tell none: a missing number, not a failure of the probe.
    try:
        frequency = library.cpu_freq()
    except (AttributeError, OSError, NotImplementedError, RuntimeError, ValueError):
        return []
    if frequency is None or not frequency.current > 0:
        return []
    host.note_source("psutil.cpu_freq")
    return [Sample("cpu_frequency_hertz", round(frequency.current * 1e6))]
