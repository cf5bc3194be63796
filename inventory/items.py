"""What the investment list is made of: a terminal, an asset of the register, or both where they are the same thing."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.wire.report import FactValue
from inventory.assets import CONDITION_BROKEN, RegisteredAsset, block_code, condition_code
from inventory.collation import normalise, search_key
from inventory.equipment import OTHER, kind_of_chassis
from inventory.identity import Pair, terminal_serial
from inventory.ports import DeviceRecord
from inventory.serials import serial_key

_COMPUTERS = frozenset({"desktop", "laptop", "tablet", "server"})
_WORK_PLACES = _COMPUTERS - {"server"}
# "mật" (secret) as a word of its own, not "mật khẩu" (password); unaccented only in phrases that mean nothing else.
_SECRET = re.compile(r"\bmật\b(?!\s*(?:khẩu|độ|thiết)\b)", re.IGNORECASE)
_SECRET_PHRASES = ("soan thao mat", "tai lieu mat", "van ban mat", "bi mat nha nuoc", "bao mat nha nuoc")


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of equipment (or one register row of several pieces).

    Args:
        device: the terminal, None where no agent reports from it.
        asset: the register's row, None where the register does not have it.
        matched_by: how the two are known to be one, None where there is only one of them.
    """

    device: DeviceRecord | None
    asset: RegisteredAsset | None
    matched_by: str | None = None

    @property
    def reference(self) -> str:
        """By what an auditor finds it again: `A12` is asset 12, `D...` the terminal of that identity."""
        parts = []
        if self.asset is not None:
            parts.append(f"A{self.asset.id}")
        if self.device is not None:
            parts.append(f"D{self.device.id}")
        return "/".join(parts)

    @property
    def unit_code(self) -> str:
        """Code of its unit: where the terminal reports from, else where the register has it."""
        if self.device is not None:
            return self.device.unit_code
        return self.asset.values.unit_code if self.asset is not None else ""

    @property
    def site(self) -> str:
        """The place within the unit."""
        if self.device is not None and self.device.site:
            return self.device.site
        return (self.asset.values.department if self.asset else None) or ""

    @property
    def name(self) -> str:
        """What people call it: the register's name, else maker and product."""
        if self.asset is not None:
            return self.asset.values.name
        return " ".join(text for text in (self.manufacturer, self.model) if text)

    @property
    def kind(self) -> str:
        """Code of its kind; the terminal's case decides between desktop and laptop where the register does not."""
        if self.asset is not None and self.asset.values.kind != OTHER:
            return self.asset.values.kind
        if self.device is not None:
            return kind_of_chassis(_fact_text(self.device.facts, "chassis", "type"))
        return OTHER

    @property
    def manufacturer(self) -> str:
        """The maker: the terminal's own word, else the register's."""
        stated = _fact_text(self.device.facts, "system", "manufacturer") if self.device else ""
        return stated or (self.asset.values.manufacturer if self.asset else None) or ""

    @property
    def model(self) -> str:
        """The product: the terminal's own word, else the register's."""
        stated = _fact_text(self.device.facts, "system", "product") if self.device else ""
        return stated or (self.asset.values.model if self.asset else None) or ""

    @property
    def serial(self) -> str:
        """The serial: the terminal's own, else the register's; never a placeholder."""
        if self.device is not None and (own := terminal_serial(self.device.facts)):
            return own
        stated = self.asset.values.serial if self.asset else None
        return stated if stated and serial_key(stated) else ""

    @property
    def quantity(self) -> int:
        """How many pieces."""
        return (self.asset.values.quantity if self.asset else None) or 1

    @property
    def is_computer(self) -> bool:
        """Whether an agent could run on it."""
        return self.kind in _COMPUTERS

    @property
    def is_work_place(self) -> bool:
        """Whether a person works at it, which is what Windows 11 and the posts' norms are about."""
        return self.kind in _WORK_PLACES

    @property
    def block(self) -> str | None:
        """`dang`, `mttq` or `chinh-quyen`: the register's word, else what the name of the terminal's place tells."""
        if self.asset is not None and self.asset.values.block:
            return self.asset.values.block
        return block_code(self.device.site) if self.device is not None else None

    @property
    def is_broken(self) -> bool:
        """Whether the register calls it broken."""
        return self.asset is not None and condition_code(self.asset.values.condition) == CONDITION_BROKEN

    @property
    def is_for_secret_work(self) -> bool:
        """Whether the register says that it is for state-secret work; such a machine comes on top of every norm."""
        if self.asset is None:
            return False
        values = self.asset.values
        text = normalise(" | ".join(filter(None, (values.name, values.department, values.assigned_to, values.note))))
        key = f" {search_key(text)} "
        return _SECRET.search(text) is not None or any(f" {phrase} " in key for phrase in _SECRET_PHRASES)

    @property
    def year_put_into_use(self) -> int | None:
        """As the register states it."""
        return self.asset.values.year_put_into_use if self.asset else None

    @property
    def put_into_use_on(self) -> dt.date | None:
        """The day, where the register states more than the year."""
        text = self.asset.values.put_into_use_on if self.asset else None
        return dt.date.fromisoformat(text) if text else None


def items_of(devices: Iterable[DeviceRecord], assets: Iterable[RegisteredAsset], pairs: Iterable[Pair]) -> list[Item]:
    """Every terminal and every asset once, paired ones as one item."""
    device_by_id = {device.id: device for device in devices}
    pair_by_asset = {pair.asset_id: pair for pair in pairs}
    items = []
    for asset in assets:
        pair = pair_by_asset.get(asset.id)
        device = device_by_id.pop(pair.device_id, None) if pair else None
        items.append(Item(device, asset, pair.by if pair and device else None))
    return [*items, *(Item(device, None) for device in device_by_id.values())]


def _fact_text(facts: Mapping[str, FactValue], name: str, column: str) -> str:
    """A column of the first row of a fact, empty where it is a placeholder of the maker."""
    rows = facts.get(name)
    value = rows[0].get(column) if isinstance(rows, list) and rows else None
    text = str(value).strip() if value is not None else ""
    # `System manufacturer` and its like are words of the same list as placeholder serials; numbers are chassis types.
    return text if text.isdigit() or serial_key(text) or len(text) <= _SHORT_NAME else ""


_SHORT_NAME = 3
