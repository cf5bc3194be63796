"""Settings: `collector.toml` in the state directory, every key optional, unknown keys refused."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from collector.errors import SettingsError

DEFAULT_PORT = 8600
MEBIBYTE = 1024 * 1024
LARGEST_PORT = 65535
LONGEST_INTERVAL_SECONDS = 86400
LONGEST_NAME = 64
MOST_TARGETS = 16
COLLECTOR_TARGET = "collector"
# It goes into the first line of a request as it stands.
SERVICE_PATH = re.compile(r"/[!-~]{0,255}")


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the collector listens. The default is this machine only."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    certificate_file: str = ""
    key_file: str = ""
    # The authority that vouches for the certificate: handed out to agents, which check its fingerprint and pin it.
    ca_file: str = ""
    # What agents and browsers call the collector, where a proxy stands before it, as https://giamsat.example
    public_url: str = ""
    # Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.
    trusted_proxies: tuple[str, ...] = ()


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where samples are kept. The password is read from a file, so that this one can be shown to others."""

    kind: Literal["embedded", "influxdb"] = "embedded"
    url: str = "http://127.0.0.1:8086"
    database: str = "fleet_raw"
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    timeout_seconds: float = 30.0
    retention_days: int = 30


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one sender may ask of the collector; each refusal is answered, counted and says which limit it was."""

    body_bytes: int = 1 * MEBIBYTE
    decompressed_bytes: int = 8 * MEBIBYTE
    reports_per_batch: int = 1000
    # Of an upload in columns: how many there are, and how many numbers they stand for.
    columns_per_batch: int = 4096
    samples_per_batch: int = 100_000
    samples_per_report: int = 1024
    facts_per_report: int = 100
    rows_per_fact: int = 256
    outcomes_per_report: int = 64
    string_characters: int = 512
    future_seconds: float = 300.0
    series_per_device: int = 128
    enrolments_per_minute: int = 10
    journal_free_bytes: int = 64 * MEBIBYTE
    rejected_rows: int = 20_000
    rejected_item_bytes: int = 16 * 1024
    form_bytes: int = 64 * 1024


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One address whose latency every agent measures; `port` allows TCP where ICMP is blocked."""

    name: str
    address: str
    port: int | None = None
    # A service also gets probes of 1400 bytes.
    role: Literal["edge", "service", "conference"] | None = None
    # What the port speaks, where the time to the first byte of an answer is wanted.
    service: Literal["http", "https", "tls", "tcp-banner"] | None = None
    path: str | None = None
    # The https service must prove its name to the authority pinned at enrolment, else to the terminal's own.
    verify: bool = False


class Agents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What agents are told, at enrolment and with every change."""

    interval_seconds: int = 60
    # Of terminals that leave the line to the probers of their site.
    upload_interval_seconds: int = 900
    targets: tuple[Target, ...] = ()
    # The collector itself, at the address the agent reached it by, as the target named `collector`.
    measure_collector: bool = True
    # Each terminal's default gateway, as the target named `gateway`.
    measure_gateway: bool = True


class Steering(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who probes the line of each site, and what that and the uploads may take of it."""

    probers_per_site: int = 3
    standbys_per_site: int = 1
    # Of probers and standbys; one that is silent for half as long again is off.
    upload_interval_seconds: int = 60
    probe_budget_bytes_per_day: int = 1_000_000
    # What reports of earlier may take when a line comes back.
    history_bytes_per_minute: int = 60_000
    batch_reports: int = 100
    # How long an alert on a line may ask its site for more than the usual.
    alert_minutes: int = 120


class Alerts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often rules are judged, and from which folder (the shipped one by default)."""

    interval_seconds: float = 30.0
    rules_directory: str = ""


class Notify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How changes of alerts become notifications; the channels have sections of their own."""

    interval_seconds: float = 5.0
    routing_file: str = ""
    retry_first_seconds: float = 15.0
    retry_longest_seconds: float = 1800.0
    # A notification that could not be delivered for so long is given up, kept and shown.
    give_up_hours: float = 72.0
    keep_days: int = 400


