"""`thongmang local`: collector, embedded store and this very machine as the first terminal, in one go."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess  # noqa: TID251 - this command exists to start the two programs
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine

from collector.cli.collector import ADMIN_TOKEN_FILE, ensure_admin_token
from collector.cli.running import run_command
from collector.clock import now_seconds
from collector.db.devices import revoke_device
from collector.db.registry import open_registry
from collector.enrolment import DEFAULT_SITE, create_join_code
from collector.errors import SettingsError
from collector.language import DEFAULT_LANGUAGE, format_date, translator
from collector.serving import require_free_address
from collector.settings import load_settings, state_directory
from inventory.units import UnitError, find_unit

DEFAULT_UNIT = "Phường Thành Vinh"
# Often enough that a visitor sees the first samples at once; a real province is measured once a minute.
INTERVAL_SECONDS = 10
START_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.3
TAIL_LINES = 15
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

SETTINGS_TEXT = f"""\
# Settings of this trial; `thongmang collector serve` reads them too. Every key is optional: see docs/settings.md.
[agents]
interval_seconds = {INTERVAL_SECONDS}
upload_interval_seconds = {INTERVAL_SECONDS}

[steering]
# This machine's own loopback is no thin line: every round measures in full.
probe_budget_bytes_per_day = 100000000

[alerts]
interval_seconds = 10
"""


class Child:
    """One of the two programs, its output going to a file."""

    def __init__(self, name: str, arguments: list[str], log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
                [sys.executable, "-m", "agent", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for us; we end the two in their right order.
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it is still there."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Asks it to end, and ends it by force if it has not after 15 s."""
        if self.running:
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:])


@click.command(help="Starts the collector with the embedded store and enrols this machine as the first terminal.")
@click.option(
    "--unit",
    "unit_text",
    default=DEFAULT_UNIT,
    envvar="THONGMANG_UNIT",
    show_default=True,
    show_envvar=True,
    help="Unit this machine belongs to.",
)
@click.option("--state-dir", help="Everything that is kept; default: THONGMANG_STATE_DIR or ./var.")
@click.option("--language", type=click.Choice(["vi", "en"]), default=DEFAULT_LANGUAGE, show_default=True)
def local(unit_text: str, state_dir: str | None, language: str) -> int:
    """Runs both until Ctrl-C; exit 0 then, 1 if one of them ends by itself."""
    with _signals_as_interrupt(), _own_foreground():
        return _Trial(state_directory(state_dir), unit_text, language).run()


