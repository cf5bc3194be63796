"""The collector's one door to the time; everything that judges gets it as an argument."""

from __future__ import annotations

import datetime as dt
import time
from zoneinfo import ZoneInfo

# Viet Nam has one time zone and no daylight saving time.
LOCAL_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def now_seconds() -> float:
    """Seconds since 1970-01-01 UTC."""
    return time.time()  # noqa: TID251 - this is the door


def steady_seconds() -> float:
    """Seconds on a clock that never jumps; only differences mean anything."""
    return time.monotonic()


def local_day(seconds: float) -> dt.date:
    """The calendar day in Viet Nam at that moment."""
    return local_time(seconds).date()


def local_time(seconds: float) -> dt.datetime:
    """The date and time in Viet Nam at that moment."""
    return dt.datetime.fromtimestamp(seconds, LOCAL_ZONE)
