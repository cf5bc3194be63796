"""Carries reports from the spool to the collector, in batches, and waits longer the longer it fails.

It runs in a thread of its own and never holds up a measurement. A report leaves the spool only after the collector has
answered for it: accepted, or refused for good.
"""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from agent.config import Identity
from agent.connection import Answer, Connection, parse_collector_url
from agent.errors import SpoolError, UplinkError
from agent.host import Host
from agent.spool import Entry, Spool
from agent.spool_file import Announce
from agent.wire.codec import CONTENT_ENCODING, WireError, batch_from_json_reports, compress, results_from_json
from agent.wire.message import Message, mark
from agent.wire.report import ACCEPTED, REJECTED, ReportResult

PATH = "/api/v1/reports"
BATCH_REPORTS = 100
BATCH_BYTES = 512 * 1024

BACKOFF_BASE_SECONDS = 5.0
BACKOFF_CAP_SECONDS = 300.0
PERMANENT_BASE_SECONDS = 300.0
PERMANENT_CAP_SECONDS = 3600.0
LONGEST_RETRY_AFTER_SECONDS = 3600.0

LAST_UPLOAD = "last_upload"
LAST_ERROR = "last_error"

_FIRST_UPLOAD_WITHIN_SECONDS = 5.0
_CATCH_UP_PAUSE_SECONDS = 0.2
_RETRY_JITTER_SECONDS = 30.0
# So many single reports refused and none accepted: the fault is not the reports'.
_REFUSED_ALONE_LIMIT = 3
_WRONG_BODY = (400, 413, 422)
_SURPRISE = mark("uploading failed unexpectedly ({kind}); it will be tried again")
_NOT_ALLOWED = (401, 403)
_LATER = (429, 503)


def backoff_seconds(
    attempt: int,
    fraction: float,
    *,
    base_seconds: float = BACKOFF_BASE_SECONDS,
    cap_seconds: float = BACKOFF_CAP_SECONDS,
) -> float:
    """How long to wait after failure number `attempt` (1, 2, ...): exponential, with full jitter.

    Args:
        attempt: how many failures there were in a row.
        fraction: drawn evenly from 0 to 1; ten thousand terminals must not come back at the same moment.
        base_seconds: the longest wait after the first failure.
        cap_seconds: the longest wait ever.
    """
    longest = min(cap_seconds, base_seconds * 2.0 ** min(attempt - 1, 32))
    return longest * fraction


def retry_after_seconds(header: Optional[str], now_seconds: float) -> Optional[float]:
    """The bounded wait that a Retry-After header (seconds or an HTTP date) asks for; None if it says nothing usable."""
    if header is None:
        return None
    text = header.strip()
    try:
        wait = float(text) if text.isdigit() else parsedate_to_datetime(text).timestamp() - now_seconds
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER_SECONDS)


@dataclass(frozen=True)
class Exchange:
    """One upload and its answer, for `--explain`.

    Args:
        reports: how many were sent.
        plain_bytes: their JSON.
        sent_bytes: after compression.
        status: the HTTP status.
        results: the collector's answer for each, empty where it refused the whole body.
    """

    reports: int
    plain_bytes: int
    sent_bytes: int
    status: int
    results: Tuple[ReportResult, ...] = ()


@dataclass
class Cycle:
    """One go at emptying the spool.

    Args:
        exchanges: every upload, in order.
        accepted: reports the collector now has.
        rejected: reports put aside.
        kept: reports that the collector asked to have again later.
        error: why it ended early, None if it did not.
    """

    exchanges: List[Exchange] = field(default_factory=list)
    accepted: int = 0
    rejected: int = 0
    kept: int = 0
    error: Optional[UplinkError] = None


