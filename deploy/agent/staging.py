"""What both packages of the agent are made of: its own files, its version, the time that every file bears."""

from __future__ import annotations

import os
import re
import shutil
import subprocess  # noqa: TID251  # a builder's, not the agent's
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

# The earliest time that a zip can hold is 1980; this one stands in where nothing tells a better one.
_NO_TIME_SECONDS = 1_767_225_600
_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_LEFT_OUT_FOLDERS = frozenset({"__pycache__"})
_LEFT_OUT_ENDINGS = (".pyc", ".po", ".pot")


def agent_version() -> str:
    """The version that the agent itself tells.

    Raises:
        SystemExit: `agent/__init__.py` does not say it.
    """
    path = ROOT / "agent" / "__init__.py"
    found = _VERSION.search(path.read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit(f'{path}: expected a line __version__ = "..."')
    return found.group(1)


def source_time_seconds() -> int:
    """The time that all files of a package bear: SOURCE_DATE_EPOCH, else that of the last commit, else a fixed one.

    Raises:
        SystemExit: SOURCE_DATE_EPOCH is no whole number of seconds.
    """
    told = os.environ.get("SOURCE_DATE_EPOCH")
    if told:
        if not told.isdigit():
            raise SystemExit(f"SOURCE_DATE_EPOCH: expected whole seconds since 1970, found {told!r}")
        return int(told)
    git = shutil.which("git")
    if git is not None:
        words = [git, "-C", str(ROOT), "log", "-1", "--format=%ct"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603  # words of our own
        if done.returncode == 0 and done.stdout.strip().isdigit():
            return int(done.stdout)
    return _NO_TIME_SECONDS


def agent_files() -> list[tuple[str, bytes]]:
    """(path under the import folder, content) of everything that the agent needs at run time, sorted by path."""
    found = []
    folder = ROOT / "agent"
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if not path.is_file() or _LEFT_OUT_FOLDERS.intersection(parts) or path.name.endswith(_LEFT_OUT_ENDINGS):
            continue
        found.append((path.relative_to(ROOT).as_posix(), path.read_bytes()))
    return found
