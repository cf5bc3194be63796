"""Where reports come to lie in time: single clocks that lie, and whole lives of terminals by hypothesis."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.wire.exchange import Moment
from agent.wire.report import Report
from collector.dating import ESTIMATED, MONOTONIC, RECEIVED, WALL, date_boots, place_in_time

NOW = 1_800_000_000.0
DAY = 86400.0


class Ledger:
    """What the collector remembers of one device, and where it placed each report first."""

    def __init__(self, not_before=0.0):
        self.known, self.not_before, self.placed = {}, not_before, {}

    def upload(self, reports, received_at=NOW, sent=None):
        found = date_boots(self.known, reports, sent, received_at=received_at, not_before=self.not_before)
        self.known |= found
        placed = place_in_time(reports, found, sent, received_at=received_at)
        for one in placed:
            assert one.time_seconds <= received_at
            # The journal keeps the first of two alike.
            self.placed.setdefault((one.report.boot_id, one.report.sequence), one)
        return placed

    def times(self, boot_id):
        return [one.time_seconds for (boot, _), one in sorted(self.placed.items()) if boot == boot_id]


def made(boot_id, sequence, monotonic, wall):
    return Report(1, "d", boot_id, sequence, wall, monotonic)


class TestAgentsThatDoNotTellWhenTheySent:
    def test_a_plausible_clock_is_kept_however_long_the_report_waited(self, report):
        (placed,) = Ledger().upload([report("d", wall=NOW - 30 * DAY)])
        assert (placed.time_seconds, placed.basis) == (NOW - 30 * DAY, WALL)

    @pytest.mark.parametrize("wall", [0.0, 1_230_768_000.0, NOW - 36 * DAY, NOW + 361, NOW + 1e9])
    def test_a_broken_clock_is_replaced_by_the_monotonic_one(self, report, wall):
        # Sequence is the monotonic second in these reports.
        placed = Ledger().upload([report("d", sequence, wall=wall) for sequence in (1, 61, 31)])
        assert [one.time_seconds for one in placed] == [NOW - 60, NOW, NOW - 30]
        assert placed[1].skew_seconds == wall - NOW
        assert placed[1].basis == RECEIVED

    def test_a_clock_a_little_ahead_puts_nothing_into_the_future(self, report):
        (placed,) = Ledger().upload([report("d", 1, wall=NOW + 299)])
        assert (placed.time_seconds, placed.skew_seconds) == (NOW, 299)

    def test_boots_are_counted_back_apart(self, report):
        placed = Ledger().upload([report("d", 500, boot_id="a", wall=0.0), report("d", 2, boot_id="b", wall=0.0)])
        assert [one.time_seconds for one in placed] == [NOW, NOW]

    def test_a_backlog_keeps_its_spacing_in_whatever_order_it_comes(self, report):
        reports = [report("d", sequence, wall=0.0) for sequence in range(1, 301)]
        ledger = Ledger()
        # The newest hundred first, then from the oldest on, as the agent uploads.
        for part in (reports[200:], reports[:100], reports[100:200]):
            ledger.upload(part)
        assert ledger.times("boot-a") == [NOW - 300 + sequence for sequence in range(1, 301)]

    def test_a_clock_ahead_shows_even_in_reports_that_waited(self, report):
        (early, late) = Ledger().upload([report("d", 1, wall=NOW - 3000), report("d", 5001, wall=NOW + 2000)])
        # Made 5,000 s before the newest one: its clock was 2,000 s ahead then already.
        assert (early.time_seconds, late.time_seconds) == (NOW - 5000, NOW)
        assert early.skew_seconds == late.skew_seconds == 2000

    def test_a_clock_put_right_while_it_runs(self):
        """An hour slow for ten minutes, then set: what comes after lies where it belongs, and behind what was there."""
        ledger = Ledger()
        for number in range(1, 21):
            at = NOW + 60 * number
            wall = at - 3600 if number <= 10 else at
            ledger.upload([made("a", number, 60.0 * number, wall)], at)
        assert ledger.times("a")[10:] == [NOW + 60 * number for number in range(11, 21)]
        assert ledger.times("a") == sorted(ledger.times("a"))


class TestTheRunningBoot:
    def test_the_monotonic_clock_decides_whatever_the_wall_clock_says(self):
        """Starts in 2009, is put right, jumps a day ahead and an hour back within one boot."""
        walls = [1.23e9, 1.23e9 + 60, NOW + 120, NOW + DAY + 180, NOW - 3600 + 240]
        reports = [made("a", n + 1, 100.0 + 60 * n, wall) for n, wall in enumerate(walls)]
        placed = Ledger().upload(reports, NOW + 247.0, Moment("a", NOW - 3353, 347.0))
        assert [one.time_seconds for one in placed] == [NOW + 60 * n for n in range(5)]
        assert {one.basis for one in placed} == {MONOTONIC}
        assert [round(one.skew_seconds) for one in placed] == [round(w - NOW - 60 * n) for n, w in enumerate(walls)]

    def test_a_backlog_of_the_running_boot_lies_right_in_any_order(self):
        reports = [made("a", n, 60.0 * n, 60.0 * n) for n in range(1, 300)]
        ledger = Ledger()
        sent = NOW + 20000
        for part in (reports[250:], reports[:100], reports[100:250]):
            ledger.upload(part, sent + 2, Moment("a", 0.0, 20000.0 + sent - NOW - 20000))
            sent += 30
        assert ledger.times("a") == pytest.approx([NOW + 60 * n for n in range(1, 300)], abs=2.01)

    def test_the_quickest_upload_tells_best(self):
        ledger = Ledger()
        ledger.upload([made("a", 1, 60.0, 0.0)], NOW + 60 + 9, Moment("a", 0.0, 60.0))
        ledger.upload([made("a", 2, 120.0, 0.0)], NOW + 120 + 0.1, Moment("a", 0.0, 120.0))
        ledger.upload([made("a", 3, 180.0, 0.0)], NOW + 180 + 25, Moment("a", 0.0, 180.0))
        assert ledger.times("a")[1:] == pytest.approx([NOW + 120.1, NOW + 180.1], abs=0.05)

    @pytest.mark.parametrize("parts_in_a_million", [-80, -30, 30, 80])
    def test_a_clock_that_drifts_for_weeks(self, parts_in_a_million):
        """What a crystal is wrong by adds up to minutes; reports that waited for two days lie between two uploads."""
        ledger, waiting, rate = Ledger(), [], 1.0 + parts_in_a_million * 1e-6
        for sequence, minute in enumerate(range(1, 20 * 1440, 5), 1):
            waiting.append(made("a", sequence, 60.0 * minute * rate, 0.0))
            if minute % 3 == 0 and not 7 * 1440 < minute < 9 * 1440:
                transit = 20.0 if sequence % 40 == 0 else 0.1
                told = Moment("a", 0.0, 60.0 * minute * rate)
                ledger.upload(waiting[-50:], NOW + 60.0 * minute + transit, told)
                ledger.upload(waiting[:-50], NOW + 60.0 * minute + transit, told)
                waiting = []
        expected = [NOW + 60.0 * minute for minute in range(1, 20 * 1440, 5)]
        assert ledger.times("a") == pytest.approx(expected[: len(ledger.times("a"))], abs=1.0)
        assert len(ledger.times("a")) == len(expected) - len(waiting)

    @pytest.mark.parametrize("step", [3600.0, -3600.0, 40 * DAY])
    def test_the_collectors_own_clock_is_set(self, step):
        """Reports follow the collector's clock; what comes after it was set is dated by the clock as it is then."""
        ledger = Ledger()
        for number in range(1, 11):
            received = NOW + 60 * number + (step if number > 5 else 0.0)
            ledger.upload([made("a", number, 60.0 * number, 0.0)], received, Moment("a", 0.0, 60.0 * number))
        expected = [NOW + 60 * n + (step if n > 5 else 0.0) for n in range(1, 11)]
        assert ledger.times("a") == pytest.approx(expected, abs=1.0)

    def test_a_monotonic_clock_that_stood_during_sleep(self):
        """Not every system counts its sleep: from the first upload after it on, times are right again."""
        ledger = Ledger()
        ledger.upload([made("a", 1, 60.0, 0.0)], NOW + 60, Moment("a", 0.0, 60.0))
        ledger.upload([made("a", 2, 120.0, 0.0)], NOW + 8 * 3600 + 120, Moment("a", 0.0, 120.0))
        assert ledger.times("a") == [NOW + 60, NOW + 8 * 3600 + 120]

    def test_two_starts_under_one_name(self):
        ledger = Ledger()
        ledger.upload([made("a", 1, 30000.0, 0.0)], NOW, Moment("a", 0.0, 30000.0))
        ledger.upload([made("a", 2, 60.0, 0.0)], NOW + 5000, Moment("a", 0.0, 60.0))
        assert ledger.times("a") == [NOW, NOW + 5000]


