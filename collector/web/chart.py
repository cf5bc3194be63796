"""Latency as an SVG drawing, made on the server so that a page needs no script."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from collector.clock import local_time

WIDTH, HEIGHT = 860, 240
LEFT, RIGHT, TOP, BOTTOM = 64, 10, 12, 30
MOST_COLUMNS = 380
TIME_TICKS = 6
VALUE_TICKS = 4
LABEL_ROWS = 4
LABEL_HEIGHT = 13
# Of the labels' font; broad enough for Vietnamese.
CHARACTER_WIDTH = 5.8
NARROWEST_BAND = 2.5
BELOW_HEIGHT = 6
# A line that jumps over more than this many usual gaps would claim measurements that were never made.
GAP_FACTOR = 3.5
DAY_SECONDS = 86400
MICROSECONDS = 1000.0


@dataclass(frozen=True)
class LatencyPoint:
    """One round's figures for one target, microseconds; None where nothing came back."""

    time_seconds: int
    minimum_us: int | None
    median_us: int | None
    p95_us: int | None
    sent: int
    received: int


@dataclass(frozen=True)
class Words:
    """The chart's texts in the reader's language."""

    title: str
    median: str
    spread: str
    lost: str
    milliseconds: str


@dataclass(frozen=True)
class ChartLine:
    """One more line in a chart.

    Args:
        kind: `gateway`, `edge` or `other`: how it is drawn.
        points: in order of time; only their medians are drawn.
    """

    kind: str
    points: Sequence[LatencyPoint]


@dataclass(frozen=True)
class ChartBand:
    """A stretch of time that is marked in a chart.

    Args:
        start_seconds: left edge, seconds since 1970-01-01 UTC.
        end_seconds: right edge.
        kind: one of `BAND_KINDS`: colour and pattern.
        label: drawn where there is room.
        short_label: drawn where there is no room for the label.
        title: told when pointed at, and to screen readers.
        below: drawn as a bar at the foot of the chart instead, without a label.
    """

    start_seconds: int
    end_seconds: int
    kind: str
    label: str
    short_label: str
    title: str
    below: bool = False


# One pattern each: who does not see colours, or prints without them, sees the pattern.
_PATTERNS = {
    "access": (8, '<path d="M0 8L8 0M-2 2L2-2M6 10L10 6"/>'),
    "core": (8, '<path d="M0 8L8 0M0 0L8 8"/>'),
    "lan": (6, '<circle cx="3" cy="3" r="1"/>'),
    "terminal": (6, '<path d="M0 3H6"/>'),
    "service": (6, '<path d="M3 0V6"/>'),
    "outage": (6, '<path d="M0 3H6M3 0V6"/>'),
    "path": (20, '<path d="M4 16L9 11" stroke-dasharray="4 4"/>'),
}
BAND_KINDS = tuple(_PATTERNS)


def band_patterns() -> Markup:
    """The patterns of bands, once in a page that shows any."""
    patterns = "".join(
        f'<pattern id="band-{kind}" class="of-{kind}" width="{size}" height="{size}" patternUnits="userSpaceOnUse">'
        f"{shape}</pattern>"
        for kind, (size, shape) in _PATTERNS.items()
    )
    # Nothing of it comes from outside.
    return Markup(  # noqa: S704 - as the line above says
        f'<svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false"><defs>{patterns}</defs></svg>'
    )


def band_sample(kind: str) -> Markup:
    """A piece of a band, for a legend."""
    if kind not in _PATTERNS:
        raise KeyError(kind)
    # Nothing of it comes from outside.
    return Markup(  # noqa: S704 - as the line above says
        f'<svg class="sample" width="28" height="14" aria-hidden="true" focusable="false">{_filled(kind, 0, 0, 28, 14)}'
        "</svg>"
    )


