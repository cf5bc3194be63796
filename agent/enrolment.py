"""Joins this machine to a collector with a join code, which gives it its identity and configuration.

The collector's authority is pinned first: by a file that a person brought, or by its fingerprint. The code is sent over
a connection that the pinned authority vouches for, never before.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Dict, Optional

from agent.authority import fetch_authority, parse_fingerprint
from agent.config import CA_FILE, Identity, load_identity, make_state_dir, replace_file, save_identity
from agent.configuration import Configuration, configuration_from_json, text_value
from agent.connection import Answer, Connection, parse_collector_url, tls_context
from agent.errors import ConfigurationError, EnrolmentError
from agent.state_permissions import secure
from agent.wire.report import WIRE_VERSION

PATH = "/api/v1/enrolments"

_DEVICE_ID_CHARACTERS = 64
_TOKEN_CHARACTERS = 512


def enrol(
    url: str,
    code: str,
    state_dir: Path,
    *,
    ca_file: Optional[Path] = None,
    ca_fingerprint: Optional[str] = None,
    allow_plain_http: bool = False,
    again: bool = False,
) -> Identity:
    """Trades a code for an identity and keeps it in the state folder.

    Args:
        url: the collector.
        code: from the collector's administrator.
        state_dir: where the identity is kept.
        ca_file: PEM file of the only authority to trust for the collector; copied into the state folder.
        ca_fingerprint: SHA-256 of the only authority to trust, which the collector then hands out itself.
        allow_plain_http: also to other machines than this one.
        again: replace an identity that is there already.

    Raises:
        ConfigurationError: an option is not usable, or an identity is there already.
        EnrolmentError: the collector refused, or answered something else than the contract says.
        UplinkError: the collector did not answer.
    """
    address = parse_collector_url(url, allow_plain_http=allow_plain_http)
    if not again and load_identity(state_dir) is not None:
        raise ConfigurationError(
            "{path}: this machine is enrolled already; say --again to replace its identity",
            path=str(state_dir),
        )
    if ca_file is not None and ca_fingerprint is not None:
        raise ConfigurationError("say either --ca-file or --ca-sha256")
    if ca_file is not None:
        tls_context(str(ca_file))
    fingerprint = None if ca_fingerprint is None else parse_fingerprint(ca_fingerprint)
    make_state_dir(state_dir)
    _require_writable(state_dir)
    secure(state_dir)
    pem = None if ca_file is None else ca_file.read_bytes()
    if fingerprint is not None:
        pem = fetch_authority(address, fingerprint)
    with tempfile.TemporaryDirectory(dir=str(state_dir), prefix="enrolling-") as folder:
        trusted = None
        if pem is not None:
            trusted = Path(folder) / CA_FILE
            trusted.write_bytes(pem)
        connection = Connection(address, None if trusted is None else str(trusted))
        try:
            answer = connection.post(PATH, json.dumps({"wire_version": WIRE_VERSION, "code": code}).encode(), {})
        finally:
            connection.close()
    raw = _accepted(answer, address.url)
    kept_ca_file = None
    if pem is not None:
        kept_ca_file = state_dir / CA_FILE
        replace_file(kept_ca_file, pem)
    identity = Identity(
        collector_url=address.url,
        device_id=text_value(raw, address.url, "device_id", _DEVICE_ID_CHARACTERS),
        token=text_value(raw, address.url, "token", _TOKEN_CHARACTERS),
        ca_file=str(kept_ca_file) if kept_ca_file else None,
        configuration=_configuration(raw, address.url),
    )
    save_identity(state_dir, identity)
    return identity


def _require_writable(state_dir: Path) -> None:
    """Finds out before the code is used up whether the identity can be kept at all."""
    trial = state_dir / "enrolling"
    try:
        replace_file(trial, b"")
        trial.unlink()
    except OSError as error:
        raise ConfigurationError(
            "{path}: the identity cannot be kept there ({why}); choose another folder with --state-dir",
            path=str(state_dir),
            why=error.strerror or type(error).__name__,
        ) from error


def _configuration(raw: Dict[str, Any], where: str) -> Configuration:
    return configuration_from_json(raw.get("configuration"), where, strict=False)


def _accepted(answer: Answer, url: str) -> Dict[str, Any]:
    if answer.status == 403:  # noqa: PLR2004  # HTTP's own number
        raise EnrolmentError("the collector refused the code: it is wrong, used up or expired; ask for a new one")
    if answer.status == 429:  # noqa: PLR2004  # same
        wait = answer.headers.get("retry-after", "")
        if wait.isdigit():
            raise EnrolmentError("too many tries; try again in {seconds} seconds", seconds=int(wait))
        raise EnrolmentError("too many tries; try again later")
    if answer.status != 200:  # noqa: PLR2004  # same
        raise EnrolmentError(
            "{url}: answered with HTTP status {status}; is it a collector of this version?",
            url=url,
            status=answer.status,
        )
    try:
        raw = json.loads(answer.body)
    except ValueError:
        raw = None
    if not isinstance(raw, dict):
        raise EnrolmentError("{url}: the answer is not JSON of this contract; is it a collector?", url=url)
    return raw
