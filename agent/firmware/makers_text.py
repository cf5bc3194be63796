"""Words that makers of hardware and systems wrote, kept apart from words that people wrote. Pure.

A name of a product cannot be told from the name of a person; a path, a file or an address can, and none of these is
ever sent, wherever it was written.
"""

from __future__ import annotations

import re
from typing import Optional

_CHARACTERS = 120
_PERSONAL = re.compile(
    r"\\|@|://|^~?/|/(home|users|media|mnt|srv|root)/"
    r"|\.(docx?|xlsx?|pptx?|od[tsp]|pdf|txt|rtf|csv|jpe?g|png|zip|rar|7z|exe|lnk|eml|msg)\b",
    re.IGNORECASE,
)
_EDITIONS = """
microsoft windows server xp vista nt pro professional home premium basic starter ultimate enterprise education iot ltsc
ltsb core single language n k kn s se standard datacenter essentials foundation storage web hpc embedded posready thin
pc evaluation eval for workstations virtual desktops multi-session with bing team business cloud insider preview rt
media center edition tablet azure stack hci hyper-v r2 country specific subscription
"""
_WINDOWS_WORDS = frozenset(_EDITIONS.split())
_WINDOWS_NUMBER = re.compile(r"\d{1,4}(\.\d)?")


def makers_text(text: Optional[str]) -> Optional[str]:
    """The text without outer blanks, of 120 characters at most; None if it is blank, a path, a file or an address."""
    stripped = (text or "").strip()
    return None if _PERSONAL.search(stripped) else stripped[:_CHARACTERS].strip() or None


def windows_name(text: Optional[str]) -> Optional[str]:
    """The words of a Windows edition's name that Microsoft uses in such names; None where it is no Windows."""
    words = re.sub("[\u00ae\u2122]|\\((?:r|tm)\\)", "", text or "", flags=re.IGNORECASE).split()
    kept = [word for word in words if word.lower() in _WINDOWS_WORDS or _WINDOWS_NUMBER.fullmatch(word)]
    return " ".join(kept) if "windows" in (word.lower() for word in kept) else None
