"""Rules as data files: one TOML file each, read strictly.

A rule names the kind of condition it uses, gives that condition its parameters, and says where each figure comes from.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from alerts.age import DeviceOverAge
from alerts.conditions.clock import DeviceClock
from alerts.conditions.computed import DeviceState
from alerts.conditions.detected import Congestion, Outage, PathChanged, ServiceSlow
from alerts.conditions.facts import FactNumber, FactWord
from alerts.conditions.line_capacity import LineCapacity
from alerts.conditions.link_loss import LinkLoss
from alerts.conditions.own_health import CollectorNumber
from alerts.conditions.port_faults import PortErrors, PortSlow
from alerts.conditions.readings import ReadingShare, ReadingValue
from alerts.conditions.silence import DeviceSilent, SiteSilent
from alerts.conditions.voice_quality import LinkJitter, VoiceQuality
from alerts.parameters import RuleError, Value, read_table, specs
from alerts.ports import Inputs
from alerts.state import Observation, Subject, Timing

SEVERITIES = ("info", "warning", "critical")
SHIPPED_RULES = Path(__file__).parent / "rules.d"
TEST_SUFFIX = ".test.toml"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_KEYS = ("name", "kind", "enabled", "severity", "summary", "description", "timing", "parameters", "sources")


class Condition(Protocol):
    """Parameters of one kind, and the pure function that judges readings by them."""

    @property
    def reads(self) -> Mapping[str, int]:
        """What of `Inputs` it needs: names of parts (`alerts.ports.PARTS`) and of the catalogue's measurements.

        Each with the seconds of the newest readings that are wanted of it; 0 where that has no meaning.
        """

    @property
    def every_seconds(self) -> int:
        """It need not be judged more often than this; 0 is at every tick."""

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:
        """At least every subject that is suspect or raised, and every one in `open_subjects` that can be judged."""


# One more kind: its file in `conditions`, one row here, its table in docs/alerts.md.
KINDS: dict[str, type[Any]] = {
    "congestion": Congestion,
    "path_change": PathChanged,
    "outage": Outage,
    "service_slow": ServiceSlow,
    "device_over_age": DeviceOverAge,
    "device_state": DeviceState,
    "device_clock": DeviceClock,
    "device_silent": DeviceSilent,
    "site_silent": SiteSilent,
    "reading_share": ReadingShare,
    "reading_value": ReadingValue,
    "fact_word": FactWord,
    "fact_number": FactNumber,
    "collector_number": CollectorNumber,
    "line_capacity": LineCapacity,
    "port_slow": PortSlow,
    "port_errors": PortErrors,
    "link_loss": LinkLoss,
    "link_jitter": LinkJitter,
    "voice_quality": VoiceQuality,
}


@dataclass(frozen=True)
class Rule:
    """One rule, ready to judge.

    Args:
        name: that of its file.
        kind: a key of `KINDS`.
        enabled: a rule that is not is loaded and tested, but not evaluated.
        severity: one of `SEVERITIES`.
        summary: one English line, the msgid of its translation.
        description: English text, the msgid of its translation.
        timing: of the state machine.
        condition: the kind with this rule's parameters.
        sources: for every parameter and time, where its figure comes from.
    """

    name: str
    kind: str
    enabled: bool
    severity: str
    summary: str
    description: str
    timing: Timing
    condition: Condition
    sources: Mapping[str, str]

    def with_parameters(self, changed: Mapping[str, Value], where: str) -> Rule:
        """The same rule with other values for some parameters or times, to try them out.

        Raises:
            RuleError: an unknown key, or a value that is not allowed.
        """
        timing, parameters = _values(self.timing), _values(self.condition)
        for name, value in changed.items():
            if name not in timing and name not in parameters:
                known = ", ".join((*parameters, *timing))
                raise RuleError(f"{where}: unknown key {name!r}, expected one of {known}")
            (timing if name in timing else parameters)[name] = value
        return Rule(
            self.name,
            self.kind,
            self.enabled,
            self.severity,
            self.summary,
            self.description,
            _timing(timing, where),
            _condition(self.kind, parameters, where),
            self.sources,
        )


def load_rules(directory: Path) -> dict[str, Rule]:
    """Every rule of a folder by name, in order of name.

    Raises:
        RuleError: the folder is missing or holds no rule, or one of them cannot be used.
    """
    if not directory.is_dir():
        raise RuleError(f"{directory}: expected a folder with rules (*.toml)")
    paths = sorted(path for path in directory.glob("*.toml") if not path.name.endswith(TEST_SUFFIX))
    if not paths:
        raise RuleError(f"{directory}: holds no rule (*.toml)")
    return {path.stem: load_rule(path) for path in paths}


def load_rule(path: Path) -> Rule:
    """The rule of one file.

    Raises:
        RuleError: the file cannot be read or is not TOML, a key is unknown or missing, or a value is not allowed.
    """
    table = read_toml(path)
    for key in table:
        if key not in _KEYS:
            raise RuleError(f"{path}: unknown key {key!r}, expected one of {', '.join(_KEYS)}")
    name = _text(table, "name", path)
    if name != path.name.removesuffix(".toml") or not _NAME.fullmatch(name):
        raise RuleError(
            f"{path}: name is {name!r}, expected the file's own name without .toml (small letters, digits and _)"
        )
    kind = _choice(table, "kind", tuple(KINDS), path)
    severity = _choice(table, "severity", SEVERITIES, path)
    if not isinstance(table.get("enabled"), bool):
        raise RuleError(f"{path}: enabled is {table.get('enabled')!r}, expected true or false")
    return Rule(
        name,
        kind,
        table["enabled"],
        severity,
        _text(table, "summary", path),
        _text(table, "description", path),
        _timing(table.get("timing"), f"{path}: timing"),
        _condition(kind, table.get("parameters"), f"{path}: parameters"),
        _sources(table.get("sources"), kind, path),
    )


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        RuleError: it cannot be read, is not UTF-8 or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RuleError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RuleError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{path}: is not TOML: {error}") from error


def _values(owner: object) -> dict[str, Value]:
    return {name: getattr(owner, name) for name in specs(type(owner))}


def _timing(table: object, where: str) -> Timing:
    values = read_table(Timing, table, where)
    timing = Timing(**{name: int(value) for name, value in values.items()})
    if timing.for_seconds > timing.pending_seconds:
        raise RuleError(
            f"{where}: for_seconds is {timing.for_seconds}, expected at most pending_seconds ({timing.pending_seconds})"
        )
    return timing


def _condition(kind: str, table: object, where: str) -> Condition:
    condition: Condition = KINDS[kind](**read_table(KINDS[kind], table, where))
    faults = condition.faults()
    if faults:
        raise RuleError(f"{where}: {faults}")
    return condition


def _sources(table: object, kind: str, path: Path) -> dict[str, str]:
    expected = (*specs(KINDS[kind]), *specs(Timing))
    if not isinstance(table, dict):
        raise RuleError(f"{path}: sources: expected a table with a text for each of {', '.join(expected)}")
    for name in table:
        if name not in expected:
            raise RuleError(f"{path}: sources: unknown key {name!r}, expected one of {', '.join(expected)}")
    for name in expected:
        if not isinstance(table.get(name), str) or not table[name].strip():
            raise RuleError(f"{path}: sources: {name} has no text that says where its figure comes from")
    return table


def _text(table: Mapping[str, Any], key: str, path: Path) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise RuleError(f"{path}: {key} is {value!r}, expected text, not empty")
    return value


def _choice(table: Mapping[str, Any], key: str, allowed: tuple[str, ...], path: Path) -> str:
    value = table.get(key)
    if not isinstance(value, str) or value not in allowed:
        raise RuleError(f"{path}: {key} is {value!r}, expected one of {', '.join(allowed)}")
    return value
