"""Support of operating systems and fitness for Windows 11, from facts as agents report them."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from pathlib import Path

import pytest

from inventory.operating_systems import support_state, windows_11_fitness

AS_OF = dt.date(2026, 11, 21)
GIB = 1 << 30
DATA = Path(__file__).parents[2] / "inventory" / "data"


def windows(build, name="Windows 10 Pro", version=""):
    return {"os_family": "windows", "os_name": name, "os_version": version, "os_build": build}


def linux(name, version):
    return {"os_family": "linux", "os_name": name, "os_version": version, "os_build": "6.1.0-13-amd64"}


@pytest.mark.parametrize(
    ("facts", "state", "system", "ends"),
    [
        (windows("19045.3803", version="22H2"), "out_of_support", "Windows 10 22H2", "2025-10-14"),
        (windows("17763.1", "Windows 10 Home"), "out_of_support", "Windows 10 1809", "2021-05-11"),
        (
            windows("17763.1", "Windows 10 Enterprise LTSC 2019"),
            "supported",
            "Windows 10 Enterprise LTSC 2019",
            "2029-01-09",
        ),
        (
            windows("19044.6000", "Windows 10 Enterprise LTSC 2021"),
            "supported",
            "Windows 10 Enterprise LTSC 2021",
            "2027-01-12",
        ),
        (
            windows("19044.1", "Windows 10 IoT Enterprise LTSC 2021"),
            "supported",
            "Windows 10 IoT Enterprise LTSC 2021",
            "2032-01-13",
        ),
        (
            windows("14393.0", "Windows 10 Enterprise 2016 LTSB"),
            "out_of_support",
            "Windows 10 Enterprise 2016 LTSB",
            "2026-10-13",
        ),
        # Windows 11 still calls itself Windows 10 in the registry: the build decides.
        (windows("26200.6584"), "supported", "Windows 11 25H2", "2027-10-12"),
        (windows("26100.1"), "out_of_support", "Windows 11 24H2", "2026-10-13"),
        (windows("26100.1", "Windows 10 Enterprise"), "supported", "Windows 11 24H2 Enterprise", "2027-10-12"),
        (windows("26100.1", "Windows Server 2025 Standard"), "supported", "Windows Server 2025", "2034-10-10"),
        (windows("7601", "Windows 7 Professional", "6.1"), "out_of_support", "Windows 7 SP1", "2020-01-14"),
        (windows("9600", "Windows 8.1 Pro"), "out_of_support", "Windows 8.1", "2023-01-10"),
        ({"os_name": "Windows 7 Ultimate"}, "out_of_support", "Windows 7", "2020-01-14"),
        (linux("Debian GNU/Linux", "12"), "supported", "Debian 12", "2028-06-10"),
        (linux("Debian GNU/Linux", "11"), "out_of_support", "Debian 11", "2026-08-31"),
        (linux("Ubuntu", "22.04"), "supported", "Ubuntu 22.04", "2027-04-01"),
        (linux("Ubuntu", "25.10"), "out_of_support", "Ubuntu 25.10", "2026-07-01"),
    ],
)
def test_the_system_is_told_by_name_build_and_version(facts, state, system, ends):
    support = support_state(facts, AS_OF)
    assert (support.state, support.system, str(support.ends)) == (state, system, ends)
    assert support.messages[0].parameters["day"] == ends


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"os_name": 7, "os_build": True},
        # The name alone is that of Windows 11 as well.
        {"os_family": "windows", "os_name": "Windows 10 Pro"},
        windows("99999.1"),
        windows("x"),
        linux("Debian GNU/Linux", ""),
        linux("Arch Linux", "1"),
        # 1 is not the beginning of version 12, and 120 is not 12.
        linux("Debian GNU/Linux", "120"),
    ],
)
def test_what_the_table_does_not_know_is_unknown(facts):
    support = support_state(facts, AS_OF)
    assert (support.state, support.ends, support.confidence) == ("unknown", None, None)
    assert support.messages


def test_the_last_day_of_support_still_counts():
    assert support_state(windows("19045.1"), dt.date(2025, 10, 14)).state == "supported"
    assert support_state(windows("19045.1"), dt.date(2025, 10, 15)).state == "out_of_support"


def test_a_build_that_only_extended_updates_bring_leaves_it_open():
    received = support_state(windows("19045.6575"), AS_OF)
    assert received.state == "unknown"
    assert received.messages[1].parameters["until"] == "2028-10-10"
    assert support_state(windows("19045.6466"), AS_OF).state == "out_of_support"
    # After the end of every extended update the build says nothing more.
    assert support_state(windows("19045.6575"), dt.date(2028, 10, 11)).state == "out_of_support"


def test_dates_that_are_to_be_checked_are_marked():
    assert support_state(windows("19045.1"), AS_OF).confidence == "high"
    assert support_state(windows("22631.1"), AS_OF).confidence == "low"


def test_every_end_of_windows_is_a_tuesday_and_no_row_is_hidden_by_another():
    rows = tomllib.loads((DATA / "os_support.toml").read_text(encoding="utf-8"))["system"]
    for row in rows:
        if row["family"] == "windows":
            days = [row["ends"], row.get("extended_until", row["ends"])]
            assert {day.weekday() for day in days} == {1}, row["name"]
        assert row["source"]
    assert len({(row["name"], row.get("build_from")) for row in rows}) == len(rows)


def machine(processor=None, memory=8 * GIB, disk=256 * 10**9, **facts):
    stated = {"processor": [processor]} if processor else {}
    if memory is not None:
        stated["memory_device"] = [{"size_bytes": memory // 2}, {"size_bytes": memory // 2}, {"size_bytes": None}]
    if disk is not None:
        stated["disk"] = [{"size_bytes": disk}, {"size_bytes": 10**12, "removable": True}]
    return stated | facts


def cpu(family, model, stepping, vendor="GenuineIntel", version=""):
    return {"vendor_id": vendor, "family": family, "model": model, "stepping": stepping, "version": version}


TPM = {"tpm_version": "2.0", "secure_boot_capable": True}


@pytest.mark.parametrize(
    ("processor", "fit"),
    [
        (cpu(6, 58, 9), "no"),  # Ivy Bridge
        (cpu(6, 94, 3), "no"),  # Skylake
        (cpu(6, 158, 9), "no"),  # Kaby Lake, 7th generation
        (cpu(6, 158, 10), "yes"),  # Coffee Lake, 8th generation
        (cpu(6, 142, 9), "no"),
        (cpu(6, 142, 10), "yes"),  # Kaby Lake Refresh
        (cpu(6, 158, None), "unknown"),  # 7th or 8th generation
        (cpu(6, 92, 9), "no"),  # Apollo Lake
        (cpu(6, 122, 1), "yes"),  # Gemini Lake
        (cpu(6, 165, 5), "yes"),  # Comet Lake
        (cpu(6, 250, 1), "unknown"),
        (cpu(23, 1, 1, "AuthenticAMD"), "no"),  # Zen
        (cpu(23, 17, 0, "AuthenticAMD"), "no"),  # Raven Ridge
        (cpu(23, 8, 2, "AuthenticAMD"), "yes"),  # Zen+
        (cpu(23, 24, 1, "Advanced Micro Devices, Inc."), "yes"),  # Picasso
        (cpu(25, 80, 0, "AuthenticAMD"), "yes"),
        (cpu(21, 2, 0, "AuthenticAMD"), "no"),
        (cpu(24, 0, 0, "HygonGenuine"), "unknown"),
        ({"version": "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz"}, "no"),
        ({"version": "Intel(R) Core(TM) i7-860 CPU @ 2.80GHz"}, "no"),
        ({"version": "Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz"}, "yes"),
        ({"version": "11th Gen Intel(R) Core(TM) i5-1135G7 @ 2.40GHz"}, "yes"),
        ({"version": "13th Gen Intel(R) Core(TM) i5-13500"}, "yes"),
        ({"version": "Intel(R) Core(TM)2 Duo CPU E7500 @ 2.93GHz"}, "no"),
        ({"version": "Intel(R) Core(TM) i9-7900X CPU @ 3.30GHz"}, "yes"),
        ({"version": "Intel(R) Core(TM) i7-7820HQ CPU @ 2.90GHz"}, "unknown"),
        # Kaby Lake by their CPUID, and on Microsoft's list.
        (cpu(6, 142, 9, version="Intel(R) Celeron(R) CPU 3867U @ 1.80GHz"), "yes"),
        (cpu(6, 142, 9, version="Intel(R) Pentium(R) CPU 4417U @ 2.30GHz"), "yes"),
        (cpu(6, 142, 9, version="Intel(R) Celeron(R) CPU 3865U @ 1.80GHz"), "no"),
        ({"version": "AMD Ryzen 5 3400G with Radeon Vega Graphics"}, "yes"),
        ({"version": "AMD Ryzen 5 2400G with Radeon Vega Graphics"}, "no"),
        ({"version": "AMD Ryzen 7 2700X Eight-Core Processor"}, "yes"),
        ({"version": "AMD FX(tm)-6300 Six-Core Processor"}, "no"),
        # The CPUID bytes as SMBIOS keeps them: i5-3470.
        ({"vendor_id": "GenuineIntel", "signature": "A9060300FFFBEBBF"}, "no"),
    ],
)
def test_processors_by_cpuid_and_by_name(processor, fit):
    fitness = windows_11_fitness(machine(processor, **TPM))
    assert fitness.answer == fit
    assert ("processor" in fitness.failing, "processor" in fitness.unknown) == (fit == "no", fit == "unknown")


FIT = cpu(6, 158, 10)


def test_memory_and_disk_fall_short_or_are_unknown():
    assert windows_11_fitness(machine(FIT, memory=4 * GIB, disk=62_537_072_640, **TPM)).answer == "yes"
    small = windows_11_fitness(machine(FIT, memory=2 * GIB, disk=32 * 10**9, **TPM))
    assert (small.answer, small.failing, small.is_fixable) == ("no", ("memory", "disk"), True)
    assert [reason.parameters["size"] for reason in small.reasons] == [2, 32]
    blank = windows_11_fitness(machine(FIT, memory=None, disk=None, **TPM))
    assert (blank.answer, blank.unknown) == ("unknown", ("memory", "disk"))
    # A memory stick is not what a system is installed on.
    stick = {"disk": [{"size_bytes": 10**12, "removable": True}]}
    assert "disk" in windows_11_fitness(machine(FIT) | stick).unknown


def test_tpm_and_secure_boot_are_unknown_unless_told():
    silent = windows_11_fitness(machine(FIT))
    assert (silent.answer, silent.unknown, silent.is_fixable) == ("unknown", ("tpm", "secure_boot"), True)
    assert len(silent.checks) == 2
    old = windows_11_fitness(machine(FIT, tpm_version="1.2", secure_boot_capable=False))
    assert (old.answer, old.failing, old.is_fixable) == ("no", ("tpm", "secure_boot"), False)


def test_why_the_tpm_is_not_known():
    def check(**facts):
        fitness = windows_11_fitness(machine(FIT, secure_boot_capable=True, **facts))
        assert (fitness.answer, fitness.unknown, fitness.is_fixable) == ("unknown", ("tpm",), True)
        return fitness.checks[0].pattern

    listed = [{"vendor_id": "IFX", "version": "2.0", "description": "INFINEON"}]
    assert "is not told" in check()
    assert "sees no TPM" in check(tpm_present=False)
    assert "sees no TPM" in check(tpm_present=False, tpm_device=[])
    assert "switch it on" in check(tpm_present=False, tpm_device=listed)
    assert "is not told" in check(tpm_present=True)
    # What the firmware lists is not what the system may use.
    assert "is not told" in check(tpm_device=listed)


@pytest.mark.parametrize(
    ("facts", "fit", "words"),
    [
        ({"firmware_type": "uefi", "secure_boot_enabled": True, "secure_boot_capable": True}, "yes", ""),
        ({"firmware_type": "uefi", "secure_boot_enabled": False}, "unknown", "Secure Boot is off"),
        ({"firmware_type": "uefi", "secure_boot_enabled": False, "secure_boot_capable": True}, "yes", ""),
        ({"firmware_type": "uefi", "secure_boot_capable": False}, "no", "cannot start securely"),
        ({"firmware_type": "uefi"}, "unknown", "is not told"),
        ({"firmware_type": "bios"}, "unknown", "the old way"),
        ({"firmware_type": "bios", "secure_boot_enabled": False}, "unknown", "the old way"),
        ({"firmware_type": "bios", "bios": [{"uefi_supported": True}]}, "unknown", "the old way"),
        ({"firmware_type": "bios", "bios": [{"uefi_supported": None}]}, "unknown", "the old way"),
        ({"firmware_type": "bios", "bios": [{"uefi_supported": False}]}, "no", "knows no UEFI"),
        ({"bios": [{"uefi_supported": False}]}, "unknown", "is not told"),
    ],
)
def test_secure_start_by_what_the_machine_tells(facts, fit, words):
    fitness = windows_11_fitness(machine(FIT, tpm_version="2.0", **facts))
    assert fitness.answer == fit
    assert words in fitness.reasons[0].pattern


def test_what_runs_windows_11_has_met_what_it_does_not_tell():
    runs = windows_11_fitness(windows("26200.1"))
    assert (runs.answer, runs.unknown) == ("yes", ())
    forced = windows_11_fitness(machine(cpu(6, 58, 9)) | windows("22631.1"))
    assert (forced.answer, forced.failing) == ("no", ("processor",))


def test_every_pattern_of_the_data_is_an_expression():
    for rule in tomllib.loads((DATA / "windows_11.toml").read_text(encoding="utf-8"))["brand"]:
        re.compile(rule["pattern"])
