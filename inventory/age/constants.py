"""The measured constants of the age rules, from `inventory/data/age_constants.json`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent.parent / "data" / "age_constants.json"


def constant(name: str, line: str = "all") -> float:
    """One constant for a product line; in the unit its name ends with, months if it names none."""
    row = _constants()[name]
    return row[line] if line in row else row["all"] if "all" in row else max(row.values())


@cache
def _constants() -> dict[str, dict[str, float]]:
    raw = json.loads(_FILE.read_text(encoding="utf-8"))
    return {
        name: {line: float(value) for line, value in row.items() if line != "exceptions_share"}
        for name, row in raw.items()
        if name != "about"
    }
