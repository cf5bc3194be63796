"""What an import would do: every row created, updated, unchanged or rejected. Pure; nothing is written here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace

from agent.wire.message import Message, mark
from inventory.assets import AssetValues, RegisteredAsset, code_key, content_key
from inventory.equipment import OTHER
from inventory.register.rows import AssetRow, Origin, RejectedRow, RowError
from inventory.serials import serial_key

_FIELDS = tuple(field.name for field in fields(AssetValues))


@dataclass(frozen=True, slots=True)
class Creation:
    """A row that becomes a new asset under `register_key`."""

    origin: Origin
    register_key: str
    values: AssetValues


@dataclass(frozen=True, slots=True)
class Update:
    """A row that changes a registered asset: what it was and what it will be."""

    origin: Origin
    asset: RegisteredAsset
    values: AssetValues

    @property
    def changed_fields(self) -> tuple[str, ...]:
        """Names of the fields that differ."""
        return tuple(name for name in _FIELDS if getattr(self.asset.values, name) != getattr(self.values, name))


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A row that says what is known already."""

    origin: Origin
    asset: RegisteredAsset


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """The outcome of each row, in the file's order within each list; the four lists together are all rows."""

    created: tuple[Creation, ...]
    updated: tuple[Update, ...]
    unchanged: tuple[Unchanged, ...]
    rejected: tuple[RejectedRow, ...]
    notices: tuple[Message, ...]

    @property
    def rows(self) -> int:
        """How many rows were judged."""
        return len(self.created) + len(self.updated) + len(self.unchanged) + len(self.rejected)


def plan_import(rows: Sequence[AssetRow | RejectedRow], existing: Iterable[RegisteredAsset]) -> ImportPlan:
    """Decides for each row which registered asset it means, if any, and what it changes.

    An asset is known by its serial wherever it stands; else by its asset code within the unit; else by what it is
    (unit, name, maker, model, year, cost, place, user), the second alike one counted as the second. A blank cell
    leaves what is known. The same file again changes nothing. A second row with the serial, or without a serial with
    the asset code, of an earlier row is rejected and names that row.
    """
    planner = _Planner(existing)
    unique = [row for row in rows if isinstance(row, AssetRow) and planner.is_first(row)]
    planner.match(unique)
    planner.decide(unique)
    judged = {id(row): row for row in planner.rejected}
    early = [row for row in rows if isinstance(row, RejectedRow)]
    order = {_place(row.origin): position for position, row in enumerate(rows)}
    rejected = sorted([*early, *judged.values()], key=lambda row: order[_place(row.origin)])
    return ImportPlan(
        tuple(planner.created),
        tuple(planner.updated),
        tuple(planner.unchanged),
        tuple(rejected),
        tuple(planner.notices),
    )


