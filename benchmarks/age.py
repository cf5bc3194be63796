"""How well ages are estimated: ours beside "age = BIOS date" and "age = CPU launch", on machines whose date is known.

    python -m benchmarks.age --dumps dmi_sample.jsonl.gz --truth dmi_truth_sample.csv [--cross-validate]

The vendor's own dates are taken away first, as if the vendor wrote none, save for the line that says they are visible.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from inventory.age.combine import Interval, decide
from inventory.age.dates import add_years, months_between
from inventory.age.dmidecode import facts_from_dmidecode
from inventory.age.estimate import DEFAULT_THRESHOLD_YEARS, estimate_age, estimate_machine
from inventory.age.learning import Known, cross_validated, fold_of, read_known
from inventory.age.machine import Machine
from inventory.age.posterior import shipped_laws

SAMPLE = Path(__file__).resolve().parents[2] / "shared" / "data"
AS_OF = date(2026, 11, 21)
HARD_ZONE_MONTHS = 30


@dataclass(frozen=True)
class Judged:
    """One machine: the truth, and what a method says of it."""

    manufactured: date
    earliest: date | None
    latest: date | None
    best: date | None
    decision: str


@dataclass(frozen=True)
class Figures:
    """The issue's figures over some machines; shares are of all of them, wrong ones are counts."""

    machines: int
    covered: float
    median_width_months: float
    mean_error_months: float
    decided: float
    wrong_yes: int
    wrong_no: int
    hard_zone: int
    hard_zone_decided: float

    def line(self, name: str) -> str:
        """One row of the table."""
        return (
            f"{name:34} {self.machines:5} {self.covered:7.1%} {self.median_width_months:6.1f} "
            f"{self.mean_error_months:6.2f} {self.decided:8.1%} {self.wrong_yes:5} {self.wrong_no:5} "
            f"{self.hard_zone:5} {self.hard_zone_decided:7.1%}"
        )


HEADER = (
    f"{'':34} {'n':>5} {'covers':>7} {'width':>6} {'MAE':>6} {'decided':>8} {'yes!':>5} {'no!':>5} "
    f"{'hard':>5} {'decided':>7}"
)


def figures(judged: Sequence[Judged], as_of: date = AS_OF) -> Figures:
    """The figures of a method over machines with a best estimate."""
    threshold = add_years(as_of, -DEFAULT_THRESHOLD_YEARS)
    hard = [item for item in judged if abs(months_between(threshold, item.manufactured)) <= HARD_ZONE_MONTHS]
    bounded = [item for item in judged if item.earliest is not None and item.latest is not None]
    return Figures(
        machines=len(judged),
        covered=_share(
            [
                bool(item.earliest and item.latest and item.earliest <= item.manufactured <= item.latest)
                for item in judged
            ]
        ),
        median_width_months=statistics.median(
            months_between(item.earliest, item.latest) for item in bounded if item.earliest and item.latest
        )
        if bounded
        else 0.0,
        mean_error_months=statistics.mean(
            abs(months_between(item.manufactured, item.best)) for item in judged if item.best
        ),
        decided=_share([item.decision != "uncertain" for item in judged]),
        wrong_yes=sum(item.decision == "yes" and item.manufactured >= threshold for item in judged),
        wrong_no=sum(item.decision == "no" and item.manufactured < threshold for item in judged),
        hard_zone=len(hard),
        hard_zone_decided=_share([item.decision != "uncertain" for item in hard]),
    )


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0


def ours(known: Known) -> Judged:
    """Our estimate with the shipped laws."""
    return _ours(known, fold_laws=None)


def _ours(known: Known, fold_laws: Sequence[dict[str, dict[str, float]]] | None) -> Judged:
    laws = shipped_laws() if fold_laws is None else fold_laws[fold_of(known.group)]
    estimate = estimate_machine(known.machine, DEFAULT_THRESHOLD_YEARS, laws)
    return Judged(known.manufactured, estimate.earliest, estimate.latest, estimate.best, estimate.over_10_years)


def bios_date(known: Known) -> Judged | None:
    """Age = BIOS date, as inventory tools show it."""
    return _point(known, max(known.machine.bios_dates, default=None))


