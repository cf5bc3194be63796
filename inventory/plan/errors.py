"""What can go wrong when a plan is asked for.

PlanError            carries a message for people
├── PlanDataError    the weights or the table of operating systems cannot be used
└── PlanInputError   a ceiling or a price that was given cannot be used
"""

from __future__ import annotations

from agent.wire.message import Message


class PlanError(ValueError):
    """A plan that cannot be made.

    Args:
        message: what is wrong, where, and what was expected.
    """

    def __init__(self, message: Message) -> None:
        super().__init__(message.render())
        self.message = message


class PlanDataError(PlanError):
    """A data file that cannot be used; the message names file, key and what was expected."""


class PlanInputError(PlanError):
    """A ceiling or a price that cannot be used; the message names the option or file and row."""
