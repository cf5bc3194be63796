"""Carries reports from the spool to the collector, in batches, and waits longer the longer it fails.

It runs in a thread of its own and never holds up a measurement. A report counts as sent only after the collector has
answered for it: accepted, or refused for good. One rule gives the order: the newest that wait go first. What is new is
there as soon as the line is, whatever else waits; history follows from the newest back, under a limit of its own.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from agent.backoff import backoff_seconds, draw_fraction, history_wait_seconds, refusal
from agent.config import Identity
from agent.configuration import Configuration, configuration_hash
from agent.connection import Answer, Connection, ConnectTimes, parse_collector_url
from agent.errors import SpoolError, UplinkError
from agent.host import Host
from agent.spool import Entry, Spool
from agent.spool_file import Announce
from agent.wire.codec import CONTENT_ENCODING, WireError, answer_from_json, batch_from_json_reports, compress
from agent.wire.columns import COLUMNS_ENCODING, compress_columns, encode_batch
from agent.wire.exchange import Moment, ReportName, UploadAnswer, UploadHead
from agent.wire.message import Message, mark
from agent.wire.record import dataclass, field
from agent.wire.report import ACCEPTED, REJECTED, ReportResult

PATH = "/api/v1/reports"
BATCH_BYTES = 512 * 1024

PERMANENT_BASE_SECONDS = 300.0
PERMANENT_CAP_SECONDS = 3600.0

LAST_UPLOAD = "last_upload"
LAST_ERROR = "last_error"

# Collectors give up a connection that was idle for 75 seconds.
KEEP_OPEN_SECONDS = 70
_FIRST_UPLOAD_WITHIN_SECONDS = 5.0
_CATCH_UP_PAUSE_SECONDS = 0.2
_RETRY_JITTER_SECONDS = 30.0
# So many single reports refused and none accepted: the fault is not the reports'.
_REFUSED_ALONE_LIMIT = 3
_CONNECT_TIMES_KEPT = 64
_WRONG_BODY = (400, 413, 422)
_UNKNOWN_ENCODING = 415
_COLUMNS_AGAIN_SECONDS = 86_400.0
_SURPRISE = mark("uploading failed unexpectedly ({kind}); it will be tried again")


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
        is_history_left: whether older reports wait behind those that were sent.
        error: why it ended early, None if it did not.
    """

    exchanges: List[Exchange] = field(default_factory=list)
    accepted: int = 0
    rejected: int = 0
    kept: int = 0
    is_history_left: bool = False
    error: Optional[UplinkError] = None


