"""What the daily run as an administrator has left for the agent: read with suspicion, and no longer than three days."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

from agent.admission import admit
from agent.probes.contract import DISK_HOURS, Collected
from agent.runner import ProbeRun
from agent.wire.message import mark
from agent.wire.report import OK, FactValue, ProbeOutcome

PRIVILEGED_FILE = "privileged.json"
FOLDER_VARIABLE = "THONGMANG_AGENT_PRIVILEGED_DIR"
LIMIT_BYTES = 1024 * 1024
VERSION = 1

_DAY_SECONDS = 86_400.0
FROM_TODAY = mark("read by the run as administrator less than a day ago")
FROM_YESTERDAY = mark("read by the run as administrator one to two days ago")
FROM_BEFORE = mark("read by the run as administrator two to three days ago")
_FROM = (FROM_TODAY, FROM_YESTERDAY, FROM_BEFORE)


def privileged_file(state_dir: Path) -> Path:
    """Where the file of the agent with this state folder lies.

    In the folder that the environment names, else beside the state folder, under its name with `-privileged` (on
    Windows `Privileged`), else in the state folder itself.
    """
    told = os.environ.get(FOLDER_VARIABLE)
    if told:
        return Path(told) / PRIVILEGED_FILE
    suffix = "Privileged" if sys.platform == "win32" else "-privileged"
    beside = state_dir.with_name(state_dir.name + suffix) / PRIVILEGED_FILE
    return beside if beside.parent.is_dir() else state_dir / PRIVILEGED_FILE


class Privileged:
    """The file of the daily run.

    Args:
        path: of the file, which need not be there.
        owner: the number of the user who alone may have written it. Windows has none: there the rights of its folder
            decide.
    """

    def __init__(self, path: Path, owner: int = 0) -> None:
        self._path = path
        self._owner = owner

    def improved(self, run: ProbeRun, wall_time_seconds: float) -> ProbeRun:
        """The run of a probe that lacked rights, with the facts of the same probe in the file, if it has them."""
        made_at, runs = self._read(wall_time_seconds)
        facts = _facts(runs.get(run.outcome.probe))
        if not facts:
            return run
        days = int(max(0.0, wall_time_seconds - made_at) // _DAY_SECONDS)
        outcome = ProbeOutcome(run.outcome.probe, OK, run.outcome.duration_seconds, _FROM[min(days, len(_FROM) - 1)])
        return ProbeRun(outcome, (*run.sources, str(self._path)), run.samples, {**run.facts, **facts})

    def told(self, wall_time_seconds: float) -> Dict[str, Any]:
        """What the probes there leave for those here: hours of disks."""
        hours: Dict[str, int] = {}
        for run in self._read(wall_time_seconds)[1].values():
            rows = _facts(run).get("disk")
            for row in rows if isinstance(rows, list) else ():
                device, count = row.get("device"), row.get("power_on_hours")
                if isinstance(device, str) and isinstance(count, int):
                    hours[device] = count
        return {DISK_HOURS: hours} if hours else {}

    def _read(self, wall_time_seconds: float) -> Tuple[float, Mapping[str, Any]]:
        """(seconds since 1970 of the run, name of a probe -> what it found); nothing where the file may not be used."""
        table = self._table()
        if table is None or table.get("version") != VERSION:
            return 0.0, {}
        made_at, runs = table.get("made_at"), table.get("runs")
        if not isinstance(made_at, (int, float)) or not isinstance(runs, dict):
            return 0.0, {}
        is_fresh = abs(wall_time_seconds - made_at) <= len(_FROM) * _DAY_SECONDS
        return (float(made_at), runs) if is_fresh else (0.0, {})

    def _table(self) -> Optional[Dict[str, Any]]:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            descriptor = os.open(str(self._path), flags)
        except OSError:
            return None
        try:
            state = os.fstat(descriptor)
            is_usable = stat.S_ISREG(state.st_mode) and state.st_size <= LIMIT_BYTES
            # Else anybody who may write it could say what this machine is.
            if sys.platform != "win32":
                is_usable = is_usable and state.st_uid == self._owner and not state.st_mode & 0o022
            table = json.loads(os.read(descriptor, LIMIT_BYTES)) if is_usable else None
        except (OSError, ValueError, RecursionError):
            return None
        finally:
            os.close(descriptor)
        return table if isinstance(table, dict) else None


def _facts(kept: Any) -> Mapping[str, FactValue]:
    """The facts of one run in the file, as far as they may be sent."""
    if not isinstance(kept, dict) or not isinstance(kept.get("facts"), dict):
        return {}
    rows = kept["facts"]
    whole = {
        name: value
        for name, value in rows.items()
        if not isinstance(value, list) or all(isinstance(row, dict) for row in value)
    }
    return admit(Collected(facts=whole))[1]
