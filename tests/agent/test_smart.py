"""SMART and the NVMe log, byte for byte: the questions to disks and the decoding of their answers."""

import pytest

from agent.firmware import smart

# ATA8-ACS, the sector of SMART READ DATA, and SFF-8035i, its rows: number, flags, value, worst, raw, one byte unused.
READ_DATA = (
    bytes.fromhex("1000")  # revision
    + bytes.fromhex("05 3300 5f 5f 080400000100 00")  # 5 reallocated: 1032, and another count in the third word
    + bytes.fromhex("09 3200 44 44 8070000000ab 00")  # 9 power-on hours: 28800, and milliseconds above them
    + bytes.fromhex("c5 1200 63 63 100000000000 00")  # 197 pending: 16
)


# The questions


def test_commands_are_those_of_the_standards():
    assert smart.check_power_mode_command().hex() == "85062000000000000000000000" + "00e500"
    assert smart.return_status_command().hex() == "85062000da00000000004f00c200b000"
    assert smart.read_data_command().hex() == "85080e00d000010000004f00c200b000"
    assert smart.read_thresholds_command().hex() == "85080e00d100010000004f00c200b000"


# The answers


def test_registers(sense):
    assert smart.registers_of_sense(sense(1, 0x51, 0x80, 0xF4, 0x2C)) == smart.AtaRegisters(1, 0x51, 0x80, 0xF4, 0x2C)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x72",
        bytes(64),
        b"\x70" + bytes(63),
        # Another descriptor, one of no length, and one cut short.
        bytes([0x72, 1, 0, 0x1D, 0, 0, 0, 4, 0x00, 0x02, 0, 0]),
        bytes([0x72, 1, 0, 0x1D, 0, 0, 0, 2, 0x09, 0x00]),
        bytes.fromhex("7201001d0000000e090c000000ff000000000000"),
    ],
)
def test_no_registers(raw):
    assert smart.registers_of_sense(raw) is None


def test_registers_behind_another_descriptor(disk_bytes):
    row = disk_bytes.descriptor(count=0xFF)[8:22]
    raw = bytes([0x72, 1, 0, 0x1D, 0, 0, 0, 26, 0x00, 0x0A]) + bytes(10) + row
    assert smart.registers_of_sense(raw).sector_count == 0xFF


@pytest.mark.parametrize(
    ("count", "sleeps"),
    [
        (0x00, True),
        (0x01, True),
        (0x40, True),
        (0x41, False),
        (0x80, False),
        (0x82, False),
        (0xFF, False),
        (0x55, None),
    ],
)
def test_power_mode(sense, count, sleeps):
    assert smart.is_asleep(smart.registers_of_sense(sense(count=count))) is sleeps


def test_power_mode_is_not_known(disk_bytes):
    assert smart.is_asleep(None) is None
    assert smart.is_asleep(smart.registers_of_sense(disk_bytes.descriptor(error=4, status=0x51, count=0))) is None


@pytest.mark.parametrize(
    ("mid", "high", "verdict"),
    [(0x4F, 0xC2, "ok"), (0xF4, 0x2C, "failing"), (0x00, 0x00, "unknown"), (0x4F, 0x2C, "unknown")],
)
def test_verdict(sense, mid, high, verdict):
    assert smart.verdict_of_registers(smart.registers_of_sense(sense(mid=mid, high=high))) == verdict
    refused = smart.registers_of_sense(sense(error=4, status=0x51, mid=mid, high=high))
    assert smart.verdict_of_registers(refused) == "unknown"


def test_attributes_byte_for_byte(disk_bytes):
    found = smart.decode_attributes(disk_bytes.sector(READ_DATA))
    assert found == {
        5: smart.Attribute(0x33, 0x5F, 0x5F, 0x0001_0000_0408),
        9: smart.Attribute(0x32, 0x44, 0x44, 0xAB00_0000_7080),
        197: smart.Attribute(0x12, 0x63, 0x63, 16),
    }
    health = smart.ata_health("ok", found, model="ST500DM002", rotational=True)
    assert health == smart.DiskHealth("ok", None, 1032, 16, 28800)


