"""`thongmang alerts ...`: tests rules with their data files and lists them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from agent.wire.message import Translate, mark
from alerts.checking import CaseResult, check_directory
from alerts.parameters import ParameterSpec, RuleError, Value, specs
from alerts.replay.run import event_as_json, replay
from alerts.replay.trace import TraceError, read_trace
from alerts.rules import SHIPPED_RULES, Rule, load_rules
from collector.cli.running import run_command
from collector.errors import SettingsError
from collector.language import DEFAULT_LANGUAGE, format_moment, render_message, translator
from collector.metrics.port import MetricStoreError
from collector.replaying import StoredSpan, parameters_with, replay_stored
from collector.settings import state_directory
from collector.watching import site_name

PASSED = mark("passed: {case}")
FAILED = mark("FAILED: {case}")
NO_CASE = mark("(no test file)")
COUNT = mark("{passed} passed, {failed} failed")
SWITCHED_OFF = mark("switched off")
SOURCE = mark("Source: {source}")

_LANGUAGE = click.option("--language", type=click.Choice(["vi", "en"]), default=DEFAULT_LANGUAGE, show_default=True)
_DIRECTORY = click.argument("directory", required=False, type=click.Path(path_type=Path), metavar="[DIR]")


@click.group(help="Tests alert rules with their data files, and lists them.")
def alerts() -> None:
    """The group; it keeps nothing."""


@alerts.command("test")
@_DIRECTORY
@_LANGUAGE
def run_tests(directory: Path | None, language: str) -> int:
    """Runs the *.test.toml beside every rule in DIR (default: the rules that come with the program)."""
    translate = translator(language)
    try:
        results = check_directory(directory or SHIPPED_RULES)
    except RuleError as error:
        raise click.ClickException(str(error)) from error
    for result in results:
        _show_result(result, translate)
    failed = sum(bool(result.differences) for result in results)
    click.echo(translate(COUNT).format(passed=len(results) - failed, failed=failed))
    return 1 if failed else 0


@alerts.command("rules")
@_DIRECTORY
@_LANGUAGE
def list_rules(directory: Path | None, language: str) -> int:
    """Lists the rules in DIR with every figure, its unit, what is allowed and where it comes from."""
    translate = translator(language)
    try:
        rules = load_rules(directory or SHIPPED_RULES)
    except RuleError as error:
        raise click.ClickException(str(error)) from error
    for rule in rules.values():
        _show_rule(rule, translate)
    return 0


@alerts.command("replay")
@click.argument("trace", required=False, type=click.Path(path_type=Path), metavar="[TRACE.csv[.gz]]")
@click.option("--format", "shape", type=click.Choice(["jsonl", "text"]), default="jsonl", show_default=True)
@click.option("--rules", "directory", type=click.Path(path_type=Path), help="Folder of rules (default: those shipped).")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Another figure, to try it out.")
@click.option("--site", metavar="CODE[/SITE]", help="Instead of a trace: what the collector has stored of one unit.")
@click.option("--since", metavar="DAY", help="With --site: from this day on, as 2026-11-01.")
@click.option("--until", metavar="DAY", help="With --site: up to the end of this day.")
@click.option("--state", help="With --site: the collector's state directory.")
@_LANGUAGE
def run_replay(
    *,
    trace: Path | None,
    shape: str,
    directory: Path | None,
    changes: tuple[str, ...],
    site: str | None,
    since: str | None,
    until: str | None,
    state: str | None,
    language: str,
) -> int:
    """Runs the rules on congestion, path changes, outages and services over a trace: one line per event."""
    try:
        parameters = parameters_with(directory, changes)
        if (trace is None) == (site is None):
            raise click.UsageError("expected either a trace or --site")
        if site is None and (since, until, state) != (None, None, None):
            raise click.UsageError("--since, --until and --state belong to --site")
        if trace is not None:
            told = replay(read_trace(trace), parameters)
        else:
            told = replay_stored(StoredSpan.of(site or "", since, until), state_directory(state), parameters)
    except (RuleError, TraceError, SettingsError, MetricStoreError) as error:
        raise click.ClickException(str(error)) from error
    for event in told:
        names = site_name if event.site is not None and event.site.unit_code else None
        line = event_as_json(event, parameters, lambda message: render_message(message, language), names)
        if shape == "jsonl":
            click.echo(json.dumps(line, ensure_ascii=False))
        else:
            end = "…" if event.resolved_at is None else format_moment(event.resolved_at)
            click.echo(
                f"{format_moment(event.fired_at or 0)} – {end}  {line['rule']}/{line['place']}  {line['reason']}"
            )
    return 0


def _show_result(result: CaseResult, translate: Translate) -> None:
    text = translate(FAILED if result.differences else PASSED)
    click.echo(f"{result.rule}: {text.format(case=result.case or translate(NO_CASE))}")
    for difference in result.differences:
        click.echo(f"    {difference}")


def _show_rule(rule: Rule, translate: Translate) -> None:
    off = "" if rule.enabled else f" ({translate(SWITCHED_OFF)})"
    click.echo(f"{rule.name} [{rule.kind}, {rule.severity}]{off}")
    click.echo(f"  {translate(rule.summary)}")
    for owner in (rule.condition, rule.timing):
        for name, spec in specs(type(owner)).items():
            _show_parameter(name, getattr(owner, name), spec, rule.sources[name], translate)
    click.echo()


def _show_parameter(name: str, value: Value, spec: ParameterSpec, source: str, translate: Translate) -> None:
    click.echo(f"  {name} = {value!r}  [{spec.allowed()}]  {translate(spec.help)}")
    click.echo(f"      {translate(SOURCE).format(source=source)}")


def main(argv: list[str]) -> int:
    """Runs `thongmang alerts` with these words; returns the exit code: 0 done, 1 a test failed, 2 wrong words."""
    return run_command(alerts, argv, "thongmang alerts")
