"""Incidents, receivers and notices, and a province in which time passes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import pytest

from alerts.route.assign import assign
from alerts.route.decide import decide
from alerts.route.flapping import after_change, after_firing
from alerts.route.inhibition import Source
from alerts.route.model import FINAL_STATES, SPARED, WAITING, Incident, Notice, Receiver
from alerts.route.rules import load_routing
from alerts.route.situation import Situation

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")


def moment(text):
    """Seconds since 1970 of a time in Viet Nam, as 2026-03-02 09:00."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=HANOI).timestamp()


START = moment("2026-03-02 09:00")


@dataclass
class Province:
    """What the collector does around the pure functions, with lists for tables."""

    receivers: list
    rules: object = field(default_factory=load_routing)
    shifts: list = field(default_factory=list)
    silences: list = field(default_factory=list)
    windows: list = field(default_factory=list)
    incidents: dict = field(default_factory=dict)
    notices: dict = field(default_factory=dict)
    groups: dict = field(default_factory=dict)
    flaps: dict = field(default_factory=dict)
    letters: list = field(default_factory=list)
    unrouted: set = field(default_factory=set)
    gaps: set = field(default_factory=set)

    def fire(self, now, rule="congestion", subject="16681/main", severity="critical", **place):
        place = {"unit_code": "16681", "district": "Nghi Lộc", "site": "main", "device_id": "", "place": ""} | place
        number = len(self.incidents) + 1
        one = Incident(number, rule, subject, severity, fired_at=now, **place)
        self.incidents[number] = one
        fired = [other.fired_at for other in self.incidents.values() if other.key == one.key]
        known = self.flaps.get(one.key)
        flap = after_firing(self.rules, known if known and now < known.stable_at else None, number, fired, now)
        if flap:
            self.flaps[one.key] = flap
        found = assign(one, self.receivers, self.shifts, now, self.rules.handover_minute)
        if found.gap:
            self.gaps.add(number)
        if not found.receivers:
            self.unrouted.add(number)
        for receiver_id in found.receivers:
            notice = Notice(len(self.notices) + 1, number, receiver_id, WAITING, now)
            self.notices[notice.id] = notice
        return number

    def resolve(self, number, now):
        one = self.incidents[number]
        self.incidents[number] = replace(one, ended_at=now)
        if one.key in self.flaps and now < self.flaps[one.key].stable_at:
            self.flaps[one.key] = after_change(self.rules, self.flaps[one.key], now)
        for notice in list(self.notices.values()):
            if notice.incident_id == number and notice.state not in FINAL_STATES:
                self.notices[notice.id] = replace(notice, due_at=now)

    def acknowledge(self, number):
        self.incidents[number] = replace(self.incidents[number], acknowledged=True)

    def tick(self, now):
        """Decides; returns the letters as (kind, receiver's name, numbers of incidents)."""
        due = {n.id for n in self.notices.values() if n.due_at is not None and n.due_at <= now}
        groups = {(self.notices[n].receiver_id, self._group(n)) for n in due}
        due |= {
            n.id for n in self.notices.values() if n.state == WAITING and (n.receiver_id, self._group(n.id)) in groups
        }
        keys = {self._incident(n).key for n in due}
        due |= {n.id for n in self.notices.values() if n.state not in FINAL_STATES and self._incident(n.id).key in keys}
        situation = Situation(
            now,
            self.rules,
            {one.id: one for one in self.receivers},
            self.silences,
            self.windows,
            [self._source(one) for one in self.incidents.values() if self.rules.may_inhibit(one.rule)],
            self.groups,
            self.flaps,
        )
        decision = decide([(self.notices[n], self._incident(n)) for n in due], situation)
        self.notices |= {one.id: one for one in decision.notices}
        self.groups |= decision.groups
        names = {one.id: one.name for one in self.receivers}
        made = []
        for letter in decision.letters:
            numbers = tuple(self.notices[n].incident_id for n in letter.notices)
            for number in numbers:
                one = self.incidents[number]
                if one.first_told_at is None:
                    self.incidents[number] = replace(one, first_told_at=now)
            made.append((letter.kind, names[letter.receiver_id], numbers))
        self.letters += [(now, *one) for one in made]
        return made

    def run(self, start, seconds, step=15):
        """Ticks through a time; returns the letters with the minutes after `start`."""
        before = len(self.letters)
        for offset in range(0, int(seconds) + 1, step):
            self.tick(start + offset)
        return [(round((at - start) / 60, 2), *rest) for at, *rest in self.letters[before:]]

    def state(self, number, name):
        receiver_id = next(one.id for one in self.receivers if one.name == name)
        return next(n for n in self.notices.values() if n.incident_id == number and n.receiver_id == receiver_id)

    def _incident(self, notice_id):
        return self.incidents[self.notices[notice_id].incident_id]

    def _group(self, notice_id):
        return self.rules.group_of(self._incident(notice_id))

    def _source(self, one):
        who = {n.receiver_id for n in self.notices.values() if n.incident_id == one.id and n.state != SPARED}
        return Source(one, who)


@pytest.fixture
def start():
    return START


@pytest.fixture
def at():
    return moment


@pytest.fixture
def province():
    """Makes a province with these receivers; the first is called `it` unless named."""

    def make(*receivers, **changes):
        known = receivers or (Receiver(1, "it"),)
        return Province(list(known), **changes)

    return make
