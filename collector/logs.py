"""Log lines as logfmt on standard error, without personal data."""

from __future__ import annotations

import datetime as dt
import logging
import sys


class LogfmtFormatter(logging.Formatter):
    """One line a record: time (UTC), level, logger, message, and the trace if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one logfmt line."""
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        line = f"ts={moment} level={record.levelname.lower()} logger={record.name} msg={_quoted(record.getMessage())}"
        if record.exc_info:
            line += f" trace={_quoted(self.formatException(record.exc_info))}"
        return line


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n")
    return f'"{escaped}"'


def configure_logging(level: str) -> None:
    """Sends everything from `level` upwards to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogfmtFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # It announces every migration step at every start.
    logging.getLogger("alembic").setLevel(logging.WARNING)
