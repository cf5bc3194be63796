"""Keeps the state folder to the agent alone: who can read the token can speak as this terminal.

On Linux the folder has mode 0700 and its files 0600; what is wider is narrowed at every start, and said. On Windows
the folder's list of rights names the system and the administrators and nobody else. The commands for Windows are held
by tests to what Microsoft documents of icacls; they have not been run on Windows.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Callable, List, Sequence, Tuple

from agent.config import CA_FILE, CONFIGURATION_FILE, IDENTITY_FILE
from agent.errors import ConfigurationError
from agent.wire.message import Message, mark

Run = Callable[[Sequence[str], float], Tuple[int, bytes]]

# By number, not by name: Windows translates the names.
_SYSTEM = "*S-1-5-18"
_ADMINISTRATORS = "*S-1-5-32-544"
_FULL = ":(OI)(CI)F"
_LIMIT_SECONDS = 60.0
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SECRET_FILES = (IDENTITY_FILE, IDENTITY_FILE + ".new", CONFIGURATION_FILE, CA_FILE)
_SPOOL = "spool"

_NARROWED = mark("{path}: others could read it; it is closed to them now")
_NOT_KEPT = mark(
    "{path}: others can read it and it cannot be closed to them ({why}); the agent's token would be theirs too"
)


def windows_commands(state_dir: str, system_root: str) -> List[List[str]]:
    """What closes a folder of Windows: rights from above end, two remain, and all inside takes them over."""
    icacls = system_root + r"\System32\icacls.exe"
    return [
        [icacls, state_dir, "/inheritance:r", "/grant:r", _SYSTEM + _FULL, _ADMINISTRATORS + _FULL, "/Q"],
        [icacls, state_dir + r"\*", "/reset", "/T", "/C", "/Q"],
    ]


def secure(state_dir: Path) -> List[Message]:
    """Closes the state folder to others; what had to be changed, for the log.

    Raises:
        ConfigurationError: others can read the identity, and that cannot be changed.
    """
    if sys.platform == "win32":
        from agent.program_call import run_program  # noqa: PLC0415  # brings in what starts programs

        return secure_windows(str(state_dir), run_program)
    return _secure_posix(state_dir)


def secure_windows(state_dir: str, run: Run) -> List[Message]:
    """As `secure`, on Windows.

    Args:
        state_dir: the folder.
        run: starts a program with words and a limit in seconds; (exit status, output).

    Raises:
        ConfigurationError: the rights could not be set.
    """
    root = os.environ.get("SYSTEMROOT", r"C:\Windows")
    narrow, inherit = windows_commands(state_dir, root)
    for words in (narrow, inherit):
        try:
            status, _output = run(words, _LIMIT_SECONDS)
        except OSError as error:
            raise ConfigurationError(_NOT_KEPT, path=state_dir, why=error.strerror or type(error).__name__) from error
        # An empty folder has nothing to take the rights over: its own are what counts.
        if status != 0 and words is narrow:
            raise ConfigurationError(_NOT_KEPT, path=state_dir, why=f"icacls {status}")
    return []


def _secure_posix(state_dir: Path) -> List[Message]:
    said = []
    try:
        inside = [entry.name for entry in state_dir.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(_NOT_KEPT, path=str(state_dir), why=error.strerror or type(error).__name__) from error
    names = [name for name in inside if name in _SECRET_FILES or name.startswith(_SPOOL)]
    for path, allowed in [(state_dir, 0o700), *((state_dir / name, 0o600) for name in sorted(names))]:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            if not mode & _OTHERS:
                continue
            path.chmod(mode & allowed)
        except FileNotFoundError:
            continue
        except OSError as error:
            # A folder that others may pass through, with a closed identity in it, gives nothing away.
            if path.name == IDENTITY_FILE:
                why = error.strerror or type(error).__name__
                raise ConfigurationError(_NOT_KEPT, path=str(path), why=why) from error
            continue
        said.append(Message(_NARROWED, {"path": str(path)}))
    return said
