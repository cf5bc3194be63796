"""The result as a table for people and as JSON."""

from __future__ import annotations

import msgspec

from benchmarks.netbench.bench import Outcome
from benchmarks.netbench.phases import PHASES, Phase
from benchmarks.netbench.timeline import Played
from benchmarks.netbench.verdict import (
    INVALID,
    UNJUDGED,
    Event,
    Judgement,
    Window,
    judge,
    outside,
)

# Above this the relays moved packets so late that small changes of latency are the host's, not the network's.
BUSY_LATENESS_MS = 3.0
# What the shipped rules ask for (`learning_minutes`).
LEAST_LEARNING = 60


def judgements(outcome: Outcome) -> dict[str, Judgement]:
    """The verdict on every phase that was played."""
    found: dict[str, Judgement] = {}
    for played in outcome.played:
        if played.fault:
            found[played.name] = Judgement(INVALID, ())
        elif outcome.events is None:
            found[played.name] = Judgement(UNJUDGED, ())
        else:
            found[played.name] = judge(PHASES[played.name], Window(played.start, played.end), outcome.events)
    return found


def false_alarms_outside(outcome: Outcome) -> list[Event]:
    """What was said of the network in quiet minutes between the phases."""
    windows = [Window(played.start, played.end) for played in outcome.played]
    return outside(windows, outcome.events or ())


def is_good(outcome: Outcome) -> bool:
    """Whether every phase was judged as it ought to be after enough learning, and nothing was said between them."""
    if outcome.plan.learning < LEAST_LEARNING:
        return False
    return not any(item.bad for item in judgements(outcome).values()) and not false_alarms_outside(outcome)


def table_of(outcome: Outcome) -> str:
    """One line a phase, and what must be known to read it."""
    header = (
        "phase",
        "queue: median/p95, time >= 20 ms, drops",
        "expected",
        "got",
        "minute",
        "place",
        "verdict",
        "named",
    )
    rows: list[tuple[str, ...]] = [header]
    judged = judgements(outcome)
    rows.extend(_row(played, PHASES[played.name], judged[played.name]) for played in outcome.played)
    rows.extend((name, why, "", "", "", "", "skipped", "") for name, why in outcome.skipped.items())
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", *_remarks(outcome, judged)])


def _row(played: Played, phase: Phase, found: Judgement) -> tuple[str, ...]:
    expected = f"{phase.place} by 5" if phase.place else "either" if phase.grey else "no network alarm"
    if phase.right_name:
        expected += f" ({phase.right_name[1] or phase.right_name[0]})"
    named = "" if found.named is None else "yes" if found.named else "no"
    minute = "" if found.minute is None else f"@{found.minute}"
    truth = played.truth.sentence() if played.truth else "-"
    verdict = f"{found.verdict}: {played.fault}" if played.fault else found.verdict
    return (played.name, truth, expected, ", ".join(found.got) or "-", minute, found.place, verdict, named)


def _remarks(outcome: Outcome, judged: dict[str, Judgement]) -> list[str]:
    plan = outcome.plan
    loads = [played.load for played in outcome.played]
    lines = [
        f"A minute of the bench lasted {plan.minute_seconds:g} s (compressed {60 / plan.minute_seconds:g} times).",
        f"Minutes: {plan.learning} of learning, {plan.phase} of each phase, {plan.gap} between; {outcome.rows} rows.",
        f"Host: {outcome.busy:.0%} busy, load at the end of phases {', '.join(f'{load:.1f}' for load in loads)}.",
        "Relays handed packets over late by (median of p95, ms): "
        + ", ".join(f"{name} {late:g}" for name, late in outcome.lateness_ms.items())
        + ("" if max(outcome.lateness_ms.values(), default=0.0) < BUSY_LATENESS_MS else " - THE HOST WAS TOO BUSY"),
    ]
    if outcome.cpe:
        of_phases = (f"{name} {got / 1e6:.2f}/{sent / 1e6:.2f}" for name, (got, sent) in outcome.cpe.items())
        lines.append("Access line of site a by its CPE's counters, Mbit/s received/sent: " + ", ".join(of_phases))
    if outcome.cpe_samples:
        rates = [
            f"{8 * sample.received_bytes / sample.interval_ms / 1000:.2f}/"
            f"{8 * sample.transmitted_bytes / sample.interval_ms / 1000:.2f}"
            for sample in outcome.cpe_samples
        ]
        lines.append("The same as the collector polled and stored it, each slot of 5 real minutes: " + ", ".join(rates))
    if outcome.missing:
        lines.append(f"Last reports did not arrive from: {', '.join(outcome.missing)}")
    if outcome.events is None:
        return [*lines, f"NOT JUDGED: {outcome.unjudged}"]
    if outcome.plan.learning < LEAST_LEARNING:
        lines.append(f"PROVES NOTHING: with under {LEAST_LEARNING} minutes of learning the rules judge nothing")
    stray = false_alarms_outside(outcome)
    lines.append(f"Said of the network between phases: {', '.join(event.words(0) for event in stray) or 'nothing'}")
    bad = [name for name, found in judged.items() if found.bad]
    lines.append(
        f"{len(judged) - len(bad)} of {len(judged)} phases as they ought to be" + "".join(f"; {name}" for name in bad)
    )
    return lines


def json_of(outcome: Outcome) -> bytes:
    """Everything, for programs; `outcome_from` reads it again."""
    table = {
        "good": outcome.events is not None and is_good(outcome),
        "judgements": judgements(outcome),
        "between_phases": false_alarms_outside(outcome),
        "outcome": outcome,
    }
    return msgspec.json.format(msgspec.json.encode(table), indent=2) + b"\n"


def outcome_from(body: bytes) -> Outcome:
    """The outcome of a `result.json`.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return msgspec.convert(msgspec.json.decode(body)["outcome"], Outcome)
