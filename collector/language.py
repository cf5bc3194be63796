"""The reader's language: translations, dates and numbers as they are written in it."""

from __future__ import annotations

import datetime as dt
import gettext
import os
import re
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import agent
from agent.wire.message import Message, Parameter, Translate
from collector.clock import LOCAL_ZONE

LOCALE_DIRECTORY = Path(__file__).parent / "locale"
AGENT_LOCALE_DIRECTORY = Path(agent.__file__).parent / "locale"
DOMAIN = "thongmang"
LANGUAGES = ("vi", "en")
DEFAULT_LANGUAGE = "en" if os.environ.get("THONGMANG_LANGUAGE", "").startswith("en") else "vi"

_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


@lru_cache
def translator(language: str) -> Translate:
    """A function from an English pattern to the same in `language`, itself where untranslated."""
    catalogue = gettext.translation(DOMAIN, LOCALE_DIRECTORY, [language], fallback=True)
    # What probes say comes as the agent's own sentences.
    catalogue.add_fallback(gettext.translation("agent", AGENT_LOCALE_DIRECTORY, [language], fallback=True))

    def translate(pattern: str) -> str:
        # gettext keeps its own header under the empty msgid.
        return catalogue.gettext(pattern) if pattern else ""

    return translate


def render_message(message: Message, language: str, zone: ZoneInfo = LOCAL_ZONE) -> str:
    """The sentence in `language`, its dates and numbers as readers of it write them, its moments in their time zone."""
    parameters = {name: _parameter(value, language, zone) for name, value in message.parameters.items()}
    return translator(language)(message.pattern).format(**parameters)


def format_moment(seconds: float, zone: ZoneInfo = LOCAL_ZONE) -> str:
    """HH:MM dd/mm/yyyy of a moment in a time zone."""
    return dt.datetime.fromtimestamp(seconds, zone).strftime("%H:%M %d/%m/%Y")


def _parameter(value: Parameter, language: str, zone: ZoneInfo) -> str:
    if isinstance(value, Message):
        return render_message(value, language, zone)
    if isinstance(value, float):
        digits = len(f"{value:.3f}".rstrip("0").partition(".")[2])
        return format_number(value, digits, language)
    if isinstance(value, int) or not isinstance(value, str):
        return str(value)
    if _MOMENT.fullmatch(value):
        return format_moment(dt.datetime.fromisoformat(value).timestamp(), zone)
    if _DAY.fullmatch(value):
        return format_date(value, language)
    # Names within a sentence, as those of the age sources, are sentences of the catalogue themselves.
    return format_month(value, language) if _MONTH.fullmatch(value) else translator(language)(value)


def format_date(day: dt.date | str | None, language: str = DEFAULT_LANGUAGE) -> str:  # noqa: ARG001 - both write it alike
    """dd/mm/yyyy of a date or its ISO form; a dash for None."""
    if day is None:
        return "—"
    return (dt.date.fromisoformat(day) if isinstance(day, str) else day).strftime("%d/%m/%Y")


def format_month(month: dt.date | str, language: str = DEFAULT_LANGUAGE) -> str:  # noqa: ARG001 - both write it alike
    """mm/yyyy of a date or of an ISO month."""
    if isinstance(month, dt.date):
        return month.strftime("%m/%Y")
    year, number = month.split("-")
    return f"{number}/{year}"


def format_number(value: float, digits: int = 0, language: str = DEFAULT_LANGUAGE) -> str:
    """1.234,5 in Vietnamese, 1,234.5 in English."""
    text = f"{value:,.{digits}f}"
    return text if language == "en" else text.translate(str.maketrans(",.", ".,"))
