"""Places reports in time although terminals' clocks are wrong. Pure; docs/clock.md tells the rules and their limits.

Every boot of a terminal gets one map from its monotonic clock to the collector's time, so that its reports keep their
order and their spacing whatever its wall clock did meanwhile.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.wire.exchange import Moment
from agent.wire.report import Report
from collector.drift import MOST_KNOTS, REFINE_SECONDS, Knot, refined

# Longer than any spool keeps a report (30 days): an older time is a clock that lost its battery.
OLDEST_SECONDS = 35 * 86400.0
# A clock that is ahead by no more than this is taken as right; what it dates lies at the upload itself at the latest.
AHEAD_SECONDS = 300.0
# No upload is under way for so long: a greater difference is a clock that was set, or a monotonic clock that stood.
STEP_SECONDS = 300.0
# Between the end of a boot and the beginning of the next there is at least a start of the machine.
BETWEEN_BOOTS_SECONDS = 5.0
LEAST_SPACING_SECONDS = 1.01

# How the time of a boot is known, the surest last.
ESTIMATED = "estimated"
RECEIVED = "received"
WALL = "wall"
MONOTONIC = "monotonic"
BASES = (ESTIMATED, RECEIVED, WALL, MONOTONIC)


@dataclass(frozen=True)
class BootTime:
    """What is known of the time of one boot.

    Args:
        boot_id: of the terminal's reports.
        basis: `monotonic` where an upload told the monotonic clock at its sending, `wall` where the terminal's own
            clock is believed, `received` where only the arrival bounds it, `estimated` where it lies somewhere between
            the boots around it.
        knots: (monotonic seconds, seconds since 1970-01-01 UTC) in order; between two of them in proportion, outside of
            them second by second.
        first_monotonic_seconds: of the reports that were placed.
        last_monotonic_seconds: likewise.
        first_wall_offset_seconds: wall less monotonic time of the earliest report.
        heard_at: when the first report of it came; of boots that ended unheard, the later one comes first.
    """

    boot_id: str
    basis: str
    knots: tuple[Knot, ...]
    first_monotonic_seconds: float
    last_monotonic_seconds: float
    first_wall_offset_seconds: float
    heard_at: float = 0.0

    def time_at(self, monotonic_seconds: float) -> float:
        """The collector's time at a moment of this boot, seconds since 1970-01-01 UTC."""
        place = bisect.bisect_right(self.knots, (monotonic_seconds, float("inf")))
        if 0 < place < len(self.knots):
            (before, early), (after, late) = self.knots[place - 1 : place + 1]
            return early + (late - early) * (monotonic_seconds - before) / (after - before)
        base, time_seconds = self.knots[max(place - 1, 0)]
        return time_seconds + monotonic_seconds - base

    @property
    def epoch_seconds(self) -> float:
        """When the boot began, by its newest part."""
        base, time_seconds = self.knots[-1]
        return time_seconds - base

    @property
    def begins_seconds(self) -> float:
        """When its earliest report was made."""
        return self.time_at(self.first_monotonic_seconds)

    @property
    def ends_seconds(self) -> float:
        """When its newest report was made."""
        return self.time_at(self.last_monotonic_seconds)


@dataclass(frozen=True)
class PlacedReport:
    """A report with the time the collector gives it.

    Args:
        report: as it came.
        time_seconds: where it is stored, seconds since 1970-01-01 UTC by the collector's clock.
        skew_seconds: the terminal's clock less the collector's at that moment.
        basis: how the time is known, one of `BASES`.
    """

    report: Report
    time_seconds: float
    skew_seconds: float
    basis: str


