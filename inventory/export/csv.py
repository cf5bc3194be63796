"""The list as CSV that Excel in Vietnam opens as it is: UTF-8 with a byte order mark, `;` between columns."""

from __future__ import annotations

import csv
import datetime as dt
import io

from agent.wire.message import Translate
from inventory.export.columns import COLUMNS, Value, lines
from inventory.export.wording import day_text, may_execute
from inventory.investment import InvestmentList
from inventory.plan.model import InvestmentPlan

_BYTE_ORDER_MARK = "\ufeff"


def write_csv(
    whole: InvestmentList,
    translate: Translate,
    as_of: dt.date,  # noqa: ARG001 - as all exports
    *,
    plan: InvestmentPlan | None = None,  # noqa: ARG001 - one table of one kind of row: the list alone
) -> bytes:
    """One title row, then one row for each listed item. Text that a spreadsheet could execute begins with `'`."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(translate(column.title) for column in COLUMNS)
    for line in lines(whole, whole.items, translate):
        writer.writerow(_cell(column.value(line)) for column in COLUMNS)
    return (_BYTE_ORDER_MARK + out.getvalue()).encode()


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.date):
        return day_text(value)
    text = str(value)
    return "'" + text if isinstance(value, str) and may_execute(text) else text
