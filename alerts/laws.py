"""The legal limit on the load of a link, as the norm in force on a day states it (`norms/*.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any

from alerts.parameters import RuleError, read_table, whole

DAY_SECONDS = 86_400
# The province's day begins seven hours before UTC's; Viet Nam has no summer time.
PROVINCE_OFFSET_SECONDS = 7 * 3600
_KIND = "link_capacity"
_CONFIDENCES = ("high", "medium", "low")


@dataclass(frozen=True, slots=True)
class CapacityLimit:
    """The figures of the limit, for each direction of a link by itself.

    Args:
        percentile: of the samples, in percent.
        capacity_percent: the percentile must not exceed this share of the link's capacity.
        days: consecutive days that are looked at.
        sample_seconds: how often traffic is sampled.
    """

    percentile: int = whole(1, 100, "percent", "Percentile of the samples.")
    capacity_percent: int = whole(1, 100, "percent", "Share of the capacity that it must not exceed.")
    days: int = whole(1, 31, "days", "Consecutive days that are looked at.")
    sample_seconds: int = whole(60, 3600, "seconds", "How often traffic is sampled.")

    @property
    def day_samples(self) -> int:
        """Samples of one whole day."""
        return DAY_SECONDS // self.sample_seconds

    @property
    def samples(self) -> int:
        """Samples of all the days."""
        return self.days * self.day_samples


@dataclass(frozen=True, slots=True)
class CapacityLaw:
    """The limit with where it stands and since when it holds.

    Args:
        title: number and kind of the text, as people cite it.
        article: within the text.
        effective_from: the first day it holds, in the province's calendar.
        source: where the text was read.
        confidence: how sure the figures are: `high`, `medium` or `low`.
        limit: the figures.
        note: what the text leaves open.
    """

    title: str
    article: str
    effective_from: date
    source: str
    confidence: str
    limit: CapacityLimit
    note: str


def local_day(seconds: float) -> date:
    """The province's calendar day at that moment, in seconds since 1970-01-01 UTC."""
    return (datetime.fromtimestamp(seconds, UTC) + timedelta(seconds=PROVINCE_OFFSET_SECONDS)).date()


def capacity_law_on(day: date, laws: tuple[CapacityLaw, ...] | None = None) -> CapacityLaw | None:
    """The law in force on a day, None before the first that is known."""
    known = shipped_capacity_laws() if laws is None else laws
    return next((law for law in reversed(known) if law.effective_from <= day), None)


def sample_seconds() -> int:
    """How often equipment has to be asked: what the newest law says."""
    return shipped_capacity_laws()[-1].limit.sample_seconds


@lru_cache(maxsize=1)
def shipped_capacity_laws() -> tuple[CapacityLaw, ...]:
    """The laws of this package, in the order of the days they took effect.

    Raises:
        RuleError: a file is not what it should be.
    """
    folder = files("alerts.norms")
    return capacity_laws_from(
        {item.name: item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".toml")}
    )


def capacity_laws_from(texts: Mapping[str, str]) -> tuple[CapacityLaw, ...]:
    """The laws in these files (name -> TOML), all keys checked.

    Raises:
        RuleError: no file, not TOML, a key unknown or missing, a wrong value, two laws from the same day, or days of
            samples that do not fill a day.
    """
    laws = sorted((_law(name, text) for name, text in texts.items()), key=lambda law: law.effective_from)
    if not laws:
        raise RuleError("no law of kind link_capacity; expected at least one file")
    if len({law.effective_from for law in laws}) != len(laws):
        raise RuleError("link_capacity: two laws take effect on the same day; expected one a day")
    return tuple(laws)


def _law(name: str, text: str) -> CapacityLaw:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{name}: is not TOML: {error}") from error
    known = ("kind", *(entry.name for entry in fields(CapacityLaw)))
    for key in table:
        if key not in known:
            raise RuleError(f"{name}: unknown key {key!r}, expected one of {', '.join(known)}")
    if table.get("kind") != _KIND:
        raise RuleError(f"{name}: kind is {table.get('kind')!r}, expected {_KIND!r}")
    since = table.get("effective_from")
    if not isinstance(since, date) or isinstance(since, datetime):
        raise RuleError(f"{name}: effective_from is {since!r}, expected a day as 2026-03-30")
    if table.get("confidence") not in _CONFIDENCES:
        raise RuleError(f"{name}: confidence is {table.get('confidence')!r}, expected one of {', '.join(_CONFIDENCES)}")
    figures: dict[str, Any] = read_table(CapacityLimit, table.get("limit"), f"{name}: limit")
    limit = CapacityLimit(**figures)
    if DAY_SECONDS % limit.sample_seconds or PROVINCE_OFFSET_SECONDS % limit.sample_seconds:
        raise RuleError(f"{name}: limit: sample_seconds is {limit.sample_seconds}, expected a part of an hour")
    texts = {key: _text(table, key, name) for key in ("title", "article", "source", "confidence", "note")}
    return CapacityLaw(effective_from=since, limit=limit, **texts)


def _text(table: Mapping[str, Any], key: str, name: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise RuleError(f"{name}: {key} is {value!r}, expected text, not empty")
    return value
