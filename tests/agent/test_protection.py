"""Anti-malware and firewall: decoding of what systems keep, and the probe on recorded and made-up machines."""

import base64
import datetime as dt

import pytest

from agent.errors import NoDataError
from agent.host import LINUX, Host
from agent.linux.protection import clamav_age_days, iptables_refuses, nftables_refuses
from agent.probes import PROBES, ProbeContext
from agent.probes.contract import DAY_SECONDS
from agent.probes.protection import full_days
from agent.runner import Runner
from agent.windows.protection import ANTIMALWARE, FIREWALL, decode_product, decode_products, filetime_seconds

NOW = 1_795_300_000
SERVICES = "SYSTEM\\CurrentControlSet\\Services\\"
POLICY = SERVICES + "SharedAccess\\Parameters\\FirewallPolicy\\"
ORDERED = "SOFTWARE\\Policies\\Microsoft\\WindowsFirewall\\"


def collect(host, context=None):
    return PROBES["protection"].collect(host, context or ProbeContext())


def rows(host, kind):
    found = collect(host).facts["protection"]
    return [(row["product"], row["enabled"], row["signature_age_days"]) for row in found if row["kind"] == kind]


# Windows' words


@pytest.mark.parametrize(
    ("state", "enabled", "is_microsofts", "is_out_of_date"),
    [
        (397568, True, True, False),  # 0x061100: Defender on Windows 10
        (397584, True, True, True),  # 0x061110
        (393472, False, True, False),  # 0x060100
        (393488, False, True, True),  # 0x060110
        (266240, True, False, False),  # 0x041000: others
        (266256, True, False, True),  # 0x041010
        (262144, False, False, False),  # 0x040000
        (270336, False, False, False),  # 0x042000: snoozed
        (274432, False, False, False),  # 0x043000: expired
        (331776, True, False, False),  # 0x051000
        (344064, None, False, False),  # 0x054000: nobody knows
    ],
)
def test_product_state(state, enabled, is_microsofts, is_out_of_date):
    product = decode_product(ANTIMALWARE, "Some Guard", state)
    assert (product.enabled, product.is_microsofts, product.is_out_of_date) == (enabled, is_microsofts, is_out_of_date)


def test_microsofts_own_before_windows_10_is_known_by_its_name():
    assert decode_product(ANTIMALWARE, "Microsoft Security Essentials", 397312).is_microsofts


def listed(*products, end="end\r\n"):
    lines = [f"{name} {state} {base64.b64encode(text.encode()).decode()}\r\n" for name, state, text in products]
    return ("".join(lines) + end).encode("ascii")


def test_products_out_of_powershell():
    output = listed(("AntiVirusProduct", 397568, "Trình diệt virus"), ("FirewallProduct", 331792, "Tường lửa"))
    found = decode_products(output)
    assert [(each.kind, each.name, each.enabled) for each in found] == [
        (ANTIMALWARE, "Trình diệt virus", True),
        (FIREWALL, "Tường lửa", True),
    ]
    assert decode_products(b"end\r\n") == []


@pytest.mark.parametrize(
    "output",
    [
        b"",
        listed(("AntiVirusProduct", 397568, "A"), end=""),
        b"AntiVirusProduct 397568 %%%\r\nend\r\n",
        b"Get-WmiObject : Invalid namespace\r\n",
        b"\xff\xfee\x00n\x00d\x00",
    ],
)
def test_powershell_that_did_not_come_to_its_end(output):
    assert decode_products(output) is None


