"""What routing speaks of: incidents, receivers, notices, and what keeps a notice back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.wire.message import Message

SEVERITIES = ("info", "warning", "critical")

# States of a notice.
WAITING = "waiting"
WITHHELD = "withheld"
TOLD = "told"
DONE = "done"
SPARED = "spared"
MERGED = "merged"
FINAL_STATES = (DONE, SPARED, MERGED)

# Why a notice is withheld or was never told.
BY_MAINTENANCE = "maintenance"
BY_SILENCE = "silenced"
BY_INHIBITION = "inhibited"
BY_QUIET_HOURS = "quiet_hours"
BY_FLAPPING = "flapping"
BY_ACKNOWLEDGEMENT = "acknowledged"
BY_BREVITY = "over_before_told"
BY_EARLIER_STEP = "earlier_step"
BY_REMOVAL = "receiver_removed"
BY_CONTINUATION = "continued"
BY_FAILURE = "undeliverable"
CAUSES = (
    BY_MAINTENANCE,
    BY_SILENCE,
    BY_INHIBITION,
    BY_QUIET_HOURS,
    BY_FLAPPING,
    BY_ACKNOWLEDGEMENT,
    BY_BREVITY,
    BY_EARLIER_STEP,
    BY_REMOVAL,
    BY_CONTINUATION,
    BY_FAILURE,
)

# Kinds of letters.
FIRING = "firing"
RESOLVED = "resolved"
REMINDER = "reminder"
ESCALATION = "escalation"
DIGEST = "digest"
FLAPPING = "flapping"


def rank(severity: str) -> int:
    """Higher is worse; a word that is no severity counts as `warning`, so that nothing is missed."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else SEVERITIES.index("warning")


@dataclass(frozen=True, slots=True)
class Incident:
    """One alert from its firing to its end.

    Args:
        id: greater for a later one.
        rule: name of the rule.
        subject: names, with the rule, the alert.
        severity: one of `SEVERITIES`.
        unit_code: empty where it is the whole province.
        district: former district of the unit, empty where it is the whole province.
        site: empty where it is not about one.
        device_id: empty where it is not about one terminal.
        place: `lan`, `access`, `core`, `service`, `terminal` or empty.
        fired_at: seconds since 1970-01-01 UTC.
        ended_at: the same; None while it fires.
        first_told_at: when the first person was told; None while nobody was.
        acknowledged: whether a person has taken it on.
    """

    id: int
    rule: str
    subject: str
    severity: str
    unit_code: str
    district: str
    site: str
    device_id: str
    place: str
    fired_at: float
    ended_at: float | None = None
    first_told_at: float | None = None
    acknowledged: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What names the alert through all its incidents."""
        return self.rule, self.subject

    @property
    def scope(self) -> str:
        """`terminal`, `site`, `unit` or `province`: how much of the network it is about."""
        if self.device_id:
            return "terminal"
        if self.site:
            return "site"
        return "unit" if self.unit_code else "province"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When less than `below` waits until the morning.

    Args:
        start_minute: minutes after midnight in the receiver's time zone.
        end_minute: the same; less than `start_minute` where midnight lies between, never equal.
        below: severities less than this wait.
    """

    start_minute: int
    end_minute: int
    below: str = "critical"


@dataclass(frozen=True, slots=True)
class Receiver:
    """One place that notifications go to, and what it wants.

    Args:
        id: number.
        name: for people.
        min_severity: less than this is none of its business.
        rules: patterns of rule names (`*` and `?`); empty: all.
        units: unit codes; with `districts` empty: the whole province.
        districts: former districts.
        step: 0 is told at once, 1 and more when nobody has acknowledged in time.
        duty_only: told only while on duty.
        fallback: told where nobody else is.
        time_zone: IANA name.
        quiet: None: never quiet.
    """

    id: int
    name: str
    min_severity: str = "info"
    rules: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    districts: tuple[str, ...] = ()
    step: int = 0
    duty_only: bool = False
    fallback: bool = False
    time_zone: str = "Asia/Ho_Chi_Minh"
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a notice was not told.

    Args:
        kind: one of `CAUSES`.
        text: the same for people.
    """

    kind: str
    text: Message


@dataclass(frozen=True, slots=True)
class Notice:
    """What one receiver is to know, or knows, of one incident.

    Args:
        id: number.
        incident_id: of which incident.
        receiver_id: whom.
        state: `waiting`, `withheld`, `told`, `done` (the end was told too), `spared` (never told, with its cause) or
            `merged` (its end went into a later incident of the same alert).
        due_at: when it must be looked at again; None: never by the clock.
        cause: why it is withheld or was never told.
        told_at: when it was decided to tell; None while it was not.
        told_as: kind of the letter that told it.
    """

    id: int
    incident_id: int
    receiver_id: int
    state: str = WAITING
    due_at: float | None = None
    cause: Cause | None = None
    told_at: float | None = None
    told_as: str = ""


@dataclass(frozen=True, slots=True)
class Flap:
    """An alert that comes and goes too often.

    Args:
        incident_id: the incident that was told as flapping.
        since: when that was.
        stable_at: when it counts as settled, unless it changes again.
    """

    incident_id: int
    since: float
    stable_at: float


@dataclass(frozen=True, slots=True)
class Letter:
    """One notification to be written.

    Args:
        kind: why it is sent.
        receiver_id: to whom.
        notices: numbers of the notices it tells, in order of firing; never empty.
    """

    kind: str
    receiver_id: int
    notices: tuple[int, ...]


Groups = Mapping[tuple[int, str], float]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done now.

    Args:
        notices: those that changed.
        letters: what is to be written, in the order in which it must arrive.
        groups: (receiver, group) and when it was last told, where that changed.
    """

    notices: tuple[Notice, ...] = ()
    letters: tuple[Letter, ...] = ()
    groups: Groups = field(default_factory=dict)
