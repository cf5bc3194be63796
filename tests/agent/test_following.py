"""What the collector tells is taken up, refused, kept and outlived; it is data, and never becomes code or a command."""

import ast
import json
import random
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from agent.config import CONFIGURATION_FILE, Identity, load_identity, save_identity
from agent.configuration import (
    Configuration,
    Target,
    TraceRequest,
    configuration_from_json,
    configuration_hash,
    configuration_to_json,
)
from agent.errors import ConfigurationError
from agent.following import LONGEST_WISH_SECONDS, REFUSED, Following, in_force, is_wished
from agent.wire.document import document_hash

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_795_402_800.0
TARGET = {"name": "edge", "address": "10.40.0.1", "role": "edge"}


def document(**changes):
    told = {
        "role": "ordinary",
        "interval_seconds": 60,
        "upload_interval_seconds": 900,
        "targets": [TARGET],
        "measure_collector": True,
        "version": 7,
    }
    told.update(changes)
    return told


@pytest.fixture
def place(tmp_path):
    """A state folder with an identity as enrolment left it."""
    save_identity(tmp_path, Identity("https://collector.example", "device-1", "secret", None, Configuration()))
    return tmp_path


@pytest.fixture
def follow(place, stepped_host):
    """A follower of that folder: itself, what it announced, what it handed on."""

    class Made:
        def __init__(self):
            self.announced, self.handed = [], []
            self.following = Following(
                load_identity(place), place, stepped_host, self.announced.append, self.handed.append
            )

    return Made


def test_what_is_told_is_followed_kept_and_announced(follow, place):
    made = follow()
    made.following.now()
    made.following.take(document(), NOW)
    assert made.following.hash == document_hash(document())
    assert [one.role for one in made.handed] == ["prober", "ordinary"]
    assert made.handed[-1].upload_interval_seconds == 900
    assert len(made.announced) == 1
    said = made.announced[0].render()
    assert "7" in said
    assert document_hash(document()) in said
    # A machine that starts without the collector goes on with it.
    again = load_identity(place).configuration
    assert again == made.handed[-1]
    assert configuration_hash(again) == document_hash(document())
    assert (place / CONFIGURATION_FILE).stat().st_mode & 0o777 == (0o600 if sys.platform != "win32" else 0o666)


def test_the_same_document_again_changes_nothing(follow):
    made = follow()
    made.following.take(document(), NOW)
    made.following.take(document(version=8), NOW + 60)
    assert len(made.announced) == 1
    assert len(made.handed) == 1


def test_keys_of_a_later_version_count_for_the_hash_and_are_kept(follow, place):
    made = follow()
    later = document(colour="blue")
    made.following.take(later, NOW)
    assert made.following.hash == document_hash(later) != document_hash(document())
    assert json.loads((place / CONFIGURATION_FILE).read_text())["configuration"]["colour"] == "blue"


WRONG = [
    {"interval_seconds": 0},
    {"interval_seconds": 86_401},
    {"interval_seconds": True},
    {"interval_seconds": 1.5},
    {"upload_interval_seconds": "60"},
    {"targets": {"name": "edge"}},
    {"targets": [TARGET] * 2},
    {"targets": [dict(TARGET, name=f"t{at}") for at in range(33)]},
    {"targets": [{"name": "edge"}]},
    {"targets": [dict(TARGET, address="a" * 254)]},
    {"targets": [dict(TARGET, port=0)]},
    {"targets": [dict(TARGET, port=80, service="http", path="/ HTTP/1.1\r\nX: y")]},
    {"role": 7},
    {"role": None},
    {"measure_gateway": "yes"},
    {"measure_collector": 1},
    {"probe_budget_bytes_per_day": 9_999},
    {"probe_budget_bytes_per_day": 2**40},
    {"history_bytes_per_minute": 0},
    {"batch_reports": 0},
    {"batch_reports": 100_000},
    {"deliver_until": "tomorrow"},
    {"detail_until": -1},
    {"trace": "edge"},
    {"trace": {"id": 1, "target": "www.example"}},
    {"trace": {"id": "1", "target": "edge"}},
    {"trace": {"id": 1}},
    {"version": -1},
    {"version": "7"},
    {"padding": "x" * 20_000},
]


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_what_is_wrong_is_refused_once_and_the_last_good_one_stays(follow, place, change):
    made = follow()
    made.following.take(document(), NOW)
    before = (place / CONFIGURATION_FILE).read_bytes()
    bad = document(**change)
    if set(change) == {"version"}:
        # The hash leaves the version out: something else must differ, as it would.
        bad["batch_reports"] = 50
    for _ in range(3):
        made.following.take(bad, NOW)
    assert made.following.hash == document_hash(document())
    assert len(made.handed) == 1
    assert len(made.announced) == 2
    rows = made.following.facts[REFUSED]
    assert [row["hash"] for row in rows] == [document_hash(bad)]
    assert rows[0]["reason"]
    assert (place / CONFIGURATION_FILE).read_bytes() == before
    # What comes next is looked at, and the report is taken back.
    made.following.take(document(batch_reports=70), NOW)
    assert made.handed[-1].batch_reports == 70
    assert made.following.facts[REFUSED] == []


