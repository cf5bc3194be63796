"""The investment list of what the registry holds, and its documents."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import Connection, select

from collector.ageing import stored_estimate
from collector.db.register import SqlRegister
from collector.db.tables import device_age
from collector.language import translator
from inventory.export import EXPORTS
from inventory.investment import InvestmentList, build_investment_list


@dataclass(frozen=True)
class Document:
    """A file to hand out."""

    content: bytes
    media_type: str
    file_name: str


def investment_list(connection: Connection, *, as_of: dt.date, block: str | None = None) -> InvestmentList:
    """The list on that day; estimates of the day that the registry keeps are not made again."""
    register = SqlRegister(connection)
    rows = connection.execute(select(device_age).where(device_age.c.as_of == as_of.isoformat()))
    estimates = {row.device_id: stored_estimate(row) for row in rows}
    return build_investment_list(register.devices(), register.assets(), as_of=as_of, estimates=estimates, block=block)


def investment_document(connection: Connection, format_name: str, *, as_of: dt.date, language: str) -> Document:
    """The list as a file.

    Raises:
        KeyError: no such format.
    """
    export = EXPORTS[format_name]
    content = export.write(investment_list(connection, as_of=as_of), translator(language), as_of)
    return Document(content, export.content_type, f"danh-muc-dau-tu-{as_of.isoformat()}{export.suffix}")
