"""What each line is like when nothing is wrong, learned from its own past in blocks of an hour.

Per block: the floor (10th percentile of the steps' shortest round trips), the spread (median of 95th percentile minus
shortest), the wobble (median minus 10th percentile of the shortest ones) and the loss. A line's baseline is a low
percentile of these over the last days, so that neither hours of congestion nor nights that are switched off matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts.minutes import Floats, Link, LinkWindow

HOUR_SECONDS = 3600
DAY_SECONDS = 86_400
# A block has at least so many steps, so that a trace of 20-minute rows learns from blocks of four hours.
BLOCK_STEPS = 12
# Below that a 10th percentile is the minimum.
LEAST_STEPS = 8
FLOOR_RATIO = 0.10
SPREAD_RATIO = 0.25
LOSS_RATIO = 0.20
_STATISTICS = ("floor_us", "spread_us", "wobble_us", "loss_ratio", "service_us")


@dataclass(frozen=True, slots=True)
class Baseline:
    """Of the links in one order: NaN where a link is still learning.

    Args:
        floor_us: round trip of the empty line.
        spread_us: usual 95th percentile above the shortest round trip.
        wobble_us: how much the shortest round trips usually differ within an hour.
        loss_ratio: usual loss.
        service_us: usual time to the first byte beyond two round trips.
    """

    floor_us: Floats
    spread_us: Floats
    wobble_us: Floats
    loss_ratio: Floats
    service_us: Floats


def block_seconds(step_seconds: int) -> int:
    """How long a block lasts for rows of that interval."""
    return max(HOUR_SECONDS, BLOCK_STEPS * step_seconds)


class Baselines:
    """The blocks of the last days of every link.

    A block counts from one block after its end, when what comes late has come, so that the order of arrival within that
    time changes nothing.

    Args:
        step_seconds: interval of the readings.
        days: how far back to look.
        learning_minutes: a link with less measured time is learning.
    """

    def __init__(self, *, step_seconds: int, days: int, learning_minutes: int) -> None:
        self.block_seconds = block_seconds(step_seconds)
        self._least_steps = max(LEAST_STEPS, min(learning_minutes * 60 // step_seconds, learning_minutes))
        self._blocks = days * DAY_SECONDS // self.block_seconds
        self._column: dict[Link, int] = {}
        self._kept: dict[int, npt.NDArray[np.float32]] = {}
        self._steps: dict[int, npt.NDArray[np.int32]] = {}
        self._made: tuple[int, int, npt.NDArray[np.float32]] | None = None

    def put_block(self, start_seconds: int, window: LinkWindow) -> None:
        """Learns one block from all its readings; a block that is put again replaces the one before."""
        statistics, steps = _statistics(window)
        self._put(start_seconds // self.block_seconds, window.links, statistics, steps)

    def _put(
        self, number: int, links: Sequence[Link], statistics: npt.NDArray[np.float32], steps: npt.NDArray[np.int32]
    ) -> None:
        columns = np.array([self._column.setdefault(link, len(self._column)) for link in links], dtype=np.int64)
        kept = np.full((len(_STATISTICS), len(self._column)), np.nan, dtype=np.float32)
        counts = np.zeros(len(self._column), dtype=np.int32)
        kept[:, columns] = statistics
        counts[columns] = steps
        self._kept[number], self._steps[number] = kept, counts
        for old in [each for each in self._kept if each < max(self._kept) - self._blocks - 1]:
            del self._kept[old], self._steps[old]
        self._made = None

    def has_block(self, start_seconds: int) -> bool:
        """Whether that block was put."""
        return start_seconds // self.block_seconds in self._kept

    def at(self, time_seconds: int, links: Sequence[Link]) -> Baseline:
        """The baseline that holds at that time, for links in that order."""
        last = time_seconds // self.block_seconds - 2
        if self._made is None or self._made[0] != last or self._made[1] != len(self._column):
            self._made = last, len(self._column), self._baseline(last)
        made = self._made[2]
        # One column more, of NaN, for links that were never seen in a block.
        columns = np.array([self._column.get(link, len(self._column)) for link in links], dtype=np.int64)
        rows = made[:, columns] if len(columns) else np.empty((len(_STATISTICS), 0))
        return Baseline(*(row.astype(np.float64) for row in rows))

    def block_numbers(self) -> tuple[int, ...]:
        """Of the blocks that are kept, oldest first."""
        return tuple(sorted(self._kept))

    def to_arrays(self, number: int) -> dict[str, npt.NDArray[np.generic]]:
        """One block as arrays that a file can keep.

        Raises:
            KeyError: there is no such block.
        """
        kept, steps = self._kept[number], self._steps[number]
        links = list(self._column)[: len(steps)]
        return {
            "links": np.array(["\x1f".join(link) for link in links], dtype=np.str_),
            "block": np.array([number, self.block_seconds], dtype=np.int64),
            "statistics": kept,
            "steps": steps,
        }

    def restore(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Takes up what `to_arrays` gave.

        Raises:
            KeyError, ValueError: not such arrays, or blocks of another length.
        """
        number, seconds = (int(each) for each in arrays["block"])
        if seconds != self.block_seconds:
            raise ValueError(f"a block of {seconds} s, expected {self.block_seconds} s")
        links = [Link(*str(text).split("\x1f")) for text in arrays["links"]]
        statistics = np.asarray(arrays["statistics"], dtype=np.float32)
        steps = np.asarray(arrays["steps"], dtype=np.int32)
        if statistics.shape != (len(_STATISTICS), len(links)) or steps.shape != (len(links),):
            raise ValueError(f"arrays of shape {statistics.shape} and {steps.shape} do not belong together")
        self._put(number, links, statistics, steps)

    def _baseline(self, last: int) -> npt.NDArray[np.float32]:
        width = len(self._column)
        numbers = [number for number in self._kept if last - self._blocks < number <= last]
        result = np.full((len(_STATISTICS), width + 1), np.nan, dtype=np.float32)
        if not numbers or not width:
            return result
        block = np.full((len(numbers), len(_STATISTICS), width), np.nan, dtype=np.float32)
        seen = np.zeros(width, dtype=np.int64)
        for at, number in enumerate(numbers):
            block[at, :, : self._kept[number].shape[1]] = self._kept[number]
            seen[: len(self._steps[number])] += self._steps[number]
        for row, share in enumerate((FLOOR_RATIO, SPREAD_RATIO, SPREAD_RATIO, LOSS_RATIO, SPREAD_RATIO)):
            result[row, :width] = nan_percentile(block[:, row], share)
        result[:, :width][:, seen < self._least_steps] = np.nan
        return result


