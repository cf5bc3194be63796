"""`thongmang inventory ...`: imports registers of equipment and writes the investment list."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine

from agent.wire.message import Message, Translate, mark
from collector.cli.identity import add_identity_commands
from collector.cli.plan import plan
from collector.cli.running import run_command
from collector.cli.staffing import survey
from collector.clock import local_day, now_seconds
from collector.db.register import SqlRegister, link_sure_pairs
from collector.db.registry import open_registry
from collector.investing import investment_list
from collector.language import DEFAULT_LANGUAGE, translator
from collector.settings import state_directory
from inventory.assets import BLOCK_FRONT, BLOCK_PARTY, BLOCK_STATE
from inventory.export import EXPORTS
from inventory.export.errors import DocumentError
from inventory.export.wording import sentence
from inventory.investment import InvestmentList
from inventory.ports import ImportedFile
from inventory.register.errors import RegisterError, UnreadableFileError
from inventory.register.preparing import PreparedImport, prepare_import
from inventory.register.reading import read_file
from inventory.register.rejected import error_sentence, write_rejected
from inventory.register.rows import Origin, RejectedRow
from inventory.register.template import write_template
from inventory.units import Unit, UnitError, find_unit

REGISTRY_FILE = "registry.sqlite"
_REJECTED_SHOWN = 20

_COUNTS = (
    ("created", mark("created: {count}")),
    ("updated", mark("updated: {count}")),
    ("unchanged", mark("unchanged: {count}")),
    ("rejected", mark("rejected: {count}")),
    ("rows", mark("rows: {count}")),
)

_STATE_DIR = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the collector keeps its state (default: THONGMANG_STATE_DIR, else ./var).",
)
_LANGUAGE = click.option("--language", type=click.Choice(["vi", "en"]), default=DEFAULT_LANGUAGE, show_default=True)
_OUTPUT = click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write."
)


class _InputError(click.ClickException):
    """Input that cannot be used; the message says where and what was expected."""

    exit_code = 2


class _RegistryGroup(click.Group):
    """Commands with `--state-dir` work on a registry that is there; a mistyped folder must not become a new one."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Attaches the command; before it runs, its registry is looked for."""
        callback = cmd.callback
        if callback is not None and any(parameter.name == "state_dir" for parameter in cmd.params):

            @wraps(callback)
            def run(*words: Any, state_dir: Path | None, language: str = DEFAULT_LANGUAGE, **options: Any) -> Any:
                _require_registry(state_dir or state_directory(), translator(language))
                return callback(*words, state_dir=state_dir, language=language, **options)

            cmd.callback = run
        super().add_command(cmd, name)


@click.group(cls=_RegistryGroup, help="The register of equipment and the investment list made of it.")
def inventory() -> None:
    """The group; it keeps nothing."""


@inventory.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--unit", "unit_text", metavar="CODE", help="Code or name of the unit of rows that name none.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option(
    "--rejected",
    "rejected_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write rejected rows, with the reasons, to this XLSX.",
)
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@_STATE_DIR
@_LANGUAGE
def import_register(
    file: Path,
    *,
    unit_text: str | None,
    dry_run: bool,
    rejected_file: Path | None,
    output_format: str,
    state_dir: Path | None,
    language: str,
) -> int:
    """Imports a register (XLSX, XLS, CSV): every row is created, updated, unchanged or rejected with its reason.

    The import happens as a whole or not at all, and the same file again changes nothing.
    """
    translate = translator(language)
    now = now_seconds()
    try:
        data = read_file(file)
        with _registry(state_dir) as engine, engine.begin() as connection:
            register = SqlRegister(connection)
            prepared = prepare_import(
                data, file.name, register.assets(), default_unit=_unit(unit_text, translate), as_of=local_day(now)
            )
            # Before anything is written: a person who asked for the rejected rows must get them.
            if rejected_file is not None and prepared.plan.rejected:
                _write(rejected_file, write_rejected(prepared.plan.rejected, translate), translate)
            import_id = None
            if not dry_run:
                import_id = register.write_import(prepared.plan, ImportedFile(file.name, prepared.sha256, now))
                link_sure_pairs(register)
    except UnreadableFileError as error:
        raise _InputError(sentence(error.message, translate)) from error
    if output_format == "json":
        click.echo(json.dumps(_as_dict(prepared, import_id, translate), ensure_ascii=False, indent=1))
    else:
        _show(prepared, import_id, rejected_file, translate)
    return 0


