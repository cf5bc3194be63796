"""One round over all targets at once, in one thread: ICMP echoes, TCP connects, questions to services.

Probes are sent at their appointed times whether earlier ones were answered or not: a dead address costs one time-out.
All times come from the performance counter, which no step of the wall clock touches.
"""

from __future__ import annotations

import errno
import functools
import math
import socket
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from agent.configuration import SERVICE, Target
from agent.link.appointments import Appointments
from agent.link.budget import FULL, PROBES_PER_ROUND, Share, connect_bytes, echo_bytes, question_bytes
from agent.link.echo import LARGE_BYTES, SMALL_BYTES, EchoChannel
from agent.link.round_trips import Connects, Measured, Series, schedule_seconds
from agent.link.service_answer import Question
from agent.wire.message import mark
from agent.wire.record import dataclass

TIMEOUT_SECONDS = 2.0
# A service is waited for longer than a packet: a slow one shall be seen to be slow.
FIRST_BYTE_SECONDS = 10.0
# Connects in place of echoes that were not answered follow each other at least in this time.
SHORT_WINDOW_SECONDS = 2.0

TCP_CONNECT = "tcp_connect"
NO_ICMP_ANSWER = mark("the target answers TCP but not ICMP")
NO_PORT = mark("ICMP is not possible here, and the target has no TCP port to fall back to")

_STARTED = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK))
# A refusal crosses the link and back as an acceptance does: the link is what is measured, not the service.
_REFUSED = (errno.ECONNREFUSED, getattr(errno, "WSAECONNREFUSED", errno.ECONNREFUSED))
# Answered twice, or not asked in this round.
_NOT_SENT: Tuple[float, Callable[[float], Any]] = (math.inf, float)
# Parts of a step by which large probes and connects keep away from the small probes of the same target.
_LARGE_PHASE = 0.5
_CONNECT_PHASE = 0.25


@dataclass(frozen=True)
class EchoWay:
    """How echoes can be sent from this machine, for one version of IP; `channel` is None where they cannot."""

    channel: Optional[EchoChannel]
    method: Optional[str]
    reason: Optional[str]


@dataclass(frozen=True)
class Aim:
    """A target whose address is known.

    Args:
        target: as configured.
        address: of a socket, its port 0.
        is_silent: it answered TCP but not ICMP lately.
        tls: context of its service.
        share: of the budget, what it gets in this round.
        small_bytes: payload of its small echoes.
    """

    target: Target
    address: Tuple[Any, ...]
    is_silent: bool = False
    tls: Any = None
    share: Share = FULL
    small_bytes: int = SMALL_BYTES

    @property
    def version(self) -> int:
        """Of IP."""
        return 6 if ":" in self.address[0] else 4


class LinkRound:
    """Measures every target once.

    Args:
        aims: the targets.
        ways: version of IP -> how echoes can be sent; the sockets stay the caller's.
        window_seconds: over which each target's probes are spread.
        phase: 0 to 1, where in its step the first probe falls: a terminal's own, so that they do not beat together.

    Attributes:
        sent_bytes: by the target's name, what `run` took of the line at most.
    """

    def __init__(self, aims: Sequence[Aim], ways: Mapping[int, EchoWay], window_seconds: float, phase: float) -> None:
        self.appointments = Appointments()
        self.sent_bytes: Dict[str, int] = {}
        self.window_seconds = window_seconds
        self.started = time.perf_counter()
        self.ends = self.started
        self._echoes = {version: Echoes(way.channel, self) for version, way in ways.items() if way.channel is not None}
        self._targets = [
            TargetRound(aim, ways[aim.version], self, (phase + place / len(aims)) % 1.0)
            for place, aim in enumerate(aims)
        ]

    def run(self) -> Dict[str, Measured]:
        """What was measured, by the target's name; takes the window and at most a little over one time-out."""
        try:
            for target in self._targets:
                target.begin(self._echoes.get(target.aim.version))
            self.appointments.run(self._seconds_left)
            now = time.perf_counter()
            self.sent_bytes = {target.aim.target.name: target.sent_bytes for target in self._targets}
            return {target.aim.target.name: target.measured(now) for target in self._targets}
        finally:
            for target in self._targets:
                target.close()

    def _seconds_left(self, now: float) -> float:
        return 0.0 if all(target.is_done for target in self._targets) else self.ends - now

    def send_at(self, offset_seconds: float, action: Callable[[float], None]) -> None:
        """Makes an appointment to send something whose answer is then waited for."""
        moment = self.started + offset_seconds
        self.ends = max(self.ends, moment + TIMEOUT_SECONDS)
        self.appointments.at(moment, action)