class _Planner:
    """The state of one planning: which rows came first, which assets are taken."""

    def __init__(self, existing: Iterable[RegisteredAsset]) -> None:
        self.created: list[Creation] = []
        self.updated: list[Update] = []
        self.unchanged: list[Unchanged] = []
        self.rejected: list[RejectedRow] = []
        self.notices: list[Message] = []
        self._first_serial: dict[str, AssetRow] = {}
        self._first_code: dict[tuple[str, str], list[AssetRow]] = defaultdict(list)
        self._match: dict[int, RegisteredAsset] = {}
        self._claimed: set[int] = set()
        self._by_serial: dict[str, RegisteredAsset] = {}
        self._by_code: dict[tuple[str, str], list[RegisteredAsset]] = defaultdict(list)
        self._by_key: dict[tuple[str, str], RegisteredAsset] = {}
        self._nameless: dict[str, list[RegisteredAsset]] = defaultdict(list)
        self._content_key: dict[int, str] = {}
        self._alike: Counter[str] = Counter()
        self._assets = tuple(existing)
        for asset in self._assets:
            self._index(asset)

    def _index(self, asset: RegisteredAsset) -> None:
        serial, code = serial_key(asset.values.serial), code_key(asset.values.asset_code)
        self._by_key[asset.values.unit_code, asset.register_key] = asset
        if serial:
            self._by_serial.setdefault(serial, asset)
        if not serial and not code:
            self._nameless[content_key(asset.values)].append(asset)

    def is_first(self, row: AssetRow) -> bool:
        """Whether no earlier row of the file has the same serial or code; if one has, this row is rejected."""
        serial, code = serial_key(row.values.serial), code_key(row.values.asset_code)
        if serial:
            first = self._first_serial.setdefault(serial, row)
            if first is not row:
                self._reject_repeat(row, first, "serial", mark("serial {value} already stands in row {where}"))
                return False
        if code:
            same = self._first_code[row.values.unit_code, code]
            clash = next((other for other in same if not serial or not serial_key(other.values.serial)), None)
            if clash is not None:
                self._reject_repeat(row, clash, "asset_code", mark("asset code {value} already stands in row {where}"))
                return False
            if same:
                self._notice(
                    row, mark("row {where}: asset code {value} stands on several serials"), row.values.asset_code
                )
            same.append(row)
        return True

    def match(self, rows: Sequence[AssetRow]) -> None:
        """Finds the registered asset of each row: by the surest key first, so that no row takes another's asset."""
        self._match_by(self._find_by_serial, rows)
        # A machine that this file moves or gives another code is no longer to be found by the old one; judging by the
        # register as it will be is what makes the same file again come out the same.
        self._index_codes(rows)
        for find in (self._find_by_code, self._find_by_content, self._find_nameless):
            self._match_by(find, rows)

    def _match_by(self, find: Callable[[AssetRow], RegisteredAsset | None], rows: Sequence[AssetRow]) -> None:
        for row in rows:
            if id(row) not in self._match:
                asset = find(row)
                if asset is not None and asset.id not in self._claimed:
                    self._match[id(row)] = asset
                    self._claimed.add(asset.id)

    def _index_codes(self, rows: Sequence[AssetRow]) -> None:
        stated = {self._match[id(row)].id: row.values for row in rows if id(row) in self._match}
        for asset in self._assets:
            values = _merged(asset.values, stated[asset.id]) if asset.id in stated else asset.values
            code = code_key(values.asset_code)
            if code:
                self._by_code[values.unit_code, code].append(asset)

    def decide(self, rows: Sequence[AssetRow]) -> None:
        """Sorts every row into created, updated, unchanged or rejected."""
        for row in rows:
            asset = self._match.get(id(row))
            if asset is None:
                if not self._is_ambiguous(row):
                    self._create(row)
                continue
            merged = _merged(asset.values, row.values)
            if merged == asset.values:
                self.unchanged.append(Unchanged(row.origin, asset))
            else:
                self.updated.append(Update(row.origin, asset, merged))

    def _find_by_serial(self, row: AssetRow) -> RegisteredAsset | None:
        serial = serial_key(row.values.serial)
        return self._by_serial.get(serial) if serial else None

    def _find_by_code(self, row: AssetRow) -> RegisteredAsset | None:
        code = code_key(row.values.asset_code)
        if code is None:
            return None
        known = self._by_code.get((row.values.unit_code, code), [])
        unnumbered = [asset for asset in known if not serial_key(asset.values.serial)]
        if len(unnumbered) == 1 or serial_key(row.values.serial):
            known = unnumbered
        return known[0] if len(known) == 1 else None

    def _find_by_content(self, row: AssetRow) -> RegisteredAsset | None:
        if _has_number(row):
            return None
        return self._by_key.get((row.values.unit_code, self._key_by_content(row)))

    def _find_nameless(self, row: AssetRow) -> RegisteredAsset | None:
        """An asset registered without serial and code, of which this row says the same, be it with a number now."""
        alike = self._nameless.get(content_key(row.values), []) if self._nameless else []
        asset = next((asset for asset in alike if asset.id not in self._claimed), None)
        if asset is not None and _has_number(row):
            self._notice(row, mark("row {where}: taken as the asset registered without a number, which it gives now"))
        return asset

    def _is_ambiguous(self, row: AssetRow) -> bool:
        code = code_key(row.values.asset_code)
        if code is None or serial_key(row.values.serial):
            return False
        known = self._by_code.get((row.values.unit_code, code), [])
        if not known:
            return False
        serials = ", ".join(sorted(asset.values.serial or "?" for asset in known))
        found = Message(
            mark("asset code {value} is registered on several serials: {serials}"),
            {"value": str(row.values.asset_code), "serials": serials},
        )
        expected = Message(mark("the serial as well"))
        self.rejected.append(RejectedRow(row.origin, (RowError("asset_code", "", found, expected),)))
        return True

    def _create(self, row: AssetRow) -> None:
        serial, code = serial_key(row.values.serial), code_key(row.values.asset_code)
        if serial:
            key = f"serial:{serial}"
        elif code:
            key = f"code:{code}"
        else:
            key = self._key_by_content(row)
        unit = row.values.unit_code
        base, number = key, 1
        while (unit, key) in self._by_key:
            number += 1
            key = f"{base}~{number}"
        creation = Creation(row.origin, key, replace(row.values, quantity=row.values.quantity or 1))
        self._by_key[unit, key] = RegisteredAsset(0, key, creation.values, 0)
        self.created.append(creation)

    def _key_by_content(self, row: AssetRow) -> str:
        """The content key with the row's rank among its likes in this file, counted once."""
        known = self._content_key.get(id(row))
        if known is None:
            base = f"content:{content_key(row.values)}"
            self._alike[base] += 1
            known = self._content_key[id(row)] = f"{base}#{self._alike[base]}"
        return known

    def _reject_repeat(self, row: AssetRow, first: AssetRow, field: str, pattern: str) -> None:
        value = str(getattr(row.values, field))
        found = Message(pattern, {"value": value, "where": _where(first.origin)})
        expected = Message(mark("each asset once"))
        self.rejected.append(RejectedRow(row.origin, (RowError(field, "", found, expected),)))

    def _notice(self, row: AssetRow, pattern: str, value: str | None = None) -> None:
        self.notices.append(Message(pattern, {"where": _where(row.origin), "value": value or ""}))


def _merged(known: AssetValues, stated: AssetValues) -> AssetValues:
    """What is known with everything that is stated written over it; placeholders and unknown kinds state nothing."""
    changes = {name: value for name in _FIELDS if (value := getattr(stated, name)) is not None}
    if serial_key(known.serial) and not serial_key(stated.serial):
        changes.pop("serial", None)
    if code_key(known.asset_code) and not code_key(stated.asset_code):
        changes.pop("asset_code", None)
    if stated.kind == OTHER:
        del changes["kind"]
    # A bare year says nothing new beside a day of the same year.
    if (
        stated.year_put_into_use is not None
        and stated.put_into_use_on is None
        and (stated.year_put_into_use != known.year_put_into_use)
    ):
        changes["put_into_use_on"] = None
    return replace(known, **changes)


def _has_number(row: AssetRow) -> bool:
    return serial_key(row.values.serial) is not None or code_key(row.values.asset_code) is not None


def _place(origin: Origin) -> tuple[str, int]:
    return origin.sheet, origin.number


def _where(origin: Origin) -> str:
    """`7`, or `Sheet1!7` where the sheet has a name: a row as spreadsheets write it."""
    return f"{origin.sheet}!{origin.number}" if origin.sheet else str(origin.number)
