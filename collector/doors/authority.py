"""The authority's certificate, handed out to whoever asks: new terminals pin it by the fingerprint they brought."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Response, status

from collector.errors import SettingsError

if TYPE_CHECKING:
    from collector.app import Collector

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_LARGEST_BYTES = 256 * 1024


def authority_certificates(path: Path) -> list[bytes]:
    """The certificates of a PEM file, as DER bytes; private keys in it are left alone.

    Raises:
        SettingsError: it cannot be read or holds no certificate.
    """
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise SettingsError(f"server.ca_file: {path}: {error.strerror}") from error
    found = []
    for part in text.split(_BEGIN)[1:]:
        body, end, _ = part.partition(_END)
        if not end:
            continue
        try:
            found.append(ssl.PEM_cert_to_DER_cert(f"{_BEGIN}{body}{_END}\n"))
        except ValueError as error:
            raise SettingsError(f"server.ca_file: {path}: a certificate in it cannot be read: {error}") from error
    if not found:
        raise SettingsError(f"server.ca_file: {path}: expected a PEM file with the authority's certificate")
    return found


def fingerprint(der: bytes) -> str:
    """The SHA-256 fingerprint of a certificate as people compare it: AB:CD:..., the same that OpenSSL shows."""
    digits = hashlib.sha256(der).hexdigest().upper()
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def authority_router(collector: Collector) -> APIRouter:
    """The route that hands the authority out: without a token, for the terminal checks the fingerprint."""
    router = APIRouter(prefix="/api/v1", tags=["agents"])

    @router.get("/authority", responses={404: {}}, response_class=Response)
    def get_authority() -> Response:
        """The certificate of the authority that vouches for this collector, as PEM."""
        path = collector.settings.server.ca_file
        if not path:
            return Response("server.ca_file is not set\n", status.HTTP_404_NOT_FOUND, media_type="text/plain")
        try:
            found = authority_certificates(Path(path))
        except SettingsError as error:
            return Response(f"{error}\n", status.HTTP_404_NOT_FOUND, media_type="text/plain")
        pem = "".join(ssl.DER_cert_to_PEM_cert(der) for der in found[:16])
        return Response(pem[:_LARGEST_BYTES], media_type="application/x-pem-file")

    return router
