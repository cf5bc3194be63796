"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, Optional, Sequence

from agent.wire.message import Message, Parameter, Translate, mark

FINE = "fine"
WARNING = "warning"
FAULT = "fault"
SKIPPED = "skipped"
STATES = (SKIPPED, FINE, WARNING, FAULT)

_WORD_WIDTH = 8
# Shape and word: the colour of a terminal tells nothing to a printer.
_MARKS = {
    FINE: ("+", mark("fine")),
    WARNING: ("!", mark("note")),
    FAULT: ("x", mark("fault")),
    SKIPPED: ("-", mark("skipped")),
}


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    Args:
        check: what was looked at, one whole word for programs.
        state: one of `STATES`; `warning` is worse than it could be, `fault` keeps reports from arriving.
        message: what was found.
        advice: what to do; None where there is nothing to do.
    """

    check: str
    state: str
    message: Message
    advice: Optional[Message] = None

    def as_dict(self, _: Translate) -> Dict[str, Any]:
        """The finding as JSON shows it, its sentences in the language of `_`."""
        advice = None if self.advice is None else self.advice.render(_)
        return {"check": self.check, "state": self.state, "message": self.message.render(_), "advice": advice}


def finding(check: str, state: str, pattern: str, advice: str = "", **parameters: Parameter) -> Finding:
    """A finding whose sentence and advice are filled with the same parameters."""
    return Finding(check, state, Message(pattern, parameters), Message(advice, parameters) if advice else None)


def worst_state(findings: Sequence[Finding]) -> str:
    """The worst of all; `skipped` where there is none."""
    return max((item.state for item in findings), key=STATES.index, default=SKIPPED)


def finding_lines(item: Finding, _: Translate) -> Iterator[str]:
    """One finding of the doctor, with what to do."""
    shape, word = _MARKS[item.state]
    yield f"{shape} {_(word):<{_WORD_WIDTH}} {item.message.render(_)}"
    if item.advice is not None:
        yield "    " + item.advice.render(_)
