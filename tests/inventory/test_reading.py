"""Files as people have them: encodings, delimiters, layouts; and files that mean harm."""

from __future__ import annotations

import io
import os
import re
import socket
import struct
import zipfile
import zlib

import openpyxl
import pytest

from inventory.register.errors import UnreadableFileError
from inventory.register.extents import Limits
from inventory.register.reading import read_file, read_register_bytes

CSV = (
    "STT;Đơn vị;Tên tài sản;Số serial;Năm đưa vào sử dụng;Nguyên giá\r\n"
    "1;Xã Nghi Lộc;Máy vi tính để bàn;ABC1234;2014;12.500.000\r\n"
    "2;Xã Đô Lương;Máy in Canon;XYZ9876;2019;3.500.000\r\n"
)
# The same two lines of text as typed in the fonts of the time before Unicode.
TCVN3_CSV = (
    b"STT;\xa7\xacn v\xde;T\xaan t\xb5i s\xb6n;S\xe8 serial\r\n"
    b"1;X\xb7 Nghi L\xe9c;M\xb8y vi t\xddnh \xae\xd3 b\xb5n;ABC1234\r\n"
)
VNI_CSV = "STT;Ñôn vò;Teân taøi saûn;Soá serial\r\n1;Xaõ Nghi Loäc;Maùy vi tính ñeå baøn;ABC1234\r\n".encode("cp1252")


