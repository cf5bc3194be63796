"""Kind of firmware, Secure Boot and TPM, on mounted files and on Windows' answers."""

import struct

import pytest

from agent.errors import NoDataError
from agent.host import LINUX, WINDOWS, Host
from agent.probes import PROBES, ProbeContext

VARIABLE = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
OTHER_VARIABLE = "sys/firmware/efi/efivars/BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c"


@pytest.fixture
def linux(tmp_path):
    def make(**files):
        for name, content in files.items():
            path = tmp_path / PLACES[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return Host(tmp_path, LINUX)

    return make


PLACES = {
    "acpi": "sys/firmware/acpi/pm_profile",
    "device_tree": "sys/firmware/devicetree/base/model",
    "efi": "sys/firmware/efi/runtime",
    "variable": VARIABLE,
    "other_variable": OTHER_VARIABLE,
    "no_tpm": "sys/class/tpm/.keep",
    "tpm": "sys/class/tpm/tpm0/uevent",
    "major": "sys/class/tpm/tpm0/tpm_version_major",
    "caps": "sys/class/tpm/tpm0/caps",
    "old_caps": "sys/class/tpm/tpm0/device/caps",
    "hid": "sys/class/tpm/tpm0/device/firmware_node/hid",
}


def collect(host):
    return PROBES["security"].collect(host, ProbeContext())


@pytest.mark.parametrize(
    ("files", "facts"),
    [
        ({"acpi": b"1"}, {"firmware_type": "bios"}),
        ({"acpi": b"1", "efi": b""}, {"firmware_type": "uefi"}),
        ({"efi": b"", "other_variable": b"x"}, {"firmware_type": "uefi", "secure_boot_capable": False}),
        (
            {"variable": b"\6\0\0\0\1"},
            {"firmware_type": "uefi", "secure_boot_capable": True, "secure_boot_enabled": True},
        ),
        (
            {"variable": b"\6\0\0\0\0"},
            {"firmware_type": "uefi", "secure_boot_capable": True, "secure_boot_enabled": False},
        ),
        ({"variable": b"\6\0"}, {"firmware_type": "uefi"}),
        ({"no_tpm": b""}, {"tpm_present": False}),
        ({"tpm": b""}, {"tpm_present": True}),
        ({"tpm": b"", "major": b"2\n"}, {"tpm_present": True, "tpm_version": "2.0"}),
        ({"tpm": b"", "major": b"1\n"}, {"tpm_present": True, "tpm_version": "1.2"}),
        ({"tpm": b"", "caps": b"Manufacturer: 0x4\nTCG version: 1.2\n"}, {"tpm_present": True, "tpm_version": "1.2"}),
        ({"tpm": b"", "old_caps": b"TCG version: 1.1\n"}, {"tpm_present": True, "tpm_version": "1.1"}),
        ({"tpm": b"", "hid": b"MSFT0101\n"}, {"tpm_present": True, "tpm_version": "2.0"}),
        ({"tpm": b"", "hid": b"IFX0102\n", "major": b"nine"}, {"tpm_present": True}),
    ],
)
def test_linux(linux, files, facts):
    assert collect(linux(**files)).facts == facts


def test_what_is_missing_is_said(linux):
    assert "whether there is a TPM" in collect(linux(acpi=b"1")).remark
    assert collect(linux(no_tpm=b"")).remark == ""


def test_a_container_hides_the_firmware(linux):
    assert "kind of firmware" in collect(linux(tpm=b"")).remark


def test_a_board_that_has_neither(linux):
    with pytest.raises(NoDataError, match="neither"):
        collect(linux(device_tree=b"Raspberry Pi"))


def test_a_variable_that_may_not_be_read(linux, tmp_path):
    (tmp_path / VARIABLE).mkdir(parents=True)
    assert collect(linux(acpi=b"1")).facts == {"firmware_type": "uefi"}


# Windows

SECURE_BOOT = r"SYSTEM\CurrentControlSet\Control\SecureBoot\State"
TPM = r"SYSTEM\CurrentControlSet\Services\TPM\Enum"


@pytest.fixture
def windows(make_windows, tmp_path):
    def make(registry=None, **answers):
        (tmp_path / "registry.json").write_text("{}")
        host = make_windows(tmp_path)
        host._registry.update(registry or {})
        host._answers.update(answers)
        return host

    return make


def info(version):
    return struct.pack("<4I", 1, version, 3, 4).hex()


@pytest.mark.parametrize(
    ("registry", "answers", "facts"),
    [
        ({}, {"firmware_type": 1}, {"firmware_type": "bios", "tpm_present": False}),
        (
            {SECURE_BOOT: {"UEFISecureBootEnabled": 1}},
            {"firmware_type": 2, "tpm_device_info": [0, info(2)]},
            {
                "firmware_type": "uefi",
                "secure_boot_enabled": True,
                "secure_boot_capable": True,
                "tpm_present": True,
                "tpm_version": "2.0",
            },
        ),
        (
            # Off, or not possible: Windows does not tell which.
            {SECURE_BOOT: {"UEFISecureBootEnabled": 0}},
            {"firmware_type": 2, "tpm_device_info": [0, info(1)]},
            {"firmware_type": "uefi", "secure_boot_enabled": False, "tpm_present": True, "tpm_version": "1.2"},
        ),
        ({}, {"tpm_device_info": [0x8028400F, ""]}, {"tpm_present": False}),
        (
            {r"SYSTEM\CurrentControlSet\Control": {"PEFirmwareType": 2}},
            {},
            {"firmware_type": "uefi", "tpm_present": False},
        ),
        (
            {TPM: {"Count": 1, "0": "ACPI\\IFX0102\\4&1a&0"}},
            {},
            {"tpm_present": True, "tpm_version": "1.2"},
        ),
        ({TPM: {"Count": 1, "0": "acpi\\msft0101\\1"}}, {}, {"tpm_present": True, "tpm_version": "2.0"}),
        ({TPM: {"Count": 0}}, {}, {"tpm_present": False}),
    ],
)
def test_windows(windows, registry, answers, facts):
    assert collect(windows(registry, **answers)).facts == facts


@pytest.mark.parametrize("told", [[0, ""], [0, info(9)], [0x80284008, info(2)]])
def test_windows_where_the_tpm_does_not_answer(windows, told):
    collected = collect(windows(firmware_type=2, tpm_device_info=told))
    assert collected.facts == {"firmware_type": "uefi"}
    assert "whether there is a TPM" in collected.remark
    with pytest.raises(NoDataError, match="neither"):
        collect(windows(firmware_type=None, tpm_device_info=told))


def test_what_only_windows_has():
    host = Host("/", WINDOWS)
    assert (host.firmware_type(), host.tpm_device_info()) == (None, None)
    assert not host.registry_has_key("SYSTEM")
    assert not host.registry_holds("SYSTEM", "x")
