"""Imports of registers: what each did, which rows it rejected and why, and taking one back."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
import logging
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response, status
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection, Row, func, select

from agent.wire.message import Message, mark
from collector.api.access import reading
from collector.clock import now_seconds
from collector.db.register import SqlRegister
from collector.db.tables import register_import, register_rejected_row, register_rejected_sheet
from collector.enrolment import Person
from collector.language import translator
from collector.web.forms import RefusedError, check_form, writing
from collector.web.list_view import Page, page_number
from inventory.export import EXPORTS
from inventory.register.errors import UndoError
from inventory.register.rejected import error_sentence, write_rejected
from inventory.register.rows import Origin, RejectedRow, RowError
from inventory.register.sheet import cell_text

if TYPE_CHECKING:
    from collector.web.pages import Site

log = logging.getLogger(__name__)

REGISTER_PATH = "/register"
IMPORTS_A_PAGE = 50
ROWS_A_PAGE = 100
_MOST_DIGITS = 15


def register_router(site: "Site") -> APIRouter:
    """The routes of the pages on imports."""
    router = APIRouter(include_in_schema=False)
    asking = Annotated[Person, Depends(site.person)]
    reader = Annotated[Connection, Depends(reading(site.collector.engine))]

    @router.get(REGISTER_PATH)
    def get_register(request: Request, connection: reader, _person: asking, page: str = "1") -> Response:
        imports = select(*(column for column in register_import.c if column.name != "before"))
        total = connection.execute(select(func.count()).select_from(register_import)).scalar_one()
        shown = _page(total, page_number(page), IMPORTS_A_PAGE)
        rows = connection.execute(
            imports.order_by(register_import.c.id.desc())
            .limit(IMPORTS_A_PAGE)
            .offset((shown.number - 1) * IMPORTS_A_PAGE)
        ).all()
        return site.page(request, "register.html", {"imports": rows, "page": shown})

    @router.get(REGISTER_PATH + "/{number}")
    def get_import(request: Request, connection: reader, person: asking, number: str, page: str = "1") -> Response:
        found = _import(connection, number)
        shown = _page(found.rejected, page_number(page), ROWS_A_PAGE)
        rows = rejected_rows(connection, found.id, limit=ROWS_A_PAGE, offset=(shown.number - 1) * ROWS_A_PAGE)
        translate = translator(site.language(request))
        values = {
            "import": found,
            "page": shown,
            "rows": [
                (
                    row.origin,
                    [cell_text(cell) for cell in row.origin.cells],
                    [error_sentence(error, translate) for error in row.errors],
                )
                for row in rows
            ],
            "writing": writing(request, person),
        }
        return site.page(request, "register_import.html", values)

    @router.get(REGISTER_PATH + "/{number}/rejected.xlsx")
    def get_rejected(request: Request, connection: reader, _person: asking, number: str) -> Response:
        found = _import(connection, number)
        content = write_rejected(rejected_rows(connection, found.id), translator(site.language(request)))
        headers = {
            "Content-Disposition": f'attachment; filename="dong-bi-tu-choi-{found.id}.xlsx"',
            "Cache-Control": "no-store",
        }
        return Response(content, media_type=EXPORTS["xlsx"].content_type, headers=headers)

    @router.post(REGISTER_PATH + "/{number}/undo")
    def post_undo(
        request: Request,
        person: asking,
        number: str,
        sure: Annotated[str, Form()] = "",
        token: Annotated[str, Form()] = "",
    ) -> Response:
        back = REGISTER_PATH
        check_form(request, person, token, back)
        with site.collector.engine.connect().execution_options(read_only=True) as connection:
            found = _import(connection, number)
        back = f"{REGISTER_PATH}/{found.id}"
        if sure != "yes":
            message = Message(mark("tick that the import shall be taken back as a whole"))
            raise RefusedError(status.HTTP_400_BAD_REQUEST, message, back)
        try:
            with site.collector.engine.begin() as connection:
                count = SqlRegister(connection).undo_import(found.id, now_seconds())
        except UndoError as error:
            raise RefusedError(status.HTTP_409_CONFLICT, error.message, back) from error
        log.info("import %s undone, %s assets, by %s", found.id, count, person.label)
        return RedirectResponse(back, status.HTTP_303_SEE_OTHER)

    return router


def rejected_rows(
    connection: Connection, import_id: int, *, limit: int | None = None, offset: int = 0
) -> list[RejectedRow]:
    """Rows that an import rejected, as they were read, in the file's order."""
    titles = {
        row.sheet: tuple(row.titles)
        for row in connection.execute(
            select(register_rejected_sheet).where(register_rejected_sheet.c.import_id == import_id)
        )
    }
    rows = connection.execute(
        select(register_rejected_row)
        .where(register_rejected_row.c.import_id == import_id)
        .order_by(register_rejected_row.c.id)
        .limit(limit)
        .offset(offset)
    )
    return [
        RejectedRow(
            Origin(row.sheet, row.row_number, tuple(row.cells), titles.get(row.sheet, ())),
            tuple(_row_error(item) for item in row.reason),
        )
        for row in rows
    ]


def _row_error(kept: dict[str, Any]) -> RowError:
    return RowError(
        kept["field"], kept["column"], Message.from_dict(kept["found"]), Message.from_dict(kept["expected"])
    )


def _import(connection: Connection, number: str) -> Row[Any]:
    known = number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS
    found = (
        connection.execute(
            select(*(column for column in register_import.c if column.name != "before")).where(
                register_import.c.id == int(number)
            )
        ).one_or_none()
        if known
        else None
    )
    if found is None:
        raise RefusedError(status.HTTP_404_NOT_FOUND, Message(mark("There is no such import.")), REGISTER_PATH)
    return found


def _page(total: int, number: int, size: int) -> Page[Any]:
    pages = max(1, -(-total // size))
    return Page((), min(max(1, number), pages), pages, total)