class Smtp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mail server that takes notifications; without a host e-mail waits."""

    host: str = ""
    port: int = 587
    encryption: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password_file: str = ""
    # The address in From and the envelope, as thongmang@nghean.example
    sender: str = ""
    ca_file: str = ""
    timeout_seconds: float = 30.0


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """HTTP receivers; each may have a secret that signs what it is sent."""

    # TOML: one line a receiver, name = "secret"
    secrets_file: str = ""
    ca_file: str = ""
    timeout_seconds: float = 15.0


class AppriseSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Chat services through Apprise; their addresses hold secrets, so they lie in a file of their own."""

    # TOML: one line a service, name = "tgram://..."
    urls_file: str = ""
    timeout_seconds: float = 15.0


class Alertmanager(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prometheus Alertmanagers of one cluster; each is told everything."""

    urls: tuple[str, ...] = ()
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    repeat_seconds: float = 60.0
    timeout_seconds: float = 15.0


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How network equipment is polled by SNMP; what is polled stands in the registry."""

    # TOML, mode 0600; by default snmp-credentials.toml in the state directory
    credentials_file: str = ""
    timeout_seconds: float = 2.0
    tries: int = 2
    concurrent_devices: int = 16


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may open the pages. Without login they are served to this machine only."""

    require_login: bool = True
    language: Literal["vi", "en"] = "vi"
    session_hours: float = 12.0
    allowed_hosts: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    server: Server = Server()
    store: Store = Store()
    limits: Limits = Limits()
    agents: Agents = Agents()
    steering: Steering = Steering()
    alerts: Alerts = Alerts()
    web: Web = Web()
    notify: Notify = Notify()
    smtp: Smtp = Smtp()
    webhook: Webhook = Webhook()
    apprise: AppriseSettings = AppriseSettings()
    alertmanager: Alertmanager = Alertmanager()
    network: Network = Network()

    def with_open_pages(self) -> Settings:
        """The same settings with pages that ask for no login."""
        return msgspec.structs.replace(self, web=msgspec.structs.replace(self.web, require_login=False))


def state_directory(argument: str | None = None) -> Path:
    """The folder of everything the collector keeps: the argument, THONGMANG_STATE_DIR, or ./var."""
    return Path(argument or os.environ.get("THONGMANG_STATE_DIR") or "var").resolve()


def load_settings(path: Path) -> Settings:
    """The settings of a TOML file, defaults where it is silent or missing; THONGMANG_PORT goes before the file.

    Raises:
        SettingsError: names the file, the key and what was expected.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read as TOML: {error}") from error
    port = os.environ.get("THONGMANG_PORT")
    if port:
        if not port.isdecimal():
            raise SettingsError(f"THONGMANG_PORT={port!r}: expected a number from 1 to 65535")
        raw.setdefault("server", {})["port"] = int(port)
    try:
        settings = msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}") from error
    _check(settings, path)
    return settings


def _check(settings: Settings, path: Path) -> None:
    if not 1 <= settings.server.port <= LARGEST_PORT:
        raise SettingsError(f"{path}: server.port: expected 1 to 65535, got {settings.server.port}")
    channels = ("notify", "smtp", "webhook", "apprise", "alertmanager")
    for section in ("limits", "agents", "steering", "alerts", "store", "network", *channels):
        for key, value in msgspec.structs.asdict(getattr(settings, section)).items():
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 0:
                raise SettingsError(f"{path}: {section}.{key}: expected more than 0, got {value}")
    _check_agents(settings.agents, path)
    _check_steering(settings.steering, path)
    _check_channels(settings, path)
    server = settings.server
    if bool(server.certificate_file) != bool(server.key_file):
        raise SettingsError(f"{path}: server.certificate_file and server.key_file: expected both or neither")
    if server.public_url and not server.public_url.startswith(("https://", "http://")):
        raise SettingsError(f"{path}: server.public_url: expected https://name, got {server.public_url!r}")
    if not settings.web.require_login and not is_loopback(settings.server.host):
        raise SettingsError(
            f"{path}: web.require_login = false is for a loopback address only; server.host is {settings.server.host}",
        )


