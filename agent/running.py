"""`thongmang agent run`: from its words to the measuring agent, without what only other commands need."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Optional, Sequence

from agent.config import default_state_dir, load_identity, make_state_dir
from agent.errors import AgentError, ConfigurationError
from agent.language import chosen_language, translator
from agent.wire.message import Message, Translate, mark

DONE = 0
FAILED = 1

NOT_ENROLLED = mark("this machine is not enrolled; say: thongmang agent enrol URL --code CODE")

_STATE_DIR_OPTION = "--state-dir"


def run_if_plain(words: Sequence[str]) -> Optional[int]:
    """Runs `agent run [--state-dir FOLDER]`, as services do, and returns the exit code; None for all other words.

    The parser of the other words and its languages would stay in memory for as long as the agent measures.
    """
    if words[:1] != ["run"] or len(words) not in (1, 3) or (len(words) == 3 and words[1] != _STATE_DIR_OPTION):  # noqa: PLR2004
        return None
    if len(words) > 1 and words[2].startswith("-"):
        return None
    state_dir = Path(words[2]) if len(words) > 1 else default_state_dir()
    _ = translator(chosen_language())
    for stream in (sys.stdout, sys.stderr):
        speak_utf8(stream)
    try:
        return run(state_dir, _)
    except AgentError as error:
        sys.stderr.write(error.message.render(_) + "\n")
    except OSError as error:
        why = error.strerror or type(error).__name__
        sys.stderr.write(_("{path}: failed: {why}").format(path=error.filename or "-", why=why) + "\n")
    return FAILED


def speak_utf8(stream: Any) -> None:
    """Makes a stream take any letter: a redirected one on Windows is in an old code page that lacks Vietnamese ones."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(encoding="utf-8", errors="replace")


def run(
    state_dir: Path, _: Translate, *, is_once: bool = False, explains: bool = False, metrics_port: Optional[int] = None
) -> int:
    """Measures until told to stop, or once; returns the exit code.

    Args:
        state_dir: of the enrolled agent.
        _: gives sentences in the reader's language.
        is_once: one round and one upload.
        explains: says what was read, sent and answered.
        metrics_port: of a page with the newest numbers; None for none.

    Raises:
        AgentError: it cannot begin.
    """
    from agent.explain import cycle_lines, kept_line, message_line, round_lines, text_of  # noqa: PLC0415  # when enrolled
    from agent.host import Host  # noqa: PLC0415  # same
    from agent.measuring import Agent, Kept  # noqa: PLC0415  # same
    from agent.stop import Stop, only_agent  # noqa: PLC0415  # same

    identity = load_identity(state_dir)
    if identity is None:
        raise ConfigurationError(NOT_ENROLLED)
    make_state_dir(state_dir)
    host = Host()

    def announce(message: Message) -> None:
        sys.stderr.write(message_line(message, host.wall_time_seconds(), _) + "\n")
        sys.stderr.flush()

    if sys.platform != "win32":
        # On Windows the rights are set once, at enrolment: it takes another program.
        from agent.state_permissions import secure  # noqa: PLC0415  # same

        for narrowed in secure(state_dir):
            announce(narrowed)
    page = _metrics_page(metrics_port)

    def explain(kept: Kept) -> None:
        page.show(kept.found)
        if explains:
            sys.stdout.write(text_of([*round_lines(kept.found, _), kept_line(kept.entry, _)]))
            sys.stdout.flush()

    stop = Stop()
    with only_agent(state_dir), stop.listening():
        worker = Agent(identity, state_dir, host, announce)
        try:
            if not is_once:
                announce(Message(mark("measuring for {url}"), {"url": identity.collector_url}))
                worker.run(stop, explain)
                return DONE
            kept = worker.run_once(stop)
            if kept is None:
                return DONE
            explain(kept)
            cycle = worker.upload()
            if explains:
                sys.stdout.write(text_of(cycle_lines(cycle, _)))
            text = _("{accepted} reports taken by the collector, {rejected} refused, {kept} to be sent again")
            text = text.format(accepted=cycle.accepted, rejected=cycle.rejected, kept=cycle.kept)
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
            return FAILED if kept.entry is None or cycle.error is not None or cycle.kept else DONE
        finally:
            worker.close()
            stop.close()
            page.close()


class _NoPage:
    """In place of the metrics page that nobody asked for."""

    def show(self, _found: Any) -> None:
        """Shows nothing."""

    def close(self) -> None:
        """Has nothing to end."""


def _metrics_page(port: Optional[int]) -> Any:
    if port is None:
        return _NoPage()
    from agent.exporter import Exporter  # noqa: PLC0415  # loads prometheus-client

    return Exporter(port)
