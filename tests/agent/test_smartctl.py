"""What smartctl says in JSON, and the structures of Windows' disk drivers."""

import json
import struct

import pytest

from agent.firmware import smart, smartctl
from agent.firmware import storage_query as query


def smartctl_ata(**changes):
    """As smartctl 7.2 writes it for an ATA disk; only what is used, and the serial number that must not be."""
    rows = [(5, 100, 12), (9, 68, 28800), (177, 93, 70), (197, 100, 2)]
    document = {
        "json_format_version": [1, 0],
        "smartctl": {"version": [7, 2], "argv": ["smartctl", "--json"], "exit_status": 0},
        "device": {"name": "/dev/sda", "info_name": "/dev/sda [SAT]", "type": "sat", "protocol": "ATA"},
        "model_name": "Samsung SSD 860 EVO 250GB",
        "serial_number": "S3YZNB0KB00000X",
        "smart_status": {"passed": True},
        "ata_smart_attributes": {
            "revision": 1,
            "table": [
                {"id": number, "value": value, "worst": value, "thresh": 0, "raw": {"value": raw, "string": str(raw)}}
                for number, value, raw in rows
            ],
        },
        "power_on_time": {"hours": 1440},
    }
    document.update(changes)
    return json.dumps(document).encode()


STANDBY = json.dumps(
    {
        "smartctl": {
            "version": [7, 2],
            "exit_status": 2,
            "messages": [{"string": "Device is in STANDBY mode, exit(2)", "severity": "information"}],
        },
        "device": {"name": "/dev/sda", "protocol": "ATA"},
    }
).encode()
CLOSED = json.dumps(
    {
        "smartctl": {
            "exit_status": 2,
            "messages": [{"string": "Smartctl open device: /dev/sda failed: Permission denied", "severity": "error"}],
        }
    }
).encode()


def test_smartctl_of_an_ata_disk():
    # Its own hours: it knows which disks count half-minutes.
    assert smartctl.decode(smartctl_ata(), rotational=False) == smart.DiskHealth("ok", 0.07, 12, 2, 1440)
    assert smartctl.decode(smartctl_ata(), rotational=True).wear_ratio is None
    failing = smartctl_ata(smart_status={"passed": False}, smartctl={"exit_status": 8})
    assert smartctl.decode(failing, rotational=False).verdict == "failing"


def test_smartctl_of_an_nvme_disk():
    log = {"critical_warning": 2, "temperature": 80, "percentage_used": 12, "power_on_hours": 77}
    output = smartctl_ata(
        nvme_smart_health_information_log=log, power_on_time={"hours": 77}, smart_status={"passed": False}
    )
    assert smartctl.decode(output, rotational=False) == smart.DiskHealth("ok", 0.12, None, None, 77, True)


def test_smartctl_of_a_scsi_disk():
    output = smartctl_ata(ata_smart_attributes=None, smart_status={"passed": True})
    assert smartctl.decode(output, rotational=True) == smart.DiskHealth("ok", None, None, None, 1440)


@pytest.mark.parametrize("output", [b"", b"[]", b"\xff{", b'{"smartctl": 3}', STANDBY, CLOSED, b'{"smart_status": {}}'])
def test_smartctl_that_tells_nothing(output):
    assert smartctl.decode(output, rotational=None) is None


def test_smartctl_of_a_disk_that_sleeps():
    assert smartctl.is_asleep(STANDBY)
    assert not any(map(smartctl.is_asleep, (CLOSED, b"", smartctl_ata())))


def test_smartctl_of_a_disk_without_smart():
    output = smartctl_ata(smart_status=None, ata_smart_attributes={"table": [3, {"id": 5}]}, power_on_time={})
    assert smartctl.decode(output, rotational=None) == smart.DiskHealth()


# Windows' structures


def test_storage_questions_byte_for_byte():
    assert query.device_question().hex() == "000000000000000000"
    assert query.seek_penalty_question().hex() == "070000000000000000"
    head = "3200000000000000030000000200000002000000000000002800000000020000" + "00" * 16
    assert query.nvme_log_question().hex() == head + "00" * 512
    assert query.smart_question().hex() == "00020000d001014fc2a0b000" + "00" * 21
    assert query.smart_question(thresholds=True).hex() == "00020000d101014fc2a0b000" + "00" * 21
    assert len(query.smart_question()) == 33


def test_storage_answers_cut_short():
    assert query.decode_device(bytes(31)) is None
    assert query.decode_seek_penalty(bytes(8)) is None
    assert query.decode_size_bytes(bytes(31)) is None
    assert query.decode_predict_failure(b"\1\0") == "unknown"
    assert query.decode_smart(bytes(527)) == b""
    assert query.decode_smart(struct.pack("<IBB", 512, 1, 0) + bytes(522)) == b""
    assert query.decode_nvme_answer(bytes(47)) == b""
    # An offset into the descriptor itself, and a page that is not there.
    for offset, length in ((0, 512), (40, 512), (4000, 512)):
        answer = struct.pack("<II10I", 48, 48, 3, 2, 2, 0, offset, length, 0, 0, 0, 0) + bytes(511)
        assert query.decode_nvme_answer(answer) == b""


def test_predicted_failure():
    assert query.decode_predict_failure(struct.pack("<I", 1) + bytes(512)) == "failing"
    assert query.decode_predict_failure(struct.pack("<I", 0) + bytes(512)) == "ok"