class TestBootsThatEndedUnheard:
    def test_by_their_own_clock_where_it_is_right(self):
        ledger = Ledger()
        sent = Moment("c", NOW, 500.0)
        (placed, _) = ledger.upload([made("b", 1, 60.0, NOW - 3 * DAY), made("c", 1, 499.0, NOW - 1)], NOW, sent)
        assert (placed.time_seconds, placed.basis) == (NOW - 3 * DAY, WALL)

    @pytest.mark.parametrize("skew", [-7 * 3600.0, 7 * 3600.0, -600.0, 40 * 365 * DAY, -9 * 365 * DAY])
    def test_a_clock_that_was_as_wrong_then_as_it_is_now(self, skew):
        """A wrong zone, minutes, or years: the clock went on while the power was off, so its error is known."""
        reports = [made("b", n, 60.0 * n, NOW - DAY + 60 * n + skew) for n in range(1, 6)]
        ledger = Ledger()
        ledger.upload([made("c", 1, 499.0, NOW - 1 + skew)], NOW, Moment("c", NOW + skew, 500.0))
        ledger.upload(reports, NOW + 30, Moment("c", NOW + 30 + skew, 530.0))
        assert ledger.times("b") == [NOW - DAY + 60 * n for n in range(1, 6)]

    def test_where_nothing_but_the_order_is_known(self):
        """The battery is empty: every boot begins in 2009. They come to lie where there is room, one after another."""
        ledger = Ledger(not_before=NOW - 10 * DAY)
        ledger.upload([made("a", 1, 60.0, 1.23e9 + 60)], NOW - 5 * DAY, Moment("a", 1.23e9 + 60, 60.0))
        sent = Moment("d", 1.23e9 + 900, 900.0)
        ledger.upload([made("d", 1, 840.0, 1.23e9 + 840)], NOW, sent)
        # The newest first, as agents send.
        for boot in "cb":
            for part in (range(15, 30), range(1, 15)):
                ledger.upload([made(boot, n, 600.0 * n, 1.23e9 + 600.0 * n) for n in part], NOW, sent)
        whole = ledger.times("a") + ledger.times("b") + ledger.times("c") + ledger.times("d")
        assert whole == sorted(set(whole))
        assert [b - a for a, b in itertools.pairwise(ledger.times("b"))] == [600.0] * 28
        assert {one.basis for (boot, _), one in ledger.placed.items() if boot in "bc"} == {ESTIMATED}
        assert max(whole[:-1]) < NOW - 900

    def test_the_first_boot_ever_lies_after_the_enrolment(self):
        ledger = Ledger(not_before=NOW - 2 * DAY)
        ledger.upload([made("b", 1, 60.0, 0.0)], NOW, Moment("c", 0.0, 900.0))
        assert NOW - 2 * DAY < ledger.times("b")[0] < NOW - 900

    def test_an_impossible_wall_clock_is_not_believed(self):
        """It says that the boot ran while another one did, as uploads have shown."""
        ledger = Ledger(not_before=NOW - 9 * DAY)
        ledger.upload([made("a", n, 600.0 * n, NOW) for n in range(1, 30)], NOW - DAY, Moment("a", NOW, 20000.0))
        sent = Moment("c", NOW, 100.0)
        ledger.upload([made("b", 1, 60.0, NOW - DAY - 9000.0)], NOW, sent)
        assert ledger.placed["b", 1].basis == ESTIMATED
        assert NOW - DAY - 20000 + 29 * 600 < ledger.times("b")[0] < NOW - 100

    def test_a_spool_made_anew_is_the_same_start_of_the_machine(self):
        ledger = Ledger()
        sent = Moment("a.2", NOW - 5, 9000.0)
        ledger.upload([made("a.2", 1, 8990.0, NOW - 15)], NOW, sent)
        ledger.upload([made("a", n, 60.0 * n, NOW - 9005 + 60.0 * n) for n in range(1, 100)], NOW, sent)
        assert ledger.times("a") == [NOW - 9000 + 60 * n for n in range(1, 100)]
        assert ledger.placed["a", 1].basis == MONOTONIC

    def test_a_boot_that_was_heard_keeps_its_time_after_it_ended(self):
        ledger = Ledger()
        ledger.upload([made("a", 1, 60.0, 0.0)], NOW, Moment("a", 0.0, 60.0))
        ledger.upload([made("a", n, 60.0 * n, 7.0) for n in range(2, 50)], NOW + 9000, Moment("b", 0.0, 100.0))
        assert ledger.times("a") == [NOW - 60 + 60 * n for n in range(1, 50)]


