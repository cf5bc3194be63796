"""Conditions `device_silent` and `site_silent`: nothing is heard in hours in which it usually is.

A terminal that is switched off is not down. What is usual is learned for each terminal and half-hour of the week. Times
in which most of the province's terminals were off (holidays) are left out; while most of a unit's are, it is nobody's
alarm.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from agent.wire.message import Message, Parameter, mark
from alerts.conditions.sentences import rounded
from alerts.moments import utc_text
from alerts.parameters import number, whole
from alerts.ports import DEVICES, PRESENCE, DeviceStatus, Inputs
from alerts.presence import SLOT_SECONDS, WEEK_SLOTS, Bools, Habits, HabitTerms
from alerts.state import CLEAR, RAISED, Observation, Subject

_HOUR_SECONDS = 3600
_HOUR_SLOTS = _HOUR_SECONDS // SLOT_SECONDS
# With fewer terminals elsewhere nothing can be said of the rest of the province.
_ELSEWHERE_MIN = 5
_MOST_RATIO = 0.5
_TOGETHER_RATIO = 0.8
# What an upload in its turn may come late.
_LAST_WORDS_SECONDS = 120.0

SILENT_TEXT = mark(
    "Nothing was heard of this terminal since {since}: {hours} hours in which it is usually on, longer than ever in "
    "the last {weeks} weeks."
)
HEARD_TEXT = mark("This terminal reports again.")
SITE_TEXT = mark(
    "Nothing was heard of any terminal of this site since {since}, in hours in which {expected} of them are usually on."
)
SITE_TOGETHER_TEXT = mark(
    "All terminals of this site ({expected} are usually on now) fell silent together at {since}: a power cut, or "
    "the line."
)
SITE_HEARD_TEXT = mark("Terminals of this site report again.")


class _Now(NamedTuple):
    """The devices as arrays, one place each."""

    devices: Sequence[DeviceStatus]
    rows: npt.NDArray[np.int64]
    units: npt.NDArray[np.int64]
    sites: npt.NDArray[np.int64]
    last_seen: npt.NDArray[np.float64]
    usual: Bools
    silent: Bools


@dataclass(frozen=True, slots=True)
class _Silence:
    """What both kinds share: the habits, and who is expected and heard now."""

    learned_weeks_min: int = whole(2, 6, "", "A half-hour of the week is learned once so many weeks have it.")
    usual_ratio: float = number(0.5, 1, "ratio", "A terminal that was on in so many of these weeks is usually on.")
    holiday_ratio: float = number(
        0,
        1,
        "ratio",
        "Half-hours in which less than this share of the usual terminals of the province were on are left out.",
    )
    silent_seconds: int = whole(300, 86_400, "seconds", "Nothing heard for so long is silence.")
    missed_min_hours: float = number(0.5, 200, "hours", "Silence in so many usual hours is needed.")
    every_seconds: int = whole(0, 86_400, "seconds", "It is judged no more often than this.")

    reads: ClassVar[Mapping[str, int]] = {DEVICES: 0, PRESENCE: 0}

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed: nothing can be."""
        return ""

    @property
    def terms(self) -> HabitTerms:
        """How weeks become a habit."""
        return HabitTerms(self.learned_weeks_min, self.usual_ratio, self.holiday_ratio)

    def _now(self, devices: Sequence[DeviceStatus], habits: Habits, now: float) -> _Now:
        rows = np.array([habits.rows.get(each.device_id, -1) for each in devices], dtype=np.int64)
        last_seen = np.array(
            [-1.0 if each.last_seen_seconds is None else each.last_seen_seconds for each in devices], dtype=np.float64
        )
        # On now and in half an hour: who leaves in this very half-hour is not missed.
        usual_rows = habits.usual_at(now) & habits.usual_at(now + SLOT_SECONDS)
        usual = (usual_rows[rows] if len(usual_rows) else np.zeros(len(rows), dtype=np.bool_)) & (rows >= 0)
        units = _numbered([each.unit_code for each in devices])
        sites = _numbered([(each.unit_code, each.site) for each in devices])
        return _Now(devices, rows, units, sites, last_seen, usual, last_seen <= now - self.silent_seconds)

    def _others_work(self, state: _Now, apart: Bools) -> bool | None:
        """Whether most of those expected elsewhere are heard; None where there are too few to say."""
        expected = state.usual & ~apart
        count = int(expected.sum())
        if count < _ELSEWHERE_MIN:
            return None
        return bool((expected & ~state.silent).sum() >= _MOST_RATIO * count)


