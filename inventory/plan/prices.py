"""The office's own unit prices, by kind of equipment or by single item, read strictly from words, TOML or CSV.

TOML:  [new]  [upgrade]  by kind code,  [item]  by reference.   CSV (`;` or `,`):  kind;price_vnd
A key of a CSV row or a word is a kind (`desktop`, `máy in`), `upgrade:` and a kind, the reference of an asset (`A12`),
or `item:` and any reference of the list.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from agent.wire.message import Message, mark
from inventory.collation import search_key
from inventory.equipment import OTHER, equipment_kinds, kind_of_text
from inventory.plan.errors import PlanInputError
from inventory.plan.model import Action, PriceSource
from inventory.register.values import LARGEST_COST_VND, SMALLEST_COST_VND, Problem, money_vnd

UPGRADE_PREFIX = "upgrade:"
ITEM_PREFIX = "item:"
_TABLES: dict[str, str] = {"new": "", "upgrade": UPGRADE_PREFIX, "item": ITEM_PREFIX}
_ASSET_REFERENCE = re.compile(r"A\d+(/D\S+)?")
_KIND_TITLES = frozenset({"kind", "loai", "loai thiet bi", "thiet bi"})
_PRICE_TITLES = frozenset({"price vnd", "don gia", "don gia dong", "don gia vnd"})


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Unit prices in whole đồng.

    Args:
        new: kind -> price of one new piece.
        upgrades: kind -> price of upgrading one piece.
        items: reference -> price of one piece of this line; it outweighs the kind's. `A12` also prices `A12/D...`.
    """

    new: Mapping[str, int] = field(default_factory=dict)
    upgrades: Mapping[str, int] = field(default_factory=dict)
    items: Mapping[str, int] = field(default_factory=dict)

    def price(self, reference: str, kind: str, action: Action, cap_vnd: int | None) -> tuple[int | None, PriceSource]:
        """Price of one piece and where it is from; a cap is the price of a new piece only, never of an upgrade."""
        for key in (reference, *reference.split("/")):
            if key in self.items:
                return self.items[key], "item_price"
        by_kind = (self.upgrades if action == "upgrade" else self.new).get(kind)
        if by_kind is not None:
            return by_kind, "kind_price"
        if cap_vnd is not None and action != "upgrade":
            return cap_vnd, "price_cap"
        return None, "none"

    def updated(self, other: PriceBook) -> PriceBook:
        """These prices, where `other` has none."""
        return PriceBook({**self.new, **other.new}, {**self.upgrades, **other.upgrades}, {**self.items, **other.items})


class _Entry(NamedTuple):
    where: str
    key: str
    price: object


def prices_from_words(words: Iterable[str], option: str = "--price") -> PriceBook:
    """Prices of words such as `desktop=18000000`.

    Raises:
        PlanInputError: a word that is not KIND=PRICE, an unknown kind, a price that is none, a kind given twice.
    """
    entries = []
    for word in words:
        key, separator, price = word.rpartition("=")
        if not separator:
            raise PlanInputError(
                Message(
                    mark("{where}: “{text}”; expected KIND=PRICE, as desktop=18000000"),
                    {"where": option, "text": word},
                )
            )
        entries.append(_Entry(f"{option} {word}", key, price))
    return _book(entries)


def prices_from_file(name: str, data: bytes) -> PriceBook:
    """Prices of a TOML file (by its name) or else a CSV file in UTF-8.

    Raises:
        PlanInputError: as for words, naming file and row; also text that is neither.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PlanInputError(
            Message(mark("{where}: not UTF-8 at byte {byte}"), {"where": name, "byte": error.start})
        ) from error
    return _book(_toml_entries(name, text) if name.lower().endswith(".toml") else _csv_entries(name, text))


def _toml_entries(name: str, text: str) -> list[_Entry]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanInputError(Message(mark("{where}: {detail}"), {"where": name, "detail": str(error)})) from error
    entries = []
    for table, rows in data.items():
        if table not in _TABLES or not isinstance(rows, dict):
            raise PlanInputError(
                Message(
                    mark("{where}: “{text}” is not known; expected the tables {tables}"),
                    {"where": name, "text": table, "tables": ", ".join(f"[{one}]" for one in _TABLES)},
                )
            )
        entries += [_Entry(f"{name}, [{table}] {key}", _TABLES[table] + key, price) for key, price in rows.items()]
    return entries


def _csv_entries(name: str, text: str) -> list[_Entry]:
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in first else ",")
    header: tuple[int, int] | None = None
    entries = []
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if header is None:
            header = _header(name, row)
            continue
        where = f"{name}:{rows.line_num}"
        if len(row) <= max(header):
            raise PlanInputError(
                Message(mark("{where}: the row is too short; expected kind and price"), {"where": where})
            )
        entries.append(_Entry(where, row[header[0]], row[header[1]]))
    if header is None:
        raise PlanInputError(Message(mark("{where}: the file is empty; expected kind;price_vnd"), {"where": name}))
    return entries


def _header(name: str, row: list[str]) -> tuple[int, int]:
    titles = [search_key(cell.replace("_", " ")) for cell in row]
    kind = next((number for number, title in enumerate(titles) if title in _KIND_TITLES), None)
    price = next((number for number, title in enumerate(titles) if title in _PRICE_TITLES), None)
    if kind is None or price is None:
        raise PlanInputError(
            Message(
                mark("{where}: the titles are “{text}”; expected kind;price_vnd"),
                {"where": f"{name}:1", "text": ";".join(row)},
            )
        )
    return kind, price


def _book(entries: Iterable[_Entry]) -> PriceBook:
    new: dict[str, int] = {}
    upgrades: dict[str, int] = {}
    items: dict[str, int] = {}
    for entry in entries:
        table, key = _place(entry, new, upgrades, items)
        if key in table:
            raise PlanInputError(
                Message(mark("{where}: “{text}” has a price already; expected each once"), _told(entry))
            )
        table[key] = _price(entry)
    return PriceBook(new, upgrades, items)


def _place(
    entry: _Entry, new: dict[str, int], upgrades: dict[str, int], items: dict[str, int]
) -> tuple[dict[str, int], str]:
    text = entry.key.strip()
    if text.startswith(ITEM_PREFIX) or _ASSET_REFERENCE.fullmatch(text):
        return items, text.removeprefix(ITEM_PREFIX).strip()
    upgrade = text.startswith(UPGRADE_PREFIX)
    word = text.removeprefix(UPGRADE_PREFIX).strip()
    kind = word if word in equipment_kinds() else kind_of_text(word)
    if kind is None or kind == OTHER:
        raise PlanInputError(
            Message(
                mark(
                    "{where}: “{text}” is no kind of equipment that has one price; "
                    "expected one of {kinds}, or a reference, as A12"
                ),
                {**_told(entry), "kinds": ", ".join(sorted(set(equipment_kinds()) - {OTHER}))},
            )
        )
    return (upgrades if upgrade else new), kind


def _price(entry: _Entry) -> int:
    price = entry.price
    amount = 0
    # TOML knows fractions and truth values, of which neither is a price.
    if isinstance(price, int | str) and not isinstance(price, bool):
        try:
            amount = money_vnd(price)
        except Problem:
            amount = 0
    if not SMALLEST_COST_VND <= amount <= LARGEST_COST_VND:
        raise PlanInputError(
            Message(
                mark("{where}: “{price}” is no price; expected whole đồng, as 18000000 or 18.000.000"),
                {"where": entry.where, "price": str(price)},
            )
        )
    return amount


def _told(entry: _Entry) -> dict[str, str]:
    return {"where": entry.where, "text": entry.key.strip()}
