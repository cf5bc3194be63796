"""What is told now: every notice that is due becomes part of a letter, or gets a reason why it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from alerts.route.holding import holding_cause
from alerts.route.inhibition import hold_seconds
from alerts.route.model import (
    BY_ACKNOWLEDGEMENT,
    BY_BREVITY,
    BY_CONTINUATION,
    BY_EARLIER_STEP,
    BY_QUIET_HOURS,
    BY_REMOVAL,
    DIGEST,
    DONE,
    ESCALATION,
    FINAL_STATES,
    FIRING,
    FLAPPING,
    MERGED,
    REMINDER,
    RESOLVED,
    SEVERITIES,
    SPARED,
    TOLD,
    WAITING,
    WITHHELD,
    Decision,
    Incident,
    Letter,
    Notice,
    Receiver,
    rank,
)
from alerts.route.schedule import quiet_until
from alerts.route.situation import Situation
from alerts.route.words import cause_of

# How often a notice that is held back is looked at again.
RECHECK_SECONDS = 60.0


@dataclass(slots=True)
class _Pile:
    """Notices of one receiver that could go into one letter."""

    members: list[tuple[Notice, Incident]] = field(default_factory=list)
    # When the first of them has waited long enough.
    ready_at: float = float("inf")

    def add(self, notice: Notice, incident: Incident, ready_at: float) -> None:
        self.members.append((notice, incident))
        self.ready_at = min(self.ready_at, ready_at)

    def worst(self) -> str:
        return max((incident.severity for _, incident in self.members), key=rank)


class _Desk:
    """One decision in the making."""

    def __init__(self, situation: Situation, known: Iterable[tuple[Notice, Incident]]) -> None:
        self.situation = situation
        self.now = situation.now
        self.changed: dict[int, Notice] = {}
        self.letters: list[Letter] = []
        self.groups: dict[tuple[int, str], float] = {}
        # Notices of the same alert to the same receiver, which one must not contradict.
        self.siblings: dict[tuple[int, tuple[str, str]], list[tuple[Notice, Incident]]] = {}
        self.of_incident: dict[int, list[Notice]] = {}
        for notice, incident in known:
            self.of_incident.setdefault(incident.id, []).append(notice)
            self.siblings.setdefault((notice.receiver_id, incident.key), []).append((notice, incident))
        self.resolved: dict[tuple[int, str], _Pile] = {}
        self.piles: dict[tuple[int, str, str], _Pile] = {}
        self.digests: dict[int, _Pile] = {}

    def put(self, notice: Notice) -> None:
        self.changed[notice.id] = notice

    def newest(self, notice: Notice) -> Notice:
        return self.changed.get(notice.id, notice)

    def later(self, notice: Notice, **changes: object) -> None:
        self.put(replace(notice, **changes))  # type: ignore[arg-type] # the fields' own types


def decide(due: Sequence[tuple[Notice, Incident]], situation: Situation) -> Decision:
    """What is to be told and written down for these notices now.

    Args:
        due: notices that are due, with their incidents; and with them all others, not final, of the same alerts and of
            the same groups, which are passed over unless they can go along.
        situation: everything else that holds.
    """
    desk = _Desk(situation, due)
    for notice, incident in sorted(due, key=lambda pair: (pair[1].id, pair[0].id)):
        _sort(desk, notice, incident)
    _write_resolved(desk)
    _write_first(desk)
    _write_digests(desk)
    return Decision(tuple(desk.changed.values()), tuple(desk.letters), desk.groups)


def _sort(desk: _Desk, notice: Notice, incident: Incident) -> None:
    """Puts one notice onto the pile it belongs to, or writes down why on none."""
    receiver = desk.situation.receivers.get(notice.receiver_id)
    if notice.state in FINAL_STATES or desk.newest(notice).state in FINAL_STATES:
        return
    if receiver is None:
        state = DONE if notice.state == TOLD else SPARED
        desk.later(notice, state=state, due_at=None, cause=cause_of(BY_REMOVAL))
    elif notice.state == TOLD:
        _sort_told(desk, notice, incident, receiver)
    else:
        _sort_untold(desk, notice, incident, receiver)


def _sort_told(desk: _Desk, notice: Notice, incident: Incident, receiver: Receiver) -> None:
    now, rules = desk.now, desk.situation.rules
    if incident.ended_at is not None:
        flap = desk.situation.flap(incident)
        if flap is not None:
            desk.later(notice, due_at=min(flap.stable_at, now + RECHECK_SECONDS))
            return
        quiet_end = quiet_until(receiver, incident.severity, now)
        if quiet_end is not None:
            desk.later(notice, due_at=quiet_end, cause=cause_of(BY_QUIET_HOURS))
        elif notice.cause is not None and notice.cause.kind == BY_QUIET_HOURS:
            desk.digests.setdefault(receiver.id, _Pile()).add(notice, incident, now)
        else:
            ready_at = incident.ended_at + rules.wait_seconds[_severity(incident)]
            desk.resolved.setdefault((receiver.id, rules.group_of(incident)), _Pile()).add(notice, incident, ready_at)
        return
    if notice.due_at is None or notice.due_at > now:
        return
    every = rules.reminder_seconds[_severity(incident)]
    if incident.acknowledged or every <= 0:
        desk.later(notice, due_at=None)
    elif holding_cause(desk.situation, incident, receiver) is not None:
        desk.later(notice, due_at=now + RECHECK_SECONDS)
    else:
        _pile(desk, notice, incident, REMINDER).add(notice, incident, now)


def _sort_untold(desk: _Desk, notice: Notice, incident: Incident, receiver: Receiver) -> None:
    now = desk.now
    slept = notice.cause is not None and notice.cause.kind == BY_QUIET_HOURS
    if receiver.step > 0 and not slept and not _step_is_due(desk, notice, incident, receiver):
        return
    if incident.ended_at is not None and not slept:
        desk.later(notice, state=SPARED, due_at=None, cause=notice.cause or cause_of(BY_BREVITY))
        return
    held = holding_cause(desk.situation, incident, receiver)
    if held is not None:
        if incident.ended_at is not None and held.kind != BY_QUIET_HOURS:
            desk.later(notice, state=SPARED, due_at=None, cause=held)
            return
        quiet_end = quiet_until(receiver, incident.severity, now) if held.kind == BY_QUIET_HOURS else None
        desk.later(notice, state=WITHHELD, cause=held, due_at=quiet_end or now + RECHECK_SECONDS)
        return
    flap = desk.situation.flap(incident)
    if slept:
        desk.digests.setdefault(receiver.id, _Pile()).add(notice, incident, now)
    elif flap is not None and flap.incident_id == incident.id:
        _pile(desk, notice, incident, FLAPPING).add(notice, incident, now)
    elif receiver.step > 0:
        _pile(desk, notice, incident, ESCALATION).add(notice, incident, now)
    else:
        _wait(desk, notice, incident)


def _wait(desk: _Desk, notice: Notice, incident: Incident) -> None:
    """Puts a firing that nothing stands against with its group, once no source can appear any more to explain it."""
    rules = desk.situation.rules
    held_until = incident.fired_at + hold_seconds(rules.inhibitions, incident)
    if desk.now < held_until:
        desk.later(notice, state=WAITING, cause=None, due_at=held_until)
        return
    ready_at = incident.fired_at + rules.wait_seconds[_severity(incident)]
    _pile(desk, notice, incident, FIRING).add(notice, incident, ready_at)


def _step_is_due(desk: _Desk, notice: Notice, incident: Incident, receiver: Receiver) -> bool:
    """Whether it is the turn of a receiver of a later step; writes down what it waits for, or that it never will."""
    minutes = desk.situation.rules.escalation_minutes[_severity(incident)]
    if receiver.step > len(minutes):
        desk.later(notice, state=SPARED, due_at=None, cause=cause_of(BY_EARLIER_STEP))
        return False
    if incident.acknowledged:
        desk.later(notice, state=SPARED, due_at=None, cause=cause_of(BY_ACKNOWLEDGEMENT))
        return False
    if incident.ended_at is not None:
        return True
    if incident.first_told_at is None and desk.now - incident.fired_at < _longest_wait(desk, incident):
        due_at = desk.now + RECHECK_SECONDS
    elif incident.first_told_at is None and _withheld_from_others(desk, notice, incident):
        # Nobody is late who was not told, for a reason that stands written there.
        due_at = desk.now + RECHECK_SECONDS
    else:
        due_at = (incident.first_told_at or incident.fired_at) + minutes[receiver.step - 1] * 60
    if due_at <= desk.now:
        return True
    desk.later(notice, state=WITHHELD, cause=cause_of(BY_EARLIER_STEP), due_at=due_at)
    return False


def _longest_wait(desk: _Desk, incident: Incident) -> float:
    rules = desk.situation.rules
    wait = max(rules.wait_seconds[_severity(incident)], hold_seconds(rules.inhibitions, incident))
    return wait + rules.interval_seconds[_severity(incident)]


def _withheld_from_others(desk: _Desk, notice: Notice, incident: Incident) -> bool:
    return any(other.id != notice.id and _first_step(desk, other) for other in desk.of_incident[incident.id])


def _first_step(desk: _Desk, notice: Notice) -> bool:
    receiver = desk.situation.receivers.get(notice.receiver_id)
    return receiver is not None and receiver.step == 0 and notice.state in {WAITING, WITHHELD}


def _pile(desk: _Desk, notice: Notice, incident: Incident, kind: str) -> _Pile:
    # Each flapping alert is a notice of its own: it is about the alert, not about the moment.
    group = f"{incident.id}" if kind == FLAPPING else desk.situation.rules.group_of(incident)
    return desk.piles.setdefault((notice.receiver_id, group, kind), _Pile())


def _write_resolved(desk: _Desk) -> None:
    for (receiver_id, _), pile in desk.resolved.items():
        if pile.ready_at > desk.now:
            for notice, _ in pile.members:
                desk.later(notice, due_at=pile.ready_at)
            continue
        _write(desk, RESOLVED, receiver_id, pile)


def _write_first(desk: _Desk) -> None:
    rules, now = desk.situation.rules, desk.now
    for (receiver_id, group, kind), pile in sorted(desk.piles.items(), key=lambda item: item[1].members[0][1].id):
        last = desk.situation.groups.get((receiver_id, group))
        ready_at = pile.ready_at
        if last is not None and kind == FIRING:
            ready_at = max(ready_at, last + rules.interval_seconds[pile.worst()])
        if ready_at > now:
            for notice, _ in pile.members:
                desk.later(notice, state=WAITING, cause=None, due_at=ready_at)
            continue
        _write(desk, kind, receiver_id, pile)
        if kind == FIRING:
            desk.groups[receiver_id, group] = now


def _write_digests(desk: _Desk) -> None:
    for receiver_id, pile in desk.digests.items():
        _write(desk, DIGEST, receiver_id, pile)


def _write(desk: _Desk, kind: str, receiver_id: int, pile: _Pile) -> None:
    written: list[int] = []
    for notice, incident in pile.members:
        if kind != REMINDER and notice.state != TOLD:
            _merge_earlier(desk, notice, incident)
        if desk.newest(notice).state in FINAL_STATES:
            continue
        written.append(notice.id)
        over = incident.ended_at is not None
        told_at, told_as = (notice.told_at, notice.told_as) if notice.state == TOLD else (desk.now, kind)
        every = desk.situation.rules.reminder_seconds[_severity(incident)]
        desk.later(
            notice,
            state=DONE if over else TOLD,
            told_at=told_at,
            told_as=told_as,
            cause=None,
            due_at=desk.now + every if every > 0 and not over else None,
        )
    if written:
        desk.letters.append(Letter(kind, receiver_id, tuple(written)))


def _merge_earlier(desk: _Desk, notice: Notice, incident: Incident) -> None:
    """An end that was not yet told goes into this incident's: told after this, it would read as this one's end."""
    for known, _ in desk.siblings[notice.receiver_id, incident.key]:
        other = desk.newest(known)
        if other.incident_id < notice.incident_id and other.state not in FINAL_STATES:
            state = MERGED if other.state == TOLD else SPARED
            desk.later(other, state=state, due_at=None, cause=cause_of(BY_CONTINUATION))


def _severity(incident: Incident) -> str:
    return SEVERITIES[rank(incident.severity)]
