"""What routing says to people: why somebody was not told."""

from __future__ import annotations

import datetime as dt

from agent.wire.message import Message, Parameter, mark
from alerts.route import model
from alerts.route.model import Cause

TEXTS = {
    model.BY_MAINTENANCE: mark("maintenance: {reason} (entered by {author})"),
    model.BY_SILENCE: mark("silenced by {author} until {until}: {reason}"),
    model.BY_INHIBITION: mark("explained by another alert: {rule}, {subject}"),
    model.BY_QUIET_HOURS: mark("quiet hours of this receiver; it goes into the digest of the morning"),
    model.BY_FLAPPING: mark("the alert comes and goes; one notice was sent, the next follows when it has settled"),
    model.BY_ACKNOWLEDGEMENT: mark("somebody has acknowledged it"),
    model.BY_BREVITY: mark("it was over before it was told"),
    model.BY_EARLIER_STEP: mark("it is not yet the turn of this receiver: others are told first"),
    model.BY_REMOVAL: mark("this receiver was removed"),
    model.BY_CONTINUATION: mark("the alert fired again and was told again; its end will be told once"),
    model.BY_FAILURE: mark("the notification could not be delivered: {reason}"),
}
UNROUTED = mark("no receiver is set up for it")


def cause_of(kind: str, **parameters: Parameter) -> Cause:
    """A cause with its sentence."""
    return Cause(kind, Message(TEXTS[kind], parameters))


def moment(seconds: float) -> str:
    """A moment as sentences carry it; whoever shows the sentence writes it in the reader's time zone."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
