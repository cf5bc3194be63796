"""Kinds of equipment: their codes, names, and how a register's words tell them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from inventory.collation import search_key

OTHER = "other"

# SMBIOS chassis types (DSP0134, table 17) that are carried about; every other case is a desktop, bar servers' racks.
_PORTABLE_CHASSIS = frozenset(
    {"portable", "laptop", "notebook", "hand held", "sub notebook", "convertible", "detachable", "8", "9", "10", "14"}
    | {"31", "32"}
)
_TABLET_CHASSIS = frozenset({"tablet", "30"})
_SERVER_CHASSIS = frozenset({"main server chassis", "rack mount chassis", "blade", "17", "23", "28"})


@dataclass(frozen=True, slots=True)
class EquipmentKind:
    """One kind.

    Args:
        code: as the database keeps it.
        label: English msgid.
        words: what names it in a register, as `search_key` gives them.
        useful_life_class: row of the useful-life norms, empty where no norm is known.
        price_class: row of the price caps, empty where there is no cap.
    """

    code: str
    label: str
    words: tuple[str, ...]
    useful_life_class: str
    price_class: str


@lru_cache(maxsize=1)
def equipment_kinds() -> dict[str, EquipmentKind]:
    """All kinds by code, in the order in which they are tried."""
    data = tomllib.loads(files("inventory").joinpath("data/equipment_kinds.toml").read_text(encoding="utf-8"))
    kinds = (
        EquipmentKind(
            row["code"],
            row["label"],
            tuple(f" {search_key(word)} " for word in row["words"]),
            row["useful_life_class"],
            row["price_class"],
        )
        for row in data["kind"]
    )
    return {kind.code: kind for kind in kinds}


@lru_cache(maxsize=16_384)
def kind_of_text(*texts: str) -> str | None:
    """Code of the kind that the first telling text names, None where none does."""
    for text in texts:
        padded = f" {search_key(text)} "
        code = padded.strip().replace(" ", "_")
        if code in equipment_kinds():
            return code
        for kind in equipment_kinds().values():
            if any(word in padded for word in kind.words):
                return kind.code
    return None


def kind_of_chassis(chassis_type: str) -> str:
    """Code of the kind of computer that has this SMBIOS chassis type (its name or its number)."""
    key = search_key(chassis_type)
    if key in _TABLET_CHASSIS:
        return "tablet"
    if key in _PORTABLE_CHASSIS:
        return "laptop"
    return "server" if key in _SERVER_CHASSIS else "desktop"