def date_boots(
    known: Mapping[str, BootTime],
    reports: Sequence[Report],
    sent: Moment | None,
    *,
    received_at: float,
    not_before: float = 0.0,
    ahead_seconds: float = AHEAD_SECONDS,
) -> dict[str, BootTime]:
    """The boots that an upload speaks of, with what it adds to what was known of them.

    Args:
        known: boot id -> what earlier uploads of this device have shown.
        reports: of this upload, in any order.
        sent: the sender's clocks when it left; None from an agent that does not tell them.
        received_at: when the upload began to arrive, by the collector's clock.
        not_before: the device cannot have reported before; when it was enrolled.
        ahead_seconds: a clock that is ahead by no more is taken as right.
    """
    groups: dict[str, list[Report]] = {}
    for report in reports:
        groups.setdefault(report.boot_id, []).append(report)
    found: dict[str, BootTime] = {}
    running = None
    if sent is not None:
        group = groups.pop(sent.boot_id, [])
        running = _running(known.get(sent.boot_id), sent, group, received_at)
        found[sent.boot_id] = running
    # A batch is in order of time, and agents send the newest batch first: what ended last is heard of first.
    for number, (boot_id, group) in enumerate(reversed(groups.items())):
        others = [boot for boot in {**known, **found}.values() if boot.boot_id != boot_id]
        around = _Around(others, running, received_at, not_before, ahead_seconds)
        boot = known.get(boot_id)
        if boot is None:
            boot = dataclasses.replace(_first_seen(boot_id, group, around), heard_at=received_at + number * 1e-3)
        else:
            boot = _seen_again(boot, group, around)
        found[boot_id] = _with_reports(boot, group)
    return found


def place_in_time(
    reports: Sequence[Report], boots: Mapping[str, BootTime], sent: Moment | None, *, received_at: float
) -> list[PlacedReport]:
    """Gives each report of one upload its time; never one in the future.

    Args:
        reports: of one device, in any order.
        boots: of `date_boots` for these reports.
        sent: as `date_boots` had it. Without it the clock's error is told by the arrival alone: a report that waited
            makes the clock look slow by that time.
        received_at: the collector's clock, seconds since 1970-01-01 UTC.
    """
    newest: dict[str, float] = {}
    for report in reports:
        newest[report.boot_id] = max(report.monotonic_time_seconds, newest.get(report.boot_id, 0.0))
    placed = []
    for report in reports:
        boot = boots[report.boot_id]
        time_seconds = min(boot.time_at(report.monotonic_time_seconds), received_at)
        true_time = time_seconds
        if sent is None and boot.basis != MONOTONIC:
            true_time = received_at - newest[report.boot_id] + report.monotonic_time_seconds
        placed.append(PlacedReport(report, time_seconds, report.wall_time_seconds - true_time, boot.basis))
    return placed


@dataclass(frozen=True)
class _Around:
    """What bounds a boot that is not running now."""

    others: Sequence[BootTime]
    running: BootTime | None
    received_at: float
    not_before: float
    ahead_seconds: float

    def latest_epoch(self, last_monotonic_seconds: float) -> float:
        """The latest beginning of a boot that went on for so long."""
        end = self.received_at
        if self.running is not None:
            end = min(end, self.running.epoch_seconds - BETWEEN_BOOTS_SECONDS)
        return end - last_monotonic_seconds

    def same_start(self, group: Sequence[Report]) -> BootTime | None:
        """The running boot, where these reports are of the same start of the machine under an earlier name.

        A spool that had to be made anew begins a new name. The two clocks then still differ by the same; a clock that
        starts at one date whenever the power comes back looks alike, but is years back.
        """
        running = self.running
        if running is None or abs(running.first_wall_offset_seconds - running.epoch_seconds) > OLDEST_SECONDS:
            return None
        for report in group:
            offset = report.wall_time_seconds - report.monotonic_time_seconds
            if (
                report.monotonic_time_seconds >= running.first_monotonic_seconds
                or abs(offset - running.first_wall_offset_seconds) > BETWEEN_BOOTS_SECONDS
            ):
                return None
        return running

    def is_free(self, begin: float, end: float) -> bool:
        """Whether no boot whose time is known well ran between these times."""
        return not any(
            other.basis in {WALL, MONOTONIC}
            and begin < other.ends_seconds - BETWEEN_BOOTS_SECONDS
            and other.begins_seconds < end - BETWEEN_BOOTS_SECONDS
            for other in self.others
        )

    def next_to(self, last_monotonic_seconds: float) -> float:
        """The beginning of a boot of which nothing but the order is known: it ends where the next one begins.

        The next one is the running boot, or the last that was heard of since that has run; or, where one that is known
        well lies in between, that one. It is then never before its true time, and so never before what came before it.
        """
        limits = [self.received_at]
        if self.running is not None:
            begin = self.running.epoch_seconds
            unheard = [o for o in self.others if o.basis in {WALL, ESTIMATED} and o.heard_at >= begin]
            limits = [min([begin, *(o.epoch_seconds for o in unheard)])]
        limits += sorted((o.begins_seconds for o in self.others if o.begins_seconds < limits[0]), reverse=True)
        epochs = [limit - BETWEEN_BOOTS_SECONDS - last_monotonic_seconds for limit in limits]
        free = (epoch for epoch in epochs if self.is_free(epoch, epoch + last_monotonic_seconds))
        return next(free, epochs[0])

    def earliest_epoch(self, latest: float) -> float:
        """The end of the newest boot that can have come before one that began at `latest` at the latest."""
        ends = [o.ends_seconds for o in self.others if o is not self.running and o.ends_seconds <= latest]
        return max([self.not_before, self.received_at - OLDEST_SECONDS, *ends]) + BETWEEN_BOOTS_SECONDS


