from __future__ import annotations

import datetime as dt
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.depreciation import book_value, expiry
from inventory.equipment import equipment_kinds
from inventory.norms import NormError, load_norms, norms_from

AS_OF = dt.date(2026, 11, 21)
PC = "computers_and_office"


def text(name):
    return files("inventory.norms").joinpath(name).read_text(encoding="utf-8")


def test_the_law_of_each_day():
    norms = load_norms()
    assert norms.useful_life_on(dt.date(2025, 12, 31)).title == "Thông tư 23/2023/TT-BTC"
    assert norms.useful_life_on(dt.date(2026, 1, 1)).title == "Thông tư 141/2025/TT-BTC"
    assert norms.useful_life_on(dt.date(2020, 1, 1)) is None
    assert norms.price_caps_on(dt.date(2026, 3, 8)).title == "Quyết định 15/2025/QĐ-TTg"
    assert norms.price_caps_on(dt.date(2026, 3, 9)).title == "Quyết định 10/2026/QĐ-TTg"
    assert norms.price_caps_on(dt.date(2025, 6, 30)) is None


def test_every_kind_names_rows_that_the_norms_have():
    norms = load_norms()
    for kind in equipment_kinds().values():
        if kind.useful_life_class:
            assert norms.useful_life_on(AS_OF).of_class(kind.useful_life_class), kind.code
        if kind.price_class:
            assert norms.price_caps_on(AS_OF).of(kind.price_class), kind.code


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("useful_life_2026.toml", "life_years = 7", "life_yeras = 7", "life_yeras"),
        ("useful_life_2026.toml", "life_years = 7", 'life_years = "7"', "life_years|class"),
        ("useful_life_2026.toml", 'rate_percent = "14.29"', 'rate_percent = "1429"', "expected 0 to 100"),
        ("useful_life_2026.toml", 'rate_percent = "14.29"', 'rate_percent = "x"', "no number"),
        ("useful_life_2026.toml", "life_years = 7", "life_years = 0", "above zero"),
        ("useful_life_2026.toml", 'confidence = "low"', 'confidence = "sure"', "sure"),
        ("price_caps_2026.toml", "effective_from = 2026-03-09", "", "effective_from"),
        ("price_caps_2026.toml", 'code = "laptop"', 'code = "desktop"', "twice"),
        ("price_caps_2026.toml", 'kind = "price_caps"', 'kind = "prices"', "expected one of"),
        ("price_caps_2026.toml", "[[cap]]", "[[cap]", "price_caps_2026"),
    ],
)
def test_a_bad_norm_file_names_itself_and_the_key(name, before, after, said):
    assert before in text(name)
    with pytest.raises(NormError, match=said) as caught:
        norms_from({name: text(name).replace(before, after, 1)})
    assert name in str(caught.value)


def test_two_files_of_one_day_are_refused():
    with pytest.raises(NormError, match="same day"):
        norms_from({"a.toml": text("useful_life_2026.toml"), "b.toml": text("useful_life_2026.toml")})


# Year of first use -> remaining value on 31/12/2025 of 14,000,000 đ under five years of 20 %.
@pytest.mark.parametrize(
    ("year", "remaining"),
    [(2012, 0), (2020, 0), (2021, 0), (2022, 2_800_000), (2023, 5_600_000), (2025, 11_200_000), (2026, 14_000_000)],
)
def test_depreciation_before_the_new_circular(year, remaining):
    assert book_value(14_000_000, 1, year, PC, load_norms(), AS_OF).remaining_vnd == remaining


def test_the_transition_spreads_the_rest_over_the_new_life():
    # First used in 2023: 8,400,000 charged by 31/12/2025; 5,600,000 over the four years left of seven.
    remaining = [
        book_value(14_000_000, 1, 2023, PC, load_norms(), dt.date(year, 12, 31)).remaining_vnd
        for year in range(2025, 2031)
    ]
    assert remaining == [5_600_000, 4_200_000, 2_800_000, 1_400_000, 0, 0]


def test_the_last_year_takes_what_rounding_left():
    values = [book_value(20_000_001, 1, 2026, PC, load_norms(), dt.date(y, 12, 31)) for y in range(2026, 2034)]
    assert [value.accumulated_vnd for value in values][:2] == [2_858_000, 5_716_000]
    assert values[6].remaining_vnd == values[7].remaining_vnd == 0


def test_a_year_is_charged_on_its_last_day():
    norms = load_norms()
    assert book_value(14_000_000, 1, 2026, PC, norms, dt.date(2026, 12, 30)).accumulated_vnd == 0
    assert book_value(14_000_000, 1, 2026, PC, norms, dt.date(2026, 12, 31)).accumulated_vnd == 2_000_600


def test_what_costs_less_than_ten_million_a_piece_is_no_fixed_asset():
    norms = load_norms()
    assert book_value(9_999_999, 1, 2022, PC, norms, AS_OF) is None
    assert book_value(10_000_000, 1, 2022, PC, norms, AS_OF) is not None
    assert book_value(19_000_000, 2, 2022, PC, norms, AS_OF) is None
    assert book_value(14_000_000, 1, 2022, "", norms, AS_OF) is None


@given(
    st.integers(10_000_000, 10**10), st.integers(2000, 2040), st.dates(dt.date(2023, 7, 1), dt.date(2050, 12, 31)),
    st.sampled_from([PC, "other_machines"]),
)  # fmt: skip
def test_depreciation_never_leaves_its_bounds(cost, year, day, life_class):
    norms = load_norms()
    value = book_value(cost, 1, year, life_class, norms, day)
    later = book_value(cost, 1, year, life_class, norms, day + dt.timedelta(days=366))
    assert 0 <= later.remaining_vnd <= value.remaining_vnd <= cost
    assert value.remaining_vnd + value.accumulated_vnd == cost
    assert book_value(cost, 1, year, life_class, norms, dt.date(year + 60, 1, 1)).remaining_vnd == 0


@pytest.mark.parametrize(("year", "expired"), [(2018, "yes"), (2019, "yes"), (2020, "no"), (2026, "no")])
def test_expiry_by_the_year(year, expired):
    assert expiry(year=year, in_use_by=None, life_class=PC, norms=load_norms(), as_of=AS_OF)[0] == expired


def test_expiry_without_a_year():
    norms = load_norms()
    assert expiry(year=None, in_use_by=None, life_class=PC, norms=norms, as_of=AS_OF)[0] == "uncertain"
    assert expiry(year=None, in_use_by=dt.date(2026, 5, 1), life_class=PC, norms=norms, as_of=AS_OF)[0] == "uncertain"
    later = dt.date(2033, 1, 1)
    assert expiry(year=None, in_use_by=dt.date(2026, 5, 1), life_class=PC, norms=norms, as_of=later)[0] == "yes"
    assert expiry(year=2010, in_use_by=None, life_class="", norms=norms, as_of=AS_OF) == ("uncertain", None)