@dataclass(frozen=True)
class Made:
    """A report and when it was truly made."""

    report: Report
    true_time: float


@st.composite
def lives(draw):
    """Boots of one terminal: (reports, true beginning), with a wall clock that starts anywhere and jumps."""
    boots = []
    at = NOW
    for number in range(draw(st.integers(1, 5))):
        begin = at + draw(st.floats(30, 3 * DAY))
        kind = draw(st.sampled_from(["right", "reset", "wrong"]))
        offset = {"right": 0.0, "reset": 1.23e9 - begin, "wrong": draw(st.floats(-1e8, 1e8))}[kind]
        reports, monotonic = [], draw(st.floats(1, 60))
        for sequence in range(1, draw(st.integers(1, 40)) + 1):
            if draw(st.integers(0, 15)) == 0:
                offset = draw(st.sampled_from([0.0, 3600.0, -3600.0, -9e8, 1e9]))
            true = begin + monotonic
            reports.append(Made(made(f"boot-{number}", sequence, monotonic, true + offset), true))
            monotonic += draw(st.floats(30, 900))
        at = begin + monotonic
        boots.append((reports, begin))
    return boots


@given(lives(), st.data())
@settings(max_examples=150, deadline=None)
def test_what_any_life_of_a_terminal_comes_to(boots, data):
    """Each report once, in order within its boot, right to a second where an upload covered the boot, never ahead."""
    ledger = Ledger(not_before=NOW)
    covered = set()
    spool = []
    for reports, begin in boots:
        heard = data.draw(st.booleans()) or reports is boots[-1][0]
        spool += reports
        if not heard:
            continue
        boot_id = reports[0].report.boot_id
        last_made = reports[-1].true_time
        covered.add(boot_id)
        # The newest first, down to the oldest, some of it twice.
        size = data.draw(st.integers(1, 30))
        batches = [spool[max(0, end - size) : end] for end in range(len(spool), 0, -size)]
        repeats = data.draw(st.lists(st.sampled_from(batches), max_size=2))
        sent = last_made
        for batch in batches + repeats:
            sent += data.draw(st.floats(0.0, 40.0))
            transit = data.draw(st.floats(0.0, 0.9))
            told = Moment(boot_id, 0.0, sent - begin)
            ledger.upload([one.report for one in batch], sent + transit, told)
            sent += transit
        spool = []
    everything = [one for reports, _ in boots for one in reports]
    assert len(ledger.placed) == len(everything)
    for reports, _ in boots:
        times = [ledger.placed[one.report.boot_id, one.report.sequence].time_seconds for one in reports]
        assert times == sorted(times)
        # To the metric store, samples of one second are one.
        assert len({int(time) for time in times}) == len(times)
        if reports[0].report.boot_id in covered:
            assert [one.true_time for one in reports] == pytest.approx(times, abs=1.0)


@given(lives(), st.data())
@settings(max_examples=100, deadline=None)
def test_in_any_order_at_all(boots, data):
    """Whatever order the batches of the last upload have: all there, none in the future, what is covered right."""
    ledger = Ledger(not_before=NOW)
    everything = [one for reports, _ in boots for one in reports]
    last, begin = boots[-1]
    sent = last[-1].true_time + 5
    for batch in data.draw(st.permutations([everything[start : start + 7] for start in range(0, len(everything), 7)])):
        ledger.upload([one.report for one in batch], sent, Moment(last[0].report.boot_id, 0.0, sent - begin))
    assert len(ledger.placed) == len(everything)
    for one in last:
        assert ledger.placed[one.report.boot_id, one.report.sequence].time_seconds == pytest.approx(
            one.true_time, abs=1.0
        )
