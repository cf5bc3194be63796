"""What the agent may raise.

    AgentError
    |- ConfigurationError   the identity or an option is not usable as it stands
    |- EnrolmentError       the collector did not take this terminal in
    |- AlreadyRunningError  another agent works on the same state folder
    |- NoDataError          a probe: this machine has no such thing
    |  `- NoRightsError     a probe: it tells administrators only
    |- ProbeError           a probe: the thing is there, or should be, and reading it failed
    |- SpoolError           a report could not be kept or read back
    `- UplinkError          an upload ended without an answer for its reports

Every error is a sentence apart from its language, so that the command line can say it in the reader's own.
"""

from __future__ import annotations

from typing import Optional

from agent.wire.message import Message, Parameter


class AgentError(Exception):
    """The root of the tree.

    Args:
        pattern: English sentence with `{name}` fields; a msgid of the translation catalogue.
        parameters: what fills them.
    """

    def __init__(self, pattern: str, **parameters: Parameter) -> None:
        self.message = Message(pattern, parameters)
        super().__init__(self.message.render())


class ConfigurationError(AgentError):
    """The identity or an option is not usable; the text names the file, the key and what was expected."""


class EnrolmentError(AgentError):
    """The collector did not take this terminal in."""


class AlreadyRunningError(AgentError):
    """Another agent works on the same state folder."""


class NoDataError(AgentError):
    """This machine has no such thing. Raised by probes, with a fixed sentence: nothing read from the machine."""


class NoRightsError(NoDataError):
    """This machine tells administrators only. Raised by probes, with a fixed sentence."""


class ProbeError(AgentError):
    """Reading failed. Raised by probes, with a fixed sentence: nothing read from the machine."""


class SpoolError(AgentError):
    """A report could not be kept or read back."""


class UplinkError(AgentError):
    """An upload ended without an answer for its reports, which all stay in the spool.

    Args:
        pattern: as in `AgentError`.
        status: HTTP status, None where no answer came.
        retry_after_seconds: how long the collector asked to wait, None where it did not.
        permanent: True where only a person can help (token refused, wrong address), so tries are far apart.
        parameters: as in `AgentError`.
    """

    def __init__(
        self,
        pattern: str,
        *,
        status: Optional[int] = None,
        retry_after_seconds: Optional[float] = None,
        permanent: bool = False,
        **parameters: Parameter,
    ) -> None:
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.permanent = permanent
        super().__init__(pattern, **parameters)
