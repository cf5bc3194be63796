"""A machine as its age evidence needs it: facts read once, placeholders taken out, oddities named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal

from agent.wire.report import FactValue, Scalar
from inventory.age.cpuid import decode_signature
from inventory.age.dates import parse_firmware_date
from inventory.age.processors import Processor, recognise_processor

Line = Literal["business", "consumer", "assembled"]

_TEXT_CHARACTERS = 256
_PLACEHOLDERS = frozenset(
    """to be filled by o.e.m.|to be filled by oem|default string|system manufacturer|system product name|system version
    |base board manufacturer|base board product name|chassis manufacture|chassis manufacturer|chassis version
    |not specified|not applicable|not available|none|null|unknown|n/a|na|o.e.m.|oem|empty|invalid|undefined|x|x.x|xx
    |type1productconfigid|all series|sku|--|-|.|0|00|0123456789|123456789|1234567890|no enclosure|<bad index>
    |<out of spec>|product name|manufacturer|system serial number|default_string|standard""".replace("\n", "")
    .replace("    ", "")
    .split("|")
)
_BUSINESS = re.compile(
    r"optiplex|latitude|precision|vostro|\bwyse\b"
    r"|think(?:pad|centre|station)|lenovo (?:v\d|[bem]\d\d)"
    r"|hp compaq|compaq (?:pro|elite|dc|d[x5-8]|nc|nx|nw|[68]\d)"
    r"|\b(?:elite|pro)(?:book|desk|one)|\bdc[57]\d00|\brp5\d00"
    r"|\bz(?:book|bk)|\bhp z\d"
    r"|\bz[12468]\d?\d?0? (?:\w+ )*(?:g\d|workstation)|\bxw\d{4}|\bhp (?:pro|elite)\b"
    r"|veriton|travelmate|extensa|esprimo|lifebook|celsius|futro|expertcenter|expertbook|asuspro|portege|tecra",
    re.IGNORECASE,
)
_BRANDS = {
    "dell": "Dell",
    "alienware": "Dell",
    "hewlett": "HP",
    "hp": "HP",
    "compaq": "HP",
    "lenovo": "Lenovo",
    "ibm": "Lenovo",
    "acer": "Acer",
    "gateway": "Acer",
    "packard bell": "Acer",
    "emachines": "Acer",
    "fujitsu": "Fujitsu",
    "samsung": "Samsung",
    "asus": "ASUS",
    "toshiba": "Toshiba",
    "dynabook": "Toshiba",
    "sony": "Sony",
    "vaio": "Sony",
    "apple": "Apple",
    "msi": "MSI",
    "micro-star": "MSI",
    "lg electronics": "LG",
    "panasonic": "Panasonic",
    "huawei": "Huawei",
    "microsoft": "Microsoft",
    "google": "Google",
    "positivo": "Positivo",
    "medion": "Medion",
    "nec": "NEC",
}
# Boards that shops build machines of carry these names too; with them the maker of the machine is not known.
_BOARD_MAKERS = frozenset({"ASUS", "MSI"})
_PORTABLE = re.compile(r"notebook|laptop|portable|convertible|detachable|tablet|hand held|sub notebook", re.IGNORECASE)
_PORTABLE_CODES = frozenset({8, 9, 10, 14, 30, 31, 32})
_VIRTUAL = re.compile(
    r"qemu|vmware|virtualbox|innotek|\bxen\b|bochs|\bkvm\b|parallels|bhyve|ovmf|seabios|edk ii|efi development kit"
    r"|virtual (?:machine|platform)|openstack|google compute|amazon ec2|nutanix|hvm domu",
    re.IGNORECASE,
)
_COREBOOT = re.compile(
    r"coreboot|libreboot|mrchromebox|\bcbet4000|skulls|\bheads\b|dasharo|osboot|\btianocore\b", re.IGNORECASE
)


def rows(facts: Mapping[str, FactValue], name: str) -> list[Mapping[str, Scalar]]:
    """The rows of one fact; empty where it is missing or not rows."""
    value: Any = facts.get(name)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def text_of(row: Mapping[str, Scalar], column: str) -> str:
    """A column as text, empty where it is missing, not text, or one of the fillers that makers leave in place."""
    value = row.get(column)
    if not isinstance(value, str):
        return ""
    value = value.strip()[:_TEXT_CHARACTERS]
    return "" if value.casefold() in _PLACEHOLDERS or not re.search(r"[^0\s]", value) else value


def number_of(row: Mapping[str, Scalar], column: str) -> int | None:
    """A column as a whole number, None where it is not one."""
    value = row.get(column)
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,9}\s*", value):
        return int(value)
    return value if isinstance(value, int) else None


@dataclass(frozen=True)
class Machine:
    """Facts of one machine together with what the collector and the register know of it.

    Args:
        facts: facts of `agent.wire.catalogue`; anything may be missing, partial or of the wrong type.
        as_of: the day of judgement; nothing can have been made after it.
        first_seen: day of the machine's first report.
        year_put_into_use: year in the register of assets.
    """

    facts: Mapping[str, FactValue]
    as_of: date
    first_seen: date | None = None
    year_put_into_use: int | None = None

    @cached_property
    def names(self) -> str:
        """Everything that may hold the machine's model name, one line."""
        parts = [
            text_of(row, column) for row in rows(self.facts, "system") for column in ("product", "version", "family")
        ]
        return " | ".join(part for part in parts if part)

    @cached_property
    def manufacturer(self) -> str:
        """The maker as the machine writes it, empty if it does not."""
        for fact in ("system", "baseboard", "bios"):
            for row in rows(self.facts, fact):
                if name := text_of(row, "vendor" if fact == "bios" else "manufacturer"):
                    return name
        return ""

    @cached_property
    def brand(self) -> str:
        """The maker's common name, empty for machines put together from parts or of unknown make."""
        for row in rows(self.facts, "system"):
            maker = text_of(row, "manufacturer").casefold()
            for word, brand in _BRANDS.items():
                if re.search(rf"\b{re.escape(word)}", maker):
                    return brand
        return ""

    @cached_property
    def line(self) -> Line:
        """Business lines are updated and replaced like Dell's, of which the dates are known; the others are not."""
        if self.brand and _BUSINESS.search(self.names):
            return "business"
        if not self.brand or (self.brand in _BOARD_MAKERS and not self.portable):
            return "assembled"
        return "consumer"

    @cached_property
    def portable(self) -> bool:
        """Whether it is a notebook, convertible or tablet."""
        for row in rows(self.facts, "chassis"):
            if _PORTABLE.search(text_of(row, "type")) or number_of(row, "type") in _PORTABLE_CODES:
                return True
        return False

    @cached_property
    def virtual(self) -> bool:
        """Whether it is a virtual machine, which no factory made."""
        return bool(_VIRTUAL.search(self._maker_words))

    @cached_property
    def coreboot(self) -> bool:
        """Whether its firmware was built by others than its maker: that date tells nothing of the machine."""
        words = (text_of(row, column) for row in rows(self.facts, "bios") for column in ("vendor", "version"))
        return any(_COREBOOT.search(word) for word in words)

    @cached_property
    def _maker_words(self) -> str:
        parts = [
            text_of(row, column)
            for fact, columns in (
                ("bios", ("vendor", "version")),
                ("system", ("manufacturer", "product", "version", "family")),
            )
            for row in rows(self.facts, fact)
            for column in columns
        ]
        return " | ".join(parts)

    @cached_property
    def processor(self) -> Processor | None:
        """The earliest sold of the processors present: of several, a later one may have been added."""
        found = [processor for processor in self._processors() if processor.first_launch is not None]
        return min(found, key=lambda processor: processor.first_launch or date.max, default=None)

    def _processors(self) -> Iterator[Processor]:
        present = [row for row in rows(self.facts, "processor") if row.get("populated") is not False]
        for row in present or rows(self.facts, "processor"):
            signature = row.get("signature")
            decoded = decode_signature(signature) if isinstance(signature, str) else None
            family, model, stepping = decoded or (
                number_of(row, "family"),
                number_of(row, "model"),
                number_of(row, "stepping"),
            )
            hint = text_of(row, "vendor_id") or text_of(row, "manufacturer")
            yield recognise_processor(text_of(row, "version"), hint, family, model, stepping)

    @cached_property
    def bios_dates(self) -> tuple[date, ...]:
        """Every firmware date that is a date, the future ones too."""
        found = (parse_firmware_date(text_of(row, "release_date")) for row in rows(self.facts, "bios"))
        return tuple(day for day in found if day is not None)
