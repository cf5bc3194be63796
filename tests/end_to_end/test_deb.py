"""The Debian package, installed for real in a copy of this system that is thrown away."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import trustme
import urllib3

ROOT = Path(__file__).parents[2]
PROGRAM = "/usr/lib/thongmang-agent"
STATE = "/var/lib/thongmang-agent"
PACKAGE = "thongmang-agent"

# A /run of its own: the system that is copied may run systemd, and nothing in there may reach it.
_MOUNT = """
set -e
mount -t tmpfs -o mode=0755 tmpfs {place}
mkdir {place}/upper {place}/work {place}/root
mount -t overlay overlay -o lowerdir=/,upperdir={place}/upper,workdir={place}/work {place}/root
mount -t proc proc {place}/root/proc
mount -t tmpfs -o mode=0755 tmpfs {place}/root/run
mount -t tmpfs -o mode=1777 tmpfs {place}/root/tmp
mount --rbind /dev {place}/root/dev
echo ready
exec sleep 600
"""


class ThrowAwaySystem:
    """This system with a layer over it that is gone when the test ends."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        self.root = place / "root"
        self._started: list[subprocess.Popen[str]] = []
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNT.format(place=place)]
        self._holder = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self._holder.stdout.readline().strip() != "ready":
            _out, problem = self._holder.communicate(timeout=10)
            pytest.skip(f"an overlay cannot be mounted here: {problem.strip()}")

    def run(self, *words: object, expected: int = 0, user: str | None = None) -> str:
        """Output of a program in there."""
        chroot = ["chroot", *([f"--userspec={user}"] if user else []), str(self.root)]
        done = subprocess.run(
            ["nsenter", "--target", str(self._holder.pid), "--mount", "--", *chroot, *map(str, words)],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "THONGMANG_LANGUAGE": "en"},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == expected, done.stdout + done.stderr
        return done.stdout + ("" if expected == 0 else done.stderr)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A program in there that goes on; the process is its own, for nothing on the way stays."""
        enter = ["nsenter", "--target", str(self._holder.pid), "--mount", "--", "chroot", str(self.root), *words]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        started = subprocess.Popen(enter, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._started.append(started)
        return started

    def put(self, source: Path, name: str) -> str:
        """Copies a file or folder of this system into that one."""
        text = f"cp -r {source} {self.root}{name}"
        subprocess.run(["nsenter", "--target", str(self._holder.pid), "--mount", "--", "sh", "-c", text], check=True)
        return name

    def exists(self, name: str) -> bool:
        """Whether there is such a file in there, links not followed."""
        return self.run("sh", "-c", f"[ -e '{name}' ] || [ -L '{name}' ] && echo yes || echo no").strip() == "yes"

    def close(self) -> None:
        for started in self._started:
            started.kill()
            started.communicate()
        self._holder.send_signal(signal.SIGKILL)
        self._holder.communicate()


@pytest.fixture
def system(tmp_path):
    """A throw-away system, or a skip that says why there is none."""
    missing = [name for name in ("dpkg-deb", "unshare", "nsenter", "chroot", "setpriv") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not a Debian system: {', '.join(missing)} missing")
    if os.geteuid() != 0:
        pytest.skip("installing a package takes root")
    asked = ["dpkg-query", "--show", "--showformat=${Status}", "python3"]
    if "ok installed" not in subprocess.run(asked, capture_output=True, text=True, check=False).stdout:
        pytest.skip("Debian's python3 is not installed here, and the package depends on it")
    made = ThrowAwaySystem(tmp_path / "system")
    yield made
    made.close()


@pytest.fixture
def packages(tmp_path):
    """The package, and the same as a newer version."""

    def built(*words):
        command = [sys.executable, ROOT / "deploy/agent/build_deb.py", "--output", tmp_path, *words]
        return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())

    return built(), built("--version", "99.0rc1")


@pytest.fixture
def https(processes):
    """A real collector with a certificate of an authority of its own; the path of the authority's file."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    folder = processes.state
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    for number, part in enumerate(certificate.cert_chain_pems):
        part.write_to_path(str(folder / "chain.pem"), append=number > 0)
    # No packet to the gateway of the machine that the test runs on.
    (folder / "collector.toml").write_text(
        f'[server]\ncertificate_file = "{folder}/chain.pem"\nkey_file = "{folder}/key.pem"\n'
        "[agents]\nmeasure_gateway = false\n"
    )
    processes.url = processes.url.replace("http://", "https://")
    processes.http = urllib3.PoolManager(retries=False, timeout=5, ca_certs=str(folder / "ca.pem"))
    processes.start_collector()
    return folder / "ca.pem"


