"""`thongmang collector ...`: runs and administers the collector."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click
from sqlalchemy import Connection, Engine, select

from collector.cli.lazily import LazyGroup
from collector.cli.running import run_command
from collector.clock import now_seconds
from collector.db.devices import Place, move_device, rejected_count
from collector.db.registry import open_registry
from collector.db.tables import access_token
from collector.enrolment import (
    ADMIN,
    DEFAULT_SITE,
    ROLES,
    check_site,
    create_access_token,
    revoke_access_token,
)
from collector.logs import configure_logging
from collector.queries import rejected_items
from collector.settings import Settings, is_loopback, load_settings, state_directory
from collector.storing import store_of
from inventory.units import UnitError, find_unit

log = logging.getLogger(__name__)

ADMIN_TOKEN_FILE = "admin.token"  # noqa: S105 - the name of the file, not the token


ELSEWHERE = {
    "collector.cli.enrolment": (
        "confirm-copy",
        "copies",
        "decommission",
        "join-code",
        "join-codes",
        "reattach",
        "reinstalled",
        "revoke",
        "revoke-code",
        "rotate",
    ),
    "collector.cli.network": ("network",),
    "collector.cli.notify": ("duty", "maintenance", "receiver", "silence"),
    "collector.cli.steering": ("ask", "end-wish", "roles", "traces", "wishes"),
}


@click.group(cls=LazyGroup, elsewhere=ELSEWHERE, help="Runs and administers the collector.")
@click.option("--state-dir", help="Everything the collector keeps; default: THONGMANG_STATE_DIR or ./var.")
@click.pass_context
def collector(context: click.Context, state_dir: str | None) -> None:
    """The group; its object is the state directory."""
    context.obj = state_directory(state_dir)


def _settings(state: Path) -> Settings:
    return load_settings(state / "collector.toml")


def _registry(state: Path) -> Engine:
    """The registry of a collector that has been started there: a mistyped directory must not become a second one."""
    path = state / "registry.sqlite"
    if not path.exists():
        raise click.UsageError(f"no registry in {state}: start the collector there first, or check --state-dir")
    return open_registry(path)


@collector.command()
@click.option("--open-pages", is_flag=True, help="Serve the pages without login; for a loopback address only.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@click.pass_obj
def serve(state: Path, open_pages: bool, log_level: str) -> None:  # noqa: FBT001 - click hands flags over by name
    """Takes reports, judges them and shows the pages, until it is stopped."""
    # Here: they take 2 s of a processor's time, which no other command has a use for.
    import uvicorn  # noqa: PLC0415 - see above

    from collector.app import Collector, create_app  # noqa: PLC0415 - see above
    from collector.serving import require_free_address, server_options  # noqa: PLC0415 - see above

    configure_logging(log_level)
    settings = _settings(state)
    if open_pages:
        if not is_loopback(settings.server.host):
            raise click.UsageError(
                f"--open-pages is for a loopback address only; server.host is {settings.server.host}"
            )
        settings = settings.with_open_pages()
    require_free_address(settings.server.host, settings.server.port)
    whole = Collector(state, settings)
    ensure_admin_token(whole.engine, state)
    scheme = "https" if settings.server.certificate_file else "http"
    host = f"[{settings.server.host}]" if ":" in settings.server.host else settings.server.host
    log.info("listening on %s://%s:%d", scheme, host, settings.server.port)
    uvicorn.run(
        create_app(whole),
        host=settings.server.host,
        port=settings.server.port,
        **server_options(settings),
    )


def ensure_admin_token(engine: Engine, state: Path) -> Path:
    """The file with the first administrator's token, written (mode 0600) when there is none yet."""
    path = state / ADMIN_TOKEN_FILE
    if not path.exists():
        with engine.begin() as connection:
            token = create_access_token(connection, label="first administrator", role=ADMIN, now=now_seconds())
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token + "\n")
    return path


@collector.command("token")
@click.option("--label", required=True, help="Whose token it is; shown wherever it is used.")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True)
@click.pass_obj
def token(state: Path, label: str, role: str) -> None:
    """Prints a new access token for the API and the pages; it is shown this once."""
    with _registry(state).begin() as connection:
        click.echo(create_access_token(connection, label=label, role=role, now=now_seconds()))


@collector.command("tokens")
@click.pass_obj
def tokens(state: Path) -> None:
    """Lists access tokens: id, role, whose, and whether it was revoked."""
    with _registry(state).connect() as connection:
        for row in connection.execute(select(access_token).order_by(access_token.c.created_at)):
            revoked = "revoked" if row.revoked_at is not None else "valid"
            click.echo(f"{row.id}\t{row.role}\t{revoked}\t{row.label}")


@collector.command("revoke-token")
@click.argument("token_id")
@click.pass_obj
def revoke_token(state: Path, token_id: str) -> None:
    """Ends an access token and the sessions begun with it."""
    with _registry(state).begin() as connection:
        if not revoke_access_token(connection, token_id, now_seconds()):
            raise click.UsageError(f"no valid access token {token_id}; `thongmang collector tokens` lists them")
    click.echo(f"revoked {token_id}")


@collector.command("move")
@click.argument("device_id")
@click.option("--unit", "unit_text", required=True, help="Code or name of the unit it stands in now.")
@click.option("--site", default=DEFAULT_SITE, show_default=True, help="Office within the unit, as dang-uy.")
@click.pass_obj
def move(state: Path, device_id: str, unit_text: str, site: str) -> None:
    """Notes that a terminal stands in another unit or office now; it stays the same device, with its history."""
    try:
        unit = find_unit(unit_text)
        check_site(site)
    except (ValueError, UnitError) as error:
        raise click.UsageError(str(error)) from error
    with _registry(state).begin() as connection:
        if not move_device(connection, device_id, Place(unit.code, site), now_seconds()):
            raise click.UsageError(f"no device {device_id}")
    click.echo(f"{device_id}: {unit.name}, {site}")


@collector.command("rejected")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.pass_obj
def rejected(state: Path, limit: int) -> None:
    """Lists what was refused for good, the newest first."""
    with _registry(state).connect() as connection:
        _print_rejected(connection, limit)


def _print_rejected(connection: Connection, limit: int) -> None:
    click.echo(f"{rejected_count(connection)} kept")
    for row in rejected_items(connection, limit=limit):
        click.echo(f"{row.id}\t{row.kind}\t{row.device_id or '-'}\t{row.reason}")


@collector.command("check")
@click.pass_obj
def check(state: Path) -> None:
    """Checks settings, registry and metric store before the first report; exit 1 where something is wrong."""
    settings = _settings(state)
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    open_registry(state / "registry.sqlite").dispose()
    store = store_of(settings.store, state)
    store.ensure_storage()
    health = store.health()
    store.close()
    click.echo(f"settings: ok\nregistry: ok\nstore ({health.kind}): {health.detail}")
    if not health.ok:
        sys.exit(1)


def main(argv: list[str]) -> int:
    """Runs one command; 0 done, 1 failed, 2 wrong words."""
    return run_command(collector, argv, "thongmang collector")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
