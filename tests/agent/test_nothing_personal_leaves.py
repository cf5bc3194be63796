"""No name of a person, document, window or page leaves the machine, wherever on it such words stand.

Every recorded machine is mounted with such words written into all that a probe could read: registry values, files,
mount points, names of the computer, of connections and of products. All probes run that send nothing themselves; what
they found goes through the list of what may be sent and is written as both versions of the contract write it.

Words that makers wrote into firmware are sent as they are, within bounds. A few more are makers' words that no form
tells from a name (`MAKERS`): of these, paths, files, addresses and links are stopped.
"""

import base64
import json
import re
import shutil

import pytest

from agent.admission import TEXT_CHARACTERS
from agent.firmware import smbios
from agent.host import Host
from agent.probes import PROBES, Collected, Probe, ProbeContext
from agent.runner import Runner, build_report
from agent.wire.catalogue import METRICS
from agent.wire.codec import report_to_json
from agent.wire.columns import encode_batch
from agent.wire.exchange import UploadHead
from agent.wire.facts import FACTS
from agent.wire.report import Fact, Sample

# Each holds the word, which stands in nothing else.
WORD = "nguyenvanan"
SALTS = {
    "windows path": "C:\\Users\\NguyenVanAn\\Desktop\\to trinh.docx",
    "windows share": "\\\\XA-PC01\\NguyenVanAn$",
    "linux path": "/home/nguyenvanan/Bao cao.ods",
    "document": "Bang luong NguyenVanAn thang 11.xlsx",
    "address": "nguyenvanan@nghean.example",
    "page": "https://bao.example/nguyenvanan/tin",
}
NAMES = {"name": "Ong NguyenVanAn", "window": "Cong van NguyenVanAn - Microsoft Word"}

# These send packets; their labels are words of the collector's own configuration.
SENDING = {"latency", "path_mtu", "name_service"}
# What firmware wrote, as files of Linux.
FIRMWARE_FILES = re.compile(
    r"sys/firmware/dmi/|sys/class/dmi/id/|/edid$|proc/cpuinfo$|/device/(model|vendor|name)$"
    r"|power_supply/[^/]+/(model_name|manufacturer|technology)$"
)
FIRMWARE_KEYS = "HARDWARE\\DESCRIPTION\\System\\"
FIRMWARE_FACTS = {
    "bios",
    "system",
    "baseboard",
    "chassis",
    "processor",
    "oem_string",
    "memory_device",
    "system_slot",
    "onboard_device",
    "tpm_device",
    "battery",
    "dell_revisions",
}
# Makers' words outside the firmware's table: (fact, column).
MAKERS = {
    ("os_name", None),
    ("protection", "product"),
    ("disk", "model"),
    ("disk_health", "model"),
    ("battery_wear", "manufacturer"),
    ("battery_wear", "model"),
    ("battery_wear", "chemistry"),
}


def salted_registry(registry, salt):
    """Every text replaced, or lengthened where others are found by it; and what Windows keeps of people."""
    salted = {}
    for key, values in registry.items():
        salted[key] = {
            name: value if not isinstance(value, str) or key.startswith(FIRMWARE_KEYS) else salted_value(value, salt)
            for name, value in values.items()
        }
    salted["SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion"] = {
        **dict.fromkeys(("ProductName", "DisplayVersion", "ReleaseId", "CurrentVersion", "CurrentBuild", "UBR"), salt),
        "RegisteredOwner": salt,
        "RegisteredOrganization": salt,
        "InstallDate": 1_697_000_000,
    }
    salted[f"SYSTEM\\Setup\\Source OS (Updated on {salt})".replace("\\\\", "")] = {
        "ProductName": f"Windows 7 {salt}",
        "CurrentBuild": salt,
        "InstallDate": 1_380_000_000,
    }
    control = "SYSTEM\\CurrentControlSet\\Control\\"
    salted[control + "ComputerName\\ActiveComputerName"] = {"ComputerName": salt}
    salted[control + "ComputerName\\ComputerName"] = {"ComputerName": salt + "2"}
    salted[control + "Session Manager"] = {"PendingFileRenameOperations": ["\\??\\" + salt, ""]}
    salted["SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters"] = {"Hostname": salt, "Domain": salt}
    adapters = control + "Network\\{4D36E972-E325-11CE-BFC1-08002BE10318}\\"
    salted[adapters + "{00000000-0000-4000-8000-000000000001}\\Connection"] = {
        "Name": salt,
        "PnPInstanceId": "PCI\\" + salt,
    }
    update = "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Auto Update"
    salted.setdefault(update, {})
    salted[update + "\\Results\\Install"] = {"LastSuccessTime": salt}
    salted[update + "\\RebootRequired"] = {salt: 1}
    salted["SYSTEM\\CurrentControlSet\\Services\\TPM\\Enum"] = {"Count": 1, "0": salt}
    salted["SYSTEM\\CurrentControlSet\\Services\\monitor\\Enum"] = {"Count": 2, "0": salt, "1": "DISPLAY\\" + salt}
    return salted


