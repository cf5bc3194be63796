"""Values of a window brought from links to terminals, and from terminals to sites."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alerts.congestion.baselines import Baseline
from alerts.congestion.layout import Indexes, Layout
from alerts.congestion.parameters import CongestionParameters
from alerts.minutes import Floats, LinkWindow

Flags = npt.NDArray[np.bool_]

_USUAL_LOSS_LEAST_RATIO = 0.001
_MANY = 3


class Columns:
    """Values of a window per terminal."""

    def __init__(self, window: LinkWindow, baseline: Baseline, layout: Layout) -> None:
        self._window = window
        self._layout = layout
        self._baseline = baseline
        self.gateway_floor = take_row(baseline.floor_us, layout.gateway)
        self.edge_floor = take_row(baseline.floor_us, layout.edge)
        self.far_floor = take_row(baseline.floor_us, layout.far)
        self.far_service = np.nan_to_num(take_row(baseline.service_us, layout.far), nan=0.0)
        self.usual_loss = np.nan_to_num(nan_min(take_row(baseline.loss_ratio, layout.far)), nan=0.0)

    def gateway(self, field: str) -> Floats:
        """(steps, terminals)."""
        return take(self._window.values[field], self._layout.gateway)

    def edge(self, field: str) -> Floats:
        """(steps, terminals)."""
        return take(self._window.values[field], self._layout.edge)

    def far(self, field: str) -> Floats:
        """(steps, terminals, far targets)."""
        return take(self._window.values[field], self._layout.far)

    def usual(self, name: str) -> Floats:
        """(steps, terminals): a statistic of the far targets where the terminal reports."""
        row = nan_min(take_row(getattr(self._baseline, name), self._layout.far))
        reported = np.isfinite(self.far("sent")).any(axis=2)
        return np.where(reported, row[None, :], np.nan)


class BySite:
    """Brings (steps, terminals) to (steps, sites), from row `first` on."""

    def __init__(self, layout: Layout, first: int) -> None:
        self.first = first
        self._members = layout.members
        self._site_of = np.zeros(len(layout.terminals), dtype=np.int64)
        for site, row in enumerate(layout.members):
            self._site_of[row[row >= 0]] = site

    def lower_median(self, values: Floats) -> Floats:
        """The lower of the two middle values where their number is even: with two terminals both must agree."""
        ordered = np.sort(take(values[self.first :], self._members), axis=2)
        count = np.isfinite(ordered).sum(axis=2)
        middle = np.maximum((count - 1) // 2, 0)
        found: Floats = np.take_along_axis(ordered, middle[:, :, None], axis=2)[:, :, 0]
        return found

    def count(self, flags: Flags) -> Indexes:
        """How many terminals."""
        padded = np.concatenate([flags[self.first :], np.zeros((len(flags) - self.first, 1), dtype=bool)], axis=1)
        counted: Indexes = padded[:, self._members].sum(axis=2)
        return counted

    def total(self, values: Floats) -> Floats:
        """Sum over the terminals, missing values as nothing."""
        summed: Floats = np.nansum(take(values[self.first :], self._members), axis=2)
        return summed

    def spread_out(self, values: Floats) -> Floats:
        """(steps, sites) -> (steps, terminals)."""
        return values[:, self._site_of]

    def pooled_ratio(self, bad: Floats, tried: Floats, steps: int, least: int) -> Floats:
        """Share of bad ones over the last steps, the site's terminals together; 0 below `least` bad ones."""
        members = self._members
        bad_total = np.nansum(take(rolling(bad, steps), members), axis=2)[self.first :]
        tried_total = np.nansum(take(rolling(tried, steps), members), axis=2)[self.first :]
        enough = (bad_total >= least) & (tried_total > 0)
        return np.where(enough, bad_total / np.maximum(tried_total, 1), 0.0)


class Loss:
    """Loss of each site over the evidence steps: (steps, sites)."""

    def __init__(
        self, lost: Floats, sent: Floats, usual: Floats, layout: Layout, parameters: CongestionParameters
    ) -> None:
        steps = parameters.evidence_steps
        members = layout.members
        pool_sent, pool_lost = take(rolling(sent, steps), members), take(rolling(lost, steps), members)
        pool_sent, pool_lost = np.nan_to_num(pool_sent), np.nan_to_num(pool_lost)
        with np.errstate(invalid="ignore", divide="ignore"):
            each = np.where(pool_sent > 0, pool_lost / pool_sent, -1.0)
        # One terminal's own radio link must not pass for the line's loss.
        worst = each.argmax(axis=2)[:, :, None]
        many = ((pool_sent > 0).sum(axis=2) >= _MANY)[:, :, None]
        keep = ~((np.arange(members.shape[1])[None, None, :] == worst) & many)
        site_sent, site_lost = (pool_sent * keep).sum(axis=2), (pool_lost * keep).sum(axis=2)
        usual_each = np.where(pool_sent > 0, np.append(usual, np.nan)[members][None], np.nan)
        with np.errstate(invalid="ignore"):
            counted = np.isfinite(usual_each).sum(axis=2)
            usual_site = np.nansum(usual_each, axis=2) / np.maximum(counted, 1)
        expected = site_sent * np.clip(usual_site, _USUAL_LOSS_LEAST_RATIO, parameters.usual_loss_max_ratio)
        with_loss = rolling((np.nansum(take(lost, members), axis=2) > 0).astype(np.float64), steps)
        self.ratio: Floats = np.where(site_sent > 0, site_lost / np.maximum(site_sent, 1), 0.0)
        self.significant: Flags = (site_lost >= expected + 4 * np.sqrt(expected) + 2) & (
            with_loss >= parameters.loss_steps
        )


def rolling(values: Floats, steps: int) -> Floats:
    """Sum over the last `steps` rows, missing values as nothing."""
    filled = np.nan_to_num(values, nan=0.0)
    summed = np.cumsum(filled, axis=0)
    result: Floats = summed.copy()
    result[steps:] -= summed[:-steps]
    return result


def take(values: npt.NDArray[np.floating], columns: Indexes) -> Floats:
    """Columns of (steps, n) by an index array of any shape; NaN where the index is -1."""
    padded = np.concatenate([values, np.full((len(values), 1), np.nan)], axis=1)
    taken: Floats = padded[:, columns]
    return taken


def take_row(values: Floats, columns: Indexes) -> Floats:
    """Places of (n,) by an index array of any shape; NaN where the index is -1."""
    padded = np.append(values, np.nan)
    taken: Floats = padded[columns]
    return taken


def as_flags(values: npt.ArrayLike) -> Flags:
    """The same as an array of truth values."""
    return np.asarray(values, dtype=np.bool_)


def finite(values: Floats) -> Flags:
    """Which of them are numbers."""
    return as_flags(np.isfinite(values))


def nan_min(values: Floats) -> Floats:
    """Least along the last axis, NaN where there is none."""
    if not values.shape[-1]:
        return np.full(values.shape[:-1], np.nan)
    result: Floats = np.fmin.reduce(values, axis=-1)
    return result
