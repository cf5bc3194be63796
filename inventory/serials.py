"""Serial numbers and asset tags: when they name a machine, and when two spellings are one."""

from __future__ import annotations

import tomllib
import unicodedata
from functools import lru_cache
from importlib.resources import files

from inventory.collation import search_key


@lru_cache(maxsize=65_536)
def serial_key(text: str | None) -> str | None:
    """What two spellings of one serial share: its letters and digits in upper case.

    None where the text names no machine: empty, too short, one character over and over, or a placeholder such as
    `To be filled by O.E.M.`, `Default string` or `123456789` (`inventory/data/placeholders.toml`).
    """
    if not text:
        return None
    key = "".join(c for c in unicodedata.normalize("NFKC", text).upper() if c.isalnum())
    exact, shortest = _placeholders()
    if len(key) < shortest or len(set(key)) == 1 or _bare(text) in exact:
        return None
    return key


def _bare(text: str) -> str:
    return search_key(text).replace(" ", "")


@lru_cache(maxsize=1)
def _placeholders() -> tuple[frozenset[str], int]:
    data = tomllib.loads(files("inventory").joinpath("data/placeholders.toml").read_text(encoding="utf-8"))
    return frozenset(_bare(text) for text in data["exact"]), int(data["shortest_characters"])
