"""Learns the age model's laws and shows how far they hold: `python -m inventory.age.learning fit|check`.

Runs with the dependency group `learning` only; the result is `inventory/data/age_model.json`, which `posterior`
reads without any of it. Input: dumps (`path` and `text` a line) and their known dates of manufacture (`path` and
`manufactured`). `python -m benchmarks.age --cross-validate` judges the laws by machines they were not learnt from.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

# SciPy comes with scikit-learn and ships no types.
from scipy.optimize import minimize
from scipy.special import ndtr

from agent.wire.report import FactValue
from inventory.age.combine import combine
from inventory.age.dates import months_between
from inventory.age.dmidecode import facts_from_dmidecode
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine
from inventory.age.posterior import (
    FIRST_CELL_MONTHS,
    LAST_CELL_MONTHS,
    LOWEST_LOG_WEIGHT,
    STEP_MONTHS,
    Laws,
    Observation,
    observe,
    origin,
)
from inventory.age.processors import DATA
from inventory.age.sources import SOURCES, TITLES

Array = npt.NDArray[np.float64]

FOLDS = 5
_LEARNT_ON = date(2025, 1, 6)


@dataclass(frozen=True)
class Parameter:
    """One learnt number: where it stands, how it is freed of its limits, and where it is expected beforehand."""

    law: str
    name: str
    scale: str
    expected: float
    spread: float

    def to_free(self, value: float) -> float:
        """The number on the whole real line."""
        if self.scale == "log":
            return float(np.log(value))
        return float(np.log(value / (1 - value))) if self.scale == "share" else value

    def from_free(self, value: float) -> float:
        """The number itself."""
        if self.scale == "log":
            return float(np.exp(value))
        return float(1 / (1 + np.exp(-value))) if self.scale == "share" else float(value)


# Expectations are the shares measured on some 8,000 machines (docs/age.md); spreads are on the free scale.
PARAMETERS = (
    Parameter("manufacture", "shift_months", "log", 2.0, 0.4),
    Parameter("manufacture", "log_median", "plain", 2.3, 0.5),
    Parameter("manufacture", "log_median_portable", "plain", 0.0, 0.3),
    Parameter("manufacture", "log_median_workstation", "plain", 0.2, 0.3),
    Parameter("manufacture", "log_median_per_gap_month", "plain", -0.01, 0.02),
    Parameter("manufacture", "log_spread", "log", 0.5, 0.3),
    Parameter("manufacture", "tail_share", "share", 0.05, 1.0),
    Parameter("firmware", "factory_share", "share", 0.27, 1.0),
    Parameter("firmware", "factory_log_median", "plain", 1.25, 0.4),
    Parameter("firmware", "factory_log_spread", "log", 0.5, 0.3),
    Parameter("firmware", "update_middle_months", "plain", 60.0, 20.0),
    Parameter("firmware", "update_spread_months", "log", 25.0, 0.4),
    Parameter("battery", "first_share", "share", 0.81, 1.0),
    Parameter("battery", "first_log_median", "plain", 1.0, 0.3),
    Parameter("battery", "first_log_spread", "log", 0.5, 0.3),
    Parameter("battery", "later_share_of_rest", "share", 0.75, 1.0),
    Parameter("battery", "later_mean_months", "log", 35.0, 0.4),
)
FIXED: Laws = {
    "manufacture": {"tail_log_shift": 0.4, "tail_stretch": 1.8},
    "firmware": {"update_before_manufacture_months": 0.7},
    "battery": {"older_mean_months": 12.0},
    "interval": {"below": 0.0075, "above": 0.995, "margin_months": 0.25},
}


@dataclass(frozen=True)
class Known:
    """A machine whose date of manufacture is known, its vendor's own dates taken away.

    Args:
        path: its name in the sample.
        group: its model, so that no model is learnt from and judged by at once.
        business: whether it is of a business line.
        machine: its facts.
        manufactured: the truth.
    """

    path: str
    group: str
    business: bool
    machine: Machine
    manufactured: date


@dataclass(frozen=True)
class Sample:
    """Observations as arrays, months since each machine's origin."""

    gap: Array
    portable: Array
    workstation: Array
    firmware: Array
    battery: Array
    first: Array
    last: Array
    made: Array


def without_vendor_dates(facts: Mapping[str, FactValue]) -> dict[str, FactValue]:
    """The facts less those in which a vendor tells the date of manufacture itself, as most vendors do not."""
    return {name: value for name, value in facts.items() if name not in ("dell_revisions", "oem_string")}


