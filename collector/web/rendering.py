"""Templates with the reader's language, dates and numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agent.wire.message import Message, Translate, mark
from collector.clock import local_time
from collector.language import DEFAULT_LANGUAGE, format_date, format_number, render_message, translator

LANGUAGES = ("vi", "en")
LANGUAGE_COOKIE = "thongmang_language"
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# Words that templates show as they stand in the registry.
STORED_WORDS = (
    mark("high"),
    mark("medium"),
    mark("low"),
    mark("ok"),
    mark("no_data"),
    mark("error"),
    mark("timeout"),
    mark("report"),
    mark("sample or fact"),
    mark("point"),
)
BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
BYTE_STEP = 1024.0


def chosen_language(request: Request, default: str) -> str:
    """The language of `?language=`, else of the cookie, else the default."""
    for choice in (request.query_params.get("language"), request.cookies.get(LANGUAGE_COOKIE)):
        if choice in LANGUAGES:
            return choice
    return default if default in LANGUAGES else DEFAULT_LANGUAGE


class Pages:
    """Renders templates; one environment a language."""

    def __init__(self) -> None:
        self._environments = {language: _environment(language) for language in LANGUAGES}

    def render(
        self,
        request: Request,
        template: str,
        values: Mapping[str, Any],
        *,
        language: str,
        status: int = 200,
    ) -> HTMLResponse:
        """The page as a response, with the headers that keep foreign content out."""
        text = (
            self._environments[language]
            .get_template(template)
            .render(
                {"request_path": request.url.path, "language": language, **values},
            )
        )
        response = HTMLResponse(text, status, headers=SECURITY_HEADERS)
        if request.query_params.get("language") == language:
            response.set_cookie(LANGUAGE_COOKIE, language, max_age=365 * 86400, samesite="strict", httponly=True)
        return response


def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    translate = translator(language)
    environment.install_gettext_callables(  # type: ignore[attr-defined] # added by the i18n extension
        translate,
        _plural(translate),
        newstyle=True,
    )

    def number(value: float, digits: int = 0) -> str:
        return format_number(value, digits, language)

    environment.filters |= {
        "day": lambda value: format_date(value, language) if value else "—",
        "moment": lambda value: local_time(value).strftime("%d/%m/%Y %H:%M:%S") if value else "—",
        "number": number,
        # For words from data. `_()` is for the templates' own: it fills in `%` and marks its result as safe HTML.
        "translated": translate,
        "size": lambda value: _size(value, language),
        "sentence": lambda value: render_message(_message(value), language),
        "milliseconds": lambda value: "—" if value is None else format_number(value / 1000, 1, language),
    }
    return environment


def _plural(translate: Translate) -> Callable[[str, str, int], str]:
    def choose(singular: str, plural: str, count: int) -> str:
        return translate(singular if count == 1 else plural)

    return choose


def _message(value: Message | Mapping[str, Any]) -> Message:
    return value if isinstance(value, Message) else Message.from_dict(value)


def _size(value: float, language: str) -> str:
    unit = 0
    while value >= BYTE_STEP and unit < len(BYTE_UNITS) - 1:
        value, unit = value / BYTE_STEP, unit + 1
    return f"{format_number(value, 1 if unit else 0, language)} {BYTE_UNITS[unit]}"
