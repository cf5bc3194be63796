"""Write a simulated province, a congested path or a quiet path as a labelled trace.

python -m benchmarks.provinces --seed N [--hard] [--sites 8] [--days 21] --out DIR
python -m benchmarks.provinces --seed N --path congested|quiet --out DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.provinces.paths import write_congested_path, write_quiet_path
from benchmarks.provinces.province import write_province


def main() -> None:
    """Read the command line and write the files."""
    parser = argparse.ArgumentParser(prog="benchmarks.provinces", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--hard", action="store_true", help="4G and DSL lines, single terminals, tiny buffers")
    parser.add_argument("--sites", type=int, default=8)
    parser.add_argument("--days", type=int, default=21)
    parser.add_argument("--path", choices=["congested", "quiet"], help="one terminal and one target instead")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.path == "congested":
        write_congested_path(given.out, seed=given.seed)
    elif given.path == "quiet":
        write_quiet_path(given.out, seed=given.seed)
    else:
        write_province(given.out, seed=given.seed, hard=given.hard, sites=given.sites, days=given.days)


if __name__ == "__main__":
    main()
