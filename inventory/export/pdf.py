"""The list as a PDF: a landscape annex with the heading of its block, charts, tables, bases and notes."""

from __future__ import annotations

import datetime as dt
import json
import subprocess  # noqa: TID251 - the typesetter runs apart and gives its memory back; see typst/set_pages.py
import sys
from collections.abc import Mapping
from importlib.resources import as_file, files
from importlib.util import find_spec
from typing import Any

from agent.wire.message import Translate
from inventory.export.annex import annex_of
from inventory.export.errors import TypesettingFailedError, TypesettingMissingError
from inventory.investment import InvestmentList
from inventory.plan.model import InvestmentPlan

# Ten times what the largest annex takes on two slow cores.
LONGEST_SECONDS = 120.0


def write_pdf(
    whole: InvestmentList,
    translate: Translate,
    as_of: dt.date,
    *,
    plan: InvestmentPlan | None = None,
) -> bytes:
    """The annex as PDF; the same list gives the same bytes. Fonts are those of the typesetter alone.

    Raises:
        TypesettingMissingError: typst is not installed.
        TypesettingFailedError: it did not set the pages.
    """
    if find_spec("typst") is None:
        raise TypesettingMissingError
    return set_pages(annex_of(whole, translate, as_of, plan=plan))


def set_pages(annex: Mapping[str, Any], *, timeout_seconds: float = LONGEST_SECONDS) -> bytes:
    """The PDF of what `annex_of` gives.

    Raises:
        TypesettingFailedError: the typesetter failed or took longer than `timeout_seconds`.
    """
    with as_file(files("inventory.export").joinpath("typst")) as folder:
        try:
            # Isolated: neither the caller's folder nor its environment decide what is imported.
            done = subprocess.run(  # noqa: S603 - this interpreter and a file of this package
                [sys.executable, "-I", str(folder / "set_pages.py")],
                input=json.dumps(annex, ensure_ascii=False).encode(),
                capture_output=True,
                timeout=timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TypesettingFailedError(f"> {timeout_seconds:g} s") from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise TypesettingFailedError(lines[-1] if lines else f"exit {done.returncode}")
    return done.stdout
