"""Screens under a mounted /sys/class/drm."""

import pytest

from agent.errors import NoDataError, ProbeError
from agent.host import LINUX, WINDOWS, Host
from agent.probes import PROBES
from agent.probes.contract import ProbeContext
from agent.runner import Runner

# A made-up block: maker LEN, product 40B2, week 7 of 2012.
EDID = bytearray(128)
EDID[0:8] = b"\x00\xff\xff\xff\xff\xff\xff\x00"
EDID[8:18] = b"\x30\xae\xb2\x40\x01\x02\x03\x04\x07\x16"
EDID[127] = -sum(EDID) & 0xFF


@pytest.fixture
def plug(tmp_path):
    """Connects a screen; the folders are links, as the kernel makes them."""

    def connect(connector, raw):
        folder = tmp_path / "sys/devices/pci0" / connector
        folder.mkdir(parents=True)
        (folder / "edid").write_bytes(bytes(raw))
        drm = tmp_path / "sys/class/drm"
        drm.mkdir(parents=True, exist_ok=True)
        (drm / connector).symlink_to(folder, target_is_directory=True)
        return Host(tmp_path, LINUX)

    return connect


def collect(host):
    return PROBES["monitors"].collect(host, ProbeContext())


def row(connector, *, internal):
    return {
        "connector": connector,
        "manufacturer": "LEN",
        "product_code": "40B2",
        "manufacture_year": 2012,
        "manufacture_week": 7,
        "internal": internal,
    }


def test_connected_screens_only(plug):
    plug("card0-eDP-1", EDID)
    plug("card0-HDMI-A-1", b"")
    plug("card0-LVDS-1", EDID)
    host = plug("card1-DP-2", EDID)
    collected = collect(host)
    assert collected.facts == {
        "monitor": [row("LVDS-1", internal=True), row("eDP-1", internal=True), row("DP-2", internal=False)]
    }
    assert collected.remark == ""


def test_a_broken_one_does_not_hide_the_other(plug):
    plug("card0-VGA-1", EDID[:100])
    collected = collect(plug("card0-DP-1", EDID))
    assert collected.facts == {"monitor": [row("DP-1", internal=False)]}
    assert "broken" in collected.remark


def test_all_broken_is_an_error(plug):
    with pytest.raises(ProbeError, match="every screen"):
        collect(plug("card0-VGA-1", bytes(128)))


def test_none_connected(plug, tmp_path):
    with pytest.raises(NoDataError, match="no screen"):
        collect(Host(tmp_path, LINUX))
    with pytest.raises(NoDataError, match="no screen"):
        collect(plug("card0-VGA-1", b""))


SCREENS = "SYSTEM\\CurrentControlSet\\Enum\\"
LISTED = r"SYSTEM\CurrentControlSet\Services\monitor\Enum"
LEN = "DISPLAY\\LEN40B2\\5&1f2e&0&UID1"
GSM = "DISPLAY\\GSM5B09\\5&1f2e&0&UID2"


def windows(make_windows, tmp_path, **registry):
    (tmp_path / "registry.json").write_text("{}")
    host = make_windows(tmp_path)
    for name in (LEN, GSM):
        host._registry[f"{SCREENS}{name}\\Device Parameters"] = {"EDID": {"hex": EDID.hex()}}
    host._registry.update(registry)
    return host


def test_windows_lists_the_screens_that_are_there(make_windows, tmp_path):
    host = windows(make_windows, tmp_path, **{LISTED: {"Count": 1, "0": LEN, "1": GSM}})
    collected = collect(host)
    assert collected.facts == {"monitor": [row(None, internal=None)]}
    assert collected.remark == ""


def test_windows_that_started_two_of_them(make_windows, tmp_path):
    host = windows(make_windows, tmp_path, **{f"{SCREENS}{GSM}\\Control": {}})
    assert len(collect(host).facts["monitor"]) == 1
    host._registry[f"{SCREENS}{LEN}\\Control"] = {}
    assert len(collect(host).facts["monitor"]) == 2


def test_windows_that_does_not_tell_which_are_there(make_windows, tmp_path):
    with pytest.raises(NoDataError, match="which of the screens"):
        collect(windows(make_windows, tmp_path))


def test_windows_without_screens(tmp_path, make_windows):
    with pytest.raises(NoDataError, match="no screen"):
        collect(Host(tmp_path, WINDOWS))
    with pytest.raises(NoDataError, match="no screen"):
        collect(windows(make_windows, tmp_path, **{LISTED: {"Count": 0}}))


def test_windows_with_a_screen_that_tells_rubbish(make_windows, tmp_path):
    host = windows(make_windows, tmp_path, **{LISTED: {"Count": 2, "0": LEN, "1": GSM}})
    host._registry[f"{SCREENS}{GSM}\\Device Parameters"]["EDID"]["hex"] = "00" * 128
    collected = collect(host)
    assert len(collected.facts["monitor"]) == 1
    assert "broken" in collected.remark
    # What is no screen is not looked up, whatever the list says.
    host._registry[LISTED] = {"Count": 1, "0": "ROOT\\LEN40B2"}
    with pytest.raises(NoDataError, match="no screen"):
        collect(host)


def test_the_fact_may_leave_the_machine(plug):
    found = Runner(plug("card0-eDP-1", EDID), {"monitors": PROBES["monitors"]}, ProbeContext()).round()
    assert (found.outcomes[0].outcome, found.outcomes[0].message) == ("ok", "")
    assert found.facts == {"monitor": [row("eDP-1", internal=True)]}
