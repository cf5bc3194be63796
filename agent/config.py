"""The agent's identity and what it was told to do, kept under the state folder.

`identity.json` is written at enrolment, `configuration.json` with every change that the collector tells; both are read
at every start, so the agent measures from boot without any server.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Mapping, Optional

from agent.configuration import (
    NAME_CHARACTERS,
    Configuration,
    configuration_from_json,
    configuration_to_json,
    object_value,
    text_value,
)
from agent.errors import ConfigurationError
from agent.wire.record import asdict, dataclass, field, replace

IDENTITY_FILE = "identity.json"
CONFIGURATION_FILE = "configuration.json"
CA_FILE = "ca.pem"
STATE_DIR_VARIABLE = "THONGMANG_AGENT_STATE_DIR"

_TOKEN_CHARACTERS = 512


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

    Its configuration is the newest that the collector told, else that of the enrolment.

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
    except (ValueError, RecursionError) as error:
        raise ConfigurationError("{path}: is not JSON ({why})", path=str(path), why=str(error)) from error
    identity = _identity(raw, str(path))
    newest = _kept_configuration(state_dir, identity.device_id)
    return identity if newest is None else replace(identity, configuration=newest)


def keep_configuration(state_dir: Path, device_id: str, document: Mapping[str, Any]) -> None:
    """Keeps a configuration as it was told, whole even if the power fails.

    Raises:
        OSError: it cannot be written.
    """
    table = {"device_id": device_id, "configuration": dict(document)}
    # In ASCII: text of JSON may hold what UTF-8 cannot carry.
    replace_file(state_dir / CONFIGURATION_FILE, json.dumps(table, indent=2).encode("ascii") + b"\n")


def _kept_configuration(state_dir: Path, device_id: str) -> Optional[Configuration]:
    """What was kept for this device; None where nothing is, or nothing usable: what enrolment gave still holds."""
    path = state_dir / CONFIGURATION_FILE
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(kept, dict) or kept.get("device_id") != device_id:
            return None
        return configuration_from_json(kept.get("configuration"), str(path), strict=False)
    except (OSError, ValueError, RecursionError, ConfigurationError):
        return None


def save_identity(state_dir: Path, identity: Identity) -> None:
    """Keeps the identity: readable by its owner only from its first moment, and whole even if the power fails.

    Raises:
        OSError: it cannot be written.
    """
    table = {**asdict(identity), "configuration": configuration_to_json(identity.configuration)}
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


def _identity(raw: Any, where: str) -> Identity:
    table = object_value(
        raw, where, "", {"collector_url", "device_id", "token", "ca_file", "configuration"}, strict=True
    )
    ca_file = table.get("ca_file")
    if ca_file is not None and not isinstance(ca_file, str):
        raise ConfigurationError("{where}: {key}: expected a path or null", where=where, key="ca_file")
    return Identity(
        collector_url=text_value(table, where, "collector_url", _TOKEN_CHARACTERS),
        device_id=text_value(table, where, "device_id", NAME_CHARACTERS),
        token=text_value(table, where, "token", _TOKEN_CHARACTERS),
        ca_file=ca_file,
        configuration=configuration_from_json(table.get("configuration"), where),
    )