def _running(boot: BootTime | None, sent: Moment, group: Sequence[Report], received_at: float) -> BootTime:
    """The boot that has sent this upload: its monotonic clock is tied to the collector's now."""
    epoch = received_at - sent.monotonic_time_seconds
    now = sent.monotonic_time_seconds
    if boot is None:
        offset = sent.wall_time_seconds - now
        boot = BootTime(sent.boot_id, MONOTONIC, ((now, received_at),), now, 0.0, offset)
        return _with_reports(boot, group)
    difference = epoch - (boot.time_at(max(now, boot.last_monotonic_seconds)) - max(now, boot.last_monotonic_seconds))
    if abs(difference) > STEP_SECONDS and now < boot.last_monotonic_seconds:
        # A system that calls two starts by one name: this is the later one.
        boot = BootTime(sent.boot_id, MONOTONIC, ((0.0, epoch),), now, 0.0, sent.wall_time_seconds - now)
    elif boot.basis != MONOTONIC or abs(difference) > STEP_SECONDS:
        first = min((r.monotonic_time_seconds for r in _after(boot, group)), default=now)
        boot = dataclasses.replace(_jump(boot, first, epoch), basis=MONOTONIC)
    elif now > boot.knots[-1][0]:
        boot = dataclasses.replace(boot, knots=refined(boot.knots, now, difference))
    return _with_reports(boot, group)


def _first_seen(boot_id: str, group: Sequence[Report], around: _Around) -> BootTime:
    last = max(r.monotonic_time_seconds for r in group)
    earliest = min(group, key=lambda r: r.monotonic_time_seconds)
    offset = earliest.wall_time_seconds - earliest.monotonic_time_seconds
    same = around.same_start(group)
    if same is not None:
        return BootTime(boot_id, MONOTONIC, same.knots, earliest.monotonic_time_seconds, 0.0, offset)
    epoch, basis = _wall_epoch(group, around), WALL
    if epoch is None and around.running is None:
        epoch, basis = around.latest_epoch(last), RECEIVED
    elif epoch is None:
        epoch, basis = around.next_to(last), ESTIMATED
    return BootTime(boot_id, basis, ((0.0, epoch),), earliest.monotonic_time_seconds, 0.0, offset)


def _seen_again(boot: BootTime, group: Sequence[Report], around: _Around) -> BootTime:
    """A boot that is not known to run, with more of its reports."""
    last = max(boot.last_monotonic_seconds, *(r.monotonic_time_seconds for r in group))
    # What an upload has tied to the collector's time is bounded by the collector's own clock alone.
    latest = around.received_at - last if boot.basis == MONOTONIC else around.latest_epoch(last)
    epoch = boot.epoch_seconds
    if boot.basis == RECEIVED and around.running is None:
        # The shortest wait of a report tells best.
        told = _wall_epoch(group, around)
        if told is not None:
            return dataclasses.replace(_jump(boot, _first_after(boot, group), told), basis=WALL)
        if latest < epoch - REFINE_SECONDS:
            return dataclasses.replace(boot, knots=((0.0, latest),))
        return boot
    if boot.basis == ESTIMATED or (boot.basis == WALL and around.running is None):
        # Where a clock was put right meanwhile, or put back: what is latest and still possible is nearest.
        told = _wall_epoch(_after(boot, group), around)
        if told is not None and told > epoch + (0.0 if boot.basis == ESTIMATED else STEP_SECONDS):
            return dataclasses.replace(_jump(boot, _first_after(boot, group), told), basis=WALL)
    if latest < epoch - REFINE_SECONDS:
        return _squeeze(boot, group, latest, around)
    return boot


