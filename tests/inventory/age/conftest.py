"""The committed sample, and the full one where it lies beside the repository."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parent / "sample"
SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture(scope="session")
def as_of():
    return date(2026, 11, 21)


@pytest.fixture(scope="session")
def sample_folder():
    return SAMPLE


@pytest.fixture(scope="session")
def dumps():
    with (SAMPLE / "dumps.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def shared_folder():
    if not (SHARED / "dmi_sample.jsonl.gz").exists():
        pytest.skip("the 1,500 dumps are not in ../shared/data")
    return SHARED


@pytest.fixture
def facts():
    """A business notebook of 2013 to be changed by a test."""
    return {
        "smbios_version": "2.7",
        "bios": [{"vendor": "LENOVO", "version": "G1ETA0WW (2.60 )", "release_date": "05/20/2014"}],
        "system": [
            {"manufacturer": "LENOVO", "product": "2349GCG", "version": "ThinkPad T430", "family": "ThinkPad T430"}
        ],
        "chassis": [{"manufacturer": "LENOVO", "type": "Notebook"}],
        "processor": [
            {
                "manufacturer": "Intel(R) Corporation",
                "version": "Intel(R) Core(TM) i5-3320M CPU @ 2.60GHz",
                "signature": "A9 06 03 00 FF FB EB BF",
                "populated": True,
            }
        ],
        "memory_device": [{"type": "DDR3"}],
    }
