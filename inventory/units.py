"""The 130 communes and wards of Nghe An, found by code, by name in any spelling, or by the name before the merger."""

from __future__ import annotations

import csv
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from agent.wire.message import Message, mark
from inventory.collation import normalise, search_key

PROVINCE_CODE = "40"

_FORMER_UNIT = re.compile(r"(?P<kind>Xã|Phường|Thị trấn) (?P<name>.+) \((?P<code>\d{5})\)")
_KINDS = {"xa": "xã", "x": "xã", "phuong": "phường", "p": "phường", "thi tran": "thị trấn", "tt": "thị trấn"}
_KIND_WORDS = re.compile(
    r"(?:^|.*\W)(?:(xã|xa|phường|phuong|thị trấn|thi tran|tt)\s+|(x|p|tt)\.\s*)(?=\S)", re.IGNORECASE
)
_DISTRICT_WORDS = re.compile(
    r"\b(?:(?:huyện|huyen|thành phố|thanh pho|tp|thị xã|thi xa|tx)\s+|(?:h|tp|tx)\.\s*)(?=\S)", re.IGNORECASE
)
_TAIL = re.compile(r"\s*(?:,|;|\(|\s[-\u2013]\s)\s*")
_CODE = re.compile(r"\d{1,5}(?:\.0)?")
_CODE_LENGTH = 5
_CANDIDATES_NAMED = 8


@dataclass(frozen=True, slots=True)
class FormerUnit:
    """A commune, ward or town as it was until 30/06/2025."""

    code: str
    name: str
    kind: str
    short_name: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A commune or ward of today.

    Args:
        code: five digits, the official code.
        name: as `Xã Nghi Lộc`.
        kind: `xã` or `phường`.
        short_name: as `Nghi Lộc`.
        former_district: the district it lies in as it was until 30/06/2025, as `Huyện Nghi Lộc`.
        former_units: what it was made of, itself where it was left alone.
    """

    code: str
    name: str
    kind: str
    short_name: str
    former_district: str
    former_units: tuple[FormerUnit, ...]


class UnitError(LookupError, ABC):
    """The tree of what a look-up may raise: UnknownUnitError | AmbiguousUnitError.

    Args:
        text: what was looked for.
        candidates: units it may have meant, in the table's order; may be empty.
    """

    def __init__(self, text: str, candidates: Iterable[Unit] = ()) -> None:
        self.text = text
        self.candidates = tuple(candidates)
        super().__init__(self.message.render())

    @property
    @abstractmethod
    def pattern(self) -> str:
        """The sentence's English pattern."""

    @property
    def message(self) -> Message:
        """The sentence for people."""
        named = [f"{unit.name} ({unit.code})" for unit in self.candidates[:_CANDIDATES_NAMED]]
        more = ["..."] if len(self.candidates) > _CANDIDATES_NAMED else []
        return Message(self.pattern, {"text": self.text, "candidates": ", ".join(named + more)})


class UnknownUnitError(UnitError):
    """No commune or ward of the province has this code or name, nor had it before the merger."""

    @property
    def pattern(self) -> str:
        """The sentence, with the nearest units where there are any."""
        if self.candidates:
            return mark("“{text}” is no commune or ward of the province; nearest: {candidates}")
        return mark("“{text}” is no commune or ward of the province")


class AmbiguousUnitError(UnitError):
    """The text fits several units; a district, a code or the kind would tell."""

    @property
    def pattern(self) -> str:
        """The sentence."""
        return mark("“{text}” may be any of: {candidates}")


@lru_cache(maxsize=1)
def load_units() -> tuple[Unit, ...]:
    """All units, in the order of their codes, from `inventory/data/units_nghe_an.csv`."""
    text = files("inventory").joinpath("data/units_nghe_an.csv").read_text(encoding="utf-8-sig")
    return tuple(sorted((_unit(row) for row in csv.DictReader(text.splitlines())), key=lambda unit: unit.code))


def unit_by_code(code: str) -> Unit:
    """The unit of today with this code.

    Raises:
        UnknownUnitError: there is none.
    """
    unit = _index().by_code.get(code)
    if unit is None:
        raise UnknownUnitError(code)
    return unit


def find_unit(text: str) -> Unit:
    """The unit of today that the text means.

    Tried in turn: the code of today or of before the merger; the name of today, then one from before the merger, both
    with the accents as written; the same two whatever the accents. `xã`, `phường`, `thị trấn` and an office before it
    (`UBND xã ...`, `Đảng ủy phường ...`) may be there or not; a district after it must be the right one.
    A name of today goes before the same name of the past: `Xã Đông Thành` is today's.

    Raises:
        UnknownUnitError: nothing fits.
        AmbiguousUnitError: a name of the past fits units of today in several places.
    """
    cleaned = normalise(text)
    if _CODE.fullmatch(cleaned):
        return _by_code(cleaned)
    wanted = _Wanted.parse(cleaned)
    try:
        return _by_name(wanted)
    except UnknownUnitError:
        # `Xa Lượng` typed for `Xá Lượng` is a name, not the commune `Lượng`.
        if wanted.kind is None or search_key(cleaned) not in _index().past:
            raise
        return _by_name(_Wanted(cleaned, None, cleaned, None))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A unit's name taken apart: the text itself, the kind it states, the bare name, the bare district it states."""

    text: str
    kind: str | None
    name: str
    district: str | None

    @classmethod
    def parse(cls, text: str) -> _Wanted:
        """The kind, the bare name and the district of a text such as `UBND xã Nghi Lộc, huyện Nghi Lộc`."""
        head, *tail = _TAIL.split(text, maxsplit=1)
        rest = tail[0] if tail else ""
        district_word = _DISTRICT_WORDS.search(head)
        if district_word and district_word.start() > 0:
            head, rest = head[: district_word.start()].strip(), head[district_word.start() :]
        district = _district_key(rest) if rest else None
        kind_word = _KIND_WORDS.match(head)
        if kind_word is None:
            return cls(text, None, head, district)
        kind = _KINDS[search_key(kind_word[1] or kind_word[2])]
        return cls(text, kind, head[kind_word.end() :], district)


