"""The agent's identity and what it was told to do, kept in `identity.json` under the state folder.

It is written at enrolment and read at every start, so the agent measures from boot without any server.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, Optional, Set, Tuple

from agent.errors import ConfigurationError

IDENTITY_FILE = "identity.json"
CA_FILE = "ca.pem"
STATE_DIR_VARIABLE = "THONGMANG_AGENT_STATE_DIR"

LONGEST_INTERVAL_SECONDS = 86_400
MOST_TARGETS = 32
_NAME_CHARACTERS = 64
_ADDRESS_CHARACTERS = 253
_TOKEN_CHARACTERS = 512
_PATH_CHARACTERS = 256
_LAST_PORT = 65_535

# Keys of a target that version 0.1 did not know.
_LATER_KEYS = ("role", "service", "path", "verify")

# What a target is to the detector; a service also gets large probes.
EDGE = "edge"
SERVICE = "service"
ROLES = (EDGE, SERVICE)

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
class Configuration:
    """What the collector told this agent to do.

    Args:
        interval_seconds: time between rounds of measurement.
        upload_interval_seconds: time between uploads.
        targets: addresses whose latency is measured.
        measure_gateway: whether the default gateway is a target too.
    """

    interval_seconds: int = 60
    upload_interval_seconds: int = 300
    targets: Tuple[Target, ...] = ()
    measure_gateway: bool = True


@dataclass(frozen=True)
class Identity:
    """Who this agent is, and to whom it reports.

    Args:
        collector_url: without a trailing slash.
        device_id: given at enrolment.
        token: its secret, sent with every upload.
        ca_file: the only authority trusted for the collector's certificate; None means the system's own.
        configuration: what to measure, and how often.
    """

    collector_url: str
    device_id: str
    token: str = field(repr=False)
    ca_file: Optional[str] = None
    configuration: Configuration = field(default_factory=Configuration)


def default_state_dir() -> Path:
    """Where the agent keeps its state unless told otherwise."""
    told = os.environ.get(STATE_DIR_VARIABLE)
    if told:
        return Path(told)
    if sys.platform == "win32":
        return Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / "ThongMang"
    return Path("/var/lib/thongmang-agent")


def make_state_dir(state_dir: Path) -> None:
    """Makes the state folder, closed to other users.

    Raises:
        ConfigurationError: it cannot be made or written to.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            "{path}: the state folder cannot be made ({why}); choose another with --state-dir",
            path=str(state_dir),
            why=error.strerror or type(error).__name__,
        ) from error


def load_identity(state_dir: Path) -> Optional[Identity]:
    """The identity kept in the state folder, None if this machine is not enrolled.

    Raises:
        ConfigurationError: the file cannot be read, or a key is missing, unknown or out of bounds.
    """
    path = state_dir / IDENTITY_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "{path}: cannot be read ({why})",
            path=str(path),
            why=getattr(error, "strerror", None) or type(error).__name__,
        ) from error
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise ConfigurationError("{path}: is not JSON ({why})", path=str(path), why=str(error)) from error
    return _identity(raw, str(path))


def save_identity(state_dir: Path, identity: Identity) -> None:
    """Keeps the identity: readable by its owner only from its first moment, and whole even if the power fails.

    Raises:
        OSError: it cannot be written.
    """
    table = asdict(identity)
    # What is not set is left out, so that an earlier version of the agent can still read the file.
    if identity.configuration.measure_gateway:
        del table["configuration"]["measure_gateway"]
    for target in table["configuration"]["targets"]:
        for key in _LATER_KEYS:
            if not target[key]:
                del target[key]
    body = json.dumps(table, ensure_ascii=False, indent=2) + "\n"
    replace_file(state_dir / IDENTITY_FILE, body.encode())


def replace_file(path: Path, body: bytes) -> None:
    """Puts a file with mode 0600 in place of whatever is there, in one step that survives a power cut.

    Raises:
        OSError: it cannot be written.
    """
    fresh = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(str(fresh), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    if sys.platform != "win32":
        folder = os.open(str(path.parent), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def configuration_from_json(raw: Any, where: str, *, strict: bool = True) -> Configuration:
    """The configuration in a decoded JSON value.

    Args:
        raw: the value.
        where: file or address, for errors.
        strict: whether unknown keys are refused. The collector's answer may hold keys that a later version added.

    Raises:
        ConfigurationError: it names `where`, the key and what was expected.
    """
    known = {"interval_seconds", "upload_interval_seconds", "targets", "measure_gateway"}
    table = _table(raw, where, "configuration", known, strict)
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
    return Configuration(
        interval_seconds=_seconds(table, where, "interval_seconds"),
        upload_interval_seconds=_seconds(table, where, "upload_interval_seconds"),
        targets=parsed,
        measure_gateway=_yes_or_no(table, where, "configuration", "measure_gateway", usual=True),
    )


def _identity(raw: Any, where: str) -> Identity:
    table = _table(raw, where, "", {"collector_url", "device_id", "token", "ca_file", "configuration"}, strict=True)
    ca_file = table.get("ca_file")
    if ca_file is not None and not isinstance(ca_file, str):
        raise ConfigurationError("{where}: {key}: expected a path or null", where=where, key="ca_file")
    return Identity(
        collector_url=text_value(table, where, "collector_url", _TOKEN_CHARACTERS),
        device_id=text_value(table, where, "device_id", _NAME_CHARACTERS),
        token=text_value(table, where, "token", _TOKEN_CHARACTERS),
        ca_file=ca_file,
        configuration=configuration_from_json(table.get("configuration"), where),
    )


def _target(raw: Any, where: str, key: str, strict: bool) -> Target:  # noqa: FBT001  # passed on as it came
    table = _table(raw, where, key, {"name", "address", "port", *_LATER_KEYS}, strict)
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
        name=text_value(table, where, "name", _NAME_CHARACTERS, key),
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


def _table(raw: Any, where: str, key: str, known: Set[str], strict: bool) -> Dict[str, Any]:  # noqa: FBT001  # same
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
