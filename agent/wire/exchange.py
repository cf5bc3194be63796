"""What travels beside the reports: an agent's words with each upload, and the collector's with its answer."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Tuple

from agent.wire.record import dataclass
from agent.wire.report import ReportResult


@dataclass(frozen=True)
class ReportName:
    """What a report is called for ever, within one device: its boot and its number there."""

    boot_id: str
    sequence: int


@dataclass(frozen=True)
class Moment:
    """When a batch was sent, by the sender's own clocks: what ties its monotonic clock to the collector's time.

    Args:
        boot_id: of the boot that is running now, as its reports name it.
        wall_time_seconds: the terminal's own clock, seconds since 1970-01-01 UTC; may be wrong.
        monotonic_time_seconds: of the same clock as in the reports of this boot.
    """

    boot_id: str
    wall_time_seconds: float
    monotonic_time_seconds: float


@dataclass(frozen=True)
class UploadHead:
    """What an agent says with a batch besides its reports.

    Args:
        configuration_hash: of the configuration it follows (`agent.configuration.configuration_hash`); empty for none.
        acknowledged: the newest report it was told to be accepted; a collector that does not have it was restored from
            an older backup.
        sent: when the upload left, by the sender's clocks; None where it does not say.
    """

    configuration_hash: str = ""
    acknowledged: Optional[ReportName] = None
    sent: Optional[Moment] = None


@dataclass(frozen=True)
class UploadAnswer:
    """What the collector answers to a batch.

    Args:
        results: one for each report, in the batch's order.
        server_time_seconds: the collector's clock, seconds since 1970-01-01 UTC.
        configuration: another than the agent follows, as decoded JSON; None where nothing has changed.
        has_acknowledged: whether the collector still has the report that the head named; True where it named none.
        identity: another identity (`device_id` and `token`) for the terminal to use from now on; None for none.
    """

    results: Tuple[ReportResult, ...]
    server_time_seconds: float
    configuration: Optional[Mapping[str, Any]] = None
    has_acknowledged: bool = True
    identity: Optional[Mapping[str, str]] = None
