"""Condition `device_clock`: a terminal's clock is wrong for as long as it reports."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from agent.wire.message import Message, Parameter, mark
from alerts.parameters import whole
from alerts.ports import DEVICES, Inputs
from alerts.state import CLEAR, RAISED, Observation, Subject

_DAY_SECONDS = 86_400
_MINUTE_SECONDS = 60
_HOUR_SECONDS = 3600
# The widest difference between two time zones (UTC-12 and UTC+14).
_ZONES_HOURS = 26

BEHIND_TEXT = mark("The clock of this terminal is {minutes} minutes slow.")
AHEAD_TEXT = mark("The clock of this terminal is {minutes} minutes fast.")
BATTERY_TEXT = mark(
    "The clock of this terminal is {days} days in the past: it starts anew when the power is cut, so the battery of "
    "its main board (CMOS) is probably empty."
)
ZONE_TEXT = mark(
    "The clock of this terminal is wrong by {hours} hours to the minute: its time zone, or the hour set in it, is "
    "probably wrong."
)
CLEAR_TEXT = mark("The clock of this terminal is right again, to {seconds} seconds.")
BETWEEN_TEXT = mark("The clock of this terminal is wrong by {seconds} seconds, which is less than is warned of.")


@dataclass(frozen=True, slots=True)
class DeviceClock:
    """The clock that the newest report showed, against the collector's.

    A report that waited to be sent makes a clock look slow by that time until the terminal's next report; that is why a
    rule of this kind needs a `for_seconds` of some reports.
    """

    reads: ClassVar[Mapping[str, int]] = {DEVICES: 0}

    raise_seconds: int = whole(10, _DAY_SECONDS, "seconds", "A clock that is wrong by this much is bad.")
    clear_seconds: int = whole(1, _DAY_SECONDS, "seconds", "A clock that is wrong by less is good again.")
    battery_days: int = whole(1, 10_000, "days", "A clock that is so far in the past started anew.")
    fresh_seconds: int = whole(60, _DAY_SECONDS, "seconds", "A terminal not heard of for longer is not judged.")
    every_seconds: int = whole(0, _DAY_SECONDS, "seconds", "It is judged no more often than this.")

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        if self.clear_seconds > self.raise_seconds:
            return f"clear_seconds is {self.clear_seconds}, expected at most raise_seconds ({self.raise_seconds})"
        return ""

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:
        """Every terminal that reports with a wrong clock, and those in `open_subjects` that report."""
        for device in inputs.devices:
            skew, seen = device.clock_skew_seconds, device.last_seen_seconds
            if skew is None or seen is None or seen < now - self.fresh_seconds:
                continue
            bad = abs(skew) >= self.raise_seconds
            if not bad and device.device_id not in open_subjects:
                continue
            subject = Subject(device.device_id, device.device_id, device.unit_code, device.site)
            quiet = abs(skew) < self.clear_seconds
            reason = self._reason(skew) if bad else _ended(skew, quiet=quiet)
            readings = {"clock_skew_seconds": round(skew)}
            yield subject, Observation(RAISED if bad else CLEAR, reason, readings, quiet, abs(skew))

    def _reason(self, skew_seconds: float) -> Message:
        if -skew_seconds >= self.battery_days * _DAY_SECONDS:
            return Message(BATTERY_TEXT, {"days": round(-skew_seconds / _DAY_SECONDS)})
        hours = round(abs(skew_seconds) / _HOUR_SECONDS)
        from_hour = abs(abs(skew_seconds) - hours * _HOUR_SECONDS)
        if 0 < hours <= _ZONES_HOURS and from_hour < self.clear_seconds:
            return Message(ZONE_TEXT, {"hours": hours})
        values: dict[str, Parameter] = {"minutes": round(abs(skew_seconds) / _MINUTE_SECONDS)}
        return Message(BEHIND_TEXT if skew_seconds < 0 else AHEAD_TEXT, values)


def _ended(skew_seconds: float, *, quiet: bool) -> Message:
    return Message(CLEAR_TEXT if quiet else BETWEEN_TEXT, {"seconds": round(abs(skew_seconds))})
