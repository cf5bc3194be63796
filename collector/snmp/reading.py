"""Counters of a port at two moments become the sample of the time between. Pure; no giant sample ever comes out.

Sources: RFC 2863 (ifTable, ifXTable, when counters are discontinuous), RFC 3418 (sysUpTime), RFC 3635 (duplex).
"""

from __future__ import annotations

from typing import Final

import msgspec

from agent.wire.message import Message, mark
from agent.wire.report import Sample

_WRAP_32: Final = 2**32
_TICKS_A_SECOND: Final = 100
# How far a device's clock and the collector's may differ over the time between two readings.
_CLOCK_SLACK_SECONDS: Final = 30.0
_CLOCK_SLACK_RATIO: Final = 0.1
# Framing counts in some devices and not in others, and a device may answer with counters some seconds old.
_OVER_SPEED_RATIO: Final = 1.1
# A 64-bit counter cannot have wrapped, so the port's speed, which people also set to steer routing, is no proof against
# it below this; above it is a counter that jumped.
_PLAUSIBLE_BITS_PER_SECOND: Final = 1e9

FIRST = mark("This is the first answer; the next one gives a sample.")
RESTARTED = mark("The device was restarted {ago} seconds before it answered, and counted anew.")
CLOCKS_DISAGREE = mark(
    "By the device's clock {device} seconds lie between two answers, by the collector's {collector}."
)
COUNTED_ANEW = mark("The device says that it counted anew since the last answer.")
RENUMBERED = mark("The port has another number than at the last answer.")
OTHER_WIDTH = mark("The device offers counters of another width than at the last answer.")
WENT_BACK = mark("A counter went back although the device was not restarted.")
MAY_WRAP_TWICE = mark(
    "The device offers 32-bit counters only, which at the port's speed may start again more than once between two "
    "answers: its traffic cannot be measured."
)
IMPOSSIBLE = mark("A counter rose by more than the port can carry at its speed.")
NO_COUNTERS = mark("The device does not tell how many bytes the port received and sent.")


class PortReading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a device said of one port at one moment; what it does not offer is None.

    Args:
        index: the port's number in the device.
        taken_at: by the collector's clock, seconds since 1970-01-01 UTC.
        uptime_ticks: sysUpTime, hundredths of a second, starts again after 497 days.
        discontinuity_ticks: ifCounterDiscontinuityTime.
        wide: whether the byte counters have 64 bits.
        received_bytes, transmitted_bytes: counters.
        received_packets, transmitted_packets: unicast, 32 bits; they only help to tell a wrap from a new beginning.
        receive_errors, transmit_errors, receive_discards, transmit_discards: counters of 32 bits.
        speed_bits_per_second: as agreed on.
        up: whether it carries traffic now.
        half_duplex: None where the device does not know.
    """

    index: int
    taken_at: float
    uptime_ticks: int | None = None
    discontinuity_ticks: int | None = None
    wide: bool = False
    received_bytes: int | None = None
    transmitted_bytes: int | None = None
    received_packets: int | None = None
    transmitted_packets: int | None = None
    receive_errors: int | None = None
    transmit_errors: int | None = None
    receive_discards: int | None = None
    transmit_discards: int | None = None
    speed_bits_per_second: int | None = None
    up: bool | None = None
    half_duplex: bool | None = None


class NoSampleError(Exception):
    """Two readings between which no sample can be told; carries the sentence that says why."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.render())
        self.message = message


class Traffic(msgspec.Struct, frozen=True):
    """What lies between two readings; a count that cannot be told is None."""

    interval_seconds: float
    received_bytes: int
    transmitted_bytes: int
    receive_errors: int | None
    transmit_errors: int | None
    receive_discards: int | None
    transmit_discards: int | None