def latency_chart(
    points: Sequence[LatencyPoint],
    *,
    start_seconds: int,
    end_seconds: int,
    words: Words,
    lines: Sequence[ChartLine] = (),
    bands: Sequence[ChartBand] = (),
) -> Markup:
    """An SVG of the median over time with the band from minimum to 95th percentile and marks where probes were lost.

    Args:
        points: in order of time.
        start_seconds: left edge, seconds since 1970-01-01 UTC.
        end_seconds: right edge.
        words: texts.
        lines: of other targets.
        bands: stretches to mark; a page that has any needs `band_patterns` once.
    """
    columns = _columns(points, start_seconds, end_seconds)
    drawn = [(line.kind, _columns(line.points, start_seconds, end_seconds)) for line in lines]
    highest = max((column.p95_us or 0 for column in columns), default=0) / MICROSECONDS
    highest = max([highest, *((each.median_us or 0) / MICROSECONDS for _, line in drawn for each in line)])
    step = _round_step(highest / VALUE_TICKS)
    top = max(step * math.ceil(highest / step), step)
    scale = _Scale(start_seconds, end_seconds, top)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(words.title)}">',
        f"<title>{escape(words.title)}</title>",
        _value_axis(scale, step, words),
        _time_axis(scale),
        _bands(scale, bands),
    ]
    for kind, line in drawn:
        for run in _runs(line):
            places = " ".join(scale.place(column.time_seconds, column.median_us) for column in run)
            parts.append(f'<polyline class="line of-{escape(kind)}" points="{places}"/>')
    for run in _runs(columns):
        upper = [scale.place(column.time_seconds, column.p95_us) for column in run]
        lower = [scale.place(column.time_seconds, column.minimum_us) for column in reversed(run)]
        middle = [scale.place(column.time_seconds, column.median_us) for column in run]
        parts.append(f'<polygon class="band" points="{" ".join(upper + lower)}"/>')
        parts.append(f'<polyline class="median" points="{" ".join(middle)}"/>')
        if len(run) == 1:
            center_x, center_y = middle[0].split(",")
            parts.append(f'<circle class="single" cx="{center_x}" cy="{center_y}" r="2"/>')
    for column in columns:
        if column.received < column.sent:
            x = scale.x(column.time_seconds)
            text = f"{escape(words.lost)}: {column.sent - column.received}/{column.sent}"
            parts.append(
                f'<rect class="lost" x="{x - 1.5:.1f}" y="{TOP}" width="3" height="7"><title>{text}</title></rect>'
            )
    parts.append(_labels(scale, bands))
    parts.append("</svg>")
    # Every text went through escape(), every number through a format.
    return Markup("".join(parts))  # noqa: S704 - as the line above says


def _bands(scale: _Scale, bands: Sequence[ChartBand]) -> str:
    parts = []
    foot = HEIGHT - BOTTOM
    for band in bands:
        left, width = scale.stretch(band)
        title = f"<title>{escape(band.title)}</title>"
        if band.below:
            parts.append(
                f'<rect class="below" x="{left:.1f}" y="{foot - BELOW_HEIGHT}" width="{width:.1f}" '
                f'height="{BELOW_HEIGHT}">{title}</rect>'
            )
        else:
            parts.append(f"<g>{title}{_filled(band.kind, left, TOP, width, foot - TOP)}</g>")
    return "".join(parts)


def _filled(kind: str, x: float, y: float, width: float, height: float) -> str:
    where = f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}"'
    return (
        f'<rect class="tint of-{escape(kind)}" {where}/><rect class="over of-{escape(kind)}" {where} '
        f'fill="url(#band-{escape(kind)})"/>'
    )


def _labels(scale: _Scale, bands: Sequence[ChartBand]) -> str:
    """Each label in the first row where it fits, else the short one; where neither fits the band's title tells."""
    taken = [float(LEFT)] * LABEL_ROWS
    parts = []
    for band in sorted((band for band in bands if not band.below), key=lambda band: band.start_seconds):
        left, _ = scale.stretch(band)
        for text in (band.label, band.short_label):
            width = CHARACTER_WIDTH * len(text)
            start = min(left, WIDTH - RIGHT - width)
            row = next((row for row, end in enumerate(taken) if end <= start), None)
            if row is not None:
                taken[row] = start + width + CHARACTER_WIDTH
                y = TOP + LABEL_HEIGHT * (row + 1)
                parts.append(f'<text class="label" x="{start:.1f}" y="{y}">{escape(text)}</text>')
                break
    return "".join(parts)


