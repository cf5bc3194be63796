"""The page on which other figures of the rule on congestion are tried on stored readings. Nothing is changed by it."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response, status
from sqlalchemy import Connection

from agent.wire.message import Message, mark
from alerts.congestion.parameters import CongestionParameters, DetectorParameters
from alerts.congestion.settings import detector_parameters
from alerts.parameters import RuleError, Value
from alerts.rules import SHIPPED_RULES, Rule, load_rules
from collector.api.access import reading
from collector.clock import LOCAL_ZONE, local_day, now_seconds
from collector.db.offices import offices
from collector.language import translator
from collector.replaying import StoredSpan
from collector.watching import site_name
from collector.web.chart import band_patterns, band_sample
from collector.web.forms import RefusedError
from collector.web.replay_run import Outcome, ReplayRefusedError, ReplayRunner, Trial
from collector.web.replay_view import (
    KIND_WORDS,
    Figures,
    change_text,
    day_of,
    event_rows,
    read_figures,
    site_chart,
    tallies,
    toml_fragment,
)
from inventory.collation import sort_key
from inventory.units import load_units

if TYPE_CHECKING:
    from collector.web.pages import Site

REPLAY_PATH = "/replay"
FRAGMENT_NAME = "congestion-figures.toml"
WRONG_WORDS = 422
MOST_DAYS = 14
USUAL_DAYS = 7
# More offices than that make a page nobody can read.
MOST_CHARTS = 8
LONGEST_SITE = 64

NO_UNIT_TEXT = mark("Choose a unit.")
NO_DAYS_TEXT = mark("Choose the first and the last day.")
DAYS_TEXT = mark("Choose at most {most} days, the first not after the last, and none in the future.")
TOGETHER_TEXT = mark("These figures do not go together: {fault}")
RULES_TEXT = mark("The rules cannot be used: {fault}")
LITTLE_HISTORY_TEXT = mark(
    "The oldest stored reading that could teach the baseline is of {since}. Before an office's line is learned nothing "
    "is judged."
)
MORE_OFFICES_TEXT = mark("{count} offices have readings, {shown} are drawn. Choose one office to see its chart.")


@dataclass(frozen=True)
class _Asked:
    """What an address asks for.

    Args:
        unit_code, office: as given; an empty unit where there is no such.
        since, until: days, both included; None where they are missing or no days.
        figures: of the rule.
        wanted: whether a trial is asked for: a unit and a first day are named.
        faults: why none can be run.
    """

    unit_code: str
    office: str
    since: dt.date | None
    until: dt.date | None
    figures: Figures
    wanted: bool
    faults: tuple[Message, ...]

    def span(self) -> StoredSpan:
        """Seconds from the begin of the first to the end of the last day."""
        if self.since is None or self.until is None:
            raise ValueError("no days")
        return StoredSpan(self.unit_code, self.office, _begin(self.since), _begin(self.until + dt.timedelta(days=1)))

    def address(self, path: str) -> str:
        """The same trial again, with what was changed alone."""
        changes = [("set", f"{name}={value}") for name, value in self.figures.changed.items()]
        days = [("since", self.since), ("until", self.until)]
        words = [("unit", self.unit_code), *([("site", self.office)] if self.office else []), *days, *changes]
        return f"{path}?{urlencode(words)}"

    def command(self) -> str:
        """The same trial in a shell on the collector."""
        place = f"{self.unit_code}/{self.office}" if self.office else self.unit_code
        changes = "".join(f" --set {name}={value}" for name, value in self.figures.changed.items())
        return f"thongmang alerts replay --site {quote(place)} --since {self.since} --until {self.until}{changes}"


class _Rules:
    """The rules in force, read anew for every page: their files are what counts."""

    def __init__(self, directory: str) -> None:
        try:
            self._shipped = load_rules(SHIPPED_RULES)
            self._rules = load_rules(Path(directory)) if directory else self._shipped
            self.in_force = detector_parameters(self._rules.values(), self._shipped)
        except RuleError as error:
            fault = Message(RULES_TEXT, {"fault": str(error)})
            raise RefusedError(status.HTTP_503_SERVICE_UNAVAILABLE, fault, "/alerts") from error
        every: Mapping[str, Rule] = {**self._shipped, **self._rules}
        self.congestion = next(
            rule for rule in reversed([*every.values()]) if isinstance(rule.condition, CongestionParameters)
        )

    def changed(self, figures: Mapping[str, Value]) -> DetectorParameters:
        """The figures of all rules, those of congestion changed all at once.

        Raises:
            RuleError: they do not go together.
        """
        rule = self.congestion.with_parameters(figures, self.congestion.name)
        return detector_parameters({**self._rules, rule.name: rule}.values(), self._shipped)


def replay_router(site: "Site") -> APIRouter:
    """The routes of the page of trials: whoever may read may try, for nothing is changed."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(site.person)])
    reader = Annotated[Connection, Depends(reading(site.collector.engine))]
    runner = ReplayRunner(site.collector.store)
    directory = site.collector.settings.alerts.rules_directory

    @router.get(REPLAY_PATH)
    def get_replay(request: Request, connection: reader) -> Response:
        rules = _Rules(directory)
        asked = _asked(request, rules, site.unit_names)
        language = site.language(request)
        values = _form_values(connection, asked)
        # The registry is not needed while a trial runs.
        connection.close()
        code, result = status.HTTP_200_OK, None
        refusals = list(asked.faults) if asked.wanted else []
        if refusals:
            code = WRONG_WORDS
        elif asked.wanted:
            try:
                result = _result(runner, asked, rules, language)
            except ReplayRefusedError as refused:
                refusals.append(refused.message)
                code = status.HTTP_503_SERVICE_UNAVAILABLE if refused.may_repeat else status.HTTP_200_OK
        page = site.page(request, "replay.html", {**values, "refusals": refusals, "result": result}, code)
        if code == status.HTTP_503_SERVICE_UNAVAILABLE:
            page.headers["Retry-After"] = "60"
        return page

    @router.get(f"{REPLAY_PATH}/{FRAGMENT_NAME}")
    def get_fragment(request: Request) -> Response:
        rules = _Rules(directory)
        asked = _asked(request, rules, site.unit_names)
        if asked.faults or not asked.figures.changed:
            fault = asked.faults[0] if asked.faults else Message(mark("No figure was changed."))
            raise RefusedError(WRONG_WORDS, fault, REPLAY_PATH)
        text = toml_fragment(
            rules.congestion.name,
            rules.in_force.congestion,
            asked.figures.changed,
            unit_code=asked.unit_code,
            since=str(asked.since),
            until=str(asked.until),
        )
        headers = {"Content-Disposition": f'attachment; filename="{FRAGMENT_NAME}"', "Cache-Control": "no-store"}
        return Response(text, media_type="application/toml; charset=utf-8", headers=headers)

    return router


