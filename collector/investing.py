"""The investment list of what the registry holds, and its documents."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import Connection, select

from collector.ageing import stored_estimate
from collector.db.decisions import overrides_in_force, pairs_kept_apart
from collector.db.register import SqlRegister
from collector.db.staffing import SqlStaffing
from collector.db.tables import device_age
from collector.language import translator
from inventory.export import EXPORTS
from inventory.investment import InvestmentList, build_investment_list
from inventory.norms import load_norms


@dataclass(frozen=True)
class Document:
    """A file to hand out."""

    content: bytes
    media_type: str
    file_name: str


def investment_list(connection: Connection, *, as_of: dt.date, block: str | None = None) -> InvestmentList:
    """The list on that day, with what people decided, what they said is not one, and the headcounts of surveys.

    Estimates of the day that the registry keeps are not made again.
    """
    register = SqlRegister(connection)
    rows = connection.execute(select(device_age).where(device_age.c.as_of == as_of.isoformat()))
    return build_investment_list(
        register.devices(),
        register.assets(),
        as_of=as_of,
        estimates={row.device_id: stored_estimate(row) for row in rows},
        block=block,
        overrides=overrides_in_force(connection),
        apart=pairs_kept_apart(connection),
        staffing=SqlStaffing(connection).staffing(load_norms().post_groups_on(as_of)),
    )


def investment_document(
    connection: Connection,
    format_name: str,
    *,
    as_of: dt.date,
    language: str,
    block: str | None = None,
) -> Document:
    """The list as a file.

    Raises:
        KeyError: no such format.
        DocumentError: the document cannot be set (typst is missing, or failed).
    """
    return document_of(investment_list(connection, as_of=as_of, block=block), format_name, language=language)


def document_of(whole: InvestmentList, format_name: str, *, language: str) -> Document:
    """A list that was built already, as a file.

    Raises:
        KeyError: no such format.
        DocumentError: the document cannot be set (typst is missing, or failed).
    """
    export = EXPORTS[format_name]
    content = export.write(whole, translator(language), whole.as_of)
    name = "-".join(part for part in ("danh-muc-dau-tu", whole.block, whole.as_of.isoformat()) if part)
    return Document(content, export.content_type, name + export.suffix)
