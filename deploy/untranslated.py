"""Names the sentences of a template catalogue that a translation lacks; exit 1 if there is any."""

from __future__ import annotations

import sys
from pathlib import Path

from babel.messages.pofile import read_po


def untranslated(template: Path, translation: Path) -> list[str]:
    """Sentences without a translation, with the place of each."""
    with translation.open("rb") as file:
        known = {message.id for message in read_po(file) if message.string}
    with template.open("rb") as file:
        return [
            f"{message.locations[0][0]}:{message.locations[0][1]}: {message.id}"
            for message in read_po(file)
            if message.id and message.id not in known
        ]


if __name__ == "__main__":
    missing = untranslated(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write("".join(f"not translated: {line}\n" for line in missing))
    sys.exit(bool(missing))