def test_attributes_that_are_not_whole(disk_bytes):
    whole, broken = disk_bytes.sector(READ_DATA), disk_bytes.sector(READ_DATA, broken=True)
    for raw in (b"", bytes(512), whole[:511], broken, disk_bytes.sector(b"\1")):
        assert smart.decode_attributes(raw) is None
    for raw in (b"", bytes(512), whole[:511], broken):
        assert smart.decode_thresholds(raw) == {}


@pytest.mark.parametrize(
    ("value", "flags", "limit", "verdict"),
    [
        (37, 0x33, 36, "ok"),
        (36, 0x33, 36, "failing"),
        (1, 0x33, 36, "failing"),
        (1, 0x32, 36, "unknown"),  # of old age, not an early warning
        (1, 0x33, 0x00, "unknown"),
        (1, 0x33, 0xFE, "unknown"),
        (1, 0x33, 0xFF, "unknown"),
    ],
)
def test_verdict_of_attributes(value, flags, limit, verdict, disk_bytes):
    rows = smart.decode_attributes(disk_bytes.attributes((5, flags, value, 0)))
    assert smart.verdict_of_attributes(rows, smart.decode_thresholds(disk_bytes.thresholds((5, limit)))) == verdict


@pytest.mark.parametrize(
    ("rows", "wear"),
    [
        (((177, 0x13, 93, 70),), 0.07),  # Samsung
        (((233, 0x32, 100, 0),), 0.0),  # Intel
        (((231, 0x13, 40, 0), (177, 0, 0, 3), (233, 0, 0, 9)), 0.6),  # SandForce: other things in 177 and 233
        (((177, 0, 0, 3),), None),
        (((233, 0, 200, 3),), None),
        (((241, 0, 99, 3),), None),
    ],
)
def test_wear(rows, wear, disk_bytes):
    found = smart.decode_attributes(disk_bytes.attributes(*rows))
    assert smart.ata_health("ok", found, model=None, rotational=False).wear_ratio == wear
    assert smart.ata_health("ok", found, model=None, rotational=True).wear_ratio is None
    assert smart.ata_health("ok", found, model=None, rotational=None).wear_ratio is None


def test_sectors_that_could_not_be_read(disk_bytes):
    both = smart.decode_attributes(disk_bytes.attributes((197, 0, 100, 3), (198, 0, 100, 9)))
    one = smart.decode_attributes(disk_bytes.attributes((198, 0, 100, 9)))
    assert smart.ata_health("ok", both, model=None, rotational=True).pending_sectors == 3
    assert smart.ata_health("ok", one, model=None, rotational=True).pending_sectors == 9


@pytest.mark.parametrize(
    ("model", "hours"),
    [
        ("MAXTOR STM3160815AS", None),
        ("FUJITSU MHZ2250BJ", None),
        ("SAMSUNG SP0802N", None),
        ("TOSHIBA MK2555GSX", None),
        ("SAMSUNG HD502HJ", 131400),
        ("TOSHIBA DT01ACA050", 131400),
        (None, 131400),
    ],
)
def test_a_count_of_minutes_is_no_count_of_hours(model, hours, disk_bytes):
    rows = smart.decode_attributes(disk_bytes.attributes((9, 0x32, 90, 131400)))
    assert smart.ata_health("ok", rows, model=model, rotational=True).power_on_hours == hours


def test_nvme_log(disk_bytes):
    assert smart.decode_nvme_log(disk_bytes.nvme_log()) == smart.NvmeLog(0, 3, 4321, 10 * 512_000)
    assert smart.decode_nvme_log(bytes(512)) is None
    assert smart.decode_nvme_log(disk_bytes.nvme_log()[:511]) is None


@pytest.mark.parametrize(
    ("warning", "verdict", "is_hot"),
    [
        (0x00, "ok", False),
        (0x01, "failing", False),
        (0x02, "ok", True),
        (0x03, "failing", True),
        (0x04, "failing", False),
        (0x08, "failing", False),
        (0x10, "failing", False),
        (0x20, "failing", False),
        (0x40, "ok", False),
    ],
)
def test_nvme_warnings(warning, verdict, is_hot):
    health = smart.nvme_health(warning, 255, 9)
    assert (health.verdict, health.temperature_warning) == (verdict, is_hot)
    assert (health.wear_ratio, health.power_on_hours) == (2.55, 9)