@dataclass(frozen=True, slots=True)
class DeviceSilent(_Silence):
    """One terminal, silent in more of its usual hours than it ever was in the weeks before."""

    longest_ratio: float = number(1, 10, "ratio", "Silence must be so many times its longest of the weeks before.")

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:
        """Every terminal that is silent for too long, and those in `open_subjects` that are heard."""
        if inputs.presence is None or not inputs.devices:
            return
        habits = inputs.presence.habits(self.terms)
        state = self._now(inputs.devices, habits, now)
        yield from self._heard(state, open_subjects)
        away = state.usual & state.silent & (state.last_seen <= now - self.missed_min_hours * _HOUR_SECONDS)
        away &= ~_mostly_off(state, state.units) & ~_alone_silent(state)
        if not away.any() or self._others_work(state, away) is False:
            return
        counted: dict[int, Bools] = {}
        for place in np.flatnonzero(away).tolist():
            device, row, unit = state.devices[place], int(state.rows[place]), int(state.units[place])
            if unit not in counted:
                counted[unit] = _counted_in_unit(habits, state.rows[state.units == unit])
            columns = counted[unit]
            missed = _missed_slots(habits, row, columns, float(state.last_seen[place]))
            least = max(self.missed_min_hours * _HOUR_SLOTS, self.longest_ratio * habits.longest_absence(row, columns))
            if missed >= least:
                yield _subject(device), self._raised(device, habits, missed)

    def _heard(self, state: _Now, open_subjects: Container[str]) -> Iterator[tuple[Subject, Observation]]:
        for place in np.flatnonzero(~state.silent).tolist():
            device = state.devices[place]
            if device.device_id in open_subjects:
                yield _subject(device), Observation(CLEAR, Message(HEARD_TEXT), {}, quiet=True)

    def _raised(self, device: DeviceStatus, habits: Habits, missed: int) -> Observation:
        hours = round(missed / _HOUR_SLOTS, 1)
        since = device.last_seen_seconds or 0.0
        weeks = habits.seen.shape[1] // WEEK_SLOTS
        values: dict[str, Parameter] = {"since": utc_text(since), "hours": rounded(hours), "weeks": weeks}
        readings = {"last_seen_seconds": round(since), "missed_hours": hours}
        return Observation(RAISED, Message(SILENT_TEXT, values), readings, magnitude=hours)