class _Trial:
    def __init__(self, state: Path, unit_text: str, language: str) -> None:
        self._state = state
        self._language = language
        self._translate = translator(language)
        try:
            self._unit = find_unit(unit_text)
        except UnitError as error:
            raise click.UsageError(str(error)) from error
        self._children: list[Child] = []

    def run(self) -> int:
        try:
            self._start()
            self._watch()
        except KeyboardInterrupt:
            self._say("Stopping ...")
        finally:
            # A second Ctrl-C must not leave half of it running.
            for number in ENDING_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            self._stop()
        self._say("Stopped. Everything is kept in {state}; the next start goes on from there.", state=self._state)
        return 0

    def _start(self) -> None:
        self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings_path = self._state / "collector.toml"
        if not settings_path.exists():
            settings_path.write_text(SETTINGS_TEXT, encoding="utf-8")
        server = load_settings(settings_path).server
        self._url = f"http://{server.host}:{server.port}"
        _require_free_port(server.host, server.port)
        engine = open_registry(self._state / "registry.sqlite")
        self._token = ensure_admin_token(engine, self._state).read_text(encoding="ascii").strip()

        self._say("Starting the collector on {url} ...", url=self._url)
        state = ["--state-dir", str(self._state)]
        collector = Child("collector", ["collector", *state, "serve", "--open-pages"], self._state / "collector.log")
        self._children.append(collector)
        self._wait(lambda: self._get("/healthz") is not None, "the collector")

        agent_state = ["--state-dir", str(self._state / "agent")]
        self._enrol_if_needed(engine, agent_state)
        engine.dispose()
        self._say("Starting the agent ...")
        self._children.append(Child("agent", ["agent", "run", *agent_state], self._state / "agent.log"))
        self._wait(self._first_samples, "the first report")
        self._show_device()

    def _enrol_if_needed(self, engine: Engine, agent_state: list[str]) -> None:
        identity = self._identity()
        known = self._get(f"/api/v1/devices/{identity['device_id']}") if identity else None
        if identity and known and not known["revoked"]:
            if known["unit_code"] != self._unit.code:
                self._say("This machine stays in unit {unit}, where it is enrolled.", unit=known["unit_code"])
            if identity["collector_url"].rstrip("/") == self._url:
                return
        self._say("Enrolling this machine in {unit} ...", unit=self._unit.name)
        with engine.begin() as connection:
            if identity and known:
                # The same machine at a new address must not stand in the list twice.
                revoke_device(connection, identity["device_id"], now_seconds())
            code = create_join_code(
                connection,
                unit_code=self._unit.code,
                site=DEFAULT_SITE,
                now=now_seconds(),
                valid_seconds=START_SECONDS,
            )
        enrol = Child(
            "agent enrol",
            ["agent", "enrol", self._url, "--code", code, "--again", *agent_state],
            self._state / "agent.log",
        )
        self._children.append(enrol)
        self._wait(lambda: not enrol.running, "the enrolment", watched=[])
        self._children.remove(enrol)
        fresh = self._identity()
        if fresh is None or fresh["collector_url"].rstrip("/") != self._url:
            raise click.ClickException(enrol.last_words())

    def _show_device(self) -> None:
        device = self._own_device() or {}
        self._say(
            "This machine reports: {processor}, {samples} numbers a round.",
            processor=device.get("product") or device.get("processor") or "?",
            samples=len(device.get("samples", ())),
        )
        age = device.get("age") or {}
        days = [format_date(age[end], self._language) if age.get(end) else "?" for end in ("earliest", "latest")]
        self._say(
            "Its age: made between {earliest} and {latest}; over 10 years: {answer}.",
            earliest=days[0],
            latest=days[1],
            answer=self._translate(str(age.get("over_10_years", "uncertain"))),
        )
        self._say("Page: {url}/   Administrator's token: {path}", url=self._url, path=self._state / ADMIN_TOKEN_FILE)
        self._say(
            "Logs: {collector} and {agent}", collector=self._state / "collector.log", agent=self._state / "agent.log"
        )
        self._say("Ctrl-C ends both.")

    def _watch(self) -> None:
        while True:
            for child in self._children:
                if not child.running:
                    raise click.ClickException(
                        self._text("{name} has ended by itself. Its last words:", name=child.name)
                        + f"\n{child.last_words()}",
                    )
            time.sleep(POLL_SECONDS)

    def _wait(self, ready: Any, what: str, watched: list[Child] | None = None) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            for child in self._children if watched is None else watched:
                if not child.running:
                    raise click.ClickException(f"{child.name}:\n{child.last_words()}")
            if time.monotonic() > deadline:
                raise click.ClickException(
                    f"{what}: nothing after {START_SECONDS:.0f} s; see the logs in {self._state}"
                )
            time.sleep(POLL_SECONDS)

    def _stop(self) -> None:
        # The agent first: what it hands in at the end still finds the collector.
        for child in reversed(self._children):
            child.stop()

    def _identity(self) -> dict[str, str] | None:
        """What the agent keeps of its enrolment; None where there is none, or none that can be read."""
        try:
            identity = json.loads((self._state / "agent" / "identity.json").read_text(encoding="utf-8"))
            return {name: str(identity[name]) for name in ("collector_url", "device_id")}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _own_device(self) -> dict[str, Any] | None:
        identity = self._identity()
        return self._get(f"/api/v1/devices/{identity['device_id']}") if identity else None

    def _first_samples(self) -> bool:
        device = self._own_device()
        return bool(device and device["samples"] and device["age"])

    def _get(self, path: str) -> dict[str, Any] | None:
        request = urllib.request.Request(self._url + path, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310 - our own http address
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - as above
                decoded: dict[str, Any] = json.load(answer)
        except (urllib.error.URLError, OSError):
            return None
        return decoded

    def _text(self, pattern: str, **parameters: object) -> str:
        return self._translate(pattern).format(**parameters)

    def _say(self, pattern: str, **parameters: object) -> None:
        click.echo(self._text(pattern, **parameters))


def _require_free_port(host: str, port: int) -> None:
    try:
        require_free_address(host, port)
    except SettingsError as error:
        raise click.ClickException(f"{error}. Choose another port: THONGMANG_PORT=8601 make run") from error


@contextlib.contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP end the trial as Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _own_foreground() -> Iterator[None]:
    """Takes the terminal's foreground, so that Ctrl-C reaches this command and not the make that started it.

    Make would answer Ctrl-C with an error of its own, however cleanly its command ended.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        before = os.tcgetpgrp(terminal)
        if before != os.getpgrp() or before == os.getpid():
            yield
            return
        ignored = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpgrp())
        try:
            yield
        finally:
            os.tcsetpgrp(terminal, before)
            signal.signal(signal.SIGTTOU, ignored)
    finally:
        os.close(terminal)


def main(argv: list[str]) -> int:
    """Runs the trial; 0 after Ctrl-C, 1 failed, 2 wrong words."""
    return run_command(local, argv, "thongmang local")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