@inventory.command("undo")
@click.argument("import_id", type=int)
@_STATE_DIR
@_LANGUAGE
def undo_import(import_id: int, *, state_dir: Path | None, language: str) -> int:
    """Takes the import with this number back as a whole; refused where a later import built on it."""
    translate = translator(language)
    try:
        with _registry(state_dir) as engine, engine.begin() as connection:
            count = SqlRegister(connection).undo_import(import_id, now_seconds())
    except RegisterError as error:
        raise click.ClickException(sentence(error.message, translate)) from error
    click.echo(translate(mark("import {number} undone: {count} assets")).format(number=import_id, count=count))
    return 0


@inventory.command("investment-list")
@click.option("--format", "list_format", type=click.Choice(sorted(EXPORTS)), required=True)
@_OUTPUT
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="The day of judgement (default: today).")
@click.option("--block", type=click.Choice([BLOCK_PARTY, BLOCK_FRONT, BLOCK_STATE, "all"]), default="all")
@_STATE_DIR
@_LANGUAGE
def write_investment_list(
    *,
    list_format: str,
    output: Path,
    as_of: dt.datetime | None,
    block: str,
    state_dir: Path | None,
    language: str,
) -> int:
    """Writes the list of equipment over ten years old, from what the terminals report and what the register says."""
    translate = translator(language)
    day = as_of.date() if as_of else local_day(now_seconds())
    with _registry(state_dir) as engine, engine.connect().execution_options(read_only=True) as connection:
        whole = investment_list(connection, as_of=day, block=None if block == "all" else block)
    try:
        document = EXPORTS[list_format].write(whole, translate, day)
    except DocumentError as error:
        raise click.ClickException(sentence(error.message, translate)) from error
    _write(output, document, translate)
    _show_list(whole, output, translate)
    return 0


@inventory.command("template")
@_OUTPUT
@click.option("--unit", "unit_text", metavar="CODE", help="Code or name of the unit to hand it to.")
@_LANGUAGE
def blank_template(*, output: Path, unit_text: str | None, language: str) -> int:
    """Writes the blank workbook that communes fill in, with drop-down lists."""
    translate = translator(language)
    _write(output, write_template(translate, _unit(unit_text, translate)), translate)
    return 0


inventory.add_command(plan)
add_identity_commands(inventory)
inventory.add_command(survey)


def _require_registry(folder: Path, translate: Translate) -> None:
    # Not `Path.is_file`, which raises where the folder may not be entered.
    if not os.path.isfile(folder / REGISTRY_FILE):  # noqa: PTH113 - see above
        message = Message(
            mark(
                "no registry ({file}) in {folder}: start the collector with this folder first, or check --state-dir "
                "and THONGMANG_STATE_DIR"
            ),
            {"file": REGISTRY_FILE, "folder": str(folder)},
        )
        raise _InputError(message.render(translate))


@contextmanager
def _registry(state_dir: Path | None) -> Iterator[Engine]:
    engine = open_registry((state_dir or state_directory()) / REGISTRY_FILE)
    try:
        yield engine
    finally:
        engine.dispose()


def _unit(text: str | None, translate: Translate) -> Unit | None:
    if text is None:
        return None
    try:
        return find_unit(text)
    except UnitError as error:
        raise _InputError(f"--unit: {sentence(error.message, translate)}") from error


