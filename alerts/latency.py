"""Condition `link_latency_raised`: latency of one terminal to one target above that line's own baseline.

An early warning: it is measured from latency and loss alone and never states a violation of the capacity rule.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, NamedTuple

from agent.wire.message import Message, mark
from alerts.baseline import Baseline, BaselineBook, BaselineTerms, percentile
from alerts.parameters import number, whole, word
from alerts.ports import Inputs, StoredReading
from alerts.state import CLEAR, RAISED, SUSPECT, Observation, Subject

MINUTE_SECONDS = 60
# Two rounds closer than this (a restarted agent, a run by hand) are one minute, or evidence would count double.
_SAME_MINUTE_SECONDS = 30
_USUAL_LOSS_LEAST_RATIO = 0.001
_STRENGTH_OF_ONE_MINUTE_MAX = 2.0

RAISED_TEXT = mark(
    "Early warning: latency to {target} is {added_ms} ms above this line's own baseline since {since} "
    "(median {median_ms} ms, baseline {baseline_ms} ms; raised in {hot_minutes} of the last {minutes} minutes)."
)
RAISED_LAN_TEXT = mark(
    "Early warning: latency inside the office's own network, to {target}, is {added_ms} ms above its baseline "
    "since {since} (median {median_ms} ms, baseline {baseline_ms} ms; "
    "raised in {hot_minutes} of the last {minutes} minutes)."
)
LOSS_TEXT = mark(
    "Early warning: {loss_percent} percent of the probes to {target} are lost since {since} "
    "(median {median_ms} ms, baseline {baseline_ms} ms; {hot_minutes} of the last {minutes} minutes)."
)
SUSPECT_TEXT = mark(
    "Latency or loss to {target} was raised since {since} in {hot_minutes} of the last {minutes} minutes "
    "(median {median_ms} ms, baseline {baseline_ms} ms): not enough yet to warn."
)
LINGER_TEXT = mark(
    "Latency to {target} is not raised any more, but stays {added_ms} ms above this line's own baseline "
    "(median {median_ms} ms, baseline {baseline_ms} ms)."
)
CLEAR_TEXT = mark("Latency to {target} is back near its baseline (median {median_ms} ms, baseline {baseline_ms} ms).")


class Minute(NamedTuple):
    """What one round of probes to one target gave; `p50_us` is None without a reply."""

    time_seconds: int
    sent: int
    received: int
    p50_us: int | None


class _Judged(NamedTuple):
    """One minute with replies against the baseline."""

    time_seconds: int
    p50_us: int
    excess_us: float
    sent: int
    lost: float
    strength: float
    hot_by_loss: bool = False


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The window of one series, judged."""

    target: str
    baseline: Baseline
    threshold_us: float
    recent: list[_Judged]
    hot: list[_Judged]
    quiet: bool
    enough: bool


