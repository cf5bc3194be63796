"""`thongmang collector network ...`: which network equipment is polled, what it says, and how full the lines are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine

from agent.wire.message import Message, Parameter, mark
from alerts.capacity import EXCEEDED, NOT_CONFIGURED, TOO_FEW, UP, WITHIN, judge_lines
from alerts.conditions.line_capacity import LineCapacity, capacity_readings
from alerts.rules import SHIPPED_RULES, load_rules
from collector.clock import now_seconds
from collector.db.network import (
    CREATED,
    OK,
    UNCHANGED,
    UPDATED,
    NetworkDevice,
    network_devices,
    poll_states,
    put_device,
    remove_device,
)
from collector.db.registry import open_registry
from collector.language import DEFAULT_LANGUAGE, format_moment, render_message, translator
from collector.settings import load_settings
from collector.snmp.credentials import credentials_file, load_credentials
from collector.snmp.ports import PortSource, findings
from collector.snmp.probing import Probed, probe_devices
from collector.snmp.specification import FIELDS, KINDS, RECEIVED, TRANSMITTED, Import, import_devices, read_spec
from collector.storing import store_of
from inventory.register.errors import UnreadableFileError
from inventory.register.reading import read_file

_REJECTED_SHOWN = 20
_LANGUAGE = click.option("--language", type=click.Choice(["vi", "en"]), default=DEFAULT_LANGUAGE, show_default=True)
_FORMAT = click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")

_IMPORTED = mark("Import {number} of {file}: {rows} rows, {created} created, {updated} changed, {unchanged} unchanged.")
_REJECTED = mark("{count} rows could not be used; they are kept in the registry.")
_ROW_FAULT = mark("{file}, row {row}, {fault}")
_MORE = mark("... and {count} more.")
_DONE = {
    CREATED: mark("{name}: added; it is polled from the next interval on."),
    UPDATED: mark("{name}: changed."),
    UNCHANGED: mark("{name}: unchanged."),
}
_NO_DEVICES = mark("No network device is polled; add one with: thongmang collector network add")
_ANSWERED = mark("answered {when}")
_SILENT = mark("no answer since {when}: {reason}")
_NEVER = mark("never answered: {reason}")
_NOT_POLLED = mark("not polled yet")
_PORT = mark("port number {index}: {speed} Mbit/s, {state}, {duplex}, {width}-bit counters")
_UP, _DOWN = mark("port up"), mark("port down")
_HALF, _FULL, _DUPLEX_UNKNOWN = mark("half duplex"), mark("full duplex"), mark("duplex not told")
_UPTIME = mark("up for {hours} hours")
_PAGES = mark("{count} pages printed")
_TO_SITE, _FROM_SITE = mark("to the site"), mark("from the site")
_VERDICTS = {
    WITHIN: mark("{name}, {direction}: {p95} of {limit} Mbit/s allowed; {samples} of {expected} samples."),
    EXCEEDED: mark("{name}, {direction}: {p95} Mbit/s, ABOVE the {limit} allowed; {samples} of {expected} samples."),
    TOO_FEW: mark("{name}, {direction}: not enough samples to judge ({samples} of {expected})."),
    NOT_CONFIGURED: mark("{name}, {direction}: capacity not configured, nothing is judged."),
}


@click.group("network", help="Network equipment that the collector polls by SNMP.")
def network() -> None:
    """The group; its object is the state directory, from the group above."""


def _registry(state: Path) -> Engine:
    path = state / "registry.sqlite"
    if not path.exists():
        raise click.UsageError(f"no registry in {state}: start the collector there first, or check --state-dir")
    return open_registry(path)


@network.command("add")
@click.option("--name", required=True, help="Its name, unique; a known one is changed.")
@click.option("--unit", required=True, help="Code or name of the unit it stands in.")
@click.option("--site", default="", help="Office within the unit (default: main).")
@click.option("--kind", type=click.Choice(KINDS), default="cpe", show_default=True)
@click.option("--address", required=True, help="IPv4 or IPv6 address.")
@click.option("--port", default="", help="UDP port (default: 161).")
@click.option("--version", required=True, help="SNMP version: 2c or 3.")
@click.option("--credentials", required=True, help="Entry in the file of credentials.")
@click.option("--interface", default="", help="Name or number of the port at the end of the line.")
@click.option(
    "--to-site",
    type=click.Choice([RECEIVED, TRANSMITTED]),
    default=RECEIVED,
    show_default=True,
    help="What that port does with traffic that goes to the site: received on the site's own router.",
)
@click.option("--capacity-down-kbit-s", default="", help="Capacity to the site (default: of the survey of lines).")
@click.option("--capacity-up-kbit-s", default="", help="Capacity from the site (default: of the survey of lines).")
@click.option("--port-speed-kbit-s", default="", help="Speed the port should agree on.")
@_LANGUAGE
@click.pass_obj
def add(state: Path, /, language: str, **values: str) -> int:
    """Adds one device, or changes the one of that name; it is polled from the next interval on."""
    spec, faults = read_spec(values)
    if spec is None:
        raise click.UsageError("; ".join(render_message(fault.message, language) for fault in faults))
    engine = _registry(state)
    with engine.begin() as connection:
        done = put_device(connection, spec, now_seconds())
    click.echo(render_message(Message(_DONE[done], {"name": spec.name}), language))
    return 0


@network.command("remove")
@click.argument("name")
@click.pass_obj
def remove(state: Path, name: str) -> int:
    """Ends the polling of a device; its history stays."""
    with _registry(state).begin() as connection:
        if not remove_device(connection, name, now_seconds()):
            raise click.UsageError(
                f"no network device {name!r} is polled; `thongmang collector network list` shows them"
            )
    click.echo(f"removed {name}")
    return 0


@network.command("import", help=f"Takes a list (CSV, XLSX) with the columns {', '.join(FIELDS)}.")
@click.argument("file", type=click.Path(path_type=Path))
@_LANGUAGE
@_FORMAT
@click.pass_obj
def import_file(state: Path, file: Path, language: str, output_format: str) -> int:
    """Exit code 1 where rows could not be used; the others are taken."""
    try:
        data = read_file(file)
        with _registry(state).begin() as connection:
            done = import_devices(connection, data, file.name, now_seconds())
    except UnreadableFileError as error:
        raise click.UsageError(render_message(error.message, language)) from error
    if output_format == "json":
        click.echo(json.dumps(_import_json(done, language), ensure_ascii=False, indent=1))
    else:
        _show_import(done, language)
    return 1 if done.rejected else 0


@network.command("list")
@_LANGUAGE
@_FORMAT
@click.pass_obj
def list_devices(state: Path, language: str, output_format: str) -> int:
    """Lists what is polled, how it answers, and what a person should see to."""
    with _registry(state).connect() as connection:
        devices, states = network_devices(connection), poll_states(connection)
        found: dict[str, list[Message]] = {}
        for finding in findings(connection):
            found.setdefault(finding.device.device_id, []).append(finding.message)
    if output_format == "json":
        listed = [
            _device_json(one, states.get(one.device_id), found.get(one.device_id, ()), language) for one in devices
        ]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=1))
        return 0
    if not devices:
        click.echo(translator(language)(_NO_DEVICES))
    for one in devices:
        where = f"{one.unit_code}/{one.site}"
        click.echo(f"{one.name}\t{where}\t{one.kind}\t{one.address}:{one.port}\t{one.interface or '-'}")
        click.echo("  " + render_message(_answering(states.get(one.device_id)), language))
        for message in found.get(one.device_id, ()):
            click.echo("  ! " + render_message(message, language))
    return 0


@network.command("poll-once")
@click.argument("names", nargs=-1)
@_LANGUAGE
@_FORMAT
@click.pass_obj
def poll_once(state: Path, names: Sequence[str], language: str, output_format: str) -> int:
    """Asks the devices NAMES (default: all) now and shows what they say; nothing is stored. Exit code 1: one fails."""
    settings = load_settings(state / "collector.toml")
    with _registry(state).connect() as connection:
        devices = [one for one in network_devices(connection) if not names or one.name in names]
    unknown = set(names) - {one.name for one in devices}
    if unknown:
        raise click.UsageError(f"no network device {', '.join(sorted(unknown))}")
    credentials = load_credentials(credentials_file(settings.network, state))
    answers = asyncio.run(probe_devices(devices, credentials, settings.network, now_seconds()))
    if output_format == "json":
        listed = [one.as_dict() | {"reason": render_message(one.reason, language)} for one in answers]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=1))
    else:
        for one in answers:
            click.echo(f"{one.device.name}\t{one.outcome}")
            for message in _told(one):
                click.echo("  " + render_message(message, language))
    return 0 if all(one.outcome == OK for one in answers) else 1


@network.command("capacity")
@_LANGUAGE
@_FORMAT
@click.pass_obj
def capacity(state: Path, language: str, output_format: str) -> int:
    """Shows how each line stands against the legal limit now."""
    settings = load_settings(state / "collector.toml")
    rules = load_rules(Path(settings.alerts.rules_directory) if settings.alerts.rules_directory else SHIPPED_RULES)
    condition = next((rule.condition for rule in rules.values() if isinstance(rule.condition, LineCapacity)), None)
    if condition is None:
        raise click.ClickException("there is no rule of kind line_capacity in the folder of rules")
    now = now_seconds()
    store = store_of(settings.store, state)
    try:
        store.ensure_storage()
        ports = PortSource(_registry(state), store).inputs(now)
    finally:
        store.close()
    verdicts = [
        capacity_readings(line, direction, verdict, law)
        for line, direction, verdict, law in judge_lines(
            ports, now, complete_ratio=condition.complete_ratio, settle_seconds=condition.settle_seconds
        )
    ]
    if output_format == "json":
        click.echo(json.dumps(verdicts, ensure_ascii=False, indent=1))
    else:
        for one in verdicts:
            click.echo(render_message(_verdict(one), language))
    return 0


def _verdict(one: dict[str, Any]) -> Message:
    shown = {
        "name": one["network_device"],
        "direction": Message(_FROM_SITE if one["direction"] == UP else _TO_SITE),
        "p95": (one["p95_kbit_s"] or 0) / 1000,
        "limit": (one["limit_kbit_s"] or 0) / 1000,
        "samples": one["samples"],
        "expected": one["expected"],
    }
    return Message(_VERDICTS[one["outcome"]], shown)


def _answering(state: Any) -> Message:
    if state is None:
        return Message(_NOT_POLLED)
    if state.outcome == OK:
        return Message(_ANSWERED, {"when": format_moment(state.answered_at)})
    reason = Message.from_dict(state.reason)
    if state.answered_at is None:
        return Message(_NEVER, {"reason": reason})
    return Message(_SILENT, {"when": format_moment(state.answered_at), "reason": reason})


def _told(one: Probed) -> Iterable[Message]:
    if one.answer is None:
        yield one.reason
        return
    answer = one.answer
    yield Message("{text}", {"text": answer.description})
    if answer.uptime_seconds is not None:
        yield Message(_UPTIME, {"hours": round(answer.uptime_seconds / 3600, 1)})
    if answer.page_count is not None:
        yield Message(_PAGES, {"count": answer.page_count})
    port = answer.port
    if port is not None:
        duplex = _DUPLEX_UNKNOWN if port.half_duplex is None else _HALF if port.half_duplex else _FULL
        yield Message(
            _PORT,
            {
                "index": port.index,
                "speed": (port.speed_bits_per_second or 0) / 1e6,
                "state": Message(_UP if port.up else _DOWN),
                "duplex": Message(duplex),
                "width": 64 if port.wide else 32,
            },
        )


def _device_json(one: NetworkDevice, state: Any, found: Iterable[Message], language: str) -> dict[str, Any]:
    return {
        "name": one.name,
        "id": one.device_id,
        "kind": one.kind,
        "unit": one.unit_code,
        "site": one.site,
        "address": one.address,
        "port": one.port,
        "version": one.snmp_version,
        "credentials": one.credentials,
        "interface": one.interface,
        "to_site": RECEIVED if one.received_is_down else TRANSMITTED,
        "capacity_down_kbit_s": one.capacity_down_kbit_s,
        "capacity_up_kbit_s": one.capacity_up_kbit_s,
        "capacity_source": one.capacity_source,
        "port_speed_kbit_s": one.expected_speed_kbit_s,
        "outcome": None if state is None else state.outcome,
        "answered_at": None if state is None else state.answered_at,
        "failed_in_row": 0 if state is None else state.failed_in_row,
        "failed": 0 if state is None else state.failed,
        "sample": None if state is None else state.sample,
        "description": None if state is None else state.description,
        "uptime_seconds": None if state is None else state.uptime_seconds,
        "page_count": None if state is None else state.page_count,
        "answering": render_message(_answering(state), language),
        "findings": [render_message(message, language) for message in found],
    }


def _faults(done: Import, language: str) -> list[str]:
    return [
        render_message(Message(_ROW_FAULT, {"file": done.file_name, "row": row.row, "fault": fault.message}), language)
        for row in done.rejected
        for fault in row.faults
    ]


def _show_import(done: Import, language: str) -> None:
    counts: dict[str, Parameter] = {
        "number": done.number,
        "file": done.file_name,
        "rows": done.rows,
        "created": done.created,
    }
    counts |= {"updated": done.updated, "unchanged": done.unchanged}
    click.echo(render_message(Message(_IMPORTED, counts), language))
    if done.rejected:
        click.echo(render_message(Message(_REJECTED, {"count": len(done.rejected)}), language))
    faults = _faults(done, language)
    for fault in faults[:_REJECTED_SHOWN]:
        click.echo(f"  ! {fault}")
    if len(faults) > _REJECTED_SHOWN:
        click.echo("  " + render_message(Message(_MORE, {"count": len(faults) - _REJECTED_SHOWN}), language))


def _import_json(done: Import, language: str) -> dict[str, Any]:
    return {
        "number": done.number,
        "file": done.file_name,
        "rows": done.rows,
        "created": done.created,
        "updated": done.updated,
        "unchanged": done.unchanged,
        "rejected": len(done.rejected),
        "faults": _faults(done, language),
    }


COMMANDS = (network,)
