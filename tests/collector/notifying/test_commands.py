"""`thongmang collector receiver | silence | maintenance | duty`."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from collector.cli.collector import main
from collector.db import routing
from collector.db.notification_tables import duty_import, receiver

MAIL = ["receiver", "add", "IT", "--channel", "smtp", "--address", "it@nghean.example"]


@pytest.fixture
def run(tmp_path, registry, capsys):
    def command(*words):
        code = main(["--state-dir", str(tmp_path / "state"), *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


def test_receivers_come_and_go(run, registry):
    words = ["--quiet", "22:00-06:30", "--units", "16681", "--districts", "nghi loc", "--by", "Lan"]
    code, out, _ = run(*MAIL, *words)
    assert (code, "IT" in out) == (0, True)
    with registry.connect() as connection:
        (row,) = connection.execute(select(receiver)).all()
    assert (row.quiet_start_minute, row.quiet_end_minute, row.created_by) == (1320, 390, "Lan")
    assert (row.units, row.districts) == (["16681"], ["Huyện Nghi Lộc"])
    code, out, _ = run("receiver", "list")
    assert out.split("\t")[:4] == ["IT", "smtp", "it@nghean.example", "warning"]
    assert run(*MAIL)[0] == 1
    assert run("receiver", "remove", "IT")[0] == 0
    assert run("receiver", "remove", "IT")[0] == 1
    assert run(*MAIL)[0] == 0


def test_what_is_wrong_is_said_in_vietnamese(run):
    assert run(*MAIL)[0] == 0
    code, _, err = run(*MAIL)
    assert (code, "đã có người nhận" in err) == (1, True), err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--address", "nobody"], "nobody"),
        (["--quiet", "22-6"], "22:00-06:30"),
        (["--time-zone", "Hanoi"], "Asia/Ho_Chi_Minh"),
        (["--units", "Xã Không Có"], "Xã Không Có"),
        (["--districts", "Paris"], "Huyện Nghi Lộc"),
        (["--duty-only", "--fallback"], "nhận thay"),
    ],
)
def test_a_bad_receiver_names_the_field_and_what_was_expected(run, words, said):
    code, _, err = run(*MAIL, *words)
    assert (code, said in err) == (1, True), err


def test_a_test_message_arrives_or_says_why_not(run, hook, add_receiver):
    add_receiver("hook", "webhook", hook.url)
    code, _, _ = run("receiver", "test", "hook")
    assert (code, [one.kind for one in hook.arrivals]) == (0, ["test"])
    hook.answer = 410
    code, _, err = run("receiver", "test", "hook")
    assert (code, "410" in err) == (1, True)


def test_silences(run):
    code, out, _ = run("silence", "add", "--units", "16681", "--until", "01/01/2200 00:00", "--reason", "thay cáp")
    assert code == 1
    code, _, err = run("silence", "add", "--until", "01/01/2030 00:00", "--reason", "thay cáp")
    assert (code, "*" in err) == (1, True)
    code, _, err = run("silence", "add", "--units", "16681", "--until", "01/01/2020 00:00", "--reason", "thay cáp")
    assert code == 1
    from collector.clock import local_time, now_seconds

    until = local_time(now_seconds() + 7200).strftime("%d/%m/%Y %H:%M")
    code, out, err = run("silence", "add", "--units", "16681", "--until", until, "--reason", "thay cáp", "--by", "Lan")
    assert code == 0, err
    code, out, _ = run("silence", "list", "--language", "en")
    assert "unit Phường Thành Vinh\tLan\tthay cáp" in out
    assert run("silence", "end", "1")[0] == 0
    assert run("silence", "end", "1")[0] == 1


def test_weekly_maintenance(run):
    weekly = ["--weekdays", "sat,sun", "--at", "22:00", "--minutes", "240", "--reason", "sao lưu", "--rules", "*"]
    assert run("maintenance", "add", *weekly)[0] == 0
    _, out, _ = run("maintenance", "list", "--language", "en")
    assert "every Saturday, Sunday at 22:00 for 240 minutes" in out
    assert run("maintenance", "end", "1")[0] == 0
    assert run("maintenance", "add", "--rules", "*", "--weekdays", "someday", "--reason", "x")[0] == 1


def test_a_roster_from_a_file_names_its_bad_rows_and_keeps_them(run, tmp_path, registry, add_receiver):
    for name in ("Lan", "Hùng"):
        add_receiver(name, duty_only=True)
    add_receiver("office")
    file = tmp_path / "truc.csv"
    file.write_text(
        "Người trực;Địa bàn;Từ ngày;Đến ngày;Lặp lại (tuần)\n"
        "Lan;Toàn tỉnh;23/11/2026;;2\n"
        "Hùng;Toàn tỉnh;30/11/2026;;2\n"
        "Lan;Huyện Nghi Lộc;2026-12-01;2026-12-07;\n"
        "Hùng;Phường Thành Vinh;01/12/2026;;\n"
        "Minh;Toàn tỉnh;01/12/2026;;\n"
        "office;Toàn tỉnh;01/12/2026;;\n"
        "Lan;Xã Không Có;01/12/2026;;\n"
        "Lan;Toàn tỉnh;31/02/2026;;\n"
        "Lan;Toàn tỉnh;02/12/2026;01/12/2026;\n",
        encoding="utf-8",
    )
    code, out, err = run("duty", "import", str(file), "--language", "en", "--by", "Trưởng phòng")
    assert (code, "9 rows, 4 new duties" in out) == (1, True), out + err
    assert [line.split(":")[0] for line in out.splitlines()[2:]] == [f"row {n}" for n in range(6, 11)]
    with registry.connect().execution_options(read_only=True) as connection:
        (row,) = connection.execute(select(duty_import)).all()
        duties = [(one.receiver_name, one.scope, one.place, one.last_day) for one in routing.duties(connection)]
    assert (row.imported_by, row.body) == ("Trưởng phòng", file.read_bytes())
    assert [one["cells"][0] for one in row.rejected] == ["Minh", "office", "Lan", "Lan", "Lan"]
    assert duties == [
        ("Lan", "district", "Huyện Nghi Lộc", "2026-12-07"),
        ("Lan", "province", "", None),
        ("Hùng", "province", "", None),
        ("Hùng", "unit", "16681", "2026-12-07"),
    ]
    assert "0 new duties, 4 known" in run("duty", "import", str(file), "--language", "en")[1]
    code, out, _ = run("duty", "list", "--language", "en")
    assert (code, "On duty now, the whole province" in out) == (0, True)
    assert run("duty", "remove", "1")[0] == 0
    file.write_text("a;b\n1;2\n")
    assert run("duty", "import", str(file))[0] == 2


def test_where_nobody_of_a_district_is_on_duty_the_province_s_people_are_named(run, tmp_path):
    for name in ("Lan", "Minh"):
        assert run("receiver", "add", name, "--channel", "smtp", "--address", "a@b.vn", "--duty-only")[0] == 0
    roster = tmp_path / "truc.csv"
    roster.write_text(
        "receiver,place,first_day,last_day\nLan,toàn tỉnh,2020-01-01,2199-12-31\nMinh,Nghi Lộc,2020-01-01,2020-01-02\n",
        "utf-8",
    )
    assert run("duty", "import", str(roster))[0] == 0
    code, out, _ = run("duty", "list")
    assert code == 0
    assert "Huyện Nghi Lộc: Lan\n" in out
