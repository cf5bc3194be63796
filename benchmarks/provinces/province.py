"""Draw, run and write one simulated province."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.provinces.queues import run_queue
from benchmarks.provinces.sites import draw_core, draw_sites
from benchmarks.provinces.terminals import Minutes, measure_site
from benchmarks.provinces.trouble import MINUTES_PER_DAY
from benchmarks.provinces.truth import Label, label_core, label_site
from benchmarks.provinces.writing import write_labels, write_sites, write_trace


def write_province(folder: Path, *, seed: int, hard: bool, sites: int = 8, days: int = 21) -> None:
    """Write `trace.csv.gz`, `labels.csv` and `sites.csv` of a random province; the same seed gives the same files."""
    streams = iter(np.random.SeedSequence([seed, int(hard)]).spawn(2 + sites))
    rng = np.random.default_rng(next(streams))
    core = draw_core(rng, days)
    drawn = draw_sites(rng, sites, days, hard=hard)
    core_queue = run_queue(np.random.default_rng(next(streams)), core.line, days, core.extra_load)
    measured: list[tuple[str, Minutes]] = []
    labels: list[Label] = []
    for site in drawn:
        rng = np.random.default_rng(next(streams))
        access_queue = run_queue(rng, site.line, days, site.extra_load)
        reporting = np.zeros(days * MINUTES_PER_DAY, dtype=bool)
        for one in measure_site(rng, site, core, access_queue, core_queue, days):
            measured.append((site.name, one))
            reporting[one.minutes] = True
        labels += label_site(site, access_queue, core_queue, reporting)
    write_trace(folder / "trace.csv.gz", measured)
    write_labels(folder / "labels.csv", labels + label_core(core))
    write_sites(folder / "sites.csv", drawn)