def _wall_epoch(group: Sequence[Report], around: _Around) -> float | None:
    """When a boot began, by its own wall clock; None where no time of it can be right."""
    if not group:
        return None
    first = min(r.monotonic_time_seconds for r in group)
    last = max(r.monotonic_time_seconds for r in group)
    latest = around.latest_epoch(last)
    possible = []
    for offset, skew in _candidates(group, around.running):
        epoch = offset - skew
        if epoch + first < around.received_at - OLDEST_SECONDS or epoch > latest + around.ahead_seconds:
            continue
        epoch = min(epoch, latest)
        if around.running is None:
            possible.append(epoch)
        elif around.is_free(epoch + first, epoch + last):
            return epoch
    return max(possible, default=None)


def _candidates(group: Sequence[Report], running: BootTime | None) -> Iterator[tuple[float, float]]:
    """(wall less monotonic time, how wrong the clock is taken to have been), what is most believed first.

    The clock goes on while the power is off: it ended a boot as wrong as it began the next.
    """
    offsets: list[float] = []
    for report in sorted(group, key=lambda r: -r.monotonic_time_seconds):
        offset = report.wall_time_seconds - report.monotonic_time_seconds
        if not offsets or abs(offset - offsets[-1]) > 1.0:
            offsets.append(offset)
    for offset in offsets:
        if running is not None:
            yield offset, running.first_wall_offset_seconds - running.epoch_seconds
        yield offset, 0.0


def _after(boot: BootTime, group: Sequence[Report]) -> list[Report]:
    return [r for r in group if r.monotonic_time_seconds > boot.last_monotonic_seconds]


def _first_after(boot: BootTime, group: Sequence[Report]) -> float:
    return min((r.monotonic_time_seconds for r in _after(boot, group)), default=boot.last_monotonic_seconds)


def _jump(boot: BootTime, first: float, epoch: float) -> BootTime:
    """The same boot, from its monotonic second `first` on with another beginning."""
    end = boot.last_monotonic_seconds
    if first <= end:
        first = end + 1e-3
    kept = [knot for knot in boot.knots if knot[0] < end]
    knots = (*kept, (end, boot.time_at(end)), (first, epoch + first))
    return dataclasses.replace(boot, knots=knots[-MOST_KNOTS:])


def _squeeze(boot: BootTime, group: Sequence[Report], latest_epoch: float, around: _Around) -> BootTime:
    """The same boot, its newest reports drawn together so that they end in time and stay behind those before.

    Where there is no room for one a second (samples of one second would be one to the metric store), its wall clock was
    so far ahead that they lie before those that were placed already, where there is room.
    """
    end = boot.last_monotonic_seconds
    seconds = sorted(r.monotonic_time_seconds for r in _after(boot, group))
    if not seconds:
        return boot
    last, placed = seconds[-1], boot.time_at(end)
    closest = min(after - before for before, after in itertools.pairwise([end, *seconds]))
    for limit in (latest_epoch + last, around.received_at):
        if closest * (limit - placed) >= LEAST_SPACING_SECONDS * (last - end):
            kept = [knot for knot in boot.knots if knot[0] < end]
            knots = (*kept, (end, placed), (last, limit))
            return dataclasses.replace(boot, knots=knots[-MOST_KNOTS:])
    epoch = min(around.earliest_epoch(around.latest_epoch(0.0)), latest_epoch)
    return dataclasses.replace(_jump(boot, seconds[0], epoch), basis=ESTIMATED)


def _with_reports(boot: BootTime, group: Sequence[Report]) -> BootTime:
    """The same boot, with these reports placed."""
    if not group:
        return boot
    earliest = min(group, key=lambda r: r.monotonic_time_seconds)
    first, offset = boot.first_monotonic_seconds, boot.first_wall_offset_seconds
    if earliest.monotonic_time_seconds <= first:
        first = earliest.monotonic_time_seconds
        offset = earliest.wall_time_seconds - first
    last = max(boot.last_monotonic_seconds, *(r.monotonic_time_seconds for r in group))
    return dataclasses.replace(
        boot, first_monotonic_seconds=first, last_monotonic_seconds=last, first_wall_offset_seconds=offset
    )
