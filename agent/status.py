"""How an agent stands, read beside it while it runs: nothing is written and nothing repaired."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import quote

from agent.errors import SpoolError
from agent.measuring import LAST_ROUND, SELDOM_OUTCOMES
from agent.spool import SPOOL_FILE
from agent.spool_room import SENT, WAITING
from agent.uplink import LAST_ERROR, LAST_UPLOAD
from agent.wire.message import Message, Translate
from agent.wire.record import dataclass, field


@dataclass(frozen=True)
class Status:
    """What the spool tells.

    Args:
        waiting: reports not yet sent.
        waiting_bytes: what they take on disk, compressed.
        sent: reports kept although the collector has them, in case that it is restored from an older backup.
        sent_again_total: sent ones that became waiting again because the collector had lost them.
        dropped_total: reports lost for want of room or by age.
        rejected: (boot_id, sequence, reason) of reports that the collector refused for good and that are kept aside.
        moved_aside_total: how often the spool was found damaged.
        last_upload_at: when the collector last took reports, seconds since 1970 UTC.
        last_error_at: when the failure below was.
        last_error: why the last upload failed; None if it did not.
        last_round_at: when the last round was measured.
        last_outcomes: how each probe ended when it last ran, as in the report; `at` where that may be another round.
    """

    waiting: int = 0
    waiting_bytes: int = 0
    sent: int = 0
    sent_again_total: int = 0
    dropped_total: int = 0
    rejected: List[Tuple[str, int, str]] = field(default_factory=list)
    moved_aside_total: int = 0
    last_upload_at: Optional[float] = None
    last_error_at: Optional[float] = None
    last_error: Optional[Message] = None
    last_round_at: Optional[float] = None
    last_outcomes: List[Dict[str, Any]] = field(default_factory=list)


def read_status(state_dir: Path) -> Status:
    """The status of the agent of this state folder; that of a new one where it has not measured yet.

    Raises:
        SpoolError: the spool cannot be read.
    """
    path = state_dir / SPOOL_FILE
    if not path.exists():
        return Status()
    try:
        address = f"file:{quote(path.resolve().as_posix())}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=5.0)) as database:
            return _read(database)
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        raise SpoolError("{path}: the spool cannot be read ({why})", path=str(path), why=str(error)) from error


def status_to_dict(status: Status, _: Translate) -> Dict[str, Any]:
    """The status as JSON shows it: sentences in the language of `_`, moments in seconds since 1970 UTC."""
    table = {name: value for name, value in vars(status).items() if name not in ("rejected", "last_error")}
    rejected = [{"boot_id": one[0], "sequence": one[1], "reason": one[2]} for one in status.rejected]
    last_error = None if status.last_error is None else status.last_error.render(_)
    return {**table, "rejected": rejected, "last_error": last_error}


def _read(database: sqlite3.Connection) -> Status:
    memory = dict(database.execute("SELECT name, value FROM memory"))
    # A file that the running agent has not yet brought up to date knows none that were sent.
    is_first_version = database.execute("PRAGMA user_version").fetchone()[0] == 1
    every, sent = ("FROM report", 0) if is_first_version else (WAITING, _count(database, SENT))
    waiting, waiting_bytes = database.execute(f"SELECT COUNT(*), COALESCE(SUM(LENGTH(body)), 0) {every}").fetchone()
    upload, error, last_round = (json.loads(memory.get(name) or "{}") for name in (LAST_UPLOAD, LAST_ERROR, LAST_ROUND))
    message = error.get("message")
    pattern = message["pattern"] if message else ""
    return Status(
        waiting=waiting,
        waiting_bytes=waiting_bytes,
        sent=sent,
        sent_again_total=int(memory.get("sent_again_total", 0)),
        dropped_total=int(memory.get("dropped_total", 0)),
        rejected=database.execute("SELECT boot_id, sequence, reason FROM rejected ORDER BY id").fetchall(),
        moved_aside_total=int(memory.get("moved_aside_total", 0)),
        last_upload_at=upload.get("at"),
        last_error_at=error.get("at"),
        last_error=Message(pattern, message["parameters"]) if message else None,
        last_round_at=last_round.get("at"),
        last_outcomes=_latest([*json.loads(memory.get(SELDOM_OUTCOMES) or "[]"), *last_round.get("outcomes", [])]),
    )


def _latest(outcomes: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Of each probe the last outcome."""
    by_probe = {outcome["probe"]: outcome for outcome in outcomes}
    return list(by_probe.values())


def _count(database: sqlite3.Connection, chosen: str) -> int:
    return int(database.execute(f"SELECT COUNT(*) {chosen}").fetchone()[0])