def _statistics(window: LinkWindow) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    shortest = window.values["rtt_min_us"]
    steps = np.isfinite(shortest).sum(axis=0).astype(np.int32)
    floor = nan_percentile(shortest, FLOOR_RATIO)
    wobble = nan_percentile(shortest, 0.5) - floor
    spread = nan_percentile(window.values["rtt_p95_us"] - shortest, 0.5)
    # A step without any answer is an outage's, not the line's usual loss.
    answered = window.values["received"] > 0
    sent = np.where(answered, window.values["sent"], 0.0).sum(axis=0)
    received = np.where(answered, window.values["received"], 0.0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        loss = np.where(sent > 0, np.maximum(sent - received, 0) / sent, np.nan)
    service = nan_percentile(window.values["first_byte_us"] - 2 * window.values["rtt_p50_us"], 0.5)
    rows = np.array([floor, spread, wobble, loss, service], dtype=np.float32)
    rows[:, steps < LEAST_STEPS] = np.nan
    return rows, steps


def nan_percentile(values: npt.NDArray[np.floating], share: float) -> Floats:
    """Percentile of each column over its rows that are numbers, linear between neighbours; NaN without any.

    NumPy's own function for this works column by column in Python; this one takes 30,000 columns at once.
    """
    ordered = np.sort(values, axis=0)
    count = np.isfinite(ordered).sum(axis=0)
    place = np.maximum(count - 1, 0) * share
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    if not len(ordered):
        return np.full(values.shape[1], np.nan)
    below = np.take_along_axis(ordered, low[None], axis=0)[0].astype(np.float64)
    above = np.take_along_axis(ordered, high[None], axis=0)[0].astype(np.float64)
    found = below + (above - below) * (place - low)
    return np.where(count > 0, found, np.nan)
