"""The investment list and decisions on it, against a real collector."""

from __future__ import annotations

import re
import time

import pytest
from sqlalchemy import select

from collector.db.tables import decision_override
from collector.settings import Settings, Web

REASON = "Đã kiểm tra tem máy tại chỗ"


class TestList:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", 4),
            ("?q=may+in+da+nang", 1),
            ("?q=M%C3%81Y+IN+%C4%90A+N", 1),
            ("?q=nghi+loc", 2),
            ("?q=q2m1", 1),
            ("?q=7xkq2m1", 1),
            ("?q=zzz", 0),
            ("?unit=16681", 2),
            ("?unit=16681&decision=yes", 2),
            ("?decision=uncertain", 1),
            ("?decision=no&kind=multifunction", 1),
            ("?recommendation=verify", 1),
            ("?block=none", 4),
            ("?block=dang", 0),
            ("?unit=99999", 0),
            ("?sort=wrong&page=x", 4),
            ("?page=999", 4),
            ("?unit=%00&q=%F0%9F%92%BB", 0),
        ],
    )
    def test_filters_and_search_without_accents(self, running, filled, admin, query, found, lines):
        status, text = admin.get("/investment-list" + query)
        assert status == 200
        assert len(lines(text)) == found

    def test_sorting_follows_the_vietnamese_alphabet(self, running, filled, admin, lines):
        _, text = admin.get("/investment-list?sort=name&language=en")
        names = re.findall(r'data-label="Equipment">(?:<a[^>]*>)?([^<&]+)', text)
        assert [name.strip() for name in names] == ["Máy in Đa năng", "Máy tính để bàn Dell", "Máy tính", "Ổn áp"]
        assert lines(admin.get("/investment-list?sort=-name")[1]) == lines(text)[::-1]

    def test_pages_hold_fifty_lines_each_exactly_once(self, running, admin, import_rows, lines):
        many = [(n, "16681", f"Máy tính {n}", f"SER{n:05d}", None, 2012, None, None) for n in range(120)]
        import_rows(running, *many)
        pages = [lines(admin.get(f"/investment-list?page={number}")[1]) for number in (1, 2, 3)]
        assert [len(page) for page in pages] == [50, 50, 20]
        assert len({line for page in pages for line in page}) == 120
        assert 'rel="next"' in admin.get("/investment-list")[1]

    def test_evidence_is_there_and_nothing_of_the_register_becomes_markup(self, running, filled, admin):
        _, text = admin.get("/investment-list?language=en")
        assert "<details>" in text
        assert "May 2010" in text or "05/2010" in text or "14/05/2010" in text
        assert "<b>Án" not in text
        assert "<script" not in text
        assert 'lang="en"' in text

    def test_the_list_is_made_once_and_again_after_a_change(self, running, filled, admin, import_rows, lines):
        admin.get("/investment-list")
        first = running.collector.lists.current(time.time())
        assert running.collector.lists.current(time.time()) is first
        import_rows(running, (1, "16681", "Máy chiếu", "DDD4444", None, 2012, None, None), name="khac.xlsx")
        assert running.collector.lists.current(time.time()) is not first
        assert len(lines(admin.get("/investment-list")[1])) == 5


