"""An age estimate for programs and for people."""

from __future__ import annotations

import datetime as dt
from typing import Any

from agent.wire.message import Message, mark
from collector.language import format_date, render_message
from inventory.age.evidence import AgeEstimate
from inventory.age.sources import TITLES

_CONFIDENCE = {"high": mark("high"), "medium": mark("medium"), "low": mark("low")}
_DECISION = {"yes": mark("yes"), "no": mark("no"), "uncertain": mark("uncertain")}


def estimate_to_json(estimate: AgeEstimate, language: str) -> dict[str, Any]:
    """The estimate as JSON: ISO dates or null, reasons in `language`."""
    return {
        "earliest": _iso(estimate.earliest),
        "latest": _iso(estimate.latest),
        "best": _iso(estimate.best),
        "confidence": estimate.confidence,
        "over_10_years": estimate.over_10_years,
        "evidence": [
            {
                "source": item.source,
                "earliest": _iso(item.earliest),
                "latest": _iso(item.latest),
                "why": render_message(item.why, language),
            }
            for item in estimate.evidence
        ],
        "contradictions": [render_message(message, language) for message in estimate.contradictions],
    }


def estimate_to_text(estimate: AgeEstimate, language: str) -> str:
    """The estimate for people: some lines in `language`."""

    def line(pattern: str, **parameters: str) -> str:
        return render_message(Message(pattern, parameters), language)

    lines = [
        line(
            mark("Made: about {best}, not before {earliest} and not after {latest}"),
            best=format_date(estimate.best, language),
            earliest=format_date(estimate.earliest, language),
            latest=format_date(estimate.latest, language),
        ),
        line(mark("Over 10 years old: {answer}"), answer=_DECISION[estimate.over_10_years]),
        line(mark("Confidence: {confidence}"), confidence=_CONFIDENCE[estimate.confidence]),
    ]
    if estimate.evidence:
        lines.append(line(mark("Reasons:")))
    lines += [
        f"  - {line(TITLES[item.source])}: {render_message(item.why, language)}"
        if item.source in TITLES
        else f"  - {render_message(item.why, language)}"
        for item in estimate.evidence
    ]
    if estimate.contradictions:
        lines.append(line(mark("Contradictions:")))
    lines += [f"  - {render_message(message, language)}" for message in estimate.contradictions]
    return "\n".join(lines)


def _iso(day: dt.date | None) -> str | None:
    return day.isoformat() if day else None
