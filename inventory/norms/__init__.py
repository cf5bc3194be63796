"""Norms as dated data: which law was in force on which day. A change of law is a new file here and no code."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TypeVar

import msgspec

from inventory.assets import BLOCK_FRONT, BLOCK_PARTY, BLOCK_STATE
from inventory.collation import search_key
from inventory.equipment import equipment_kinds
from inventory.norms.structs import (
    FixedAssetTest,
    Ground,
    Grounds,
    Multifunction,
    NormConfidence,
    Post,
    PostGroups,
    PriceCap,
    PriceCaps,
    Quantities,
    QuantityRule,
    Transition,
    UsefulLifeClass,
    UsefulLifeNorm,
)

__all__ = [
    "FixedAssetTest",
    "Ground",
    "Grounds",
    "Multifunction",
    "Norm",
    "NormConfidence",
    "NormError",
    "Norms",
    "Post",
    "PostGroups",
    "PriceCap",
    "PriceCaps",
    "Quantities",
    "QuantityRule",
    "Transition",
    "UsefulLifeClass",
    "UsefulLifeNorm",
    "load_norms",
    "norms_from",
    "post_groups_from",
]


class NormError(ValueError):
    """A norm file that cannot be used; the text names the file, the key and what was expected."""


Norm = UsefulLifeNorm | PriceCaps | Quantities | PostGroups | Grounds
_Dated = TypeVar("_Dated", UsefulLifeNorm, PriceCaps, Quantities, PostGroups, Grounds)
_TYPES: dict[str, type[Norm]] = {
    "useful_life": UsefulLifeNorm,
    "price_caps": PriceCaps,
    "quantities": Quantities,
    "post_groups": PostGroups,
    "grounds": Grounds,
}
_BLOCKS = frozenset({BLOCK_PARTY, BLOCK_FRONT, BLOCK_STATE})


@dataclass(frozen=True, slots=True)
class Norms:
    """All norms, each kind in the order of the days they took effect."""

    useful_lives: tuple[UsefulLifeNorm, ...]
    price_caps: tuple[PriceCaps, ...]
    quantities: tuple[Quantities, ...] = ()
    post_groups: tuple[PostGroups, ...] = ()
    grounds: tuple[Grounds, ...] = ()

    def useful_life_on(self, day: dt.date) -> UsefulLifeNorm | None:
        """The useful lives in force on a day, None before the first that is known."""
        return next((norm for norm in reversed(self.useful_lives) if norm.effective_from <= day), None)

    def useful_life_for_year(self, financial_year: int) -> UsefulLifeNorm:
        """The norm by which a financial year is charged; years before the first known norm are charged by that."""
        fitting = [norm for norm in self.useful_lives if norm.first_financial_year <= financial_year]
        return fitting[-1] if fitting else self.useful_lives[0]

    def price_caps_on(self, day: dt.date) -> PriceCaps | None:
        """The price caps in force on a day, None before the first that is known."""
        return next((norm for norm in reversed(self.price_caps) if norm.effective_from <= day), None)

    def quantities_on(self, day: dt.date) -> Quantities | None:
        """The quantities in force on a day, None before the first that are known."""
        return next((norm for norm in reversed(self.quantities) if norm.effective_from <= day), None)

    def post_groups_on(self, day: dt.date) -> PostGroups | None:
        """The table of posts in force on a day, None before the first that is known."""
        return next((norm for norm in reversed(self.post_groups) if norm.effective_from <= day), None)

    def ground(self, code: str, day: dt.date) -> Ground | None:
        """The article with this code in force on a day, None where none is known."""
        return next((found for norm in self.grounds if (found := norm.of(code, day))), None)


@lru_cache(maxsize=1)
def load_norms() -> Norms:
    """The norms of this package.

    Raises:
        NormError: a file is not what it should be.
    """
    folder = files("inventory.norms")
    return norms_from(
        {item.name: item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".toml")}
    )


def norms_from(texts: dict[str, str]) -> Norms:
    """The norms in these files (name -> TOML), all keys checked.

    Raises:
        NormError: not TOML, an unknown or missing key, a wrong value, two norms of one kind from the same day.
    """
    norms = [_norm(name, text) for name, text in sorted(texts.items())]
    lives = _in_order(norms, UsefulLifeNorm)
    if not lives:
        raise NormError("no norm of kind useful_life; expected at least one file")
    return Norms(
        lives,
        _in_order(norms, PriceCaps),
        _in_order(norms, Quantities),
        _in_order(norms, PostGroups),
        _in_order(norms, Grounds),
    )


def post_groups_from(name: str, text: str) -> PostGroups:
    """The office's own table of posts.

    Args:
        name: the file's, for messages.
        text: its TOML.

    Raises:
        NormError: not TOML, an unknown or missing key, a wrong value, or a norm of another kind.
    """
    norm = _norm(name, text)
    if not isinstance(norm, PostGroups):
        raise NormError(f"{name}: kind is {norm.kind!r}; expected 'post_groups'")
    return norm


def _in_order(norms: Iterable[Norm], kind: type[_Dated]) -> tuple[_Dated, ...]:
    found = sorted((norm for norm in norms if isinstance(norm, kind)), key=lambda norm: norm.effective_from)
    if len({norm.effective_from for norm in found}) != len(found):
        raise NormError(f"{found[0].kind}: two files take effect on the same day; expected one a day")
    return tuple(found)


def _norm(name: str, text: str) -> Norm:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NormError(f"{name}: {error}") from error
    norm_type = _TYPES.get(str(data.get("kind")))
    if norm_type is None:
        raise NormError(f"{name}: kind is {data.get('kind')!r}; expected one of {sorted(_TYPES)}")
    try:
        norm = msgspec.convert(data, norm_type)
    except msgspec.ValidationError as error:
        raise NormError(f"{name}: {error}") from error
    _check(name, norm)
    return norm


def _check(name: str, norm: Norm) -> None:
    if isinstance(norm, PriceCaps):
        _check_codes(name, [cap.code for cap in norm.caps], [cap.price_vnd for cap in norm.caps])
    elif isinstance(norm, UsefulLifeNorm):
        lives = [item.life_years for item in norm.classes]
        _check_codes(name, [item.code for item in norm.classes], [norm.fixed_asset.smallest_cost_vnd, *lives])
        for item in norm.classes:
            _check_rate(name, item)
    elif isinstance(norm, Quantities):
        _check_quantities(name, norm)
    elif isinstance(norm, PostGroups):
        words = [search_key(word) for post in norm.posts for word in (post.name, *post.aliases)]
        for word in words:
            if words.count(word) > 1 or not word:
                raise NormError(f"{name}: the post {word!r} stands twice or is empty; expected each once")
        for post in norm.posts:
            if post.block not in _BLOCKS:
                raise NormError(f"{name}: block of {post.name} is {post.block!r}; expected one of {sorted(_BLOCKS)}")


def _check_codes(name: str, codes: list[str], amounts: list[int]) -> None:
    if len(set(codes)) != len(codes):
        raise NormError(f"{name}: a code stands twice; expected each once")
    if any(amount <= 0 for amount in amounts):
        raise NormError(f"{name}: an amount or a life is not above zero")


def _check_rate(name: str, item: UsefulLifeClass) -> None:
    try:
        rate = item.rate
    except ArithmeticError as error:
        raise NormError(f"{name}: rate_percent of {item.code} is no number") from error
    if not 0 < rate <= 1:
        raise NormError(f"{name}: rate_percent of {item.code} is {item.rate_percent}; expected 0 to 100")


def _check_quantities(name: str, norm: Quantities) -> None:
    for rule in norm.rules:
        unknown = {rule.item, *rule.met_by} - equipment_kinds().keys()
        if unknown:
            raise NormError(f"{name}: no kind of equipment is called {sorted(unknown)}; see data/equipment_kinds.toml")
        if rule.item not in rule.met_by or not rule.post_groups:
            raise NormError(f"{name}: rule of {rule.item} must be met by it and name at least one post group")
        if rule.staff_per_piece <= 0 or (rule.price_vnd is not None and rule.price_vnd <= 0):
            raise NormError(f"{name}: an amount of the rule of {rule.item} is not above zero")
    items = {rule.item for rule in norm.rules}
    for several in norm.multifunction:
        unknown = ({several.kind} - equipment_kinds().keys()) | (set(several.functions) - items)
        if unknown:
            raise NormError(f"{name}: multifunction names {sorted(unknown)}; expected kinds that have a rule")
