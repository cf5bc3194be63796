"""A letter as its receiver reads it: language, time zone, and one sentence an alert."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from agent.wire.message import Message, Translate, mark
from alerts.route.model import DIGEST, ESCALATION, FIRING, FLAPPING, REMINDER, RESOLVED, SEVERITIES, rank
from collector.language import format_moment, render_message, translator
from collector.notifiers.contract import AlertItem, Notification
from collector.notifying.ledger import StoredReceiver
from inventory.units import load_units

log = logging.getLogger(__name__)

RuleNames = Callable[[str], Mapping[str, str]]

PROVINCE = mark("the whole province")
SEVERITY_WORDS = {"info": mark("for information"), "warning": mark("warning"), "critical": mark("critical")}
# Titles of one alert, and of several.
TITLES = {
    FIRING: (mark("{severity}: {what} – {where}"), mark("{severity}: {count} alerts – {where}")),
    RESOLVED: (mark("Over: {what} – {where}"), mark("Over: {count} alerts – {where}")),
    REMINDER: (mark("Still open: {what} – {where}"), mark("Still open: {count} alerts – {where}")),
    ESCALATION: (
        mark("Nobody has acknowledged: {what} – {where}"),
        mark("Nobody has acknowledged: {count} alerts – {where}"),
    ),
    DIGEST: (mark("From quiet hours: {what} – {where}"), mark("From quiet hours: {count} alerts – {where}")),
    FLAPPING: (mark("Comes and goes: {what} – {where}"), mark("Comes and goes: {count} alerts – {where}")),
}
SEVERAL_UNITS = mark("{count} units")
SINCE = mark("since {moment}")
UNTIL = mark("{start} to {end}")
FLAPPING_NOTE = mark("It has come and gone several times; you will hear of it again when it has settled.")
GAP_NOTE = mark("Nobody is on duty for {where}: you are told as the receiver that stands in.")
TEST_TITLE = mark("Thông Mạng: a test message")
TEST_BODY = mark("This message was sent to {receiver} to see whether it arrives. Nothing has happened.")


@dataclass(frozen=True)
class Wording:
    """How letters are written.

    Args:
        rule_names: a language to the rules' summaries by name.
        link: address of the page of alerts, empty without a public address.
    """

    rule_names: RuleNames
    link: str = ""

    def letter(
        self, kind: str, told: StoredReceiver, incidents: Sequence[Row[Any]], now: float, salt: str
    ) -> Notification:
        """The notification of one letter.

        Args:
            kind: of `TITLES`.
            told: whom.
            incidents: rows of `incident`, in order.
            now: when it was decided.
            salt: tells it from every other one.
        """
        items = tuple(self.item(row, told, ended=row.ended_at is not None and kind != FLAPPING) for row in incidents)
        translate = translator(told.language)
        severity = max((item.severity for item in items), key=rank)
        where = _where(items, translate)
        single, several = TITLES[kind]
        title = translate(single if len(items) == 1 else several).format(
            severity=_capital(translate(SEVERITY_WORDS[severity])),
            what=items[0].title,
            where=where,
            count=len(items),
        )
        lines = [_line(item, told, translate) for item in items]
        if kind == FLAPPING:
            lines.append(translate(FLAPPING_NOTE))
        if told.route.fallback and any(row.duty_gap for row in incidents):
            lines.append(translate(GAP_NOTE).format(where=where))
        if self.link:
            lines += ["", self.link]
        return _notification(kind, told, title, "\n".join(lines), items, now, salt, self.link)

    def test(self, told: StoredReceiver, now: float, salt: str) -> Notification:
        """A message that says it is a test."""
        translate = translator(told.language)
        body = translate(TEST_BODY).format(receiver=told.route.name)
        return _notification("test", told, translate(TEST_TITLE), body, (), now, salt, self.link)

    def item(self, row: Row[Any], told: StoredReceiver, *, ended: bool) -> AlertItem:
        """One incident as the receiver reads it."""
        zone = ZoneInfo(told.route.time_zone)
        translate = translator(told.language)
        message = row.ended_reason if ended and row.ended_reason else row.reason
        reason = _sentence(message, told.language, zone)
        because = row.readings.get("because")
        if because and not ended:
            reason += " " + _sentence(because, told.language, zone)
        title = self.rule_names(told.language).get(row.rule, row.rule)
        unit_name = _unit_name(row.unit_code, translate)
        severity = SEVERITIES[rank(row.severity)]
        labels = {
            "alertname": row.rule,
            "subject": row.subject,
            "severity": severity,
            "unit": row.unit_code,
            "site": row.site,
            "device": row.device_id,
            "place": row.place,
        }
        return AlertItem(
            rule=row.rule,
            title=title,
            subject=row.subject,
            state="resolved" if ended else "firing",
            severity=severity,  # type: ignore[arg-type] # one of SEVERITIES
            unit_code=row.unit_code,
            unit_name=unit_name,
            site=row.site,
            device_id=row.device_id,
            place=row.place,
            since=row.fired_at,
            since_text=format_moment(row.fired_at, zone),
            ended=row.ended_at if ended else None,
            reason=reason,
            labels={name: text for name, text in labels.items() if text},
            annotations={"summary": f"{title} – {unit_name}", "description": reason, "unit_name": unit_name},
        )


def _sentence(kept: Mapping[str, Any], language: str, zone: ZoneInfo) -> str:
    try:
        return render_message(Message.from_dict(kept), language, zone)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        # A sentence that cannot be written must not keep the alert, and every other one, from being told.
        log.exception("the sentence %r cannot be written in %s", kept, language)
        return json.dumps(kept, ensure_ascii=False)


def _notification(
    kind: str,
    told: StoredReceiver,
    title: str,
    body: str,
    items: tuple[AlertItem, ...],
    now: float,
    salt: str,
    link: str,
) -> Notification:
    digest = hashlib.sha256(f"{kind}|{told.route.id}|{told.route.name}|{now!r}|{salt}".encode()).hexdigest()[:32]
    severity = max((item.severity for item in items), key=rank, default="info")
    return Notification(
        id=f"{kind}-{digest}",
        channel=told.channel,
        receiver=told.route.name,
        address=told.address,
        kind=kind,  # type: ignore[arg-type] # one of the contract's kinds
        severity=severity,  # type: ignore[arg-type] # one of SEVERITIES
        language="en" if told.language == "en" else "vi",
        title=" ".join(title.split()),
        body=body,
        alerts=items,
        decided_at=now,
        link=link,
    )


def _line(item: AlertItem, told: StoredReceiver, translate: Translate) -> str:
    zone = ZoneInfo(told.route.time_zone)
    where = item.unit_name + (f", {item.site}" if item.site else "")
    if item.ended is None:
        when = translate(SINCE).format(moment=item.since_text)
    else:
        when = translate(UNTIL).format(start=item.since_text, end=format_moment(item.ended, zone))
    mark_of = "▲" if item.ended is None else "●"
    return f"{mark_of} {where} ({when}): {item.reason}"


def _where(items: Sequence[AlertItem], translate: Translate) -> str:
    names = {item.unit_name: None for item in items}
    return next(iter(names)) if len(names) == 1 else translate(SEVERAL_UNITS).format(count=len(names))


@lru_cache
def _unit_names() -> dict[str, str]:
    return {unit.code: unit.name for unit in load_units()}


def _unit_name(code: str, translate: Translate) -> str:
    return _unit_names().get(code, code) if code else translate(PROVINCE)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
