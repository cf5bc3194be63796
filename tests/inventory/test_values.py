from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.register.values import Problem, mac_address, money_vnd, quantity, year_and_day

AS_OF = dt.date(2026, 11, 21)


@pytest.mark.parametrize(
    ("cell", "year", "day"),
    [
        ("2015", 2015, None),
        (2015, 2015, None),
        (2015.0, 2015, None),
        ("Năm 2015", 2015, None),
        ("12/2015", 2015, None),
        ("tháng 3/2015", 2015, None),
        ("03/04/2015", 2015, dt.date(2015, 4, 3)),
        ("15.3.2015", 2015, dt.date(2015, 3, 15)),
        ("2015-03-15", 2015, dt.date(2015, 3, 15)),
        ("2015-03-15 00:00:00", 2015, dt.date(2015, 3, 15)),
        ("ngày 09 tháng 3 năm 2016", 2016, dt.date(2016, 3, 9)),
        (42078, 2015, dt.date(2015, 3, 15)),
        (dt.date(2014, 1, 1), 2014, dt.date(2014, 1, 1)),
        (dt.datetime(2014, 1, 1, 10, tzinfo=dt.UTC), 2014, dt.date(2014, 1, 1)),
        ("21/11/2026", 2026, AS_OF),
    ],
)
def test_years_and_days(cell, year, day):
    assert year_and_day(cell, AS_OF) == (year, day)


@pytest.mark.parametrize(
    "cell", [2106, 1900, "03/25/2015", "31/02/2015", "15/3/15", "22/11/2026", "không rõ", "13/2015", -5, "2015-2016"]
)
def test_no_year(cell):
    with pytest.raises(Problem) as caught:
        year_and_day(cell, AS_OF)
    assert caught.value.expected.render() == "a year from 1980 to 2026 or a date dd/mm/yyyy"


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        ("1.250.000", 1_250_000),
        ("1.250.000 đ", 1_250_000),
        ("1.250.000đ", 1_250_000),
        ("1,250,000 VNĐ", 1_250_000),
        ("1 250 000 đồng", 1_250_000),
        ("1.250.000,50", 1_250_001),
        ("1,250,000.00", 1_250_000),
        ("1250000.0", 1_250_000),
        ("12,5 triệu", 12_500_000),
        ("12.5 tr", 12_500_000),
        ("12.500 nghìn", None),
        (12_500_000.4, 12_500_000),
        (0, 0),
        ("0", 0),
    ],
)
def test_money(cell, amount):
    if amount is None:
        with pytest.raises(Problem):
            money_vnd(cell)
    else:
        assert money_vnd(cell) == amount


@pytest.mark.parametrize("cell", ["-1.250.000", -1, "abc", "12.5", "1.25.000", 15, 1e15, float("nan"), True, "1e6"])
def test_no_money(cell):
    with pytest.raises(Problem):
        money_vnd(cell)


def test_money_in_the_unit_of_the_title():
    assert money_vnd("12.500", 1000) == 12_500_000
    assert money_vnd(12.5, 1_000_000) == 12_500_000


@given(st.integers(1000, 10**13))
def test_grouped_money_reads_as_it_was_written(amount):
    for text in (f"{amount:,}".replace(",", "."), f"{amount:,}", f"{amount:,}".replace(",", " "), str(amount)):
        assert money_vnd(text) == amount


@given(st.one_of(st.text(), st.floats(), st.integers(), st.dates(), st.datetimes(), st.booleans(), st.none()))
def test_any_cell_is_a_value_or_a_problem(cell):
    for parse in (lambda c: year_and_day(c, AS_OF), money_vnd, quantity, mac_address):
        problems = []
        try:
            parse(cell)
        except Problem as problem:
            problems.append(problem)
        assert all(problem.found.render() and problem.expected.render() for problem in problems)


def test_quantities_and_addresses():
    assert quantity("05 cái") == 5
    assert quantity(3.0) == 3
    assert mac_address("00-1a-2b-3c-4d-5e") == "00:1A:2B:3C:4D:5E"
    for cell in ("0", "1,5", "-1", "nhiều"):
        with pytest.raises(Problem):
            quantity(cell)
    with pytest.raises(Problem):
        mac_address("00-1a")
