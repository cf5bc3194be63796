"""The Windows service against a stand-in for its manager, which calls through real ctypes prototypes."""

import ctypes
import queue
import subprocess
import sys
import threading
import time

import pytest

from agent.enrolment import enrol
from agent.service import control
from agent.service.control import Service, ServiceFailedError, ServiceStatus, ServiceTableEntry, Work
from agent.service.windows import AgentWork, ServiceLog, declare

# More than 32 bits, where a pointer has more: a prototype that cuts it is found out.
HANDLE = 0x7FFE12345678 if ctypes.sizeof(ctypes.c_void_p) == 8 else 0x7E123456
SECONDS = 20


class Manager:
    """Starts a service's main function in a thread of its own and hands controls to its handler, as Windows does."""

    def __init__(self):
        self.statuses = []
        self.changed = threading.Condition()
        self._controls = queue.Queue()
        self._handler = None
        self._started_by_windows = True
        self._name = None
        dispatch = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
        register = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_wchar_p, control.HandlerPrototype, ctypes.c_void_p)
        tell = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ServiceStatus))
        self.StartServiceCtrlDispatcherW = dispatch(self._dispatch)
        self.RegisterServiceCtrlHandlerExW = register(self._register)
        self.SetServiceStatus = tell(self._tell)
        declare(self)

    def refuse(self):
        self._started_by_windows = False

    def send(self, word, event=0):
        """What the handler answered."""
        answer = queue.Queue()
        self._controls.put((word, event, answer))
        return answer.get(timeout=SECONDS)

    def wait_for(self, *states, seconds=SECONDS):
        def reached():
            return self.states == list(states)

        with self.changed:
            assert self.changed.wait_for(reached, seconds), self.states

    @property
    def states(self):
        """The states in their order, each once however often it was told."""
        found = []
        for status in self.statuses:
            if not found or found[-1] != status["current_state"]:
                found.append(status["current_state"])
        return found

    def _dispatch(self, address):
        if not self._started_by_windows:
            return 0
        entries = (ServiceTableEntry * 2).from_address(address)
        assert not entries[1].main
        self._name = entries[0].name
        thread = threading.Thread(target=entries[0].main, args=(1, None), daemon=True)
        thread.start()
        while control.STOPPED not in self.states:
            try:
                word, event, answer = self._controls.get(timeout=0.02)
            except queue.Empty:
                continue
            answer.put(self._handler(word, event, None, None))
        return 1

    def _register(self, name, handler, _context):
        assert name == self._name
        self._handler = handler
        return HANDLE

    def _tell(self, handle, status):
        assert handle == HANDLE
        with self.changed:
            # Windows takes no word of a service after its last one.
            assert control.STOPPED not in self.states
            self.statuses.append({name: getattr(status.contents, name) for name, _type in ServiceStatus._fields_})
            self.changed.notify_all()
        return 1


class Measured(Work):
    """Work that does as it is told."""

    def __init__(self, before=None, *, ignores_stop=False):
        self.calls = []
        self._before = before
        self._ignores_stop = ignores_stop
        self._stop = threading.Event()
        self.release = threading.Event()

    def run(self, started):
        self.calls.append("run")
        if self._before is not None:
            self._before()
        started()
        self._stop.wait(SECONDS)
        if self._ignores_stop:
            self.release.wait(SECONDS)
        started()

    def stop(self):
        self.calls.append("stop")
        self._stop.set()

    def resume(self):
        self.calls.append("resume")


@pytest.fixture
def manager():
    return Manager()


@pytest.fixture
def serving(manager):
    """Runs a service in a thread, as its process would; gives (failures, wait until the process may end)."""
    threads = []

    def start(make_work, **options):
        failures, results = [], []
        service = Service(manager, "ThongMangAgent", make_work, failures.append, **options)
        thread = threading.Thread(target=lambda: results.append(service.run()), daemon=True)
        thread.start()
        threads.append(thread)

        def ended():
            thread.join(SECONDS)
            assert results == [True]

        return failures, ended

    yield start
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_structures_have_the_sizes_of_windows():
    assert ctypes.sizeof(ServiceStatus) == 28
    assert ctypes.sizeof(ServiceTableEntry) == 2 * ctypes.sizeof(ctypes.c_void_p)