@dataclass(frozen=True, slots=True)
class LinkLatencyRaised:
    """The parameters of the condition and its judgement; docs/alerts.md explains each figure."""

    reads: ClassVar[str] = "links"

    gateway_target: str = word("Name of the target that is the office's own router.")
    baseline_days: int = whole(1, 28, "days", "How far back the baseline looks.")
    baseline_hour_minutes: int = whole(1, 60, "minutes", "An hour with fewer measured minutes is not used.")
    baseline_learning_minutes: int = whole(10, 10_080, "minutes", "With less history nothing is judged.")
    baseline_floor_ratio: float = number(0, 1, "ratio", "Percentile of the hourly floors that is the baseline.")
    baseline_spread_ratio: float = number(0, 1, "ratio", "Percentile of the hourly spreads that is usual.")
    baseline_loss_ratio: float = number(0, 1, "ratio", "Percentile of the hourly loss that is usual.")
    usual_loss_max_ratio: float = number(0, 1, "ratio", "More loss than this is never taken as usual.")
    threshold_base_us: int = whole(0, 1_000_000, "microseconds", "Added to the usual spread: the threshold.")
    threshold_min_us: int = whole(100, 1_000_000, "microseconds", "The threshold is never lower.")
    threshold_max_us: int = whole(100, 1_000_000, "microseconds", "The threshold is never higher.")
    evidence_minutes: int = whole(1, 60, "minutes", "Minutes that are looked at for firing.")
    hot_minutes: int = whole(1, 60, "minutes", "So many of them must be raised.")
    hot_minutes_alone: int = whole(1, 60, "minutes", "So many if no other terminal of the site reports.")
    hot_minutes_gateway: int = whole(1, 60, "minutes", "So many for the gateway itself.")
    strength_min: float = number(0, 120, "", "Least sum over these minutes of excess / threshold, each at most 2.")
    loss_alone_min_ratio: float = number(0, 1, "ratio", "Significant loss of this much counts as raised by itself.")
    loss_with_delay_min_ratio: float = number(0, 1, "ratio", "Significant loss of this much counts with added delay.")
    loss_delay_min_us: int = whole(0, 1_000_000, "microseconds", "The added delay that goes with it.")
    loss_minutes: int = whole(1, 60, "minutes", "So many of the looked-at minutes must have loss.")
    clear_window_minutes: int = whole(1, 60, "minutes", "Minutes that are looked at for the end.")
    clear_minutes: int = whole(1, 60, "minutes", "So many of them must be quiet.")
    clear_threshold_ratio: float = number(0, 1, "ratio", "Quiet is below this share of the threshold.")

    @property
    def window_seconds(self) -> int:
        """How much of the newest readings a judgement needs; loss is pooled over minutes before the ones looked at."""
        return MINUTE_SECONDS * (self.evidence_minutes + max(self.evidence_minutes, self.clear_window_minutes))

    @property
    def history_days(self) -> int:
        """How far back `Inputs.baselines` must reach."""
        return self.baseline_days

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        pairs = (
            ("threshold_min_us", "threshold_max_us"),
            ("hot_minutes", "evidence_minutes"),
            ("hot_minutes_alone", "evidence_minutes"),
            ("hot_minutes_gateway", "evidence_minutes"),
            ("loss_minutes", "evidence_minutes"),
            ("clear_minutes", "clear_window_minutes"),
        )
        for least, most in pairs:
            if getattr(self, least) > getattr(self, most):
                return f"{least} is {getattr(self, least)}, expected at most {most} ({getattr(self, most)})"
        return ""

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:
        """Every device and target that is not plainly clear, and of those in `open_subjects` all that can be judged.

        The readings may come in any order and more than once; those later than `now` are as if they were not there. A
        missing minute counts neither as raised nor as quiet. A series without baseline or replies is left out.
        """
        book = inputs.baselines
        if book is None:
            return
        window = links_in_window(inputs.link_readings, now - self.window_seconds, now)
        at_site = Counter(site for site, device in {(link.site, link.device_id) for link in window.values()})
        terms = self._terms()
        for (device_id, target), link in window.items():
            baseline = book.baseline(device_id, target, now, terms)
            if baseline is None:
                continue
            subject = Subject(f"{device_id}/{target}", device_id, link.unit_code)
            threshold_us = self._threshold_us(baseline)
            if subject.key not in open_subjects and _plainly_clear(link.minutes, baseline.floor_us + threshold_us):
                continue
            gateway = window.get((device_id, self.gateway_target)) if target != self.gateway_target else None
            gateway_excess = self._gateway(gateway, book, now, terms)
            alone = at_site[link.site] == 1
            evidence = self._evidence(target, link.minutes, baseline, gateway_excess, now, alone=alone)
            if evidence is not None:
                yield subject, self._observation(evidence)

    def _terms(self) -> BaselineTerms:
        return BaselineTerms(
            self.baseline_days,
            self.baseline_hour_minutes,
            self.baseline_learning_minutes,
            self.baseline_floor_ratio,
            self.baseline_spread_ratio,
            self.baseline_loss_ratio,
            self.usual_loss_max_ratio,
        )

    def _threshold_us(self, baseline: Baseline) -> float:
        return min(max(self.threshold_base_us + baseline.spread_us, self.threshold_min_us), self.threshold_max_us)

    def _gateway(
        self, gateway: Link | None, book: BaselineBook, now: float, terms: BaselineTerms
    ) -> dict[int, tuple[float, float]]:
        """Per time the gateway's own excess (us) and loss ratio; a gateway that does not answer explains nothing."""
        if gateway is None:
            return {}
        baseline = book.baseline(gateway.device_id, self.gateway_target, now, terms)
        if baseline is None:
            return {}
        return {
            minute.time_seconds: (
                max(0.0, minute.p50_us - baseline.floor_us),
                max(0, minute.sent - minute.received) / minute.sent if minute.sent else 0.0,
            )
            for minute in gateway.minutes
            if minute.p50_us is not None
        }

    def _evidence(
        self,
        target: str,
        minutes: list[Minute],
        baseline: Baseline,
        gateway_excess: Mapping[int, tuple[float, float]],
        now: float,
        *,
        alone: bool,
    ) -> _Evidence | None:
        threshold_us = self._threshold_us(baseline)
        plain = []
        for minute in minutes:
            if minute.p50_us is None:
                continue
            lan_us, lan_loss_ratio = gateway_excess.get(minute.time_seconds, (0.0, 0.0))
            excess_us = minute.p50_us - baseline.floor_us - lan_us
            lost = max(0.0, minute.sent - minute.received - lan_loss_ratio * minute.sent)
            strength = min(_STRENGTH_OF_ONE_MINUTE_MAX, max(0.0, excess_us) / threshold_us)
            plain.append(_Judged(minute.time_seconds, minute.p50_us, excess_us, minute.sent, lost, strength))
        judged = self._with_loss(plain, baseline) if any(minute.lost for minute in plain) else plain
        looked_at = [
            minute for minute in judged if minute.time_seconds > now - MINUTE_SECONDS * self.clear_window_minutes
        ]
        recent = [minute for minute in judged if minute.time_seconds > now - MINUTE_SECONDS * self.evidence_minutes]
        if not looked_at:
            return None
        hot = [minute for minute in recent if minute.excess_us > threshold_us or minute.hot_by_loss]
        still = self.clear_threshold_ratio * threshold_us
        quiet_count = sum(minute.excess_us < still and not minute.hot_by_loss for minute in looked_at)
        # Where minutes are missing, the same share of those that came, but never of less than half the window.
        share = self.clear_minutes / self.clear_window_minutes
        quiet = 2 * len(looked_at) >= self.clear_window_minutes and quiet_count >= share * len(looked_at)
        needed = self.hot_minutes_alone if alone else self.hot_minutes
        if target == self.gateway_target:
            needed = self.hot_minutes_gateway
        enough = len(hot) >= needed and sum(minute.strength for minute in hot) >= self.strength_min
        return _Evidence(target, baseline, threshold_us, recent or looked_at, hot, quiet, enough)

    def _with_loss(self, judged: list[_Judged], baseline: Baseline) -> list[_Judged]:
        """The same minutes, each with the verdict on the loss pooled over the minutes up to it."""
        usual_ratio = max(baseline.loss_ratio, _USUAL_LOSS_LEAST_RATIO)
        result = []
        for at, minute in enumerate(judged):
            since = minute.time_seconds - MINUTE_SECONDS * self.evidence_minutes
            pool = [other for other in judged[: at + 1] if other.time_seconds > since]
            sent, lost = sum(other.sent for other in pool), sum(other.lost for other in pool)
            expected = sent * usual_ratio
            significant = (
                sum(other.lost > 0 for other in pool) >= self.loss_minutes
                and lost >= expected + 4 * math.sqrt(expected) + 2
            )
            ratio = lost / sent if sent else 0.0
            delayed = minute.excess_us > self.loss_delay_min_us
            if significant and (
                ratio >= self.loss_alone_min_ratio or (delayed and ratio >= self.loss_with_delay_min_ratio)
            ):
                by_loss = min(_STRENGTH_OF_ONE_MINUTE_MAX, ratio / max(self.loss_with_delay_min_ratio, 1e-6))
                result.append(minute._replace(strength=max(minute.strength, by_loss), hot_by_loss=True))
            else:
                result.append(minute)
        return result

    def _observation(self, evidence: _Evidence) -> Observation:
        shown = evidence.hot or evidence.recent
        added_us = percentile(sorted(minute.excess_us for minute in shown), 0.5)
        median_us = percentile(sorted(minute.p50_us for minute in shown), 0.5)
        sent, lost = sum(minute.sent for minute in evidence.recent), sum(minute.lost for minute in evidence.recent)
        loss_ratio = round(lost / sent, 4) if sent else 0.0
        parameters: dict[str, str | int | float] = {
            "target": evidence.target,
            "added_ms": round(added_us / 1000),
            "median_ms": round(median_us / 1000),
            "baseline_ms": round(evidence.baseline.floor_us / 1000),
            "hot_minutes": len(evidence.hot),
            "minutes": self.evidence_minutes,
        }
        readings = {
            "added_us": round(added_us),
            "median_us": round(median_us),
            "baseline_us": round(evidence.baseline.floor_us),
            "threshold_us": round(evidence.threshold_us),
            "loss_ratio": loss_ratio,
            "hot_minutes": len(evidence.hot),
            "measured_minutes": len(evidence.recent),
        }
        if not evidence.hot:
            text = CLEAR_TEXT if evidence.quiet else LINGER_TEXT
            return Observation(CLEAR, Message(text, _only(text, parameters)), readings, evidence.quiet)
        parameters["since"] = datetime.fromtimestamp(evidence.hot[0].time_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        parameters["loss_percent"] = round(100 * loss_ratio)
        readings["since"] = evidence.hot[0].time_seconds
        text = SUSPECT_TEXT
        if evidence.enough:
            by_delay = sum(minute.excess_us > evidence.threshold_us for minute in evidence.hot)
            text = RAISED_LAN_TEXT if evidence.target == self.gateway_target else RAISED_TEXT
            text = text if 2 * by_delay >= len(evidence.hot) else LOSS_TEXT
        return Observation(
            RAISED if evidence.enough else SUSPECT,
            Message(text, _only(text, parameters)),
            readings,
            quiet=evidence.quiet and not evidence.enough,
            magnitude=round(added_us),
        )


@dataclass(frozen=True, slots=True)
class Link:
    """The readings of one device and target in a window, in order of time, one a minute at most."""

    device_id: str
    target: str
    unit_code: str
    site: tuple[str, str]
    minutes: list[Minute]


def links_in_window(
    readings: Iterable[StoredReading], after_seconds: float, until_seconds: float
) -> dict[tuple[str, str], Link]:
    """The readings with after < time <= until by (device, target), whatever order they came in."""
    collected: dict[tuple[str, str], list[StoredReading]] = {}
    for reading in readings:
        if after_seconds < reading.time_seconds <= until_seconds:
            tags = reading.tags
            collected.setdefault((tags["device_id"], tags["target"]), []).append(reading)
    links = {}
    for key in sorted(collected):
        ordered = sorted(collected[key], key=_time_of)
        if len({each.time_seconds for each in ordered}) < len(ordered):
            # At equal times the fields decide, so that the result is the same for any order.
            ordered.sort(key=lambda each: (each.time_seconds, sorted(each.fields.items())))
        minutes: list[Minute] = []
        for reading in ordered:
            if minutes and reading.time_seconds - minutes[-1].time_seconds < _SAME_MINUTE_SECONDS:
                continue
            fields = reading.fields
            p50_us = fields.get("rtt_p50_us")
            if p50_us is not None and p50_us < 0:
                # A clock stepped between sending and reply; nothing was measured.
                continue
            minutes.append(Minute(reading.time_seconds, fields.get("sent", 0), fields.get("received", 0), p50_us))
        tags = ordered[-1].tags
        links[key] = Link(*key, tags["unit"], (tags["unit"], tags["site"]), minutes)
    return links


def _time_of(reading: StoredReading) -> int:
    return reading.time_seconds


def _plainly_clear(minutes: list[Minute], limit_us: float) -> bool:
    """Whether no minute lost a probe or stood above the limit: the gateway could only lower what is left."""
    return all(
        minute.received >= minute.sent and minute.p50_us is not None and minute.p50_us <= limit_us for minute in minutes
    )


def _only(text: str, parameters: Mapping[str, str | int | float]) -> dict[str, str | int | float]:
    """The parameters that the text has a place for."""
    return {name: value for name, value in parameters.items() if "{" + name + "}" in text}
