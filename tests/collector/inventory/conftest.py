"""A collector with terminals and registers, and readers with and without a session."""

from __future__ import annotations

import io
import re
import time

import openpyxl
import pytest
from sqlalchemy import select

from collector.clock import local_day
from collector.db.register import SqlRegister, link_sure_pairs
from collector.db.tables import asset
from collector.enrolment import create_access_token
from inventory.ports import ImportedFile
from inventory.register.preparing import prepare_import

TITLES = ("STT", "Đơn vị", "Tên tài sản", "Số serial", "Mã tài sản", "Năm đưa vào sử dụng", "Nguyên giá", "Tình trạng")
ROWS = (
    (1, "16681", "Máy tính để bàn Dell", "7XKQ2M1", "TS1", 2012, 12_000_000, "Tốt"),
    (2, "16681", "Ổn áp", "BBB2222", "TS2", 2012, 3_000_000, "Tốt"),
    (3, "Xã Nghi Lộc", "Máy in Đa năng", "CCC3333", "TS3", 2020, None, None),
    (4, "17827", "Máy tính <b>Án</b>", None, "TS4", None, None, None),
)
BAD_ROW = (5, "Xã Không Có", "Máy in", "GGG7777", "@cmd()", 2106, -5, None)


def workbook(*rows):
    book = openpyxl.Workbook()
    book.active.append(TITLES)
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def import_registers(running, *rows, name="so.xlsx"):
    now = time.time()
    with running.collector.engine.begin() as connection:
        register = SqlRegister(connection)
        prepared = prepare_import(workbook(*rows), name, register.assets(), default_unit=None, as_of=local_day(now))
        number = register.write_import(prepared.plan, ImportedFile(name, prepared.sha256, now))
        link_sure_pairs(register)
    return number


@pytest.fixture
def terminal(running, report, parts):
    """Enrols a terminal with this serial; returns its identity."""

    def enrol(serial, **place):
        me = running.enrol(**place)
        facts = [
            parts["fact"]("system", [{"manufacturer": "Dell Inc.", "product": "OptiPlex 780", "serial": serial}]),
            parts["fact"]("dell_revisions", [{"manufacture_date": "20100514", "first_power_on_date": "20100601"}]),
        ]
        assert running.upload(me["token"], [report(me["device_id"], facts=facts)]).status == 200
        running.wait_written()
        return me["device_id"]

    return enrol


@pytest.fixture
def filled(running, terminal):
    """One terminal with its register row, and three rows without; returns the terminal's identity."""
    device_id = terminal("7XKQ2M1")
    import_registers(running, *ROWS)
    return device_id


class Reader:
    """A browser's cookies and forms, without a browser."""

    def __init__(self, running, token=None):
        self.running, self.cookie = running, ""
        if token is not None:
            self.cookie = self.post("/login", token=token).headers["Set-Cookie"].split(";")[0]

    def get(self, path):
        answer = self.running.get(path, Cookie=self.cookie)
        return answer.status, answer.data.decode()

    def post(self, path, **fields):
        return self.running.http.request(
            "POST",
            self.running.url + path,
            fields=fields,
            encode_multipart=False,
            redirect=False,
            headers={"Cookie": self.cookie},
        )

    def token(self, path="/investment-list"):
        return re.search(r'name="token" value="(\w+)"', self.get(path)[1])[1]


@pytest.fixture
def admin(running):
    return Reader(running, running.admin_token)


@pytest.fixture
def viewer(running):
    with running.collector.engine.begin() as connection:
        token = create_access_token(connection, label="cán bộ xã", role="viewer", now=time.time())
    return Reader(running, token)


@pytest.fixture
def reader_of():
    return Reader


@pytest.fixture
def import_rows():
    return import_registers


@pytest.fixture
def titles():
    return TITLES


@pytest.fixture
def rows():
    return ROWS


@pytest.fixture
def bad_row():
    return BAD_ROW


@pytest.fixture
def lines():
    def found(text):
        return re.findall(r'<tr id="(line-[^"]+)"', text)

    return found


@pytest.fixture
def reference():
    def written(running, device_id):
        with running.collector.engine.connect() as connection:
            (number,) = connection.execute(select(asset.c.id).where(asset.c.device_id == device_id)).one()
        return f"A{number}/D{device_id}"

    return written