def test_filetime():
    raw = bytes.fromhex("009b558c8961d201")
    passed = dt.timedelta(microseconds=int.from_bytes(raw, "little") // 10)
    moment = dt.datetime(1601, 1, 1, tzinfo=dt.timezone.utc) + passed
    assert moment.isoformat() == "2016-12-29T04:10:54+00:00"
    assert filetime_seconds(raw) == moment.timestamp()
    for value in (None, b"", bytes(7), bytes(8), bytes(9)):
        assert filetime_seconds(value) is None


def test_full_days():
    assert [full_days(NOW - seconds, NOW) for seconds in (0, 86399, 86400, 14 * 86400)] == [0, 0, 1, 14]
    # An hour ahead is the maker's clock; two days are this machine's battery.
    assert (full_days(NOW + 3600, NOW), full_days(NOW + 2 * 86400, NOW)) == (0, None)


# Windows


@pytest.fixture
def windows(machines, make_windows):
    host = make_windows(machines / "windows-10-with-two-products")
    host.now = 1000.0
    host.monotonic_time_seconds = lambda: host.now
    return host


def test_the_products_are_listed_once_a_day(windows):
    context = ProbeContext()
    for _ in range(3):
        collect(windows, context)
        windows.now += PROBES["protection"].period_seconds
    assert len(windows.started) == 1
    windows.now += DAY_SECONDS
    collect(windows, context)
    assert len(windows.started) == 2


def test_they_are_listed_anew_when_something_changes(windows):
    context = ProbeContext()
    collect(windows, context)
    windows._answers["security_provider_health"]["4"] = 2
    windows._answers["powershell"] = listed(("AntiVirusProduct", 393472, "Windows Defender")).decode()
    (row,) = [row for row in collect(windows, context).facts["protection"] if row["kind"] == "antimalware"]
    assert (row["product"], row["enabled"], len(windows.started)) == ("Windows Defender", False, 2)


def test_signatures_grow_older_between_the_lists(windows):
    context = ProbeContext()
    windows._answers["powershell"] = listed(("AntiVirusProduct", 397568, "Windows Defender")).decode()
    ages = []
    for _ in range(2):
        ages += [row["signature_age_days"] for row in collect(windows, context).facts["protection"]][:1]
        windows._answers["wall_time_seconds"] += 86400
    assert (ages, len(windows.started)) == ([3, 4], 1)


def test_windows_says_that_signatures_are_old(windows):
    windows._answers["powershell"] = listed(("AntiVirusProduct", 331792, "Other")).decode()
    assert "out of date" in collect(windows).remark


def test_before_security_center_runs_nothing_is_told(windows):
    windows._answers["security_provider_health"] = {}
    with pytest.raises(NoDataError, match=r"does not run \(yet\)"):
        collect(windows)
    assert windows.started == []


@pytest.mark.parametrize(("health", "enabled"), [(0, True), (1, None), (2, None), (3, None)])
def test_without_powershell_the_state_as_a_whole_is_known(windows, health, enabled):
    context = ProbeContext()
    del windows._answers["powershell"]
    windows._answers["security_provider_health"]["4"] = health
    found = collect(windows, context)
    assert found.facts["protection"][0] == {
        "kind": "antimalware",
        "product": None,
        "enabled": enabled,
        "signature_age_days": None,
    }
    assert "did not list" in found.remark
    # Windows may have been starting: again after an hour, not after a quarter of one.
    collect(windows, context)
    assert len(windows.started) == 1
    windows.now += 3600
    collect(windows, context)
    assert len(windows.started) == 2


@pytest.mark.parametrize("start", [None, 4])
@pytest.mark.parametrize(
    ("runs", "settings", "expected"),
    [
        (True, {}, [("Windows Defender", True, 3)]),
        (False, {}, [("Windows Defender", False, 3)]),
        (True, {"SOFTWARE\\Microsoft\\Windows Defender": "DisableAntiSpyware"}, [("Windows Defender", False, 3)]),
        (
            True,
            {"SOFTWARE\\Policies\\Microsoft\\Windows Defender\\Real-Time Protection": "DisableRealtimeMonitoring"},
            [("Windows Defender", False, 3)],
        ),
        (None, {}, []),
    ],
)
def test_windows_server_without_security_center(windows, start, runs, settings, expected):
    windows._registry[SERVICES + "wscsvc"] = {"Start": start}
    windows._answers["services"] = {"WinDefend": runs}
    windows._registry.update({key: {name: 1} for key, name in settings.items()})
    assert rows(windows, "antimalware") == expected
    assert windows.started == []


@pytest.mark.parametrize(
    ("switches", "ordered", "enabled"),
    [
        ((1, 1, 1), {}, True),
        ((0, 0, 0), {}, False),
        ((1, 0, 1), {}, None),
        ((0, 0, 0), {"DomainProfile": 1, "PrivateProfile": 1, "PublicProfile": 1}, True),
        ((1, 1, 1), {"PublicProfile": 0}, None),
    ],
)
def test_windows_firewall(windows, switches, ordered, enabled):
    for profile, value in zip(("DomainProfile", "StandardProfile", "PublicProfile"), switches):
        windows._registry[POLICY + profile] = {"EnableFirewall": value}
    windows._registry.update({ORDERED + profile: {"EnableFirewall": value} for profile, value in ordered.items()})
    assert rows(windows, "firewall")[-1] == ("Windows Firewall", enabled, None)
    assert ("some kinds of network" in collect(windows).remark) == (enabled is None)


def test_windows_firewall_whose_service_is_switched_off(windows):
    windows._registry[SERVICES + "MpsSvc"] = {"Start": 4}
    assert rows(windows, "firewall")[-1] == ("Windows Firewall", False, None)


def test_a_clock_of_2009_makes_no_signatures_of_the_future(windows):
    windows._answers["wall_time_seconds"] = 1_230_768_000
    assert rows(windows, "antimalware")[0] == ("Windows Defender", False, None)


# Linux


@pytest.mark.parametrize(
    ("header", "age"),
    [
        (f"ClamAV-VDB:16 Nov 2026 03-26 -0500:27808:2077:90:X:X:raynman:{NOW - 5 * 86400}", 5),
        (f"ClamAV-VDB:16 Nov 2026 03-26 -0500:27808:2077:90:X:X:raynman:{NOW + 9 * 86400}", None),
        ("ClamAV-VDB:16 Nov 2026 03-26 -0500:27808:2077:90:X:X:raynman:0", None),
        ("ClamAV-VDB:16 Nov 2026 03-26 -0500:27808:2077:90:X:X:raynman", None),
        ("ClamAV-VDB:16 Nov 2026 03-26 -0500:27808:2077:90:X:X:raynman:soon", None),
        ("Something-else:1:2:3:4:5:6:7:1", None),
        ("", None),
    ],
)
def test_clamav_header(header, age):
    assert clamav_age_days(header.encode().ljust(512, b" ") + b"\x1f\x8b:::", NOW) == age


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("table inet filter {\n chain input {\n  type filter hook input priority 0; policy drop;\n }\n}\n", True),
        ("chain input { type filter hook input priority filter; }\n tcp dport 23 reject\n", True),
        # Debian's own file: everything may come in.
        ("table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter;\n\t}\n}\n", False),
        ("# hook input drop\n", False),
        ('include "/etc/nftables.d/*.nft"\n', None),
        ("chain forward { type filter hook forward priority 0; policy drop; }\n", False),
    ],
)
def test_nftables(text, refuses):
    assert nftables_refuses(text) is refuses


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("*filter\n:INPUT DROP [0:0]\nCOMMIT\n", True),
        ("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n", True),
        ("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n#-A INPUT -j DROP\nCOMMIT\n", False),
        ("", False),
    ],
)
def test_iptables(text, refuses):
    assert iptables_refuses(text) is refuses