def traffic_between(before: PortReading | None, after: PortReading, elapsed_seconds: float) -> Traffic:
    """The traffic between two readings of one port.

    Args:
        before: the earlier one, None if there is none.
        after: the later one.
        elapsed_seconds: between the two, by the collector.

    Raises:
        NoSampleError: it cannot be told, and why.
    """
    if after.received_bytes is None or after.transmitted_bytes is None:
        raise NoSampleError(Message(NO_COUNTERS))
    if before is None or before.received_bytes is None or before.transmitted_bytes is None:
        raise NoSampleError(Message(FIRST))
    if before.index != after.index:
        raise NoSampleError(Message(RENUMBERED))
    if before.wide != after.wide:
        raise NoSampleError(Message(OTHER_WIDTH))
    interval = _interval(before, after, elapsed_seconds)
    if after.discontinuity_ticks != before.discontinuity_ticks:
        raise NoSampleError(Message(COUNTED_ANEW))
    pairs = ((before.received_bytes, after.received_bytes), (before.transmitted_bytes, after.transmitted_bytes))
    if after.wide:
        rises = [_rise_64(*pair) for pair in pairs]
        most_bits = max(after.speed_bits_per_second or 0, before.speed_bits_per_second or 0, _PLAUSIBLE_BITS_PER_SECOND)
    else:
        most_bits = max(after.speed_bits_per_second or 0, before.speed_bits_per_second or 0)
        rises = _rises_32(before, after, pairs, most_bits * interval / 8)
    if max(rises) * 8 > most_bits * interval * _OVER_SPEED_RATIO:
        raise NoSampleError(Message(IMPOSSIBLE))
    return Traffic(
        interval,
        rises[0],
        rises[1],
        _count(before.receive_errors, after.receive_errors),
        _count(before.transmit_errors, after.transmit_errors),
        _count(before.receive_discards, after.receive_discards),
        _count(before.transmit_discards, after.transmit_discards),
    )


def samples_of(reading: PortReading, traffic: Traffic | None, interface: str) -> tuple[Sample, ...]:
    """A port's reading as samples of the wire contract: how it is, and its traffic where that is known.

    Args:
        reading: the later of the two.
        traffic: between them.
        interface: the port's label.
    """
    values: dict[str, float | None] = {
        "interface_speed_bits_per_second": reading.speed_bits_per_second,
        "interface_up": reading.up,
        "interface_half_duplex": reading.half_duplex,
    }
    if traffic is not None:
        values |= {
            "interface_interval_seconds": traffic.interval_seconds,
            "interface_received_bytes": traffic.received_bytes,
            "interface_transmitted_bytes": traffic.transmitted_bytes,
            "interface_receive_errors": traffic.receive_errors,
            "interface_transmit_errors": traffic.transmit_errors,
            "interface_receive_discards": traffic.receive_discards,
            "interface_transmit_discards": traffic.transmit_discards,
        }
    labels = {"interface": interface}
    return tuple(Sample(name, float(value), labels) for name, value in values.items() if value is not None)


def _interval(before: PortReading, after: PortReading, elapsed_seconds: float) -> float:
    """Seconds between the readings, by the device's own clock where it has one: its counters run on that."""
    if before.uptime_ticks is None or after.uptime_ticks is None:
        if elapsed_seconds <= 0:
            raise NoSampleError(Message(CLOCKS_DISAGREE, {"device": "?", "collector": round(elapsed_seconds)}))
        return elapsed_seconds
    by_device = (after.uptime_ticks - before.uptime_ticks) % _WRAP_32 / _TICKS_A_SECOND
    slack = max(_CLOCK_SLACK_SECONDS, _CLOCK_SLACK_RATIO * elapsed_seconds)
    if abs(by_device - elapsed_seconds) <= slack and by_device > 0:
        return by_device
    up_seconds = after.uptime_ticks / _TICKS_A_SECOND
    if up_seconds < elapsed_seconds + slack:
        raise NoSampleError(Message(RESTARTED, {"ago": round(up_seconds)}))
    # The collector's clock was set, or the device's runs wrong: the time that a rate needs is not known.
    raise NoSampleError(Message(CLOCKS_DISAGREE, {"device": round(by_device), "collector": round(elapsed_seconds)}))


def _rise_64(before: int, after: int) -> int:
    if after < before:
        raise NoSampleError(Message(WENT_BACK))
    return after - before


def _rises_32(
    before: PortReading, after: PortReading, pairs: tuple[tuple[int, int], ...], most_bytes: float
) -> list[int]:
    if not 0 < most_bytes < _WRAP_32:
        raise NoSampleError(Message(MAY_WRAP_TWICE))
    packets = (
        (before.received_packets, after.received_packets),
        (before.transmitted_packets, after.transmitted_packets),
    )
    # Packets are too few to start again in the same interval as bytes do: then all were set to 0.
    fewer_packets = any(old is not None and new is not None and new < old for old, new in packets)
    if fewer_packets and any(new < old for old, new in pairs):
        raise NoSampleError(Message(WENT_BACK))
    return [(new - old) % _WRAP_32 for old, new in pairs]


def _count(before: int | None, after: int | None) -> int | None:
    """The rise of a counter of errors; one that seems to have risen by half its range was set to 0."""
    if before is None or after is None:
        return None
    rise = (after - before) % _WRAP_32
    return rise if rise < _WRAP_32 // 2 else None