class Uplink:
    """Uploads one agent's spool.

    Args:
        identity: the collector and the token.
        spool: where reports wait.
        host: for the wall clock.
        announce: is told when uploads start to fail and when they work again.
        draw: gives fractions from 0 to 1 for jitter.

    Raises:
        ConfigurationError: the identity's address or authority file is not usable.
    """

    def __init__(
        self,
        identity: Identity,
        spool: Spool,
        host: Host,
        *,
        announce: Announce = lambda _message: None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        # Whether plain HTTP is allowed was settled at enrolment.
        address = parse_collector_url(identity.collector_url, allow_plain_http=True)
        self._connection = Connection(address, identity.ca_file)
        self._token = identity.token
        self._interval_seconds = float(identity.configuration.upload_interval_seconds)
        self._spool = spool
        self._host = host
        self._announce = announce
        self._draw = draw
        self._failures = 0

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def run(self, stop: threading.Event, first_report: threading.Event) -> None:
        """Uploads until told to stop: soon after the first report is there, then once an interval.

        Args:
            stop: ends the loop.
            first_report: set when there is something to send.
        """
        while not stop.is_set() and not first_report.wait(1.0):
            pass
        stop.wait(self._draw() * min(_FIRST_UPLOAD_WITHIN_SECONDS, self._interval_seconds))
        while not stop.is_set():
            try:
                cycle = self.cycle(stop)
            except Exception as error:  # noqa: BLE001  # the loop's edge: uploads must not end for ever by one surprise
                cycle = Cycle(error=UplinkError(_SURPRISE, kind=type(error).__name__))
                self._announce(Message(_SURPRISE, {"kind": type(error).__name__}))
            stop.wait(self.next_wait_seconds(cycle))
        self.close()

    def next_wait_seconds(self, cycle: Cycle) -> float:
        """How long to wait after a cycle; counts failures in a row."""
        if cycle.error is None and not cycle.kept:
            self._failures = 0
            return self._interval_seconds
        self._failures += 1
        error = cycle.error
        if error is not None and error.retry_after_seconds is not None:
            # Everybody was told the same moment: come a little later than it, each at another time.
            return error.retry_after_seconds + self._draw() * _RETRY_JITTER_SECONDS
        if error is not None and error.permanent:
            return backoff_seconds(
                self._failures,
                # Half of the wait is certain here: nothing changes until a person has acted.
                0.5 + self._draw() / 2,
                base_seconds=PERMANENT_BASE_SECONDS,
                cap_seconds=PERMANENT_CAP_SECONDS,
            )
        return backoff_seconds(self._failures, self._draw())

    def cycle(self, stop: Optional[threading.Event] = None) -> Cycle:
        """Sends what waits until nothing does: the newest batch first, for alarms need it, then from the oldest on."""
        done = Cycle()
        newest = True
        try:
            while stop is None or not stop.is_set():
                batch = self._spool.batch(BATCH_REPORTS, BATCH_BYTES, newest=newest)
                newest = False
                if not batch:
                    break
                started = time.monotonic()
                kept_before = done.kept
                self._deliver(batch, done)
                if done.kept > kept_before:
                    break
                if self._spool.counts().reports:
                    # A backlog takes at most half of a thin line.
                    pause = max(_CATCH_UP_PAUSE_SECONDS, time.monotonic() - started)
                    (stop or threading.Event()).wait(pause)
        except UplinkError as error:
            done.error = error
        except SpoolError as error:
            done.error = UplinkError(error.message.pattern, **error.message.parameters)  # type: ignore[arg-type]  # scalars
        self._note(done)
        return done

    def _deliver(self, batch: Sequence[Entry], done: Cycle) -> None:
        """Sends a batch; one that is refused as a whole is halved until what is wrong stands alone."""
        parts: List[Sequence[Entry]] = [batch]
        alone: List[Tuple[Entry, str]] = []
        accepted_before = done.accepted
        while parts:
            part = parts.pop(0)
            answer = self._post(part, done)
            if answer.status not in _WRONG_BODY:
                self._settle(part, answer, done)
            elif len(part) > 1:
                middle = len(part) // 2
                parts[:0] = [part[:middle], part[middle:]]
            else:
                alone.append((part[0], f"HTTP status {answer.status}"))
            if len(alone) >= _REFUSED_ALONE_LIMIT and done.accepted == accepted_before:
                break
        if not alone:
            return
        if done.accepted == accepted_before:
            raise UplinkError(
                "the collector refuses every report ({reason}); all are kept",
                permanent=True,
                reason=alone[0][1],
            )
        for entry, reason in alone:
            self._spool.reject(entry, reason)
            done.rejected += 1

    def _post(self, batch: Sequence[Entry], done: Cycle) -> Answer:
        plain = batch_from_json_reports([entry.body for entry in batch])
        body = compress(plain)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Encoding": CONTENT_ENCODING}
        answer = self._connection.post(PATH, body, headers)
        done.exchanges.append(Exchange(len(batch), len(plain), len(body), answer.status))
        if answer.status == 200 or answer.status in _WRONG_BODY:  # noqa: PLR2004  # HTTP's own number
            return answer
        raise _refusal(answer, self._host.wall_time_seconds())

    def _settle(self, batch: Sequence[Entry], answer: Answer, done: Cycle) -> None:
        try:
            results = results_from_json(answer.body)
        except WireError as error:
            raise UplinkError("the collector's answer is not of this contract", status=answer.status) from error
        last = done.exchanges[-1]
        done.exchanges[-1] = Exchange(last.reports, last.plain_bytes, last.sent_bytes, last.status, tuple(results))
        by_name: Dict[Tuple[str, int], ReportResult] = {(item.boot_id, item.sequence): item for item in results}
        accepted: List[Entry] = []
        for entry in batch:
            result = by_name.get((entry.boot_id, entry.sequence))
            if result is not None and result.status == ACCEPTED:
                accepted.append(entry)
            elif result is not None and result.status == REJECTED:
                self._spool.reject(entry, result.reason)
                done.rejected += 1
            else:
                done.kept += 1
        self._spool.accept(accepted)
        done.accepted += len(accepted)

    def _note(self, done: Cycle) -> None:
        """Keeps how the cycle ended for `agent status`, and announces a change between working and failing."""
        now = self._host.wall_time_seconds()
        try:
            if done.accepted or done.rejected:
                summary = {"at": now, "accepted": done.accepted, "rejected": done.rejected}
                self._spool.remember(LAST_UPLOAD, json.dumps(summary))
            failed_before = bool(self._spool.recall(LAST_ERROR))
            if done.error is not None:
                kept = {"at": now, "message": done.error.message.as_dict()}
                self._spool.remember(LAST_ERROR, json.dumps(kept))
            elif failed_before:
                self._spool.remember(LAST_ERROR, "")
        except SpoolError as error:
            self._announce(error.message)
            return
        if done.error is not None and (self._failures == 0 or done.error.permanent):
            self._announce(done.error.message)
        elif done.error is None and failed_before:
            self._announce(Message(mark("the collector takes reports again")))
        if done.rejected:
            text = mark("the collector refused {count} reports for good; they are kept aside: see `agent status`")
            self._announce(Message(text, {"count": done.rejected}))


def _refusal(answer: Answer, now_seconds: float) -> UplinkError:
    wait = retry_after_seconds(answer.headers.get("retry-after"), now_seconds)
    if answer.status in _NOT_ALLOWED:
        return UplinkError(
            "the collector refuses this terminal's token (HTTP status {status_code}); reports are kept; "
            "enrol again with --again",
            status=answer.status,
            permanent=True,
            status_code=answer.status,
        )
    if answer.status in _LATER:
        return UplinkError(
            "the collector is busy and asked to come later",
            status=answer.status,
            retry_after_seconds=wait,
        )
    if answer.status >= 500:  # noqa: PLR2004  # HTTP's own number
        return UplinkError(
            "the collector failed (HTTP status {status_code})", status=answer.status, status_code=answer.status
        )
    return UplinkError(
        "HTTP status {status_code}: this address is not a collector's, or not of this version; reports are kept",
        status=answer.status,
        permanent=True,
        status_code=answer.status,
    )