@dataclass(frozen=True, slots=True)
class SiteSilent(_Silence):
    """A whole site, silent: one alert in place of one for each of its terminals."""

    terminals_min: int = whole(2, 100, "", "A site with fewer terminals that are usually on now is not judged.")
    together_terminals_min: int = whole(2, 100, "", "So many falling silent together need no further waiting.")
    together_seconds: int = whole(30, 3600, "seconds", "Within so long of each other is together.")
    minutely_terminals: int = whole(0, 100, "", "So many of a site upload each minute; the others in batches.")
    batch_seconds: int = whole(
        0, 7200, "seconds", "So much earlier those are last heard who report in batches and had no turn any more."
    )

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:
        """Every site that is silent, and those in `open_subjects` that are heard."""
        if inputs.presence is None or not inputs.devices:
            return
        habits = inputs.presence.habits(self.terms)
        state = self._now(inputs.devices, habits, now)
        for places in _groups(state.sites):
            first = state.devices[int(places[0])]
            subject = Subject(f"{first.unit_code}/{first.site}", "", first.unit_code, first.site)
            if not state.silent[places].all():
                if subject.key in open_subjects:
                    yield subject, Observation(CLEAR, Message(SITE_HEARD_TEXT), {}, quiet=True)
                continue
            observation = self._silent(state, habits, places, now)
            if observation is not None:
                yield subject, observation

    def _silent(self, state: _Now, habits: Habits, places: npt.NDArray[np.int64], now: float) -> Observation | None:
        expected = places[state.usual[places]]
        since = float(state.last_seen[places].max())
        if len(expected) < self.terminals_min or since < 0:
            return None
        apart = np.zeros(len(state.devices), dtype=np.bool_)
        apart[places] = True
        others = self._others_work(state, apart)
        if others is False:
            return None
        # Those who upload each minute may be off while another, whose turn comes more rarely, works.
        if len(places) > self.minutely_terminals and now - since < self.batch_seconds + _LAST_WORDS_SECONDS:
            return None
        ended = state.last_seen[expected] >= since - self.together_seconds
        not_before = state.last_seen[expected] >= since - self.together_seconds - self.batch_seconds
        together = ended.sum() >= self.together_terminals_min and not_before.mean() >= _TOGETHER_RATIO
        missed = _site_slots(habits, state.rows[expected], since, now) / _HOUR_SLOTS
        if not together and (others is None or missed < self.missed_min_hours):
            return None
        values: dict[str, Parameter] = {"since": utc_text(since), "expected": len(expected)}
        readings = {
            "last_seen_seconds": round(since),
            "expected_terminals": len(expected),
            "terminals": len(places),
            "missed_hours": missed,
        }
        text = SITE_TOGETHER_TEXT if together else SITE_TEXT
        return Observation(RAISED, Message(text, values), readings, magnitude=float(len(expected)))


def _subject(device: DeviceStatus) -> Subject:
    return Subject(device.device_id, device.device_id, device.unit_code, device.site)


def _numbered(keys: Sequence[object]) -> npt.NDArray[np.int64]:
    """A number for each, the same for equal ones."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _groups(numbers: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """The places of each number."""
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)


def _mostly_off(state: _Now, groups: npt.NDArray[np.int64]) -> Bools:
    """Of each device, whether less than half of those expected in its group are heard; alone it has no group."""
    expected = np.bincount(groups, state.usual)
    heard = np.bincount(groups, state.usual & ~state.silent)
    off: Bools = (expected > 1) & (heard < _MOST_RATIO * expected)
    return off[groups]


def _alone_silent(state: _Now) -> Bools:
    """Of each device, whether its site has others and none of them is heard: the site's alert, not its own."""
    count, silent = np.bincount(state.sites), np.bincount(state.sites, state.silent)
    whole: Bools = (count > 1) & (silent == count)
    return whole[state.sites]


def _counted_in_unit(habits: Habits, rows: npt.NDArray[np.int64]) -> Bools:
    """Which columns count for a unit: no holiday, and at least half of its terminals that are usually on were."""
    rows = rows[rows >= 0]
    expected = habits.usual[rows][:, habits.slot_weeks()]
    on = (habits.seen[rows] & expected).sum(axis=0)
    wanted = expected.sum(axis=0)
    counted: Bools = habits.counted & ((wanted <= 1) | (on >= _MOST_RATIO * wanted))
    return counted


def _missed_slots(habits: Habits, row: int, counted: Bools, since: float) -> int:
    """Usual half-hours that have wholly passed since then, up to the newest of the book."""
    first = habits.newest - habits.seen.shape[1] + 1
    after = max(0, int(since) // SLOT_SECONDS + 1 - first)
    expected = habits.usual[row, habits.slot_weeks()] & counted
    return int(expected[after:].sum())


def _site_slots(habits: Habits, rows: npt.NDArray[np.int64], since: float, now: float) -> int:
    """Half-hours wholly passed since then in which at least half of these are usually on."""
    slots = np.arange(int(since) // SLOT_SECONDS + 1, int(now) // SLOT_SECONDS)
    share = habits.usual[rows].mean(axis=0)[slots % WEEK_SLOTS]
    return int((share >= _MOST_RATIO).sum())
