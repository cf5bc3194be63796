"""What the page of trials shows: figures to change, events side by side, and the fragment of the rule. Pure."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from agent.wire.message import Message, Translate, mark
from alerts.congestion.events import (
    ACCESS,
    CONGESTION,
    CORE,
    GRADE_NAMES,
    LAN,
    OUTAGE,
    PATH_CHANGE,
    SERVICE_SLOW,
    TERMINAL,
    Event,
    grade_of,
    reason_of,
)
from alerts.congestion.layout import Site
from alerts.congestion.parameters import CongestionParameters
from alerts.parameters import ParameterSpec, Value, specs
from collector.language import format_number
from collector.web.chart import ChartBand, ChartLine, Words, latency_chart
from collector.web.replay_lines import SiteLines
from collector.web.replay_run import Outcome

MINUTE_SECONDS = 60

# Those that say how much it takes to alarm and to end; the others are folded away.
MAIN_FIGURES = (
    "on_base_us",
    "on_min_us",
    "on_max_us",
    "evidence_steps",
    "hot_steps",
    "hot_steps_alone",
    "hot_steps_unconfirmed",
    "span_steps",
    "strength_min",
    "loss_alone_min_ratio",
    "loss_with_delay_min_ratio",
    "clear_steps",
    "clear_window_steps",
    "clear_threshold_ratio",
    "lan_on_us",
)
UNIT_WORDS = {
    "days": mark("days"),
    "minutes": mark("minutes"),
    "microseconds": mark("microseconds"),
    "steps": mark("minutes (steps)"),
    "ratio": mark("share, 0 to 1"),
    "probes": mark("probes"),
    "sites": mark("offices"),
}
WHOLE_TEXT = mark("expected a whole number from {minimum} to {maximum}")
NUMBER_TEXT = mark("expected a number from {minimum} to {maximum}, with a decimal point")
UNKNOWN_KEY_TEXT = mark("There is no figure {name} that can be tried here.")
# Kind of a band -> what it is called.
KIND_WORDS = {
    ACCESS: mark("access line congested"),
    CORE: mark("core congested"),
    LAN: mark("office network slow"),
    TERMINAL: mark("one terminal's own link"),
    "service": mark("service slow"),
    "outage": mark("no connection"),
    "path": mark("route changed"),
}
_BANDS = {PATH_CHANGE: "path", OUTAGE: "outage", SERVICE_SLOW: "service"}
BOTH, ONLY_CHANGED, ONLY_IN_FORCE = "both", "changed", "in_force"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the rule in the form.

    Args:
        name: key in the rule's file.
        help: what it is; a msgid.
        unit: of its number; a msgid, empty for a plain count.
        spec: what is allowed.
        in_force: as the rule has it now.
        text: as it was entered, else as it is in force.
        fault: what is wrong with what was entered.
    """

    name: str
    help: str
    unit: str
    spec: ParameterSpec
    in_force: Value
    text: str
    fault: Message | None

    @property
    def step(self) -> str:
        """Of the input."""
        return "1" if self.spec.kind is int else "any"

    @property
    def changed(self) -> bool:
        """Whether something else was entered."""
        return self.text != plain(self.in_force)


@dataclass(frozen=True, slots=True)
class Figures:
    """All of them, and what was changed.

    Args:
        main: first in the form.
        others: folded away.
        changed: key -> value, of those that are allowed.
        faults: what is wrong.
    """

    main: tuple[Figure, ...]
    others: tuple[Figure, ...]
    changed: Mapping[str, Value]
    faults: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of the list; times are seconds since 1970-01-01 UTC.

    Args:
        number: as in the chart.
        event: itself.
        kind: of its band.
        grade: how bad, a msgid; empty where there is no grade.
        minutes: from firing to its end, within the shown time.
        sentence: what it says.
        found_by: `both`, `changed` or `in_force`.
    """

    number: int
    event: Event
    kind: str
    grade: str
    minutes: int
    sentence: Message
    found_by: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of one kind, and their minutes; None where nothing was changed."""

    kind: str
    in_force: tuple[int, int]
    changed: tuple[int, int] | None


def plain(value: Value) -> str:
    """A figure as forms, addresses and TOML write it."""
    return json.dumps(value)


