"""Who is to know of an incident."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alerts.route.matching import wants
from alerts.route.model import Incident, Receiver
from alerts.route.schedule import Shift, duty_day, on_duty


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who is told of one incident.

    Args:
        receivers: numbers, in order; empty where it is nobody's business.
        gap: whether somebody should have been on duty and nobody is.
    """

    receivers: tuple[int, ...]
    gap: bool


def assign(
    incident: Incident, receivers: Iterable[Receiver], shifts: Iterable[Shift], now: float, handover_minute: int
) -> Assignment:
    """Everyone whose business the incident is, those of later steps included.

    Receivers that serve on duty count only while they are on duty for the incident's unit. Where nobody is, or where
    nobody at all would be told at once, the fallback receivers are.
    """
    asked = [one for one in receivers if wants(one, incident)]
    serving = {one.id for one in asked if one.duty_only}
    day = duty_day(now, handover_minute)
    duty = on_duty(shifts, incident.unit_code, incident.district, day, serving)
    chosen = [one for one in asked if not one.fallback and (not one.duty_only or one.id in duty.receivers)]
    gap = bool(serving) and not duty.receivers
    if gap or not any(one.step == 0 for one in chosen):
        chosen += [one for one in asked if one.fallback]
    return Assignment(tuple(sorted({one.id for one in chosen})), gap)
