"""Reads tables of a test file strictly: what is not known or not of the right kind is refused by place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from alerts.parameters import RuleError

_T = TypeVar("_T")

MINUTE_SECONDS = 60
HOUR_SECONDS = 3600
DAY_SECONDS = 86_400
MOST_STEPS = 60 * 24 * 28

# A segment states its length in exactly one of these.
LENGTHS = {"minutes": MINUTE_SECONDS, "hours": HOUR_SECONDS, "days": DAY_SECONDS}


def only_keys(table: Any, known: tuple[str, ...], where: str) -> None:
    """Refuses what is not a table, and keys that are not known.

    Raises:
        RuleError: as said; the text names the keys that are.
    """
    if not isinstance(table, dict):
        raise RuleError(f"{where}: expected a table with the keys {', '.join(known)}")
    for key in table:
        if key not in known:
            raise RuleError(f"{where}: unknown key {key!r}, expected one of {', '.join(known)}")


def tables(table: Mapping[str, Any], key: str, where: str) -> list[Any]:
    """A list of tables, empty where the key is missing.

    Raises:
        RuleError: something else stands there.
    """
    value = table.get(key, [])
    if not isinstance(value, list):
        raise RuleError(f"{where}: {key} is {value!r}, expected a list of tables")
    return value


def typed(table: Mapping[str, Any], key: str, kind: type[_T], where: str) -> _T:
    """A value of that type.

    Raises:
        RuleError: missing or of another type.
    """
    value = table.get(key)
    if not isinstance(value, kind):
        raise RuleError(f"{where}: {key} is {value!r}, expected {'a time' if kind is datetime else 'text'}")
    return value


def mapping(table: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    """A table, empty where the key is missing.

    Raises:
        RuleError: something else stands there.
    """
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise RuleError(f"{where}: {key} is {value!r}, expected a table")
    return value


def finite(table: Mapping[str, Any], key: str, default: float | None, where: str) -> float:
    """A number, or the default where the key is missing.

    Raises:
        RuleError: not a number, or missing without a default.
    """
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RuleError(f"{where}: {key} is {value!r}, expected a number")
    return value


def count(segment: Mapping[str, Any], key: str, where: str) -> int:
    """A whole number from 1 on.

    Raises:
        RuleError: anything else.
    """
    value = segment.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MOST_STEPS:
        raise RuleError(f"{where}: {key} is {value!r}, expected a whole number from 1 to {MOST_STEPS}")
    return value


def segments(
    table: Mapping[str, Any], known: tuple[str, ...], where: str, lengths: tuple[str, ...] = tuple(LENGTHS)
) -> Iterator[tuple[Mapping[str, Any], int, int, str]]:
    """Each segment, its first second and the one after its last (from the case's start), and its place for errors.

    Args:
        table: what holds `segments`.
        known: its keys beside the length and `missing`.
        where: for errors.
        lengths: in what its length may be stated.

    Raises:
        RuleError: a key unknown, or not exactly one length.
    """
    begin = 0
    for number, segment in enumerate(tables(table, "segments", where), 1):
        here = f"{where}: segment {number}"
        only_keys(segment, (*lengths, "missing", *known), here)
        stated = [name for name in lengths if name in segment]
        if len(stated) > 1:
            raise RuleError(f"{here}: expected one of {', '.join(lengths)}, got {', '.join(stated)}")
        unit = stated[0] if stated else lengths[0]
        end = begin + count(segment, unit, here) * LENGTHS[unit]
        yield segment, begin, end, here
        begin = end