def test_what_only_a_later_version_knows_is_tolerated():
    told = document(
        role="lighthouse", targets=[dict(TARGET, role="satellite"), {"name": "s", "address": "a", "port": 1}]
    )
    read = configuration_from_json(told, "test", strict=False)
    # Not a prober: nobody asked it to fill a line.
    assert read.role == "ordinary"
    assert [target.role for target in read.targets] == [None, None]
    with pytest.raises(ConfigurationError, match="role"):
        configuration_from_json(told, "test")


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"device_id": "device-1"}', b"\xff\xfe", b"null", b"[" * 100_000]
)
def test_a_damaged_file_falls_back_on_the_enrolment(follow, place, damage):
    follow().following.take(document(), NOW)
    (place / CONFIGURATION_FILE).write_bytes(damage)
    assert load_identity(place).configuration == Configuration()


def test_another_enrolment_does_not_inherit(follow, place):
    follow().following.take(document(), NOW)
    save_identity(place, Identity("https://other.example", "device-2", "secret", None, Configuration()))
    assert load_identity(place).configuration == Configuration()


def test_a_full_disk_is_said_and_what_is_told_is_followed_all_the_same(follow, place, monkeypatch):
    made = follow()

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("agent.following.keep_configuration", full)
    made.following.take(document(), NOW)
    assert made.handed[-1].role == "ordinary"
    assert "No space left on device" in made.announced[0].render()
    assert load_identity(place).configuration == Configuration()


def test_a_wish_holds_until_its_time_by_the_collector_s_clock(follow, stepped_host):
    made = follow()
    # The machine's own clock is wherever it is; the answer tells the time.
    made.following.take(document(deliver_until=int(NOW) + 600, detail_until=int(NOW) + 600), NOW)
    assert made.handed[-1].upload_interval_seconds == 60
    assert made.handed[-1].detail_until is not None
    stepped_host.pass_time(599)
    made.following.now()
    assert len(made.handed) == 1
    stepped_host.pass_time(2)
    assert made.following.now().upload_interval_seconds == 900
    assert made.handed[-1].detail_until is None
    # The document has not changed: nothing is asked for again.
    assert made.following.hash == document_hash(document(deliver_until=int(NOW) + 600, detail_until=int(NOW) + 600))


@pytest.mark.parametrize(
    ("until", "holds"),
    [(None, False), (NOW - 1, False), (NOW, False), (NOW + 1, True), (NOW + LONGEST_WISH_SECONDS + 1, False)],
)
def test_a_wish_far_ahead_is_a_wrong_clock_s(until, holds):
    assert is_wished(until, NOW) is holds


def test_a_wish_never_makes_uploads_rarer():
    told = Configuration(upload_interval_seconds=10, deliver_until=int(NOW) + 60)
    assert in_force(told, NOW).upload_interval_seconds == 10


