"""Files that hold what a channel must not show: passwords, signing keys, addresses with tokens in them.

A fault of such a file passes once a person has repaired it, so it is a `TemporaryDeliveryError`: nothing is given up
because of it. The texts name the file and what was expected, never what it holds.
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from collector.notifiers.contract import TemporaryDeliveryError

MOST_BYTES = 1024 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_secret(path: str, setting: str) -> str:
    """The one secret of a file, without the line feed at its end.

    Args:
        path: of the file; only its owner may read it.
        setting: the key of `collector.toml` that names it, for error texts.

    Raises:
        TemporaryDeliveryError: missing, unreadable, empty, or readable by others.
    """
    secret = _read(path, setting).rstrip("\r\n")
    if not secret:
        raise TemporaryDeliveryError(f"{setting}: {path} is empty")
    return secret


def read_secret_table(path: str, setting: str) -> dict[str, Any]:
    """The TOML table of a file.

    Args:
        path: of the file; only its owner may read it.
        setting: the key of `collector.toml` that names it, for error texts.

    Raises:
        TemporaryDeliveryError: missing, unreadable, not TOML, or readable by others.
    """
    text = _read(path, setting)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The library's text may quote a character of the file, never more.
        raise TemporaryDeliveryError(f"{setting}: {path} is not TOML: {error}") from None


def _read(path: str, setting: str) -> str:
    try:
        with Path(path).open("rb") as file:
            # Of the open file, so that it cannot be another one a moment later.
            state = os.fstat(file.fileno())
            if os.name == "posix" and state.st_mode & _OTHERS:
                mode = stat.S_IMODE(state.st_mode)
                raise TemporaryDeliveryError(
                    f"{setting}: {path} has mode {mode:04o}, expected 0600: others must not read it",
                )
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise TemporaryDeliveryError(f"{setting}: {path}: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise TemporaryDeliveryError(f"{setting}: {path} is longer than {MOST_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise TemporaryDeliveryError(f"{setting}: {path} is not UTF-8") from None
