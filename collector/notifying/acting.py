"""What people do about notifications, as pages and API carry it out: typed words in, one change of the registry."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from sqlalchemy import Connection

from collector.db import routing
from collector.db.decisions import Author
from collector.notifiers.contract import Notifier
from collector.notifying import entry, ledger, outbox
from collector.notifying.entry import MatcherEntry, ReceiverEntry, WindowEntry
from collector.notifying.wording import Wording


def add_receiver(
    connection: Connection, typed: ReceiverEntry, notifiers: Mapping[str, Notifier], author: Author
) -> int:
    """Adds a receiver; returns its number.

    Raises:
        DecisionError: names the field and what was expected, or there is one of that name.
    """
    return routing.add_receiver(connection, entry.receiver_values(typed, notifiers), author)


def send_test(connection: Connection, name: str, wording: Wording, author: Author) -> int:
    """Puts a test message into the outbox; returns its number there.

    Raises:
        UnknownTargetError: there is no receiver of that name.
    """
    told = ledger.stored_receiver(routing.receiver_named(connection, name))
    return outbox.put(connection, wording.test(told, author.at, secrets.token_hex(8)), told.route.id, author.at)


def add_silence(
    connection: Connection, typed: MatcherEntry, starts: str, ends: str, reason: str, author: Author
) -> int:
    """Silences what matches; returns the silence's number.

    Raises:
        EntryError: names the field and what was expected.
    """
    matcher = entry.matcher_of(typed)
    starts_at, ends_at = entry.silence_span(starts, ends, author.at)
    why = entry.text_of(reason, "reason")
    return routing.add_silence(connection, matcher.as_dict(), starts_at, ends_at, why, author)


def add_window(connection: Connection, typed: WindowEntry, reason: str, author: Author) -> int:
    """Adds a maintenance window; returns its number.

    Raises:
        EntryError: names the field and what was expected.
    """
    values = entry.window_values(typed, author.at)
    return routing.add_window(connection, values, entry.text_of(reason, "reason"), author)


def acknowledge(connection: Connection, number: int, note: str, assigned_to: str, author: Author) -> None:
    """Notes that somebody has taken an incident on.

    Raises:
        EntryError: a text is too long.
        UnknownTargetError: there is no such open incident.
    """
    routing.acknowledge(
        connection,
        number,
        entry.text_of(note, "note", least=0),
        entry.text_of(assigned_to, "assigned_to", least=0),
        author,
    )