def test_every_field_travels_there_and_back():
    told = Configuration(
        interval_seconds=30,
        upload_interval_seconds=120,
        targets=(Target("a", "b", 1, "service", "https", "/x", verify=True),),
        measure_gateway=False,
        measure_collector=True,
        role="standby",
        probe_budget_bytes_per_day=20_000,
        history_bytes_per_minute=2_000,
        batch_reports=5,
        deliver_until=1,
        detail_until=2,
        trace=TraceRequest(3, "a"),
        version=4,
    )
    usual = Configuration()
    unchanged = [one.name for one in fields(told) if getattr(told, one.name) == getattr(usual, one.name)]
    assert unchanged == ["digest"]
    table = json.loads(json.dumps(configuration_to_json(told)))
    again = configuration_from_json(table, "test")
    assert again == told
    assert again.version == told.version
    # Earlier agents read what they know of it.
    assert set(configuration_to_json(Configuration())) == {"interval_seconds", "upload_interval_seconds", "targets"}


def test_the_hash_is_of_the_content_and_of_nothing_else():
    assert document_hash(document(version=1)) == document_hash(document(version=2))
    assert document_hash(dict(reversed(list(document().items())))) == document_hash(document())
    assert document_hash(document(batch_reports=99)) != document_hash(document())
    # Both sides compute it, so it may never change.
    assert document_hash({"b": [1, "ă"], "a": None, "version": 3}) == "037db2b6b9df22b5"


# --- no remote code, no remote command ---

HOSTILE = [
    "; touch /tmp/x",
    "$(id)",
    "`id`",
    "../../etc/passwd",
    "__import__('os').system('id')",
    "--state-dir=/",
    "\\\\host\\share\\x.exe",
    "file:///etc/passwd",
    "{0.__class__}",
    "%s%n",
    "a\x00b",
    "-" * 300,
    "",
    "🚀",
]

WATCHED = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from agent.config import Identity, save_identity, load_identity
from agent.configuration import Configuration
from agent.following import Following
from agent.host import Host
from agent.link.orders import LinkOrders
place = Path(sys.argv[1])
save_identity(place, Identity("https://collector.example", "device-1", "secret", None, Configuration()))
documents = json.loads(sys.stdin.read())
forbidden = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "os.fork",
             "ctypes.dlopen", "socket.connect", "socket.getaddrinfo", "urllib.Request", "pickle.find_class")
seen = []
modules = set(sys.modules)
def watch(event, arguments):
    if event.startswith(forbidden):
        seen.append(event)
    if event == "open" and isinstance(arguments[0], str) and isinstance(arguments[2], int) and arguments[2] & 3:
        if not arguments[0].startswith(str(place)):
            seen.append("open " + arguments[0])
sys.addaudithook(watch)
following = Following(load_identity(place), place, Host(), lambda message: message.render())
orders = LinkOrders()
for told in documents:
    following.take(told, 1795402800.0)
    orders.follow(following.now(), "https://collector.example")
    load_identity(place)
