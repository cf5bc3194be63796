"""Sentences for people, kept apart from their language."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, Union

from agent.wire.record import dataclass, field

Parameter = Union[str, int, float, "Message"]
Translate = Callable[[str], str]


@dataclass(frozen=True)
class Message:
    """A sentence as its English pattern and what fills it: stored, searched and shown in any language.

    Args:
        pattern: English text with `{name}` fields; it is the msgid of the translation catalogues.
        parameters: what fills the fields; a part that is a sentence of its own is a message again. Dates come in ISO
            form and are written out by `render`'s caller.
    """

    pattern: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def render(self, translate: Translate = lambda pattern: pattern) -> str:
        """The sentence in the language of `translate` (a gettext function), English without one."""
        filled = {
            name: value.render(translate) if isinstance(value, Message) else value
            for name, value in self.parameters.items()
        }
        return translate(self.pattern).format(**filled)

    def as_dict(self) -> Dict[str, object]:
        """The message as JSON keeps it."""
        parameters = {
            name: value.as_dict() if isinstance(value, Message) else value for name, value in self.parameters.items()
        }
        return {"pattern": self.pattern, "parameters": parameters}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Message:
        """What `as_dict` made."""
        parameters = {
            name: cls.from_dict(value) if isinstance(value, dict) else value
            for name, value in dict(kept["parameters"]).items()
        }
        return cls(str(kept["pattern"]), parameters)


def mark(pattern: str) -> str:
    """Marks a pattern for extraction into the translation catalogues; returns it unchanged."""
    return pattern
