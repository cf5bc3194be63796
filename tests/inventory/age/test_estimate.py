from __future__ import annotations

import csv
import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.facts import FACTS
from collector.age_wording import estimate_to_json
from inventory.age.dmidecode import facts_from_dmidecode
from inventory.age.estimate import estimate_age

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            "Dell Inc.",
            "HP",
            "Samsung",
            "LENOVO",
            "20150116",
            "05/20/2014",
            "Intel(R) Core(TM) i5-3470",
            "A9 06 03 00 FF FB EB BF",
        ]
    )
)


def facts_of_anything():
    values = {}
    for name, spec in FACTS.items():
        row = st.dictionaries(st.sampled_from(spec.columns), SCALARS) if spec.columns else SCALARS
        values[name] = SCALARS | st.lists(row | SCALARS, max_size=3)
    return st.fixed_dictionaries({}, optional=values)


@given(
    facts_of_anything(),
    st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    st.none() | st.dates(),
    st.none() | st.integers(-1, 3000),
    st.integers(1, 40),
)
def test_any_facts_give_an_estimate(facts, as_of, first_seen, year, threshold):
    estimate = estimate_age(
        facts, as_of=as_of, first_seen=first_seen, year_put_into_use=year, threshold_years=threshold
    )
    days = [day for day in (estimate.earliest, estimate.best, estimate.latest) if day is not None]
    assert days == sorted(days)
    assert all(day <= as_of for day in days)
    for item in (*(piece.why for piece in estimate.evidence), *estimate.contradictions):
        assert item.render()


def test_evidence_from_the_future_is_told_and_not_used():
    estimate = estimate_age({"smbios_version": "3.0"}, as_of=date(2000, 1, 1))
    assert (estimate.earliest, estimate.latest) == (None, None)
    assert "check the clock" in estimate.contradictions[0].render()


def test_a_business_notebook(facts, as_of):
    estimate = estimate_age(facts, as_of=as_of)
    assert estimate.over_10_years == "yes"
    assert date(2012, 5, 1) <= estimate.earliest <= estimate.best <= estimate.latest <= date(2015, 2, 20)
    assert estimate.contradictions == ()
    assert [item.source for item in estimate.evidence][-1] == "model"


def test_nothing_known(as_of):
    estimate = estimate_age({}, as_of=as_of)
    assert (estimate.earliest, estimate.latest, estimate.best) == (None, None, None)
    assert (estimate.confidence, estimate.over_10_years) == ("low", "uncertain")


def test_a_virtual_machine_has_no_age(facts, as_of):
    facts["system"] = [{"manufacturer": "QEMU", "product": "Standard PC (Q35 + ICH9, 2009)"}]
    facts["bios"] = [{"vendor": "SeaBIOS", "release_date": "04/01/2014"}]
    estimate = estimate_age(facts, as_of=as_of)
    assert (estimate.earliest, estimate.latest, estimate.over_10_years) == (None, None, "uncertain")
    assert "virtual" in estimate.evidence[0].why.render()


def test_coreboot_is_not_dated_by_its_build(facts, as_of):
    facts["bios"] = [{"vendor": "coreboot", "version": "CBET4000", "release_date": "03/03/2012"}]
    estimate = estimate_age(facts, as_of=as_of)
    assert "bios_date" not in {item.source for item in estimate.evidence}
    assert estimate.earliest < estimate.latest


def test_a_typing_error_in_the_register_is_told_and_lowers_confidence(facts, as_of):
    estimate = estimate_age(facts, as_of=as_of, year_put_into_use=2010)
    assert estimate.confidence == "low"
    assert len(estimate.contradictions) == 1
    assert estimate.earliest >= date(2012, 5, 1)


def test_the_register_can_narrow(facts, as_of):
    free = estimate_age(facts, as_of=as_of)
    bound = estimate_age(facts, as_of=as_of, year_put_into_use=2013)
    assert bound.latest <= date(2013, 12, 31) < free.latest


def test_a_serial_number_names_the_week(facts, as_of):
    facts["system"] = [{"manufacturer": "HP", "product": "HP EliteDesk 800 G2", "serial": "CZC6320ABC"}]
    facts["processor"] = [{"version": "Intel(R) Core(TM) i5-6500 CPU @ 3.20GHz"}]
    facts["bios"][0]["release_date"] = "05/20/2020"
    estimate = estimate_age(facts, as_of=as_of)
    assert estimate.best == date(2016, 8, 11)
    assert (estimate.confidence, estimate.over_10_years) == ("high", "yes")


def test_vendor_dates_of_the_sample_are_found(dumps, sample_folder, as_of):
    with (sample_folder / "truth.csv").open(encoding="utf-8", newline="") as table:
        truth = {row["path"]: date.fromisoformat(row["manufactured"]) for row in csv.DictReader(table)}
    texts = {dump["path"]: dump["text"] for dump in dumps}
    assert len(truth) >= 12
    for path, manufactured in truth.items():
        best = estimate_age(facts_from_dmidecode(texts[path]), as_of=as_of).best
        assert abs((best - manufactured).days) <= 31, path


def test_golden(dumps, sample_folder, as_of, request):
    lines = [
        json.dumps(
            {
                "path": dump["path"],
                **estimate_to_json(estimate_age(facts_from_dmidecode(dump["text"]), as_of=as_of), "en"),
            }
        )
        for dump in dumps
    ]
    golden = sample_folder / "expected.jsonl"
    if request.config.getoption("--rewrite-golden"):
        golden.write_text("\n".join(lines) + "\n", encoding="utf-8")
        pytest.skip("golden file written")
    assert lines == golden.read_text(encoding="utf-8").splitlines()
