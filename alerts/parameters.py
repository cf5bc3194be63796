"""Parameters of rules: declared once as dataclass fields, read strictly from a TOML table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

Value = int | float | str


class RuleError(ValueError):
    """A rule or rule-test file that cannot be used; the text names the file, the key and what is allowed."""


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """What a parameter may be.

    Args:
        kind: `int`, `float` (whole numbers are taken too) or `str`.
        minimum: least number allowed, itself included.
        maximum: greatest number allowed, itself included.
        unit: of a number, for people; empty for a plain count.
        help: one English sentence; the msgid of its translation.
        choices: of a text, the words allowed; empty where any text is.
        may_be_empty: of a text.
    """

    kind: type
    minimum: float
    maximum: float
    unit: str
    help: str
    choices: tuple[str, ...] = ()
    may_be_empty: bool = False

    def allowed(self) -> str:
        """The allowed values in words, as error texts and the list of rules give them."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.kind is str:
            return "text" if self.may_be_empty else "text, not empty"
        number = "whole number" if self.kind is int else "number"
        return f"{number} from {self.minimum:g} to {self.maximum:g}"

    def accepts(self, value: object) -> bool:
        """Whether a value read from TOML is of the right kind and in range."""
        if self.kind is str:
            return isinstance(value, str) and (value in self.choices if self.choices else self._is_text(value))
        if isinstance(value, bool) or not isinstance(value, int if self.kind is int else (int, float)):
            return False
        return self.minimum <= value <= self.maximum

    def _is_text(self, value: str) -> bool:
        return value != "" or self.may_be_empty


def whole(minimum: int, maximum: int, unit: str, text: str) -> Any:
    """A dataclass field that takes whole numbers."""
    return field(metadata={"spec": ParameterSpec(int, minimum, maximum, unit, text)})


def number(minimum: float, maximum: float, unit: str, text: str) -> Any:
    """A dataclass field that takes numbers."""
    return field(metadata={"spec": ParameterSpec(float, minimum, maximum, unit, text)})


def word(text: str) -> Any:
    """A dataclass field that takes a text."""
    return field(metadata={"spec": ParameterSpec(str, 0, 0, "", text)})


def optional_word(text: str) -> Any:
    """A dataclass field that takes a text which may be empty."""
    return field(metadata={"spec": ParameterSpec(str, 0, 0, "", text, may_be_empty=True)})


def choice(choices: tuple[str, ...], text: str) -> Any:
    """A dataclass field that takes one of these words."""
    return field(metadata={"spec": ParameterSpec(str, 0, 0, "", text, choices)})


def specs(owner: type) -> dict[str, ParameterSpec]:
    """The parameters that a dataclass declares, in its order."""
    return {entry.name: entry.metadata["spec"] for entry in fields(owner)}


def read_table(owner: type, table: object, where: str) -> dict[str, Value]:
    """The values for every parameter of `owner`.

    Args:
        owner: a dataclass whose fields were made by `whole`, `number` or `word`.
        table: what TOML gave.
        where: file and table, for the error's text.

    Raises:
        RuleError: not a table, a key unknown or missing, a value of the wrong kind or out of range.
    """
    declared = specs(owner)
    known = ", ".join(declared)
    if not isinstance(table, Mapping):
        raise RuleError(f"{where}: expected a table with the keys {known}")
    for name in table:
        if name not in declared:
            raise RuleError(f"{where}: unknown key {name!r}, expected one of {known}")
    values: dict[str, Value] = {}
    for name, spec in declared.items():
        if name not in table:
            raise RuleError(f"{where}: key {name!r} is missing, expected {spec.allowed()}")
        if not spec.accepts(table[name]):
            raise RuleError(f"{where}: {name} is {table[name]!r}, expected {spec.allowed()}")
        values[name] = spec.kind(table[name])
    return values
