"""Adapters under a mounted /sys/class/net, adapters of a recorded Windows, and the digest of a name."""

import json
from types import SimpleNamespace

import pytest

from agent.errors import NoDataError
from agent.host import LINUX, Host
from agent.probes import PROBES
from agent.probes.contract import ProbeContext
from agent.probes.network import name_digest
from agent.runner import Runner

# sha256sum of "may-01"; tests/inventory/test_identity.py holds the other end to the same digest.
DIGEST = "96dff2dfa3fccde07b3a7e6e8a47571a"
ADAPTERS = r"SYSTEM\CurrentControlSet\Control\Network\{4D36E972-E325-11CE-BFC1-08002BE10318}"
TCPIP = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters"
SHORT_NAME = r"SYSTEM\CurrentControlSet\Control\ComputerName\ActiveComputerName"


@pytest.fixture
def add_adapter(tmp_path):
    def add(name, mac, speed=None, *, physical=True):
        folder = tmp_path / "sys/devices" / name
        folder.mkdir(parents=True)
        (folder / "address").write_text(mac + "\n")
        if speed is not None:
            (folder / "speed").write_text(speed + "\n")
        if physical:
            (folder / "device").symlink_to(tmp_path / "sys/devices", target_is_directory=True)
        net = tmp_path / "sys/class/net"
        net.mkdir(parents=True, exist_ok=True)
        (net / name).symlink_to(folder, target_is_directory=True)
        return Host(tmp_path, LINUX)

    return add


@pytest.fixture
def name_machine(tmp_path):
    def write(name):
        path = tmp_path / "proc/sys/kernel/hostname"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name + "\n", encoding="utf-8")
        return Host(tmp_path, LINUX)

    return write


def collect(host):
    return PROBES["network"].collect(host, ProbeContext())


def test_physical_adapters_only(add_adapter):
    add_adapter("lo", "00:00:00:00:00:00", physical=False)
    add_adapter("br0", "00:1A:2B:3C:4D:5E", physical=False)
    add_adapter("wlan0", "02:1a:2b:3c:4d:5f", "-1")
    add_adapter("ib0", "80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:0e:7a:11")
    collected = collect(add_adapter("eth0", "00:1A:2B:3C:4D:5E", "1000"))
    assert collected.facts == {
        "network_adapter": [
            {"name": "eth0", "mac": "00:1a:2b:3c:4d:5e", "speed_mbps": 1000, "physical": True},
            {"name": "wlan0", "mac": "02:1a:2b:3c:4d:5f", "speed_mbps": None, "physical": True},
        ]
    }
    assert collected.remark == ""


def test_a_name_leaves_as_a_digest(name_machine):
    found = Runner(name_machine("PC-NguyenVanA.xa.local"), {"network": PROBES["network"]}, ProbeContext()).round()
    assert found.facts == {"computer_name_sha256": name_digest("pc-nguyenvana")}
    assert len(found.facts["computer_name_sha256"]) == 64
    assert "nguyen" not in repr(found).lower()
    assert (found.outcomes[0].outcome, found.outcomes[0].message) == ("ok", "no physical network adapter was found")


def test_spellings_of_one_name():
    assert len({name_digest(name) for name in ("MAY-01", "may-01", " May-01.nghean.gov.vn ")}) == 1
    assert name_digest("MAY-01").startswith(DIGEST)
    assert name_digest("MAY-01") != name_digest("MAY-02")


@pytest.mark.parametrize("name", [None, "", "  ", "localhost", "LOCALHOST.localdomain", "(none)"])
def test_no_name_of_its_own(name):
    assert name_digest(name) is None


def test_nothing_at_all(name_machine):
    with pytest.raises(NoDataError, match="no physical network adapter"):
        collect(name_machine("localhost"))


def on_windows(folder, make_windows, registry, adapters):
    (folder / "registry.json").write_text(json.dumps(registry), encoding="utf-8")
    host = make_windows(folder)
    if adapters is not None:
        library = SimpleNamespace(
            AF_LINK=-1,
            net_if_addrs=lambda: {
                name: [
                    SimpleNamespace(family=-1, address=mac),
                    SimpleNamespace(family=2, address="10.1.2.3"),
                ]
                for name, mac in adapters.items()
            },
            net_if_stats=lambda: {name: SimpleNamespace(speed=100) for name in adapters},
        )
        host.psutil = lambda: library
    return host


def connection(name, device):
    return {"Name": name, "PnPInstanceId": device}


def test_windows(tmp_path, make_windows):
    registry = {
        TCPIP: {"Hostname": "MAY-01"},
        SHORT_NAME: {"ComputerName": "OTHER"},
        ADAPTERS + r"\{A}\Connection": connection("Phòng bà Lan", r"PCI\VEN_8086&DEV_15B8"),
        ADAPTERS + r"\{B}\Connection": connection("vEthernet", r"ROOT\VMS_MP\0000"),
    }
    adapters = {
        "Phòng bà Lan": "00-1A-2B-3C-4D-5E",
        "vEthernet": "00-15-5D-01-02-03",
        "unknown": "00-1A-2B-3C-4D-60",
        "tunnel": "00-00-00-00-00-00-00-E0",
    }
    collected = collect(on_windows(tmp_path, make_windows, registry, adapters))
    assert collected.facts["network_adapter"] == [
        {"name": "{A}", "mac": "00:1a:2b:3c:4d:5e", "speed_mbps": 100, "physical": True},
        {"name": None, "mac": "00:1a:2b:3c:4d:60", "speed_mbps": 100, "physical": None},
    ]
    assert collected.facts["computer_name_sha256"].startswith(DIGEST)
    assert "10.1.2.3" not in repr(collected)
    assert "Lan" not in repr(collected)


def test_windows_without_psutil(tmp_path, make_windows, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psutil", None)
    host = on_windows(tmp_path, make_windows, {SHORT_NAME: {"ComputerName": "MAY-01"}}, None)
    collected = collect(host)
    assert list(collected.facts) == ["computer_name_sha256"]
    assert "network adapters" in collected.remark


def test_this_machine_tells_no_address_of_the_network():
    found = Runner(Host(), {"network": PROBES["network"]}, ProbeContext()).round()
    for row in found.facts.get("network_adapter", []):
        assert set(row) == {"name", "mac", "speed_mbps", "physical"}
        assert row["mac"].count(":") == 5
