"""Batteries under a mounted /sys/class/power_supply, and as Windows' driver answers for them."""

import struct

import pytest

from agent.errors import NoDataError, ProbeError
from agent.firmware import battery_query as query
from agent.host import LINUX, WINDOWS, Host
from agent.probes import PROBES, ProbeContext

CLASS = "{72631e54-78a4-11d0-bcf7-00aa00b7b32a}"
INTERFACES = "SYSTEM\\CurrentControlSet\\Control\\DeviceClasses\\" + CLASS


@pytest.fixture
def add_battery(tmp_path):
    def add(name="BAT0", **files):
        folder = tmp_path / "sys/class/power_supply" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in dict({"type": "Battery"}, **files).items():
            (folder / file).write_text(f"{text}\n")
        return Host(tmp_path, LINUX)

    return add


def collect(host):
    return PROBES["battery"].collect(host, ProbeContext())


def test_energy(add_battery):
    host = add_battery(energy_full_design=50000000, energy_full=30000000, cycle_count=500, technology="Li-ion")
    collected = collect(host)
    (row,) = collected.facts["battery_wear"]
    assert (row["design_capacity_wh"], row["full_capacity_wh"], row["wear_ratio"]) == (50.0, 30.0, 0.4)
    assert (row["cycle_count"], row["chemistry"], collected.remark) == (500, "Li-ion", "")


def test_charge(add_battery):
    (row,) = collect(add_battery(charge_full_design=4000000, charge_full=4400000, voltage_min_design=11100000)).facts[
        "battery_wear"
    ]
    # One that holds more than it was made for is not worn.
    assert (row["design_capacity_wh"], row["full_capacity_wh"], row["wear_ratio"]) == (44.4, 48.8, 0.0)


def test_charge_without_its_voltage(add_battery):
    (row,) = collect(add_battery(charge_full_design=4000000, charge_full=1000000)).facts["battery_wear"]
    assert (row["design_capacity_wh"], row["full_capacity_wh"], row["wear_ratio"]) == (None, None, 0.75)


@pytest.mark.parametrize(
    "files",
    [
        {"energy_full": 30000000},
        {"energy_full": 30000000, "energy_full_design": 0},
        {"energy_full": 0, "energy_full_design": 30000000},
        {"energy_full": "many", "energy_full_design": -5},
    ],
)
def test_one_that_does_not_tell(add_battery, files):
    collected = collect(add_battery(cycle_count=0, technology="Unknown", **files))
    (row,) = collected.facts["battery_wear"]
    assert (row["wear_ratio"], row["cycle_count"], row["chemistry"]) == (None, None, None)
    assert "how worn" in collected.remark


@pytest.mark.parametrize(
    "files", [{"type": "Mains"}, {"type": "UPS"}, {"scope": "Device"}, {"present": "0"}, {"type": "USB"}]
)
def test_what_does_not_run_the_machine(add_battery, files):
    host = add_battery("other", energy_full=1, energy_full_design=1, **files)
    with pytest.raises(NoDataError, match="no battery"):
        collect(host)
    add_battery("BAT1", energy_full=1, energy_full_design=2)
    assert [row["name"] for row in collect(host).facts["battery_wear"]] == ["BAT0"]


def test_no_serial_number_and_no_path_leaves(add_battery):
    host = add_battery(serial_number="SECRET1", model_name="C:\\Users\\NguyenVanA", manufacturer="LGC")
    assert "SECRET1" not in repr(collect(host))
    assert collect(host).facts["battery_wear"][0]["model"] is None


# Windows


@pytest.fixture
def windows(machines, make_windows):
    return make_windows(machines / "windows-11-notebook")


def device(number):
    return f"ACPI#PNP0C0A#{number}#{CLASS}"


def test_an_old_and_a_new_battery(windows):
    disks = windows._answers["disks"]
    disks[device(2)] = dict(disks[device(1)])
    windows._registry[f"{INTERFACES}\\##?#{device(2)}"] = {}
    rows = collect(windows).facts["battery_wear"]
    assert [(row["name"], row["wear_ratio"]) for row in rows] == [("BAT0", 0.28), ("BAT1", 0.28)]


def test_an_empty_bay(windows):
    bay = windows._answers["disks"][device(1)]
    bay[f"{query.QUERY_TAG:08x} {query.tag_question().hex()}"] = "00000000"
    with pytest.raises(NoDataError, match="no battery"):
        collect(windows)


def test_batteries_that_do_not_answer(windows):
    windows._answers["disks"][device(1)] = {}
    with pytest.raises(ProbeError, match="no battery answers"):
        collect(windows)
    windows._answers["disks"][device(1)] = {"refused": True}
    with pytest.raises(ProbeError, match="no battery answers"):
        collect(windows)


def test_one_of_two_does_not_answer(windows):
    windows._answers["disks"][device(2)] = {}
    collected = collect(windows)
    assert len(collected.facts["battery_wear"]) == 1
    assert "some batteries" in collected.remark


def test_only_the_state_is_told(windows):
    bay = windows._answers["disks"][device(1)]
    for level in (query.DEVICE_NAME, query.MANUFACTURE_NAME, query.MANUFACTURE_DATE):
        del bay[f"{query.QUERY_INFORMATION:08x} {query.question(3, level).hex()}"]
    (row,) = collect(windows).facts["battery_wear"]
    assert (row["wear_ratio"], row["manufacturer"], row["model"], row["manufacture_date"]) == (0.28, None, None, None)


def test_windows_without_batteries(make_windows, machines, tmp_path):
    with pytest.raises(NoDataError, match="no battery"):
        collect(make_windows(machines / "windows-10-dell"))
    with pytest.raises(NoDataError, match="no battery"):
        collect(Host(tmp_path, WINDOWS))


def information(capabilities=0x80000000, chemistry=b"LION", designed=53000, full=38160, cycles=0):
    return struct.pack("<IB3x4s6I", capabilities, 1, chemistry, designed, full, 0, 0, 0, cycles)


def test_answers_as_bytes():
    told = query.decode_information(information())
    assert told == (True, "LION", 53000, 38160, False, None)
    relative = query.decode_information(
        information(capabilities=0xC0000000, chemistry=b"Li\0\0", designed=100, cycles=7)
    )
    assert (relative.is_relative, relative.chemistry, relative.cycle_count) == (True, "Li", 7)
    unknown = query.decode_information(information(designed=0xFFFFFFFF, full=0))
    assert (unknown.design_capacity, unknown.full_capacity) == (None, None)
    assert query.decode_information(information()[:-1]) is None
    assert (query.decode_tag(b"\3\0\0\0"), query.decode_tag(bytes(4)), query.decode_tag(b"\1")) == (3, None, None)
    assert query.decode_date(struct.pack("<BBH", 5, 3, 2012)) == "2012-03-05"
    assert (query.decode_date(bytes(4)), query.decode_date(b"\5\3")) == (None, None)
    assert query.decode_name("DELL 1\0rest".encode("utf-16-le")) == "DELL 1"
    assert (query.decode_name(b"\0\0"), query.decode_name(b"")) == (None, None)


def test_capacity_in_an_unknown_unit(windows):
    bay = windows._answers["disks"][device(1)]
    key = f"{query.QUERY_INFORMATION:08x} {query.question(3, query.INFORMATION).hex()}"
    bay[key] = information(capabilities=0xC0000000, designed=100, full=60).hex()
    (row,) = collect(windows).facts["battery_wear"]
    assert (row["design_capacity_wh"], row["wear_ratio"]) == (None, 0.4)
