"""What the detector found: one event from its first doubt to its end, and the sentence that tells it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from agent.wire.message import Message, mark
from alerts.congestion.layout import Site
from alerts.congestion.parameters import CongestionParameters

CONGESTION = "congestion"
PATH_CHANGE = "path_change"
OUTAGE = "outage"
SERVICE_SLOW = "service_slow"
RULES = (CONGESTION, PATH_CHANGE, OUTAGE, SERVICE_SLOW)

LAN = "lan"
ACCESS = "access"
CORE = "core"
SERVICE = "service"
TERMINAL = "terminal"
PLACES = (LAN, ACCESS, CORE, SERVICE, TERMINAL)

MINOR, MODERATE, MAJOR, CRITICAL = "minor", "moderate", "major", "critical"
# What each place is called in a sentence; msgids.
GRADE_NAMES = {MINOR: mark("minor"), MODERATE: mark("moderate"), MAJOR: mark("major"), CRITICAL: mark("critical")}

ACCESS_TEXT = mark(
    "Early warning: the access line of {where} is congested since {since}: {added_ms} ms above its own baseline, "
    "{loss_percent} percent loss, grade {grade}; seen by {terminals} terminals in {hot_minutes} minutes; {who_else}; "
    "evidence: {evidence}."
)
CORE_TEXT = mark(
    "Early warning: the province's core network is congested since {since}: {added_ms} ms above the baseline, "
    "{loss_percent} percent loss, grade {grade}; {who_else}; evidence: {evidence}."
)
LAN_TEXT = mark(
    "Early warning: the office's own network at {where} is slow since {since}: the way to its router takes {added_ms} "
    "ms more than usual, grade {grade}; the line beyond it is judged apart; evidence: round trips to the gateway."
)
TERMINAL_TEXT = mark(
    "Early warning: the own link of terminal {device} at {where} is slow since {since}: {added_ms} ms above the other "
    "terminals of the site, grade {grade}; the others are well; evidence: comparison within the site."
)
SERVICE_TEXT = mark(
    "The service answers slowly since {since}: its first byte takes {added_ms} ms more than usual, grade {grade}; "
    "{who_else}; the network itself is not raised; evidence: time to the first byte and connects."
)
OUTAGE_ACCESS_TEXT = mark("Nothing beyond the office of {where} answers since {since}; its own router does.")
OUTAGE_LAN_TEXT = mark("Nothing answers at {where} since {since}, not even its own router.")
OUTAGE_CORE_TEXT = mark("Nothing behind the access lines answers since {since}; {who_else}.")
OUTAGE_SERVICE_TEXT = mark("The target {target} does not answer since {since}, while others do; {who_else}.")
PATH_LONGER_TEXT = mark(
    "The path of {where} is {change_ms} ms longer since {since}, steadily and without loss: another route, not "
    "congestion."
)
PATH_SHORTER_TEXT = mark(
    "The path of {where} is {change_ms} ms shorter since {since}, steadily and without loss: another route."
)
CORE_LONGER_TEXT = mark(
    "The path to the centre is {change_ms} ms longer since {since} for {sites} sites at once, steadily and without "
    "loss: another route, not congestion."
)
CORE_SHORTER_TEXT = mark(
    "The path to the centre is {change_ms} ms shorter since {since} for {sites} sites at once, steadily and without "
    "loss: another route."
)

ONLY_ONE_SITE = mark("no other site is affected")
OTHER_LINES = mark("lines of other sites congested at the same time: {count}")
SITES_AFFECTED = mark("sites affected: {count}")
BY_DELAY = mark("median round trips of {threshold_ms} ms and more above the baseline")
BY_LOSS = mark("loss beyond chance")
BY_LARGE = mark("large packets or connects lost where small probes pass")
BY_DELAY_AND_LOSS = mark("raised round trips and loss beyond chance")


class Event(NamedTuple):
    """One event; times are seconds since 1970-01-01 UTC, delays microseconds.

    Args:
        rule: one of `RULES`.
        place: one of `PLACES`.
        site: None where it is the whole province's.
        device_id: for the place `terminal`.
        target: for an outage of one target.
        pending_at: when the evidence began.
        fired_at: None while pending.
        resolved_at: None while it lasts.
        peak_us: greatest added delay.
        added_us: newest added delay.
        loss_ratio: greatest loss.
        large_ratio: greatest loss of large probes, or share of slow connects.
        threshold_us: from which a step counted as raised.
        hot_steps: raised steps.
        terminals: that reported together, at most.
        sites: how many sites are affected; of one line, how many lines were congested at the same time, it included.
        no_data: it ended because readings stopped.
    """

    rule: str
    place: str
    site: Site | None
    device_id: str
    target: str
    pending_at: int
    fired_at: int | None
    resolved_at: int | None
    peak_us: float
    added_us: float
    loss_ratio: float
    large_ratio: float
    threshold_us: float
    hot_steps: int
    terminals: int
    sites: int
    no_data: bool = False

    @property
    def subject(self) -> str:
        """Names what it is about within its rule."""
        if self.site is None:
            return self.place if not self.target else f"{self.place}/{self.target}"
        own = (self.place, *self.site)
        return "/".join((*own, self.device_id) if self.device_id else own)


def grade_of(added_us: float, loss_ratio: float, terms: CongestionParameters) -> str:
    """How bad, by added delay (the grades of DSLReports) and loss."""
    if added_us > terms.critical_us or loss_ratio >= terms.critical_loss_ratio:
        return CRITICAL
    if added_us >= terms.major_us:
        return MAJOR
    return MODERATE if added_us >= terms.moderate_us else MINOR


def reason_of(event: Event, terms: CongestionParameters, names: Callable[[Site], str] | None = None) -> Message:
    """The sentence that tells the event.

    Args:
        event: pending, firing or resolved.
        terms: of the rule `congestion`, for the grades.
        names: how a site is called; by its codes if nobody tells.
    """
    pattern = _pattern(event)
    where = ""
    if event.site is not None:
        where = names(event.site) if names else " / ".join(part for part in event.site if part)
    every: dict[str, str | int | float | Message] = {
        "where": where,
        "since": datetime.fromtimestamp(event.pending_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "added_ms": _milliseconds(event.peak_us),
        "change_ms": _milliseconds(abs(event.peak_us)),
        "sites": event.sites,
        "loss_percent": round(100 * event.loss_ratio, 1),
        "grade": Message(GRADE_NAMES[grade_of(event.peak_us, event.loss_ratio, terms)]),
        "terminals": event.terminals,
        "hot_minutes": event.hot_steps,
        "device": event.device_id,
        "target": event.target,
        "who_else": _who_else(event),
        "evidence": _evidence(event, terms),
    }
    return Message(pattern, {name: value for name, value in every.items() if f"{{{name}}}" in pattern})


def _who_else(event: Event) -> Message:
    if event.site is None:
        return Message(SITES_AFFECTED, {"count": event.sites})
    return Message(OTHER_LINES, {"count": event.sites - 1}) if event.sites > 1 else Message(ONLY_ONE_SITE)


def _milliseconds(value_us: float) -> float:
    """Whole milliseconds; from a thousand on a fraction, for readers group those and take whole numbers as they are."""
    value = round(value_us / 1000)
    return float(value) if value >= 1000 else value  # noqa: PLR2004 (as the sentence says)


def _pattern(event: Event) -> str:
    if event.rule == PATH_CHANGE:
        if event.site is None:
            return CORE_LONGER_TEXT if event.peak_us > 0 else CORE_SHORTER_TEXT
        return PATH_LONGER_TEXT if event.peak_us > 0 else PATH_SHORTER_TEXT
    if event.rule == OUTAGE:
        return {
            LAN: OUTAGE_LAN_TEXT,
            ACCESS: OUTAGE_ACCESS_TEXT,
            TERMINAL: OUTAGE_LAN_TEXT,
            SERVICE: OUTAGE_SERVICE_TEXT,
        }.get(event.place, OUTAGE_CORE_TEXT)
    return {
        LAN: LAN_TEXT,
        ACCESS: ACCESS_TEXT,
        CORE: CORE_TEXT,
        SERVICE: SERVICE_TEXT,
        TERMINAL: TERMINAL_TEXT,
    }[event.place]


def _evidence(event: Event, terms: CongestionParameters) -> Message:
    by_delay = event.peak_us > event.threshold_us
    # Less is stated as measured, and is no evidence.
    if event.loss_ratio >= terms.loss_with_delay_min_ratio and by_delay:
        return Message(BY_DELAY_AND_LOSS)
    if by_delay:
        return Message(BY_DELAY, {"threshold_ms": round(event.threshold_us / 1000)})
    return Message(BY_LARGE) if event.large_ratio > event.loss_ratio else Message(BY_LOSS)
