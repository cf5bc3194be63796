"""The agent at work: rounds of measurement into the spool, uploads beside them, until it is told to stop."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional

from agent.admission import admit
from agent.apart import Apart
from agent.config import Identity
from agent.configuration import Configuration
from agent.errors import AgentError, SpoolError
from agent.following import Following
from agent.host import Host
from agent.link.addresses import host_of
from agent.link.budget import Account
from agent.link.orders import LinkOrders
from agent.link.tracing import Tracer
from agent.privileged import Privileged, privileged_file
from agent.probes import PROBES, Collected, ProbeContext
from agent.probes.latency import lasting_seconds, window_seconds
from agent.runner import FactLedger, Round, Runner, build_report, next_round_at, round_offset_seconds, stamp_of
from agent.spool import SPOOL_FILE, Entry, Spool
from agent.spool_file import Announce
from agent.stop import Stop
from agent.uplink import Cycle, Uplink
from agent.wire.codec import report_to_json
from agent.wire.exchange import UploadAnswer
from agent.wire.message import Message, mark
from agent.wire.record import asdict, dataclass
from agent.wire.report import FactValue

LAST_ROUND = "last_round"
# How the probes that are not part of every round ended when they last ran.
SELDOM_OUTCOMES = "seldom_outcomes"
# What was spent of the day's budget for probes, so that a restart does not begin another day.
PROBE_SPENDING = "probe_spending"

# Somebody may be waiting for the first round: its probes follow each other fast, and fastest where the agent has just
# started: the first sample shall be there within a second.
_FIRST_WINDOW_SECONDS = 2.0
_STARTING_WINDOW_SECONDS = 0.5
_LAST_WORDS_SECONDS = 5.0
# So soon a shorter interval takes effect.
_LOOK_FOR_CHANGE_SECONDS = 60.0


_RENEWED = mark("the collector gave this terminal another token; it is device {device} now")
_NOT_RENEWED = mark("another identity from the collector cannot be kept ({why}); the old one stays in use")


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
        self._state_dir = state_dir
        self._announce = announce
        self._ledger = FactLedger()
        self._spool_failed = False
        self._seldom_outcomes: Dict[str, Dict[str, Any]] = {}
        self._spool = Spool(state_dir / SPOOL_FILE, host, announce=announce)
        self._spool.adopt(identity.device_id)
        self._uplink = Uplink(identity, self._spool, host, announce=announce, on_answer=self._take_answer)
        self._orders = LinkOrders(account=self._account(), take_connects=self._uplink.take_connect_times)
        self._following = Following(identity, state_dir, host, announce, self._uplink.follow)
        self._tracer = Tracer(state_dir, host)

    def close(self) -> None:
        """Ends the use of the spool and the connection."""
        self._uplink.close()
        self._spool.close()

    def run_once(self, stop: Stop) -> Optional[Kept]:
        """One round with every probe, kept in the spool; None if told to stop meanwhile."""
        runner = self._runner()
        self._take_orders()
        found = runner.round(stop.requested)
        return None if found is None else self._keep(found)

    def upload(self) -> Cycle:
        """Sends everything that waits, now."""
        return self._uplink.cycle()

    def run(self, stop: Stop, on_round: Callable[[Kept], None] = lambda _kept: None) -> None:
        """Measures and uploads until told to stop.

        The first round is at once, so that a machine switched on for a short time is seen; those that follow fall on
        the device's own place in the interval, so that all machines of a province do not speak at the same moment.
        """
        runner = self._runner(is_lasting=True)
        stop.tell(runner.wake)
        ended, first_report = threading.Event(), threading.Event()
        sender = threading.Thread(target=self._uplink.run, args=(ended, first_report), name="uplink", daemon=True)
        sender.start()
        started = self._host.monotonic_time_seconds()
        planned: Optional[float] = None
        try:
            while True:
                current = self._take_orders()
                interval, runner.targets = float(current.interval_seconds), current.targets
                found = runner.round(stop.requested)
                if found is None:
                    return
                now = self._host.monotonic_time_seconds()
                # A round of few probes ends when they do, earlier or later: it bears the time of its beginning.
                lasting = lasting_seconds(runner.latency_window_seconds) if self._orders.is_full else 0.0
                made_at = None if planned is None else stamp_of(planned, lasting, interval, now)
                on_round(self._keep(found, made_at))
                first_report.set()
                if planned is None:
                    # What is read now and then was not waited for, and shall not wait for the next round.
                    late = runner.late(stop.requested, interval / 2)
                    if late is not None:
                        on_round(self._keep(late))
                planned = self._wait(stop, started)
                if planned is None:
                    return
                runner.latency_window_seconds = window_seconds(float(self._following.now().interval_seconds))
        finally:
            ended.set()
            self._uplink.wake()
            runner.close()
            # An upload under way may end; one that hangs is left, and its reports are sent again next time.
            sender.join(_LAST_WORDS_SECONDS)

    def _wait(self, stop: Stop, started: float) -> Optional[float]:
        """Waits for the next round and returns when it was planned; None if told to stop."""
        while True:
            now = self._host.monotonic_time_seconds()
            interval = float(self._following.now().interval_seconds)
            offset = round_offset_seconds(self._identity.device_id, interval)
            planned = next_round_at(started, offset, interval, now)
            if planned - now <= _LOOK_FOR_CHANGE_SECONDS:
                return None if stop.wait(planned - now) else planned
            if stop.wait(_LOOK_FOR_CHANGE_SECONDS):
                return None

    def _runner(self, *, is_lasting: bool = False) -> Runner:
        context = ProbeContext(
            self._identity.configuration.targets,
            _STARTING_WINDOW_SECONDS if is_lasting else _FIRST_WINDOW_SECONDS,
            self._identity.ca_file,
            self._identity.configuration.measure_gateway,
            collector_host=host_of(self._identity.collector_url),
            orders=self._orders,
        )
        return Runner(
            self._host,
            PROBES,
            context,
            apart=Apart(self._host) if is_lasting else None,
            privileged=Privileged(privileged_file(self._state_dir)),
            is_woken=is_lasting,
        )

    def _take_orders(self) -> Configuration:
        """The configuration that holds now, handed on to the probes."""
        current = self._following.now()
        self._orders.follow(current, self._identity.collector_url)
        self._tracer.ask(current.trace)
        return current

    def _take_answer(self, answer: UploadAnswer) -> None:
        self._following.take(answer.configuration, answer.server_time_seconds)
        if answer.identity is not None:
            self._take_identity(answer.identity)

    def _take_identity(self, offered: Mapping[str, str]) -> None:
        """Goes on under another identity, which is on disk before it is used."""
        from agent.renewal import take_identity  # noqa: PLC0415  # once in years

        try:
            renewed = take_identity(self._state_dir, self._identity, offered)
        except (OSError, AgentError) as error:
            why = error.message.render() if isinstance(error, AgentError) else error.strerror or type(error).__name__
            self._announce(Message(_NOT_RENEWED, {"why": why}))
            return
        if renewed is None:
            return
        is_other = renewed.device_id != self._identity.device_id
        self._identity = renewed
        if is_other:
            self._spool.adopt(renewed.device_id)
            # The collector knows nothing of this device yet.
            self._ledger = FactLedger()
        self._uplink.use_token(renewed.token)
        self._announce(Message(_RENEWED, {"device": renewed.device_id}))

    def _account(self) -> Account:
        now, wall = self._host.monotonic_time_seconds(), self._host.wall_time_seconds()
        try:
            kept = json.loads(self._spool.recall(PROBE_SPENDING) or "null")
        except (SpoolError, ValueError):
            kept = None
        return Account.restored(kept, now, wall)

    def _facts(self, found: Round) -> Dict[str, FactValue]:
        """The round's facts, and those that no probe tells; all within the list of what may be sent."""
        _samples, facts, _problem = admit(Collected(facts={**self._following.facts, **self._tracer.facts}))
        return {**found.facts, **facts}

    def _keep(self, found: Round, made_at: Optional[float] = None) -> Kept:
        now = self._host.monotonic_time_seconds()
        facts = self._ledger.due(self._facts(found), now)

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
        wall = self._host.wall_time_seconds()
        remember = {LAST_ROUND: json.dumps({"at": wall, "outcomes": outcomes})}
        seldom = [outcome for outcome in outcomes if _is_seldom(outcome["probe"])]
        if seldom:
            self._seldom_outcomes.update({outcome["probe"]: {**outcome, "at": wall} for outcome in seldom})
            remember[SELDOM_OUTCOMES] = json.dumps(list(self._seldom_outcomes.values()))
        account = self._orders.account or Account.new(now, wall)
        remember[PROBE_SPENDING] = json.dumps(account.to_json(now, wall))
        try:
            entry = self._spool.append(build, remember)
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


def _is_seldom(probe: str) -> bool:
    return probe in PROBES and PROBES[probe].period_seconds is not None
