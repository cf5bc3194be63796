"""The issue's goals on the full sample, with a margin; in-sample, see docs/age.md for cross-validated figures."""

from __future__ import annotations

import gzip
import json

import pytest

from inventory.age.dmidecode import facts_from_dmidecode
from inventory.age.estimate import estimate_age

pytest.importorskip("numpy")
pytest.importorskip("scipy")

from benchmarks.age import bios_date, cpu_launch, figures, judged_by, ours, visible
from inventory.age.learning import read_known


@pytest.fixture(scope="module")
def known(shared_folder, as_of):
    return read_known(shared_folder / "dmi_sample.jsonl.gz", shared_folder / "dmi_truth_sample.csv", as_of)


def test_every_dump_has_an_estimate(shared_folder, as_of):
    count = 0
    with gzip.open(shared_folder / "dmi_sample.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            dump = json.loads(line)
            estimate = estimate_age(facts_from_dmidecode(dump["text"]), as_of=as_of)
            if estimate.earliest and estimate.latest:
                assert estimate.earliest <= estimate.best <= estimate.latest, dump["path"]
            count += 1
    assert count == 1500


def test_goals_with_vendor_dates_hidden(known):
    found = figures(judged_by(ours, [item for item in known if item.business]))
    assert found.machines == 475
    assert found.covered >= 0.975
    assert found.median_width_months <= 22
    assert found.mean_error_months <= 3.7
    assert found.decided >= 0.86
    assert (found.wrong_yes, found.wrong_no) == (0, 0)
    assert found.hard_zone_decided >= 0.64


def test_better_than_what_others_do(known):
    business = [item for item in known if item.business]
    ours_error = figures(judged_by(ours, business)).mean_error_months
    assert figures(judged_by(bios_date, business)).mean_error_months > 5 * ours_error
    assert figures(judged_by(cpu_launch, business)).wrong_yes > 20


def test_goal_with_vendor_dates_visible(known, shared_folder, as_of):
    assert visible(shared_folder / "dmi_sample.jsonl.gz", known, as_of) >= 0.99


def test_consumer_lines_are_covered(known):
    assert figures(judged_by(ours, [item for item in known if not item.business])).covered >= 0.95