class Echoes:
    """Echoes under way through one socket, to whichever targets."""

    def __init__(self, channel: EchoChannel, link_round: LinkRound) -> None:
        self._channel = channel
        self._appointments = link_round.appointments
        self._waiting: Dict[int, Tuple[float, Callable[[float], Any]]] = {}
        self._next = 0

    def send(self, address: Tuple[Any, ...], size_bytes: int, answered: Callable[[float], Any]) -> None:
        """Sends an echo; `answered` is called with the round trip if it comes back in time."""
        sequence, self._next = self._next, self._next + 1
        sent_at = time.perf_counter()
        try:
            self._channel.send(address, sequence, size_bytes)
        except OSError:
            # No route, or a local filter: the probe did not come through, as a lost one.
            return
        self._waiting[sequence] = (sent_at, answered)
        # Windows knows a raw socket's address only after its first packet.
        self._appointments.when_readable(self._channel.channel, self._receive)

    def _receive(self, now: float) -> None:
        for sequence in self._channel.receive():
            sent_at, answered = self._waiting.pop(sequence, _NOT_SENT)
            if 0 <= now - sent_at <= TIMEOUT_SECONDS:
                answered(now - sent_at)


class TargetRound:
    """One target within a round."""

    def __init__(self, aim: Aim, way: EchoWay, link_round: LinkRound, phase: float) -> None:
        self.aim = aim
        self._round = link_round
        self._phase = phase
        self._method, self._reason = way.method, way.reason
        if aim.is_silent or way.channel is None:
            self._method = None if aim.target.port is None else TCP_CONNECT
            self._reason = NO_ICMP_ANSWER if aim.is_silent else way.reason
            if aim.target.port is None:
                self._reason = NO_PORT
        self._small: Dict[int, float] = {}
        self._large: Dict[int, float] = {}
        self._small_count = aim.share.probes
        self._large_count = aim.share.large if aim.target.role == SERVICE else 0
        self._attempts: List[Attempt] = []
        self._attempts_to_come = 0
        self._fallback_from = 0
        self._echo_bytes = 0

    def begin(self, echoes: Optional[Echoes]) -> None:
        """Makes the appointments of this round."""
        window, port = self._round.window_seconds, self.aim.target.port
        if self._method == TCP_CONNECT:
            connects = max(self._small_count, self.aim.share.connects)
            self._plan_connects(schedule_seconds(connects, window, self._phase))
            return
        if echoes is None or self._method is None:
            return
        offsets = schedule_seconds(self._small_count, window, self._phase)
        self._plan_echoes(echoes, offsets, self.aim.small_bytes, self._small)
        step = window / PROBES_PER_ROUND
        if self._large_count:
            early = step * ((self._phase + _LARGE_PHASE) % 1.0)
            large = [early + offset for offset in schedule_seconds(self._large_count, window)]
            self._plan_echoes(echoes, large, LARGE_BYTES, self._large)
        if port is not None:
            early = step * ((self._phase + _CONNECT_PHASE) % 1.0)
            self._plan_connects([early + offset for offset in schedule_seconds(self.aim.share.connects, window)])
        if port is not None and offsets:
            half = offsets[max(self._small_count // 2, 1) - 1]
            self._round.appointments.at(self._round.started + half + TIMEOUT_SECONDS, self._look_for_answers)

    @property
    def is_done(self) -> bool:
        """Whether nothing is to be sent or waited for any more."""
        if self._method == TCP_CONNECT or self._method is None:
            is_answered = True
        else:
            is_answered = len(self._small) == self._small_count and len(self._large) == self._large_count
        return is_answered and self._attempts_to_come == 0 and all(attempt.is_done for attempt in self._attempts)

    def measured(self, now: float) -> Measured:
        """What came of it."""
        tried = len(self._attempts)
        accepted = tuple(attempt.accepted_seconds for attempt in self._attempts if attempt.accepted_seconds is not None)
        first = [attempt.first_byte_seconds(now) for attempt in self._attempts]
        series: Optional[Series] = None
        large: Optional[Series] = None
        if self._method == TCP_CONNECT:
            probes = self._attempts[self._fallback_from :]
            answers = (attempt.round_trip_seconds for attempt in probes)
            series = Series(len(probes), tuple(seconds for seconds in answers if seconds is not None))
        elif self._method is not None:
            series = Series(self._small_count, _in_order(self._small)) if self._small_count else None
            large = Series(self._large_count, _in_order(self._large)) if self._large_count else None
        return Measured(
            self._method,
            self._reason,
            series,
            large,
            Connects(tried, accepted) if tried else None,
            next((seconds for seconds in first if seconds is not None), None),
            any(attempt.is_untrusted for attempt in self._attempts),
            next((attempt.handshake_seconds for attempt in self._attempts if attempt.handshake_seconds), None),
        )

    def close(self) -> None:
        """Gives up what is still under way."""
        for attempt in self._attempts:
            attempt.close()

    def _plan_echoes(
        self, echoes: Echoes, offsets: Sequence[float], size_bytes: int, answers: Dict[int, float]
    ) -> None:
        for index, offset in enumerate(offsets):
            send = functools.partial(self._send_echo, echoes, index, size_bytes, answers)
            self._round.send_at(offset, send)

    def _send_echo(self, echoes: Echoes, index: int, size_bytes: int, answers: Dict[int, float], _now: float) -> None:
        if self._method == TCP_CONNECT:
            return
        self._echo_bytes += echo_bytes(self.aim.version, size_bytes)
        echoes.send(self.aim.address, size_bytes, functools.partial(answers.setdefault, index))

    def _plan_connects(self, offsets: Sequence[float]) -> None:
        self._attempts_to_come += len(offsets)
        plan = self._method
        for index, offset in enumerate(offsets):
            self._round.send_at(offset, functools.partial(self._connect, plan, is_first=index == 0))

    def _connect(self, plan: Optional[str], _now: float, *, is_first: bool) -> None:
        self._attempts_to_come -= 1
        # Once echoes have proved useless, connects take their place, and those planned beside them are left out.
        if plan == self._method:
            asks = is_first and self.aim.share.asks and not any(attempt.asks for attempt in self._attempts)
            attempt = Attempt(self.aim, self._round.appointments, asks=asks and self.aim.target.service is not None)
            self._attempts.append(attempt)
            attempt.begin()

    def _look_for_answers(self, now: float) -> None:
        """Not one of the first echoes came back: the target is gone, or something drops ICMP. A connect has told."""
        if self._small or not any(attempt.round_trip_seconds is not None for attempt in self._attempts):
            return
        self._method, self._reason = TCP_CONNECT, NO_ICMP_ANSWER
        self._fallback_from = len(self._attempts)
        elapsed = now - self._round.started
        window = max(self._round.window_seconds - elapsed, SHORT_WINDOW_SECONDS)
        count = self._small_count
        if self.aim.share is not FULL:
            # As many as the echoes that were not answered would have cost.
            count = max(count * echo_bytes(4, self.aim.small_bytes) // connect_bytes(4), 1)
        self._plan_connects([elapsed + offset for offset in schedule_seconds(count, window)])

    @property
    def sent_bytes(self) -> int:
        """What this target's probes and their answers took of the line, at most."""
        asked = any(attempt.asks for attempt in self._attempts)
        question = question_bytes(self.aim.target.service) if asked else 0
        return self._echo_bytes + len(self._attempts) * connect_bytes(self.aim.version) + question


class Attempt:
    """One TCP connect, and where it asks, the service's answer.

    Args:
        aim: whereto.
        appointments: of the round.
        asks: whether the service is asked once the connect was accepted.
    """

    def __init__(self, aim: Aim, appointments: Appointments, *, asks: bool) -> None:
        self.asks = asks
        self.accepted_seconds: Optional[float] = None
        self.round_trip_seconds: Optional[float] = None
        self.handshake_seconds: Optional[float] = None
        self.is_untrusted = False
        self.is_done = False
        self._aim = aim
        self._appointments = appointments
        self._question = Question(aim.target, aim.tls)
        self._answered_seconds: Optional[float] = None
        self._has_failed = False
        self._started = 0.0
        self._channel = socket.socket(socket.AF_INET6 if aim.version == 6 else socket.AF_INET, socket.SOCK_STREAM)  # noqa: PLR2004  # IP version
        self._channel.setblocking(False)  # noqa: FBT003  # the library's own way

    def begin(self) -> None:
        """Starts the connect without waiting for it."""
        address = (self._aim.address[0], self._aim.target.port, *self._aim.address[2:])
        self._started = time.perf_counter()
        fault = self._channel.connect_ex(address)
        if fault in _STARTED:
            self._appointments.when_connected(self._channel, self._connected)
            self._appointments.at(self._started + TIMEOUT_SECONDS, self._give_up_connecting)
        else:
            self._settle(fault, time.perf_counter() - self._started)

    def first_byte_seconds(self, now: float) -> Optional[float]:
        """Of the service's answer; the time waited so far where it was asked and is silent; None without either."""
        if not self.asks or self.accepted_seconds is None or self._has_failed:
            return None
        if self._answered_seconds is not None:
            return self._answered_seconds
        return min(now - self._started, FIRST_BYTE_SECONDS)

    def close(self) -> None:
        """Ends it, whatever it was waiting for."""
        self.is_done = True
        self._appointments.leave(self._channel)
        self._channel.close()

    def _connected(self, now: float) -> None:
        self._settle(self._channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), now - self._started)

    def _settle(self, fault: int, seconds: float) -> None:
        if fault == 0 or fault in _REFUSED:
            self.round_trip_seconds = seconds
        if fault == 0:
            self.accepted_seconds = seconds
        if fault != 0 or not self.asks:
            self.close()
            return
        self._appointments.when_readable(self._channel, self._answered)
        self._appointments.at(self._started + FIRST_BYTE_SECONDS, self._give_up_asking)
        try:
            self._question.ask(self._channel)
        except (OSError, ValueError):
            # Without TLS nothing was sent: the authority that was to be trusted cannot be read.
            self.is_untrusted = self._aim.target.verify and self._aim.tls is None
            self._fail()

    def _answered(self, now: float) -> None:
        try:
            is_answered = self._question.has_answer(self._channel)
            if self._question.is_secured and self.handshake_seconds is None:
                self.handshake_seconds = now - self._started - (self.accepted_seconds or 0.0)
            if not is_answered:
                return
        except OSError as error:
            # By name: to import its module costs memory that a terminal without TLS need not spend.
            self.is_untrusted = type(error).__name__ == "SSLCertVerificationError"
            self._fail()
            return
        self._answered_seconds = now - self._started
        self.close()

    def _fail(self) -> None:
        self._has_failed = True
        self.close()

    def _give_up_connecting(self, _now: float) -> None:
        if self.accepted_seconds is None:
            self.close()

    def _give_up_asking(self, _now: float) -> None:
        self.close()


def _in_order(answers: Mapping[int, float]) -> Tuple[float, ...]:
    return tuple(answers[index] for index in sorted(answers))
