"""The sample configuration and its Vietnamese templates, with Debian's amtool and Alertmanager."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import urllib3

FOLDER = Path(__file__).parents[4] / "deploy" / "alertmanager"
FIRING = {
    "status": "firing",
    "labels": {"alertname": "congestion", "severity": "critical", "unit": "16681"},
    "annotations": {
        "summary": "Nghẽn đường truyền – Phường Thành Vinh",
        "description": "Chậm thêm 85 ms < ngưỡng.",
        "since": "09:00 20/11/2026",
    },
    "generatorURL": "https://giamsat.example/units/16681",
}
RESOLVED = {
    **FIRING,
    "status": "resolved",
    "annotations": {**FIRING["annotations"], "description": "Đã yên 10 phút.", "ended": "10:00 20/11/2026"},
}


@pytest.fixture
def example(tmp_path):
    """The sample with its templates where it is."""
    text = (FOLDER / "alertmanager.example.yml").read_text(encoding="utf-8")
    assert "/etc/prometheus/alertmanager_templates/" in text
    path = tmp_path / "alertmanager.yml"
    path.write_text(text.replace("/etc/prometheus/alertmanager_templates/", f"{FOLDER}/"), encoding="utf-8")
    return path


def amtool(alertmanager_binary, *arguments):
    binary = shutil.which("amtool")
    assert binary, f"amtool is missing, though {alertmanager_binary} is there"
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)


def test_the_sample_is_accepted(alertmanager_binary, example):
    checked = amtool(alertmanager_binary, "check-config", str(example))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "5 inhibit rules" in checked.stdout
    assert "1 templates" in checked.stdout


def test_what_explains_others_silences_them(alertmanager, example):
    """Nobody is told within the test: the sample waits for at least half a minute."""
    server = alertmanager()
    server.configure(example.read_text(encoding="utf-8"))
    server.start()
    site = {"unit": "16681", "site": "main"}
    alerts = {
        "1": {"alertname": "outage", "scope": "site", **site},
        "2": {"alertname": "terminal_silent", "scope": "terminal", "device_id": "pc1", **site},
        "3": {"alertname": "terminal_silent", "scope": "terminal", "unit": "16681", "site": "khac"},
        "4": {"alertname": "congestion", "scope": "province"},
        "5": {"alertname": "congestion", "scope": "site", "unit": "17000", "site": "main"},
        "6": {"alertname": "disk_failing", "scope": "terminal", **site},
    }
    body = [{"labels": {**labels, "severity": "critical", "subject": key}} for key, labels in alerts.items()]
    assert urllib3.request("POST", f"{server.url}/api/v2/alerts", json=body).status == 200
    deadline = time.monotonic() + 10
    # Suppressing is found out as each group is looked at, and by the list too.
    while (states := {key: alert["status"]["state"] for key, alert in server.alerts().items()}) != {
        "1": "active",
        "2": "suppressed",
        "3": "active",
        "4": "active",
        "5": "suppressed",
        "6": "active",
    }:
        assert time.monotonic() < deadline, states
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"alertname": "device_over_10_years", "severity": "info"}, "khong_gui"),
        ({"alertname": "congestion", "severity": "critical", "scope": "province"}, "lanh_dao,truc_mang"),
        ({"alertname": "congestion", "severity": "critical", "scope": "site"}, "truc_mang"),
        ({"alertname": "capacity_exceeded", "severity": "critical", "scope": "site"}, "lanh_dao,truc_mang"),
        ({"alertname": "congestion", "severity": "warning", "scope": "site"}, "can_bo_cntt"),
    ],
)
def test_alerts_reach_whom_they_should(alertmanager_binary, example, labels, receivers):
    named = [f"{name}={value}" for name, value in labels.items()]
    routed = amtool(alertmanager_binary, "config", "routes", "test", f"--config.file={example}", *named)
    assert routed.stdout.strip() == receivers, routed.stderr


@pytest.mark.parametrize(
    ("template", "kind", "status", "expected"),
    [
        (
            "thongmang.subject",
            "text",
            "firing",
            "[Nghiêm trọng] Nghẽn đường truyền – Phường Thành Vinh (tổng cộng 2 cảnh báo)",
        ),
        ("thongmang.text", "text", "firing", "ĐÃ HẾT (1):"),
        ("thongmang.text", "text", "firing", "Chậm thêm 85 ms < ngưỡng."),
        ("thongmang.text", "text", "firing", "Từ: 09:00 20/11/2026 đến: 10:00 20/11/2026"),
        ("thongmang.email.html", "html", "firing", "Chậm thêm 85 ms &lt; ngưỡng."),
        ("thongmang.email.html", "html", "firing", '<a href="https://giamsat.example/units/16681">xem chi tiết</a>'),
        ("thongmang.subject", "text", "resolved", "[Đã hết] Nghẽn đường truyền – Phường Thành Vinh"),
    ],
)
def test_templates_speak_vietnamese(alertmanager_binary, tmp_path, template, kind, status, expected):
    data = tmp_path / "data.json"
    alerts = [FIRING, RESOLVED] if status == "firing" else [RESOLVED]
    data.write_text(json.dumps({"status": status, "alerts": alerts}), encoding="utf-8")
    rendered = amtool(
        alertmanager_binary,
        "template",
        "render",
        f"--template.glob={FOLDER}/*.tmpl",
        f"--template.type={kind}",
        f'--template.text={{{{ template "{template}" . }}}}',
        f"--template.data={data}",
    )
    assert rendered.returncode == 0, rendered.stderr
    assert expected in rendered.stdout
    assert "<no value>" not in rendered.stdout
