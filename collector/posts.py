"""Which post belongs to which group of the norms: the office's own table beside the registry, else the package's."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from sqlalchemy import Connection

from inventory.norms import NormError, PostGroups, load_norms, post_groups_from

POST_GROUPS_FILE = "post_groups.toml"


def posts_in_force(folder: Path, day: dt.date) -> PostGroups | None:
    """The office's table in that state folder, else the package's of that day; None where there is neither.

    Raises:
        NormError: the office's table cannot be used.
        OSError: the file is there and cannot be read.
    """
    own = folder / POST_GROUPS_FILE
    if not own.exists():
        return load_norms().post_groups_on(day)
    try:
        text = own.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise NormError(f"{own}: no UTF-8 text; expected a TOML file in UTF-8") from error
    return post_groups_from(str(own), text)


def state_folder(connection: Connection) -> Path:
    """The folder of the registry that is asked."""
    return Path(connection.engine.url.database or "").parent


def posts_marker(connection: Connection) -> float | None:
    """When the office last changed its table, None where it has none; a list made before that is out of date."""
    try:
        return (state_folder(connection) / POST_GROUPS_FILE).stat().st_mtime
    except OSError:
        return None
