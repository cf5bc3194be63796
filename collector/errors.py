"""What the collector raises.

CollectorError
 +-- SettingsError          collector.toml or the environment: file, key, what was expected
 +-- EnrolmentError         a join code that does not open the door
 +-- AuthenticationError    a token that is unknown, wrong or revoked
 +-- BodyError              an upload that is no batch of this contract; carries the HTTP status
 +-- JournalFullError       no room to keep a report durably: the sender shall try again
 +-- DecisionError          (collector.db.decisions) what a person decided cannot be kept
"""

from __future__ import annotations


class CollectorError(Exception):
    """Root of the collector's own errors."""


class SettingsError(CollectorError):
    """A setting that cannot be used."""


class EnrolmentError(CollectorError):
    """A join code that is unknown, used up or expired. All three answer alike, so that guessing learns nothing."""


class AuthenticationError(CollectorError):
    """A token that is unknown, wrong or revoked."""


class BodyError(CollectorError):
    """An upload that cannot be read as a batch."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class JournalFullError(CollectorError):
    """The journal could not be written; nothing was acknowledged."""