class _Scale:
    def __init__(self, start_seconds: int, end_seconds: int, top_ms: float) -> None:
        self.start, self.end, self.top_ms = start_seconds, end_seconds, top_ms

    def x(self, time_seconds: float) -> float:
        return LEFT + (time_seconds - self.start) / (self.end - self.start) * (WIDTH - LEFT - RIGHT)

    def y(self, value_ms: float) -> float:
        return HEIGHT - BOTTOM - value_ms / self.top_ms * (HEIGHT - TOP - BOTTOM)

    def stretch(self, band: ChartBand) -> tuple[float, float]:
        """Left edge and width; a short one is widened to be seen."""
        left = self.x(max(band.start_seconds, self.start))
        width = max(self.x(min(band.end_seconds, self.end)) - left, NARROWEST_BAND)
        return min(left, WIDTH - RIGHT - width), width

    def place(self, time_seconds: int, value_us: int | None) -> str:
        return f"{self.x(time_seconds):.1f},{self.y((value_us or 0) / MICROSECONDS):.1f}"


def _columns(points: Sequence[LatencyPoint], start: int, end: int) -> list[LatencyPoint]:
    """At most `MOST_COLUMNS` points: the lowest minimum, the middle median, the highest p95, losses summed."""
    if len(points) <= MOST_COLUMNS:
        return list(points)
    width = (end - start) / MOST_COLUMNS
    buckets: dict[int, list[LatencyPoint]] = {}
    for point in points:
        buckets.setdefault(int((point.time_seconds - start) / width), []).append(point)
    return [_merged(bucket) for _, bucket in sorted(buckets.items())]


def _merged(bucket: list[LatencyPoint]) -> LatencyPoint:
    answered = sorted(
        (point for point in bucket if point.median_us is not None), key=lambda point: point.median_us or 0
    )
    middle = answered[len(answered) // 2] if answered else None
    return LatencyPoint(
        time_seconds=bucket[len(bucket) // 2].time_seconds,
        minimum_us=min((point.minimum_us for point in answered if point.minimum_us is not None), default=None),
        median_us=middle.median_us if middle else None,
        p95_us=max((point.p95_us for point in answered if point.p95_us is not None), default=None),
        sent=sum(point.sent for point in bucket),
        received=sum(point.received for point in bucket),
    )


def _runs(columns: Sequence[LatencyPoint]) -> list[list[LatencyPoint]]:
    """Stretches without a gap."""
    answered = [column for column in columns if column.median_us is not None]
    gaps = sorted(second.time_seconds - first.time_seconds for first, second in itertools.pairwise(answered))
    widest = GAP_FACTOR * gaps[len(gaps) // 2] if gaps else 0
    runs: list[list[LatencyPoint]] = []
    for column in answered:
        if runs and column.time_seconds - runs[-1][-1].time_seconds <= widest:
            runs[-1].append(column)
        else:
            runs.append([column])
    return runs


def _round_step(rough: float) -> float:
    """The 1, 2 or 5 times a power of ten at or above `rough`."""
    if rough <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _value_axis(scale: _Scale, step: float, words: Words) -> str:
    lines = [f'<text class="axis" x="4" y="{TOP + 4}">{escape(words.milliseconds)}</text>']
    digits = max(0, -math.floor(math.log10(step)))
    for number in range(round(scale.top_ms / step) + 1):
        y = scale.y(number * step)
        label = f"{number * step:.{digits}f}".replace(".", ",")
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text class="axis end" x="{LEFT - 6}" y="{y + 4:.1f}">{label}</text>')
    return "".join(lines)


def _time_axis(scale: _Scale) -> str:
    pattern = "%H:%M" if scale.end - scale.start <= DAY_SECONDS else "%d/%m %H:%M"
    lines = []
    for number in range(TIME_TICKS + 1):
        moment = scale.start + (scale.end - scale.start) * number / TIME_TICKS
        label = local_time(moment).strftime(pattern)
        anchor = "end" if number == TIME_TICKS else "start" if number == 0 else "middle"
        lines.append(f'<text class="axis {anchor}" x="{scale.x(moment):.1f}" y="{HEIGHT - 8}">{label}</text>')
    return "".join(lines)
