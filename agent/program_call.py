"""Starts a program of the machine, waits for it for a limited time and takes its output; for `Host` alone."""

from __future__ import annotations

import os
import subprocess  # noqa: TID251  # this is the door's own room
import sys
from typing import Sequence, Tuple

POWERSHELL_OPTIONS = ("-NoLogo", "-NoProfile", "-NonInteractive", "-Command")

_NO_WINDOW = 0x08000000
_BELOW_NORMAL_PRIORITY = 0x00004000


def run_program(words: Sequence[str], limit_seconds: float) -> Tuple[int, bytes]:
    """(exit status, output) of a program, which reads nothing and is ended after `limit_seconds`.

    Raises:
        OSError: it is not there, cannot be started, or took too long.
    """
    flags = _NO_WINDOW | _BELOW_NORMAL_PRIORITY if sys.platform == "win32" else 0
    try:
        done = subprocess.run(  # noqa: S603  # fixed words of the agent's own, an absolute path, and no shell
            [*words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=limit_seconds,
            check=False,
            env=dict(os.environ, LC_ALL="C"),
            creationflags=flags,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(str(words[0])) from error
    return done.returncode, done.stdout


def powershell_path() -> str:
    """Windows' own PowerShell, by its full path: a program of that name elsewhere is another."""
    root = os.environ.get("SYSTEMROOT", r"C:\Windows")
    return root + r"\System32\WindowsPowerShell\v1.0\powershell.exe"
