"""Which asset of the register is which terminal. Pure; what is not sure goes to a person."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
BY_MAC_ADDRESS = "mac_address"
BY_COMPUTER_NAME = "computer_name"

# The surest first; a weaker key is asked only where every stronger one is silent.
KEYS = (BY_SERIAL, BY_BOARD_SERIAL, BY_CHASSIS_SERIAL, BY_ASSET_TAG, BY_MAC_ADDRESS, BY_COMPUTER_NAME)

_SERIALS = (BY_SERIAL, BY_BOARD_SERIAL, BY_CHASSIS_SERIAL)
# Adapters and names move from machine to machine: what one of these says stands only where nothing gainsays it.
_MOVABLE = (BY_MAC_ADDRESS, BY_COMPUTER_NAME)
_WITHIN_UNIT = (BY_ASSET_TAG, BY_COMPUTER_NAME)

# Addresses that adapters without one of their own, and clerks without an answer, are given.
_NO_MAC_ADDRESSES = frozenset({"001122334455", "000000000001", "0123456789AB", "00FFFFFFFFFF"})
_LOCAL_OR_GROUP_BITS = 0b11
_DIGEST = re.compile(r"[0-9a-f]{64}")

_FACT_COLUMNS = {
    BY_SERIAL: (("system", "serial"),),
    BY_BOARD_SERIAL: (("baseboard", "serial"),),
    BY_CHASSIS_SERIAL: (("chassis", "serial"),),
    BY_ASSET_TAG: (("chassis", "asset_tag"), ("baseboard", "asset_tag")),
    BY_MAC_ADDRESS: (("network_adapter", "mac"),),
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

    Links that a person made come first. Then the serial of the system, of the board and of the case against the
    register's serial, the asset tag against the asset code within the unit, the MAC address, and the computer's name
    within the unit. Placeholders are never keys. A serial or tag that several terminals (cloned firmware) or several
    assets carry makes no pair but a doubt. A MAC address or name that several carry is no key. Where one of these two
    points to another machine than a stronger key, or stands against serials or addresses that differ, it is a doubt.

    Args:
        assets: of the register.
        terminals: that may report.
        apart: (asset number, device identity) that a person said are not one; no key pairs them again.
    """
    work = _Work({a.id: a for a in assets}, {t.id: t for t in terminals}, apart)
    for asset in assets:
        if asset.linked_by == BY_PERSON and asset.device_id in work.free_terminals:
            work.take(asset.id, str(asset.device_id), BY_PERSON)
    work.find_links(assets, terminals)
    for by in KEYS:
        if by in _MOVABLE:
            for link in [link for link in work.links if link.by == by]:
                work.judge(link.asset_id, link.device_id, by, link.shown)
        else:
            work.pair_by(by)
    paired = {pair.asset_id for pair in work.pairs}
    open_doubts = [doubt for doubt in work.doubts if not paired.issuperset(doubt.asset_ids)]
    return Matching(tuple(work.pairs), tuple(open_doubts))


def mac_key(text: str | None) -> str | None:
    """What two spellings of one MAC address share: AA:BB:CC:DD:EE:FF.

    None where it tells no adapter from another: not 48 bits, one digit over and over, an example, a group's address,
    or one made up by software (the locally administered bit of IEEE 802).
    """
    digits = re.sub(r"[:\-. ]", "", text or "").upper()
    if not re.fullmatch(r"[0-9A-F]{12}", digits) or len(set(digits)) == 1 or digits in _NO_MAC_ADDRESSES:
        return None
    if int(digits[:2], 16) & _LOCAL_OR_GROUP_BITS:
        return None
    return ":".join(digits[place : place + 2] for place in range(0, 12, 2))


def computer_name_key(name: str | None) -> str | None:
    """The digest by which terminals tell their computer's name (fact `computer_name_sha256`); None for no name."""
    short = (name or "").strip().split(".")[0].lower()
    return hashlib.sha256(short.encode()).hexdigest() if short not in {"", "localhost"} else None


@dataclass(frozen=True, slots=True)
class _Link:
    """What a MAC address or a name says, whatever the other keys say."""

    asset_id: int
    device_id: str
    by: str
    shown: str


