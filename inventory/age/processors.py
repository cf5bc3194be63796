"""When a processor was first sold, from its CPUID family and from its brand string.

Facts: `inventory/data/cpu_launch.csv` (families), `cpu_brand_launch.csv` (models of one family sold later than its
first) and `cpu_production_window.csv` (when machines with a family were really built). Every row is an earliest date,
so the latest of all rows that fit holds.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from inventory.age.dates import month_start

DATA = Path(__file__).parent.parent / "data"

_NOISE = re.compile(r"\((?:R|TM|tm|r)\)|\b(?:CPU|Processor|processor)\b|@.*$|\d+th Gen |\b\d+-Core\b.*$|[.{+ ]+$")
_VENDORS = {
    "genuineintel": "Intel",
    "intel": "Intel",
    "authenticamd": "AMD",
    "hygongenuine": "AMD",
    "amd": "AMD",
    "advanced micro devices": "AMD",
    "centaurhauls": "VIA",
    "shanghai": "VIA",
    "via": "VIA",
    "zhaoxin": "VIA",
}
_AMD_WORDS = re.compile(r"\b(AMD|Athlon|Phenom|Turion|Sempron|Opteron|Ryzen|EPYC)\b", re.IGNORECASE)
_VIA_WORDS = re.compile(r"\b(VIA|Zhaoxin|KaiXian|Eden)\b", re.IGNORECASE)
_AMD_FIRST_OWN_FAMILY = 16


@dataclass(frozen=True)
class ProcessorFamily:
    """One row of the family table."""

    vendor: str
    family: int
    models: range
    steppings: range
    first_launch: date
    name: str


@dataclass(frozen=True)
class ProductionWindow:
    """When machines with one processor family were built: 0.5 %, half and 99 % of `machines` of one maker."""

    name: str
    launch: date
    machines: int
    first: date
    median: date
    last: date


@dataclass(frozen=True)
class Processor:
    """One processor as far as it could be recognised.

    Args:
        brand: what people call it, as `Intel Core i5-3470`; the family's name where the machine does not say.
        family_name: row of the family table, empty if none fits.
        first_launch: first month it can have been sold, None if it was not recognised at all.
        family_launch: first month of its family; None if the family is unknown.
    """

    brand: str
    family_name: str
    first_launch: date | None
    family_launch: date | None


def recognise_processor(
    brand: str, vendor_hint: str, family: int | None, model: int | None, stepping: int | None
) -> Processor:
    """The processor that these identifiers mean; any of them may be missing or wrong."""
    clean = clean_brand(brand)
    row = _family_row(_vendor(clean, vendor_hint, family), family, model, stepping)
    # "Manufacturer: Intel" stands on some AMD machines: the string of the processor itself decides above, and a brand
    # rule names its vendor.
    launches = [launch for pattern, launch in _brand_rules() if pattern.search(clean)]
    if row is not None:
        launches.append(row.first_launch)
    name = row.name if row else ""
    vendor = row.vendor if row else ""
    return Processor(
        brand=clean if _names_a_model(clean) else f"{vendor} {name}".strip() or clean,
        family_name=name,
        first_launch=max(launches, default=None),
        family_launch=row.first_launch if row else None,
    )


def production_window(processor: Processor) -> ProductionWindow | None:
    """The window of the processor's family, None where no such machines were counted.

    A family sold in several waves has a window for each; the one that ends last holds.
    """
    rows = [window for window in _windows() if window.name == processor.family_name]
    return max(rows, key=lambda window: window.last, default=None)


def clean_brand(text: str) -> str:
    """The brand string without marks, clock rate and padding: `Intel Core i5-3470`."""
    clean = re.sub(r"\s+", " ", _NOISE.sub(" ", text)).strip(" .,")
    clean = re.sub(r"\bCore 2\b", "Core2", clean) if clean.startswith("Intel") else clean
    if re.match(r"Pentium|Celeron|Core|Xeon|Atom", clean):
        clean = f"Intel {clean}"
    return clean


def _names_a_model(clean: str) -> bool:
    return bool(re.match(r"(Intel|AMD|VIA)\b.*\d", clean))


def _vendor(clean: str, hint: str, family: int | None) -> str:
    if _VIA_WORDS.search(clean):
        return "VIA"
    if _AMD_WORDS.search(clean):
        return "AMD"
    if clean.startswith("Intel"):
        return "Intel"
    if family is not None and family >= _AMD_FIRST_OWN_FAMILY:
        return "AMD"
    hint = hint.casefold()
    return next((vendor for word, vendor in _VENDORS.items() if word in hint), "")


def _family_row(vendor: str, family: int | None, model: int | None, stepping: int | None) -> ProcessorFamily | None:
    if family is None or model is None:
        return None
    for row in _families():
        if (
            row.family == family
            and model in row.models
            and (stepping is None or stepping in row.steppings)
            and row.vendor == vendor
        ):
            return row
    return None


@cache
def _families() -> tuple[ProcessorFamily, ...]:
    with (DATA / "cpu_launch.csv").open(encoding="utf-8", newline="") as table:
        return tuple(
            ProcessorFamily(
                vendor=row["vendor"],
                family=int(row["family"]),
                models=range(int(row["model_from"]), int(row["model_to"]) + 1),
                steppings=range(int(row["stepping_from"] or 0), int(row["stepping_to"] or 15) + 1),
                first_launch=month_start(row["first_launch"]),
                name=row["name"],
            )
            for row in csv.DictReader(table)
        )


@cache
def _brand_rules() -> tuple[tuple[re.Pattern[str], date], ...]:
    with (DATA / "cpu_brand_launch.csv").open(encoding="utf-8", newline="") as table:
        return tuple((re.compile(row["pattern"]), month_start(row["first_launch"])) for row in csv.DictReader(table))


@cache
def _windows() -> tuple[ProductionWindow, ...]:
    with (DATA / "cpu_production_window.csv").open(encoding="utf-8", newline="") as table:
        return tuple(
            ProductionWindow(
                name=row["cpu"],
                launch=month_start(row["launch_used"]),
                machines=int(row["machines"]),
                first=month_start(row["made_p0.5"]),
                median=month_start(row["made_median"]),
                last=month_start(row["made_p99"]),
            )
            for row in csv.DictReader(table)
        )