def _asked(request: Request, rules: _Rules, unit_names: Mapping[str, str]) -> _Asked:
    words = request.query_params
    unit_code = words.get("unit", "").strip()
    since, until = day_of(words.get("since", "")), day_of(words.get("until", ""))
    figures = read_figures(words.multi_items(), rules.in_force.congestion)
    faults = list(figures.faults)
    if unit_code not in unit_names:
        faults.insert(0, Message(NO_UNIT_TEXT))
        unit_code = ""
    if since is None or until is None:
        faults.append(Message(NO_DAYS_TEXT))
    elif not since <= until <= local_day(now_seconds()) or (until - since).days >= MOST_DAYS:
        faults.append(Message(DAYS_TEXT, {"most": MOST_DAYS}))
    if figures.changed:
        try:
            rules.changed(figures.changed)
        except RuleError as error:
            fault = str(error).removeprefix(f"{rules.congestion.name}: ")
            faults.append(Message(TOGETHER_TEXT, {"fault": fault}))
    wanted = "since" in words or "set" in words
    return _Asked(unit_code, words.get("site", "").strip()[:LONGEST_SITE], since, until, figures, wanted, tuple(faults))


def _form_values(connection: Connection, asked: _Asked) -> dict[str, Any]:
    today = local_day(now_seconds())
    return {
        "units": sorted(load_units(), key=lambda unit: sort_key(unit.short_name)),
        "unit_code": asked.unit_code,
        "office": asked.office,
        "offices": [place.site for place in offices(connection, asked.unit_code)],
        "since": (asked.since or today - dt.timedelta(days=USUAL_DAYS - 1)).isoformat(),
        "until": (asked.until or today).isoformat(),
        "today": today.isoformat(),
        "most_days": MOST_DAYS,
        "figures": asked.figures,
        "kind_words": KIND_WORDS,
    }


def _result(runner: ReplayRunner, asked: _Asked, rules: _Rules, language: str) -> dict[str, Any]:
    span = asked.span()
    changed = asked.figures.changed
    parameters = rules.changed(changed) if changed else None
    outcome = runner.run(Trial(span, rules.in_force, parameters), now_seconds())
    translate = translator(language)
    rows = event_rows(outcome, span.since_seconds, (parameters or rules.in_force).congestion, site_name)
    present = rules.in_force.congestion
    return {
        "charts": [
            {
                "name": site_name(lines.site),
                "lines": lines,
                "drawing": site_chart(lines, rows, outcome, span.since_seconds, site_name(lines.site), translate),
            }
            for lines in outcome.sites[:MOST_CHARTS]
        ],
        "patterns": band_patterns(),
        "samples": {kind: band_sample(kind) for kind in dict.fromkeys(row.kind for row in rows)},
        "rows": rows,
        "tallies": tallies(outcome, span.since_seconds),
        "compared": outcome.changed is not None,
        "changes": [change_text(name, getattr(present, name), value, language) for name, value in changed.items()],
        "notes": _notes(outcome, span),
        "until": outcome.until,
        "address": asked.address(REPLAY_PATH),
        "fragment_address": asked.address(f"{REPLAY_PATH}/{FRAGMENT_NAME}"),
        "command": asked.command(),
    }


def _notes(outcome: Outcome, span: StoredSpan) -> list[Message]:
    notes = []
    if outcome.history_from > span.since_seconds - 86_400:
        since = dt.datetime.fromtimestamp(outcome.history_from, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        notes.append(Message(LITTLE_HISTORY_TEXT, {"since": since}))
    if len(outcome.sites) > MOST_CHARTS:
        notes.append(Message(MORE_OFFICES_TEXT, {"count": len(outcome.sites), "shown": MOST_CHARTS}))
    return notes


def _begin(day: dt.date) -> int:
    return int(dt.datetime.combine(day, dt.time(), LOCAL_ZONE).timestamp())
