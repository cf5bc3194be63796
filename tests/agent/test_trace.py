"""The way to an address: real sockets, real routers in namespaces of our own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest

from agent.cli import main
from agent.errors import ProbeError
from agent.link.trace import NO_NAME, NO_RAW, hops_to

icmplib = pytest.importorskip("icmplib")
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("ip") is not None
needs_root = pytest.mark.skipif(not ROOT, reason="raw sockets and namespaces need root and iproute2")


def namespaces_work() -> bool:
    """A chroot may make a namespace and not enter it."""
    name = f"tmtrace{os.getpid()}try"
    try:
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")
    except subprocess.CalledProcessError:
        return False
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    return True


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@pytest.fixture
def two_routers():
    """A host, two routers and a server in a row; the name of the host's namespace and the server's address."""
    if not namespaces_work():
        pytest.skip("network namespaces cannot be entered here, as in a chroot")
    names = [f"tmtrace{os.getpid()}{letter}" for letter in "abcd"]
    try:
        for name in names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        for at, (left, right) in enumerate(zip(names, names[1:])):
            ends = f"l{at}", f"r{at}"
            run("ip", "-n", left, "link", "add", ends[0], "type", "veth", "peer", "name", ends[1], "netns", right)
            for name, end, last in ((left, ends[0], 1), (right, ends[1], 2)):
                run("ip", "-n", name, "addr", "add", f"10.99.{at}.{last}/24", "dev", end)
                run("ip", "-n", name, "link", "set", end, "up")
        for name in names[1:3]:
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        run("ip", "-n", names[0], "route", "add", "default", "via", "10.99.0.2")
        run("ip", "-n", names[1], "route", "add", "10.99.2.0/24", "via", "10.99.1.2")
        run("ip", "-n", names[2], "route", "add", "10.99.0.0/24", "via", "10.99.1.1")
        run("ip", "-n", names[3], "route", "add", "default", "via", "10.99.2.1")
        yield names[0], "10.99.2.2"
    finally:
        for name in names:
            with contextlib.suppress(subprocess.CalledProcessError):
                run("ip", "netns", "del", name)


@needs_root
def test_every_router_on_the_way_is_named(two_routers):
    namespace, address = two_routers
    words = [
        sys.executable,
        "-m",
        "agent",
        "agent",
        "trace",
        address,
        "--format",
        "json",
        "--state-dir",
        "/nonexistent",
    ]
    done = subprocess.run(["ip", "netns", "exec", namespace, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    hops = json.loads(done.stdout)
    assert [(hop["distance"], hop["address"]) for hop in hops] == [(1, "10.99.0.2"), (2, "10.99.1.2"), (3, address)]
    assert all(0 < hop["rtt_min_seconds"] <= hop["rtt_mean_seconds"] < 0.5 for hop in hops)


@needs_root
def test_the_command_says_it_in_words(capsys, tmp_path):
    assert main(["trace", "127.0.0.1", "--state-dir", str(tmp_path), "--lang", "en"]) == 0
    assert capsys.readouterr().out.startswith("1  127.0.0.1  3 of 3 answered, shortest 0.")


@needs_root
def test_what_is_no_address_is_said_and_is_no_success(capsys, tmp_path):
    assert main(["trace", "999.1.1.1", "--state-dir", str(tmp_path), "--lang", "en"]) == 1
    shown = capsys.readouterr()
    assert (shown.out, "999.1.1.1" in shown.err) == ("", True)


@needs_root
def test_a_name_that_does_not_resolve_is_said(monkeypatch):
    def refuse(*_arguments, **_more):
        raise icmplib.NameLookupError("nowhere.invalid")

    monkeypatch.setattr(icmplib, "traceroute", refuse)
    with pytest.raises(ProbeError) as caught:
        hops_to("nowhere.invalid")
    assert caught.value.message.pattern == NO_NAME


def test_without_rights_it_says_so(monkeypatch):
    def refuse(*_arguments, **_more):
        raise icmplib.SocketPermissionError(privileged=True)

    monkeypatch.setattr(icmplib, "traceroute", refuse)
    with pytest.raises(ProbeError) as caught:
        hops_to("127.0.0.1")
    assert caught.value.message.pattern == NO_RAW