def read_known(dumps: Path, truth: Path, as_of: date = _LEARNT_ON) -> list[Known]:
    """The machines of `dumps` whose date of manufacture `truth` tells."""
    with truth.open(encoding="utf-8", newline="") as table:
        dates = {row["path"]: date.fromisoformat(row["manufactured"]) for row in csv.DictReader(table)}
    known = []
    with gzip.open(dumps, "rt", encoding="utf-8") as lines:
        for line in lines:
            dump = json.loads(line)
            if dump["path"] in dates:
                machine = Machine(without_vendor_dates(facts_from_dmidecode(dump["text"])), as_of)
                known.append(
                    Known(dump["path"], machine.names, machine.line == "business", machine, dates[dump["path"]])
                )
    return known


def sample_of(known: Sequence[Known]) -> Sample:
    """The arrays of machines that can be weighed; others are left out."""
    rows: list[tuple[Observation, float, float, float]] = []
    for item in known:
        start = origin(item.machine)
        if start is None:
            continue
        evidence = [
            piece for source in SOURCES.values() for piece in source(item.machine) if isinstance(piece, Evidence)
        ]
        interval, _ = combine(evidence, TITLES)
        if interval.earliest is None or interval.latest is None:
            continue
        first, last = months_between(start, interval.earliest), months_between(start, interval.latest)
        rows.append((observe(item.machine, start), first, last, months_between(start, item.manufactured)))
    return Sample(
        gap=np.array([row[0].gap for row in rows]),
        portable=np.array([float(row[0].portable) for row in rows]),
        workstation=np.array([float(row[0].workstation) for row in rows]),
        firmware=np.array([np.nan if row[0].firmware is None else row[0].firmware for row in rows]),
        battery=np.array([np.nan if row[0].battery is None else row[0].battery for row in rows]),
        first=np.array([row[1] for row in rows]),
        last=np.array([row[2] for row in rows]),
        made=np.array([row[3] for row in rows]),
    )


CELLS: Array = np.arange(FIRST_CELL_MONTHS, LAST_CELL_MONTHS, STEP_MONTHS) + STEP_MONTHS / 2


def log_weights(laws: Laws, sample: Sample) -> Array:
    """`posterior.log_weights` of many machines at once, on the whole grid; cells ruled out weigh next to nothing."""
    months = CELLS[None, :]
    made = laws["manufacture"]
    centre = (
        made["log_median"]
        + made["log_median_portable"] * sample.portable
        + made["log_median_workstation"] * sample.workstation
        + made["log_median_per_gap_month"] * sample.gap
    )[:, None]
    elapsed = np.broadcast_to(months + made["shift_months"], (len(sample.gap), len(CELLS)))
    weights = _either(
        1 - made["tail_share"],
        _log_normal(elapsed, centre, made["log_spread"]),
        _log_normal(elapsed, centre + made["tail_log_shift"], made["log_spread"] * made["tail_stretch"]),
    )
    weights = weights + _known(_firmware(laws["firmware"], months, np.nan_to_num(sample.firmware)), sample.firmware)
    weights = weights + _known(_battery(laws["battery"], months, np.nan_to_num(sample.battery)), sample.battery)
    half = STEP_MONTHS / 2
    inside = (months >= sample.first[:, None] - half) & (months <= sample.last[:, None] + half)
    inside[~inside.any(axis=1)] = True
    ruled: Array = np.where(inside, weights, weights.min() - 100)
    return ruled


def fit(sample: Sample) -> Laws:
    """The laws under which the known dates are likeliest, drawn towards what was expected beforehand."""
    cell = np.clip(np.round((sample.made - CELLS[0]) / STEP_MONTHS).astype(int), 0, len(CELLS) - 1)
    rows = np.arange(len(cell))
    expected = np.array([item.to_free(item.expected) for item in PARAMETERS])
    spread = np.array([item.spread for item in PARAMETERS])

    def loss(free: Array) -> float:
        weights = log_weights(laws_of(free), sample)
        top = weights.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(weights - top).sum(axis=1))
        return float((total - weights[rows, cell]).sum() + 0.5 * (((free - expected) / spread) ** 2).sum())

    return laws_of(minimize(loss, expected, method="L-BFGS-B", options={"maxiter": 80}).x)


def laws_of(free: Iterable[float]) -> Laws:
    """The laws as the data file keeps them, from their freed parameters."""
    laws = {name: dict(values) for name, values in FIXED.items()}
    for parameter, value in zip(PARAMETERS, free, strict=True):
        laws[parameter.law][parameter.name] = parameter.from_free(float(value))
    return laws


