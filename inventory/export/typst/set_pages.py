"""Sets `annex.typ` with the JSON of standard input and writes the PDF to standard output.

A process of its own, run by `inventory.export.pdf`: the typesetter keeps every document it ever set in memory, hundreds
of megabytes each, which a collector that runs for months must not.
"""

from __future__ import annotations

import sys
from pathlib import Path

import typst


def main() -> None:
    """Reads, sets, writes. Without tags for screen readers, which would make the file seven times as large."""
    template = Path(__file__).with_name("annex.typ")
    pages = typst.compile(
        str(template),
        root=str(template.parent),
        ignore_system_fonts=True,
        sys_inputs={"annex": sys.stdin.buffer.read().decode()},
        format="pdf",
        pdf_tags=False,
    )
    sys.stdout.buffer.write(pages)


if __name__ == "__main__":
    main()
