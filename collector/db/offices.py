"""The offices that terminals stand in, as the registry knows them."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from alerts.congestion.layout import Site
from collector.db.tables import device


def offices(connection: Connection, unit_code: str | None = None) -> dict[Site, int]:
    """How many terminals may report from each office.

    Args:
        connection: of the registry.
        unit_code: of one unit alone.
    """
    query = (
        select(device.c.unit_code, device.c.site, func.count())
        .where(device.c.revoked_at.is_(None))
        .group_by(device.c.unit_code, device.c.site)
        .order_by(device.c.unit_code, device.c.site)
    )
    if unit_code is not None:
        query = query.where(device.c.unit_code == unit_code)
    return {Site(code, name): count for code, name, count in connection.execute(query)}