@pytest.fixture
def linux(tmp_path):
    class Machine(Host):
        def __init__(self):
            super().__init__(tmp_path, LINUX)

        def wall_time_seconds(self):
            return NOW

        def put(self, name, text="", link=None):
            path = self.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if link is None:
                path.write_text(text)
            else:
                path.symlink_to(link)
            return self

    return Machine()


HEADER = "ClamAV-VDB:16 Nov 2026 03-26 -0500:27808:2077:90:X:X:raynman:{}"
WANTS = "/etc/systemd/system/multi-user.target.wants/"


def test_nothing_is_known(linux):
    found = collect(linux)
    assert found.facts == {"protection": []}
    assert "knows of no" in found.remark


def test_clamav_called_by_hand_is_not_switched_off(linux):
    linux.put("/usr/bin/clamscan")
    assert rows(linux, "antimalware") == [("ClamAV", None, None)]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("/sys/fs/cgroup/system.slice/clamav-daemon.service/cgroup.events", "populated 1\nfrozen 0\n"),
        ("/sys/fs/cgroup/system.slice/system-clamd.slice/clamd@scan.service/cgroup.events", "populated 1\n"),
        ("/sys/fs/cgroup/systemd/system.slice/clamav-daemon.service/cgroup.procs", "812\n"),
    ],
)
def test_clamav_that_runs(linux, file, text):
    linux.put("/usr/sbin/clamd").put(file, text)
    linux.put("/var/lib/clamav/daily.cvd", HEADER.format(NOW - 40 * 86400))
    linux.put("/var/lib/clamav/daily.cld", HEADER.format(NOW - 2 * 86400))
    assert rows(linux, "antimalware") == [("ClamAV", True, 2)]


