"""The agent at work: rounds of measurement into the spool, uploads beside them, until it is told to stop."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Callable, Optional

from agent.config import Identity
from agent.errors import SpoolError
from agent.host import Host
from agent.probes import PROBES, ProbeContext
from agent.probes.latency import lasting_seconds, window_seconds
from agent.runner import FactLedger, Round, Runner, build_report, next_round_at, round_offset_seconds, stamp_of
from agent.spool import SPOOL_FILE, Entry, Spool
from agent.spool_file import Announce
from agent.stop import Stop
from agent.uplink import Cycle, Uplink
from agent.wire.codec import report_to_json
from agent.wire.message import Message, mark

LAST_ROUND = "last_round"

# In the first round a person may be waiting: its probes follow each other fast.
_FIRST_WINDOW_SECONDS = 2.0
_LAST_WORDS_SECONDS = 5.0


@dataclass(frozen=True)
class Kept:
    """A round and what became of it; `entry` is None where the spool could not keep it."""

    found: Round
    entry: Optional[Entry]


class Agent:
    """Measures for one identity.

    Args:
        identity: who this is, and what to measure.
        state_dir: where the spool lies.
        host: the machine.
        announce: is told what a person should know.

    Raises:
        SpoolError: the spool cannot be opened.
        ConfigurationError: the collector's address or authority file is not usable.
    """

    def __init__(self, identity: Identity, state_dir: Path, host: Host, announce: Announce) -> None:
        self._identity = identity
        self._host = host
        self._announce = announce
        self._ledger = FactLedger()
        self._spool_failed = False
        self._spool = Spool(state_dir / SPOOL_FILE, host, announce=announce)
        self._spool.adopt(identity.device_id)
        self._uplink = Uplink(identity, self._spool, host, announce=announce)

    def close(self) -> None:
        """Ends the use of the spool and the connection."""
        self._uplink.close()
        self._spool.close()

    def run_once(self, stop: Stop) -> Optional[Kept]:
        """One round with every probe, kept in the spool; None if told to stop meanwhile."""
        found = self._runner().round(stop.requested)
        return None if found is None else self._keep(found)

    def upload(self) -> Cycle:
        """Sends everything that waits, now."""
        return self._uplink.cycle()

    def run(self, stop: Stop, on_round: Callable[[Kept], None] = lambda _kept: None) -> None:
        """Measures and uploads until told to stop.

        The first round is at once, so that a machine switched on for a short time is seen; those that follow fall on
        the device's own place in the interval, so that all machines of a province do not speak at the same moment.
        """
        interval = float(self._identity.configuration.interval_seconds)
        runner = self._runner()
        offset = round_offset_seconds(self._identity.device_id, interval)
        ended, first_report = threading.Event(), threading.Event()
        sender = threading.Thread(target=self._uplink.run, args=(ended, first_report), name="uplink", daemon=True)
        sender.start()
        started = self._host.monotonic_time_seconds()
        planned: Optional[float] = None
        try:
            while True:
                found = runner.round(stop.requested)
                if found is None:
                    return
                now = self._host.monotonic_time_seconds()
                lasting = lasting_seconds(runner.latency_window_seconds)
                made_at = None if planned is None else stamp_of(planned, lasting, interval, now)
                on_round(self._keep(found, made_at))
                first_report.set()
                runner.latency_window_seconds = window_seconds(interval)
                now = self._host.monotonic_time_seconds()
                planned = next_round_at(started, offset, interval, now)
                if stop.wait(planned - now):
                    return
        finally:
            ended.set()
            # An upload under way may end; one that hangs is left, and its reports are sent again next time.
            sender.join(_LAST_WORDS_SECONDS)

    def _runner(self) -> Runner:
        context = ProbeContext(
            self._identity.configuration.targets,
            _FIRST_WINDOW_SECONDS,
            self._identity.ca_file,
            self._identity.configuration.measure_gateway,
        )
        return Runner(self._host, PROBES, context)

    def _keep(self, found: Round, made_at: Optional[float] = None) -> Kept:
        now = self._host.monotonic_time_seconds()
        facts = self._ledger.due(found.facts, now)

        def build(boot_id: str, sequence: int, waiting: int, dropped: int) -> bytes:
            report = build_report(
                found,
                facts,
                host=self._host,
                device_id=self._identity.device_id,
                boot_id=boot_id,
                sequence=sequence,
                spool_reports=waiting,
                spool_dropped_total=dropped,
                made_at=made_at,
            )
            return report_to_json(report)

        outcomes = [asdict(outcome) for outcome in found.outcomes]
        last_round = json.dumps({"at": self._host.wall_time_seconds(), "outcomes": outcomes})
        try:
            entry = self._spool.append(build, {LAST_ROUND: last_round})
        except SpoolError as error:
            # Measuring goes on: the disk may have room again, and the loss is counted.
            if not self._spool_failed:
                self._announce(error.message)
            self._spool_failed = True
            return Kept(found, None)
        if self._spool_failed:
            self._spool_failed = False
            self._announce(Message(mark("the spool keeps reports again")))
        self._ledger.note_sent(facts, now)
        return Kept(found, entry)
