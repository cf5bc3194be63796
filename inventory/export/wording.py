"""Sentences and single words of a document in the reader's language."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

from agent.wire.message import Message, Parameter, Translate
from inventory.units import UnitError, unit_by_code

_ISO_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_ISO_MONTH = re.compile(r"(\d{4})-(\d{2})")


def sentence(message: Message, translate: Translate) -> str:
    """A message written out: ISO days as dd/mm/yyyy, ISO months as mm/yyyy."""
    return Message(message.pattern, {name: _written(value) for name, value in message.parameters.items()}).render(
        translate
    )


def sentences(messages: Iterable[Message], translate: Translate) -> str:
    """Messages one after the other, each once."""
    return " ".join(dict.fromkeys(sentence(message, translate) for message in messages))


def day_text(day: dt.date | None) -> str:
    """A day as dd/mm/yyyy, nothing as an empty text."""
    return day.strftime("%d/%m/%Y") if day else ""


def may_execute(text: str) -> bool:
    """Whether a spreadsheet could take the text for a formula when it is opened or edited."""
    return text.startswith(("=", "+", "-", "@", "\t", "\r"))


def _written(value: Parameter) -> Parameter:
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".").replace(".", ",")
    if not isinstance(value, str):
        return value
    if match := _ISO_DAY.fullmatch(value):
        return f"{match[3]}/{match[2]}/{match[1]}"
    if match := _ISO_MONTH.fullmatch(value):
        return f"{match[2]}/{match[1]}"
    return value


def number_text(number: int) -> str:
    """A whole number as Vietnamese papers write it: 1.234.567."""
    return f"{number:,}".replace(",", ".")


def first_large(text: str) -> str:
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]


def unit_name(code: str) -> str:
    """Name of a commune or ward, the code itself where it is none of the province."""
    try:
        return unit_by_code(code).name
    except UnitError:
        return code