@pytest.mark.parametrize("text", ["populated 0\nfrozen 0\n", ""])
def test_clamav_that_should_run_and_does_not(linux, text):
    linux.put(WANTS + "clamav-daemon.service", link="/lib/systemd/system/clamav-daemon.service")
    linux.put("/sys/fs/cgroup/system.slice/clamav-daemon.service/cgroup.events", text)
    linux.put("/usr/sbin/clamd")
    assert rows(linux, "antimalware") == [("ClamAV", False, None)]


@pytest.mark.parametrize(("word", "enabled"), [("yes", True), ("no", False), ('"yes"', True)])
def test_ufw(linux, word, enabled):
    linux.put("/etc/ufw/ufw.conf", f"# ENABLED=maybe\nENABLED={word}\nLOGLEVEL=low\n")
    assert rows(linux, "firewall") == [("ufw", enabled, None)]


def test_firewalld(linux):
    linux.put("/usr/sbin/firewalld")
    assert rows(linux, "firewall") == [("firewalld", False, None)]
    linux.put("/sys/fs/cgroup/system.slice/firewalld.service/cgroup.events", "populated 1\n")
    linux.put("/etc/ufw/ufw.conf", "ENABLED=no\n")
    assert rows(linux, "firewall") == [("firewalld", True, None)]


def test_nftables_counts_where_it_starts_with_the_machine(linux):
    rules = "chain input { type filter hook input priority 0; policy drop; }\n"
    linux.put("/etc/nftables.conf", rules)
    assert rows(linux, "firewall") == []
    linux.put("/etc/systemd/system/sysinit.target.wants/nftables.service", link="/lib/systemd/system/nftables.service")
    linux.put("/etc/ufw/ufw.conf", "ENABLED=no\n")
    assert rows(linux, "firewall") == [("nftables", True, None)]


def test_iptables_whose_rules_may_not_be_read(linux):
    linux.put(WANTS + "netfilter-persistent.service", link="/lib/systemd/system/netfilter-persistent.service")
    assert rows(linux, "firewall") == [("iptables", None, None)]
    linux.put("/etc/iptables/rules.v4", "*filter\n:INPUT DROP [0:0]\nCOMMIT\n")
    assert rows(linux, "firewall") == [("iptables", True, None)]


# What may leave


def test_nothing_but_names_of_products_leaves(linux, windows):
    linux.put("/home/nguyen-van-a/secret")
    linux.put("/etc/ufw/ufw.conf", "ENABLED=yes\n# Nguyen Van A\n")
    windows._registry["SOFTWARE\\Microsoft\\Windows Defender\\Exclusions\\Paths"] = {"C:\\Users\\NguyenVanA": 0}
    for host in (linux, windows):
        found = Runner(host, {"protection": PROBES["protection"]}, ProbeContext()).round()
        assert found.outcomes[0].outcome == "ok"
        assert set(found.facts) == {"protection"}
        assert "nguyen" not in repr(found).lower()
        assert all(
            set(row) == {"kind", "product", "enabled", "signature_age_days"} for row in found.facts["protection"]
        )