def salted_value(value, salt):
    return f"{value}\\{salt}" if value.startswith("DISPLAY\\") else salt


def salted_answers(answers, salt):
    """Products of Security Center and models of disks are named so."""
    name = base64.b64encode(salt.encode()).decode()
    salted = dict(answers, powershell=f"AntiVirusProduct 397568 {name}\r\nFirewallProduct 331792 {name}\r\nend\r\n")
    salted.setdefault("security_provider_health", {"1": 0, "4": 0})
    salted["disks"] = {
        device: {
            question: answer if question in {"awake", "refused"} else with_model(question, answer, salt)
            for question, answer in disk.items()
        }
        for device, disk in answers.get("disks", {}).items()
    }
    return salted


def with_model(question, answer, salt):
    """A disk's description (STORAGE_DEVICE_DESCRIPTOR) with the salt as its product and its serial number."""
    if question != "002d1400 000000000000000000":
        return answer
    raw = bytearray(bytes.fromhex(answer)[:36])
    raw[12:16] = bytes(4)
    raw[16:20] = (36).to_bytes(4, "little")
    raw[24:28] = (36).to_bytes(4, "little")
    return (bytes(raw) + salt.encode() + b"\0").hex()


def salt_files(folder, salt):
    """Every file that is no firmware's holds the salt; those with a form keep it."""
    for path in [path for path in folder.rglob("*") if path.is_file() and path.name != "devices.json"]:
        name = path.relative_to(folder).as_posix()
        if FIRMWARE_FILES.search(name):
            continue
        if name.endswith("proc/self/mounts"):
            text = path.read_text()
            escaped = salt.replace(" ", "\\040")
            path.write_text(
                text + f"/dev/mapper/{escaped} /media/{escaped} ext4 rw 0 0\n//{escaped} /mnt/{escaped} cifs rw 0 0\n"
            )
        elif name.endswith("os-release"):
            path.write_text("".join(f'{key}="{salt}"\n' for key in ("NAME", "PRETTY_NAME", "VERSION_ID", "ID")))
        elif name.endswith("ufw.conf"):
            path.write_text(f"ENABLED=yes\n# {salt}\n")
        elif name.endswith(
            ("size", "type", "present", "removable", "rotational", "address", "partition", "filesystems", ".keep")
        ):
            # Without these there would be no disk, battery or adapter to tell of.
            continue
        else:
            path.write_text(salt + "\n")
    for name in ("proc/sys/kernel/hostname", "etc/hostname", "run/reboot-required", "etc/machine-info"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(salt + "\n")
    for name in (f"home/{WORD}", f"media/{WORD}/USB", f"boot/vmlinuz-{WORD}", f"usr/lib/modules/{WORD}"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def mount(folder, tmp_path, make_linux, make_windows, salt):
    """A copy of a recorded machine with the salt in it."""
    copy = tmp_path / "machine"
    shutil.copytree(str(folder), str(copy), symlinks=True)
    if (copy / "registry.json").exists():
        host = make_windows(copy)
        host._registry = salted_registry(host._registry, salt)
        host._answers = salted_answers(host._answers, salt)
        return host
    salt_files(copy, salt)
    return make_linux(copy)


def sent_by(host):
    """(facts, the bytes of every upload) of a round of every probe that sends nothing itself."""
    probes = {name: probe for name, probe in PROBES.items() if name not in SENDING}
    # Twice: some measure what has changed since the round before.
    runner = Runner(host, probes, ProbeContext())
    runner.round()
    runner._due_at.clear()
    found = runner.round()
    assert len(found.runs) == len(probes)
    report = build_report(
        found,
        tuple(Fact(name, value) for name, value in found.facts.items()),
        host=host,
        device_id="device",
        boot_id="boot",
        sequence=1,
        spool_reports=0,
        spool_dropped_total=0,
    )
    kept = report_to_json(report)
    return found, kept.lower() + b"\n" + encode_batch([kept], UploadHead()).lower()


def folders(machines):
    return sorted(path.parent for path in machines.glob("*/expected.json"))


@pytest.mark.parametrize("kind", sorted(SALTS))
def test_words_in_a_form_never_leave(kind, machines, tmp_path, make_linux, make_windows):
    seen = set()
    for number, folder in enumerate(folders(machines)):
        place = tmp_path / str(number)
        place.mkdir()
        found, sent = sent_by(mount(folder, place, make_linux, make_windows, SALTS[kind]))
        assert WORD.encode() not in sent, folder.name
        assert b"to trinh" not in sent
        assert b"bao cao" not in sent
        seen.update(found.facts)
    # The machines still told of themselves: else nothing would be proved.
    assert seen >= {
        "disk",
        "protection",
        "os_family",
        "monitor",
        "battery_wear",
        "reboot_pending",
        "system",
        "filesystem",
    }


@pytest.mark.parametrize("kind", sorted(NAMES))
def test_names_leave_only_where_makers_write(kind, machines, tmp_path, make_linux, make_windows):
    for number, folder in enumerate(folders(machines)):
        place = tmp_path / str(number)
        place.mkdir()
        found, sent = sent_by(mount(folder, place, make_linux, make_windows, NAMES[kind]))
        for name, value in found.facts.items():
            for row in value if isinstance(value, list) else [{None: value}]:
                for column, scalar in row.items():
                    assert WORD not in str(scalar).lower() or (name, column) in MAKERS, (folder.name, name, column)
        assert WORD not in repr((found.samples, found.outcomes)).lower()
        assert sent


def test_windows_never_tells_its_name_in_other_words(machines, tmp_path, make_linux, make_windows):
    found, _ = sent_by(mount(machines / "windows-10-dell", tmp_path, make_linux, make_windows, NAMES["name"]))
    assert "os_name" not in found.facts
    assert [row["name"] for row in found.facts["os_installation"]].count("Windows 7") == 1


def every_string_of(make_table, text):
    """A table in which every string of every structure is the same."""
    table = make_table((3, 2))
    strings = (text,) * 10
    # Enough bytes for every index, and each of them is 1: the first string.
    for kind in (0, 1, 2, 3, 4, 9, 11, 16, 17, 22, 32, 41, 43):
        table.add(kind, b"\1" * 0x60, *strings)
    table.add(1, b"\2" * 0x20, text, "Dell Inc.")
    return table.add(208, b"\1" * 12, *strings).end()


def test_the_firmware_has_bounds(make_table):
    long = "Ong NguyenVanAn " * 30
    facts = smbios.decode_dump(every_string_of(make_table, long).dump).facts
    told = {name for name, rows in facts.items() for row in rows if WORD in json.dumps(row).lower()}
    # Each has words of the maker's, and no other fact of the table has any.
    assert told == FIRMWARE_FACTS
    for rows in facts.values():
        for row in rows:
            assert all(len(value) <= 255 for value in row.values() if isinstance(value, str))
    assert TEXT_CHARACTERS <= 512


PERSONAL = frozenset(
    {"user", "users", "owner", "account", "login", "logon", "person", "document", "documents", "title", "window"}
    | {"windows", "process", "processes", "url", "urls", "history", "ssid", "hostname", "printer", "clipboard", "file"}
)


def test_nothing_on_the_lists_is_named_after_a_person_or_their_work():
    names = [name for spec in FACTS.values() for name in (spec.name, *spec.columns)]
    names += [name for spec in METRICS.values() for name in (spec.name, *spec.labels)]
    assert {name for name in names if PERSONAL.intersection(name.split("_"))} == set()


def test_a_fact_that_is_on_no_list_does_not_leave(tmp_path):
    probes = {
        "one": Probe(lambda _host, _context: Collected(facts={"user_name": WORD}), 5),
        "column": Probe(lambda _host, _context: Collected(facts={"disk": [{"device": "sda", "owner": WORD}]}), 5),
        "rows": Probe(lambda _host, _context: Collected(facts={"os_name": [{"text": WORD}]}), 5),
        "label": Probe(lambda _host, _context: Collected([Sample("uptime_seconds", 1.0, {"user": WORD})]), 5),
        "remark": Probe(lambda _host, _context: Collected(remark="a fixed sentence"), 5),
    }
    found = Runner(Host(tmp_path), probes, ProbeContext()).round()
    assert WORD not in repr((found.samples, found.facts, found.outcomes))
    assert [outcome.outcome for outcome in found.outcomes] == ["error"] * 4 + ["ok"]


class Surprised(Host):
    """A machine whose every answer is an exception that holds a person's words."""

    def __getattribute__(self, name):
        if name in (
            "read_bytes",
            "registry_subkeys",
            "_registry_read",
            "device_control",
            "firmware_table",
            "psutil",
            "exists",
        ):
            raise KeyError(SALTS["windows path"])
        return super().__getattribute__(name)


@pytest.mark.parametrize("system", ["linux", "windows"])
def test_no_exception_tells_what_was_read(system, tmp_path):
    found, sent = sent_by(Surprised(tmp_path, system))
    assert WORD.encode() not in sent
    assert "KeyError" in {run.outcome.message for run in found.runs}
