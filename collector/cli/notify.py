"""`thongmang collector receiver | silence | maintenance | duty`: who is told of alerts, and when not."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, Engine, Row

from agent.wire.message import Message, mark
from alerts.route.matching import Matcher
from alerts.route.rules import SHIPPED_ROUTING, load_routing
from alerts.route.schedule import duty_day
from collector.clock import now_seconds
from collector.db import routing
from collector.db.decisions import Author
from collector.db.registry import open_registry
from collector.language import DEFAULT_LANGUAGE, format_moment, render_message, translator
from collector.notifiers import NOTIFIERS
from collector.notifiers.contract import DeliveryError
from collector.notifying import entry, ledger, rosters
from collector.notifying.entry import MatcherEntry, ReceiverEntry, WindowEntry
from collector.notifying.view import duty_today, matcher_words, shift_words, window_words
from collector.notifying.wording import Wording
from collector.settings import Settings, load_settings
from inventory.register.errors import UnreadableFileError
from inventory.register.reading import read_file

DAY_SECONDS = 86400.0
SHOWN_DAYS = 7
_REJECTED_SHOWN = 20
_LANGUAGE = click.option("--language", type=click.Choice(["vi", "en"]), default=DEFAULT_LANGUAGE, show_default=True)
_AUTHOR = click.option("--by", "author", default="", help="Who decides this; default: the user of this system.")
_CHANNEL = click.Choice(sorted(NOTIFIERS))
_SEVERITY = click.Choice(["info", "warning", "critical"])

ADDED = mark("receiver {number}: {name}")
REMOVED = mark("removed: {name}")
NONE = mark("None.")
ARRIVED = mark("{name}: the test message was taken by the other side")
SILENCED = mark("silence {number}: {what}, until {until}")
SILENCE_ENDED = mark("silence {number} has ended")
WINDOW_ADDED = mark("maintenance {number}: {what}, {when}")
WINDOW_ENDED = mark("maintenance {number} has ended")
IMPORTED = mark("Import {number} of {file}: {rows} rows, {created} new duties, {unchanged} known already.")
REJECTED = mark("{count} rows could not be used; they are kept in the registry:")
REJECTED_ROW = mark("row {row}: {reason}")
MORE = mark("... and {count} rows more.")
ON_DUTY = mark("On duty now, {place}: {names}")
NOBODY = mark("nobody: the receivers that stand in are told")


def _registry(state: Path) -> Engine:
    path = state / "registry.sqlite"
    if not path.exists():
        raise click.UsageError(f"no registry in {state}: start the collector there first, or check --state-dir")
    return open_registry(path)


def _settings(state: Path) -> Settings:
    return load_settings(state / "collector.toml")


def _author(name: str) -> Author:
    return Author(name.strip() or getpass.getuser(), now_seconds())


def _say(language: str, pattern: str, **parameters: str | int) -> None:
    click.echo(render_message(Message(pattern, parameters), language))


def _list(state: Path, language: str, rows_of: Callable[[Connection], list[str]]) -> None:
    with _registry(state).connect().execution_options(read_only=True) as connection:
        lines = rows_of(connection)
    click.echo("\n".join(lines) if lines else translator(language)(NONE))


@click.group("receiver", help="Who is told of alerts.")
def receiver() -> None:
    """The group; its object is the state directory, from the group above."""


@receiver.command("add")
@click.argument("name")
@click.option("--channel", type=_CHANNEL, required=True)
@click.option("--address", required=True, help="E-mail address, URL, or name in the file of Apprise URLs.")
@click.option("--language", type=click.Choice(["vi", "en"]), default="vi", show_default=True)
@click.option("--time-zone", default="Asia/Ho_Chi_Minh", show_default=True)
@click.option("--min-severity", type=_SEVERITY, default="warning", show_default=True)
@click.option("--rules", default="", help="Patterns of rule names, as congestion*,outage*; default: all.")
@click.option("--units", default="", help="Codes or names of units; default: the whole province.")
@click.option("--districts", default="", help="Former districts, as Nghi Lộc.")
@click.option("--step", type=click.IntRange(0, 9), default=0, show_default=True, help="0: at once; 1, 2: escalation.")
@click.option("--duty-only", is_flag=True, help="Told only while on duty.")
@click.option("--fallback", is_flag=True, help="Stands in where nobody else is told.")
@click.option("--quiet", default="", help="Quiet hours, as 22:00-06:30.")
@click.option("--quiet-below", type=_SEVERITY, default="critical", show_default=True)
@_AUTHOR
@click.pass_obj
def add_receiver(state: Path, /, author: str, **typed: Any) -> None:
    """Adds the receiver NAME."""
    settings = _settings(state)
    notifiers = {name: make(settings) for name, make in NOTIFIERS.items()}
    values = entry.receiver_values(ReceiverEntry(**typed), notifiers)
    with _registry(state).begin() as connection:
        number = routing.add_receiver(connection, values, _author(author))
    _say(DEFAULT_LANGUAGE, ADDED, number=number, name=values["name"])


@receiver.command("list")
@_LANGUAGE
@click.pass_obj
def list_receivers(state: Path, language: str) -> None:
    """Lists receivers: name, channel, address, least severity, step, what they are."""

    def line(row: Row[Any]) -> str:
        roles = [word for word, is_so in (("duty-only", row.duty_only), ("fallback", row.fallback)) if is_so]
        places = ", ".join([*row.districts, *row.units]) or "*"
        return "\t".join(
            (row.name, row.channel, row.address, row.min_severity, str(row.step), places, ",".join(roles) or "-")
        )

    _list(state, language, lambda connection: [line(row) for row in routing.receivers(connection)])


@receiver.command("remove")
@click.argument("name")
@_AUTHOR
@click.pass_obj
def remove_receiver(state: Path, name: str, author: str) -> None:
    """Removes the receiver NAME; what it was told stays on record."""
    with _registry(state).begin() as connection:
        routing.remove_receiver(connection, name, _author(author))
    _say(DEFAULT_LANGUAGE, REMOVED, name=name)


@receiver.command("test")
@click.argument("name")
@click.pass_obj
def try_receiver(state: Path, name: str) -> int:
    """Sends NAME a test message now, past the outbox, and says whether it was taken."""
    settings = _settings(state)
    with _registry(state).connect().execution_options(read_only=True) as connection:
        told = ledger.stored_receiver(routing.receiver_named(connection, name))
    made = Wording(lambda _language: {}).test(told, now_seconds(), secrets.token_hex(8))
    try:
        NOTIFIERS[told.channel](settings).deliver(made)
    except DeliveryError as error:
        click.echo(f"{name}: {error}", err=True)
        return 1
    _say(DEFAULT_LANGUAGE, ARRIVED, name=name)
    return 0


def _matcher_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, text in (
        ("severities", "Severities: info, warning, critical."),
        ("devices", "Identities of terminals."),
        ("sites", "Sites within the unit, as main."),
        ("districts", "Former districts."),
        ("units", "Codes or names of units."),
        ("rules", "Patterns of rule names; * for all."),
    ):
        command = click.option(f"--{name}", default="", help=f"{text} Several are parted by commas.")(command)
    return command


@click.group("silence", help="What nobody is told of for a while.")
def silence() -> None:
    """The group; its object is the state directory, from the group above."""


@silence.command("add")
@_matcher_options
@click.option("--from", "starts", default="", help="As 22/11/2026 09:30; default: now.")
@click.option("--until", "ends", required=True, help="As 22/11/2026 17:00.")
@click.option("--reason", required=True)
@_AUTHOR
@click.pass_obj
def add_silence(state: Path, /, starts: str, ends: str, reason: str, author: str, **typed: str) -> None:
    """Silences what matches; alerts that still fire at its end are told then."""
    who = _author(author)
    matcher = entry.matcher_of(MatcherEntry(**typed))
    starts_at, ends_at = entry.silence_span(starts, ends, who.at)
    why = entry.text_of(reason, "reason")
    with _registry(state).begin() as connection:
        number = routing.add_silence(connection, matcher.as_dict(), starts_at, ends_at, why, who)
    what = matcher_words(matcher, DEFAULT_LANGUAGE)
    _say(DEFAULT_LANGUAGE, SILENCED, number=number, what=what, until=format_moment(ends_at))


@silence.command("list")
@_LANGUAGE
@click.pass_obj
def list_silences(state: Path, language: str) -> None:
    """Lists silences that have not ended, and those of the last week."""

    def line(row: Row[Any]) -> str:
        what = matcher_words(Matcher.from_dict(row.matcher), language)
        times = f"{format_moment(row.starts_at)}\t{format_moment(row.ends_at)}"
        return f"{row.id}\t{times}\t{what}\t{row.author}\t{row.reason}"

    since = now_seconds() - SHOWN_DAYS * DAY_SECONDS
    _list(state, language, lambda connection: [line(row) for row in routing.silences(connection, since=since)])


@silence.command("end")
@click.argument("number", type=int)
@_AUTHOR
@click.pass_obj
def end_silence(state: Path, number: int, author: str) -> None:
    """Ends silence NUMBER now."""
    with _registry(state).begin() as connection:
        routing.end_silence(connection, number, _author(author))
    _say(DEFAULT_LANGUAGE, SILENCE_ENDED, number=number)


@click.group("maintenance", help="When work is done, once or every week.")
def maintenance() -> None:
    """The group; its object is the state directory, from the group above."""


@maintenance.command("add")
@_matcher_options
@click.option("--from", "starts", default="", help="As 22/11/2026 09:30; default: now.")
@click.option("--until", "ends", default="", help="As 22/11/2026 17:00; a weekly window may have none.")
@click.option("--weekdays", default="", help="Of a weekly window: mon,tue,...")
@click.option("--at", "start_clock", default="", help="Of a weekly window: as 22:00 (UTC+7).")
@click.option("--minutes", "duration_minutes", type=int, default=0, help="Of a weekly window: how long.")
@click.option("--reason", required=True)
@_AUTHOR
@click.pass_obj
def add_maintenance(state: Path, /, reason: str, author: str, **typed: Any) -> None:
    """Adds a maintenance window; alerts that still fire at its end are told then."""
    who = _author(author)
    times = {name: typed.pop(name) for name in ("starts", "ends", "weekdays", "start_clock", "duration_minutes")}
    values = entry.window_values(WindowEntry(MatcherEntry(**typed), **times), who.at)
    why = entry.text_of(reason, "reason")
    with _registry(state).begin() as connection:
        number = routing.add_window(connection, values, why, who)
        row = next(row for row in routing.windows(connection, since=0.0) if row.id == number)
    what = matcher_words(Matcher.from_dict(values["matcher"]), DEFAULT_LANGUAGE)
    _say(DEFAULT_LANGUAGE, WINDOW_ADDED, number=number, what=what, when=window_words(row, DEFAULT_LANGUAGE))


@maintenance.command("list")
@_LANGUAGE
@click.pass_obj
def list_maintenance(state: Path, language: str) -> None:
    """Lists maintenance windows that have not ended, and those of the last week."""

    def line(row: Row[Any]) -> str:
        what = matcher_words(Matcher.from_dict(row.matcher), language)
        return f"{row.id}\t{window_words(row, language)}\t{what}\t{row.author}\t{row.reason}"

    since = now_seconds() - SHOWN_DAYS * DAY_SECONDS
    _list(state, language, lambda connection: [line(row) for row in routing.windows(connection, since=since)])


@maintenance.command("end")
@click.argument("number", type=int)
@_AUTHOR
@click.pass_obj
def end_maintenance(state: Path, number: int, author: str) -> None:
    """Ends maintenance window NUMBER for good."""
    with _registry(state).begin() as connection:
        routing.end_window(connection, number, _author(author))
    _say(DEFAULT_LANGUAGE, WINDOW_ENDED, number=number)


@click.group("duty", help="Who is on duty where.")
def duty() -> None:
    """The group; its object is the state directory, from the group above."""


@duty.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@_LANGUAGE
@_AUTHOR
@click.pass_obj
def import_duties(state: Path, file: Path, language: str, author: str) -> int:
    """Adds the duties of FILE (CSV, XLSX); exit 1 where rows could not be used, which are kept."""
    try:
        data = read_file(file)
        with _registry(state).begin() as connection:
            done = rosters.import_roster(connection, data, file.name, _author(author))
    except UnreadableFileError as error:
        raise click.UsageError(render_message(error.message, language)) from error
    _say(
        language,
        IMPORTED,
        number=done.number,
        file=file.name,
        rows=done.rows,
        created=done.created,
        unchanged=done.unchanged,
    )
    if done.rejected:
        _say(language, REJECTED, count=len(done.rejected))
    for one in done.rejected[:_REJECTED_SHOWN]:
        _say(language, REJECTED_ROW, row=one.row, reason=render_message(one.reason, language))
    if len(done.rejected) > _REJECTED_SHOWN:
        _say(language, MORE, count=len(done.rejected) - _REJECTED_SHOWN)
    return 1 if done.rejected else 0


@duty.command("list")
@_LANGUAGE
@click.pass_obj
def list_duties(state: Path, language: str) -> None:
    """Lists who is on duty now, and all rosters."""
    chosen = _settings(state).notify.routing_file
    rules = load_routing(Path(chosen) if chosen else SHIPPED_ROUTING)
    today = duty_day(now_seconds(), rules.handover_minute)

    def lines(connection: Connection) -> list[str]:
        rows = routing.duties(connection)
        told = [
            render_message(
                Message(ON_DUTY, {"place": place, "names": ", ".join(names) or translator(language)(NOBODY)}), language
            )
            for place, names in duty_today(rows, today, language)
        ]
        return told + [f"{row.id}\t{row.receiver_name}\t{shift_words(row, language)}" for row in rows]

    _list(state, language, lines)


@duty.command("remove")
@click.argument("number", type=int)
@_AUTHOR
@click.pass_obj
def remove_duty(state: Path, number: int, author: str) -> None:
    """Takes row NUMBER out of the rosters."""
    with _registry(state).begin() as connection:
        routing.remove_duty(connection, number, _author(author))
    _say(DEFAULT_LANGUAGE, REMOVED, name=str(number))


COMMANDS = (receiver, silence, maintenance, duty)
