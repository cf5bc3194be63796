"""What the agent found and did, as text for people: pure, values in, lines out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Iterable, Iterator, List, Optional

if TYPE_CHECKING:
    # Only named here: the running agent says what it does without them.
    from agent.config import Identity
    from agent.runner import ProbeRun, Round
    from agent.spool import Entry
    from agent.status import Status
    from agent.uplink import Cycle
    from agent.wire.message import Message, Translate
    from agent.wire.report import FactValue

_NAME_WIDTH = 18
_OUTCOME_WIDTH = 8


def round_lines(found: Round, _: Translate) -> Iterator[str]:
    """Each probe: outcome, duration, where it read and what."""
    for run in found.runs:
        yield from _run_lines(run, _)


def _run_lines(run: ProbeRun, _: Translate) -> Iterator[str]:
    outcome = run.outcome
    yield outcome_line(outcome.probe, outcome.outcome, outcome.duration_seconds, outcome.message, _)
    if run.sources:
        yield "    " + _("read from: {sources}").format(sources=", ".join(run.sources))
    for sample in run.samples:
        labels = " ".join(f"{name}={value}" for name, value in sample.labels.items())
        yield f"    {sample.metric}{' [' + labels + ']' if labels else ''} = {sample.value}"
    for name, value in run.facts.items():
        yield from (f"    {line}" for line in _fact_lines(name, value))


def _fact_lines(name: str, value: FactValue) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{name} = {value}"
        return
    if not value:
        yield f"{name} = -"
    for row in value:
        known = ", ".join(f"{column}: {scalar}" for column, scalar in row.items() if scalar is not None)
        yield f"{name} = {known or '-'}"


def outcome_line(probe: str, outcome: str, duration_seconds: float, message: str, _: Translate) -> str:
    """One probe's outcome in one line."""
    start = f"{probe:<{_NAME_WIDTH}} {outcome:<{_OUTCOME_WIDTH}} {duration_seconds:8.3f} s"
    return f"{start}  {_(message)}" if message else start


def kept_line(entry: Optional[Entry], _: Translate) -> str:
    """Under which number the report was kept."""
    if entry is None:
        return _("the report could not be kept")
    return _("report {sequence} of boot {boot_id} kept: {size} bytes").format(
        sequence=entry.sequence,
        boot_id=entry.boot_id,
        size=len(entry.body),
    )


def cycle_lines(cycle: Cycle, _: Translate) -> Iterator[str]:
    """What was sent and what the collector answered."""
    for exchange in cycle.exchanges:
        yield _("sent {reports} reports: {plain} bytes, {sent} compressed; HTTP status {status}").format(
            reports=exchange.reports,
            plain=exchange.plain_bytes,
            sent=exchange.sent_bytes,
            status=exchange.status,
        )
        for result in exchange.results:
            answer = f"    {result.boot_id} {result.sequence}: {result.status}"
            yield f"{answer} ({result.reason})" if result.reason else answer
    if cycle.error is not None:
        yield cycle.error.message.render(_)


def status_lines(identity: Identity, status: Status, _: Translate) -> Iterator[str]:
    """Where this machine is enrolled, and how its agent stands."""
    rows = [
        (_("collector"), identity.collector_url),
        (_("device"), identity.device_id),
        (_("last round"), moment_text(status.last_round_at, _)),
        (_("last upload"), moment_text(status.last_upload_at, _)),
        (_("waiting"), _("{count} reports, {size} bytes").format(count=status.waiting, size=status.waiting_bytes)),
        (_("dropped"), str(status.dropped_total)),
        (_("refused"), str(len(status.rejected))),
    ]
    if status.moved_aside_total:
        rows.append((_("spool damaged"), str(status.moved_aside_total)))
    if status.last_error is not None:
        rows.append((_("last error"), f"{moment_text(status.last_error_at, _)}: {status.last_error.render(_)}"))
    width = max(len(title) for title, _value in rows)
    for title, value in rows:
        yield f"{title:<{width}}  {value}"
    for boot_id, sequence, reason in status.rejected:
        yield "    " + _("refused: report {sequence} of boot {boot_id}: {reason}").format(
            sequence=sequence,
            boot_id=boot_id,
            reason=reason,
        )
    for item in status.last_outcomes:
        message = str(item.get("message", ""))
        line = outcome_line(item["probe"], item["outcome"], float(item["duration_seconds"]), message, _)
        at = item.get("at")
        yield f"    {line}" if at is None else f"    {line}  ({moment_text(at, _)})"


def moment_text(seconds: Optional[float], _: Translate) -> str:
    """A moment in the machine's own time zone; a word where there was none yet."""
    return _("never") if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def message_line(message: Message, now_seconds: float, _: Translate) -> str:
    """A sentence of the running agent, with its time."""
    return f"{moment_text(now_seconds, _)} {message.render(_)}"


def text_of(lines: Iterable[str]) -> str:
    """Lines as one text."""
    together: List[str] = [*lines, ""]
    return "\n".join(together)
