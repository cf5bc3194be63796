"""What opens SNMP agents: entries of one TOML file that only its owner may read. Never shown, never logged."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from pysnmp.hlapi.v3arch.asyncio import (  # type: ignore[import-untyped]  # pysnmp ships no types
    CommunityData,
    UsmUserData,
    usm3DESEDEPrivProtocol,
    usmAesCfb128Protocol,
    usmAesCfb192Protocol,
    usmAesCfb256Protocol,
    usmDESPrivProtocol,
    usmHMAC128SHA224AuthProtocol,
    usmHMAC192SHA256AuthProtocol,
    usmHMAC256SHA384AuthProtocol,
    usmHMAC384SHA512AuthProtocol,
    usmHMACMD5AuthProtocol,
    usmHMACSHAAuthProtocol,
)

from collector.errors import SettingsError
from collector.settings import Network

VERSION_2C, VERSION_3 = "2c", "3"
VERSIONS = (VERSION_2C, VERSION_3)
DEFAULT_FILE = "snmp-credentials.toml"
# RFC 3414, section 11.2.
SHORTEST_PASSWORD = 8

_AUTHENTICATION = {
    "md5": usmHMACMD5AuthProtocol,
    "sha1": usmHMACSHAAuthProtocol,
    "sha224": usmHMAC128SHA224AuthProtocol,
    "sha256": usmHMAC192SHA256AuthProtocol,
    "sha384": usmHMAC256SHA384AuthProtocol,
    "sha512": usmHMAC384SHA512AuthProtocol,
}
_PRIVACY = {
    "des": usmDESPrivProtocol,
    "3des": usm3DESEDEPrivProtocol,
    "aes128": usmAesCfb128Protocol,
    "aes192": usmAesCfb192Protocol,
    "aes256": usmAesCfb256Protocol,
}


class Community(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A community of SNMPv2c."""

    community: str

    def __repr__(self) -> str:
        return "Community(...)"


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user of SNMPv3 with authentication and privacy; the weaker levels are not offered."""

    user: str
    authentication_password: str
    privacy_password: str
    authentication: Literal["md5", "sha1", "sha224", "sha256", "sha384", "sha512"] = "sha1"
    privacy: Literal["des", "3des", "aes128", "aes192", "aes256"] = "aes128"

    def __repr__(self) -> str:
        return "User(...)"


Credential = Community | User


def credentials_file(settings: Network, state: Path) -> Path:
    """The file that the settings name, else the one in the state directory."""
    return Path(settings.credentials_file) if settings.credentials_file else state / DEFAULT_FILE


def load_credentials(path: Path) -> dict[str, Credential]:
    """The entries of a file by name; none where the file is missing.

    Raises:
        SettingsError: names the file, the entry and what was expected; never a value.
    """
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise SettingsError(f"{path}: others may read it; expected mode 0600 (chmod 600 {path})")
            table = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        # The parser's own words quote what it stumbled over.
        raise SettingsError(f"{path}: is not TOML") from error
    return {name: _entry(name, entry, path) for name, entry in table.items()}


def authentication_data(credential: Credential) -> CommunityData | UsmUserData:
    """The credential as pysnmp takes it."""
    if isinstance(credential, Community):
        # Older equipment speaks nothing better; docs/network_devices.md says what follows from that.
        return CommunityData(credential.community, mpModel=1)  # noqa: S508 - see above
    return UsmUserData(
        credential.user,
        credential.authentication_password,
        credential.privacy_password,
        authProtocol=_AUTHENTICATION[credential.authentication],
        privProtocol=_PRIVACY[credential.privacy],
    )


def version_of(credential: Credential) -> str:
    """The version of SNMP that a credential is for, one of `VERSIONS`."""
    return VERSION_2C if isinstance(credential, Community) else VERSION_3


def _entry(name: str, entry: Any, path: Path) -> Credential:
    if not isinstance(entry, Mapping):
        raise SettingsError(f"{path}: {name}: expected a table [{name}] with community, or with user and passwords")
    kind: type[Credential] = Community if "community" in entry else User
    try:
        credential = msgspec.convert(entry, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {name}: {_without_values(str(error))}") from error
    if isinstance(credential, Community):
        if not credential.community:
            raise SettingsError(f"{path}: {name}: community is empty")
        return credential
    for key in ("authentication_password", "privacy_password"):
        if len(getattr(credential, key)) < SHORTEST_PASSWORD:
            raise SettingsError(f"{path}: {name}: {key}: expected at least {SHORTEST_PASSWORD} characters (RFC 3414)")
    if not credential.user:
        raise SettingsError(f"{path}: {name}: user is empty")
    return credential


def _without_values(text: str) -> str:
    # "Invalid enum value 'x' - at `$.privacy`": the place is enough, the value may be a password in the wrong line.
    if not text.startswith("Invalid enum value"):
        return text
    where = text.rpartition("`$.")[2].rstrip("`")
    known = ", ".join(_AUTHENTICATION if where == "authentication" else _PRIVACY)
    return f"{where}: expected one of {known}"
