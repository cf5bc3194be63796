"""What terminals are told: by the collector's memory, by its registry, over its API and by its commands."""

import json
import time

import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select, update

from agent.configuration import configuration_from_json, configuration_hash
from agent.following import in_force
from agent.wire.document import document_hash
from alerts.state import AlertState, Subject
from collector.cli.collector import collector as command
from collector.db.devices import Place, move_device, revoke_device
from collector.db.registry import open_registry
from collector.db.steering_tables import link_role, wish
from collector.db.tables import alert_state, device, device_fact
from collector.enrolment import VIEWER, create_access_token
from collector.settings import Agents, Server, Settings, SettingsError, Target, load_settings
from collector.settings import Steering as SteeringSettings
from collector.steering.documents import Wanted, document, target_names
from collector.steering.election import ORDINARY, PROBER, STANDBY
from collector.steering.service import Steering
from collector.steering.traces import traced_paths

UNIT = "16681"
NOW = 1_795_402_800.0
EDGE = Target("edge", "10.40.0.1", role="edge")
SETTINGS = Settings(agents=Agents(targets=(EDGE,)))


@pytest.fixture
def engine(tmp_path):
    made = open_registry(tmp_path / "registry.sqlite")
    yield made
    made.dispose()


def enrol(engine, count, site="main", unit=UNIT):
    names = [f"{site}-{number:03}" for number in range(count)]
    with engine.begin() as connection:
        connection.execute(
            insert(device), [{"id": one, "unit_code": unit, "site": site, "enrolled_at": NOW - 1000} for one in names]
        )
    return names


def speak(steering, device_id, now, known=""):
    """What a terminal that follows `known` is told; (its role, the hash it follows then)."""
    told = steering.configuration_for(device_id, known, now)
    if told is None:
        return None, known
    return told["role"], document_hash(told)


def roles_of(steering):
    return {device_id: held.role for one in steering.sites() for device_id, held in one.holders.items()}


# --- documents ---


@pytest.mark.parametrize("role", [PROBER, STANDBY, ORDINARY])
@pytest.mark.parametrize("wanted", [Wanted(), Wanted(int(NOW) + 60, int(NOW) + 60, (7, "edge"))])
def test_the_agent_takes_every_document_strictly_and_both_sides_name_it_alike(role, wanted):
    targets = (EDGE, Target("s", "s.example", 443, service="https", path="/x", verify=True))
    settings = Settings(agents=Agents(targets=targets))
    told = json.loads(json.dumps({**document(settings, role, wanted), "version": 5}))
    read = configuration_from_json(told, "test")
    assert configuration_hash(read) == document_hash(told)
    assert read.role == role
    assert read.version == 5
    assert [one.name for one in read.targets] == ["edge", "s"]
    assert read.measure_collector
    assert in_force(read, NOW).upload_interval_seconds == (60 if role != ORDINARY or wanted.deliver_until else 900)
    assert (read.detail_until is not None) == (role == PROBER and wanted.detail_until is not None)


def test_every_setting_arrives():
    steering = SteeringSettings(
        probe_budget_bytes_per_day=123_456, history_bytes_per_minute=7_000, batch_reports=9, upload_interval_seconds=30
    )
    settings = Settings(agents=Agents(interval_seconds=20, upload_interval_seconds=600), steering=steering)
    read = configuration_from_json(document(settings, PROBER), "test")
    assert (read.interval_seconds, read.upload_interval_seconds) == (20, 30)
    assert (read.probe_budget_bytes_per_day, read.history_bytes_per_minute, read.batch_reports) == (123_456, 7_000, 9)


def test_a_public_name_goes_before_the_address_of_the_enrolment():
    told = document(Settings(server=Server(public_url="https://giamsat.example")), PROBER)
    assert told["targets"] == [{"name": "collector", "address": "giamsat.example", "port": 443, "role": "service"}]
    assert target_names(Settings()) == ["collector"]
    assert target_names(Settings(agents=Agents(measure_collector=False, targets=(EDGE,)))) == ["edge"]


