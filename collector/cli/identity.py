"""`thongmang inventory link | unlink | confirm | doubts`: which register row is which terminal, said by a person."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from agent.wire.message import Message, Translate, mark
from collector.clock import now_seconds
from collector.db import decisions
from collector.db.decisions import Author, DecisionError
from collector.db.register import SqlRegister
from collector.db.registry import open_registry
from collector.language import DEFAULT_LANGUAGE, translator
from collector.settings import state_directory
from inventory.assets import RegisteredAsset
from inventory.export.wording import sentence
from inventory.identity import Doubt, match_assets, terminal_serial
from inventory.overrides import ReasonError
from inventory.ports import DeviceRecord

REGISTRY_FILE = "registry.sqlite"
_MOST_DIGITS = 15


def _asset_number(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    text = value.strip().upper().removeprefix("A")
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise click.BadParameter(f"{value!r} is no asset's number; expected one as A12")
    return int(text)


_ASSET = click.argument("asset", callback=_asset_number)
_DEVICE = click.argument("device")
_REASON = click.option("--reason", default="", help="Why, in 10 to 2,000 signs; kept and shown.")
_BY = click.option("--by", default=None, help="Who decides (default: the user of this machine).")
_STATE_DIR = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the collector keeps its state (default: THONGMANG_STATE_DIR, else ./var).",
)
_LANGUAGE = click.option("--language", type=click.Choice(["vi", "en"]), default=DEFAULT_LANGUAGE, show_default=True)


@click.command("link")
@_ASSET
@_DEVICE
@_REASON
@_BY
@_STATE_DIR
@_LANGUAGE
def link(asset: int, device: str, **options: Any) -> int:
    """Says that ASSET (as A12) is terminal DEVICE; holds against every key until it is unlinked."""
    return _decide(
        lambda connection, author, reason: decisions.link(
            connection, asset, _identity(device), author=author, reason=reason
        ),
        Message(mark("asset {asset} is terminal {device}"), {"asset": asset, "device": _identity(device)}),
        **options,
    )


@click.command("confirm")
@_ASSET
@_DEVICE
@_REASON
@_BY
@_STATE_DIR
@_LANGUAGE
def confirm(asset: int, device: str, **options: Any) -> int:
    """Says that the link of ASSET to DEVICE that a key made is right."""
    return _decide(
        lambda connection, author, reason: decisions.confirm(
            connection, asset, _identity(device), author=author, reason=reason
        ),
        Message(mark("asset {asset} is terminal {device}"), {"asset": asset, "device": _identity(device)}),
        **options,
    )


@click.command("unlink")
@_ASSET
@_REASON
@_BY
@_STATE_DIR
@_LANGUAGE
def unlink(asset: int, **options: Any) -> int:
    """Says that ASSET is not the terminal it is linked to; no key links the two again."""
    return _decide(
        lambda connection, author, reason: decisions.unlink(connection, asset, author=author, reason=reason),
        Message(mark("asset {asset} is unlinked, and no key links it to that terminal again"), {"asset": asset}),
        **options,
    )


@click.command("doubts")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@_STATE_DIR
@_LANGUAGE
def doubts(*, output_format: str, state_dir: Path | None, language: str) -> int:
    """Lists register rows and terminals that may be one, for a person to link or unlink."""
    translate = translator(language)
    engine = open_registry((state_dir or state_directory()) / REGISTRY_FILE)
    try:
        with engine.connect().execution_options(read_only=True) as connection:
            register = SqlRegister(connection)
            assets, devices = register.assets(), register.devices()
            found = match_assets(assets, devices, apart=register.pairs_kept_apart()).doubts
    finally:
        engine.dispose()
    by_number = {asset.id: asset for asset in assets}
    by_identity = {device.id: device for device in devices}
    told = [_doubt(doubt, by_number, by_identity, translate) for doubt in found]
    if output_format == "json":
        click.echo(json.dumps({"doubts": told}, ensure_ascii=False, indent=1))
        return 0
    for doubt in told:
        click.echo(doubt["why"])
        for row in doubt["assets"]:
            click.echo(f"  A{row['id']}  {row['unit_code']}  {row['name']}  {row['serial'] or '—'}")
        for row in doubt["devices"]:
            click.echo(f"  D{row['id']}  {row['unit_code']}  {row['site']}  {row['serial'] or '—'}")
    if not told:
        click.echo(translate(mark("Nothing is in doubt.")))
    return 0


def add_identity_commands(group: click.Group) -> None:
    """Adds the commands to `thongmang inventory`."""
    for command in (link, unlink, confirm, doubts):
        group.add_command(command)


def _decide(
    carry_out: Callable[[Any, Author, str], object],
    done: Message,
    *,
    reason: str,
    by: str | None,
    state_dir: Path | None,
    language: str,
) -> int:
    translate = translator(language)
    engine = open_registry((state_dir or state_directory()) / REGISTRY_FILE)
    try:
        with engine.begin() as connection:
            carry_out(connection, Author(by or getpass.getuser(), now_seconds()), reason)
    except (DecisionError, ReasonError) as error:
        raise click.ClickException(sentence(error.message, translate)) from error
    finally:
        engine.dispose()
    click.echo(sentence(done, translate))
    return 0


def _identity(text: str) -> str:
    return text.strip().removeprefix("D").lower()


def _doubt(
    doubt: Doubt, assets: dict[int, RegisteredAsset], devices: dict[str, DeviceRecord], translate: Translate
) -> dict[str, Any]:
    return {
        "why": sentence(doubt.why, translate),
        "by": doubt.by,
        "assets": [
            {
                "id": number,
                "unit_code": assets[number].values.unit_code,
                "name": assets[number].values.name,
                "serial": assets[number].values.serial,
            }
            for number in doubt.asset_ids
        ],
        "devices": [
            {
                "id": device_id,
                "unit_code": devices[device_id].unit_code,
                "site": devices[device_id].site,
                "serial": terminal_serial(devices[device_id].facts),
            }
            for device_id in doubt.device_ids
        ],
    }