class TestDecisions:
    def decide(self, reader, item, **changed):
        fields = {"item": item, "decision": "no", "reason": REASON, "back": "unit=16681&sort=name"}
        return reader.post("/investment-list/decisions", **fields | changed)

    def test_a_decision_is_kept_shown_and_in_the_document(self, running, filled, admin, reference):
        item = reference(running, filled)
        answer = self.decide(admin, item, token=admin.token())
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/investment-list?unit=16681&sort=name#line-A")
        _, text = admin.get("/investment-list?decided=person&language=en")
        assert "decided; computed: yes" in text
        assert REASON in text
        document = running.get("/investment-list/danh-muc.csv", Cookie=admin.cookie).data.decode("utf-8-sig")
        assert item not in document
        again = self.decide(admin, item, token=admin.token(), decision="yes", reason="Xem lại: máy cũ hơn mười năm")
        assert again.status == 303
        document = running.get("/investment-list/danh-muc.csv", Cookie=admin.cookie).data.decode("utf-8-sig")
        assert "Xem lại: máy cũ hơn mười năm" in document
        listed = running.api("/api/v1/investment-list?language=en")
        assert any("Decided by" in text for one in listed["items"] for text in one["reasons"])
        _, device = admin.get(f"/devices/{filled}?language=en")
        assert device.count("Đã kiểm tra") == 1
        assert "no longer in force" in device

    def test_withdrawing_brings_the_computed_answer_back_and_keeps_the_history(
        self, running, filled, admin, lines, reference
    ):
        item = reference(running, filled)
        assert self.decide(admin, item, token=admin.token(), decision="computed").status == 400
        self.decide(admin, item, token=admin.token())
        assert self.decide(admin, item, token=admin.token(), decision="computed").status == 303
        assert len(lines(admin.get("/investment-list?decided=person")[1])) == 0
        with running.collector.engine.connect() as connection:
            rows = connection.execute(select(decision_override).order_by(decision_override.c.id)).all()
        assert [(row.decision, row.superseded_at is None) for row in rows] == [("no", False), (None, False)]

    @pytest.mark.parametrize(
        ("changed", "status", "words"),
        [
            ({"reason": ""}, 400, "0 ký tự"),
            ({"reason": "   \n  "}, 400, "0 ký tự"),
            ({"reason": "x" * 10_000}, 400, "10000 ký tự"),
            ({"decision": "maybe"}, 400, "hãy chọn"),
            ({"decision": ""}, 400, "hãy chọn"),
            ({"item": "A999999"}, 404, "không còn"),
            ({"item": ""}, 404, "không còn"),
            ({"token": "0" * 64}, 403, "phiên"),
            ({"token": "ă"}, 403, "phiên"),
        ],
    )
    def test_bad_forms_change_nothing_and_say_why(self, running, filled, admin, changed, status, words, reference):
        fields = {"item": reference(running, filled), "token": admin.token()} | changed
        answer = self.decide(admin, **fields)
        assert answer.status == status
        assert words in answer.data.decode()
        with running.collector.engine.connect() as connection:
            assert connection.execute(select(decision_override)).all() == []

    def test_a_form_leads_back_to_the_list_and_nowhere_else(self, running, filled, admin, reference):
        answer = self.decide(
            admin, reference(running, filled), token=admin.token(), back="//evil.example/&unit=x%0d%0aA:b"
        )
        assert answer.headers["Location"].startswith("/investment-list?unit=x%0D%0AA%3Ab#")

    def test_viewers_and_others_sessions_may_not_decide(self, running, filled, admin, viewer, reference, reader_of):
        _, text = viewer.get("/investment-list")
        assert 'name="reason"' not in text
        assert "Chỉ quản trị viên" in text
        for path, fields in (
            ("/investment-list/decisions", {"item": reference(running, filled), "decision": "no", "reason": REASON}),
            ("/identity", {"action": "unlink", "asset": "A1", "device": filled}),
            ("/register/1/undo", {"sure": "yes"}),
        ):
            assert viewer.post(path, token=admin.token(), **fields).status == 403
            assert reader_of(running, running.admin_token).post(path, token=admin.token(), **fields).status == 403
            assert reader_of(running).post(path, token=admin.token(), **fields).headers["Location"].startswith("/login")

    def test_a_withdrawn_import_takes_no_decision_to_another_asset(self, running, admin, import_rows, lines, rows):
        number = import_rows(running, rows[1])
        self.decide(admin, "A1", token=admin.token())
        assert (
            admin.post(f"/register/{number}/undo", token=admin.token(f"/register/{number}"), sure="yes").status == 303
        )
        import_rows(running, (1, "16681", "Máy khác", "EEE5555", None, 2012, None, None), name="b.xlsx")
        assert "A1" in admin.get("/investment-list?q=may+khac")[1]
        assert len(lines(admin.get("/investment-list?decided=person")[1])) == 0
        import_rows(running, (1, "16681", "Ổn áp", "BBB2222", "TS2", 2012, 3_000_000, "Tốt"), name="c.xlsx")
        (line,) = lines(admin.get("/investment-list?decided=person")[1])
        assert line == "line-A2"


class TestWithoutLogin:
    @pytest.fixture
    def settings(self):
        return Settings(web=Web(require_login=False))

    def test_nobody_can_write_and_the_page_says_so(self, running, filled, reader_of):
        reader = reader_of(running)
        for path in ("/investment-list", "/identity", "/register/1"):
            status, text = reader.get(path)
            assert status == 200
            assert "không cần đăng nhập" in text, path
            assert 'method="post"' not in text, path
        answer = reader.post("/investment-list/decisions", item="A1", decision="no", reason=REASON, token="")
        assert (answer.status, "quản trị viên đăng nhập" in answer.data.decode()) == (403, True)

    def test_an_administrator_who_logs_in_can(self, running, filled, admin, reference):
        fields = {"item": reference(running, filled), "decision": "no", "reason": REASON}
        assert admin.post("/investment-list/decisions", token=admin.token(), **fields).status == 303


def test_every_page_asks_for_a_login(running):
    for path in (
        "/investment-list",
        "/investment-list/danh-muc.csv",
        "/identity",
        "/quality",
        "/quality/16681",
        "/register",
    ):
        answer = running.get(path)
        assert (answer.status, answer.headers["Location"]) == (303, f"/login?next={path}")


def test_a_store_of_many_decisions_stays_one_row_in_force(running, filled, admin, reference):
    item, token = reference(running, filled), admin.token()
    for decision in ("yes", "no", "uncertain", "no"):
        admin.post("/investment-list/decisions", item=item, decision=decision, reason=REASON, token=token)
    with running.collector.engine.connect() as connection:
        rows = connection.execute(select(decision_override.c.superseded_at)).all()
    assert [row.superseded_at is None for row in rows] == [False, False, False, True]
