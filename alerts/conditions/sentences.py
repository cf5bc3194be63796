"""Sentences that a rule brings along in its own file, with named places to fill."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from string import Formatter

from agent.wire.message import Message, Parameter


def fault(name: str, text: str, places: Collection[str]) -> str:
    """What is wrong with a sentence of a rule, empty if nothing is.

    Args:
        name: of the parameter that holds it.
        text: the sentence.
        places: what may stand in braces.
    """
    try:
        used = {place for _, place, _, _ in Formatter().parse(text) if place is not None}
    except ValueError as error:
        return f"{name} has braces that do not match: {error}"
    unknown = sorted(used.difference(places))
    if unknown:
        return f"{name} has the place {{{unknown[0]}}}, expected only {', '.join(f'{{{place}}}' for place in places)}"
    return ""


def filled(text: str, values: Mapping[str, Parameter]) -> Message:
    """The sentence with those of the values that it has places for."""
    used = {place for _, place, _, _ in Formatter().parse(text) if place is not None}
    return Message(text, {name: value for name, value in values.items() if name in used})


def rounded(value: float) -> float | int:
    """As people write it: one place after the point below ten, none above, and none where it is 0."""
    short = round(value, 1) if abs(value) < 10 else round(value)  # noqa: PLR2004 (as the sentence says)
    return int(short) if short == int(short) else short
