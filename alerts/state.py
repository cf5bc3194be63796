"""The state machine that every alert goes through: time and what was observed come in, changes of state go out.

    inactive -> pending -> firing -> resolved -> inactive
                pending -> inactive              resolved -> pending

It holds no clock and reads nothing. Its memory is a value that JSON can keep.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent.wire.message import Message, mark
from alerts.parameters import whole

INACTIVE = "inactive"
PENDING = "pending"
FIRING = "firing"
RESOLVED = "resolved"
STATES = (INACTIVE, PENDING, FIRING, RESOLVED)

# What one evaluation may find out about a subject.
CLEAR = "clear"
SUSPECT = "suspect"
RAISED = "raised"
NO_DATA = "no_data"
LEVELS = (CLEAR, SUSPECT, RAISED, NO_DATA)

Readings = Mapping[str, Any]

_DAY_SECONDS = 86_400

LAPSED = mark("No further evidence within {minutes} minutes.")
SILENT_PENDING = mark("No readings any more before there was enough evidence.")
CLOSED_NO_DATA = mark("No readings for {minutes} minutes: closed as “no data”, how it ended is not known.")
STAYED_QUIET = mark("Nothing further for {minutes} minutes after it was resolved.")


@dataclass(frozen=True, slots=True)
class Timing:
    """How long each state lasts, in seconds; the table `[timing]` of a rule."""

    for_seconds: int = whole(0, _DAY_SECONDS, "seconds", "How long a pending alert must last before it may fire.")
    pending_seconds: int = whole(
        60, _DAY_SECONDS, "seconds", "A pending alert without enough evidence ends after this."
    )
    keep_firing_seconds: int = whole(0, _DAY_SECONDS, "seconds", "How long it must be quiet before it is resolved.")
    linger_seconds: int = whole(
        0, _DAY_SECONDS, "seconds", "A firing alert without any bad reading, though not quiet, is resolved after this."
    )
    no_data_seconds: int = whole(
        0, 90 * _DAY_SECONDS, "seconds", "A firing alert without readings is closed as “no data” after this."
    )
    resolved_seconds: int = whole(0, _DAY_SECONDS, "seconds", "How long a resolved alert is still shown.")


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert is about.

    Args:
        key: names it within its rule for ever.
        device_id: the terminal, empty if it is not about one.
        unit_code: the unit it stands in now; empty where it is the whole province.
        site: the site within the unit; empty if it is not about one.
    """

    key: str
    device_id: str
    unit_code: str
    site: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the readings say about one subject at one time.

    Args:
        level: one of `LEVELS`: `clear` = nothing bad; `suspect` = something bad, not enough to alarm; `raised` = enough
            to alarm; `no_data` = nothing can be said.
        reason: one sentence; needed for every level but `no_data`.
        readings: the numbers behind it, as JSON can keep them.
        quiet: whether the readings show that a firing alert is over; never together with `raised`.
        magnitude: how bad, in a unit of the rule's own; the greatest one is kept while the alert fires.
        severity: where it differs from the rule's own.
    """

    level: str
    reason: Message
    readings: Readings = field(default_factory=dict)
    quiet: bool = False
    magnitude: float = 0.0
    severity: str = ""


NOTHING_READ = Observation(NO_DATA, Message(SILENT_PENDING))


@dataclass(frozen=True, slots=True)
class AlertState:
    """The memory of one rule about one subject.

    Args:
        subject: whom it is about, as last seen.
        state: one of `STATES`.
        since: when that state began.
        fired_at: when it last began to fire.
        quiet_since: since when a firing alert has been quiet without a break.
        clear_since: since when a firing alert has had no bad reading.
        no_data_since: since when there have been no readings.
        peak: greatest magnitude while firing.
    """

    subject: Subject
    state: str = INACTIVE
    since: float = 0.0
    fired_at: float | None = None
    quiet_since: float | None = None
    clear_since: float | None = None
    no_data_since: float | None = None
    peak: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The state as JSON can keep it."""
        return {
            "subject": self.subject.key,
            "device_id": self.subject.device_id,
            "unit_code": self.subject.unit_code,
            "site": self.subject.site,
            "state": self.state,
            "since": self.since,
            "fired_at": self.fired_at,
            "quiet_since": self.quiet_since,
            "clear_since": self.clear_since,
            "no_data_since": self.no_data_since,
            "peak": self.peak,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> AlertState:
        """What `to_json` kept; keys that an older version did not write yet count as not known.

        Raises:
            KeyError: `subject`, `state` or `since` is missing.
            ValueError: a state that is not one of `STATES`.
        """
        if kept["state"] not in STATES:
            raise ValueError(f"alert state {kept['state']!r} of {kept['subject']!r}: expected {', '.join(STATES)}")
        return cls(
            Subject(kept["subject"], kept.get("device_id", ""), kept.get("unit_code", ""), kept.get("site", "")),
            kept["state"],
            kept["since"],
            kept.get("fired_at"),
            kept.get("quiet_since"),
            kept.get("clear_since"),
            kept.get("no_data_since"),
            kept.get("peak", 0.0),
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One change of state and why."""

    from_state: str
    to_state: str
    at: float
    reason: Message
    readings: Readings
    severity: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state of one rule about one subject; a row of the registry.

    Args:
        rule: name of the rule.
        subject: key of the subject within the rule.
        device_id: the terminal, empty if it is not about one.
        unit_code: the unit it stood in.
        from_state: one of `STATES`.
        to_state: one of `STATES`.
        at: the time it was judged for, seconds since 1970-01-01 UTC.
        reason: one sentence for people.
        readings: the numbers behind it, as JSON can keep them. A sentence of evidence stands under `because`, as
            `Message.as_dict` gives it. A resolved alert adds `duration_seconds` and `peak`.
        site: the site within the unit, empty if it is not about one.
        severity: `info`, `warning` or `critical`.
    """

    rule: str
    subject: str
    device_id: str
    unit_code: str
    from_state: str
    to_state: str
    at: float
    reason: Message
    readings: Readings
    site: str = ""
    severity: str = ""


def step(timing: Timing, state: AlertState, observation: Observation, now: float) -> tuple[AlertState, list[Change]]:
    """Takes one observation into account.

    A clock that was set back does not shorten or lengthen anything: time never runs before the present state began.

    Args:
        timing: of the rule.
        state: as the last step left it.
        observation: what the readings say now.
        now: seconds since 1970-01-01 UTC.

    Returns:
        The new state, and its changes in order: none, one, or two when an alert fires at its first reading.
    """
    now = max(now, state.since)
    if observation.level == NO_DATA:
        silent_since = _begun(state.no_data_since, now)
        state = replace(state, quiet_since=None, no_data_since=silent_since)
        return _without_data(timing, state, now, silent_seconds=now - silent_since)
    state = replace(state, no_data_since=None)
    if state.state == FIRING:
        return _while_firing(timing, state, observation, now)
    changes: list[Change] = []
    if state.state == PENDING and observation.level != RAISED:
        return _while_pending(timing, state, observation, now)
    if state.state in (INACTIVE, RESOLVED) and observation.level in (SUSPECT, RAISED):
        state = _enter(state, PENDING, now, observation, changes)
    if state.state == PENDING and observation.level == RAISED and now - state.since >= timing.for_seconds:
        state = _enter(state, FIRING, now, observation, changes)
        state = replace(state, fired_at=now, peak=observation.magnitude)
    if state.state == RESOLVED and now - state.since >= timing.resolved_seconds:
        state = _settle(state, now, timing, changes)
    return state, changes


def _enter(state: AlertState, to_state: str, now: float, observation: Observation, changes: list[Change]) -> AlertState:
    changes.append(Change(state.state, to_state, now, observation.reason, observation.readings, observation.severity))
    return replace(state, state=to_state, since=now)


def _settle(state: AlertState, now: float, timing: Timing, changes: list[Change]) -> AlertState:
    reason = Message(STAYED_QUIET, {"minutes": _minutes(timing.resolved_seconds)})
    changes.append(Change(RESOLVED, INACTIVE, now, reason, {}))
    return AlertState(state.subject, INACTIVE, now)


def _while_pending(
    timing: Timing, state: AlertState, observation: Observation, now: float
) -> tuple[AlertState, list[Change]]:
    if observation.level == CLEAR:
        reason = observation.reason
    elif now - state.since >= timing.pending_seconds:
        reason = Message(LAPSED, {"minutes": _minutes(timing.pending_seconds)})
    else:
        return state, []
    return AlertState(state.subject, INACTIVE, now), [Change(PENDING, INACTIVE, now, reason, observation.readings)]


def _while_firing(
    timing: Timing, state: AlertState, observation: Observation, now: float
) -> tuple[AlertState, list[Change]]:
    quiet_since = _begun(state.quiet_since, now) if observation.quiet else None
    clear_since = _begun(state.clear_since, now) if observation.level == CLEAR else None
    over = quiet_since is not None and now - quiet_since >= timing.keep_firing_seconds
    # A line that settles between quiet and raised, after a change of route for one, must not hold its alarm for ever.
    over = over or (clear_since is not None and now - clear_since >= timing.linger_seconds)
    if over:
        return _resolve(state, now, observation.reason, observation.readings)
    peak = max(state.peak, observation.magnitude)
    return replace(state, quiet_since=quiet_since, clear_since=clear_since, peak=peak), []


def _without_data(
    timing: Timing, state: AlertState, now: float, *, silent_seconds: float
) -> tuple[AlertState, list[Change]]:
    if state.state == FIRING and silent_seconds >= timing.no_data_seconds:
        return _resolve(state, now, Message(CLOSED_NO_DATA, {"minutes": _minutes(silent_seconds)}), {"no_data": True})
    if state.state == PENDING and now - state.since >= timing.pending_seconds:
        return AlertState(state.subject, INACTIVE, now), [
            Change(PENDING, INACTIVE, now, Message(SILENT_PENDING), {"no_data": True})
        ]
    changes: list[Change] = []
    if state.state == RESOLVED and now - state.since >= timing.resolved_seconds:
        state = _settle(state, now, timing, changes)
    return state, changes


def _resolve(state: AlertState, now: float, reason: Message, readings: Readings) -> tuple[AlertState, list[Change]]:
    fired_at = state.since if state.fired_at is None else state.fired_at
    measured = {**readings, "duration_seconds": round(now - fired_at), "peak": state.peak}
    resolved = replace(state, state=RESOLVED, since=now, quiet_since=None, clear_since=None, no_data_since=None)
    return resolved, [Change(FIRING, RESOLVED, now, reason, measured)]


def _begun(since: float | None, now: float) -> float:
    return now if since is None else min(since, now)


def _minutes(seconds: float) -> int:
    return max(1, round(seconds / 60))