def fold_of(group: str) -> int:
    """The fold of a model, the same on every machine."""
    return hashlib.sha256(group.encode()).digest()[0] % FOLDS


def cross_validated(known: Sequence[Known]) -> list[Laws]:
    """For each fold of models the laws learnt from all the others."""
    return [fit(sample_of([item for item in known if fold_of(item.group) != fold])) for fold in range(FOLDS)]


def _firmware(law: dict[str, float], months: Array, firmware: Array) -> Array:
    firmware = firmware[:, None]
    lag = months - firmware
    spread, middle = law["update_spread_months"], law["update_middle_months"]
    to_come = np.maximum(1 - ndtr((months - middle) / spread), 1e-4)
    update = _log_density((firmware - middle) / spread) - np.log(spread) - np.log(to_come)
    update = update - np.where(lag > 0, (lag / law["update_before_manufacture_months"]) ** 2, 0)
    factory = _log_normal(lag + 1, law["factory_log_median"], law["factory_log_spread"])
    return _either(law["factory_share"], factory, np.maximum(update, LOWEST_LOG_WEIGHT))


def _battery(law: dict[str, float], months: Array, battery: Array) -> Array:
    lag = months - battery[:, None]
    first = _log_normal(lag + 1, law["first_log_median"], law["first_log_spread"])
    later_mean, older_mean = law["later_mean_months"], law["older_mean_months"]
    later = -np.log(later_mean) + np.where(lag < 0, lag / later_mean, -(lag**2))
    older = -np.log(older_mean) + np.where(lag > 0, -lag / older_mean, -(lag**2))
    others = _either(
        law["later_share_of_rest"], np.maximum(later, LOWEST_LOG_WEIGHT), np.maximum(older, LOWEST_LOG_WEIGHT)
    )
    return _either(law["first_share"], first, others)


def _known(weights: Array, observed: Array) -> Array:
    known: Array = np.where(np.isnan(observed)[:, None], 0.0, weights)
    return known


def _either(share: float, one: Array, other: Array) -> Array:
    both: Array = np.logaddexp(np.log(share) + one, np.log(1 - share) + other)
    return both


def _log_normal(value: Array, log_median: Any, log_spread: float) -> Array:
    positive = np.maximum(value, 1e-12)
    weight = _log_density((np.log(positive) - log_median) / log_spread) - np.log(positive * log_spread)
    bounded: Array = np.where(value > 0, np.maximum(weight, LOWEST_LOG_WEIGHT), LOWEST_LOG_WEIGHT)
    return bounded


def _log_density(distance: Array) -> Array:
    density: Array = -0.5 * distance * distance - 0.5 * np.log(2 * np.pi)
    return density


@click.group()
def main() -> None:
    """Learns the laws of the age model from machines whose date of manufacture is known."""


@main.command("fit")
@click.option("--dumps", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--truth", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=DATA / "age_model.json")
def fit_command(dumps: Path, truth: Path, output: Path) -> None:
    """Learns from the business machines and writes the data file."""
    known = [item for item in read_known(dumps, truth) if item.business]
    document = {
        "about": "Laws of inventory/age/posterior.py, months and natural logarithms of months.",
        "command": "python -m inventory.age.learning fit --dumps dmi_sample.jsonl.gz --truth dmi_truth_sample.csv",
        "source": "Contains data from linuxhw/DMI by the Linux Hardware Project (linux-hardware.org), CC BY 4.0",
        "machines": len(known),
        "laws": {
            law: {name: round(value, 4) for name, value in values.items()}
            for law, values in fit(sample_of(known)).items()
        },
    }
    output.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    click.echo(f"{output}: learnt from {len(known)} machines")


@main.command("check")
@click.option("--dumps", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--truth", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
def check_command(dumps: Path, truth: Path) -> None:
    """Counts, for each source, the machines whose known date lies outside the bounds it gave."""
    known = read_known(dumps, truth)
    for name, source in SOURCES.items():
        found = [(item, piece) for item in known for piece in source(item.machine) if isinstance(piece, Evidence)]
        wrong = [item for item, piece in found if _excludes(piece, item.manufactured)]
        click.echo(f"{name:20} {len(found):5} pieces, {len(wrong):3} exclude the truth")


def _excludes(piece: Evidence, day: date) -> bool:
    too_late = piece.earliest is not None and day < piece.earliest
    return too_late or (piece.latest is not None and day > piece.latest)


if __name__ == "__main__":
    main()
