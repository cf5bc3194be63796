"""What the collector tells an agent to do, and how it is read: never trusted, always within bounds."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Set, Tuple

from agent.errors import ConfigurationError
from agent.wire.document import document_hash
from agent.wire.record import asdict, dataclass, field

LONGEST_INTERVAL_SECONDS = 86_400
# The collector itself, at the address of the enrolment, where it shall be measured.
COLLECTOR = "collector"
MOST_TARGETS = 32
NAME_CHARACTERS = 64
_ADDRESS_CHARACTERS = 253
_PATH_CHARACTERS = 256
_LAST_PORT = 65_535

# Keys of a target that version 0.1 did not know.
_LATER_KEYS = ("role", "service", "path", "verify")

# What a target is to the detector; a service also gets large probes, and speech is rated over the way to a conference.
EDGE = "edge"
SERVICE = "service"
CONFERENCE = "conference"
ROLES = (EDGE, SERVICE, CONFERENCE)

# What a terminal does for its site: probes the line; stands ready to; leaves that to others.
PROBER = "prober"
STANDBY = "standby"
ORDINARY = "ordinary"
TERMINAL_ROLES = (PROBER, STANDBY, ORDINARY)

# Whole numbers of a configuration: least and greatest.
_BOUNDS = {
    "version": (0, 2**53),
    "probe_budget_bytes_per_day": (10_000, 1_000_000_000),
    "history_bytes_per_minute": (1_000, 100_000_000),
    "batch_reports": (1, 1_000),
}
_LATEST_SECONDS = 2**33

# What a target's port speaks, where the time to the first byte of an answer is wanted.
HTTP = "http"
HTTPS = "https"
TLS = "tls"
TCP_BANNER = "tcp-banner"
SERVICES = (HTTP, HTTPS, TLS, TCP_BANNER)


@dataclass(frozen=True)
class Target:
    """One address whose latency is measured.

    Args:
        name: what its samples are labelled with.
        address: host name or IP address.
        port: a TCP port that is connected to, and takes the place of ICMP where that is not permitted or not answered;
            None if there is none.
        role: one of `ROLES`, or None.
        service: one of `SERVICES`, or None: the time to the first byte is not measured.
        path: what is asked for where the service is `HTTP` or `HTTPS`; None is "/".
        verify: whether an `HTTPS` service must prove its name before its answer counts.
    """

    name: str
    address: str
    port: Optional[int] = None
    role: Optional[str] = None
    service: Optional[str] = None
    path: Optional[str] = None
    verify: bool = False


@dataclass(frozen=True)
class TraceRequest:
    """A person's wish to see the routers on the way to a target.

    Args:
        id: told back with the answer; each is carried out once.
        target: name of a measured target.
    """

    id: int
    target: str


@dataclass(frozen=True)
class Configuration:
    """What the collector told this agent to do.

    Args:
        interval_seconds: time between rounds of measurement.
        upload_interval_seconds: time between uploads.
        targets: addresses whose latency is measured.
        measure_gateway: whether the default gateway is a target too.
        measure_collector: whether the collector is one, at the address this terminal reaches it by.
        role: one of `TERMINAL_ROLES`; a terminal that was told nothing probes for itself.
        probe_budget_bytes_per_day: what its probes may send across the line.
        history_bytes_per_minute: what reports of earlier may take of the line.
        batch_reports: most reports of one upload.
        deliver_until: until then reports are delivered each minute; seconds since 1970-01-01 UTC.
        detail_until: until then a prober measures in full, as far as its budget has room.
        trace: a way to trace, once.
        version: grows with every change of what the collector tells this terminal.
        digest: of the document it was read from.
    """

    interval_seconds: int = 60
    upload_interval_seconds: int = 300
    targets: Tuple[Target, ...] = ()
    measure_gateway: bool = True
    measure_collector: bool = False
    role: str = PROBER
    probe_budget_bytes_per_day: int = 1_000_000
    history_bytes_per_minute: int = 60_000
    batch_reports: int = 100
    deliver_until: Optional[int] = None
    detail_until: Optional[int] = None
    trace: Optional[TraceRequest] = None
    version: int = field(default=0, compare=False)
    digest: str = field(default="", compare=False, repr=False)


_USUAL = Configuration()
# What versions before the remote configuration knew, always written.
_FIRST_KEYS = ("interval_seconds", "upload_interval_seconds", "targets")
_KNOWN_KEYS = set(Configuration.__annotations__) - {"digest"}


def configuration_to_json(configuration: Configuration) -> Dict[str, Any]:
    """The configuration as `configuration_from_json` reads it; what is not set is left out, for earlier versions."""
    table = asdict(configuration)
    del table["digest"]
    for name in [name for name in table if name not in _FIRST_KEYS and table[name] == getattr(_USUAL, name)]:
        del table[name]
    for target in table["targets"]:
        for key in _LATER_KEYS:
            if not target[key]:
                del target[key]
    return table


def configuration_hash(configuration: Configuration) -> str:
    """Sixteen hexadecimal digits that tell configurations apart, whatever their version number.

    Of the document that it was read from, so that keys which only a later agent understands count too.
    """
    return configuration.digest or document_hash(configuration_to_json(configuration))


def configuration_from_json(raw: Any, where: str, *, strict: bool = True) -> Configuration:
    """The configuration in a decoded JSON value.

    Args:
        raw: the value.
        where: file or address, for errors.
        strict: whether unknown keys are refused. The collector's answer may hold keys that a later version added.

    Raises:
        ConfigurationError: it names `where`, the key and what was expected.
    """
    table = object_value(raw, where, "configuration", _KNOWN_KEYS, strict)
    targets = table.get("targets", [])
    if not isinstance(targets, list) or len(targets) > MOST_TARGETS:
        raise ConfigurationError(
            "{where}: {key}: expected a list of at most {most} targets",
            where=where,
            key="configuration.targets",
            most=MOST_TARGETS,
        )
    parsed = tuple(
        _target(item, where, f"configuration.targets[{index}]", strict) for index, item in enumerate(targets)
    )
    if len({target.name for target in parsed}) < len(parsed):
        raise ConfigurationError(
            "{where}: {key}: expected a different name for every target",
            where=where,
            key="configuration.targets",
        )
    measures_collector = _yes_or_no(table, where, "configuration", "measure_collector", usual=False)
    names = {target.name for target in parsed} | ({COLLECTOR} if measures_collector else set())
    return Configuration(
        interval_seconds=_seconds(table, where, "interval_seconds"),
        upload_interval_seconds=_seconds(table, where, "upload_interval_seconds"),
        targets=parsed,
        measure_gateway=_yes_or_no(table, where, "configuration", "measure_gateway", usual=True),
        measure_collector=measures_collector,
        role=_role(table, where, strict),
        deliver_until=_moment(table, where, "deliver_until"),
        detail_until=_moment(table, where, "detail_until"),
        trace=_trace(table, where, names, strict),
        digest=document_hash(table),
        **{name: _number(table, where, name) for name in _BOUNDS},
    )


def _role(table: Mapping[str, Any], where: str, strict: bool) -> str:  # noqa: FBT001  # passed on as it came
    value = table.get("role", PROBER)
    if value in TERMINAL_ROLES:
        return str(value)
    if isinstance(value, str) and not strict:
        # A role of later: whatever it is, the line is not this terminal's to fill.
        return ORDINARY
    raise ConfigurationError(
        "{where}: {key}: expected one of {known}, or null",
        where=where,
        key="configuration.role",
        known=", ".join(TERMINAL_ROLES),
    )


def _number(table: Mapping[str, Any], where: str, name: str) -> int:
    least, most = _BOUNDS[name]
    value = table.get(name, getattr(_USUAL, name))
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigurationError(
            "{where}: {key}: expected a whole number from {least} to {most}",
            where=where,
            key="configuration." + name,
            least=least,
            most=most,
        )
    return value


def _moment(table: Mapping[str, Any], where: str, name: str) -> Optional[int]:
    value = table.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LATEST_SECONDS):
        return value
    raise ConfigurationError(
        "{where}: {key}: expected whole seconds since 1970, or null", where=where, key="configuration." + name
    )


def _trace(table: Mapping[str, Any], where: str, names: Set[str], strict: bool) -> Optional[TraceRequest]:  # noqa: FBT001  # same
    raw = table.get("trace")
    if raw is None:
        return None
    asked = object_value(raw, where, "configuration.trace", {"id", "target"}, strict)
    number, target = asked.get("id"), asked.get("target")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < _LATEST_SECONDS:
        raise ConfigurationError(
            "{where}: {key}: expected a whole number from {least} to {most}",
            where=where,
            key="configuration.trace.id",
            least=0,
            most=_LATEST_SECONDS - 1,
        )
    # Of what is measured anyway: nobody sends a terminal's packets elsewhere by asking for a way.
    if not isinstance(target, str) or target not in names:
        raise ConfigurationError(
            "{where}: {key}: expected the name of one of the targets", where=where, key="configuration.trace.target"
        )
    return TraceRequest(number, target)


def _target(raw: Any, where: str, key: str, strict: bool) -> Target:  # noqa: FBT001  # passed on as it came
    table = object_value(raw, where, key, {"name", "address", "port", *_LATER_KEYS}, strict)
    port = table.get("port")
    if port is not None and (not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= _LAST_PORT):
        raise ConfigurationError(
            "{where}: {key}: expected a number from 1 to {most}, or null",
            where=where,
            key=key + ".port",
            most=_LAST_PORT,
        )
    service = _choice(table, where, key, "service", SERVICES, strict)
    if service is not None and port is None:
        raise ConfigurationError("{where}: {key}: expected a port beside it", where=where, key=key + ".service")
    return Target(
        name=text_value(table, where, "name", NAME_CHARACTERS, key),
        address=text_value(table, where, "address", _ADDRESS_CHARACTERS, key),
        port=port,
        role=_choice(table, where, key, "role", ROLES, strict),
        service=service,
        path=_path(table, where, key),
        verify=_yes_or_no(table, where, key, "verify", usual=False),
    )


def _yes_or_no(table: Dict[str, Any], where: str, key: str, name: str, *, usual: bool) -> bool:
    value = table.get(name, usual)
    if not isinstance(value, bool):
        raise ConfigurationError("{where}: {key}: expected true or false", where=where, key=f"{key}.{name}")
    return value


def _choice(  # one option of a target
    table: Dict[str, Any],
    where: str,
    key: str,
    name: str,
    allowed: Tuple[str, ...],
    strict: bool,  # noqa: FBT001  # passed on as it came
) -> Optional[str]:
    value = table.get(name)
    if value is None or value in allowed:
        return value
    if not strict:
        # A later collector may know one more; this agent measures what it can.
        return None
    raise ConfigurationError(
        "{where}: {key}: expected one of {known}, or null",
        where=where,
        key=f"{key}.{name}",
        known=", ".join(allowed),
    )


def _path(table: Dict[str, Any], where: str, key: str) -> Optional[str]:
    value = table.get("path")
    if value is None:
        return None
    # It goes into the first line of a request: nothing may end that line, or begin another word of it.
    if not (
        isinstance(value, str)
        and value.startswith("/")
        and len(value) <= _PATH_CHARACTERS
        and all("!" <= letter <= "~" for letter in value)
    ):
        raise ConfigurationError(
            "{where}: {key}: expected a path as /status of at most {most} letters without blanks, or null",
            where=where,
            key=key + ".path",
            most=_PATH_CHARACTERS,
        )
    return value


def object_value(raw: Any, where: str, key: str, known: Set[str], strict: bool) -> Dict[str, Any]:  # noqa: FBT001  # same
    """A decoded JSON object with no keys but those that are known, where that is strict.

    Raises:
        ConfigurationError: it is something else, or has another key.
    """
    if not isinstance(raw, dict):
        raise ConfigurationError(
            "{where}: {key}: expected an object with the keys {known}",
            where=where,
            key=key or "(top)",
            known=", ".join(sorted(known)),
        )
    unknown = sorted(set(raw) - known)
    if unknown and strict:
        name = f"{key}.{unknown[0]}" if key else str(unknown[0])
        raise ConfigurationError(
            "{where}: {key}: there is no such key; expected {known}",
            where=where,
            key=name,
            known=", ".join(sorted(known)),
        )
    return raw


def text_value(table: Dict[str, Any], where: str, key: str, most_characters: int, prefix: str = "") -> str:
    """A text of a decoded JSON object, not empty and printable.

    Raises:
        ConfigurationError: it is missing, of another kind, or too long.
    """
    value = table.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= most_characters or not value.isprintable():
        name = f"{prefix}.{key}" if prefix else key
        raise ConfigurationError(
            "{where}: {key}: expected a text of 1 to {most} characters",
            where=where,
            key=name,
            most=most_characters,
        )
    return value


def _seconds(table: Dict[str, Any], where: str, key: str) -> int:
    value = table.get(key, getattr(Configuration(), key))
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LONGEST_INTERVAL_SECONDS:
        raise ConfigurationError(
            "{where}: {key}: expected whole seconds from 1 to {most}",
            where=where,
            key="configuration." + key,
            most=LONGEST_INTERVAL_SECONDS,
        )
    return value
