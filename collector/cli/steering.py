"""`thongmang collector ask`, `wishes`, `end-wish`, `roles`, `traces`: what terminals are asked for and tell."""

from __future__ import annotations

import getpass
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine, select

from agent.wire.message import Message, mark
from collector.clock import now_seconds
from collector.db.decisions import Author, DecisionError
from collector.db.registry import open_registry
from collector.db.steering_tables import link_role
from collector.db.tables import device
from collector.enrolment import DEFAULT_SITE
from collector.language import DEFAULT_LANGUAGE, format_moment, render_message, translator
from collector.settings import load_settings
from collector.steering.documents import target_names
from collector.steering.election import ORDINARY
from collector.steering.traces import TracedPath, traced_paths
from collector.steering.wishes import Asked, add_wish, end_wish, wishes
from inventory.units import UnitError, find_unit

_LANGUAGE = click.option("--language", type=click.Choice(["vi", "en"]), default=DEFAULT_LANGUAGE, show_default=True)
_FORMAT = click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
_AUTHOR = click.option("--by", "author", default="", help="Who asks; default: the user of this system.")

_ASKED = mark("Wish {number} holds until {until}; terminals learn of it with their next upload.")
_ENDED = mark("Wish {number} is ended.")
_WISH = mark("{number}: {who}: {what}; until {until}, asked by {by}")
_ENDED_WISH = mark("{number}: {who}: {what}; ended by {ended_by}, asked by {by}")
_DELIVERY = mark("delivery each minute")
_DETAIL = mark("measuring in full")
_TRACE = mark("the way to {target}")
_NONE = mark("Nothing is asked for.")
_NO_TRACES = mark("No way was traced; ask for one with: thongmang collector ask --trace")
_TRACED = mark("{when}: terminal {device} ({unit}/{site}) to {target}")
_HOP = mark("{distance}  {address}  {received} of {sent} answered, shortest {rtt_ms} ms")


def _registry(state: Path) -> Engine:
    path = state / "registry.sqlite"
    if not path.exists():
        raise click.UsageError(f"no registry in {state}: start the collector there first, or check --state-dir")
    return open_registry(path)


@click.command("ask")
@click.option("--device", "device_id", default="", help="One terminal.")
@click.option("--unit", "unit_text", default="", help="Code or name of a unit: the terminals of one of its offices.")
@click.option("--site", default=DEFAULT_SITE, show_default=True, help="Office within the unit, as dang-uy.")
@click.option("--deliver-each-minute", "deliver", is_flag=True, help="Reports each minute instead of in batches.")
@click.option("--detail", is_flag=True, help="Probers measure in full, as far as their budget has room.")
@click.option("--trace", "trace_target", default="", help="The routers on the way to this target, once.")
@click.option("--minutes", type=int, default=60, show_default=True, help="How long it holds.")
@_AUTHOR
@_LANGUAGE
@click.pass_obj
def ask(state: Path, /, author: str, language: str, unit_text: str, site: str, device_id: str, **wanted: Any) -> int:
    """Asks a terminal, or all of an office, for more than the usual; it ends by itself."""
    if bool(device_id) == bool(unit_text):
        raise click.UsageError("say either --device or --unit")
    try:
        unit_code = find_unit(unit_text).code if unit_text else ""
    except UnitError as error:
        raise click.UsageError(str(error)) from error
    asked = Asked(device_id=device_id, unit_code=unit_code, site=site if unit_code else "", **wanted)
    targets = target_names(load_settings(state / "collector.toml"))
    now = now_seconds()
    try:
        with _registry(state).begin() as connection:
            number = add_wish(connection, asked, targets, _author(author, now))
    except DecisionError as error:
        raise click.UsageError(render_message(error.message, language)) from error
    until = format_moment(now + asked.minutes * 60)
    click.echo(render_message(Message(_ASKED, {"number": number, "until": until}), language))
    return 0


def _author(name: str, now: float) -> Author:
    return Author(name.strip() or getpass.getuser(), now)


