"""What one terminal says at one moment: version 1 of the wire contract.

Plain dataclasses of the standard library, so that the oldest terminal can build them and any decoder can read them.
Values are in base units (seconds, bytes, ratios); the catalogue names every metric and fact that may appear.
"""

from __future__ import annotations

from typing import Dict, List, Tuple, Union

from agent.wire.record import dataclass, field

WIRE_VERSION = 1

Scalar = Union[None, bool, int, float, str]
Row = Dict[str, Scalar]
FactValue = Union[None, bool, int, float, str, List[Row]]

OK = "ok"
NO_DATA = "no_data"
ERROR = "error"
TIMEOUT = "timeout"
OUTCOMES = (OK, NO_DATA, ERROR, TIMEOUT)


@dataclass(frozen=True)
class ProbeOutcome:
    """How one probe's run ended.

    Args:
        probe: its name in the agent's table of probes.
        outcome: one of `OUTCOMES`: `no_data` means that this machine has no such thing, `error` that reading it failed.
        duration_seconds: how long the run took.
        message: why it is not `ok`, in the probe's own fixed words; never text read from the machine.
    """

    probe: str
    outcome: str
    duration_seconds: float
    message: str = ""


@dataclass(frozen=True)
class Sample:
    """One number at the report's time; `labels` tells apart several of one metric (a target, a file system)."""

    metric: str
    value: float
    labels: Dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fact:
    """Something that seldom changes: a scalar, or rows of scalars where a machine may have several."""

    name: str
    value: FactValue


@dataclass(frozen=True)
class Report:
    """Everything one terminal measured in one round.

    Args:
        wire_version: version of this contract.
        device_id: identity given by the collector at enrolment.
        boot_id: new at every start of the machine, and whenever the spool had to be made anew.
        sequence: 1, 2, 3... within one `boot_id`; (device_id, boot_id, sequence) names a report for ever.
        wall_time_seconds: the terminal's own clock, seconds since 1970-01-01 UTC; may be wrong.
        monotonic_time_seconds: seconds on a clock that never jumps within one `boot_id`.
        outcomes: one for every probe that was due.
        samples: the numbers.
        facts: only those that are new or changed, and all of them once a day.
    """

    wire_version: int
    device_id: str
    boot_id: str
    sequence: int
    wall_time_seconds: float
    monotonic_time_seconds: float
    outcomes: Tuple[ProbeOutcome, ...] = ()
    samples: Tuple[Sample, ...] = ()
    facts: Tuple[Fact, ...] = ()


ACCEPTED = "accepted"
REJECTED = "rejected"
RETRY = "retry"


@dataclass(frozen=True)
class ReportResult:
    """The collector's answer to one report: durable (`accepted`), never to be sent again (`rejected`), or `retry`."""

    boot_id: str
    sequence: int
    status: str
    reason: str = ""
