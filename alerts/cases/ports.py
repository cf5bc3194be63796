"""`[[case.port]]`: samples of the port at the end of a site's line, one for each interval of polling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerts.cases.strict import count, finite, only_keys, segments, typed
from alerts.cases.supply import CaseReading
from alerts.laws import sample_seconds, shipped_capacity_laws
from alerts.parameters import RuleError
from alerts.ports import PORTS
from alerts.rules import Condition
from alerts.slots import PortInputs, SlotBook

_CAPACITIES = ("capacity_down_kbit_s", "capacity_up_kbit_s", "expected_speed_kbit_s")
_KEYS = ("device", "unit", "site", "interface", "received_is_down", *_CAPACITIES, "repeat", "segments")
_SEGMENT_KEYS = ("down_kbit_s", "up_kbit_s", "errors", "speed_kbit_s", "half_duplex", "port_up", "interval_seconds")


@dataclass(frozen=True, slots=True)
class _Line:
    device_id: str
    name: str
    unit_code: str
    site: str
    interface: str
    received_is_down: bool
    capacity_down_kbit_s: int | None
    capacity_up_kbit_s: int | None
    expected_speed_kbit_s: int | None


class PortSupply:
    """Samples of ports; each arrives when its interval is over."""

    def __init__(self, tables: Sequence[Any], start_seconds: int, where: str) -> None:
        self.step_seconds = sample_seconds()
        if start_seconds % self.step_seconds:
            raise RuleError(f"{where}: start: expected a whole multiple of {self.step_seconds} seconds")
        self._start_seconds = start_seconds
        self._lines: list[_Line] = []
        self._readings: list[CaseReading] = []
        self._taken = 0
        self._book = SlotBook(self.step_seconds, max(law.limit.days for law in shipped_capacity_laws()) + 1)
        self.length_seconds = 0
        for number, table in enumerate(tables, 1):
            self._read(table, f"{where} {number}")
        self._readings.sort(key=lambda each: each.arrived_seconds)

    def _read(self, table: Any, where: str) -> None:
        only_keys(table, _KEYS, where)
        device = typed(table, "device", str, where)
        capacities = {key: _kbit_s(table, key, where) for key in _CAPACITIES}
        received_is_down = table.get("received_is_down", True)
        if not isinstance(received_is_down, bool):
            raise RuleError(f"{where}: received_is_down is {received_is_down!r}, expected true or false")
        line = _Line(
            device,
            device,
            str(table.get("unit", "unit")),
            str(table.get("site", "main")),
            str(table.get("interface", "wan")),
            received_is_down,
            **capacities,
        )
        self._lines.append(line)
        tags = {"device_id": device, "unit": line.unit_code, "site": line.site, "interface": line.interface}
        length = 0
        for _ in range(count(table, "repeat", where) if "repeat" in table else 1):
            begun = length
            for segment, begin, end, here in segments(table, _SEGMENT_KEYS, where):
                fields = self._fields(segment, line, here)
                for second in range(begun + begin, begun + end, self.step_seconds) if fields else ():
                    at = self._start_seconds + second
                    self._readings.append(CaseReading(at + self.step_seconds, tags, at, fields))
                length = begun + end
        self.length_seconds = max(self.length_seconds, length)

    def _fields(self, segment: Mapping[str, Any], line: _Line, where: str) -> dict[str, int]:
        if segment.get("missing", False):
            return {}
        interval_ms = round(finite(segment, "interval_seconds", self.step_seconds, where) * 1000)
        fields = {"interval_ms": interval_ms, "up": int(bool(segment.get("port_up", True)))}
        down, up = ("received_bytes", "transmitted_bytes")[:: 1 if line.received_is_down else -1]
        for key, field in (("down_kbit_s", down), ("up_kbit_s", up)):
            if key in segment:
                # kbit/s times milliseconds are bits.
                fields[field] = round(finite(segment, key, None, where) * interval_ms / 8)
        fields["receive_errors"] = round(finite(segment, "errors", 0, where))
        if "speed_kbit_s" in segment:
            fields["speed_kbit_s"] = round(finite(segment, "speed_kbit_s", None, where))
        if "half_duplex" in segment:
            fields["half_duplex"] = int(bool(segment["half_duplex"]))
        return fields

    def at(self, now: int, condition: Condition) -> Mapping[str, Any]:  # noqa: ARG002 (the same for every condition)
        """Ports, and their samples as far as they have come."""
        begun = self._taken
        while self._taken < len(self._readings) and self._readings[self._taken].arrived_seconds <= now:
            self._taken += 1
        self._book.put(self._readings[begun : self._taken])
        return {PORTS: PortInputs(self._lines, self._book)}


def _kbit_s(table: Mapping[str, Any], key: str, where: str) -> int | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RuleError(f"{where}: {key} is {value!r}, expected a whole number from 1 on")
    return value
