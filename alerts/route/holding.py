"""What keeps somebody from being told now."""

from __future__ import annotations

from alerts.route.model import (
    BY_FLAPPING,
    BY_INHIBITION,
    BY_MAINTENANCE,
    BY_QUIET_HOURS,
    BY_SILENCE,
    Cause,
    Incident,
    Receiver,
)
from alerts.route.schedule import covering_silence, covering_window, quiet_until
from alerts.route.situation import Situation
from alerts.route.words import cause_of, moment


def holding_cause(situation: Situation, incident: Incident, receiver: Receiver) -> Cause | None:
    """The first reason for which the receiver is not told of the incident now; None: nothing stands against it."""
    now = situation.now
    flap = situation.flaps.get(incident.key)
    if flap is not None and now < flap.stable_at and flap.incident_id != incident.id:
        return cause_of(BY_FLAPPING)
    window = covering_window(situation.windows, incident, now)
    if window is not None:
        return cause_of(BY_MAINTENANCE, author=window.author, reason=window.reason)
    silence = covering_silence(situation.silences, incident, now)
    if silence is not None:
        until = moment(silence.ends_at)
        return cause_of(BY_SILENCE, author=silence.author, until=until, reason=silence.reason)
    source = situation.explanations.of(incident, receiver.id)
    if source is not None:
        return cause_of(BY_INHIBITION, rule=source.incident.rule, subject=source.incident.subject)
    if quiet_until(receiver, incident.severity, now) is not None:
        return cause_of(BY_QUIET_HOURS)
    return None
