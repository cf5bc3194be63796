"""`thongmang collector join-code | revoke | rotate | ...`: how terminals join, change identity and leave."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from collector import join_codes
from collector.clock import local_time, now_seconds
from collector.db import terminals
from collector.db.decisions import Author, UnknownTargetError
from collector.db.devices import Place
from collector.db.registry import open_registry
from collector.doors.authority import authority_certificates, fingerprint
from collector.enrolment import DEFAULT_SITE, check_site, create_join_code
from collector.language import DEFAULT_LANGUAGE, render_message
from collector.settings import Settings, is_loopback, load_settings
from inventory.units import UnitError, find_unit

HOUR_SECONDS = 3600.0

_UNIT = click.option("--unit", "unit_text", required=True, help="Code or name of the unit the terminal belongs to.")
_SITE = click.option("--site", default=DEFAULT_SITE, show_default=True, help="Office within the unit, as dang-uy.")
_REASON = click.option("--reason", default="", help="Why; kept and shown.")
_BY = click.option("--by", default=None, help="Who decides (default: the user of this machine).")


@click.command("join-code")
@_UNIT
@_SITE
@click.option("--hours", type=click.FloatRange(min=0.1, max=24 * 365), default=72.0, show_default=True)
@click.option(
    "--uses",
    type=click.IntRange(min=1, max=join_codes.MOST_USES),
    default=1,
    show_default=True,
    help="How many terminals may enrol with it.",
)
@click.option("--label", default="", help="What it is for, for the list of codes.")
@click.pass_obj
def join_code(state: Path, *, unit_text: str, site: str, hours: float, uses: int, label: str) -> None:
    """Prints a code with which a terminal may enrol, once; and beside it (standard error) the whole command."""
    settings = load_settings(state / "collector.toml")
    try:
        unit = find_unit(unit_text)
        told = enrolment_words(settings)
        with _registry(state).begin() as connection:
            code = create_join_code(
                connection,
                unit_code=unit.code,
                site=site,
                now=now_seconds(),
                valid_seconds=hours * HOUR_SECONDS,
                max_uses=uses,
                label=label,
            )
    except (ValueError, UnitError) as error:
        raise click.UsageError(str(error)) from error
    click.echo(code)
    click.echo(f"{unit.name}, {site}; {uses} use(s) within {hours:g} hours; it is not shown again.", err=True)
    click.echo(f"thongmang agent enrol {told.replace('CODE', code)}", err=True)
    if not settings.server.ca_file and "https://" in told:
        click.echo(
            "server.ca_file is not set: without --ca-file FILE the terminal trusts its system's authorities.", err=True
        )


def enrolment_words(settings: Settings) -> str:
    """The options of `agent enrol` for this collector, CODE standing for the code.

    Raises:
        SettingsError: the authority's file cannot be read.
    """
    server = settings.server
    scheme = "https" if server.certificate_file else "http"
    host = f"[{server.host}]" if ":" in server.host else server.host
    url = server.public_url or f"{scheme}://{host}:{server.port}"
    words = f"--url {url} --code CODE"
    if server.ca_file and url.startswith("https://"):
        words += f" --ca-sha256 {fingerprint(authority_certificates(Path(server.ca_file))[0])}"
    elif url.startswith("http://") and not is_loopback(url.removeprefix("http://").split(":")[0]):
        words += " --allow-plain-http"
    return words


@click.command("join-codes")
@click.pass_obj
def list_codes(state: Path) -> None:
    """Lists join codes: id, state, uses, until when, unit, site, label; never the code itself."""
    now = now_seconds()
    with _registry(state).connect() as connection:
        for code in join_codes.codes(connection, now):
            until = _moment(code.expires_at)
            click.echo(
                f"{code.id}\t{code.state}\t{code.uses}/{code.max_uses}\t{until}\t{code.unit_code}\t{code.site}"
                f"\t{code.label or '-'}"
            )


@click.command("revoke-code")
@click.argument("code_id")
@click.pass_obj
def revoke_code(state: Path, code_id: str) -> None:
    """Ends a join code; terminals that have joined with it stay."""
    with _registry(state).begin() as connection:
        if not join_codes.revoke_code(connection, code_id, now_seconds()):
            raise click.UsageError(f"no join code {code_id} in force; `thongmang collector join-codes` lists them")
    click.echo(f"revoked {code_id}")


@click.command("revoke")
@click.argument("device_id")
@_REASON
@_BY
@click.pass_obj
def revoke(state: Path, device_id: str, reason: str, by: str | None) -> None:
    """Ends a terminal's right to report; its history stays."""
    _decide(state, by, lambda connection, author: terminals.revoke(connection, device_id, author=author, reason=reason))
    click.echo(f"revoked {device_id}")