@pytest.mark.parametrize(
    "line",
    [
        "probers_per_site = 0",
        "standbys_per_site = 2000",
        "probe_budget_bytes_per_day = 100",
        "history_bytes_per_minute = 1",
        "batch_reports = 5000",
        "alert_minutes = 5000",
        "colour = 1",
    ],
)
def test_settings_that_no_agent_would_take_are_refused(tmp_path, line):
    path = tmp_path / "collector.toml"
    path.write_text(f"[steering]\n{line}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=line.split()[0]):
        load_settings(path)


# --- memory ---


def test_each_is_told_once_and_again_when_something_changes(engine):
    names = enrol(engine, 6)
    steering = Steering(engine, SETTINGS)
    told = [speak(steering, one, NOW + at) for at, one in enumerate(names)]
    assert [role for role, _ in told] == [PROBER, PROBER, PROBER, STANDBY, ORDINARY, ORDINARY]
    for at, one in enumerate(names):
        assert steering.configuration_for(one, told[at][1], NOW + 60 + at) is None
    # A prober is off: the standby learns of it with its own upload.
    for late, one in ((150, names[1]), (150, names[2]), (152, names[3])):
        answer = steering.configuration_for(one, told[names.index(one)][1], NOW + late)
        if one == names[3]:
            assert answer["role"] == PROBER
        else:
            assert answer is None
    assert roles_of(steering) == {names[1]: PROBER, names[2]: PROBER, names[3]: PROBER}
    answer = steering.configuration_for(names[0], told[0][1], NOW + 160)
    assert answer["role"] == STANDBY


def test_versions_grow(engine):
    (name,) = enrol(engine, 1)
    steering = Steering(engine, SETTINGS)
    first = steering.configuration_for(name, "", NOW)["version"]
    assert steering.configuration_for(name, "", NOW)["version"] > first
    assert Steering(engine, SETTINGS).configuration_for(name, "", NOW + 60)["version"] > first + 1


def test_a_terminal_that_refuses_is_not_told_with_every_answer(engine):
    (name,) = enrol(engine, 1)
    steering = Steering(engine, SETTINGS)
    told = [steering.configuration_for(name, "old", NOW + 60 * minute) is not None for minute in range(70)]
    assert sum(told[:60]) == 3
    assert sum(told) == 4


def test_a_stranger_is_told_nothing(engine):
    steering = Steering(engine, SETTINGS)
    assert steering.configuration_for("nobody", "", NOW) is None
    steering.note_upload("nobody", NOW)


def test_who_enrols_later_is_known_at_its_first_upload(engine):
    steering = Steering(engine, SETTINGS)
    steering.tick(NOW)
    (name,) = enrol(engine, 1)
    assert steering.configuration_for(name, "", NOW + 5)["role"] == PROBER


def test_a_restart_elects_nobody_anew(engine):
    names = enrol(engine, 8)
    steering = Steering(engine, SETTINGS)
    for at, one in enumerate(names):
        speak(steering, one, NOW + at)
    steering.tick(NOW + 30)
    before = {one: held for site in steering.sites() for one, held in site.holders.items()}
    # The collector was away for an hour; whoever comes first is no reason to elect.
    again = Steering(engine, SETTINGS)
    for at, one in enumerate(reversed(names)):
        speak(again, one, NOW + 3600 + at)
    assert {one: held for site in again.sites() for one, held in site.holders.items()} == before


def test_who_lost_a_role_is_forgotten_by_the_table_after_a_while(engine):
    names = enrol(engine, 5)
    steering = Steering(engine, SETTINGS)
    for at, one in enumerate(names):
        speak(steering, one, NOW + at)
    for one in names[1:]:
        speak(steering, one, NOW + 200)
    steering.tick(NOW + 210)
    with engine.connect() as connection:
        rows = {row.device_id: row for row in connection.execute(select(link_role))}
    assert rows[names[0]].role == ORDINARY
    assert rows[names[0]].lost_at == NOW + 200
    assert {row.role for row in rows.values()} == {ORDINARY, PROBER, STANDBY}
    again = Steering(engine, SETTINGS)
    again.tick(NOW + 220)
    assert names[0] not in roles_of(again)


def test_a_moved_terminal_leaves_its_role_behind(engine):
    names = enrol(engine, 2)
    steering = Steering(engine, SETTINGS)
    for one in names:
        speak(steering, one, NOW)
    with engine.begin() as connection:
        move_device(connection, names[0], Place(UNIT, "dang-uy"), NOW)
        revoke_device(connection, names[1], NOW)
    steering.tick(NOW + 10)
    assert roles_of(steering) == {}
    with engine.connect() as connection:
        assert connection.execute(select(link_role)).all() == []
    assert speak(steering, names[0], NOW + 20)[0] == PROBER
    assert [(one.site, list(one.holders)) for one in steering.sites()] == [("dang-uy", [names[0]])]


def test_a_registry_that_cannot_be_written_loses_no_role(engine, monkeypatch):
    (name,) = enrol(engine, 1)
    steering = Steering(engine, SETTINGS)
    speak(steering, name, NOW)
    steering.tick(NOW)
    with engine.begin() as connection:
        connection.execute(link_role.delete())
    with steering._lock:
        steering._state.dirty.add(name)
    monkeypatch.setattr("collector.steering.service._write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        steering.keep(NOW)
    monkeypatch.undo()
    steering.keep(NOW)
    with engine.connect() as connection:
        assert [row.role for row in connection.execute(select(link_role))] == [PROBER]


def test_ten_thousand_terminals_cost_little(engine):
    rows = [
        {
            "id": f"d{number:05}",
            "unit_code": str(16_000 + number % 130),
            "site": f"s{number // 130 % 3}",
            "enrolled_at": NOW,
        }
        for number in range(10_000)
    ]
    with engine.begin() as connection:
        connection.execute(insert(device), rows)
    steering = Steering(engine, SETTINGS)
    steering.tick(NOW)
    begun = time.process_time()
    known = {row["id"]: speak(steering, row["id"], NOW + at / 1000)[1] for at, row in enumerate(rows)}
    for at, row in enumerate(rows):
        assert steering.configuration_for(row["id"], known[row["id"]], NOW + 60 + at / 1000) is None
    each = (time.process_time() - begun) / 20_000
    begun = time.process_time()
    steering.tick(NOW + 200)
    tick = time.process_time() - begun
    assert each < 0.001
    assert tick < 2.0
    assert len(roles_of(steering)) == 130 * 3 * 4


def test_facts_decide_who_is_fit(engine):
    names = enrol(engine, 5)
    with engine.begin() as connection:
        for one in names[:4]:
            connection.execute(
                insert(device_fact).values(
                    device_id=one, name="chassis", value=[{"type": "Notebook"}], changed_at=NOW, reported_at=NOW
                )
            )
        connection.execute(update(device).values(facts_changed_at=NOW))
    steering = Steering(engine, SETTINGS)
    known = {}
    for minute in range(180):
        for one in names:
            _role, known[one] = speak(steering, one, NOW + 60 * minute, known.get(one, ""))
        if minute % 30 == 0:
            steering.tick(NOW + 60 * minute)
    assert roles_of(steering)[names[4]] == PROBER


# --- wishes ---


def fire(engine, rule, state, since, site="main"):
    subject = Subject(f"{rule}/{UNIT}/{site}", "", UNIT, site)
    memory = AlertState(subject, state=state, since=since).to_json()
    with engine.begin() as connection:
        connection.execute(
            insert(alert_state).values(rule=rule, subject=subject.key, state=state, since=since, memory=memory)
        )


def told_wishes(steering, names, now):
    found = {}
    for one in names:
        answer = steering.configuration_for(one, "", now) or {}
        found[one] = tuple(sorted(name for name in ("deliver_until", "detail_until", "trace") if name in answer))
    return found


@pytest.mark.parametrize(
    ("state", "prober", "ordinary"),
    [("firing", ("detail_until",), ("deliver_until",)), ("pending", ("detail_until",), ()), ("inactive", (), ())],
)
def test_an_alert_on_a_line_asks_its_site(engine, state, prober, ordinary):
    names, others = enrol(engine, 5), enrol(engine, 1, site="other")
    steering = Steering(engine, SETTINGS)
    for at, one in enumerate([*names, *others]):
        speak(steering, one, NOW + at)
    fire(engine, "congestion", state, NOW)
    fire(engine, "disk_full", "firing", NOW)
    steering.tick(NOW + 30)
    told = told_wishes(steering, [*names, *others], NOW + 31)
    assert [told[one] for one in names] == [prober, prober, prober, (), ordinary]
    assert told[others[0]] == ()
    # It does not ask for ever, whatever the alert does.
    steering.tick(NOW + 2 * 3600 + 1)
    assert set(told_wishes(steering, names, NOW + 2 * 3600 + 2).values()) == {()}


def test_an_alert_that_flutters_changes_nothing_twice(engine):
    names = enrol(engine, 5)
    steering = Steering(engine, SETTINGS)
    for at, one in enumerate(names):
        speak(steering, one, NOW + at)
    fire(engine, "link_loss", "firing", NOW)
    steering.tick(NOW + 30)
    _, known = speak(steering, names[4], NOW + 31)
    with engine.begin() as connection:
        connection.execute(alert_state.delete())
    steering.tick(NOW + 60)
    assert steering.configuration_for(names[4], known, NOW + 61) is None


# --- API and commands ---


@pytest.fixture
def settings():
    return SETTINGS


def post(running, path, body, token=None):
    headers = {"Authorization": f"Bearer {token or running.admin_token}"}
    return running.http.request("POST", running.url + path, json=body, headers=headers)


def test_an_administrator_asks_and_ends(running):
    names = [running.enrol()["device_id"] for _ in range(5)]
    steering = running.collector.steering
    now = time.time()
    for one in names:
        speak(steering, one, now)
    body = {"unit_code": UNIT, "site": "main", "minutes": 30, "deliver_each_minute": True, "trace": "edge"}
    answer = post(running, "/api/v1/wishes", body)
    assert answer.status == 201, answer.data
    number = answer.json()["id"]
    told = steering.configuration_for(names[4], "", now + 1)
    assert told["deliver_until"] == pytest.approx(now + 1800, abs=30)
    # The probers of the office tell the way.
    assert "trace" not in told
    assert steering.configuration_for(names[0], "", now + 1)["trace"] == {"id": number, "target": "edge"}
    (row,) = running.api("/api/v1/wishes")["wishes"]
    assert (row["by_label"], row["unit_code"], row["trace_target"]) == ("first administrator", UNIT, "edge")
    assert post(running, f"/api/v1/wishes/{number}/end", {}).status == 204
    assert "trace" not in steering.configuration_for(names[0], "", now + 2)
    assert post(running, f"/api/v1/wishes/{number}/end", {}).status == 404
    assert running.api("/api/v1/wishes")["wishes"][0]["ended_by"] == "first administrator"


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"unit_code": UNIT, "site": "main"}, 400, b"asked for"),
        ({"unit_code": UNIT, "site": "main", "detail": True, "minutes": 0}, 400, b"minutes"),
        ({"unit_code": UNIT, "site": "main", "detail": True, "minutes": 100_000}, 400, b"minutes"),
        ({"unit_code": UNIT, "site": "main", "trace": "www.example"}, 400, b"edge, collector"),
        ({"unit_code": UNIT, "site": "attic", "detail": True}, 404, b"attic"),
        ({"device_id": "nobody", "detail": True}, 404, b"nobody"),
        ({"device_id": "nobody", "detail": True, "command": "reboot"}, 422, b"command"),
    ],
)
def test_what_cannot_be_asked_is_said(running, body, status, word):
    running.enrol()
    answer = post(running, "/api/v1/wishes", body)
    assert answer.status == status
    assert word in answer.data
    with running.collector.engine.connect() as connection:
        assert connection.execute(select(wish)).all() == []


