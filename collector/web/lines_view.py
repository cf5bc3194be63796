"""The lines of all offices as their page and the API show them: state, since when, who reports, what answers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.wire.message import mark
from alerts.conditions.voice_quality import SiteSpeech
from alerts.congestion.events import ACCESS, CORE, LAN, TERMINAL
from alerts.congestion.layout import Site
from alerts.congestion.listing import (
    FIRING,
    LEARNING,
    OK,
    OUT,
    PENDING,
    RECOVERING,
    RESOLVED,
    ROUTE_CHANGED,
    STATES,
    UNKNOWN,
    SiteStatus,
)
from collector.watching import LineStates, SiteLine


@dataclass(frozen=True, slots=True)
class StateWord:
    """How a state is told: in words, by a shape, and by a class of the styles."""

    name: str
    shape: str
    style: str


STATE_WORDS = {
    OUT: StateWord(mark("no connection"), "■", "bad"),
    FIRING: StateWord(mark("congested"), "▲", "bad"),
    PENDING: StateWord(mark("suspected"), "◆", "open"),
    RECOVERING: StateWord(mark("recovering"), "▼", "open"),
    UNKNOWN: StateWord(mark("no readings"), "○", ""),
    ROUTE_CHANGED: StateWord(mark("route changed"), "↷", "open"),
    LEARNING: StateWord(mark("learning"), "◌", ""),
    RESOLVED: StateWord(mark("just over"), "✓", "good"),
    OK: StateWord(mark("normal"), "●", "good"),
}
PLACE_WORDS = {
    LAN: mark("office network"),
    ACCESS: mark("access line"),
    CORE: mark("provincial core"),
    TERMINAL: mark("the only terminal, or its link"),
}


@dataclass(frozen=True, slots=True)
class LineRow:
    """One office.

    Args:
        site: unit and office.
        line: as it is now.
        enrolled: terminals that may report.
        speech: its ways to conferences.
    """

    site: Site
    line: SiteLine
    enrolled: int
    speech: Sequence[SiteSpeech] = ()


def line_rows(
    states: LineStates, enrolled: Mapping[Site, int], speech: Mapping[Site, Sequence[SiteSpeech]]
) -> list[LineRow]:
    """Every office that has a terminal: one that was not heard of since the collector started has no readings.

    Offices that every terminal has left are left out, unless something is still told of them.

    Args:
        states: of the detector.
        enrolled: office -> terminals that may report.
        speech: office -> its ways to conferences.
    """
    silent = SiteLine(SiteStatus(UNKNOWN), 0, None, None)
    rows = [
        LineRow(site, states.sites.get(site, silent), count, speech.get(site, ())) for site, count in enrolled.items()
    ]
    rows += [
        LineRow(site, line, 0, speech.get(site, ()))
        for site, line in states.sites.items()
        if site not in enrolled and line.status.state != UNKNOWN
    ]
    return sorted(rows, key=lambda row: row.site)


def state_counts(rows: Sequence[LineRow]) -> dict[str, int]:
    """How many offices are in each state, the worst state first."""
    counted = Counter(row.line.status.state for row in rows)
    return {state: counted[state] for state in STATES}


def line_to_json(row: LineRow) -> dict[str, Any]:
    """An office as the API tells it; times in seconds since 1970-01-01 UTC, delays in microseconds."""
    return {
        "unit_code": row.site.unit_code,
        "site": row.site.site,
        **status_to_json(row.line.status),
        "terminals_reporting": row.line.terminals,
        "terminals_enrolled": row.enrolled,
        "gateway_answers": row.line.gateway_answers,
        "edge_answers": row.line.edge_answers,
        "speech": [speech_to_json(each) for each in row.speech],
    }


def speech_to_json(speech: SiteSpeech) -> dict[str, Any]:
    """A way to a conference as the API tells it: mean opinion score 1 to 4.5, rating R 0 to 100."""
    told = speech._asdict()
    del told["unit_code"], told["site"]
    return told


def status_to_json(status: SiteStatus) -> dict[str, Any]:
    """A state as the API tells it."""
    return {
        "state": status.state,
        "since": status.since,
        "added_us": None if status.added_us is None else round(status.added_us),
        "place": status.place or None,
        "last_reading": status.last_seen,
    }