@click.command("decommission")
@click.argument("device_id")
@_REASON
@_BY
@click.pass_obj
def decommission(state: Path, device_id: str, reason: str, by: str | None) -> None:
    """Takes a terminal out of service: no alerts, out of lists and ages; its history stays."""
    _decide(
        state,
        by,
        lambda connection, author: terminals.decommission(connection, device_id, author=author, reason=reason),
    )
    click.echo(f"taken out of service {device_id}")


@click.command("rotate")
@click.argument("device_id")
@_REASON
@_BY
@click.pass_obj
def rotate(state: Path, device_id: str, reason: str, by: str | None) -> None:
    """Has a terminal get a new token with its next upload; the old one ends when it has shown the new one."""
    _decide(
        state,
        by,
        lambda connection, author: terminals.ask_rotation(connection, device_id, author=author, reason=reason),
    )
    click.echo(f"{device_id}: a new token goes with the answer to its next upload")


@click.command("copies")
@click.pass_obj
def copies(state: Path) -> None:
    """Lists terminals that the collector told apart from one whose disk was copied, until they are confirmed."""
    with _registry(state).connect() as connection:
        for row in terminals.open_copies(connection):
            took = "reports under it" if row.done_at is not None else "has not taken it yet"
            click.echo(f"{row.device_id}\ta copy of {row.from_device_id}\t{row.unit_code}\t{row.site}\t{took}")


@click.command("confirm-copy")
@click.argument("device_id")
@_UNIT
@_SITE
@_REASON
@_BY
@click.pass_obj
def confirm_copy(state: Path, /, device_id: str, **options: Any) -> None:
    """Says that a copy is a terminal of its own, and where it stands."""
    try:
        unit = find_unit(options["unit_text"])
        check_site(options["site"])
    except (ValueError, UnitError) as error:
        raise click.UsageError(str(error)) from error
    place = Place(unit.code, options["site"])
    _decide(
        state,
        options["by"],
        lambda connection, author: terminals.confirm_copy(
            connection, device_id, place, author=author, reason=options["reason"]
        ),
    )
    click.echo(f"{device_id}: {unit.name}, {options['site']}")


@click.command("reinstalled")
@click.pass_obj
def reinstalled(state: Path) -> None:
    """Lists terminals that are probably earlier ones installed anew: new id, earlier id, what both have."""
    with _registry(state).connect() as connection:
        for one in terminals.suggestions(connection):
            click.echo(f"{one.device_id}\t{one.earlier_id}\t{', '.join(one.shared)}")


@click.command("reattach")
@click.argument("device_id")
@click.argument("earlier_id")
@_REASON
@_BY
@click.pass_obj
def reattach(state: Path, device_id: str, earlier_id: str, reason: str, by: str | None) -> None:
    """Has DEVICE_ID, installed anew, go on as EARLIER_ID with its history, from its next upload on."""
    _decide(
        state,
        by,
        lambda connection, author: terminals.reattach(connection, device_id, earlier_id, author=author, reason=reason),
    )
    click.echo(f"{device_id}: goes on as {earlier_id} from its next upload on")


COMMANDS = (
    join_code,
    list_codes,
    revoke_code,
    revoke,
    decommission,
    rotate,
    copies,
    confirm_copy,
    reinstalled,
    reattach,
)


def _registry(state: Path) -> Any:
    path = state / "registry.sqlite"
    if not path.exists():
        raise click.UsageError(f"no registry in {state}: start the collector there first, or check --state-dir")
    return open_registry(path)


def _decide(state: Path, by: str | None, carry_out: Callable[[Connection, Author], None]) -> None:
    try:
        with _registry(state).begin() as connection:
            carry_out(connection, Author(by or getpass.getuser(), now_seconds()))
    except UnknownTargetError as error:
        raise click.UsageError(render_message(error.message, DEFAULT_LANGUAGE)) from error


def _moment(seconds: float) -> str:
    at: dt.datetime = local_time(seconds)
    return at.strftime("%d/%m/%Y %H:%M")
