"""Debian's snmpd on a loopback port, serving objects that a test sets; and a registry with devices to poll."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collector.db.network import DeviceSpec
from collector.snmp.credentials import Community, User
from collector.snmp.session import Address, Engines, Session, SnmpError

COMMUNITY = "bi-mat-cua-xa"
USER = User("giam-sat", "matkhau-xac-thuc", "matkhau-ma-hoa", "sha256", "aes128")
WRONG_USER = User("giam-sat", "matkhau-xac-thuc", "matkhau-sai-roi", "sha256", "aes128")

IF, IFX, DUPLEX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1", "1.3.6.1.2.1.10.7.2.1.19"
SYSTEM, PAGES = "1.3.6.1.2.1.1", "1.3.6.1.2.1.43.10.2.1.4.1.1"

# Everything that would answer for this machine's own ports is left out.
MODULES = "usmConf,vacm_conf,snmpEngine,snmpMPDStats,usmStats,usmUser,vacm_vars,vacm_context,pass_persist"


class Snmpd:
    """One snmpd whose whole mib-2 is what the test says."""

    def __init__(self, binary, folder):
        self._binary = binary
        self._folder = folder
        self._process = None
        self._objects = folder / "objects.json"
        folder.mkdir()
        self.port = _free_udp_port()
        self.objects = {}
        self.host = "127.0.0.1"
        script = Path(__file__).with_name("scripted_agent.py")
        (folder / "snmpd.conf").write_text(
            f"agentaddress udp:127.0.0.1:{self.port}\n"
            f"rocommunity {COMMUNITY} 127.0.0.1\n"
            f"createUser {USER.user} SHA-256 {USER.authentication_password} AES {USER.privacy_password}\n"
            f"rouser {USER.user} authpriv\n"
            f"pass_persist -p 10 .1.3.6.1.2.1 {sys.executable} {script} {self._objects}\n"
        )

    def start(self):
        self.put({f"{SYSTEM}.1.0": ("string", "router xa"), f"{SYSTEM}.3.0": ("timeticks", 100_000)})
        self.start_process()
        self.wait()

    def start_process(self):
        environment = {**os.environ, "SNMP_PERSISTENT_DIR": str(self._folder / "persistent"), "MIBS": ""}
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, "-f", "-Lo", "-I", MODULES, "-C", "-c", str(self._folder / "snmpd.conf")],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self):
        if self._process is not None:
            # Its sub-agent is of the same session.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def put(self, objects):
        """Sets objects: number -> (type, value); None takes one away."""
        self.objects |= objects
        self.objects = {name: value for name, value in self.objects.items() if value is not None}
        new = self._objects.with_suffix(".new")
        new.write_text(json.dumps(self.objects))
        new.rename(self._objects)

    def put_port(self, index=2, *, name="wan", descr=None, received=0, transmitted=0, wide=True, **more):
        """One row of ifTable, and of ifXTable where `wide`."""
        put = {
            f"{IF}.2.{index}": ("string", descr or name),
            f"{IF}.5.{index}": ("gauge", more.get("speed", 100_000_000)),
            f"{IF}.8.{index}": ("integer", more.get("status", 1)),
            f"{IF}.10.{index}": ("counter", received % 2**32),
            f"{IF}.16.{index}": ("counter", transmitted % 2**32),
            f"{IF}.11.{index}": ("counter", more.get("received_packets", received // 1000)),
            f"{IF}.17.{index}": ("counter", more.get("transmitted_packets", transmitted // 1000)),
            f"{IF}.13.{index}": ("counter", more.get("receive_discards", 0)),
            f"{IF}.14.{index}": ("counter", more.get("receive_errors", 0)),
            f"{IF}.19.{index}": ("counter", more.get("transmit_discards", 0)),
            f"{IF}.20.{index}": ("counter", more.get("transmit_errors", 0)),
        }
        if wide:
            put |= {
                f"{IFX}.1.{index}": ("string", name),
                f"{IFX}.6.{index}": ("counter64", received),
                f"{IFX}.10.{index}": ("counter64", transmitted),
                f"{IFX}.15.{index}": ("gauge", more.get("speed", 100_000_000) // 1_000_000),
                f"{IFX}.18.{index}": ("string", more.get("alias", "")),
                f"{IFX}.19.{index}": ("timeticks", more.get("discontinuity", 0)),
            }
        if "duplex" in more:
            put[f"{DUPLEX}.{index}"] = ("integer", more["duplex"])
        self.put(put)

    def put_uptime(self, seconds):
        self.put({f"{SYSTEM}.3.0": ("timeticks", round(seconds * 100) % 2**32)})

    def spec(self, name="cpe1", **more):
        stated = {
            "name": name,
            "kind": "cpe",
            "unit_code": "16681",
            "site": "main",
            "address": self.host,
            "port": self.port,
            "snmp_version": "2c",
            "credentials": "xa",
            "interface": "wan",
            "received_is_down": True,
        }
        return DeviceSpec(**{**stated, **more})

    def ask(self, run, credential=Community(COMMUNITY), *, timeout_seconds=2.0):  # noqa: B008 - never changed
        """Runs an async function with a session to it."""

        async def whole():
            engines = Engines()
            try:
                return await run(
                    Session(
                        engines,
                        "id",
                        Address(self.host, self.port),
                        credential,
                        timeout_seconds=timeout_seconds,
                        retries=1,
                    )
                )
            finally:
                engines.close()

        return asyncio.run(whole())

    def wait(self):
        deadline = time.monotonic() + 30
        while not self._answers():
            log = (self._folder / "log").read_text(errors="replace")
            assert self._process.poll() is None, log
            assert time.monotonic() < deadline, log

    def _answers(self):
        try:
            self.ask(lambda session: session.get([f"{SYSTEM}.3.0"]), timeout_seconds=0.5)
        except SnmpError:
            return False
        return True


def _free_udp_port():
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@pytest.fixture(scope="session")
def snmpd_binary():
    """Path of Debian's snmpd; without it the test fails, or skips where THONGMANG_ALLOW_MISSING=1 says so."""
    found = shutil.which("snmpd") or shutil.which("snmpd", path="/usr/sbin:/usr/bin")
    if found is None:
        text = "snmpd is missing: apt-get install snmpd (Debian 12 has 5.9.3)"
        if os.environ.get("THONGMANG_ALLOW_MISSING") == "1":
            pytest.skip(text)
        pytest.fail(f"{text}; THONGMANG_ALLOW_MISSING=1 skips these tests")
    return found


@pytest.fixture
def start_snmpd(snmpd_binary, tmp_path):
    """Starts one more snmpd at each call."""
    started = []

    def start():
        one = Snmpd(snmpd_binary, tmp_path / f"snmpd{len(started)}")
        started.append(one)
        one.start()
        return one

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def snmpd(start_snmpd):
    return start_snmpd()


@pytest.fixture
def credentials_text():
    """A file of credentials that opens every snmpd of these tests."""
    return (
        f'[xa]\ncommunity = "{COMMUNITY}"\n\n[sai]\ncommunity = "khong-dung"\n\n'
        f'[v3]\nuser = "{USER.user}"\nauthentication_password = "{USER.authentication_password}"\n'
        f'privacy_password = "{USER.privacy_password}"\nauthentication = "sha256"\n\n'
        f'[v3sai]\nuser = "{USER.user}"\nauthentication_password = "sai-hoan-toan"\n'
        f'privacy_password = "{USER.privacy_password}"\nauthentication = "sha256"\n'
    )
