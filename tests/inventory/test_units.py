from __future__ import annotations

import pytest

from inventory.units import AmbiguousUnitError, UnknownUnitError, find_unit, load_units, unit_by_code


def test_there_are_119_communes_and_11_wards_in_20_former_districts():
    units = load_units()
    assert len(units) == len({unit.code for unit in units}) == 130
    assert sum(unit.kind == "phường" for unit in units) == 11
    assert len({unit.former_district for unit in units}) == 20
    assert sum(len(unit.former_units) for unit in units) == 412


def test_every_unit_is_found_by_each_way_of_writing_it():
    for unit in load_units():
        for text in (unit.code, unit.name, unit.short_name, unit.name.upper(), f"UBND {unit.name}, tỉnh Nghệ An"):
            assert find_unit(text) is unit, text
        assert find_unit(f"{unit.name}, {unit.former_district}") is unit


def test_every_former_commune_with_its_district_is_the_unit_it_went_into():
    # In Yên Thành a commune of today took the name of another one of the past; today's name goes first.
    renamed = {"17572"}
    for unit in load_units():
        for former in unit.former_units:
            assert find_unit(former.code) is unit
            if former.code not in renamed:
                assert find_unit(f"{former.name}, {unit.former_district}") is unit, former


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("nghi loc", "Xã Nghi Lộc"),
        ("  x.  Nghi Lộc ", "Xã Nghi Lộc"),
        ("P. Thành Vinh", "Phường Thành Vinh"),
        ("Đảng ủy phường Vinh Phú", "Phường Vinh Phú"),
        ("Xã Vân Kiều", "Xã Văn Kiều"),
        ("Phường Thái Hoà", "Phường Thái Hòa"),
        ("Thị trấn Nam Đàn", "Xã Vạn An"),
        ("TT Nam Đàn", "Xã Vạn An"),
        ("Nam Đàn", "Xã Nam Đàn"),
        ("Đông Thành", "Xã Đông Thành"),
        ("Đồng Thành", "Xã Quang Đồng"),
        ("xã Châu Tiến, huyện Quỳ Hợp", "Xã Châu Hồng"),
        ("Châu Tiến", "Xã Châu Tiến"),
        ("Xa Lượng", "Xã Tương Dương"),
        ("Xã Nghi Ân TP Vinh", "Phường Vinh Phú"),
        ("Đồng Văn (Tân Kỳ)", "Xã Tiên Đồng"),
        ("16681.0", "Phường Thành Vinh"),
        ("Phường Hưng Dũng", "Phường Trường Vinh"),
    ],
)
def test_spellings(text, name):
    assert find_unit(text).name == name


def test_a_name_that_went_into_several_units_names_them():
    with pytest.raises(AmbiguousUnitError) as caught:
        find_unit("xã Đồng Văn")
    assert [unit.name for unit in caught.value.candidates] == ["Xã Thông Thụ", "Xã Tiên Đồng", "Xã Đại Đồng"]
    assert "Xã Tiên Đồng (17287)" in str(caught.value)


@pytest.mark.parametrize("text", ["", "Xã Không Có", "Huyện Nghi Lộc", "99999", "Phòng Kinh tế", "Phường Nghi Lộc"])
def test_unknown_texts_are_refused(text):
    with pytest.raises(UnknownUnitError):
        find_unit(text)


def test_a_wrong_district_is_not_passed_over():
    with pytest.raises(UnknownUnitError) as caught:
        find_unit("Xã Nghi Lộc, huyện Kỳ Sơn")
    assert [unit.name for unit in caught.value.candidates] == ["Xã Nghi Lộc"]


def test_a_district_names_its_units():
    with pytest.raises(UnknownUnitError) as caught:
        find_unit("Huyện Nghi Lộc")
    assert {unit.former_district for unit in caught.value.candidates} == {"Huyện Nghi Lộc"}
    assert len(caught.value.candidates) == 7


def test_codes_that_other_lists_have_wrong():
    assert unit_by_code("17011").name == "Phường Tây Hiếu"
    assert unit_by_code("17170").name == "Xã Quỳnh Sơn"
