"""Times for sentences."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_text(at_seconds: float) -> str:
    """A time as sentences carry it: ISO form in UTC, written out for people where it is shown."""
    return datetime.fromtimestamp(at_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
