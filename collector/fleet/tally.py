"""What a run of the fleet comes to."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts of one run; safe to be added to by several threads.

    Args:
        measured: reports made.
        accepted, refused, again: the collector's answers, report by report.
        uploads: by HTTP status; 0 where no answer came.
        sent_bytes, received_bytes: bodies of requests and of answers.
        seconds: time from request to answer, of each upload.
    """

    measured: int = 0
    accepted: int = 0
    refused: int = 0
    again: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    uploads: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def note_measured(self, count: int) -> None:
        """Reports were made."""
        with self._lock:
            self.measured += count

    def note_upload(self, status: int, seconds: float, sent_bytes: int, received_bytes: int) -> None:
        """An upload was answered, or not."""
        with self._lock:
            self.uploads[status] += 1
            self.seconds.append(seconds)
            self.sent_bytes += sent_bytes
            self.received_bytes += received_bytes

    def note_answers(self, accepted: int, refused: int, again: int) -> None:
        """What the collector said of a batch's reports."""
        with self._lock:
            self.accepted += accepted
            self.refused += refused
            self.again += again

    def percentile_seconds(self, share: float) -> float:
        """Nearest rank of the time to an answer; 0 where nothing was sent."""
        with self._lock:
            times = sorted(self.seconds)
        return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0
