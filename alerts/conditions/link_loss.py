"""Condition `link_loss`: packets are lost for minutes on end, more than chance and the office's own network explain."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from agent.wire.message import Message, Parameter, mark
from alerts.conditions.link_groups import SITE, TERMINAL, Flags, Floats, Grouping, Judged, grouping, judged
from alerts.conditions.sentences import rounded
from alerts.minutes import MINUTE_SECONDS, LinkWindow
from alerts.moments import utc_text
from alerts.parameters import number, whole, word
from alerts.ports import LINK_WINDOW, Inputs
from alerts.state import CLEAR, RAISED, Observation, Subject

# A pool of three or more does without the terminal that loses most: its own radio link must not speak for the site.
_POOL_WITHOUT_WORST = 3
_PAIR = 2

SITE_TEXT = mark(
    "Early warning: {percent} percent of the probes to {target} are lost at this site since {since} ({lost} of {sent}, "
    "{terminals} terminals), beyond what its own network loses."
)
TERMINAL_TEXT = mark(
    "Early warning: {percent} percent of the probes from this terminal to {target} are lost since {since} ({lost} of "
    "{sent}), beyond what it loses to its gateway; other terminals of the site lose no such share."
)
ALONE_TEXT = mark(
    "Early warning: {percent} percent of the probes from this terminal to {target} are lost since {since} ({lost} of "
    "{sent}), beyond what it loses to its gateway; no other terminal of the site reports."
)
GATEWAY_SITE_TEXT = mark(
    "Early warning: {percent} percent of the probes to the office's own router are lost since {since} ({lost} of "
    "{sent}, {terminals} terminals): the trouble is inside the office's own network."
)
GATEWAY_TEXT = mark(
    "Early warning: {percent} percent of the probes from this terminal to the office's own router are lost since "
    "{since} ({lost} of {sent}): its own cable or radio link is in trouble."
)
ENDED_TEXT = mark("Hardly any probes to {target} are lost any more ({lost} of {sent}).")
BETWEEN_TEXT = mark(
    "Still {percent} percent of the probes to {target} are lost ({lost} of {sent}), less than is warned of."
)
ABSORBED_TEXT = mark("Other terminals of the site lose probes to {target} too: the site as a whole is warned of.")


class _Loss(NamedTuple):
    """Loss over the window, one place per link or per group."""

    sent: Floats
    lost: Floats
    lossy_minutes: Floats

    def ratio(self) -> Floats:
        """Lost of sent."""
        return self.lost / np.maximum(self.sent, 1.0)


@dataclass(frozen=True, slots=True)
class LinkLoss:
    """Pooled over a site's terminals, without the worst where there are three; one terminal alone is its own affair.

    Minutes in which a target answers nothing are left out: an outage is another rule's affair.
    """

    gateway_target: str = word("Name of the target that is the office's own router.")
    window_minutes: int = whole(3, 60, "minutes", "Over so many of the newest minutes probes are pooled.")
    lossy_minutes: int = whole(1, 60, "minutes", "In so many of them at least one probe must be lost.")
    probes_min: int = whole(1, 1000, "", "A terminal with fewer probes in the window is not judged.")
    usual_ratio: float = number(0.0001, 0.1, "ratio", "Loss that is normal on any line; chance is counted from here.")
    raise_ratio: float = number(0.001, 1, "ratio", "Lost of sent that is warned of.")
    clear_ratio: float = number(0, 1, "ratio", "Lost of sent below which it is over.")
    every_seconds: int = whole(0, 86_400, "seconds", "It is judged no more often than this.")

    @property
    def reads(self) -> Mapping[str, int]:
        """The newest minutes of all links."""
        return {LINK_WINDOW: self.window_minutes * MINUTE_SECONDS}

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        if self.lossy_minutes > self.window_minutes:
            return f"lossy_minutes is {self.lossy_minutes}, expected at most window_minutes ({self.window_minutes})"
        if self.clear_ratio > self.raise_ratio:
            return f"clear_ratio is {self.clear_ratio:g}, expected at most raise_ratio ({self.raise_ratio:g})"
        return ""

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:  # noqa: ARG002 (the window says which time it is)
        """Every site and terminal that loses too much, and those in `open_subjects` that can be judged."""
        window = inputs.link_window
        if window is None or not window.links:
            return
        every = grouping(window.links, self.gateway_target)
        losing = self._missing(window)
        loss = self._of_links(window, losing, every)
        enough = loss.sent >= self.probes_min
        seen = every.only(enough)
        if not seen.links:
            return
        loss = _Loss(*(part[enough] for part in loss))
        worst = seen.greatest(loss.ratio())
        pooled = np.ones(len(seen.links), dtype=bool)
        pooled[worst[seen.sizes() >= _POOL_WITHOUT_WORST]] = False
        pools = self._of_groups(losing, seen, loss, pooled)
        bad_groups = self._is_bad(pools)
        # Of two, both must lose: neither can be told to be the worst.
        pairs = seen.sizes() == _PAIR
        bad_groups[pairs] &= _least(seen, loss.ratio())[pairs] >= self.raise_ratio
        for each in judged(seen, worst, bad_groups, self._is_bad(loss), open_subjects):
            of_site = each.scope == SITE and each.terminals > 1
            told, at = (pools, each.group) if of_site else (loss, each.at)
            yield each.subject, self._observed(each, seen, told, at, window, losing)

    def _window(self, window: LinkWindow, name: str) -> Floats:
        return window.values[name][-self.window_minutes :]

    def _missing(self, window: LinkWindow) -> Floats:
        """Lost probes of each minute and link; NaN where nothing was measured, or nothing answered."""
        sent, received = self._window(window, "sent"), self._window(window, "received")
        return np.where(received > 0, np.maximum(sent - received, 0.0), np.nan)

    def _of_links(self, window: LinkWindow, missing: Floats, every: Grouping) -> _Loss:
        answered = ~np.isnan(missing)
        sent = np.where(answered, self._window(window, "sent"), 0.0).sum(axis=0)
        lost = np.nansum(missing, axis=0)
        at_gateway = np.where(every.gateways >= 0, lost[every.gateways] / np.maximum(sent[every.gateways], 1.0), 0.0)
        # The gateway's own loss is told in full.
        at_gateway[every.gateways == every.columns] = 0.0
        own_sent, own_lost = sent[every.columns], lost[every.columns]
        beyond = np.maximum(own_lost - own_sent * at_gateway, 0.0)
        return _Loss(own_sent, beyond, (missing > 0).sum(axis=0)[every.columns].astype(np.float64))

    def _of_groups(self, missing: Floats, seen: Grouping, loss: _Loss, pooled: Flags) -> _Loss:
        weight = pooled.astype(np.float64)
        lossy = np.zeros(len(seen.groups))
        for minute in missing:
            lossy += seen.sums((minute[seen.columns] > 0) * weight) > 0
        return _Loss(seen.sums(loss.sent * weight), seen.sums(loss.lost * weight), lossy)

    def _is_bad(self, loss: _Loss) -> Flags:
        expected = loss.sent * self.usual_ratio
        # Four standard deviations of a Poisson count, and two probes for a count this small.
        significant = loss.lost >= expected + 4 * np.sqrt(expected) + 2
        bad: Flags = significant & (loss.ratio() >= self.raise_ratio) & (loss.lossy_minutes >= self.lossy_minutes)
        return bad

    def _observed(
        self, each: Judged, seen: Grouping, loss: _Loss, at: int, window: LinkWindow, missing: Floats
    ) -> Observation:
        target = seen.groups[each.group].target
        sent, lost, ratio = float(loss.sent[at]), float(loss.lost[at]), float(loss.ratio()[at])
        values: dict[str, Parameter] = {
            "target": target,
            "percent": rounded(ratio * 100),
            "lost": round(lost),
            "sent": round(sent),
        }
        readings: dict[str, object] = {
            "target": target,
            "loss_ratio": round(ratio, 4),
            "lost": round(lost),
            "sent": round(sent),
            "lossy_minutes": int(loss.lossy_minutes[at]),
        }
        if not each.is_bad:
            text = ABSORBED_TEXT if each.is_absorbed else ENDED_TEXT
            quiet = each.is_absorbed or ratio < self.clear_ratio
            return Observation(CLEAR, Message(text if quiet else BETWEEN_TEXT, values), readings, quiet, ratio)
        own = missing[:, seen.columns[seen.of == each.group if each.scope == SITE else [each.at]]]
        first = int(np.argmax((own > 0).any(axis=1)))
        values["since"] = utc_text(float(window.minutes[-len(missing) :][first]))
        is_gateway = target == self.gateway_target
        values["terminals"] = readings["terminals"] = each.terminals
        if each.scope == TERMINAL:
            text, readings["place"] = GATEWAY_TEXT if is_gateway else TERMINAL_TEXT, "terminal"
        elif is_gateway:
            text, readings["place"] = GATEWAY_SITE_TEXT, "lan"
        else:
            text = SITE_TEXT if each.scope == SITE else ALONE_TEXT
        return Observation(RAISED, Message(text, values), readings, magnitude=ratio)


def _least(seen: Grouping, values: Floats) -> Floats:
    """The least value of each group."""
    at = seen.greatest(-values)
    return np.where(at >= 0, values[at], np.nan)