def read_figures(given: Sequence[tuple[str, str]], in_force: CongestionParameters) -> Figures:
    """The figures of an address: `KEY=VALUE` each, or `set=KEY=VALUE` as `thongmang alerts replay` takes them.

    What equals the figure in force, and what was left empty, is not changed.
    """
    declared = {name: spec for name, spec in specs(type(in_force)).items() if spec.kind is not str}
    entered: dict[str, str] = {}
    faults: list[Message] = []
    for name, words in given:
        key, entry = name, words
        if name == "set":
            key, _, entry = words.partition("=")
            key = key.strip().removeprefix(f"{CONGESTION}.")
            if key not in declared:
                faults.append(Message(UNKNOWN_KEY_TEXT, {"name": f"“{key[:60]}”"}))
        if key in declared and entry.strip():
            entered[key] = entry.strip()
    rows: dict[str, Figure] = {}
    changed: dict[str, Value] = {}
    for name, spec in declared.items():
        now = getattr(in_force, name)
        text = entered.get(name, plain(now))
        value = _number(text, spec)
        fault = None
        if value is None:
            pattern = WHOLE_TEXT if spec.kind is int else NUMBER_TEXT
            fault = Message(pattern, {"minimum": f"{spec.minimum:.10g}", "maximum": f"{spec.maximum:.10g}"})
            faults.append(Message("{name}: {fault}", {"name": name, "fault": fault}))
        elif value != now:
            changed[name] = value
        else:
            text = plain(now)
        rows[name] = Figure(name, spec.help, UNIT_WORDS.get(spec.unit, ""), spec, now, text, fault)
    main = tuple(rows[name] for name in MAIN_FIGURES)
    others = tuple(row for name, row in rows.items() if name not in MAIN_FIGURES)
    return Figures(main, others, changed, tuple(faults))


def _number(text: str, spec: ParameterSpec) -> Value | None:
    """The value, None where it is not allowed."""
    value: Value
    try:
        value = int(text)
    except ValueError:
        try:
            value = float(text)
        except ValueError:
            return None
    return spec.kind(value) if spec.accepts(value) else None


def kind_of(event: Event) -> str:
    """The kind of an event's band."""
    return _BANDS.get(event.rule, event.place)


def event_rows(
    outcome: Outcome, since: int, terms: CongestionParameters, names: Callable[[Site], str]
) -> list[EventRow]:
    """Events of both runs in order of their beginning, what both found told once.

    Two events are the same where they are of the same rule and subject and overlap.

    Args:
        outcome: of a trial.
        since: begin of the shown time, seconds since 1970-01-01 UTC.
        terms: for the grades.
        names: how an office is called.
    """
    told: list[tuple[Event, str]] = []
    if outcome.changed is None:
        told = [(event, BOTH) for event in outcome.in_force]
    else:
        for event in outcome.changed:
            same = any(_same(event, other) for other in outcome.in_force)
            told.append((event, BOTH if same else ONLY_CHANGED))
        told += [
            (event, ONLY_IN_FORCE)
            for event in outcome.in_force
            if not any(_same(event, other) for other in outcome.changed)
        ]
    told.sort(key=lambda pair: (pair[0].pending_at, pair[0].rule, pair[0].subject))
    return [
        EventRow(
            number,
            event,
            kind_of(event),
            GRADE_NAMES[grade_of(event.peak_us, event.loss_ratio, terms)] if event.rule == CONGESTION else "",
            minutes_of(event, since, outcome.until),
            reason_of(event, terms, names),
            found_by,
        )
        for number, (event, found_by) in enumerate(told, 1)
    ]


def _same(one: Event, other: Event) -> bool:
    return (
        (one.rule, one.subject) == (other.rule, other.subject)
        and (one.resolved_at is None or other.pending_at < one.resolved_at)
        and (other.resolved_at is None or one.pending_at < other.resolved_at)
    )


def minutes_of(event: Event, since: int, until: int) -> int:
    """Minutes from firing to the end, as far as they lie within the shown time."""
    start = max(event.fired_at if event.fired_at is not None else event.pending_at, since)
    end = min(until if event.resolved_at is None else event.resolved_at, until)
    return max(0, round((end - start) / MINUTE_SECONDS))


