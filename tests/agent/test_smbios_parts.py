"""What a board holds and takes, against bytes made here and against dmidecode reading the same bytes."""

import gzip
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from agent.firmware import names, smbios

DMIDECODE = shutil.which("dmidecode") or "/usr/sbin/dmidecode"
with_dmidecode = pytest.mark.skipif(shutil.which(DMIDECODE) is None, reason="dmidecode is not installed")


def decoded(table):
    return smbios.decode_dump(table.end().dump).facts


def theirs(tmp_path, table, kind):
    """What dmidecode says of the structures of one type: label -> text."""
    file = tmp_path / "dump.bin"
    file.write_bytes(table.dump)
    done = subprocess.run([DMIDECODE, "--from-dump", str(file)], capture_output=True, check=False, timeout=20)
    found, current = [], None
    for line in done.stdout.decode("ascii", "replace").splitlines():
        header = re.match(r"Handle 0x\w+, DMI type (\d+), \d+ bytes", line)
        if header:
            current = {} if int(header[1]) == kind else None
            if current is not None:
                found.append(current)
        elif current is not None and line.startswith("\t") and ":" in line:
            label, _, text = line.strip().partition(":")
            current.setdefault(label, text.strip())
    return found


def test_parts(make_table):
    facts = decoded(make_table((3, 2)).with_parts())
    assert facts["system_slot"] == [
        {"designation": "PCIEX16_1", "type": "PCI Express 3 x16", "usage": "Available"},
        {"designation": "M2_1", "type": "M.2 Socket 3", "usage": "In Use"},
    ]
    assert facts["memory_array"] == [
        {"use": "System Memory", "error_correction": "None", "maximum_bytes": 32 << 30, "slot_count": 4}
    ]
    assert facts["boot_status"] == [{"status": "No errors detected"}]
    assert facts["onboard_device"] == [
        {"designation": "Onboard LAN", "type": "Ethernet", "enabled": True},
        {"designation": "Onboard Audio", "type": "Sound", "enabled": False},
    ]
    assert facts["tpm_device"] == [{"vendor_id": "IFX", "version": "2.0", "description": "INFINEON"}]
    kinds = {row["type"]: row["count"] for row in facts["smbios_structure"]}
    assert kinds == {9: 2, 16: 1, 32: 1, 41: 2, 43: 1, 127: 1}


def test_room_for_more_memory_than_a_word_holds(make_table):
    wide = bytes([3, 3, 6]) + b"\0\0\0\x80" + b"\xfe\xff" + (8).to_bytes(2, "little") + (4 << 40).to_bytes(8, "little")
    (row,) = decoded(make_table((2, 7)).add(16, wide))["memory_array"]
    assert (row["maximum_bytes"], row["slot_count"], row["error_correction"]) == (4 << 40, 8, "Multi-bit ECC")
    (short,) = decoded(make_table().add(16, b"\3\3"))["memory_array"]
    assert short == {"use": "System Memory", "error_correction": None, "maximum_bytes": None, "slot_count": None}


@pytest.mark.parametrize(
    ("count", "wide", "size"),
    [(0x0F, b"", 1 << 20), (0xFF, b"", None), (0xFF, b"\x10\0", 16 << 20), (0xFF, b"\1\x40", 1 << 30), (0, b"", 65536)],
)
def test_room_of_the_firmware(make_table, count, wide, size):
    area = bytes([1, 2, 0, 0xF0, 3, count]) + bytes(8) + bytes([3, 0x08, 5, 17, 0xFF, 0xFF]) + wide
    (row,) = decoded(make_table((3, 1)).add(0, area, "AMI", "F2", "03/14/2014"))["bios"]
    assert row["rom_size_bytes"] == size
    assert (row["uefi_supported"], row["virtual_machine"], row["revision"]) == (True, False, "5.17")


def test_an_old_firmware_does_not_tell(make_table):
    (row,) = decoded(make_table((2, 3)).add(0, bytes([1, 2, 0, 0xF0, 3, 7]) + bytes(8), "A", "B", "C"))["bios"]
    assert (row["uefi_supported"], row["virtual_machine"], row["revision"]) == (None, None, None)
    unset = bytes([1, 2, 0, 0xF0, 3, 7]) + bytes(8) + bytes([0, 0x10, 0xFF, 0xFF])
    (row,) = decoded(make_table((2, 4)).add(0, unset, "A", "B", "C"))["bios"]
    assert (row["uefi_supported"], row["virtual_machine"], row["revision"]) == (False, True, None)


def memory(form=9, speed=1600, configured=1333):
    area = b"\0\0\xfe\xff" + (64).to_bytes(2, "little") * 2 + (4096).to_bytes(2, "little")
    area += bytes([form, 0, 1, 2, 0x18]) + b"\0\0" + speed.to_bytes(2, "little") + bytes([3, 4, 5, 6, 0])
    return area + bytes(4) + configured.to_bytes(2, "little") + bytes(6)


def test_memory_module(make_table):
    table = make_table((2, 8)).add(17, memory(), "DIMM1", "BANK 0", "Kingston", "A1B2C3", "9876", "KVR16")
    (row,) = decoded(table)["memory_device"]
    told = ("bank", "form_factor", "configured_speed_mts", "serial", "asset_tag", "part_number")
    assert tuple(row[name] for name in told) == ("BANK 0", "DIMM", 1333, "A1B2C3", "9876", "KVR16")


