"""Sentences for people, kept apart from their language."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Union

Parameter = Union[str, int, float]
Translate = Callable[[str], str]


@dataclass(frozen=True)
class Message:
    """A sentence as its English pattern and what fills it: stored, searched and shown in any language.

    Args:
        pattern: English text with `{name}` fields; it is the msgid of the translation catalogues.
        parameters: what fills the fields. Dates come in ISO form and are written out by `render`'s caller.
    """

    pattern: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def render(self, translate: Translate = lambda pattern: pattern) -> str:
        """The sentence in the language of `translate` (a gettext function), English without one."""
        return translate(self.pattern).format(**self.parameters)

    def as_dict(self) -> Dict[str, object]:
        """The message as JSON keeps it."""
        return {"pattern": self.pattern, "parameters": dict(self.parameters)}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Message:
        """What `as_dict` made."""
        return cls(str(kept["pattern"]), dict(kept["parameters"]))


def mark(pattern: str) -> str:
    """Marks a pattern for extraction into the translation catalogues; returns it unchanged."""
    return pattern
