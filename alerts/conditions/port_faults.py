"""Conditions `port_slow` and `port_errors`: the port at the end of a site's line is itself the trouble."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from agent.wire.message import Message, mark
from alerts.capacity import megabits, nearest_rank
from alerts.laws import sample_seconds
from alerts.parameters import number, whole
from alerts.ports import PORTS, Inputs
from alerts.slots import ERROR_RATIO, ERRORS, HALF_DUPLEX, SPEED_KBIT_S, Floats, LinePort, PortKey
from alerts.state import CLEAR, NOTHING_READ, RAISED, SUSPECT, Observation, Subject

_MEDIAN_PERCENT = 50

HALF_DUPLEX_TEXT = mark("Port {interface} of {name} runs half duplex at {speed} Mbit/s: both ends do not agree.")
SLOW_TEXT = mark("Port {interface} of {name} has agreed on only {speed} Mbit/s.")
EXPECTED_TEXT = mark("Port {interface} of {name} has agreed on {speed} Mbit/s; configured are {wanted} Mbit/s.")
CAPACITY_TEXT = mark(
    "Port {interface} of {name} has agreed on {speed} Mbit/s, less than the line's capacity of {wanted} Mbit/s."
)
USUAL_TEXT = mark("Port {interface} of {name} has agreed on {speed} Mbit/s; usual are {wanted} Mbit/s.")
NORMAL_TEXT = mark("Port {interface} of {name} is back at {speed} Mbit/s.")
ERRORS_TEXT = mark(
    "Port {interface} of {name}: at least {percent} percent of the frames are bad ({errors} in {slots} of the last "
    "{window} samples): cable, plug or the port at the other end."
)
SOME_ERRORS_TEXT = mark("Port {interface} of {name}: bad frames in {slots} of the last {window} samples.")
NO_ERRORS_TEXT = mark("Port {interface} of {name} has no noteworthy share of bad frames any more.")


@dataclass(frozen=True, slots=True)
class PortSlow:
    """A port that agreed on a low speed or on half duplex: the parameters and the judgement."""

    reads: ClassVar[Mapping[str, int]] = {PORTS: 0}

    slow_max_kbit_s: int = whole(0, 1_000_000, "kbit/s", "A port at this speed or below is slow whatever is usual.")
    hot_slots: int = whole(1, 24, "", "So many newest samples in a row must show it.")
    usual_slots: int = whole(1, 2016, "", "So many samples with a speed make a usual speed.")

    @property
    def every_seconds(self) -> int:
        """Once for each sample."""
        return sample_seconds()

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed: nothing can be."""
        return ""

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:
        """Every port that is slow or half duplex, and those in `open_subjects` that no longer are."""
        if inputs.ports is None:
            return
        book = inputs.ports.book
        # The slot of now has no sample before it is over.
        last = book.slot_of(now) - 1
        for line in inputs.ports.lines:
            subject = _subject(line)
            rows = book.between(
                PortKey(line.device_id, line.interface), last - book.size + 1, last, SPEED_KBIT_S, HALF_DUPLEX
            )
            faults = self._faults_of(line, rows)
            if not faults:
                if subject.key in open_subjects:
                    yield subject, NOTHING_READ
                continue
            newest = faults[-1]
            if newest is not None:
                text, readings = newest
                level = RAISED if all(faults) and len(faults) == self.hot_slots else SUSPECT
                yield subject, Observation(level, Message(text, {**readings}), readings, magnitude=1.0)
            elif subject.key in open_subjects:
                readings = {"name": line.name, "interface": line.interface, "speed": megabits(_newest(rows[0]))}
                # Back to normal only when no recent sample shows it any more.
                quiet = not any(faults) and len(faults) == self.hot_slots
                yield subject, Observation(CLEAR, Message(NORMAL_TEXT, {**readings}), readings, quiet=quiet)

    def _faults_of(self, line: LinePort, rows: Floats) -> list[tuple[str, dict[str, str | int | float]] | None]:
        """What is wrong in each of the newest samples with a speed, oldest first; at most `hot_slots`."""
        known = np.flatnonzero(~np.isnan(rows[0]))
        recent = known[-self.hot_slots :]
        # Older than twice the window it says nothing of now.
        recent = recent[recent >= rows.shape[1] - 2 * self.hot_slots]
        before = rows[0][known[: -self.hot_slots]]
        usual = nearest_rank(before, _MEDIAN_PERCENT) if len(before) >= self.usual_slots else None
        return [self._fault(line, rows[0][at], rows[1][at], usual) for at in recent]

    def _fault(
        self, line: LinePort, speed: float, half_duplex: float, usual: float | None
    ) -> tuple[str, dict[str, str | int | float]] | None:
        shown: dict[str, str | int | float] = {"name": line.name, "interface": line.interface, "speed": megabits(speed)}
        if half_duplex == 1:
            return HALF_DUPLEX_TEXT, shown
        if line.expected_speed_kbit_s is not None:
            # What a person configured goes before every guess, a port of 10 Mbit/s included.
            wanted = line.expected_speed_kbit_s
            return (EXPECTED_TEXT, {**shown, "wanted": megabits(wanted)}) if speed < wanted else None
        capacity = max(line.capacity_down_kbit_s or 0, line.capacity_up_kbit_s or 0)
        if speed < capacity:
            return CAPACITY_TEXT, {**shown, "wanted": megabits(capacity)}
        if speed <= self.slow_max_kbit_s:
            return SLOW_TEXT, shown
        if usual is not None and speed < usual:
            return USUAL_TEXT, {**shown, "wanted": megabits(usual)}
        return None


