"""Conditions on the line of a video conference: `link_jitter`, and `voice_quality` by the E-model.

Measured are round trips. One way is taken for half of them; all variation and all loss is laid on one of the two ways,
as queues mostly stand in one: what is told is never better than what people hear.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from agent.wire.message import Message, Parameter, mark
from alerts.conditions.link_groups import SITE, Floats, Grouping, Judged, grouping, judged
from alerts.conditions.sentences import rounded
from alerts.minutes import MINUTE_SECONDS, LinkWindow
from alerts.parameters import number, whole, word
from alerts.ports import LINK_WINDOW, Inputs
from alerts.state import CLEAR, RAISED, Observation, Subject
from alerts.voice import Codec, network_class, opinion, rating

# Fields of a window that the rating is made of.
SPEECH_FIELDS = ("sent", "received", "rtt_min_us", "rtt_p50_us", "rtt_p95_us")

_MS_US = 1000.0

JITTER_SITE_TEXT = mark(
    "Round trips to {target} vary by {jitter_ms} ms from one to the next at this site (median of {minutes} minutes; "
    "more than half of its {terminals} terminals): speech and video will stutter."
)
JITTER_TERMINAL_TEXT = mark(
    "Round trips from this terminal to {target} vary by {jitter_ms} ms from one to the next (median of {minutes} "
    "minutes): speech and video will stutter."
)
JITTER_ENDED_TEXT = mark("Round trips to {target} vary by {jitter_ms} ms only.")
JITTER_BETWEEN_TEXT = mark("Round trips to {target} still vary by {jitter_ms} ms, less than is warned of.")
VOICE_SITE_TEXT = mark(
    "Speech over the line to {target} is of poor quality at this site: estimated MOS {mos} of 4.5 (R {rating}; more "
    "than half of its {terminals} terminals); one way {delay_ms} ms, variation {variation_ms} ms, loss {percent} "
    "percent."
)
VOICE_TERMINAL_TEXT = mark(
    "Speech from this terminal over the line to {target} is of poor quality: estimated MOS {mos} of 4.5 (R {rating}); "
    "one way {delay_ms} ms, variation {variation_ms} ms, loss {percent} percent."
)
VOICE_ENDED_TEXT = mark("Speech over the line to {target} is good again: estimated MOS {mos} of 4.5 (R {rating}).")
VOICE_BETWEEN_TEXT = mark(
    "Speech over the line to {target} is better than is warned of, but not good yet: estimated MOS {mos} of 4.5 "
    "(R {rating})."
)
ABSORBED_TEXT = mark("Other terminals of the site have the same trouble to {target}: the site as a whole is warned of.")


class _Texts(NamedTuple):
    site: str
    terminal: str
    ended: str
    between: str


_JITTER_TEXTS = _Texts(JITTER_SITE_TEXT, JITTER_TERMINAL_TEXT, JITTER_ENDED_TEXT, JITTER_BETWEEN_TEXT)
_VOICE_TEXTS = _Texts(VOICE_SITE_TEXT, VOICE_TERMINAL_TEXT, VOICE_ENDED_TEXT, VOICE_BETWEEN_TEXT)


def _middle(values: Floats) -> Floats:
    """The median of each column's measured minutes; NaN where there are none."""
    ordered = np.sort(values, axis=0)
    count = (~np.isnan(values)).sum(axis=0)
    columns = np.arange(values.shape[1])
    low, high = (
        ordered[np.maximum(count - 1, 0) // 2, columns],
        ordered[np.minimum(count // 2, len(values) - 1), columns],
    )
    return np.where(count > 0, (low + high) / 2, np.nan)


@dataclass(frozen=True, slots=True)
class LinkJitter:
    """The mean difference of consecutive round trips (IPDV), which is what a receiver's buffer must follow."""

    target: str = word("Name of the target that people talk over.")
    window_minutes: int = whole(3, 60, "minutes", "Over so many of the newest minutes the median is taken.")
    measured_minutes: int = whole(1, 60, "minutes", "A terminal with fewer measured minutes is not judged.")
    raise_us: int = whole(1000, 1_000_000, "microseconds", "Jitter that is warned of.")
    clear_us: int = whole(100, 1_000_000, "microseconds", "Jitter below which it is over.")
    every_seconds: int = whole(0, 86_400, "seconds", "It is judged no more often than this.")

    @property
    def reads(self) -> Mapping[str, int]:
        """The newest minutes of all links."""
        return {LINK_WINDOW: self.window_minutes * MINUTE_SECONDS}

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        if self.clear_us > self.raise_us:
            return f"clear_us is {self.clear_us}, expected at most raise_us ({self.raise_us})"
        return _fault_of_minutes(self.measured_minutes, self.window_minutes)

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:  # noqa: ARG002 (the window says which time it is)
        """Every site and terminal with too much jitter, and those in `open_subjects` that can be judged."""
        window = inputs.link_window
        if window is None:
            return
        every = grouping(window.links, "", self.target)
        minutes = window.values["ipdv_us"][-self.window_minutes :, every.columns]
        enough = (~np.isnan(minutes)).sum(axis=0) >= self.measured_minutes
        seen, jitter_us = every.only(enough), _middle(minutes)[enough]
        if not seen.links:
            return
        agreed = seen.agreed(jitter_us)
        bad_groups = (agreed >= 0) & (jitter_us[agreed] >= self.raise_us)
        for each in judged(seen, agreed, bad_groups, jitter_us >= self.raise_us, open_subjects):
            worth = float(jitter_us[each.at])
            values: dict[str, Parameter] = {"jitter_ms": rounded(worth / _MS_US), "minutes": self.window_minutes}
            readings: dict[str, object] = {"jitter_us": round(worth)}
            is_over = worth < self.clear_us
            yield each.subject, _observation(each, seen, _JITTER_TEXTS, values, readings, worth, is_over=is_over)


class SiteSpeech(NamedTuple):
    """How people can talk over one site's way to one conference, now.

    Args:
        unit_code: of the site.
        site: the office.
        target: the conference.
        terminals: how many were judged; the numbers are those of the middle one, the better of two.
        rating: R of G.107, 0 to 100.
        mos: mean opinion score of G.107 annex B, 1 to 4.5.
        one_way_delay_us: half the median round trip.
        variation_us: 95th percentile less minimum.
        loss_ratio: of the round trips.
    """

    unit_code: str
    site: str
    target: str
    terminals: int
    rating: float
    mos: float
    one_way_delay_us: int
    variation_us: int
    loss_ratio: float


class _Line(NamedTuple):
    """The line over the window, one place per link."""

    delay_us: Floats
    variation_us: Floats
    loss_ratio: Floats
    rating: Floats


@dataclass(frozen=True, slots=True)
class VoiceQuality:
    """The rating that the E-model gives to the line: delay, variation beyond the receiver's buffer, loss, codec."""

    target: str = word("Name of the target that people talk over.")
    window_minutes: int = whole(3, 60, "minutes", "Over so many of the newest minutes medians and loss are taken.")
    measured_minutes: int = whole(1, 60, "minutes", "A terminal with fewer measured minutes is not judged.")
    codec_impairment: float = number(0, 94, "", "Ie of the codec: what it takes away without loss.")
    codec_robustness: float = number(1, 100, "", "Bpl of the codec: how well it bears loss.")
    burst_ratio: float = number(1, 10, "", "BurstR: 1 where losses are independent, greater where they come together.")
    terminal_delay_us: int = whole(
        0, 500_000, "microseconds", "What both ends add to the delay, their buffer included."
    )
    buffer_us: int = whole(0, 500_000, "microseconds", "Variation that the buffer at the receiving end takes up.")
    raise_rating: float = number(1, 93, "", "A rating R below this is warned of.")
    clear_rating: float = number(1, 93, "", "From this rating R on it is over.")
    every_seconds: int = whole(0, 86_400, "seconds", "It is judged no more often than this.")

    @property
    def reads(self) -> Mapping[str, int]:
        """The newest minutes of all links."""
        return {LINK_WINDOW: self.window_minutes * MINUTE_SECONDS}

    def faults(self) -> str:
        """What is wrong between parameters that are each allowed; empty if nothing is."""
        if self.clear_rating < self.raise_rating:
            return f"clear_rating is {self.clear_rating:g}, expected at least raise_rating ({self.raise_rating:g})"
        best = rating(self.terminal_delay_us / _MS_US, 0.0, self._codec)
        if best < self.clear_rating:
            return (
                f"clear_rating is {self.clear_rating:g}, which no line reaches: codec and ends alone leave {best:.0f}"
            )
        return _fault_of_minutes(self.measured_minutes, self.window_minutes)

    @property
    def _codec(self) -> Codec:
        return Codec(self.codec_impairment, self.codec_robustness, self.burst_ratio)

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:  # noqa: ARG002 (the window says which time it is)
        """Every site and terminal with poor speech, and those in `open_subjects` that can be judged."""
        window = inputs.link_window
        if window is None:
            return
        seen = self._measured(window, self.target)
        if not seen.links:
            return
        line = self._line(window, seen)
        # The lower median of what is bad: more than half of the terminals are as badly off.
        agreed = seen.agreed(-line.rating)
        bad_groups = (agreed >= 0) & (line.rating[agreed] < self.raise_rating)
        for each in judged(seen, agreed, bad_groups, line.rating < self.raise_rating, open_subjects):
            at, r = each.at, float(line.rating[each.at])
            delay_ms, variation_ms = float(line.delay_us[at]) / _MS_US, float(line.variation_us[at]) / _MS_US
            loss = float(line.loss_ratio[at])
            values: dict[str, Parameter] = {
                "mos": round(opinion(r), 1),
                "rating": round(r),
                "delay_ms": rounded(delay_ms),
                "variation_ms": rounded(variation_ms),
                "percent": rounded(loss * 100),
            }
            readings: dict[str, object] = {
                "mos": round(opinion(r), 2),
                "rating": round(r, 1),
                "one_way_delay_us": round(line.delay_us[at]),
                "variation_us": round(line.variation_us[at]),
                "loss_ratio": round(loss, 4),
                "y1541_class": network_class(delay_ms, variation_ms, loss),
            }
            is_over = r >= self.clear_rating
            yield (
                each.subject,
                _observation(each, seen, _VOICE_TEXTS, values, readings, round(100 - r, 1), is_over=is_over),
            )

    def of_sites(self, window: LinkWindow, target: str) -> list[SiteSpeech]:
        """The rating of every site that measures that target, good or bad; by site.

        Args:
            window: at least `window_minutes` long.
            target: name of a conference, the rule's own or another.
        """
        seen = self._measured(window, target)
        if not seen.links:
            return []
        line = self._line(window, seen)
        told = []
        sizes = seen.sizes().tolist()
        for group, size, at in zip(seen.groups, sizes, seen.agreed(-line.rating).tolist(), strict=True):
            if size:
                r = float(line.rating[at])
                numbers = round(line.delay_us[at]), round(line.variation_us[at]), round(float(line.loss_ratio[at]), 4)
                told.append(SiteSpeech(*group, size, round(r, 1), round(opinion(r), 2), *numbers))
        return sorted(told)

    def _measured(self, window: LinkWindow, target: str) -> Grouping:
        """The links to a target with enough measured minutes."""
        every = grouping(window.links, "", target)
        median = window.values["rtt_p50_us"][-self.window_minutes :, every.columns]
        return every.only((~np.isnan(median)).sum(axis=0) >= self.measured_minutes)

    def _line(self, window: LinkWindow, seen: Grouping) -> _Line:
        def newest(name: str) -> Floats:
            return window.values[name][-self.window_minutes :, seen.columns]

        median, received = newest("rtt_p50_us"), newest("received")
        delay_us = _middle(median) / 2
        variation_us = np.maximum(_middle(newest("rtt_p95_us") - newest("rtt_min_us")), 0.0)
        # Minutes without any answer are an outage, which is another rule's affair.
        answered = received > 0
        sent_count = np.where(answered, newest("sent"), 0.0).sum(axis=0)
        received_count = np.where(answered, received, 0.0).sum(axis=0)
        loss_ratio = np.clip(1.0 - received_count / np.maximum(sent_count, 1.0), 0.0, 1.0)
        late_us = np.nan_to_num(np.maximum(variation_us - self.buffer_us, 0.0))
        ear_ms = (delay_us + self.terminal_delay_us + late_us) / _MS_US
        return _Line(delay_us, np.nan_to_num(variation_us), loss_ratio, rating(ear_ms, loss_ratio, self._codec))


def _fault_of_minutes(measured_minutes: int, window_minutes: int) -> str:
    if measured_minutes > window_minutes:
        return f"measured_minutes is {measured_minutes}, expected at most window_minutes ({window_minutes})"
    return ""


def _observation(
    each: Judged,
    seen: Grouping,
    texts: _Texts,
    values: dict[str, Parameter],
    readings: dict[str, object],
    magnitude: float,
    *,
    is_over: bool,
) -> Observation:
    """What is told of a site or terminal, in the words of its kind."""
    group = seen.groups[each.group]
    values |= {"target": group.target, "terminals": each.terminals}
    readings |= {"target": group.target, "terminals": each.terminals}
    if each.is_bad:
        text = texts.site if each.scope == SITE else texts.terminal
        if each.scope != SITE and each.terminals != 1:
            readings["place"] = "terminal"
        return Observation(RAISED, Message(text, values), readings, magnitude=magnitude)
    if each.is_absorbed:
        return Observation(CLEAR, Message(ABSORBED_TEXT, values), readings, quiet=True, magnitude=magnitude)
    text = texts.ended if is_over else texts.between
    return Observation(CLEAR, Message(text, values), readings, quiet=is_over, magnitude=magnitude)
