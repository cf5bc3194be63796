"""Joins the translations of all rooms into one catalogue; exit 1 where two rooms contradict each other.

python deploy/merge_translations.py collector/locale/fragments collector/locale/vi/LC_MESSAGES/thongmang.po
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

LONGEST_LINE = 120
# The day of a run would make every run a change.
NO_DATE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def merge(folder: Path, target: Path) -> list[str]:
    """Writes the joined catalogue; returns the contradictions, each with its file."""
    catalogue = Catalog(
        locale="vi",
        project="thongmang",
        fuzzy=False,
        creation_date=NO_DATE,
        revision_date=NO_DATE,
        header_comment="# Vietnamese sentences. Made from collector/locale/fragments by `make locale`; change those.",
    )
    contradictions = []
    for path in sorted(folder.glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file):
                if not message.id or not message.string:
                    continue
                known = catalogue.get(message.id)
                if known is not None and known.string != message.string:
                    contradictions.append(f"{path}: {message.id!r}: {known.string!r} or {message.string!r}?")
                    continue
                flags = ["python-format"] if "%(" in message.id else []
                catalogue.add(message.id, message.string, flags=flags)
    with target.open("wb") as file:
        write_po(file, catalogue, sort_output=True, width=LONGEST_LINE)
    return contradictions


if __name__ == "__main__":
    found = merge(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write("".join(f"contradiction: {line}\n" for line in found))
    sys.exit(bool(found))