def _check_agents(agents: Agents, path: Path) -> None:
    """The agent's own bounds, so that no terminal is told what it must refuse."""
    for key in ("interval_seconds", "upload_interval_seconds"):
        if getattr(agents, key) > LONGEST_INTERVAL_SECONDS:
            raise SettingsError(f"{path}: agents.{key}: expected 1 to {LONGEST_INTERVAL_SECONDS}")
    if len(agents.targets) > MOST_TARGETS:
        raise SettingsError(f"{path}: agents.targets: expected at most {MOST_TARGETS}, got {len(agents.targets)}")
    names = [target.name for target in agents.targets]
    if len(set(names)) != len(names):
        raise SettingsError(f"{path}: agents.targets: two targets have the same name")
    for target in agents.targets:
        if not target.name or not target.address or len(target.name) > LONGEST_NAME:
            raise SettingsError(
                f"{path}: agents.targets: expected a name of 1 to {LONGEST_NAME} characters and an address"
            )
        if target.name == COLLECTOR_TARGET and agents.measure_collector:
            raise SettingsError(
                f"{path}: agents.targets: the name {COLLECTOR_TARGET!r} is the collector's own while "
                "agents.measure_collector is true",
            )
        if target.port is not None and not 1 <= target.port <= LARGEST_PORT:
            raise SettingsError(f"{path}: agents.targets: {target.name}: port: expected 1 to {LARGEST_PORT}")
        fault = _fault_of_service(target)
        if fault:
            raise SettingsError(f"{path}: agents.targets: {target.name}: {fault}")


def _check_steering(steering: Steering, path: Path) -> None:
    """The agent's own bounds, and what one configuration can say."""
    bounds = {
        "probers_per_site": (1, 1_000),
        "standbys_per_site": (1, 1_000),
        "upload_interval_seconds": (1, LONGEST_INTERVAL_SECONDS),
        "probe_budget_bytes_per_day": (10_000, 1_000_000_000),
        "history_bytes_per_minute": (1_000, 100_000_000),
        "batch_reports": (1, 1_000),
        "alert_minutes": (1, 1_440),
    }
    for key, (least, most) in bounds.items():
        if not least <= getattr(steering, key) <= most:
            raise SettingsError(f"{path}: steering.{key}: expected {least} to {most}, got {getattr(steering, key)}")


def _fault_of_service(target: Target) -> str:
    """What is wrong with what a target's service is asked; empty if nothing is."""
    if target.service is not None and target.port is None:
        return "service: expected a port beside it"
    if target.path is not None and target.service not in {"http", "https"}:
        return 'path: expected service = "http" or "https" beside it'
    if target.path is not None and not SERVICE_PATH.fullmatch(target.path):
        return f"path: expected /path of at most 256 letters without blanks, got {target.path!r}"
    if target.verify and target.service != "https":
        return 'verify: expected service = "https" beside it'
    return ""


def _check_channels(settings: Settings, path: Path) -> None:
    smtp = settings.smtp
    if smtp.port > LARGEST_PORT:
        raise SettingsError(f"{path}: smtp.port: expected 1 to {LARGEST_PORT}, got {smtp.port}")
    if smtp.host and "@" not in smtp.sender:
        raise SettingsError(
            f"{path}: smtp.sender: expected an e-mail address, as thongmang@example, got {smtp.sender!r}"
        )
    if smtp.username and smtp.encryption == "none" and not is_loopback(smtp.host):
        raise SettingsError(f"{path}: smtp.username: expected encryption starttls or tls, or a loopback host")
    for url in settings.alertmanager.urls:
        if not url.startswith(("http://", "https://")):
            raise SettingsError(f"{path}: alertmanager.urls: expected http://host:port, got {url!r}")
    if settings.notify.retry_first_seconds > settings.notify.retry_longest_seconds:
        raise SettingsError(f"{path}: notify.retry_first_seconds: expected at most notify.retry_longest_seconds")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that listening address."""
    return host in {"localhost", "::1"} or host.startswith("127.")