@dataclass(frozen=True, slots=True)
class _Name:
    kind: str
    unit: Unit
    accented: str


@dataclass(frozen=True, slots=True)
class _Index:
    by_code: dict[str, Unit]
    by_former_code: dict[str, Unit]
    today: dict[str, list[_Name]]
    past: dict[str, list[_Name]]
    districts: frozenset[str]


@lru_cache(maxsize=1)
def _index() -> _Index:
    today: dict[str, list[_Name]] = {}
    past: dict[str, list[_Name]] = {}
    for unit in load_units():
        today.setdefault(search_key(unit.short_name), []).append(_Name(unit.kind, unit, unit.short_name.casefold()))
        for former in unit.former_units:
            name = _Name(former.kind, unit, former.short_name.casefold())
            past.setdefault(search_key(former.short_name), []).append(name)
    return _Index(
        by_code={unit.code: unit for unit in load_units()},
        by_former_code={former.code: unit for unit in load_units() for former in unit.former_units},
        today=today,
        past=past,
        districts=frozenset(_bare_district(unit.former_district) for unit in load_units()),
    )


def _by_code(text: str) -> Unit:
    index = _index()
    code = text.removesuffix(".0").zfill(_CODE_LENGTH)
    unit = index.by_code.get(code) or index.by_former_code.get(code)
    if unit is None:
        raise UnknownUnitError(text)
    return unit


def _by_name(wanted: _Wanted) -> Unit:
    index = _index()
    key = search_key(wanted.name)
    today = [name for name in index.today.get(key, ()) if _fits(name, wanted)]
    past = [name for name in index.past.get(key, ()) if _fits(name, wanted)]
    exact = wanted.name.casefold()
    for names in ([n for n in today if n.accented == exact], [n for n in past if n.accented == exact], today, past):
        units = _distinct(name.unit for name in names)
        if len(units) == 1:
            return units[0]
        if units:
            raise AmbiguousUnitError(wanted.text, units)
    raise UnknownUnitError(wanted.text, _nearest(wanted, key))


def _fits(name: _Name, wanted: _Wanted) -> bool:
    kind_fits = wanted.kind is None or wanted.kind == name.kind
    return kind_fits and (wanted.district is None or wanted.district == _bare_district(name.unit.former_district))


def _nearest(wanted: _Wanted, key: str) -> Sequence[Unit]:
    """Units with the same bare name, else those of the district that was named, else those that share its words."""
    index = _index()
    same = [name.unit for name in (*index.today.get(key, ()), *index.past.get(key, ()))]
    if same:
        return _distinct(same)
    district = _bare_district(wanted.text)
    if district in index.districts:
        return [unit for unit in load_units() if _bare_district(unit.former_district) == district]
    words = set(key.split())
    return [unit for unit in load_units() if words and words <= set(search_key(unit.short_name).split())]


def _district_key(text: str) -> str | None:
    """The district named in what follows a unit's name, or nothing where only the province or nothing known is."""
    index = _index()
    for part in _TAIL.split(text.rstrip(")")):
        bare = _bare_district(part)
        if bare in index.districts:
            return bare
        if _DISTRICT_WORDS.match(part):
            return bare
    return None


def _bare_district(text: str) -> str:
    return search_key(_DISTRICT_WORDS.sub("", normalise(text), count=1))


def _distinct(units: Iterable[Unit]) -> list[Unit]:
    return list({unit.code: unit for unit in units}.values())


def _unit(row: dict[str, str]) -> Unit:
    return Unit(
        code=row["code"],
        name=normalise(row["name"]),
        kind=row["type"],
        short_name=normalise(row["short_name"]),
        former_district=normalise(row["former_districts"]),
        former_units=tuple(_former_unit(part) for part in row["former_units"].split(";")),
    )


def _former_unit(text: str) -> FormerUnit:
    match = _FORMER_UNIT.fullmatch(normalise(text))
    if match is None:
        raise ValueError(f"units_nghe_an.csv: former unit {text!r} is not `Xã|Phường|Thị trấn NAME (CODE)`")
    kind, name = match["kind"], match["name"]
    return FormerUnit(code=match["code"], name=f"{kind} {name}", kind=kind.lower(), short_name=name)
