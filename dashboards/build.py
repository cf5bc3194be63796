"""The dashboards by file name, and their JSON on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from dashboards.overview import overview

GENERATED = Path(__file__).parent / "generated"

DASHBOARDS: dict[str, Callable[[], dashboard.Dashboard]] = {
    "overview.json": overview,
}


def dashboard_json(build: Callable[[], dashboard.Dashboard]) -> str:
    """The dashboard as text that is the same for the same code: sorted keys, Vietnamese readable."""
    return json.dumps(build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_all(folder: Path) -> list[Path]:
    """Writes every dashboard and deletes files of dashboards that are no more; returns what it wrote."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        if path.name not in DASHBOARDS:
            path.unlink()
    for name, build in DASHBOARDS.items():
        (folder / name).write_text(dashboard_json(build), encoding="utf-8")
    return [folder / name for name in DASHBOARDS]


def differences(folder: Path) -> list[str]:
    """One sentence for each file of `folder` that `write_all` would change."""
    found = []
    for name, build in DASHBOARDS.items():
        path = folder / name
        if not path.exists():
            found.append(f"{path} is missing")
        elif path.read_text(encoding="utf-8") != dashboard_json(build):
            found.append(f"{path} is not what the code builds")
    found += [
        f"{path} belongs to no dashboard" for path in sorted(folder.glob("*.json")) if path.name not in DASHBOARDS
    ]
    return found
