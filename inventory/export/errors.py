"""Why a document cannot be made."""

from __future__ import annotations

from agent.wire.message import Message, mark


class DocumentError(RuntimeError):
    """The tree of what an export may raise; `message` is the sentence for people."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(message.render())


class TypesettingMissingError(DocumentError):
    """The library that sets PDF pages is not installed."""

    def __init__(self) -> None:
        super().__init__(
            Message(mark("PDF needs the typesetter typst, which is not installed: pip install 'thongmang[reports]'"))
        )


class TypesettingFailedError(DocumentError):
    """The typesetter ended without pages.

    Args:
        detail: its own last word.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(Message(mark("The pages of the PDF could not be set: {detail}"), {"detail": detail}))
