"""One asset of the office's register, and what may be said of its values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from inventory.collation import search_key
from inventory.serials import serial_key

BLOCK_PARTY = "dang"
BLOCK_FRONT = "mttq"
BLOCK_STATE = "chinh-quyen"

CONDITION_GOOD = "good"
CONDITION_USABLE = "usable"
CONDITION_BROKEN = "broken"

# What tells two assets without any number apart; what changes in a machine's life (condition, note) is not of it.
_CONTENT_FIELDS = (
    "unit_code",
    "name",
    "manufacturer",
    "model",
    "year_put_into_use",
    "put_into_use_on",
    "original_cost_vnd",
    "department",
    "assigned_to",
    "computer_name",
    "mac_address",
)

# Tried in order, so that "không sử dụng được" is not read as "sử dụng được".
_CONDITION_WORDS = (
    (CONDITION_GOOD, ("khong hong", "chua hong", "khong bi hong")),
    (CONDITION_BROKEN, ("hong", "hu hong", "khong su dung duoc", "khong con su dung", "khong hoat dong", "thanh ly")),
    (CONDITION_BROKEN, ("broken", "damaged", "dead", "khong dung duoc")),
    (CONDITION_USABLE, ("con su dung", "con dung", "su dung duoc", "trung binh", "cham", "kem", "yeu", "cu", "usable")),
    (CONDITION_GOOD, ("tot", "binh thuong", "dang su dung", "moi", "hoat dong", "good", "ok", "new")),
)
# Councils first, because "hội đồng" begins like "hội"; a bare "phòng" last, because the Party has offices too.
_BLOCK_WORDS = (
    (BLOCK_STATE, ("chinh quyen", "state", "ubnd", "uy ban nhan dan", "hdnd", "hoi dong nhan dan")),
    (BLOCK_PARTY, ("dang uy", "dang", "party", "tinh uy", "uy ban kiem tra", "ban tuyen giao", "ban xay dung dang")),
    (BLOCK_FRONT, ("mttq", "front", "mat tran", "ubmttq", "hoi", "doan thanh nien", "doan the", "cong doan")),
    (BLOCK_STATE, ("phong", "trung tam")),
)


@dataclass(frozen=True, slots=True)
class AssetValues:
    """What a register says of one asset; None is "not stated".

    Args:
        unit_code: official code of the commune or ward.
        name: as the register has it.
        kind: code of `inventory.equipment`.
        put_into_use_on: ISO date, where more than the year is stated.
        original_cost_vnd: whole đồng, for the whole row.
        quantity: how many pieces the row stands for.
        block: `dang`, `mttq` or `chinh-quyen`.
        condition: in the register's words; `condition_code` reads it.
    """

    unit_code: str
    name: str
    kind: str
    asset_code: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None
    year_put_into_use: int | None = None
    put_into_use_on: str | None = None
    original_cost_vnd: int | None = None
    quantity: int | None = None
    department: str | None = None
    block: str | None = None
    assigned_to: str | None = None
    computer_name: str | None = None
    mac_address: str | None = None
    condition: str | None = None
    note: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Field name -> value, as a database row or JSON keeps it."""
        return {name: getattr(self, name) for name in AssetValues.__slots__}


@dataclass(frozen=True, slots=True)
class RegisteredAsset:
    """An asset as the register of the collector holds it.

    Args:
        id: its number in the database.
        register_key: the key under which it was first registered; it never changes.
        values: what is known of it now.
        import_id: the import that wrote these values.
        device_id: the terminal it is linked to, if any.
        linked_by: how that is known; `person` outweighs every key.
    """

    id: int
    register_key: str
    values: AssetValues
    import_id: int
    device_id: str | None = None
    linked_by: str | None = None


def code_key(asset_code: str | None) -> str | None:
    """What two spellings of one asset code share; None where it is empty or a placeholder such as `không có`."""
    if not asset_code:
        return None
    key = search_key(asset_code).replace(" ", "").upper()
    if not key or key == "0" * len(key):
        return None
    # The list of placeholders judges longer texts; a short code (`12`) is a code all the same.
    padded = serial_key(asset_code)
    return key if padded or key.isdigit() or any(c.isdigit() for c in key) else None


def content_key(values: AssetValues) -> str:
    """A fingerprint of what an asset without serial and code is, whatever row it stands in."""
    stated = (getattr(values, field) for field in _CONTENT_FIELDS)
    parts = ["" if value is None else search_key(str(value)) for value in stated]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]


def condition_code(condition: str | None) -> str | None:
    """`good`, `usable` or `broken`, as far as the register's words tell."""
    return _first_match(condition, _CONDITION_WORDS)


def block_code(text: str | None) -> str | None:
    """`dang`, `mttq` or `chinh-quyen`, as far as an office's name or a block column tells."""
    return _first_match(text, _BLOCK_WORDS)


def _first_match(text: str | None, table: tuple[tuple[str, tuple[str, ...]], ...]) -> str | None:
    padded = f" {search_key(text or '')} "
    return next((code for code, words in table if any(f" {word} " in padded for word in words)), None)
