"""What reading a register raises.

RegisterError
 +-- UnreadableFileError    the file cannot be used at all: nothing was imported
 +-- UndoError              an import that cannot be taken back
"""

from __future__ import annotations

from agent.wire.message import Message


class RegisterError(Exception):
    """Root of the register's errors; `message` is the sentence for people."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(message.render())


class UnreadableFileError(RegisterError):
    """A file that cannot be read as a register; the message names the file, the place in it and what was expected."""


class UndoError(RegisterError):
    """An import that is unknown, undone already, or on which later imports were built."""