def test_who_only_reads_asks_for_nothing(running):
    running.enrol()
    with running.collector.engine.begin() as connection:
        token = create_access_token(connection, label="reader", role=VIEWER, now=time.time())
    body = {"unit_code": UNIT, "site": "main", "detail": True}
    assert post(running, "/api/v1/wishes", body, token).status == 403
    assert post(running, "/api/v1/wishes/1/end", {}, token).status == 403
    assert running.get("/api/v1/wishes").status == 401
    assert running.get("/api/v1/wishes", token).status == 200


def put_trace(engine, device_id, number, rows, at):
    value = [{"target": "edge", "request": number, **row} for row in rows]
    with engine.begin() as connection:
        connection.execute(
            insert(device_fact).values(
                device_id=device_id, name="path_trace", value=value, changed_at=at, reported_at=at
            )
        )


HOPS = [
    {"distance": 1, "address": "10.1.0.1", "sent": 3, "received": 3, "rtt_min_seconds": 0.001},
    {"distance": 3, "address": None, "sent": 3, "received": 1, "rtt_min_seconds": 0.02},
]


def test_a_way_that_was_told_is_shown_and_not_asked_for_again(running):
    name = running.enrol()["device_id"]
    steering, now = running.collector.steering, time.time()
    speak(steering, name, now)
    number = post(running, "/api/v1/wishes", {"device_id": name, "trace": "edge"}).json()["id"]
    assert steering.configuration_for(name, "", now)["trace"]["id"] == number
    put_trace(running.collector.engine, name, number, HOPS, now)
    steering.tick(now + 1)
    assert "trace" not in steering.configuration_for(name, "", now + 1)
    (shown,) = running.api("/api/v1/traces")["traces"]
    assert (shown["device_id"], shown["target"], shown["request"], shown["problem"]) == (name, "edge", number, "")
    assert [hop["address"] for hop in shown["hops"]] == ["10.1.0.1", None]
    assert running.api("/api/v1/traces?device=other")["traces"] == []
    (site,) = running.api(f"/api/v1/roles?unit={UNIT}")["sites"]
    assert [(one["device_id"], one["role"]) for one in site["roles"]] == [(name, PROBER)]
    assert running.api("/api/v1/roles?unit=1")["sites"] == []