def outcomes(system, **options):
    table = json.loads(system.run("thongmang-agent", "inspect", "--format", "json", **options))
    return {outcome["probe"]: outcome for outcome in table["outcomes"]}


@pytest.mark.timeout(300)
def test_install_enrol_measure_upgrade_remove_purge(system, packages, processes, https):
    package, newer = packages
    said = system.run("dpkg", "--install", system.put(package, "/tmp/agent.deb"))
    assert "thongmang-agent enrol URL" in said
    assert system.run("dpkg", "--verify", PACKAGE) == ""

    # Who, where, with which rights.
    assert system.run("stat", "-c", "%U %a", STATE).split() == [PACKAGE, "700"]
    assert system.run("stat", "-c", "%U %G %a", f"{STATE}-privileged").split() == ["root", PACKAGE, "750"]
    assert system.run("getent", "passwd", PACKAGE).strip().endswith("/usr/sbin/nologin")
    for target, unit in (("multi-user", "thongmang-agent.service"), ("timers", "thongmang-agent-privileged.timer")):
        assert system.exists(f"/etc/systemd/system/{target}.target.wants/{unit}"), unit
    version = re.search(r"\d+\.\d+", system.run("/usr/bin/python3", "--version")).group().replace(".", "")
    compiled = f"{PROGRAM}/agent/__pycache__/cli.cpython-{version}.pyc"
    assert system.exists(compiled)
    system.run("rm", compiled)
    # A new Python asks for new byte code.
    system.run("dpkg-trigger", "--by-package=python3-minimal", "/usr/bin/python3")
    system.run("dpkg", "--triggers-only", PACKAGE)
    assert system.exists(compiled)

    # Without psutil it degrades, and says so; with it, it does not.
    library = "/usr/lib/python3/dist-packages/psutil"
    system.run("sh", "-c", f"if [ -e {library} ]; then mv {library} /tmp/psutil; fi")
    bare = outcomes(system)
    assert bare["memory"]["outcome"] == "ok", bare
    assert "psutil is not installed" in bare["memory"]["message"]
    assert bare["filesystems"]["outcome"] == "error"
    assert "psutil is not installed" in bare["filesystems"]["message"]
    if system.exists("/tmp/psutil"):
        system.run("mv", "/tmp/psutil", library)
    else:
        system.put(Path(psutil.__file__).parent, library)
    assert outcomes(system)["memory"]["message"] == ""
    assert outcomes(system, user="nobody")["memory"]["outcome"] == "ok"

    # A folder of the caller's own is no place to take modules from.
    system.run("sh", "-c", "mkdir -m 0700 /root/trap && echo 'raise SystemExit(99)' >/root/trap/json.py")
    system.run("sh", "-c", "cd /root/trap && exec thongmang-agent --version")

    # The authority's file lies where only root may go; the state is the service's own all the same.
    code = processes.run("collector", "join-code", "--unit", "Xã Nghi Lộc").strip()
    system.put(https, "/root/trap/authority.pem")
    system.run("thongmang-agent", "status", expected=1)
    enrol = f"cd /root/trap && exec thongmang-agent --lang en enrol {processes.url} --code {code} --ca authority.pem"
    assert "enrolled at" in system.run("sh", "-c", enrol)
    assert not system.run("find", STATE, "-not", "-user", PACKAGE)
    assert system.run("stat", "-c", "%a", f"{STATE}/identity.json").strip() == "600"
    system.run("thongmang-agent", "status", user="nobody", expected=1)
    assert "reports taken" in system.run("thongmang-agent", "run", "--once")
    assert not system.run("find", STATE, "-not", "-user", PACKAGE)
    processes.wait(lambda: processes.api("/api/v1/devices")["devices"][0]["samples"], 20)
    identity = system.run("cat", f"{STATE}/identity.json")
    spooled = system.run("ls", STATE)

    # An upgrade keeps the identity, what waits to be sent, and an administrator's changes.
    system.run("sh", "-c", "echo THONGMANG_LANGUAGE=en >>/etc/default/thongmang-agent")
    system.run("dpkg", "--install", system.put(newer, "/tmp/newer.deb"))
    assert system.run("dpkg-query", "--show", "--showformat=${Version}", PACKAGE) == "99.0~rc1"
    assert system.run("cat", f"{STATE}/identity.json") == identity
    assert system.run("ls", STATE) == spooled
    assert "THONGMANG_LANGUAGE=en" in system.run("tail", "-n1", "/etc/default/thongmang-agent")
    assert system.exists(compiled)
    assert "reports taken" in system.run("thongmang-agent", "run", "--once")
    assert len(processes.api("/api/v1/devices")["devices"]) == 1

    system.run("dpkg", "--remove", PACKAGE)
    assert not system.exists(PROGRAM)
    assert system.run("cat", f"{STATE}/identity.json") == identity
    # Installed anew, it is the same terminal.
    system.run("dpkg", "--install", "/tmp/agent.deb")
    assert processes.url in system.run("thongmang-agent", "status")

    system.run("dpkg", "--purge", PACKAGE)
    left = system.run("find", "/etc", "/usr", "/var", "/lib/", "-xdev", "-name", "*thongmang-agent*")
    assert left == ""
    system.run("getent", "passwd", PACKAGE, expected=2)
    system.run("getent", "group", PACKAGE, expected=2)