def tallies(outcome: Outcome, since: int) -> list[Tally]:
    """Counts and minutes of every kind that occurs, the kinds of congestion first."""

    def tally(kind: str, events: Sequence[Event]) -> tuple[int, int]:
        own = [event for event in events if kind_of(event) == kind]
        return len(own), sum(minutes_of(event, since, outcome.until) for event in own)

    rows = [
        Tally(kind, tally(kind, outcome.in_force), None if outcome.changed is None else tally(kind, outcome.changed))
        for kind in KIND_WORDS
    ]
    return [row for row in rows if row.in_force[0] or (row.changed is not None and row.changed[0])]


def site_chart(
    lines: SiteLines, rows: Sequence[EventRow], outcome: Outcome, since: int, name: str, translate: Translate
) -> Markup:
    """The latency chart of an office with the events over it.

    Events of the changed figures are bands; where figures were changed, those of the figures in force are bars at the
    foot.

    Args:
        lines: of the office.
        rows: of all events.
        outcome: of the trial.
        since: left edge, seconds since 1970-01-01 UTC.
        name: of the office.
        translate: into the reader's language.
    """
    target = lines.target or "—"
    words = Words(
        title=translate("Latency of {office} to {target}, with events").format(office=name, target=target),
        median=translate("median"),
        spread=translate("lowest to highest minute"),
        lost=translate("lost"),
        milliseconds="ms",
    )
    bands = []
    for row in rows:
        if row.event.site not in (None, lines.site) or row.found_by == ONLY_IN_FORCE:
            continue
        kind = translate(KIND_WORDS[row.kind])
        grade = f", {translate(row.grade)}" if row.grade else ""
        title = f"{row.number} {kind}{grade}"
        # A change of route alarms nobody: its number is enough.
        label = str(row.number) if row.kind == "path" else title
        bands.append(_band(row.event, outcome.until, row.kind, title, (label, str(row.number))))
    # The widest lie at the bottom.
    bands.sort(key=lambda band: band.start_seconds - band.end_seconds)
    if outcome.changed is not None:
        present = translate("figures in force")
        for event in outcome.in_force:
            kind = kind_of(event)
            # Routes are told apart by another rule's figures: nothing to compare.
            if event.site in (None, lines.site) and kind != "path":
                title = f"{present}: {translate(KIND_WORDS[kind])}"
                bands.append(_band(event, outcome.until, kind, title, None))
    near = [ChartLine(kind, points) for kind, points in (("gateway", lines.gateway), ("edge", lines.edge)) if points]
    return latency_chart(
        lines.points, start_seconds=since, end_seconds=outcome.until, words=words, lines=near, bands=bands
    )


def _band(event: Event, until: int, kind: str, title: str, labels: tuple[str, str] | None) -> ChartBand:
    end = until if event.resolved_at is None else event.resolved_at
    label, short_label = labels or ("", "")
    return ChartBand(event.pending_at, end, kind, label, short_label, title, below=labels is None)


def change_text(name: str, in_force: Value, changed: Value, language: str) -> str:
    """One changed figure for people."""

    def number(value: Value) -> str:
        digits = 0 if isinstance(value, int) else len(f"{value:.6f}".rstrip("0").partition(".")[2])
        return format_number(float(value), digits, language)

    return f"{name}: {number(in_force)} → {number(changed)}"


def toml_fragment(
    rule: str, in_force: CongestionParameters, changed: Mapping[str, Value], *, unit_code: str, since: str, until: str
) -> str:
    """The changed figures as the rule's file states them, with the figures they replace.

    Args:
        rule: its name.
        in_force: its present figures.
        changed: key -> value.
        unit_code: where they were tried.
        since: first day in ISO form.
        until: last day.
    """
    tried = f"Tried on stored readings of unit {unit_code}, {since} to {until}."
    lines = [
        f"# Changed figures of the rule {rule}. Put these lines in place of those of the same keys in {rule}.toml,",
        "# in a copy of the shipped rules in the folder that rules_directory in [alerts] of collector.toml names;",
        "# then run: thongmang alerts test FOLDER",
        "",
        "[parameters]",
        *(f"{name} = {plain(value)}  # was {plain(getattr(in_force, name))}" for name, value in changed.items()),
        "",
        "[sources]",
        *(f"{name} = {json.dumps(tried)}" for name in changed),
        "",
    ]
    return "\n".join(lines)


def day_of(text: str) -> dt.date | None:
    """The day of an ISO date; None where it is none."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None
