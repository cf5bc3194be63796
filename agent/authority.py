"""The collector's certificate authority: fetched by its fingerprint, checked, and pinned in the state folder.

A machine that is new cannot check the collector's certificate yet. The one connection that is opened without a check
fetches the authority's certificate and does nothing else: no code, no token and no report goes over it. What came is
pinned only if its fingerprint is the one a person brought on paper; all else goes over connections that trust the
pinned authority alone. Wanted at enrolment and by `agent trust`, never by the running agent.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any, List, Optional

from agent.config import CA_FILE, Identity, load_identity, replace_file, save_identity
from agent.connection import TIMEOUT_SECONDS, USER_AGENT, CollectorAddress, parse_collector_url, tls_context
from agent.errors import ConfigurationError, EnrolmentError, UplinkError
from agent.wire.message import mark

PATH = "/api/v1/authority"

_LIMIT_BYTES = 256 * 1024
_OK = 200
_FINGERPRINT_DIGITS = 64
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")

_NO_ANSWER = mark("the collector did not answer ({why})")


def parse_fingerprint(text: str) -> str:
    """The 64 hexadecimal digits of a SHA-256 fingerprint, however it is written: colons, blanks and case do not matter.

    Raises:
        ConfigurationError: it is none.
    """
    digits = re.sub(r"[\s:\-]", "", text).lower()
    if len(digits) != _FINGERPRINT_DIGITS or not re.fullmatch(r"[0-9a-f]+", digits):
        raise ConfigurationError(
            "{text}: expected the SHA-256 fingerprint of the collector's authority, 64 digits 0-9 and A-F",
            text=text[: _FINGERPRINT_DIGITS * 2],
        )
    return digits


def certificates(pem: bytes) -> List[bytes]:
    """The certificates in a PEM file, as DER bytes."""
    return [der for der in map(_der, _CERTIFICATE.findall(pem)) if der]


def _der(body: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except ValueError:
        return b""


def fetch_authority(address: CollectorAddress, fingerprint: str) -> bytes:
    """The PEM of the authority with this fingerprint, as the collector hands it out; of nothing else that it sends.

    Args:
        address: the collector; https.
        fingerprint: SHA-256 of the certificate (DER), as `parse_fingerprint` gives it.

    Raises:
        ConfigurationError: the address is not https.
        EnrolmentError: the collector hands out no authority, or another one: somebody may stand in between.
        UplinkError: it did not answer.
    """
    if not address.is_https:
        raise ConfigurationError("{url}: an authority is for https addresses only", url=address.url)
    # The only connection without a check in this agent; see above what goes over it.
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    unchecked.minimum_version = ssl.TLSVersion.TLSv1_2
    status, body = _get(address, unchecked)
    if status != _OK:
        raise EnrolmentError(
            "{url}: the collector hands out no authority (HTTP status {status}); bring its file and say --ca-file",
            url=address.url,
            status=status,
        )
    for der in certificates(body):
        if hashlib.sha256(der).hexdigest() == fingerprint:
            return ssl.DER_cert_to_PEM_cert(der).encode("ascii")
    raise EnrolmentError(
        "{url}: the authority it hands out is not the one with this fingerprint; nothing was sent to it. Compare the "
        "fingerprint with the sheet; if it is right, another machine stands between this one and the collector",
        url=address.url,
    )


def trust(state_dir: Path, identity: Identity, pem: bytes) -> Identity:
    """Pins another authority, after the collector has proven itself to it.

    Args:
        state_dir: where the authority and the identity are kept.
        identity: as kept there.
        pem: certificates of the authority.

    Raises:
        ConfigurationError: there is no certificate in it.
        UplinkError: the collector's certificate is not of this authority, or it does not answer; the pinned one stays.
    """
    address = parse_collector_url(identity.collector_url, allow_plain_http=True)
    trial = state_dir / (CA_FILE + ".trial")
    replace_file(trial, pem)
    try:
        if address.is_https:
            _get(address, tls_context(str(trial)))
    finally:
        trial.unlink()
    path = state_dir / CA_FILE
    replace_file(path, pem)
    identity = replace(identity, ca_file=str(path))
    save_identity(state_dir, identity)
    return identity


def trust_again(state_dir: Path, ca_file: Optional[Path], ca_fingerprint: Optional[str]) -> Identity:
    """What `agent trust` does: a person says, at this machine, whom to trust from now on.

    Args:
        state_dir: of an enrolled agent.
        ca_file: PEM file of the authority; or
        ca_fingerprint: its SHA-256, and the collector hands it out.

    Raises:
        ConfigurationError, EnrolmentError, UplinkError: as `fetch_authority` and `trust` say.
    """
    identity = load_identity(state_dir)
    if identity is None:
        raise ConfigurationError("this machine is not enrolled; say: thongmang agent enrol URL --code CODE")
    if (ca_file is None) == (ca_fingerprint is None):
        raise ConfigurationError("say either --ca-file or --ca-sha256")
    if ca_file is not None:
        tls_context(str(ca_file))
        return trust(state_dir, identity, ca_file.read_bytes())
    address = parse_collector_url(identity.collector_url)
    return trust(state_dir, identity, fetch_authority(address, parse_fingerprint(str(ca_fingerprint))))


def _get(address: CollectorAddress, context: ssl.SSLContext) -> Any:
    """(status, body) of the authority's address; the request says nothing but the agent's version."""
    connection = http.client.HTTPSConnection(address.host, address.port, timeout=TIMEOUT_SECONDS, context=context)
    try:
        headers = {"User-Agent": USER_AGENT, "Accept": "application/x-pem-file", "Connection": "close"}
        connection.request("GET", address.path + PATH, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_LIMIT_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise UplinkError(_NO_ANSWER, why=_reason(error)) from error
    finally:
        connection.close()


def _reason(error: Exception) -> str:
    told: Optional[str] = getattr(error, "verify_message", None) or getattr(error, "strerror", None)
    return told or type(error).__name__