def test_states_are_told_in_order(manager, serving):
    told_before_work = []
    work = Measured()

    def make_work():
        told_before_work.extend(manager.states)
        return work

    failures, ended = serving(make_work)
    manager.wait_for(control.START_PENDING, control.RUNNING)
    # Windows was told before anything was loaded.
    assert told_before_work == [control.START_PENDING]
    running = manager.statuses[-1]
    assert running["controls_accepted"] == 0x145
    assert (running["service_type"], running["check_point"], running["wait_hint"]) == (0x10, 0, 0)
    assert manager.statuses[0]["controls_accepted"] == 0
    assert manager.statuses[0]["wait_hint"] > 0

    assert manager.send(control.CONTROL_INTERROGATE) == 0
    assert manager.statuses[-1] == running
    assert len(manager.statuses) == 3
    assert manager.send(0x80) == control.ERROR_CALL_NOT_IMPLEMENTED
    assert manager.send(control.CONTROL_STOP) == 0
    ended()
    assert manager.states == [control.START_PENDING, control.RUNNING, control.STOP_PENDING, control.STOPPED]
    assert manager.statuses[-1]["win32_exit_code"] == 0
    assert (work.calls, failures) == (["run", "stop"], [])


@pytest.mark.parametrize("word", [control.CONTROL_STOP, control.CONTROL_SHUTDOWN, control.CONTROL_PRE_SHUTDOWN])
def test_every_word_that_ends_it(manager, serving, word):
    _failures, ended = serving(Measured)
    manager.wait_for(control.START_PENDING, control.RUNNING)
    manager.send(word)
    ended()
    assert manager.states[-2:] == [control.STOP_PENDING, control.STOPPED]


def test_waking_is_passed_on_and_falling_asleep_is_not(manager, serving):
    work = Measured()
    _failures, ended = serving(lambda: work)
    manager.wait_for(control.START_PENDING, control.RUNNING)
    falling_asleep, change_of_power_source = 0x04, 0x0A
    for event in (falling_asleep, change_of_power_source, control.RESUME_AUTOMATIC):
        assert manager.send(control.CONTROL_POWER_EVENT, event) == 0
    manager.send(control.CONTROL_STOP)
    ended()
    assert work.calls == ["run", "resume", "stop"]


def test_a_slow_start_shows_that_it_goes_on(manager, serving, monkeypatch):
    monkeypatch.setattr(control, "_HEARTBEAT_SECONDS", 0.02)

    def loaded():
        with manager.changed:
            assert manager.changed.wait_for(lambda: len(manager.statuses) > 3, SECONDS)

    _failures, ended = serving(lambda: Measured(before=loaded))
    manager.wait_for(control.START_PENDING, control.RUNNING)
    points = [status["check_point"] for status in manager.statuses if status["current_state"] == control.START_PENDING]
    assert points == list(range(1, len(points) + 1))
    time.sleep(0.1)
    assert manager.states == [control.START_PENDING, control.RUNNING]
    manager.send(control.CONTROL_STOP)
    ended()


def test_an_unforeseen_end_is_noted_and_told_as_a_failure(manager, serving):
    def fails():
        raise OSError("DLL load failed")

    failures, ended = serving(fails)
    ended()
    assert manager.states == [control.START_PENDING, control.STOPPED]
    # Not zero, so that Windows' failure actions start it again.
    assert manager.statuses[-1]["win32_exit_code"] == control.ERROR_PROCESS_ABORTED
    assert [str(failure) for failure in failures] == ["DLL load failed"]


def test_the_services_own_exit_code(manager, serving):
    def fails():
        raise ServiceFailedError(7)

    failures, ended = serving(lambda: Measured(before=fails))
    ended()
    last = manager.statuses[-1]
    assert (last["win32_exit_code"], last["service_specific_exit_code"]) == (control.ERROR_SERVICE_SPECIFIC_ERROR, 7)
    assert failures == []


def test_work_that_does_not_end_is_left_behind(manager, serving):
    work = Measured(ignores_stop=True)
    _failures, ended = serving(lambda: work, stop_seconds=0.2)
    manager.wait_for(control.START_PENDING, control.RUNNING)
    started = time.monotonic()
    manager.send(control.CONTROL_STOP)
    ended()
    assert 0.2 <= time.monotonic() - started < 5
    assert manager.statuses[-1]["win32_exit_code"] == control.ERROR_PROCESS_ABORTED
    told = len(manager.statuses)
    # When it ends after all, nothing more is told.
    work.release.set()
    time.sleep(0.1)
    assert len(manager.statuses) == told


