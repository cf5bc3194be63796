"""What the collector knows of this terminal: where it belongs, and how old it holds it to be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Iterator, Optional

from agent.config import Identity
from agent.connection import Connection, parse_collector_url
from agent.errors import UplinkError
from agent.wire.message import Translate

PATH = "/api/v1/terminal"


@dataclass(frozen=True)
class Known:
    """What the collector answered.

    Args:
        unit_name: of the unit that this terminal is counted under.
        site: of that unit.
        age_text: the estimate with its reasons, in the language asked for; None where there is none yet.
        raw: the whole answer, for programs.
    """

    unit_name: str
    site: str
    age_text: Optional[str]
    raw: Any


def ask_collector(identity: Identity, language: str) -> Known:
    """What the collector knows of the terminal of this identity.

    Raises:
        UplinkError: it does not answer, or with something else.
    """
    address = parse_collector_url(identity.collector_url, allow_plain_http=True)
    connection = Connection(address, identity.ca_file)
    try:
        body = json.dumps({"language": language}).encode()
        answer = connection.post(PATH, body, {"Authorization": f"Bearer {identity.token}"})
    finally:
        connection.close()
    if answer.status != 200:  # noqa: PLR2004  # HTTP's own number
        raise UplinkError(
            "the collector does not say what it knows of this terminal (HTTP status {status_code})",
            status=answer.status,
            status_code=answer.status,
        )
    try:
        raw = json.loads(answer.body)
        age_text = raw["age_text"]
        return Known(str(raw["unit_name"]), str(raw["site"]), None if age_text is None else str(age_text), raw)
    except (ValueError, KeyError, TypeError) as error:
        raise UplinkError("the collector's answer is not of this contract", status=answer.status) from error


def known_lines(known: Optional[Known], _: Translate) -> Iterator[str]:
    """Where the collector counts this machine, and how old it holds it to be."""
    if known is None:
        return
    yield ""
    yield _("counted under: {unit} ({site})").format(unit=known.unit_name, site=known.site)
    yield known.age_text or _("the collector has not estimated the age of this machine yet")
