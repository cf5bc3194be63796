from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.age.dates import add_months, add_years, month_end, months_between, parse_firmware_date, parse_iso_date

DAYS = st.dates(date(1996, 1, 1), date(2095, 12, 31))


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("05/27/2019", date(2019, 5, 27)),
        ("10/17/00", date(2000, 10, 17)),
        ("11/02/99", date(1999, 11, 2)),
        ("9/19/2010", date(2010, 9, 19)),
        ("2019/10/17", date(2019, 10, 17)),
        ("2014-08-28", date(2014, 8, 28)),
        ("20190527", date(2019, 5, 27)),
        ("20190527000000.000000+000", date(2019, 5, 27)),
        ("27/05/2019", date(2019, 5, 27)),
        ("05.27.2019", date(2019, 5, 27)),
        # Dots may mean either order: the later day, which is the safe upper bound.
        ("08.12.2020 18:01:23", date(2020, 12, 8)),
        ("06/15/2023 - AGESA ComboAM4v2 1.2.0.A", date(2023, 6, 15)),
        ("Wed 04/08/2020  5:2", date(2020, 4, 8)),
        ("Mar 03 2011", date(2011, 3, 3)),
        ("March 3, 2011", date(2011, 3, 3)),
        ("03 Mar 2011", date(2011, 3, 3)),
        ("3-Mar-11", date(2011, 3, 3)),
        ("32/22/2015", None),
        ("00/00/2000", None),
        ("10/21/0892", None),
        ("01/01/1970", None),
        ("1980-00-00", None),
        ("yyyymmdd", None),
        ("Not Specified", None),
        ("null1", None),
        ("2008", None),
        ("", None),
    ],
)
def test_firmware_dates(text, day):
    assert parse_firmware_date(text) == day


@given(st.text(max_size=60))
def test_no_text_raises(text):
    day = parse_firmware_date(text)
    assert day is None or 1995 <= day.year <= 2099


@given(DAYS)
def test_each_layout_means_the_same_day(day):
    for layout in ("%m/%d/%Y", "%Y-%m-%d", "%Y%m%d", "%d %b %Y"):
        assert parse_firmware_date(day.strftime(layout)) == day
    assert parse_iso_date(day.isoformat()) == day


@given(DAYS, st.integers(-400, 400))
def test_months_there_and_back(day, months):
    there = add_months(day.replace(day=1), months)
    assert add_months(there, -months) == day.replace(day=1)
    assert months_between(day.replace(day=1), there) == pytest.approx(months, abs=0.15)


def test_years_end_on_the_calendar():
    assert add_years(date(2024, 2, 29), -10) == date(2014, 2, 28)
    assert month_end(date(2024, 2, 3)) == date(2024, 2, 29)
    assert add_months(date(2020, 1, 31), 1) == date(2020, 2, 29)