def test_a_way_told_in_strange_words_is_shown_harmlessly(tmp_path, engine):
    (name,) = enrol(engine, 1)
    hops = [
        {"distance": 1, "address": "10.1.0.1\x1b[2J", "sent": "x", "received": None, "rtt_min_seconds": "y"},
        {"distance": "far", "address": "10.1.0.2"},
        {"distance": 2, "address": {"a": 1}},
        {"problem": "{x} {0.__class__} {\x07"},
    ]
    put_trace(engine, name, 1, hops, NOW)
    done = CliRunner().invoke(command, ["--state-dir", str(tmp_path), "traces", "--language", "en"])
    assert done.exit_code == 0, done.output
    assert "1  10.1.0.1?[2J  - of - answered" in done.output
    assert "10.1.0.2" not in done.output
    assert "2  -  - of -" in done.output
    assert "{x} {0.__class__} {?" in done.output


def test_a_wish_of_an_impossible_number_is_not_there(running):
    for number in (2**63, -1, 0):
        assert post(running, f"/api/v1/wishes/{number}/end", {}).status == 404


def test_the_commands(tmp_path, engine, monkeypatch):
    monkeypatch.setenv("USER", "operator")
    monkeypatch.setenv("LOGNAME", "operator")
    names = enrol(engine, 2)

    def run(*words, code=0):
        done = CliRunner().invoke(command, ["--state-dir", str(tmp_path), *words])
        assert done.exit_code == code, done.output
        return done.output

    assert run("wishes", "--language", "en") == "Nothing is asked for.\n"
    assert "Wish 1 holds until" in run("ask", "--device", names[0], "--trace", "collector", "--language", "en")
    run("ask", "--unit", UNIT, "--deliver-each-minute", "--minutes", "5", "--by", "An")
    listed = run("wishes", "--language", "en")
    assert "delivery each minute" in listed
    assert "the way to collector" in listed
    assert "asked by An" in listed
    assert [row["by_label"] for row in json.loads(run("wishes", "--format", "json"))] == ["An", "operator"]
    assert run("end-wish", "2", "--language", "en") == "Wish 2 is ended.\n"
    assert "no wish 2" in run("end-wish", "2", "--language", "en", code=2)
    assert "either" in run("ask", "--minutes", "5", code=2)
    assert "no target" in run("ask", "--device", names[0], "--trace", "8.8.8.8", "--language", "en", code=2)
    assert "no terminal" in run("ask", "--device", "x", "--detail", "--language", "en", code=2)
    assert "No way was traced" in run("traces", "--language", "en")
    put_trace(engine, names[0], 1, HOPS, NOW)
    put_trace(engine, names[1], 1, [{"problem": "icmplib is not installed: the way cannot be traced"}], NOW - 60)
    shown = run("traces", "--language", "en")
    assert "1  10.1.0.1  3 of 3 answered, shortest 1 ms" in shown
    assert "icmplib is not installed" in shown
    assert len(json.loads(run("traces", "--format", "json", "--device", names[0]))) == 1
    steering = Steering(engine, SETTINGS)
    speak(steering, names[0], NOW)
    steering.tick(NOW)
    assert run("roles").split("\t")[2] == PROBER


def test_rows_that_are_none_of_ours_are_no_ways(engine):
    names = enrol(engine, 2)
    for one, value in zip(names, ("text", [1, "x"]), strict=True):
        with engine.begin() as connection:
            connection.execute(
                insert(device_fact).values(
                    device_id=one, name="path_trace", value=value, changed_at=NOW, reported_at=NOW
                )
            )
    with engine.connect() as connection:
        assert traced_paths(connection) == []
