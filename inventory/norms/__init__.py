"""Norms as dated data: which law was in force on which day. A change of law is a new file here and no code."""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import msgspec

NormConfidence = Literal["high", "medium", "low"]


class NormError(ValueError):
    """A norm file that cannot be used; the text names the file, the key and what was expected."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class UsefulLifeClass(_Strict, frozen=True):
    """A class of assets: its life in years and the share of the original cost charged each year, in per cent."""

    code: str
    life_years: int
    rate_percent: str
    confidence: NormConfidence

    @property
    def rate(self) -> Decimal:
        """The yearly share as a ratio."""
        return Decimal(self.rate_percent) / 100


class FixedAssetTest(_Strict, frozen=True):
    """From which original cost on, in đồng, a piece is a fixed asset and depreciated."""

    smallest_cost_vnd: int
    article: str
    confidence: NormConfidence


class Transition(_Strict, frozen=True):
    """How assets booked under the norm before go on under this one."""

    rule: Literal["spread_remaining_over_rest_of_new_life"]
    article: str
    confidence: NormConfidence


class UsefulLifeNorm(_Strict, frozen=True, rename={"classes": "class"}):
    """Useful lives and depreciation from one financial year on."""

    kind: Literal["useful_life"]
    title: str
    effective_from: dt.date
    first_financial_year: int
    source: str
    article: str
    confidence: NormConfidence
    rounding: Literal["up", "half_up"]
    fixed_asset: FixedAssetTest
    classes: list[UsefulLifeClass]
    note: str = ""
    transition: Transition | None = None

    def of_class(self, code: str) -> UsefulLifeClass | None:
        """The class with this code, if the norm has one."""
        return next((item for item in self.classes if item.code == code), None)


class PriceCap(_Strict, frozen=True):
    """The highest price of one piece in đồng, taxes included."""

    code: str
    price_vnd: int
    article: str
    excludes_software: bool


class PriceCaps(_Strict, frozen=True, rename={"caps": "cap"}):
    """Highest prices from one day on."""

    kind: Literal["price_caps"]
    title: str
    effective_from: dt.date
    source: str
    article: str
    confidence: NormConfidence
    caps: list[PriceCap]
    note: str = ""

    def of(self, code: str) -> PriceCap | None:
        """The cap with this code, if the norm has one."""
        return next((item for item in self.caps if item.code == code), None)


Norm = UsefulLifeNorm | PriceCaps
_TYPES: dict[str, type[UsefulLifeNorm | PriceCaps]] = {"useful_life": UsefulLifeNorm, "price_caps": PriceCaps}


@dataclass(frozen=True, slots=True)
class Norms:
    """All norms, each kind in the order of the days they took effect."""

    useful_lives: tuple[UsefulLifeNorm, ...]
    price_caps: tuple[PriceCaps, ...]

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
    lives = sorted((n for n in norms if isinstance(n, UsefulLifeNorm)), key=lambda norm: norm.effective_from)
    caps = sorted((n for n in norms if isinstance(n, PriceCaps)), key=lambda norm: norm.effective_from)
    for kind in (lives, caps):
        days = [norm.effective_from for norm in kind]
        if len(set(days)) != len(days):
            raise NormError(f"{kind[0].kind}: two files take effect on the same day; expected one a day")
    if not lives:
        raise NormError("no norm of kind useful_life; expected at least one file")
    return Norms(tuple(lives), tuple(caps))


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
    _check_numbers(name, norm)
    return norm


def _check_numbers(name: str, norm: Norm) -> None:
    if isinstance(norm, PriceCaps):
        codes = [cap.code for cap in norm.caps]
        amounts = [cap.price_vnd for cap in norm.caps]
    else:
        codes = [item.code for item in norm.classes]
        amounts = [norm.fixed_asset.smallest_cost_vnd, *(item.life_years for item in norm.classes)]
        for item in norm.classes:
            try:
                rate = item.rate
            except ArithmeticError as error:
                raise NormError(f"{name}: rate_percent of {item.code} is no number") from error
            if not 0 < rate <= 1:
                raise NormError(f"{name}: rate_percent of {item.code} is {item.rate_percent}; expected 0 to 100")
    if len(set(codes)) != len(codes):
        raise NormError(f"{name}: a code stands twice; expected each once")
    if any(amount <= 0 for amount in amounts):
        raise NormError(f"{name}: an amount or a life is not above zero")
