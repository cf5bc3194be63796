from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.wire.facts import FACTS
from inventory.age.dmidecode import facts_from_dmidecode

TEXT = """# dmidecode 3.5
Getting SMBIOS data from sysfs.
SMBIOS 2.7 present.

Handle 0x0000, DMI type 0, 24 bytes
BIOS Information
\tVendor: Dell Inc.
\tVersion: A15
\tRelease Date: 05/27/2019
\tCharacteristics:
\t\tPCI is supported

Handle 0x0004, DMI type 4, 42 bytes
Processor Information
\tFamily: Core i3
\tManufacturer: Intel
\tID: C3 06 03 00 FF FB EB BF
\tSignature: Type 0, Family 6, Model 60, Stepping 3
\tVersion: Intel(R) Core(TM) i3-4150 CPU @ 3.50GHz
\tMax Speed: 3500 MHz
\tStatus: Populated, Enabled
\tSerial Number: --
\t271882FD79060B21C43F805A2DE81148
\tCore Count: 2

Handle 0x0032, DMI type 17, 34 bytes
Memory Device
\tSize: 4 GB
\tLocator: DIMM1
\tType: DDR3
\tSpeed: 1600 MT/s

Handle 0x0033, DMI type 17, 34 bytes
Memory Device
\tSize: No Module Installed

Handle 0x0018, DMI type 11, 5 bytes
OEM Strings
\tString 1: Dell System
\tString 2: 1[0623]

Handle 0xD000, DMI type 208, 16 bytes
OEM-specific Type
\tHeader and Data:
\t\tD0 10 00 D0 02 05 FE 00 23 06 02 01 00 00 00 00
\tStrings:
\t\t20150128
\t\t20150116
"""


def test_structures_become_facts():
    facts = facts_from_dmidecode(TEXT)
    assert facts["smbios_version"] == "2.7"
    assert facts["bios"] == [{"vendor": "Dell Inc.", "version": "A15", "release_date": "05/27/2019"}]
    (processor,) = facts["processor"]
    assert (processor["family"], processor["model"], processor["stepping"]) == (6, 60, 3)
    assert processor["populated"] is True
    assert processor["core_count"] == 2
    assert facts["memory_device"][0]["size_bytes"] == 4 << 30
    assert facts["memory_device"][0]["speed_mts"] == 1600
    assert facts["memory_device"][1]["size_bytes"] is None
    assert [row["text"] for row in facts["oem_string"]] == ["Dell System", "1[0623]"]


def test_the_bytes_say_which_string_is_which():
    assert facts_from_dmidecode(TEXT)["dell_revisions"] == [
        {"manufacture_date": "20150116", "first_power_on_date": "20150128"}
    ]


def test_facts_and_columns_are_the_catalogues(dumps):
    for dump in dumps:
        for name, value in facts_from_dmidecode(dump["text"]).items():
            columns = set(FACTS[name].columns)
            for row in value if columns else []:
                assert set(row) <= columns, name


def test_doubled_and_missing_structures():
    doubled = TEXT + TEXT.partition("\n\n")[2].replace("05/27/2019", "06/27/2019")
    assert [row["release_date"] for row in facts_from_dmidecode(doubled)["bios"]] == ["05/27/2019", "06/27/2019"]
    assert facts_from_dmidecode("# dmidecode 3.5\n# No SMBIOS nor DMI entry point found, sorry.\n") == {}


@given(st.integers(0, len(TEXT)), st.text(max_size=40))
def test_cut_and_spoilt_text_never_raises(place, rubbish):
    facts_from_dmidecode(TEXT[:place] + rubbish + TEXT[place:])
    facts_from_dmidecode(TEXT[:place])
    facts_from_dmidecode(rubbish)