@click.command("end-wish")
@click.argument("number", type=int)
@_AUTHOR
@_LANGUAGE
@click.pass_obj
def end(state: Path, number: int, author: str, language: str) -> int:
    """Ends a wish before its time."""
    try:
        with _registry(state).begin() as connection:
            end_wish(connection, number, _author(author, now_seconds()))
    except DecisionError as error:
        raise click.UsageError(render_message(error.message, language)) from error
    click.echo(render_message(Message(_ENDED, {"number": number}), language))
    return 0


@click.command("wishes")
@_LANGUAGE
@_FORMAT
@click.pass_obj
def list_wishes(state: Path, language: str, output_format: str) -> int:
    """Lists what terminals are asked for now, and were today."""
    with _registry(state).connect() as connection:
        rows = [row._mapping for row in wishes(connection, since=now_seconds() - 86400)]  # noqa: SLF001 - SQLAlchemy's public spelling
    if output_format == "json":
        click.echo(json.dumps([dict(row) for row in rows], ensure_ascii=False, indent=1))
        return 0
    if not rows:
        click.echo(render_message(Message(_NONE), language))
    for row in rows:
        click.echo(render_message(_wish(row, language), language))
    return 0


def _wish(row: Any, language: str) -> Message:
    what = [Message(_DELIVERY)] if row["deliver"] else []
    what += [Message(_DETAIL)] if row["detail"] else []
    what += [Message(_TRACE, {"target": row["trace_target"]})] if row["trace_target"] else []
    return Message(
        _WISH if row["ended_at"] is None else _ENDED_WISH,
        {
            "number": row["id"],
            "who": row["device_id"] or f"{row['unit_code']}/{row['site']}",
            "what": ", ".join(render_message(one, language) for one in what),
            "until": format_moment(row["until"]),
            "by": row["by_label"],
            "ended_by": row["ended_by"] or "",
        },
    )


@click.command("roles")
@click.pass_obj
def roles(state: Path) -> int:
    """Lists who probes each office's line, as written last: unit, office, role, since, terminal."""
    with _registry(state).connect() as connection:
        rows = connection.execute(
            select(device.c.unit_code, device.c.site, link_role.c.role, link_role.c.since, device.c.id)
            .join(device, device.c.id == link_role.c.device_id)
            .where(link_role.c.role != ORDINARY)
            .order_by(device.c.unit_code, device.c.site, link_role.c.role, link_role.c.since)
        ).all()
    for row in rows:
        click.echo(f"{row.unit_code}\t{row.site}\t{row.role}\t{format_moment(row.since)}\t{row.id}")
    return 0


@click.command("traces")
@click.option("--device", "device_id", default="", help="Of one terminal only.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@_LANGUAGE
@_FORMAT
@click.pass_obj
def traces(state: Path, device_id: str, limit: int, language: str, output_format: str) -> int:
    """Shows the routers on the ways that terminals traced, the newest first."""
    with _registry(state).connect() as connection:
        found = traced_paths(connection, device_id=device_id, limit=limit)
    if output_format == "json":
        click.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=1))
        return 0
    if not found:
        click.echo(render_message(Message(_NO_TRACES), language))
    for one in found:
        _show(one, language)
    return 0


def _show(one: TracedPath, language: str) -> None:
    place = {"unit": one.unit_code, "site": one.site, "target": one.target}
    head = Message(_TRACED, {"when": format_moment(one.at), "device": one.device_id, **place})
    click.echo(render_message(head, language))
    for hop in one.hops:
        shown = {name: hop[name] if hop[name] is not None else "-" for name in ("distance", "sent", "received")}
        rtt_ms = round((hop["rtt_min_seconds"] or 0.0) * 1000, 1)
        line = Message(_HOP, {**shown, "address": hop["address"] or "-", "rtt_ms": rtt_ms})
        click.echo("  " + render_message(line, language))
    if one.problem:
        # A terminal's own sentence: known ones are translated, and no braces in it are filled.
        click.echo("  " + translator(language)(one.problem))


COMMANDS = (ask, end, list_wishes, roles, traces)
