"""How every command of the collector ends: a clear sentence and an exit code, no traceback for bad input."""

from __future__ import annotations

import os

import click
from sqlalchemy.exc import DatabaseError

from alerts.parameters import RuleError
from collector.db.decisions import DecisionError
from collector.errors import CollectorError
from collector.language import DEFAULT_LANGUAGE, render_message
from collector.metrics.port import MetricStoreError
from inventory.norms import NormError


def run_command(command: click.Command, argv: list[str], name: str) -> int:
    """Runs a click command and returns its exit code: 0 done, 1 failed, 2 wrong words."""
    # What the collector keeps is for its owner only, whatever the shell's default is.
    os.umask(0o077)
    try:
        result = command.main(argv, prog_name=name, standalone_mode=False)
    except click.exceptions.Abort:
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except DecisionError as error:
        click.echo(f"{name}: {render_message(error.message, DEFAULT_LANGUAGE)}", err=True)
        return 1
    except (CollectorError, MetricStoreError, RuleError, NormError) as error:
        click.echo(f"{name}: {error}", err=True)
        return 1
    except DatabaseError as error:
        click.echo(f"{name}: registry: {error.orig}", err=True)
        return 1
    return result if isinstance(result, int) else 0
