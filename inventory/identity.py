"""Which asset of the register is which terminal. Pure; what is not sure goes to a person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.wire.message import Message, mark
from agent.wire.report import FactValue
from inventory.assets import RegisteredAsset, code_key
from inventory.serials import serial_key

BY_PERSON = "person"
BY_SERIAL = "serial"
BY_BOARD_SERIAL = "board_serial"
BY_CHASSIS_SERIAL = "chassis_serial"
BY_ASSET_TAG = "asset_tag"

# The surest first; a weaker key is asked only where every stronger one is silent.
KEYS = (BY_SERIAL, BY_BOARD_SERIAL, BY_CHASSIS_SERIAL, BY_ASSET_TAG)

_FACT_COLUMNS = {
    BY_SERIAL: (("system", "serial"),),
    BY_BOARD_SERIAL: (("baseboard", "serial"),),
    BY_CHASSIS_SERIAL: (("chassis", "serial"),),
    BY_ASSET_TAG: (("chassis", "asset_tag"), ("baseboard", "asset_tag")),
}


class Terminal(Protocol):
    """What identity needs of a terminal."""

    @property
    def id(self) -> str:
        """Its identity."""

    @property
    def unit_code(self) -> str:
        """Code of its unit."""

    @property
    def facts(self) -> Mapping[str, FactValue]:
        """Its facts."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An asset and the terminal it is, and by which key that is known."""

    asset_id: int
    device_id: str
    by: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """An asset that may be one of several terminals, or share its key with other assets; a person must say."""

    asset_ids: tuple[int, ...]
    device_ids: tuple[str, ...]
    by: str
    why: Message


@dataclass(frozen=True, slots=True)
class Matching:
    """Sure pairs, each asset and each terminal in one at most, and what is left to a person."""

    pairs: tuple[Pair, ...]
    doubts: tuple[Doubt, ...]


def match_assets(
    assets: Sequence[RegisteredAsset],
    terminals: Sequence[Terminal],
    *,
    apart: Collection[tuple[int, str]] = (),
) -> Matching:
    """Pairs assets with terminals.

    Links that a person made come first. Then the serial of the system, of the board and
    of the case against the register's serial, then the asset tag against the asset code within the unit. Placeholders
    are never keys. A key that several terminals (cloned firmware) or several assets carry makes no pair but a doubt.

    Args:
        assets: of the register.
        terminals: that may report.
        apart: (asset number, device identity) that a person said are not one; no key pairs them again.
    """
    by_id = {terminal.id: terminal for terminal in terminals}
    pairs: list[Pair] = []
    doubts: list[Doubt] = []
    free_assets = {asset.id: asset for asset in assets}
    free_terminals = dict(by_id)

    def take(asset_id: int, device_id: str, by: str) -> None:
        pairs.append(Pair(asset_id, device_id, by))
        free_assets.pop(asset_id, None)
        free_terminals.pop(device_id, None)

    for asset in assets:
        if asset.linked_by == BY_PERSON and asset.device_id in free_terminals:
            take(asset.id, str(asset.device_id), BY_PERSON)
    for by in KEYS:
        in_assets = _grouped((key, asset.id) for asset in free_assets.values() for key in _asset_keys(asset, by))
        in_terminals = _grouped((key, t.id) for t in free_terminals.values() for key in _terminal_keys(t, by))
        for key in sorted(in_assets.keys() & in_terminals.keys()):
            asset_ids = [number for number in in_assets[key] if number in free_assets]
            device_ids = [device_id for device_id in in_terminals[key] if device_id in free_terminals]
            if len(asset_ids) == 1 and len(device_ids) == 1:
                if (asset_ids[0], device_ids[0]) not in apart:
                    take(asset_ids[0], device_ids[0], by)
                continue
            # A shared key stays a doubt when one of its pairs is ruled out: what is left is still no proof.
            open_assets = [a for a in asset_ids if any((a, d) not in apart for d in device_ids)]
            open_devices = [d for d in device_ids if any((a, d) not in apart for a in asset_ids)]
            if open_assets and open_devices:
                doubts.append(_doubt(open_assets, open_devices, by, key[1]))
    paired = {pair.asset_id for pair in pairs}
    open_doubts = [doubt for doubt in doubts if not paired.issuperset(doubt.asset_ids)]
    return Matching(tuple(pairs), tuple(open_doubts))


def terminal_serial(facts: Mapping[str, FactValue]) -> str | None:
    """The serial by which people know a terminal: the system's, else the board's, else the case's; no placeholder."""
    for by in (BY_SERIAL, BY_BOARD_SERIAL, BY_CHASSIS_SERIAL):
        for text in _texts(facts, by):
            if serial_key(text):
                return text.strip()
    return None


def _asset_keys(asset: RegisteredAsset, by: str) -> Iterator[tuple[str, str]]:
    if by == BY_ASSET_TAG:
        key = code_key(asset.values.asset_code)
        scope = asset.values.unit_code
    else:
        key, scope = serial_key(asset.values.serial), ""
    if key:
        yield scope, key


def _terminal_keys(terminal: Terminal, by: str) -> Iterator[tuple[str, str]]:
    seen = set()
    for text in _texts(terminal.facts, by):
        # A tag must be as telling as a serial: firmware is full of tags such as `0` or `Asset Tag`.
        if not serial_key(text):
            continue
        key = code_key(text) if by == BY_ASSET_TAG else serial_key(text)
        if key and key not in seen:
            seen.add(key)
            yield (terminal.unit_code if by == BY_ASSET_TAG else ""), key


def _texts(facts: Mapping[str, FactValue], by: str) -> Iterator[str]:
    for fact, column in _FACT_COLUMNS[by]:
        value = facts.get(fact)
        for row in value if isinstance(value, list) else ():
            text = row.get(column)
            if isinstance(text, str):
                yield text


def _grouped(items: Iterable[tuple[tuple[str, str], int | str]]) -> dict[tuple[str, str], list]:  # type: ignore[type-arg]  # of one kind in each call
    groups: dict[tuple[str, str], list] = defaultdict(list)  # type: ignore[type-arg]  # likewise
    for key, item in items:
        groups[key].append(item)
    return groups


def _doubt(asset_ids: list[int], device_ids: list[str], by: str, key: str) -> Doubt:
    why = Message(
        mark("{value} stands on {assets} rows of the register and {devices} terminals"),
        {"value": key, "assets": len(asset_ids), "devices": len(device_ids)},
    )
    return Doubt(tuple(asset_ids), tuple(device_ids), by, why)