@dataclass(slots=True)
class _Work:
    """A matching under way: who is free, and what was found."""

    free_assets: dict[int, RegisteredAsset]
    free_terminals: dict[str, Terminal]
    apart: Collection[tuple[int, str]]
    pairs: list[Pair] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    links: list[_Link] = field(default_factory=list)
    links_of_asset: dict[int, list[_Link]] = field(default_factory=lambda: defaultdict(list))
    links_of_device: dict[str, list[_Link]] = field(default_factory=lambda: defaultdict(list))

    def take(self, asset_id: int, device_id: str, by: str) -> None:
        self.pairs.append(Pair(asset_id, device_id, by))
        self._hold(asset_id, device_id)

    def find_links(self, assets: Sequence[RegisteredAsset], terminals: Sequence[Terminal]) -> None:
        """Finds what MAC addresses and names say, once, so that the order of pairing changes nothing.

        Whether one is shared is judged by all assets and terminals, not by those that are still free.
        """
        by_number = {asset.id: asset for asset in assets}
        for by in _MOVABLE:
            in_assets = _grouped((key, asset.id) for asset in assets for key in _asset_keys(asset, by))
            in_terminals = _grouped((key, t.id) for t in terminals for key in _terminal_keys(t, by))
            for key in sorted(in_assets.keys() & in_terminals.keys()):
                if len(in_assets[key]) > 1 or len(in_terminals[key]) > 1:
                    continue
                (asset_id,), (device_id,) = in_assets[key], in_terminals[key]
                is_open = asset_id in self.free_assets and device_id in self.free_terminals
                if is_open and (asset_id, device_id) not in self.apart:
                    name = by_number[asset_id].values.computer_name
                    shown = key[1] if by == BY_MAC_ADDRESS else str(name).strip()
                    link = _Link(asset_id, device_id, by, shown)
                    self.links.append(link)
                    self.links_of_asset[asset_id].append(link)
                    self.links_of_device[device_id].append(link)

    def pair_by(self, by: str) -> None:
        """Pairs what is free by serial or tag."""
        in_assets = _grouped((key, asset.id) for asset in self.free_assets.values() for key in _asset_keys(asset, by))
        in_terminals = _grouped((key, t.id) for t in self.free_terminals.values() for key in _terminal_keys(t, by))
        for key in sorted(in_assets.keys() & in_terminals.keys()):
            asset_ids = [number for number in in_assets[key] if number in self.free_assets]
            device_ids = [device_id for device_id in in_terminals[key] if device_id in self.free_terminals]
            if len(asset_ids) == 1 and len(device_ids) == 1:
                if (asset_ids[0], device_ids[0]) not in self.apart:
                    self.judge(asset_ids[0], device_ids[0], by, key[1])
                continue
            # A shared key stays a doubt when one of its pairs is ruled out: what is left is still no proof.
            open_assets = [a for a in asset_ids if any((a, d) not in self.apart for d in device_ids)]
            open_devices = [d for d in device_ids if any((a, d) not in self.apart for a in asset_ids)]
            if open_assets and open_devices:
                self.doubts.append(_doubt(open_assets, open_devices, by, key[1]))

    def judge(self, asset_id: int, device_id: str, by: str, shown: str) -> None:
        """Pairs the two, or, where another key gainsays it, leaves them to a person."""
        if asset_id not in self.free_assets or device_id not in self.free_terminals:
            return
        others = [link for link in self.links_of_asset[asset_id] if link.device_id != device_id]
        others += [link for link in self.links_of_device[device_id] if link.asset_id != asset_id]
        differing = self._differing(asset_id, device_id, by) if by in _MOVABLE else ""
        doubted = self._doubted_terminals(asset_id) if by in _MOVABLE else set()
        if not others and not differing and (not doubted or device_id in doubted):
            self.take(asset_id, device_id, by)
            return
        asset_ids = sorted({asset_id, *(link.asset_id for link in others)})
        device_ids = sorted({device_id, *doubted, *(link.device_id for link in others)})
        if not any((list(d.asset_ids), list(d.device_ids)) == (asset_ids, device_ids) for d in self.doubts):
            value = "; ".join(dict.fromkeys([shown, *(link.shown for link in others)]))
            self.doubts.append(_doubt(asset_ids, device_ids, by, value + differing))
        self._hold(asset_id, device_id)

    def _hold(self, asset_id: int, device_id: str) -> None:
        self.free_assets.pop(asset_id, None)
        self.free_terminals.pop(device_id, None)

    def _differing(self, asset_id: int, device_id: str, by: str) -> str:
        """Serials, or for a name addresses too, that both sides state and that differ; empty where none do."""
        asset, terminal = self.free_assets[asset_id], self.free_terminals[device_id]
        for stronger in (_SERIALS, (BY_MAC_ADDRESS,)) if by == BY_COMPUTER_NAME else (_SERIALS,):
            stated = {key for kind in stronger for _, key in _asset_keys(asset, kind)}
            told = {key for kind in stronger for _, key in _terminal_keys(terminal, kind)}
            if stated and told and not stated & told:
                return f" ({', '.join(sorted(stated))} ≠ {', '.join(sorted(told))})"
        return ""

    def _doubted_terminals(self, asset_id: int) -> set[str]:
        """The terminals among which a stronger key has left this asset open."""
        return {device_id for doubt in self.doubts if asset_id in doubt.asset_ids for device_id in doubt.device_ids}


def terminal_serial(facts: Mapping[str, FactValue]) -> str | None:
    """The serial by which people know a terminal: the system's, else the board's, else the case's; no placeholder."""
    for by in _SERIALS:
        for text in _texts(facts, by):
            if serial_key(text):
                return text.strip()
    return None


def _asset_keys(asset: RegisteredAsset, by: str) -> Iterator[tuple[str, str]]:
    values = asset.values
    if by == BY_ASSET_TAG:
        key = code_key(values.asset_code)
    elif by == BY_MAC_ADDRESS:
        key = mac_key(values.mac_address)
    elif by == BY_COMPUTER_NAME:
        key = computer_name_key(values.computer_name)
    else:
        key = serial_key(values.serial)
    if key:
        yield (values.unit_code if by in _WITHIN_UNIT else ""), key


def _terminal_keys(terminal: Terminal, by: str) -> Iterator[tuple[str, str]]:
    if by == BY_COMPUTER_NAME:
        digest = terminal.facts.get("computer_name_sha256")
        keys = [digest] if isinstance(digest, str) and _DIGEST.fullmatch(digest) else []
    elif by == BY_MAC_ADDRESS:
        keys = [key for text in _texts(terminal.facts, by) if (key := mac_key(text))]
    else:
        # A tag must be as telling as a serial: firmware is full of tags such as `0` or `Asset Tag`.
        texts = [text for text in _texts(terminal.facts, by) if serial_key(text)]
        keys = [key for text in texts if (key := code_key(text) if by == BY_ASSET_TAG else serial_key(text))]
    for key in dict.fromkeys(keys):
        yield (terminal.unit_code if by in _WITHIN_UNIT else ""), key


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