def command_of(name, rights):
    """A unit's own command in its folder and environment, with some of its rights."""
    unit = (ROOT / "deploy/agent/systemd" / name).read_text(encoding="utf-8")
    command = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE).group(1)
    variables = " ".join(re.findall(r"^Environment=(.*)$", unit, re.MULTILINE))
    return f"cd {PROGRAM} && exec env {variables} setpriv --clear-groups {rights} {command}"


@pytest.mark.timeout(300)
def test_the_units_commands_do_what_they_should(system, packages, processes, https):
    """What systemd starts, with the units' own commands, users and rights, as far as that goes without systemd."""
    package, _newer = packages
    system.run("dpkg", "--install", system.put(package, "/tmp/agent.deb"))
    code = processes.run("collector", "join-code", "--unit", "Xã Nghi Lộc").strip()
    system.run("thongmang-agent", "enrol", processes.url, "--code", code, "--ca", system.put(https, "/tmp/ca.pem"))
    # What root alone is told, into a file for the agent's group and nobody else.
    kept = f"{STATE}-privileged/privileged.json"
    system.run("sh", "-c", f"umask 0027 && {command_of('thongmang-agent-privileged.service', '--regid=' + PACKAGE)}")
    assert system.run("stat", "-c", "%U %G %a", kept).split() == ["root", PACKAGE, "640"]
    assert json.loads(system.run("cat", kept, user=PACKAGE))["runs"]
    system.run("cat", kept, user="nobody", expected=1)

    rights = f"--reuid={PACKAGE} --regid={PACKAGE} --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw"
    script = command_of("thongmang-agent.service", f"{rights} --no-new-privs")
    agent = system.start("sh", "-c", script)
    processes.wait(lambda: processes.api("/api/v1/devices")["devices"][0]["samples"], 40, agent)
    # A second one would spoil the first one's state.
    system.run("thongmang-agent", "run", "--once", expected=1)
    agent.send_signal(signal.SIGTERM)
    said, _ = agent.communicate(timeout=20)
    assert agent.returncode == 0, said
    assert not system.run("find", STATE, "-not", "-user", PACKAGE)