def _write(path: Path, data: bytes, translate: Translate) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        message = Message(
            mark("{file}: cannot be written ({detail})"), {"file": str(path), "detail": str(error.strerror)}
        )
        raise click.ClickException(message.render(translate)) from error


def _counts(prepared: PreparedImport) -> dict[str, int]:
    plan = prepared.plan
    return {
        "created": len(plan.created),
        "updated": len(plan.updated),
        "unchanged": len(plan.unchanged),
        "rejected": len(plan.rejected),
        "rows": plan.rows,
    }


def _as_dict(prepared: PreparedImport, import_id: int | None, translate: Translate) -> dict[str, Any]:
    return {
        "file": prepared.file_name,
        "sha256": prepared.sha256,
        "encoding": prepared.encoding,
        "dry_run": import_id is None,
        "import_id": import_id,
        **_counts(prepared),
        "skipped": len(prepared.rows.skipped),
        "rejected_rows": [
            {
                "sheet": row.origin.sheet,
                "row": row.origin.number,
                "errors": [
                    {"field": error.field, "column": error.column, "reason": error_sentence(error, translate)}
                    for error in row.errors
                ],
            }
            for row in prepared.plan.rejected
        ],
        "skipped_rows": [
            {"sheet": row.origin.sheet, "row": row.origin.number, "why": sentence(row.why, translate)}
            for row in prepared.rows.skipped
        ],
        "notes": [sentence(note, translate) for note in (*prepared.rows.notes, *prepared.plan.notices)],
    }


def _show(prepared: PreparedImport, import_id: int | None, rejected_file: Path | None, translate: Translate) -> None:
    if import_id is None:
        click.echo(translate(mark("Dry run of {file}; nothing was written.")).format(file=prepared.file_name))
    else:
        text = translate(mark("Import {number} of {file}:"))
        click.echo(text.format(number=import_id, file=prepared.file_name))
    counts = _counts(prepared)
    for name, pattern in _COUNTS:
        click.echo("  " + translate(pattern).format(count=counts[name]))
    for row in prepared.plan.rejected[:_REJECTED_SHOWN]:
        click.echo(f"  ! {_place(row.origin, translate)}: {_reasons(row, translate)}")
    hidden = len(prepared.plan.rejected) - _REJECTED_SHOWN
    if hidden > 0:
        click.echo("  " + translate(mark("... and {count} more; --rejected OUT.xlsx writes all.")).format(count=hidden))
    if rejected_file is not None and prepared.plan.rejected:
        click.echo("  " + translate(mark("rejected rows: {file}")).format(file=rejected_file))
    for skipped in prepared.rows.skipped:
        text = translate(mark("not a row of the register: {why}"))
        click.echo(f"  - {_place(skipped.origin, translate)}: {text.format(why=sentence(skipped.why, translate))}")
    for note in (*prepared.rows.notes, *prepared.plan.notices):
        click.echo(f"  - {sentence(note, translate)}")


def _show_list(whole: InvestmentList, output: Path, translate: Translate) -> None:
    text = translate(mark("{file}: {listed} proposed, {uncertain} to be verified, {rest} not over {years} years"))
    click.echo(
        text.format(
            file=output,
            listed=len(whole.items),
            uncertain=len(whole.to_verify),
            rest=len(whole.not_listed),
            years=whole.threshold_years,
        )
    )


def _place(origin: Origin, translate: Translate) -> str:
    if origin.sheet:
        return translate(mark("sheet “{sheet}”, row {row}")).format(sheet=origin.sheet, row=origin.number)
    return translate(mark("row {row}")).format(row=origin.number)


def _reasons(row: RejectedRow, translate: Translate) -> str:
    return "; ".join(error_sentence(error, translate) for error in row.errors)


def main(argv: list[str]) -> int:
    """Runs `thongmang inventory` with these words and returns the exit code."""
    return run_command(inventory, argv, "thongmang inventory")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
