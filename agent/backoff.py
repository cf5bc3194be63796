"""How long an agent waits before it sends again, and what a refusal means: pure, time comes as an argument."""

from __future__ import annotations

import os
from typing import Optional

from agent.connection import Answer
from agent.errors import UplinkError

BACKOFF_BASE_SECONDS = 5.0
BACKOFF_CAP_SECONDS = 300.0
LONGEST_RETRY_AFTER_SECONDS = 3600.0
# What a request and its answer cost besides the body: headers, TLS, TCP, IP and acknowledgements.
REQUEST_BYTES = 1500

_NOT_ALLOWED = (401, 403)
_LATER = (429, 503)

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY_SECONDS = 86_400
_DAYS_TO_1970 = 719_468
_DATE_FORM = ("Sun,", "06", "Nov", "1994", "08", "49", "37", "GMT")
_DATE_CHARACTERS = 29


def draw_fraction() -> float:
    """A fraction from 0 to 1, below 1, from the system's own source: no two terminals draw alike."""
    return int.from_bytes(os.urandom(6), "big") / 2.0**48


def backoff_seconds(
    attempt: int,
    fraction: float,
    *,
    base_seconds: float = BACKOFF_BASE_SECONDS,
    cap_seconds: float = BACKOFF_CAP_SECONDS,
) -> float:
    """How long to wait after failure number `attempt` (1, 2, ...): exponential, with full jitter.

    Args:
        attempt: how many failures there were in a row.
        fraction: drawn evenly from 0 to 1; ten thousand terminals must not come back at the same moment.
        base_seconds: the longest wait after the first failure.
        cap_seconds: the longest wait ever.
    """
    longest = min(cap_seconds, base_seconds * 2.0 ** min(attempt - 1, 32))
    return longest * fraction


def retry_after_seconds(header: Optional[str], now_seconds: float) -> Optional[float]:
    """The bounded wait that a Retry-After header (seconds or an HTTP date) asks for; None if it says nothing usable."""
    if header is None:
        return None
    text = header.strip()
    if text.isdigit() and text.isascii():
        wait = float(text[:12])
    else:
        moment = http_date_seconds(text)
        if moment is None:
            return None
        wait = moment - now_seconds
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def http_date_seconds(text: str) -> Optional[int]:
    """Seconds since 1970-01-01 UTC of a date as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7); None if it is none.

    Its own parser: those of the standard library load the whole of `email` or `datetime`.
    """
    words = text.replace(":", " ").split()
    if len(text) != _DATE_CHARACTERS or len(words) != len(_DATE_FORM) or words[2] not in _MONTHS or words[7] != "GMT":
        return None
    figures = (words[1], *words[3:7])
    if not all(figure.isdigit() and figure.isascii() for figure in figures):
        return None
    day, year, hour, minute, second = (int(figure) for figure in figures)
    month = _MONTHS.index(words[2]) + 1
    if not (1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):  # noqa: PLR2004  # a clock's own numbers
        return None
    # Years begin with March here, so that the day of a leap year is its last.
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)  # noqa: PLR2004  # same
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 1 - _DAYS_TO_1970
    return days * _DAY_SECONDS + hour * 3600 + minute * 60 + second


def history_wait_seconds(sent_bytes: int, bytes_per_minute: int) -> float:
    """How long to wait after a batch so that history does not go faster than `bytes_per_minute`."""
    return (sent_bytes + REQUEST_BYTES) * 60.0 / bytes_per_minute


def refusal(answer: Answer, now_seconds: float) -> UplinkError:
    """The error that an answer other than 200 to a whole upload stands for, with how long it may last."""
    wait = retry_after_seconds(answer.headers.get("retry-after"), now_seconds)
    if answer.status in _NOT_ALLOWED:
        return UplinkError(
            "the collector refuses this terminal's token (HTTP status {status_code}); reports are kept; "
            "enrol again with --again",
            status=answer.status,
            permanent=True,
            status_code=answer.status,
        )
    if answer.status in _LATER:
        return UplinkError(
            "the collector is busy and asked to come later",
            status=answer.status,
            retry_after_seconds=wait,
        )
    if answer.status >= 500:  # noqa: PLR2004  # HTTP's own number
        return UplinkError(
            "the collector failed (HTTP status {status_code})", status=answer.status, status_code=answer.status
        )
    return UplinkError(
        "HTTP status {status_code}: this address is not a collector's, or not of this version; reports are kept",
        status=answer.status,
        permanent=True,
        status_code=answer.status,
    )
