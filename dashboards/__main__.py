"""`python -m dashboards` writes dashboards/generated; with --check it only says whether that is up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dashboards.build import GENERATED, differences, write_all


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, or 1 where --check found a difference."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description="Builds Grafana's dashboards.")
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 if a file is not up to date")
    parser.add_argument("--output", type=Path, default=GENERATED, help="folder of the JSON files")
    options = parser.parse_args(arguments)
    if not options.check:
        for path in write_all(options.output):
            sys.stdout.write(f"{path}\n")
        return 0
    found = differences(options.output)
    for difference in found:
        sys.stderr.write(f"{difference}; run `python -m dashboards`\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
