"""`thongmang inventory survey`: imports surveys of staff and lines."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import click

from agent.wire.message import Translate, mark
from collector.clock import local_day, now_seconds
from collector.db.registry import open_registry
from collector.db.staffing import SqlStaffing
from collector.language import DEFAULT_LANGUAGE, translator
from collector.posts import POST_GROUPS_FILE, posts_in_force
from collector.settings import state_directory
from inventory.export.wording import sentence
from inventory.norms import NormError, PostGroups
from inventory.ports import ImportedFile
from inventory.register.errors import UnreadableFileError
from inventory.register.reading import read_file
from inventory.register.rejected import error_sentence, write_rejected
from inventory.register.rows import Origin
from inventory.staffing.planning import PreparedSurvey, prepare_survey
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


class _InputError(click.ClickException):
    """Input that cannot be used; the message says where and what was expected."""

    exit_code = 2


@click.command("survey")
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
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the collector keeps its state (default: THONGMANG_STATE_DIR, else ./var).",
)
@click.option("--language", type=click.Choice(["vi", "en"]), default=DEFAULT_LANGUAGE, show_default=True)
def survey(
    file: Path,
    *,
    unit_text: str | None,
    dry_run: bool,
    rejected_file: Path | None,
    output_format: str,
    state_dir: Path | None,
    language: str,
) -> int:
    """Imports a survey (XLSX, XLS, CSV): staff by post group, and CPE and link capacity of each site.

    The import happens as a whole or not at all, and the same file again changes nothing.
    """
    translate = translator(language)
    now = now_seconds()
    folder = state_dir or state_directory()
    engine = open_registry(folder / REGISTRY_FILE)
    try:
        data = read_file(file)
        with engine.begin() as connection:
            registry = SqlStaffing(connection)
            prepared = prepare_survey(
                data,
                file.name,
                registry.staffing(),
                registry.site_lines(),
                default_unit=_unit(unit_text, translate),
                as_of=local_day(now),
                posts=post_groups(folder, local_day(now)),
            )
            # Before anything is written: a person who asked for the rejected rows must get them.
            if rejected_file is not None and prepared.plan.rejected:
                rejected_file.write_bytes(write_rejected(prepared.plan.rejected, translate))
            import_id = None
            if not dry_run:
                import_id = registry.write_survey(prepared.plan, ImportedFile(file.name, prepared.sha256, now))
    except UnreadableFileError as error:
        raise _InputError(sentence(error.message, translate)) from error
    except NormError as error:
        raise _InputError(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    finally:
        engine.dispose()
    if output_format == "json":
        click.echo(json.dumps(_as_dict(prepared, import_id, translate), ensure_ascii=False, indent=1))
    else:
        _show(prepared, import_id, translate)
    return 0


def post_groups(state_dir: Path, day: dt.date) -> PostGroups:
    """The office's own table of posts (`post_groups.toml` in the state folder), else that of the package.

    Raises:
        NormError: the office's table cannot be used, or the package has none for the day.
        OSError: the file is there and cannot be read.
    """
    known = posts_in_force(state_dir, day)
    if known is None:
        raise NormError(f"no table of posts is in force on {day.isoformat()}; expected {state_dir / POST_GROUPS_FILE}")
    return known


def _unit(text: str | None, translate: Translate) -> Unit | None:
    if text is None:
        return None
    try:
        return find_unit(text)
    except UnitError as error:
        raise _InputError(f"--unit: {sentence(error.message, translate)}") from error


def _counts(prepared: PreparedSurvey) -> dict[str, int]:
    plan = prepared.plan
    return {
        "created": len(plan.created),
        "updated": len(plan.updated),
        "unchanged": len(plan.unchanged),
        "rejected": len(plan.rejected),
        "rows": plan.rows,
    }


def _as_dict(prepared: PreparedSurvey, import_id: int | None, translate: Translate) -> dict[str, Any]:
    return {
        "file": prepared.file_name,
        "sha256": prepared.sha256,
        "dry_run": import_id is None,
        "import_id": import_id,
        **_counts(prepared),
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
            for row in prepared.skipped
        ],
        "notes": [sentence(note, translate) for note in (*prepared.notes, *prepared.plan.notices)],
    }


def _show(prepared: PreparedSurvey, import_id: int | None, translate: Translate) -> None:
    if import_id is None:
        click.echo(translate(mark("Dry run of {file}; nothing was written.")).format(file=prepared.file_name))
    else:
        text = translate(mark("Survey {number} of {file}:"))
        click.echo(text.format(number=import_id, file=prepared.file_name))
    counts = _counts(prepared)
    for name, pattern in _COUNTS:
        click.echo("  " + translate(pattern).format(count=counts[name]))
    for row in prepared.plan.rejected[:_REJECTED_SHOWN]:
        reasons = "; ".join(error_sentence(error, translate) for error in row.errors)
        click.echo(f"  ! {_place(row.origin, translate)}: {reasons}")
    hidden = len(prepared.plan.rejected) - _REJECTED_SHOWN
    if hidden > 0:
        click.echo("  " + translate(mark("... and {count} more; --rejected OUT.xlsx writes all.")).format(count=hidden))
    for skipped in prepared.skipped:
        text = translate(mark("not a row of the survey: {why}"))
        click.echo(f"  - {_place(skipped.origin, translate)}: {text.format(why=sentence(skipped.why, translate))}")
    for note in (*prepared.notes, *prepared.plan.notices):
        click.echo(f"  - {sentence(note, translate)}")


def _place(origin: Origin, translate: Translate) -> str:
    if origin.sheet:
        return translate(mark("sheet “{sheet}”, row {row}")).format(sheet=origin.sheet, row=origin.number)
    return translate(mark("row {row}")).format(row=origin.number)