def test_states_of_the_case(make_table):
    (row,) = decoded(make_table().add(3, bytes([0, 3, 0, 0, 0, 3, 4, 2])))["chassis"]
    assert (row["bootup_state"], row["power_supply_state"], row["thermal_state"]) == ("Safe", "Warning", "Unknown")


def test_a_tpm_that_says_nothing(make_table):
    assert decoded(make_table().add(43, bytes(6)))["tpm_device"] == [
        {"vendor_id": None, "version": None, "description": None}
    ]


@with_dmidecode
def test_dmidecode_reads_the_same_parts(make_table, tmp_path):
    table = make_table((3, 2)).with_parts()
    ours = decoded(table)
    said = theirs(tmp_path, table, 9)
    assert [(row["designation"], row["usage"]) for row in ours["system_slot"]] == [
        (values["Designation"], values["Current Usage"]) for values in said
    ]
    array = theirs(tmp_path, table, 16)[0]
    assert (array["Maximum Capacity"], array["Number Of Devices"]) == ("32 GB", "4")
    assert (array["Use"], array["Error Correction Type"]) == ("System Memory", "None")
    assert theirs(tmp_path, table, 32)[0]["Status"] == ours["boot_status"][0]["status"]
    assert [(row["designation"], row["type"], row["enabled"]) for row in ours["onboard_device"]] == [
        (values["Reference Designation"], values["Type"], values["Status"] == "Enabled")
        for values in theirs(tmp_path, table, 41)
    ]
    tpm = theirs(tmp_path, table, 43)[0]
    assert (tpm["Vendor ID"], tpm["Specification Version"]) == ("IFX", "2.0")


@with_dmidecode
def test_dmidecode_names_all_numbers_alike(make_table, tmp_path):
    table = make_table((3, 2))
    for number in range(1, 0x11):
        table.add(17, memory(form=number))
    for number in range(1, 8):
        table.add(16, bytes([3, number, number]) + bytes(8))
        table.add(3, bytes([0, 3, 0, 0, 0, number, number, number]) + bytes(9))
    for number in range(1, 0xC4):
        table.add(9, bytes([0, number, 3, 1 + number % 5, 3, 0, 0, 0, 0]))
    for number in range(9):
        table.add(32, bytes(6) + bytes([number]))
    for number in range(1, 0x0B):
        table.add(41, bytes([0, 0x80 | number, 1, 0, 0, 0, 0]))
    ours = decoded(table)
    out_of_range = "<OUT OF SPEC>"

    def agree(kind, fact, column, label):
        said = [values[label] for values in theirs(tmp_path, table, kind)]
        assert len(said) == len(ours[fact])
        assert [row[column] or out_of_range for row in ours[fact]] == said

    agree(17, "memory_device", "form_factor", "Form Factor")
    agree(16, "memory_array", "use", "Use")
    agree(16, "memory_array", "error_correction", "Error Correction Type")
    agree(3, "chassis", "bootup_state", "Boot-up State")
    agree(3, "chassis", "thermal_state", "Thermal State")
    agree(32, "boot_status", "status", "Status")
    agree(41, "onboard_device", "type", "Type")
    agree(9, "system_slot", "usage", "Current Usage")
    # Their text begins with the width in bits.
    said = [values["Type"] for values in theirs(tmp_path, table, 9)]
    for row, text in zip(ours["system_slot"], said):
        assert row["type"] is None or text.endswith(row["type"]), text
    assert sum(row["type"] is not None for row in ours["system_slot"]) > 35


SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "dmi_sample.jsonl.gz"
ALL = range(256)


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of real machines (linuxhw/DMI) is not here")
def test_names_are_those_of_real_machines():
    known = {
        (17, "Form Factor"): {names.memory_form_factor(number) for number in ALL},
        (16, "Use"): {names.memory_array_use(number) for number in ALL},
        (16, "Error Correction Type"): {names.error_correction(number) for number in ALL},
        (9, "Current Usage"): {names.slot_usage(number) for number in ALL},
        (3, "Boot-up State"): {names.chassis_state(number) for number in ALL},
        (3, "Thermal State"): {names.chassis_state(number) for number in ALL},
        (41, "Type"): {names.onboard_device_type(number) for number in ALL},
        (32, "Status"): {names.boot_status(number) for number in ALL},
    }
    slots = tuple(name for name in map(names.slot_type, ALL) if name)
    counts, slot_count, unnamed = Counter(), 0, 0
    with gzip.open(str(SAMPLE), "rt", encoding="utf-8") as file:
        for line in file:
            kind = None
            for row in json.loads(line)["text"].splitlines():
                header = re.match(r"Handle .*DMI type (\d+)", row)
                if header:
                    kind = int(header[1])
                label, colon, text = row.strip().partition(": ")
                if (kind, label) in known and colon:
                    assert text in known[kind, label] or text == "<OUT OF SPEC>", (kind, label, text)
                    counts[kind] += 1
                if (kind, label) == (9, "Type"):
                    slot_count += 1
                    unnamed += not text.endswith(slots)
    assert min(counts.values()) > 1000
    # Those that the firmware itself calls "Other".
    assert unnamed / slot_count < 0.05


def test_numbers_outside_the_specification():
    for name in (
        names.chassis_state,
        names.memory_form_factor,
        names.memory_array_use,
        names.error_correction,
        names.slot_usage,
        names.slot_type,
        names.onboard_device_type,
    ):
        assert (name(None), name(0), name(0x7E)) == (None, None, None)
    assert [names.boot_status(number) for number in (None, 9, 0x80, 0xC0)] == [
        None,
        None,
        "OEM-specific",
        "Product-specific",
    ]
