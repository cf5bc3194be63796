"""`thongmang inventory` as real processes over a real registry."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest

from collector.db.registry import open_registry

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path):
    open_registry(tmp_path / "state" / "registry.sqlite").dispose()

    def call(*words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "collector.cli.inventory", *map(str, words)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            cwd=ROOT,
            check=False,
            env=os.environ
            | {"THONGMANG_STATE_DIR": str(tmp_path / "state"), "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"},
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return call


@pytest.fixture
def file(tmp_path, make_xlsx, titles):
    path = tmp_path / "so.xlsx"
    path.write_bytes(
        make_xlsx(
            ["UBND XÃ"],
            titles,
            [1, "Phường Thành Vinh", "Máy tính để bàn", "ABC1234", "TS1", 2013, "12.500.000", "Tốt"],
            [2, "xa nghi loc", "Máy in", "XYZ9876", "TS2", "15/03/2019", 3_500_000, None],
            [3, "Xã Không Có", "Máy in", "QQQ1111", None, 2106, -5, None],
            [4, "16681", "Máy in", "abc-1234", None, 2015, None, None],
        )
    )
    return path


def counted(done):
    told = json.loads(done.stdout)
    counts = {name: told[name] for name in ("created", "updated", "unchanged", "rejected", "rows")}
    assert counts["rows"] == sum(counts.values()) - counts["rows"]
    return counts, told


def test_import_twice_correct_the_rejected_and_undo(run, file, tmp_path):
    rejected = tmp_path / "tu-choi.xlsx"
    dry, _ = counted(run("import", file, "--dry-run", "--format", "json"))
    first, told = counted(run("import", file, "--format", "json", "--rejected", rejected, "--language", "en"))
    assert first == dry == {"created": 2, "updated": 0, "unchanged": 0, "rejected": 2, "rows": 4}
    assert [(row["row"], len(row["errors"])) for row in told["rejected_rows"]] == [(5, 3), (6, 1)]
    assert "serial abc-1234 already stands in row Tài sản!3" in told["rejected_rows"][1]["errors"][0]["reason"]
    again, _ = counted(run("import", file, "--format", "json"))
    assert again == {"created": 0, "updated": 0, "unchanged": 2, "rejected": 2, "rows": 4}

    book = openpyxl.load_workbook(rejected)
    page = book.active
    header = [cell.value for cell in page[1]]
    assert header[1:3] == ["Đơn vị", "Tên tài sản"]
    assert page.max_row == 3
    assert "column F" in page.cell(2, len(header)).value
    page["B2"], page["F2"], page["G2"] = "Xã Nghi Lộc", 2016, 5_000_000
    page["D3"] = "NEW0001"
    book.save(rejected)
    corrected, _ = counted(run("import", rejected, "--format", "json"))
    assert corrected == {"created": 2, "updated": 0, "unchanged": 0, "rejected": 0, "rows": 2}

    run("undo", 3)
    run("undo", 3, code=1)
    assert counted(run("import", rejected, "--dry-run", "--format", "json"))[0]["created"] == 2


def test_the_list_in_every_form(run, file, tmp_path):
    run("import", file)
    for name in ("xlsx", "csv", "json"):
        run("investment-list", "--format", name, "-o", tmp_path / f"ds.{name}", "--as-of", "2026-11-21")
    told = json.loads((tmp_path / "ds.json").read_text(encoding="utf-8"))
    assert [item["serial"] for item in told["items"]] == ["ABC1234"]
    book = openpyxl.load_workbook(tmp_path / "ds.xlsx")
    assert book.active.max_row == 2
    assert (tmp_path / "ds.csv").read_text(encoding="utf-8-sig").count("\n") == 2


def test_text_output_tells_counts_and_reasons(run, file):
    out = run("import", file, "--language", "en").stdout
    for line in ("created: 2", "rejected: 2", "rows: 4", "sheet “Tài sản”, row 5: column B: “Xã Không Có”"):
        assert line in out


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rong.xlsx", b"", "rong.xlsx"),
        ("hong.xlsx", b"PK\x03\x04 broken", "hong.xlsx"),
        ("anh.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "anh.csv"),
        ("khac.csv", b"a;b\n1;2\n", "Tên tài sản"),
        ("macro.xlsm", b"PK\x03\x04", "macro"),
    ],
)
def test_an_unreadable_file_ends_with_2_and_says_why(run, tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    assert said in run("import", path, code=2).stderr


def test_unknown_unit_missing_file_and_bad_output(run, file, tmp_path):
    assert "99999" in run("import", file, "--unit", "99999", code=2).stderr
    assert "khong-co.xlsx" in run("import", tmp_path / "khong-co.xlsx", code=2).stderr
    gone = tmp_path / "khong" / "co.xlsx"
    assert str(gone) in run("investment-list", "--format", "xlsx", "-o", gone, code=1).stderr
    # Who asked for the rejected rows and cannot get them gets no import either.
    assert str(gone) in run("import", file, "--rejected", gone, code=1).stderr
    assert counted(run("import", file, "--dry-run", "--format", "json"))[0]["created"] == 2


def test_the_template_can_be_filled_in_and_imported(run, tmp_path):
    blank = tmp_path / "mau.xlsx"
    run("template", "-o", blank, "--unit", "Xã Nghi Lộc", "--language", "vi")
    book = openpyxl.load_workbook(blank)
    page = book["Kê khai"]
    assert len(page.data_validations.dataValidation) == 7
    titles = [cell.value for cell in page[1]]
    lists = book["Danh mục chọn"]
    choices = [[cell.value for cell in column if cell.value] for column in lists.iter_cols()]
    assert [len(choice) for choice in choices] == [130, 19, 3, 3, 15]
    for number, kind in enumerate(choices[1], 2):
        page.cell(number, titles.index("Đơn vị") + 1, choices[0][number])
        page.cell(number, titles.index("Tên tài sản") + 1, f"Thiết bị {number}")
        page.cell(number, titles.index("Loại thiết bị") + 1, kind)
        page.cell(number, titles.index("Khối") + 1, choices[2][number % 3])
        page.cell(number, titles.index("Năm đưa vào sử dụng") + 1, 2020)
    filled = io.BytesIO()
    book.save(filled)
    blank.write_bytes(filled.getvalue())
    counts, told = counted(run("import", blank, "--format", "json"))
    assert counts["created"] == 19
    # The sheets of the survey are for `inventory survey` and the guide for people; no other column is left over.
    assert counts["rejected"] == 0
    about_columns = [note for note in told["notes"] if "cột" in note or "column" in note]
    left_out = ("Khảo sát", "Đường truyền", "Hướng dẫn")
    assert [note for note in about_columns if not any(sheet in note for sheet in left_out)] == []
    run("investment-list", "--format", "json", "-o", tmp_path / "ds.json", "--as-of", "2040-01-01")
    listed = json.loads((tmp_path / "ds.json").read_text(encoding="utf-8"))["items"]
    assert len({item["kind"] for item in listed}) == 19
    assert {item["block"] for item in listed} == {"dang", "mttq", "chinh-quyen"}


def test_twenty_thousand_rows(run, tmp_path, titles):
    units = ["Xã Nghi Lộc", "Phường Thành Vinh", "do luong"]
    lines = [
        f"{n};{units[n % 3]};Máy tính {n % 50};SR{n:06d};TS{n:06d};{2005 + n % 20};12.500.000;Tốt"
        for n in range(20_000)
    ]
    path = tmp_path / "lon.csv"
    path.write_text("\n".join([";".join(titles), *lines]), encoding="utf-8")
    started = time.monotonic()
    assert counted(run("import", path, "--format", "json"))[0]["created"] == 20_000
    assert counted(run("import", path, "--format", "json"))[0]["unchanged"] == 20_000
    # Some seconds each here; minutes would mean that the work grows with the square of the rows.
    assert time.monotonic() - started < 90


def test_the_blank_template_imports_as_nothing(run, tmp_path):
    blank = tmp_path / "mau.xlsx"
    run("template", "-o", blank, "--unit", "Xã Nghi Lộc")
    counts, told = counted(run("import", blank, "--unit", "17827", "--format", "json", "--language", "en"))
    assert counts == {"created": 0, "updated": 0, "unchanged": 0, "rejected": 0, "rows": 0}
    assert [note for note in told["notes"] if "“Hướng dẫn” holds instructions" in note]
    assert "“Khảo sát” is a survey" in run("import", blank, "--unit", "17827", "--language", "en").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("import", "so.csv"),
        ("undo", 1),
        ("investment-list", "--format", "json", "-o", "ds.json"),
        ("plan", "--ceiling", "2027=1000000000"),
        ("survey", "so.csv"),
    ],
    ids=lambda words: words[0],
)
def test_a_mistyped_state_folder_is_told_and_not_made(run, tmp_path, words):
    typo = tmp_path / "typo"
    words = [str(tmp_path / word) if str(word).startswith(("so.", "ds.")) else word for word in words]
    (tmp_path / "so.csv").write_text("Tên tài sản;Đơn vị\nMáy in;Xã Nghi Lộc\n", encoding="utf-8")
    said = run(*words, "--state-dir", typo, "--language", "en", code=2).stderr
    assert f"no registry (registry.sqlite) in {typo}: start the collector" in said
    assert not typo.exists()
    assert not (tmp_path / "ds.json").exists()
    typo.mkdir()
    run(*words, "--state-dir", typo, code=2)
    assert list(typo.iterdir()) == []


def test_devices_pipes_and_folders_end_with_2(run, tmp_path):
    (tmp_path / "zero").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    for name in ("zero", "pipe", "."):
        assert "not a file" in run("import", tmp_path / name, "--language", "en", code=2).stderr


def test_a_far_off_cell_ends_with_2_in_little_memory(run, tmp_path, make_xlsx):
    data = make_xlsx(["Tên tài sản", "Đơn vị"], ["Máy in", "Xã Nghi Lộc"])
    path = tmp_path / "xa.xlsx"
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(path, "w") as target:
        for part in source.infolist():
            target.writestr(part.filename, source.read(part).replace(b'r="A2"', b'r="ZZZZZZ2"'))
    _, before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (4_000_000 << 10, before))
    try:
        assert "“ZZZZZZ2”" in run("import", path, code=2).stderr
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, before))
