"""Which row is which terminal: pages, command line and history, against a real collector."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from collector.db.tables import asset, device_fact_history

ROOT = Path(__file__).parents[3]


class TestIdentity:
    @pytest.fixture
    def clones(self, running, terminal, import_rows):
        ids = sorted(terminal("ABC1234") for _ in range(2))
        import_rows(running, (1, "16681", "Máy tính nhân bản", "ABC1234", "TS9", 2012, None, None))
        return ids

    def post(self, reader, **fields):
        return reader.post("/identity", token=reader.token("/identity"), **fields)

    def linked(self, running):
        with running.collector.engine.connect() as connection:
            return connection.execute(select(asset.c.device_id, asset.c.linked_by)).one()

    def test_a_doubt_is_shown_and_settled(self, running, clones, admin):
        _, text = admin.get("/identity")
        assert "Máy tính nhân bản" in text
        assert all(f'value="{one}"' in text for one in clones)
        assert self.post(admin, action="link", asset="A1", device=clones[1], reason="đã xem tem trên vỏ").status == 303
        assert tuple(self.linked(running)) == (clones[1], "person")
        _, text = admin.get("/identity?language=en")
        assert "Nothing is in doubt." in text
        assert "đã xem tem trên vỏ" in text
        assert "A1 linked" in admin.get(f"/devices/{clones[1]}?language=en")[1]

    def test_unlinking_is_remembered_by_jobs_and_imports(self, running, filled, admin, import_rows, lines, rows):
        with running.collector.engine.connect() as connection:
            (number,) = connection.execute(select(asset.c.id).where(asset.c.device_id == filled)).one()
        assert self.post(admin, action="unlink", asset=f"A{number}", device=filled).status == 303
        running.collector.jobs.tick(time.time())
        import_rows(running, *rows)
        with running.collector.engine.connect() as connection:
            assert connection.execute(select(asset).where(asset.c.device_id == filled)).all() == []
        assert len(lines(admin.get("/investment-list")[1])) == 5
        assert self.post(admin, action="link", asset=f"A{number}", device=filled).status == 303
        assert len(lines(admin.get("/investment-list")[1])) == 4

    def test_confirming_makes_a_persons_link_of_it(self, running, filled, admin, reference):
        number = reference(running, filled).split("/")[0]
        assert self.post(admin, action="confirm", asset=number, device=filled).status == 303
        with running.collector.engine.connect() as connection:
            row = connection.execute(select(asset.c.linked_by).where(asset.c.device_id == filled)).one()
        assert row.linked_by == "person"

    def test_ruling_out_both_clones_ends_the_doubt(self, running, clones, admin):
        for one in clones:
            assert "nhân bản" in admin.get("/identity")[1]
            assert self.post(admin, action="unlink", asset="A1", device=one).status == 303
        assert "Không có trường hợp nào" in admin.get("/identity")[1]
        assert self.linked(running).device_id is None

    @pytest.mark.parametrize(
        ("fields", "status", "words"),
        [
            ({"action": "link", "asset": "A999", "device": "{device}"}, 404, "không có tài sản 999"),
            ({"action": "link", "asset": "A1", "device": "f" * 32}, 404, "không có máy"),
            ({"action": "link", "asset": "A1", "device": ""}, 404, "không có máy"),
            ({"action": "link", "asset": "1; DROP TABLE", "device": "x"}, 400, "không phải số tài sản"),
            ({"action": "link", "asset": "9" * 50, "device": "x"}, 400, "không phải số tài sản"),
            ({"action": "melt", "asset": "A1", "device": "{device}"}, 400, "hãy chọn"),
            ({"action": "confirm", "asset": "A1", "device": "{device}"}, 400, "không được ghép"),
            ({"action": "link", "asset": "A1", "device": "{device}", "reason": "x" * 10_000}, 400, "10000 ký tự"),
        ],
    )
    def test_bad_input_says_why(self, running, clones, admin, fields, status, words):
        fields = {name: value.replace("{device}", clones[0]) for name, value in fields.items()}
        answer = self.post(admin, **fields)
        assert (answer.status, words in answer.data.decode()) == (status, True), answer.data.decode()
        assert self.linked(running).device_id is None

    def test_a_terminal_has_one_asset(self, running, clones, admin, import_rows):
        import_rows(running, (1, "16681", "Máy hai", "QQQ9999", None, 2012, None, None), name="b.xlsx")
        self.post(admin, action="link", asset="A1", device=clones[0])
        answer = self.post(admin, action="link", asset="A2", device=clones[0])
        assert (answer.status, "tách cặp" in answer.data.decode()) == (400, True)

    def test_a_replaced_disk_and_board_show_as_history_and_hours_do_not(self, running, report, parts, admin):
        me = running.enrol()
        disk = {"device": "sda", "model": "WDC WD5000", "size_bytes": 500 * 1024**3, "power_on_hours": 10}
        steps = (
            ([disk], "BRD1"),
            ([disk | {"power_on_hours": 11}], "BRD1"),
            ([disk | {"model": "Kingston A400", "size_bytes": 240 * 1024**3}], "BRD2"),
        )
        now = time.time() - 300
        for number, (disks, board) in enumerate(steps, start=1):
            facts = [parts["fact"]("disk", disks), parts["fact"]("baseboard", [{"product": "0GY6Y8", "serial": board}])]
            running.upload(me["token"], [report(me["device_id"], number, wall=now + number, facts=facts)])
        running.wait_written()
        with running.collector.engine.connect() as connection:
            assert len(connection.execute(select(device_fact_history)).all()) == 3
        _, text = admin.get(f"/devices/{me['device_id']}?language=en")
        table = text[text.index('id="history"') : text.index("Hardware and system")]
        assert table.count("<tr>") == 1 + 2
        assert "WDC WD5000 (500 GiB)" in table
        assert "Kingston A400 (240 GiB)" in table
        assert "0GY6Y8 BRD2" in table

    def test_the_command_line_does_the_same(self, running, clones, tmp_path):
        def run(*words, code=0):
            done = subprocess.run(
                [sys.executable, "-m", "collector.cli.inventory", *words, "--language", "en"],
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=60,
                cwd=ROOT,
                check=False,
                env=os.environ | {"THONGMANG_STATE_DIR": str(running.collector.state), "PYTHONUTF8": "1"},
            )
            assert done.returncode == code, done.stdout + done.stderr
            assert "Traceback" not in done.stderr
            return done.stdout + done.stderr

        (doubt,) = json.loads(run("doubts", "--format", "json"))["doubts"]
        assert sorted(row["id"] for row in doubt["devices"]) == clones
        run("link", "A1", f"D{clones[0]}", "--by", "Lan", "--reason", "đã xem tem trên vỏ")
        assert "Nothing is in doubt" in run("doubts")
        run("confirm", "1", clones[0])
        assert "is not linked to terminal" in run("confirm", "1", clones[1], code=1)
        run("unlink", "A1")
        assert "linked to no terminal" in run("unlink", "A1", code=1)
        assert "there is no asset 77" in run("link", "A77", clones[0], code=1)
        assert "expected one as A12" in run("unlink", "máy-1", code=2)
        assert "the reason has 3 signs" in run("link", "A1", clones[0], "--reason", "abc", code=1)