def table(file):
    return [list(row.cells) for sheet in file.sheets for row in sheet.rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_csv(encoding):
    file = read_register_bytes(CSV.encode(encoding), "so.csv")
    assert table(file)[1] == ["1", "Xã Nghi Lộc", "Máy vi tính để bàn", "ABC1234", "2014", "12.500.000"]


def test_windows_1258_csv():
    # Windows-1258 has five combining tones, which a composed letter must be taken apart for.
    tones = {"\u0300", "\u0301", "\u0303", "\u0309", "\u0323"}
    out = bytearray()
    import unicodedata

    for letter in CSV:
        try:
            out += letter.encode("cp1258")
        except UnicodeEncodeError:
            parts = unicodedata.normalize("NFD", letter)
            tone = next(part for part in parts if part in tones)
            out += unicodedata.normalize("NFC", parts.replace(tone, "")).encode("cp1258") + tone.encode("cp1258")
    file = read_register_bytes(bytes(out), "so.csv")
    assert file.encoding == "cp1258"
    assert table(file)[2] == ["2", "Xã Đô Lương", "Máy in Canon", "XYZ9876", "2019", "3.500.000"]


@pytest.mark.parametrize(("data", "name"), [(TCVN3_CSV, "tcvn3"), (VNI_CSV, "vni")])
def test_csv_of_the_time_before_unicode(data, name):
    file = read_register_bytes(data, "so.csv")
    assert file.encoding == name
    assert table(file) == [
        ["STT", "Đơn vị", "Tên tài sản", "Số serial"],
        ["1", "Xã Nghi Lộc", "Máy vi tính để bàn", "ABC1234"],
    ]


def test_text_typed_in_an_old_font_inside_a_unicode_workbook(make_xlsx):
    data = make_xlsx(*[line.split(";") for line in TCVN3_CSV.decode("latin-1").splitlines()])
    assert table(read_register_bytes(data, "so.xlsx"))[1][2] == "Máy vi tính để bàn"


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_delimiters(delimiter):
    text = CSV.replace(";", delimiter)
    assert table(read_register_bytes(text.encode(), "so.csv"))[1][3] == "ABC1234"


def test_the_binary_workbook_that_people_still_have(make_xls, prepare):
    data = make_xls(
        [
            ["STT", "Tªn tµi s¶n", "Sè serial", "N¨m ®\xada vµo sö dông", "Nguyªn gi¸"],
            [1.0, "M¸y vi tÝnh ®Ó bµn", "ABC1234", 2014.0, 12_500_000.0],
        ]
    )
    (row,) = prepare(data, name="so.xls", unit="16681").plan.created
    assert (row.values.name, row.values.serial) == ("Máy vi tính để bàn", "ABC1234")
    assert (row.values.year_put_into_use, row.values.original_cost_vnd) == (2014, 12_500_000)


def test_quoted_cells_hold_delimiters_and_line_ends():
    text = 'Tên tài sản;Ghi chú\n"Máy in; mực đen";"hai\ndòng"\nMáy scan;\n'
    assert table(read_register_bytes(text.encode(), "so.csv"))[1:] == [
        ["Máy in; mực đen", "hai dòng"],
        ["Máy scan", None],
    ]


def test_row_numbers_are_those_of_the_spreadsheet(make_xlsx):
    file = read_register_bytes(make_xlsx(["a"], [], [], ["b"]), "so.xlsx")
    assert [row.number for row in file.sheets[0].rows] == [1, 4]


def test_a_sheet_that_begins_further_in_keeps_its_places():
    book = openpyxl.Workbook()
    book.active["C5"] = "x"
    out = io.BytesIO()
    book.save(out)
    (row,) = read_register_bytes(out.getvalue(), "so.xlsx").sheets[0].rows
    assert (row.number, row.cells) == (5, (None, None, "x"))


def test_hidden_sheets_are_not_read(make_xlsx):
    book = openpyxl.load_workbook(io.BytesIO(make_xlsx(["a"])))
    book.create_sheet("ẩn").append(["b"])
    book["ẩn"].sheet_state = "hidden"
    out = io.BytesIO()
    book.save(out)
    assert [sheet.name for sheet in read_register_bytes(out.getvalue(), "so.xlsx").sheets] == ["Tài sản"]


def refusal(data, name="so.xlsx", limits=None):
    with pytest.raises(UnreadableFileError) as caught:
        read_register_bytes(data, name, limits)
    assert name in str(caught.value)
    return str(caught.value)


def rewritten(data, change):
    """The workbook with its parts passed through `change(name, content)`."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.infolist():
            target.writestr(part.filename, change(part.filename, source.read(part)))
    return out.getvalue()


def test_empty_and_foreign_files():
    assert "empty" in refusal(b"  \r\n ", "so.csv")
    assert "not a text file" in refusal(bytes(range(32)) * 40, "anh.png")
    assert "encoding" in refusal(b"T\xea\xab t\x90i s\xa6n;abc\xa9\n" * 9, "so.csv")
    assert "workbook" in refusal(b"PK\x03\x04 and then nothing")
    assert "workbook" in refusal(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "so.xls")


def test_other_archives_are_refused(make_xlsx):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("content.xml", "<table number-rows-repeated='1048576'/>")
    assert "expected XLSX, XLS or CSV" in refusal(out.getvalue(), "so.ods")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UnreadableFileError, match=r"không có\.xlsx: cannot be opened"):
        read_file(tmp_path / "không có.xlsx")


def test_macros_are_refused(make_xlsx):
    data = make_xlsx(["a"])
    with_macro = io.BytesIO(data)
    with zipfile.ZipFile(with_macro, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"x")
    assert "macros" in refusal(with_macro.getvalue())
    assert "macros" in refusal(data, "so.xlsm")
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "_VBA_PROJECT".encode("utf-16-le")
    assert "macros" in refusal(old, "so.xls")


def test_a_password_is_named():
    locked = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le")
    assert "password" in refusal(locked)


def test_a_zip_bomb_is_refused_before_it_is_opened(make_xlsx):
    bomb = io.BytesIO(make_xlsx(["a"]))
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/zeros.bin", b"\0" * (40 << 20))
    assert len(bomb.getvalue()) < 100_000
    assert "grows beyond 32 megabytes" in refusal(bomb.getvalue(), limits=Limits(decompressed_bytes=32 << 20))


def test_a_zip_bomb_that_lies_of_its_size_is_refused(make_xlsx):
    out = io.BytesIO(make_xlsx(["a"]))
    content = b"\0" * (8 << 20)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/zeros.bin", content)
    honest = out.getvalue()
    lying = honest.replace(len(content).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lying != honest
    assert zlib.crc32(content) != zlib.crc32(content[:10])
    assert "cannot be read" in refusal(lying)


def test_too_many_bytes_rows_and_columns(make_xlsx):
    assert "larger than 0 megabytes" in refusal(make_xlsx(["a"]), limits=Limits(file_bytes=100))
    many = make_xlsx(*[[n] for n in range(50)])
    assert "more than 40 rows" in refusal(many, limits=Limits(rows=40))
    assert "more than 2 rows" in refusal(CSV.encode(), "so.csv", Limits(rows=2))
    assert "so.csv, row 1" in refusal(CSV.encode(), "so.csv", Limits(columns=3))


def test_a_cell_at_the_far_end_is_refused_without_filling_memory(make_xlsx):
    def move(name, content):
        if name != "xl/worksheets/sheet1.xml":
            return content
        return re.sub(rb'<row r="2".*?</row>', b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', content)

    assert "more than 200000 rows" in refusal(rewritten(make_xlsx(["a"], [1]), move))

    def widen(name, content):
        return content.replace(b'<c r="A2"', b'<c r="XFD2"') if name == "xl/worksheets/sheet1.xml" else content

    assert "row 2, column XFD" in refusal(rewritten(make_xlsx(["a"], [1]), widen))


def test_formulas_without_stored_results_are_told(make_xlsx):
    file = read_register_bytes(make_xlsx(["Tên tài sản", "Nguyên giá"], ["Máy in", "=1000*2"]), "so.xlsx")
    assert [note.parameters["cells"] for note in file.notes] == ["B2"]


def test_a_vertical_merge_belongs_to_each_of_its_rows(make_xlsx):
    data = make_xlsx(
        ["Đơn vị", "Tên tài sản"], ["Xã Nghi Lộc", "Máy in"], [None, "Máy scan"], [None, None], merged=["A2:A4"]
    )
    assert table(read_register_bytes(data, "so.xlsx"))[1:] == [["Xã Nghi Lộc", "Máy in"], ["Xã Nghi Lộc", "Máy scan"]]


def sheet_xml(make_xlsx, old, new):
    """A workbook of `a` over 1 whose sheet has `old` in its XML replaced."""

    def change(name, content):
        if name != "xl/worksheets/sheet1.xml":
            return content
        assert old in content
        return content.replace(old, new, 1)

    return rewritten(make_xlsx(["a"], [1]), change)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'r="A2"', b'r="ZZZZZZ2"', "“ZZZZZZ2” is no cell of a worksheet; expected A1 to XFD1048576"),
        (b'r="A2"', b'r="XFE2"', "“XFE2” is no cell"),
        (b'r="A2"', b'r="A1048577"', "“A1048577” is no cell"),
        (b'r="A2"', b'r="A0"', "“A0” is no cell"),
        (b'<row r="2"', b'<row r="99999999999"', "“99999999999” is no cell"),
        (b'r="A2"', b'r="xfd2"', "row 2, column XFD"),
        (b'r="A2"', b'r = "XFD2"', "row 2, column XFD"),
        (b'r="A2"', b"r='&#88;FD2'", "row 2, column XFD"),
        (b'<c r="A2"', b'<c s=">" r="XFD2"', "row 2, column XFD"),
        (b'<c r="A2"', b'<!-- <c " --><c r="XFD2"', "row 2, column XFD"),
        (b'<c r="A2"', b"<c " + b" " * 5000 + b'r="XFD2"', "row 2, column XFD"),
        (b'<c r="A2"', b"<c><v>1</v></c>" * 300 + b'<c r="A2"', "row 2, column IW"),
        (b'<row r="2"', b"<row/>" * 200_001 + b"<row", "more than 200000 rows"),
        (b'r="A2"', b'r="XFD2" r="A2"', "duplicate attribute"),
        (b"<worksheet", b"<!DOCTYPE worksheet []><worksheet", "DOCTYPE"),
    ],
    ids=range(15),
)
def test_a_cell_that_is_too_far_out_however_it_is_written(make_xlsx, old, new, said):
    data = sheet_xml(make_xlsx, old, new)
    if b"<row/>" in new:
        data = rewritten(data, lambda name, content: content.replace(b'<row r="2" ', b"<row ").replace(b' r="A2"', b""))
    assert said in refusal(data)


def test_a_sheet_in_utf_16_is_refused_and_not_read_as_empty(make_xlsx):
    def change(name, content):
        if name != "xl/worksheets/sheet1.xml":
            return content
        return content.decode().encode("utf-16")

    assert "UTF-16" in refusal(rewritten(make_xlsx(["a"], [1]), change))


def test_two_cells_at_opposite_corners_cost_as_much_as_a_full_sheet(make_xlsx):
    corners = make_xlsx([None] * 199 + ["x"], *[[]] * 98, ["y"])
    assert "reach over 100 rows and 200 columns" in refusal(corners, limits=Limits(cells=19_999))
    assert len(read_register_bytes(corners, "so.xlsx", Limits(cells=20_000)).sheets[0].rows) == 2


def test_all_sheets_together_stay_within_the_limits(make_xlsx):
    book = openpyxl.load_workbook(io.BytesIO(make_xlsx(["x"] * 10)))
    for _ in range(3):
        book.copy_worksheet(book.active)
    out = io.BytesIO()
    book.save(out)
    assert "expected at most 39 cells in all" in refusal(out.getvalue(), limits=Limits(cells=39))
    assert "4 > 3" in refusal(out.getvalue(), limits=Limits(sheets=3))
    assert len(read_register_bytes(out.getvalue(), "so.xlsx", Limits(cells=40, sheets=4)).sheets) == 4


def test_a_style_far_out_is_no_cell(make_xlsx):
    data = sheet_xml(make_xlsx, b'<c r="A2"', b'<c r="XFD2"/><c r="A2"')
    assert table(read_register_bytes(data, "so.xlsx")) == [["a"], [1]]


def test_a_formula_with_its_result_is_read(make_xlsx):
    data = sheet_xml(make_xlsx, b"<v>1</v>", b"<f>1+1</f><v>2</v>")
    file = read_register_bytes(data, "so.xlsx")
    assert (table(file), file.notes) == ([["a"], [2]], ())


def test_far_off_cells_of_the_old_format(make_xls):
    far = struct.pack("<HHH", 1, 0, 0) + struct.pack("<d", 7.0)
    data = make_xls([["a"], [7.0]])
    assert data.count(far) == 1
    for row, column, said in ((1, 60_000, "row 2, column CJSS"), (1, 256, "row 2, column IW")):
        moved = data.replace(far, struct.pack("<HHH", row, column, 0) + struct.pack("<d", 7.0))
        assert said in refusal(moved, "so.xls")
    corner = data.replace(far, struct.pack("<HHH", 65_535, 255, 0) + struct.pack("<d", 7.0))
    assert "reach over 65536 rows and 256 columns" in refusal(corner, "so.xls")


def test_lying_dimensions_of_the_old_format(make_xls):
    true = struct.pack("<IIHHH", 0, 2, 0, 1, 0)
    data = make_xls([["a"], [7.0]])
    assert data.count(true) == 1
    assert "is no cell" in refusal(data.replace(true, struct.pack("<IIHHH", 0, 0xFFFFFFFF, 0, 0xFFFF, 0)), "so.xls")
    # What programs state for a sheet with whole columns styled is harmless.
    assert table(read_register_bytes(data.replace(true, struct.pack("<IIHHH", 0, 65_536, 0, 256, 0)), "so.xls")) == [
        ["a"],
        [7],
    ]


def test_a_file_of_two_formats_is_refused(make_xls, make_xlsx):
    assert "OLE + ZIP" in refusal(make_xls([["a"]]) + make_xlsx(["a"]), "so.xls")
    out = io.BytesIO(make_xlsx(["a"]))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("xl/workbook.bin", b"")
    assert "cannot be read as a workbook" in refusal(out.getvalue())


def test_a_cell_beyond_the_limit_names_its_row():
    rows = "Tên tài sản;Ghi chú\nMáy in;a\n"
    assert "so.csv, row 3: a cell has more than 32767 characters" in refusal(
        (rows + 'Máy in;"chưa đóng\n' + "Máy in;a\n" * 9000).encode(), "so.csv"
    )
    assert "so.csv, row 3: a cell has more than 32767 characters" in refusal(
        (rows + "x" * 1_000_000 + "\n").encode(), "so.csv"
    )


def test_an_unclosed_quotation_mark_is_refused_however_short_the_rest_is():
    text = 'Tên tài sản;Cột lạ\nMáy in;a\nMáy in;"chưa đóng\nMáy scan;b\nMáy in;c\n'
    assert "so.csv, row 3: a quotation mark" in refusal(text.encode(), "so.csv")
    closed = 'Tên tài sản;Cột lạ\nMáy in;"hai\ndòng"'
    assert table(read_register_bytes(closed.encode(), "so.csv"))[1] == ["Máy in", "hai dòng"]


def test_a_million_columns():
    data = ("Tên tài sản" + ";x" * 10**6 + "\n").encode()
    assert "so.csv, row 1: 1000001 columns; expected at most 256" in refusal(data, "so.csv")


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "folder.csv").mkdir()
    for name in ("pipe.csv", "zero.csv", "folder.csv"):
        with pytest.raises(UnreadableFileError, match=rf"{name}: a folder, a pipe or a device, not a file"):
            read_file(tmp_path / name)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(UnreadableFileError, match=r"/s: cannot be opened"):
            read_file(tmp_path / "s")


def test_a_symlink_to_a_file_is_read_and_its_size_counts(tmp_path):
    (tmp_path / "so.csv").write_bytes(b"abc")
    (tmp_path / "link.csv").symlink_to("so.csv")
    assert read_file(tmp_path / "link.csv", Limits(file_bytes=3)) == b"abc"
    with pytest.raises(UnreadableFileError, match="larger than"):
        read_file(tmp_path / "link.csv", Limits(file_bytes=2))
