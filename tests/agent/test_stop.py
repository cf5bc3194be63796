"""Waiting ends at once when it must, and a state folder has one agent."""

import os
import signal
import sys
import threading
import time

import pytest

from agent.errors import AlreadyRunningError
from agent.stop import Stop, only_agent


@pytest.fixture
def stop():
    made = Stop()
    yield made
    made.close()


def test_waiting_takes_its_time(stop):
    begun = time.monotonic()
    assert stop.wait(0.2) is False
    assert 0.15 < time.monotonic() - begun < 2
    assert stop.wait(-1) is False


def test_a_request_from_another_thread_ends_it(stop):
    threading.Timer(0.1, stop.request).start()
    begun = time.monotonic()
    assert stop.wait(20) is True
    assert time.monotonic() - begun < 5
    assert stop.requested()
    assert stop.wait(20) is True


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself such signals there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_handlers_are_put_back(stop, number):
    before = signal.getsignal(number)
    with stop.listening():
        threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
        begun = time.monotonic()
        assert stop.wait(20) is True
        assert time.monotonic() - begun < 5
    assert signal.getsignal(number) is before


def test_one_agent_a_folder(tmp_path):
    with only_agent(tmp_path), pytest.raises(AlreadyRunningError, match="another agent"), only_agent(tmp_path):
        pass
    with only_agent(tmp_path):
        pass