def test_a_stop_during_the_start_never_runs(manager, serving):
    allowed = threading.Event()
    work = Measured()

    def make_work():
        allowed.wait(SECONDS)
        return work

    _failures, ended = serving(make_work)
    manager.wait_for(control.START_PENDING)
    manager.send(control.CONTROL_SHUTDOWN)
    # Told to stop twice, it says so once.
    manager.send(control.CONTROL_STOP)
    allowed.set()
    ended()
    assert manager.states == [control.START_PENDING, control.STOP_PENDING, control.STOPPED]
    assert [status["current_state"] for status in manager.statuses].count(control.STOP_PENDING) == 1
    assert work.calls == []


def test_started_by_a_person(manager):
    manager.refuse()
    assert Service(manager, "ThongMangAgent", Measured, print).run() is False
    assert manager.statuses == []


def test_the_program_says_who_starts_it(environment):
    done = subprocess.run(
        [sys.executable, "-m", "agent.service.windows"],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "only Windows starts this program, as a service; to measure at a command line: thongmang agent run\n"
    )


def test_the_agent_as_a_service_measures_wakes_and_stops(
    manager, serving, collector, answer_of_enrolment, tmp_path, monkeypatch
):
    monkeypatch.setenv("THONGMANG_LANGUAGE", "en")
    collector.enrolment = (200, {}, answer_of_enrolment(upload_interval_seconds=60))
    enrol(collector.url, "code", tmp_path)
    log = ServiceLog(tmp_path / "agent.log")
    _failures, ended = serving(lambda: AgentWork(tmp_path, log, after_resume_seconds=0.05))
    manager.wait_for(control.START_PENDING, control.RUNNING)

    def uploads(count):
        deadline = time.monotonic() + 60
        while len([request for request in collector.requests if not request["path"].endswith("/enrolments")]) < count:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    uploads(1)
    # Windows tells twice where a person wakes the machine; the next round is far, and comes at once all the same.
    manager.send(control.CONTROL_POWER_EVENT, control.RESUME_AUTOMATIC)
    manager.send(control.CONTROL_POWER_EVENT, control.RESUME_SUSPEND)
    uploads(2)
    assert manager.states == [control.START_PENDING, control.RUNNING]
    started = time.monotonic()
    manager.send(control.CONTROL_STOP)
    ended()
    assert time.monotonic() - started < 10
    assert manager.statuses[-1]["win32_exit_code"] == 0
    assert log._path.read_text(encoding="utf-8").count(f"measuring for {collector.url}") >= 2


def test_a_machine_that_is_not_enrolled(manager, serving, tmp_path, monkeypatch):
    monkeypatch.setenv("THONGMANG_LANGUAGE", "en")
    _failures, ended = serving(lambda: AgentWork(tmp_path / "state", ServiceLog(tmp_path / "agent.log")))
    ended()
    last = manager.statuses[-1]
    assert (last["win32_exit_code"], last["service_specific_exit_code"]) == (control.ERROR_SERVICE_SPECIFIC_ERROR, 1)
    assert "not enrolled" in (tmp_path / "agent.log").read_text(encoding="utf-8")


def test_an_identity_that_is_not_usable(manager, serving, tmp_path):
    (tmp_path / "identity.json").write_text("{", encoding="utf-8")
    _failures, ended = serving(lambda: AgentWork(tmp_path, ServiceLog(tmp_path / "agent.log")))
    ended()
    assert manager.statuses[-1]["service_specific_exit_code"] == 2
    assert "identity.json" in (tmp_path / "agent.log").read_text(encoding="utf-8")


def test_the_log_is_bounded_and_stops_nothing(tmp_path):
    path = tmp_path / "agent.log"
    log = ServiceLog(path, limit_bytes=1000)
    for number in range(200):
        log.write(f"dòng {number}")
    kept = [path.with_name("agent.log.1"), path]
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    assert all(0 < part.stat().st_size < 1100 for part in kept)
    assert path.read_text(encoding="utf-8").endswith("dòng 199\n")
    try:
        int("what nobody foresaw")
    except ValueError as error:
        log.failure(error)
    assert 'int("what nobody foresaw")' in path.read_text(encoding="utf-8")
    ServiceLog(tmp_path / "no" / "such" / "agent.log").write("lost")
