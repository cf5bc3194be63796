"""Wear of soldered flash disks: the words of the kernel, and the probe that asks them."""

import pytest

from agent.errors import NoDataError
from agent.firmware.emmc import decode_emmc
from agent.host import LINUX, Host
from agent.probes import PROBES, ProbeContext


@pytest.mark.parametrize(
    ("life_time", "reserve", "verdict", "wear"),
    [
        ("0x01 0x01", "0x01", "ok", 0.1),
        ("0x02 0x09", "0x02", "ok", 0.9),
        ("0x0b 0x01", "0x03", "failing", 1.1),
        ("0x00 0x00", "0x01", "ok", None),
        ("0x03 0x00", "0x00", "unknown", 0.3),
        (None, "0x03", "failing", None),
        ("0x05 0x04", None, "unknown", 0.5),
    ],
)
def test_what_the_registers_say(life_time, reserve, verdict, wear):
    health = decode_emmc(life_time, reserve)
    assert (health.verdict, health.wear_ratio) == (verdict, wear)
    assert (health.power_on_hours, health.reallocated_sectors) == (None, None)


@pytest.mark.parametrize(
    ("life_time", "reserve"),
    [
        (None, None),
        ("", ""),
        ("0x00 0x00", "0x00"),
        ("0x0c 0xff", "0x04"),
        ("none", "bad"),
        ("0x01 -1", "9999"),
        ("0x", "0xg"),
    ],
)
def test_what_says_nothing(life_time, reserve):
    assert decode_emmc(life_time, reserve) is None


@pytest.fixture
def machine(tmp_path):
    def make(**files):
        for file, text in {"size": "61071360", "removable": "0", "device__type": "MMC", **files}.items():
            path = tmp_path / "sys/block/mmcblk0" / file.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return Host(tmp_path, LINUX)

    return make


def test_a_worn_one(machine):
    found = PROBES["disk_health"].collect(
        machine(device__life_time="0x0b 0x03", device__pre_eol_info="0x03"), ProbeContext()
    )
    (row,) = found.facts["disk_health"]
    assert (row["device"], row["smart_health"], row["wear_ratio"]) == ("mmcblk0", "failing", 1.1)


def test_one_that_the_kernel_knows_nothing_of(machine):
    found = PROBES["disk_health"].collect(machine(), ProbeContext())
    assert found.facts["disk_health"][0]["smart_health"] == "unknown"
    assert "does not answer" in found.remark


def test_a_card_is_not_asked(machine):
    with pytest.raises(NoDataError, match="no disk here can tell"):
        PROBES["disk_health"].collect(machine(device__type="SD", device__life_time="0x01 0x01"), ProbeContext())
