"""Data quality and imports against a real collector."""

from __future__ import annotations

import io
import time

import openpyxl
import pytest
from sqlalchemy import update

from collector.clock import local_day
from collector.db.tables import register_import
from inventory.register.preparing import prepare_import


class TestQuality:
    def test_units_with_and_without_data(self, running, filled, admin):
        _, text = admin.get("/quality")
        assert "Đúng – đủ – sạch – sống" in text
        assert "chưa có số liệu" in text
        assert 'href="/quality/16681?word=sufficient"' in text
        _, text = admin.get("/quality/16681?word=sufficient&language=en")
        assert "The block (Party, Front, State) is missing." in text
        assert "Equipment" in text
        status, text = admin.get("/quality/99999")
        assert (status, "Không có đơn vị này" in text) == (404, True)
        assert "Xã Nghi Lộc" in admin.get("/quality?q=nghi+loc&sort=clean")[1]

    def test_the_api_gives_numbers_rows_and_null(self, running, filled):
        units = {unit["code"]: unit for unit in running.api("/api/v1/quality")["units"]}
        assert len(units) == 130
        assert units["16681"]["correct"] == {"numerator": 1, "denominator": 1, "ratio": 1.0}
        assert units["16681"]["alive"]["ratio"] == 1.0
        assert units["17827"]["correct"]["ratio"] is None
        (unit,) = running.api("/api/v1/quality?unit=17827&language=en")["units"]
        (row, _) = unit["sufficient"]["rows"]
        assert any("missing" in text for text in row["reasons"])
        assert running.get("/api/v1/quality?unit=1", running.admin_token).status == 404
        assert running.get("/api/v1/quality").status == 401

    def test_a_rejected_row_is_unclean_until_it_is_put_right(self, running, filled, import_rows):
        def clean():
            (unit,) = running.api("/api/v1/quality?unit=17827&language=en")["units"]
            return [row["reference"] for row in unit["clean"]["rows"]]

        bad = (1, "Xã Nghi Lộc", "Máy in", "FFF6666", "TS7", 2106, -5, None)
        number = import_rows(running, bad, name="bo-sung.xlsx")
        assert clean() == [f"I{number}/2"]
        import_rows(running, (*bad[:5], 2016, 5_000_000, "Tốt"), name="da-sua.xlsx")
        assert clean() == []

    def test_a_register_nobody_restates_dies_and_the_same_file_wakes_it(self, running, filled, import_rows, rows):
        def alive():
            (unit,) = running.api("/api/v1/quality?unit=17827")["units"]
            return unit["alive"]["numerator"]

        with running.collector.engine.begin() as connection:
            connection.execute(update(register_import).values(imported_at=time.time() - 400 * 86400))
        running.collector.quality._known = None
        assert alive() == 0
        import_rows(running, *rows)
        assert alive() == 2


class TestImports:
    def test_counts_reasons_and_the_rejected_file(self, running, admin, import_rows, bad_row, rows, titles):
        number = import_rows(running, rows[0], bad_row)
        _, text = admin.get("/register")
        assert "so.xlsx" in text
        _, text = admin.get(f"/register/{number}?language=en")
        assert "column F" in text
        assert "Xã Không Có" in text
        answer = running.get(f"/register/{number}/rejected.xlsx", Cookie=admin.cookie)
        sheet = openpyxl.load_workbook(io.BytesIO(answer.data)).active
        assert [cell.value for cell in sheet[1]][: len(titles)] == list(titles)
        assert sheet["D2"].value == "GGG7777"
        assert (sheet["E2"].value, sheet["E2"].data_type, sheet["E2"].quotePrefix) == ("@cmd()", "s", True)
        assert "Nghi" not in sheet.cell(2, len(titles) + 1).value

    def test_the_rejected_file_can_be_corrected_and_imported(self, running, admin, import_rows, bad_row):
        number = import_rows(running, bad_row)
        answer = running.get(f"/register/{number}/rejected.xlsx", Cookie=admin.cookie)
        book = openpyxl.load_workbook(io.BytesIO(answer.data))
        sheet = book.active
        sheet["B2"], sheet["E2"], sheet["F2"], sheet["G2"] = "Xã Nghi Lộc", "TS8", 2016, 5_000_000
        out = io.BytesIO()
        book.save(out)
        prepared = prepare_import(out.getvalue(), "x.xlsx", [], default_unit=None, as_of=local_day(time.time()))
        (created,) = prepared.plan.created
        assert (created.values.unit_code, created.values.serial) == ("17827", "GGG7777")

    def test_undo_is_whole_once_and_asked_for(self, running, admin, import_rows, lines, rows):
        number = import_rows(running, *rows)
        path = f"/register/{number}"
        assert admin.post(path + "/undo", token=admin.token(path)).status == 400
        assert len(lines(admin.get("/investment-list")[1])) == 4
        token = admin.token(path)
        assert admin.post(path + "/undo", token=token, sure="yes").status == 303
        assert len(lines(admin.get("/investment-list")[1])) == 0
        answer = admin.post(path + "/undo", token=token, sure="yes")
        assert (answer.status, "đã được" in answer.data.decode() or "rồi" in answer.data.decode()) == (409, True)

    @pytest.mark.parametrize("number", ["99", "x", "-1", "9" * 30, "1%2f2"])
    def test_unknown_imports_say_so(self, running, admin, number):
        assert admin.get(f"/register/{number}")[0] == 404
        assert running.get(f"/register/{number}/rejected.xlsx", Cookie=admin.cookie).status == 404