hidden = {name for name in set(sys.modules) - modules if not name.startswith(("encodings", "agent."))}
print(json.dumps({"seen": seen, "followed": following.hash, "loaded": sorted(hidden)}))
"""


def hostile_documents():
    """Every place of the schema filled with every word that a shell, a loader or a formatter might take as its own."""
    chance = random.Random(5)
    keys = [one.name for one in fields(Configuration)] + ["command", "run", "exec", "module", "script", "update_url"]
    target_keys = [one.name for one in fields(Target)] + ["command"]
    documents = []
    for word in HOSTILE:
        documents += [document(**{key: word}) for key in keys]
        for key in target_keys:
            target = dict(TARGET, port=80, service="http")
            target[key] = word
            documents.append(document(targets=[target], trace={"id": 1, "target": word}))
            documents.append(document(targets=[target]))
    values = [None, True, -1, 2**70, 1.5, [], {}, [[]], "x", {"$ref": "x"}]
    for _ in range(600):
        told = document()
        for key in chance.sample(keys, 3):
            told[key] = chance.choice(values + HOSTILE)
        documents.append(told)
    return documents


def test_no_document_starts_a_program_loads_code_or_writes_elsewhere(tmp_path):
    documents = hostile_documents()
    good = document(batch_reports=77)
    # With a lone surrogate too, as JSON can carry one.
    body = json.dumps([*documents, document(role="\ud800"), good])
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tmp_path), str(ROOT)],
        input=body,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["seen"] == []
    assert told["loaded"] == []
    assert told["followed"] == document_hash(good)


def sources():
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in ROOT.glob("agent/**/*.py")
    }


# What starts programs: nobody else may.
DOORS = {"agent/program_call.py", "agent/host.py"}
FORBIDDEN_CALLS = {"eval", "exec", "__import__", "compile", "execfile"}
FORBIDDEN_OS = {"system", "popen", "startfile", "fork", "forkpty"}


def test_nothing_in_the_agent_evaluates_text_or_reaches_a_shell():
    trees = sources()
    assert trees.keys() >= {"agent/measuring.py", "agent/occasional.py"} | DOORS
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            if isinstance(called, ast.Name):
                assert called.id not in FORBIDDEN_CALLS, f"{name}:{node.lineno}"
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "os":
                is_spawning = called.attr in FORBIDDEN_OS or called.attr.startswith(("exec", "spawn", "posix_spawn"))
                assert not is_spawning, f"{name}:{node.lineno}"
            assert not any(
                word.arg == "shell" and not (isinstance(word.value, ast.Constant) and word.value.value is False)
                for word in node.keywords
            ), f"{name}:{node.lineno}"


def starts_program(node, name):
    """The expression that names the program, where this call starts one."""
    called = node.func
    if isinstance(called, ast.Name) and called.id == "run_program":
        return node.args[0]
    if not isinstance(called, ast.Attribute):
        return None
    owner = ast.unparse(called.value) if sys.version_info >= (3, 9) else getattr(called.value, "attr", "")
    if called.attr == "run" and owner.rsplit(".", 1)[-1].strip("_") == "host":
        return node.args[0]
    if owner == "subprocess" and called.attr in ("run", "Popen", "call", "check_call", "check_output"):
        return node.args[0]
    return None


def is_fixed(expression, function):
    """Whether a program's name is written in the source, is this interpreter, or one of fixed paths that exists."""
    if isinstance(expression, ast.List):
        return bool(expression.elts) and is_fixed(expression.elts[0], function)
    if isinstance(expression, ast.Constant):
        return isinstance(expression.value, str)
    if isinstance(expression, ast.Attribute):
        return expression.attr == "executable" and getattr(expression.value, "id", "") == "sys"
    if isinstance(expression, ast.Name):
        if expression.id.lstrip("_").isupper():
            return True
        values = [
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and expression.id in [getattr(one, "id", "") for one in node.targets]
        ]
        return bool(values) and all(is_fixed(value, function) for value in values)
    if isinstance(expression, ast.Call):
        called = expression.func
        if isinstance(called, ast.Name) and called.id == "powershell_path":
            return True
        if isinstance(called, ast.Attribute) and called.attr == "program":
            return all(
                is_fixed(one.value if isinstance(one, ast.Starred) else one, function) for one in expression.args
            )
    return False


@pytest.mark.skipif(sys.version_info < (3, 9), reason="ast.unparse is younger; the sources are the same")
def test_every_program_that_is_started_is_named_in_the_source():
    started = []
    for name, tree in sources().items():
        if name in DOORS:
            continue
        functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        for function in functions:
            for node in ast.walk(function):
                program = starts_program(node, name) if isinstance(node, ast.Call) else None
                if program is not None:
                    assert is_fixed(program, function), f"{name}:{node.lineno}: {ast.unparse(program)}"
                    started.append(name)
    # The test sees what it is about.
    assert {"agent/link/tracing.py", "agent/linux/disks.py"} <= set(started)


@pytest.mark.parametrize(
    "module", ["configuration", "config", "following", "measuring", "link/orders", "link/sharing", "link/budget"]
)
def test_who_reads_the_configuration_loads_no_module_by_name_and_starts_nothing(module):
    tree = sources()[f"agent/{module}.py"]
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    named |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not named & {"import_module", "importlib", "subprocess", "run_program", "powershell", "pickle", "marshal"}
