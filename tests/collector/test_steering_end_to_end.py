"""A real agent and a real collector: a terminal learns what to do with its uploads, and a wish is carried out."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collector.settings import Agents, Settings
from collector.settings import Steering as SteeringSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings():
    return Settings(
        agents=Agents(interval_seconds=2, upload_interval_seconds=4, measure_gateway=False),
        steering=SteeringSettings(upload_interval_seconds=2),
    )


@pytest.fixture
def agent(running, tmp_path):
    """Starts agents in processes of their own: state folder and process of each."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT), THONGMANG_LANGUAGE="en")
    environment.pop("THONGMANG_AGENT_STATE_DIR", None)
    processes = []

    def start(name):
        place = tmp_path / name
        words = [sys.executable, "-m", "agent", "agent"]
        if not place.exists():
            code = ["--code", running.join_code(), "--state-dir", str(place)]
            subprocess.run([*words, "enrol", running.url, *code], env=environment, check=True, cwd=ROOT)
        log = (tmp_path / f"{name}.log").open("ab")
        process = subprocess.Popen(
            [*words, "run", "--state-dir", str(place)], env=environment, cwd=ROOT, stderr=log, stdout=log
        )
        log.close()
        processes.append(process)
        return place, process

    yield start
    for process in processes:
        process.terminate()
        process.wait(20)


def wait_for(what, seconds=40.0):
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.2)


def told(place):
    path = place / "configuration.json"
    return json.loads(path.read_text())["configuration"] if path.exists() else {}


def test_a_terminal_learns_its_role_and_traces_what_is_asked(running, agent):
    place, process = agent("one")
    wait_for(lambda: told(place).get("role") == "prober")
    device_id = told(place) and json.loads((place / "identity.json").read_text())["device_id"]
    (site,) = running.api("/api/v1/roles")["sites"]
    assert [(one["device_id"], one["role"]) for one in site["roles"]] == [(device_id, "prober")]
    wait_for(lambda: running.stored("link_latency", ("sent", "received"), device_id=device_id, target="collector"))
    answer = running.http.request(
        "POST",
        running.url + "/api/v1/wishes",
        json={"device_id": device_id, "trace": "collector", "minutes": 5},
        headers={"Authorization": f"Bearer {running.admin_token}"},
    )
    assert answer.status == 201, answer.data
    (trace,) = wait_for(lambda: running.api(f"/api/v1/traces?device={device_id}")["traces"])
    assert (trace["target"], trace["request"]) == ("collector", answer.json()["id"])
    if trace["problem"]:
        # Without rights the way cannot be traced, and that is said.
        assert "raw sockets" in trace["problem"]
    else:
        assert [hop["address"] for hop in trace["hops"]] == ["127.0.0.1"]
    # It is not asked for again.
    wait_for(lambda: "trace" not in told(place))
    process.terminate()
    assert process.wait(20) == 0
    log = (place.parent / "one.log").read_text(encoding="utf-8")
    assert "is followed now: prober" in log
    # A restart goes on with what was told, before any upload.
    shown = subprocess.run(
        [sys.executable, "-m", "agent", "agent", "status", "--state-dir", str(place)],
        env=dict(os.environ, PYTHONPATH=str(ROOT), THONGMANG_LANGUAGE="en"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr


def test_the_fifth_terminal_of_an_office_leaves_the_line_to_the_others(running, agent):
    steering, now = running.collector.steering, time.time()
    others = [running.enrol()["device_id"] for _ in range(4)]
    for one in others:
        steering.configuration_for(one, "", now)
    place, _process = agent("five")

    def keep_speaking():
        for one in others:
            steering.note_upload(one, time.time())
        return told(place).get("role")

    assert wait_for(keep_speaking) == "ordinary"
    device_id = json.loads((place / "identity.json").read_text())["device_id"]
    fields = ("connect_tried", "connect_p50_us")

    def line_of_uploads():
        keep_speaking()
        found = running.stored("link_latency", fields, device_id=device_id, target="collector")
        return [one for one in found if one.fields.get("connect_tried")]

    # The connect of its own uploads is its measure of the line ...
    assert wait_for(line_of_uploads)
    # ... and when the probers are gone, it takes over with its next upload.
    wait_for(lambda: told(place).get("role") in {"prober", "standby"}, 90.0)
