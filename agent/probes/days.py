"""Days as facts bear them."""

from __future__ import annotations

import time
from typing import Optional


def day_of(moment: Optional[float]) -> Optional[str]:
    """The day (UTC) of a moment in seconds since 1970, as 2024-03-31; None where there is none or it is no date."""
    if moment is None:
        return None
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(moment))
    except (OverflowError, OSError, ValueError):
        return None
