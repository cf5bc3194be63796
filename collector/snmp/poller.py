"""Polls every network device once in each slot, in a thread and event loop of its own.

Samples go the way of all reports: into the journal, durable before the counters they were taken from are let go of.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import Counter
from sqlalchemy import Engine, Row

from agent.wire.catalogue import PREFIX
from agent.wire.message import Message, mark
from agent.wire.report import WIRE_VERSION, Report, Sample
from collector.clock import now_seconds, steady_seconds
from collector.db.network import OK, NetworkDevice, PollResult, network_devices, poll_states, record_polls
from collector.errors import JournalFullError, SettingsError
from collector.journal import Entry, Journal
from collector.selfmetrics import SelfMetrics
from collector.settings import Network
from collector.snmp.asking import ask_device
from collector.snmp.credentials import Credential, load_credentials
from collector.snmp.reading import NoSampleError, PortReading, samples_of, traffic_between
from collector.snmp.session import ERROR, TIMEOUT, Engines, Session, SnmpError, open_session, tell_garbage_briefly

log = logging.getLogger(__name__)

# Names the reports of polls in the journal; the slot is their number, so that the same slot is kept once.
BOOT_ID = "snmp"
# Looks at the clock so often, because it may be set.
_LOOK_SECONDS = 2.0
# What is left of a slot when a round is broken off, so that the next one begins in time.
_SPARE_SECONDS = 15.0
# So many polls are written to the registry in one transaction.
_RECORD_AT_ONCE = 50

PROBLEM = mark("{problem}")
NOT_REACHED = mark("The round was over before its turn came: too many devices do not answer.")
JOURNAL_FULL = mark("The sample could not be kept: {problem}")

_read_reading = msgspec.json.Decoder(PortReading)


@dataclass(frozen=True)
class Status:
    """How the last round went.

    Args:
        devices: that were to be polled.
        failed: that gave no answer.
        slot: of the round; None before the first.
        seconds: it took.
    """

    devices: int = 0
    failed: int = 0
    slot: int | None = None
    seconds: float = 0.0


class Poller:
    """The loop over all network devices.

    Args:
        engine: the registry.
        journal: where samples go.
        settings: section `network`.
        metrics: the collector's own numbers.
        credentials_file: what opens the devices; read anew for each round.
        slot_seconds: length of a slot; rounds begin at its whole multiples since 1970-01-01 UTC.
        wake: told when something was put into the journal.
    """

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        settings: Network,
        metrics: SelfMetrics,
        *,
        credentials_file: Path,
        slot_seconds: int,
        wake: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._settings = settings
        self._credentials_file = credentials_file
        self._slot_seconds = slot_seconds
        self._wake = wake
        # Steady time of the last answer of each device in this process: the wall clock may be set in between.
        self._answered: dict[str, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snmp", daemon=True)
        self.status = Status()
        self.problem = ""
        self._polls = Counter(
            f"{PREFIX}collector_snmp_polls",
            "Polls of network devices, by outcome.",
            ["outcome"],
            registry=metrics.registry,
        )
        metrics.gauge(
            "collector_network_devices", "Network devices that are polled.", lambda: float(self.status.devices)
        )
        metrics.gauge(
            "collector_network_devices_failed",
            "Network devices that gave no answer in the last round.",
            lambda: float(self.status.failed),
        )

    def start(self) -> None:
        """Begins with the slot under way unless it was polled before a restart."""
        self._thread.start()

    def stop(self) -> None:
        """Ends at once; devices not yet asked are asked in the next round after the next start."""
        if self._thread.ident is None:
            return
        # A thread that died before its loop ran has nothing to stop.
        self._begun.wait(timeout=_LOOK_SECONDS)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def health(self) -> dict[str, object]:
        """How the last round went, for `/healthz`."""
        status = self.status
        return {"devices": status.devices, "failed": status.failed, "problem": self.problem}

    async def poll(self, engines: Engines, slot: int) -> Status:
        """Asks every device that has not yet answered in this slot, and keeps what they say.

        Args:
            engines: of the running event loop.
            slot: number of the slot under way; the samples are of the one before it.
        """
        started = steady_seconds()
        with self._engine.connect().execution_options(read_only=True) as connection:
            devices, states = network_devices(connection), poll_states(connection)
        asked = {row.device_id for row in states.values() if row.slot == slot and row.outcome == OK}
        # Those that did not answer last time come last, so that waiting for them holds up nobody.
        due = sorted(
            (one for one in devices if one.device_id not in asked),
            key=lambda one: states[one.device_id].failed_in_row if one.device_id in states else 0,
        )
        credentials, problem = self._credentials()
        self.problem = problem
        turns = asyncio.Semaphore(self._settings.concurrent_devices)
        tally: Tally[str] = Tally()
        done: list[PollResult] = []

        async def one_device(device: NetworkDevice) -> None:
            async with turns:
                result = await self._poll_device(
                    engines, device, states.get(device.device_id), credentials, problem, slot
                )
            tally[result.outcome] += 1
            self._polls.labels(result.outcome).inc()
            done.append(result)
            if len(done) >= _RECORD_AT_ONCE:
                batch = done.copy()
                done.clear()
                # Waiting for the registry's lock must not hold up the devices that are answering.
                await asyncio.to_thread(self._record, batch)

        tasks = {asyncio.create_task(one_device(device)): device for device in due}
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=self._slot_seconds - _SPARE_SECONDS)
            for task, device in tasks.items():
                if not task.done():
                    tally[TIMEOUT] += 1
                    self._polls.labels("not_reached").inc()
                    done.append(_failed(device, slot, TIMEOUT, Message(NOT_REACHED)))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._record(done)
        failed = sum(count for outcome, count in tally.items() if outcome != OK)
        self.status = Status(len(devices), failed, slot, steady_seconds() - started)
        return self.status

    def _credentials(self) -> tuple[dict[str, Credential], str]:
        try:
            return load_credentials(self._credentials_file), ""
        except SettingsError as error:
            log.error("snmp: %s", error)  # noqa: TRY400 - the text says it all
            return {}, str(error)

    async def _poll_device(
        self,
        engines: Engines,
        device: NetworkDevice,
        state: Row[Any] | None,
        credentials: Mapping[str, Credential],
        problem: str,
        slot: int,
    ) -> PollResult:
        try:
            if problem:
                return _failed(device, slot, ERROR, Message(PROBLEM, {"problem": problem}))
            session = open_session(engines, device, credentials, self._settings)
            return await self._ask(session, device, state, slot)
        except SnmpError as error:
            return _failed(device, slot, error.outcome, error.message)
        except JournalFullError as error:
            # The counters are not let go of: the next sample is too long to count, but no byte is hidden.
            return _failed(device, slot, ERROR, Message(JOURNAL_FULL, {"problem": str(error)}))
        except Exception as error:  # one device's strange answer must not end the round; it is shown and counted
            log.exception("snmp: %s", device.name)
            return _failed(device, slot, ERROR, Message(PROBLEM, {"problem": type(error).__name__}))

    async def _ask(self, session: Session, device: NetworkDevice, state: Row[Any] | None, slot: int) -> PollResult:
        before = None if state is None or state.reading is None else _reading(state.reading)
        now = now_seconds()
        answer = await ask_device(session, device.interface, None if before is None else before.index, now)
        steady = steady_seconds()
        no_sample: Message | None = None
        traffic = None
        samples: tuple[Sample, ...] = ()
        if answer.port is not None:
            try:
                traffic = traffic_between(before, answer.port, self._elapsed(device.device_id, before, now, steady))
            except NoSampleError as error:
                no_sample = error.message
            samples = samples_of(answer.port, traffic, device.interface)
            await self._keep(device, slot, now, samples)
        self._answered[device.device_id] = steady
        return PollResult(
            device.device_id,
            slot,
            now,
            OK,
            Message(""),
            reading=None if answer.port is None else msgspec.to_builtins(answer.port),
            no_sample=no_sample,
            sample={sample.metric: sample.value for sample in samples} or None,
            description=answer.description,
            uptime_seconds=answer.uptime_seconds,
            page_count=answer.page_count,
        )

    def _elapsed(self, device_id: str, before: PortReading | None, now: float, steady: float) -> float:
        if device_id in self._answered:
            return steady - self._answered[device_id]
        return 0.0 if before is None else now - before.taken_at

    async def _keep(self, device: NetworkDevice, slot: int, now: float, samples: Sequence[Sample]) -> None:
        """Puts one sample into the journal; it is on disk when this returns.

        Raises:
            JournalFullError: it is not.
        """
        if not samples:
            return
        # The answer closes the slot before the one under way: that is where its traffic lies.
        begin = float((slot - 1) * self._slot_seconds)
        report = Report(WIRE_VERSION, device.device_id, BOOT_ID, slot, begin, begin, samples=tuple(samples))
        entry = Entry(device.device_id, BOOT_ID, slot, now, begin, 0.0, msgspec.json.encode(report))
        await self._journal.append([entry])
        self._wake()

    def _record(self, done: list[PollResult]) -> None:
        if done:
            with self._engine.begin() as connection:
                record_polls(connection, done)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._rounds())

    async def _rounds(self) -> None:
        engines = Engines()
        polled: int | None = None
        self._loop = asyncio.get_running_loop()
        tell_garbage_briefly(self._loop)
        self._begun.set()
        try:
            while not self._stopping.is_set():
                slot = int(now_seconds() // self._slot_seconds)
                if slot != polled:
                    polled = slot
                    await self._round(engines, slot)
                due = (slot + 1) * self._slot_seconds - now_seconds()
                await self._pause(min(_LOOK_SECONDS, max(0.0, due)))
        finally:
            engines.close()

    async def _round(self, engines: Engines, slot: int) -> None:
        """One round, broken off when the collector stops."""
        task = asyncio.create_task(self.poll(engines, slot))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return
        except Exception as error:  # the loop's edge: counted and said; the next slot tries again
            self.problem = f"{type(error).__name__}: {error}"
            self._polls.labels("round_failed").inc()
            log.exception("snmp: the round of slot %d failed", slot)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _reading(kept: Mapping[str, Any]) -> PortReading | None:
    """The counters of the last answer; those of a version that kept them otherwise are as if there were none."""
    try:
        return msgspec.convert(kept, PortReading)
    except msgspec.ValidationError:
        return None


def _failed(device: NetworkDevice, slot: int, outcome: str, reason: Message) -> PollResult:
    return PollResult(device.device_id, slot, now_seconds(), outcome, reason)