class Uplink:
    """Uploads one agent's spool.

    Args:
        identity: the collector and the token.
        spool: where reports wait.
        host: for the wall clock.
        announce: is told when uploads start to fail and when they work again.
        draw: gives fractions from 0 to 1 for jitter.
        on_answer: is handed every answer to a batch, in the thread that uploads.

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
        draw: Callable[[], float] = draw_fraction,
        on_answer: Callable[[UploadAnswer], None] = lambda _answer: None,
    ) -> None:
        # Whether plain HTTP is allowed was settled at enrolment.
        address = parse_collector_url(identity.collector_url, allow_plain_http=True)
        self._connection = Connection(address, identity.ca_file)
        self._token = identity.token
        self._configuration = identity.configuration
        self._spool = spool
        self._host = host
        self._announce = announce
        self._draw = draw
        self._on_answer = on_answer
        self._failures = 0
        self._columns_from = 0.0
        self._woken = threading.Event()
        self._connect_times: List[ConnectTimes] = []

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def follow(self, configuration: Configuration) -> None:
        """Takes intervals, sizes and limits from this configuration, at once; from any thread."""
        self._configuration = configuration
        self.wake()

    def use_token(self, token: str) -> None:
        """Shows this token from the next upload on."""
        self._token = token

    def wake(self) -> None:
        """Makes `run` look at once whether it shall stop, or wait shorter; from any thread."""
        self._woken.set()

    def take_connect_times(self) -> List[ConnectTimes]:
        """`Connection.last_times` of every connection opened, or tried, since the last call; from any thread."""
        taken, self._connect_times = self._connect_times, []
        return taken

    def run(self, stop: threading.Event, first_report: threading.Event) -> None:
        """Uploads until told to stop: soon after the first report is there, then once an interval; then a last time.

        Args:
            stop: ends the loop; whoever sets it calls `wake` too.
            first_report: set when there is something to send.
        """
        while not stop.is_set() and not first_report.wait(1.0):
            pass
        self._pause(stop, self._draw() * min(_FIRST_UPLOAD_WITHIN_SECONDS, self._configuration.upload_interval_seconds))
        cycle = Cycle()
        while not stop.is_set():
            cycle = self._one_batch()
            wait = self.next_wait_seconds(cycle)
            is_regular = cycle.error is None and not cycle.kept and not cycle.is_history_left
            self._pause(stop, None if is_regular else wait)
        error = cycle.error
        if error is None or not (error.permanent or error.retry_after_seconds):
            # Last words of a machine that is switched off: it may not come back for days.
            self._one_batch()
        self.close()

    def _pause(self, stop: threading.Event, seconds: Optional[float]) -> None:
        """Waits; None is the interval between uploads, asked for again at every waking, for it may have changed."""
        began = time.monotonic()
        while not stop.is_set():
            whole = self._configuration.upload_interval_seconds if seconds is None else seconds
            left = began + whole - time.monotonic()
            if left <= 0.0:
                return
            self._woken.wait(left)
            self._woken.clear()

    def _one_batch(self) -> Cycle:
        try:
            return self.cycle(most_batches=1)
        except Exception as error:  # noqa: BLE001  # the loop's edge: uploads must not end for ever by one surprise
            self._announce(Message(_SURPRISE, {"kind": type(error).__name__}))
            return Cycle(error=UplinkError(_SURPRISE, kind=type(error).__name__))

    def next_wait_seconds(self, cycle: Cycle) -> float:
        """How long to wait after a cycle; counts failures in a row."""
        if cycle.error is None and not cycle.kept:
            self._failures = 0
            interval = float(self._configuration.upload_interval_seconds)
            if not cycle.is_history_left:
                return interval
            sent_bytes = sum(exchange.sent_bytes for exchange in cycle.exchanges)
            return min(interval, history_wait_seconds(sent_bytes, self._configuration.history_bytes_per_minute))
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

    def cycle(self, most_batches: Optional[int] = None) -> Cycle:
        """Sends what waits, the newest first, until nothing does.

        Args:
            most_batches: ends it earlier; None is for a person who waits, and has no limit but half of the line.
        """
        done = Cycle()
        batches = 0
        try:
            while True:
                batch = self._spool.batch(self._configuration.batch_reports, BATCH_BYTES)
                done.is_history_left = False
                if not batch:
                    break
                started = time.monotonic()
                kept_before = done.kept
                self._deliver(batch, done)
                done.is_history_left = self._spool.is_any_older(batch[0])
                batches += 1
                if done.kept > kept_before or batches == most_batches:
                    break
                if self._spool.counts().reports:
                    time.sleep(max(_CATCH_UP_PAUSE_SECONDS, time.monotonic() - started))
        except UplinkError as error:
            done.error = error
        except SpoolError as error:
            done.error = UplinkError(error.message.pattern, **error.message.parameters)  # type: ignore[arg-type]  # scalars
        # History follows within seconds: another handshake for each of its batches would cost as much as they do.
        if self._configuration.upload_interval_seconds > KEEP_OPEN_SECONDS and not done.is_history_left:
            self._connection.close()
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

    def _head(self) -> UploadHead:
        host, spool = self._host, self._spool
        # What the newest report bears; before this boot's first one that is the name of the boot before.
        boot_id = spool.recall("boot_id") if spool.recall("system_boot_id") == host.boot_id() else None
        sent = Moment(boot_id, host.wall_time_seconds(), host.monotonic_time_seconds()) if boot_id else None
        return UploadHead(configuration_hash(self._configuration), spool.acknowledged(), sent)

    def _post(self, batch: Sequence[Entry], done: Cycle) -> Answer:
        now = time.monotonic()
        answer = self._post_in(batch, done, is_columns=now >= self._columns_from)
        if answer.status == _UNKNOWN_ENCODING and now >= self._columns_from:
            # A collector of before version 2; it may be another tomorrow.
            self._columns_from = now + _COLUMNS_AGAIN_SECONDS
            answer = self._post_in(batch, done, is_columns=False)
        if answer.status == 200 or answer.status in _WRONG_BODY:  # noqa: PLR2004  # HTTP's own number
            return answer
        raise refusal(answer, self._host.wall_time_seconds())

    def _post_in(self, batch: Sequence[Entry], done: Cycle, *, is_columns: bool) -> Answer:
        reports = [entry.body for entry in batch]
        plain = encode_batch(reports, self._head()) if is_columns else batch_from_json_reports(reports)
        body = compress_columns(plain) if is_columns else compress(plain)
        encoding = COLUMNS_ENCODING if is_columns else CONTENT_ENCODING
        headers = {"Authorization": f"Bearer {self._token}", "Content-Encoding": encoding}
        try:
            answer = self._connection.post(PATH, body, headers)
        finally:
            self._note_connect_times()
        done.exchanges.append(Exchange(len(batch), len(plain), len(body), answer.status))
        return answer

    def _note_connect_times(self) -> None:
        times = self._connection.last_times
        if times is not None:
            self._connect_times.append(times)
            del self._connect_times[:-_CONNECT_TIMES_KEPT]

    def _settle(self, batch: Sequence[Entry], answer: Answer, done: Cycle) -> None:
        try:
            told = answer_from_json(answer.body, [ReportName(entry.boot_id, entry.sequence) for entry in batch])
        except WireError as error:
            raise UplinkError("the collector's answer is not of this contract", status=answer.status) from error
        last = done.exchanges[-1]
        done.exchanges[-1] = Exchange(last.reports, last.plain_bytes, last.sent_bytes, last.status, told.results)
        # Before its own reports become sent ones: those it has.
        is_acknowledged = told.has_acknowledged or self._send_again()
        by_name: Dict[Tuple[str, int], ReportResult] = {(item.boot_id, item.sequence): item for item in told.results}
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
        self._spool.accept(accepted, is_acknowledged=is_acknowledged)
        done.accepted += len(accepted)
        self._on_answer(told)

    def _send_again(self) -> bool:
        """Whether that was done; where it is too early, the next upload names the same report and asks again."""
        count = self._spool.send_again()
        if count is None:
            return False
        text = mark("the collector was restored from an older backup; {count} reports are sent to it once more")
        self._announce(Message(text, {"count": count}))
        return True

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