def cpu_launch(known: Known) -> Judged | None:
    """Age = launch of the processor."""
    processor = known.machine.processor
    return _point(known, processor.first_launch if processor else None)


def _point(known: Known, day: date | None) -> Judged | None:
    if day is None:
        return None
    return Judged(
        known.manufactured, day, day, day, decide(Interval(day, day), known.machine.as_of, DEFAULT_THRESHOLD_YEARS)
    )


METHODS: dict[str, Callable[[Known], Judged | None]] = {
    "Thông Mạng": ours,
    "age = BIOS date": bios_date,
    "age = CPU launch": cpu_launch,
}


def judged_by(method: Callable[[Known], Judged | None], known: Sequence[Known]) -> list[Judged]:
    """What a method says of all machines that it says anything of."""
    return [result for item in known if (result := method(item)) is not None]


def visible(dumps: Path, known: Sequence[Known], as_of: date) -> float:
    """Share of machines dated within a month when the vendor's own dates may be read."""
    truth = {item.path: item.manufactured for item in known}
    errors = []
    with gzip.open(dumps, "rt", encoding="utf-8") as lines:
        for line in lines:
            dump = json.loads(line)
            if dump["path"] in truth:
                best = estimate_age(facts_from_dmidecode(dump["text"]), as_of=as_of).best
                errors.append(best is not None and abs(months_between(truth[dump["path"]], best)) <= 1)
    return _share(errors)


def main() -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--dumps", type=Path, default=SAMPLE / "dmi_sample.jsonl.gz")
    parser.add_argument("--truth", type=Path, default=SAMPLE / "dmi_truth_sample.csv")
    parser.add_argument("--as-of", type=date.fromisoformat, default=AS_OF)
    parser.add_argument("--cross-validate", action="store_true", help="learn without the model judged; some minutes")
    options = parser.parse_args()
    known = read_known(options.dumps, options.truth, options.as_of)
    business = [item for item in known if item.business]
    print(
        f"over 10 years = made before {add_years(options.as_of, -10)}; vendor dates hidden; months; ! = wrong answers"
    )
    print(HEADER)
    for name, method in METHODS.items():
        print(figures(judged_by(method, business), options.as_of).line(f"business, {name}"))
    if options.cross_validate:
        laws = cross_validated(business)
        print(figures([_ours(item, laws) for item in business], options.as_of).line("business, ours, cross-validated"))
    groups: dict[str, Callable[[Known], bool]] = {
        "desktops": lambda item: item.business and not item.machine.portable,
        "portables": lambda item: item.business and item.machine.portable,
        "OptiPlex": lambda item: "OptiPlex" in item.machine.names,
        "Latitude": lambda item: "Latitude" in item.machine.names,
        "Precision": lambda item: "Precision" in item.machine.names,
        "Vostro": lambda item: "Vostro" in item.machine.names,
        "Samsung (consumer)": lambda item: item.machine.brand == "Samsung",
    }
    for group, belongs in groups.items():
        chosen = [item for item in known if belongs(item)]
        for name, method in METHODS.items():
            print(figures(judged_by(method, chosen), options.as_of).line(f"{group}, {name}"))
    print(f"vendor date visible: {visible(options.dumps, known, options.as_of):.1%} within a month")
    brands(options.dumps, options.as_of)
    return 0


def brands(dumps: Path, as_of: date) -> None:
    """Prints, for makers whose dates nobody knows, how many machines are decided."""
    decided: dict[str, list[bool]] = {}
    with gzip.open(dumps, "rt", encoding="utf-8") as lines:
        for line in lines:
            machine = Machine(facts_from_dmidecode(json.loads(line)["text"]), as_of)
            estimate = estimate_machine(machine, DEFAULT_THRESHOLD_YEARS, shipped_laws())
            key = f"{machine.brand or 'no maker'}, {machine.line}"
            decided.setdefault(key, []).append(estimate.over_10_years != "uncertain")
    print("decided by maker, all evidence, truth unknown:")
    for key, values in sorted(decided.items(), key=lambda item: -len(item[1])):
        print(f"  {key:28} {len(values):5} {_share(values):7.1%}")


if __name__ == "__main__":
    sys.exit(main())