@dataclass(frozen=True, slots=True)
class PortErrors:
    """A port with bad frames over some time: the parameters and the judgement."""

    reads: ClassVar[Mapping[str, int]] = {PORTS: 0}

    error_min_ratio: float = number(0, 1, "ratio", "A sample with at least this share of bad frames counts.")
    errors_min: int = whole(1, 1_000_000, "", "A sample with fewer bad frames does not count.")
    window_slots: int = whole(1, 288, "", "So many newest samples are looked at.")
    hot_slots: int = whole(1, 288, "", "So many of them must count.")

    @property
    def every_seconds(self) -> int:
        """Once for each sample."""
        return sample_seconds()

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        if self.hot_slots > self.window_slots:
            return f"hot_slots is {self.hot_slots}, expected at most window_slots ({self.window_slots})"
        return ""

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:
        """Every port with bad frames, and those in `open_subjects` that have none any more."""
        if inputs.ports is None:
            return
        book = inputs.ports.book
        # The slot of now has no sample before it is over.
        last = book.slot_of(now) - 1
        for line in inputs.ports.lines:
            subject = _subject(line)
            key = PortKey(line.device_id, line.interface)
            errors, ratios = book.between(key, last - self.window_slots + 1, last, ERRORS, ERROR_RATIO)
            hot = (ratios >= self.error_min_ratio) & (errors >= self.errors_min)
            slots = int(np.count_nonzero(hot))
            known = int(np.count_nonzero(~np.isnan(errors)))
            if slots:
                readings: dict[str, str | int | float] = {
                    "name": line.name,
                    "interface": line.interface,
                    "slots": slots,
                    "window": self.window_slots,
                    "errors": int(errors[hot].sum()),
                    "percent": round(float(np.median(ratios[hot])) * 100, 2),
                }
                enough = slots >= self.hot_slots
                text = ERRORS_TEXT if enough else SOME_ERRORS_TEXT
                level = RAISED if enough else SUSPECT
                worst = round(float(ratios[hot].max()), 6)
                yield subject, Observation(level, Message(text, readings), readings, magnitude=worst)
            elif subject.key in open_subjects:
                # Of a port that is not heard of nothing can be said; half a window is enough to call it quiet.
                if 2 * known < self.window_slots:
                    yield subject, NOTHING_READ
                    continue
                shown: dict[str, str | int | float] = {"name": line.name, "interface": line.interface}
                yield subject, Observation(CLEAR, Message(NO_ERRORS_TEXT, {**shown}), shown, quiet=True)


def _subject(line: LinePort) -> Subject:
    return Subject(f"{line.device_id}/{line.interface}", "", line.unit_code, line.site)


def _newest(speeds: Floats) -> float:
    return float(speeds[np.flatnonzero(~np.isnan(speeds))[-1]])
