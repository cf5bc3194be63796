"""Writes the migration that brings a registry from the newest revision to `collector.db.tables`.

python deploy/new-migration.py "what changes"
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from collector.db.registry import open_registry

MIGRATIONS = Path(__file__).parent.parent / "collector" / "db" / "migrations"


def write_migration(message: str) -> None:
    """Compares a freshly migrated registry with the tables and writes the difference."""
    number = len(list((MIGRATIONS / "versions").glob("*.py"))) + 1
    with tempfile.TemporaryDirectory() as folder:
        engine = open_registry(Path(folder) / "registry.sqlite")
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")
        engine.dispose()


if __name__ == "__main__":
    write_migration(sys.argv[1])
