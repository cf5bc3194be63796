"""Who is told what and when, step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alerts.route import model
from alerts.route.matching import Matcher
from alerts.route.model import QuietHours, Receiver
from alerts.route.schedule import Silence, Window

NIGHT = QuietHours(22 * 60, 6 * 60 + 30)


def silence(matcher, start, end):
    return Silence(1, matcher, start, end, "Lan", "thay cáp")


class TestOneAlert:
    def test_firing_then_resolved_each_once(self, province, start):
        all_of_it = province()
        number = all_of_it.fire(start)
        assert all_of_it.run(start, 1800) == [(1.0, "firing", "it", (number,))]
        all_of_it.resolve(number, start + 1800)
        assert all_of_it.run(start + 1800, 7200) == [(0.25, "resolved", "it", (number,))]
        assert all_of_it.state(number, "it").state == model.DONE

    def test_over_before_it_was_told_is_told_to_nobody_and_says_so(self, province, start):
        all_of_it = province()
        number = all_of_it.fire(start, rule="disk_full", severity="warning")
        all_of_it.tick(start)
        all_of_it.resolve(number, start + 20)
        assert all_of_it.run(start + 20, 600) == []
        assert all_of_it.state(number, "it").cause.kind == model.BY_BREVITY

    @pytest.mark.parametrize(("severity", "minutes"), [("critical", 0.25), ("warning", 1.0), ("info", 10.0)])
    def test_what_is_worse_waits_less(self, province, start, severity, minutes):
        all_of_it = province()
        all_of_it.fire(start, rule="disk_full", severity=severity)
        assert [letter[0] for letter in all_of_it.run(start, 900)] == [minutes]

    def test_an_unknown_severity_is_told_like_a_warning(self, province, start):
        all_of_it = province()
        all_of_it.fire(start, rule="disk_full", severity="disaster")
        assert [letter[0] for letter in all_of_it.run(start, 300)] == [1.0]


class TestGrouping:
    def test_alerts_of_one_unit_and_family_go_together_and_the_next_waits_for_the_interval(self, province, start):
        all_of_it = province()
        one = all_of_it.fire(start, "disk_full", "pc1", "warning", device_id="pc1")
        two = all_of_it.fire(start + 30, "memory_full", "pc2", "warning", device_id="pc2")
        assert all_of_it.run(start + 30, 60) == [(0.5, "firing", "it", (one, two))]
        three = all_of_it.fire(start + 90, "disk_full", "pc3", "warning", device_id="pc3")
        assert all_of_it.run(start + 90, 900) == [(4.5, "firing", "it", (three,))]

    def test_units_and_families_are_told_apart(self, province, start):
        all_of_it = province()
        all_of_it.fire(start, "disk_full", "pc1", "warning", device_id="pc1")
        all_of_it.fire(start, "disk_full", "pc2", "warning", device_id="pc2", unit_code="17827")
        all_of_it.fire(start, "clock_wrong", "pc1", "warning", device_id="pc1")
        all_of_it.fire(start, "terminal_silent", "pc1", "warning", device_id="pc1")
        told = all_of_it.run(start, 300)
        assert sorted(numbers for *_, numbers in told) == [(1, 3), (2,), (4,)]

    def test_ends_go_together_too(self, province, start):
        all_of_it = province()
        numbers = [all_of_it.fire(start, "disk_full", f"pc{n}", "warning", device_id=f"pc{n}") for n in range(3)]
        all_of_it.run(start, 120)
        for late, number in enumerate(numbers):
            all_of_it.resolve(number, start + 200 + 20 * late)
        assert [letter[1:] for letter in all_of_it.run(start + 240, 600)] == [("resolved", "it", (1, 2, 3))]


class TestInhibition:
    def test_an_outage_of_the_site_silences_its_terminals_whoever_comes_first(self, province, start):
        all_of_it = province()
        silent = all_of_it.fire(start, "terminal_silent", "pc1", "info", device_id="pc1")
        all_of_it.tick(start)
        outage = all_of_it.fire(start + 60, "outage", "16681/main")
        elsewhere = all_of_it.fire(start + 60, "terminal_silent", "pc9", "info", device_id="pc9", site="dang-uy")
        told = all_of_it.run(start + 60, 3600)
        assert [letter[3] for letter in told if letter[1] == "firing"] == [(outage,), (elsewhere,)]
        held = all_of_it.state(silent, "it")
        assert (held.state, held.cause.kind) == (model.WITHHELD, model.BY_INHIBITION)

    def test_congestion_of_the_core_absorbs_the_sites(self, province, start):
        all_of_it = province()
        site = all_of_it.fire(start, "congestion", "access/16681/main", "warning", place="access")
        all_of_it.tick(start)
        core = all_of_it.fire(start + 30, "congestion", "core", unit_code="", district="", site="")
        told = all_of_it.run(start + 30, 900)
        assert [letter[3] for letter in told] == [(core,)]
        all_of_it.resolve(site, start + 1000)
        all_of_it.run(start + 1000, 300)
        assert all_of_it.state(site, "it").cause.kind == model.BY_INHIBITION

    def test_a_target_that_stays_after_its_source_ended_is_told(self, province, start):
        all_of_it = province()
        core = all_of_it.fire(start, "congestion", "core", unit_code="", district="", site="")
        site = all_of_it.fire(start, "congestion", "access/16681/main", "warning", place="access")
        all_of_it.run(start, 300)
        all_of_it.resolve(core, start + 300)
        told = all_of_it.run(start + 300, 1200)
        assert [letter[1:] for letter in told] == [("resolved", "it", (core,)), ("firing", "it", (site,))]
        assert 2 <= told[1][0] < 10

    def test_an_office_s_own_network_is_not_explained_by_the_core(self, province, start):
        all_of_it = province()
        core = all_of_it.fire(start, "congestion", "core", unit_code="", district="", site="")
        office = all_of_it.fire(start, "congestion", "lan/16681/main", "warning", place="lan")
        told = {letter[2:] for letter in all_of_it.run(start, 300)}
        assert told == {("it", (core,)), ("it", (office,))}

    def test_a_silent_site_explains_the_outage_it_reports_when_it_is_back(self, province, start):
        all_of_it = province()
        silent = all_of_it.fire(start, "site_silent", "16681/main")
        all_of_it.run(start, 300)
        all_of_it.resolve(silent, start + 300)
        out = all_of_it.fire(start + 300, "outage", "access/16681/main", place="access")
        all_of_it.run(start + 300, 120)
        all_of_it.resolve(out, start + 420)
        told = all_of_it.run(start + 420, 1200)
        assert not [letter for letter in told if out in letter[3]]

    def test_who_is_not_told_of_the_source_is_told_of_the_target(self, province, start):
        commune = Receiver(2, "commune", units=("16681",))
        all_of_it = province(Receiver(1, "it"), commune)
        core = all_of_it.fire(start, "congestion", "core", unit_code="", district="", site="")
        site = all_of_it.fire(start, "congestion", "access/16681/main", place="access")
        told = {letter[2:] for letter in all_of_it.run(start, 300)}
        assert told == {("it", (core,)), ("commune", (site,))}

    def test_the_age_of_a_terminal_is_not_explained_by_an_outage(self, province, start):
        all_of_it = province()
        all_of_it.fire(start, "outage", "16681/main")
        old = all_of_it.fire(start, "device_over_10_years", "pc1", "info", device_id="pc1")
        assert (old,) in [letter[3] for letter in all_of_it.run(start, 1800)]


class TestPeopleSaySo:
    def test_a_silenced_alert_is_told_when_the_silence_ends_if_it_still_fires(self, province, start):
        quiet = silence(Matcher(units=("16681",)), start - 5, start + 1800)
        all_of_it = province(silences=[quiet])
        number = all_of_it.fire(start)
        other = all_of_it.fire(start, "congestion", "17827/main", unit_code="17827")
        told = all_of_it.run(start, 3600)
        assert [(letter[1], letter[3]) for letter in told] == [("firing", (other,)), ("firing", (number,))]
        assert 30 <= told[1][0] <= 31.5

    def test_what_ends_while_silenced_is_never_told_and_keeps_the_reason(self, province, start):
        all_of_it = province(silences=[silence(Matcher(rules=("congest*",)), start, start + 9e4)])
        number = all_of_it.fire(start)
        all_of_it.run(start, 300)
        all_of_it.resolve(number, start + 300)
        assert all_of_it.run(start + 300, 600) == []
        cause = all_of_it.state(number, "it").cause
        assert cause.kind == model.BY_SILENCE
        assert "Lan" in cause.text.render()
        assert "thay cáp" in cause.text.render()

    def test_an_end_is_told_although_a_silence_began_meanwhile(self, province, start):
        all_of_it = province()
        number = all_of_it.fire(start)
        all_of_it.run(start, 120)
        all_of_it.silences.append(silence(Matcher(units=("16681",)), start + 120, start + 9e4))
        all_of_it.resolve(number, start + 200)
        assert [letter[1] for letter in all_of_it.run(start + 200, 300)] == ["resolved"]

    def test_weekly_maintenance_in_the_provinces_time(self, province, at):
        # 2026-03-07 is a Saturday.
        window = Window(1, Matcher(units=("16681",)), 0.0, None, (5,), 22 * 60, 240, "Lan", "sao lưu")
        all_of_it = province(windows=[window])
        number = all_of_it.fire(at("2026-03-07 23:30"))
        assert all_of_it.run(at("2026-03-07 23:30"), 2.4 * 3600, step=60) == []
        assert all_of_it.state(number, "it").cause.kind == model.BY_MAINTENANCE
        (told,) = all_of_it.run(at("2026-03-08 02:00"), 600)
        assert told[1:] == ("firing", "it", (number,))

    def test_acknowledgement_stops_reminders_and_escalation_but_not_the_end(self, province, start):
        boss = Receiver(2, "boss", step=1)
        all_of_it = province(Receiver(1, "it"), boss)
        number = all_of_it.fire(start)
        all_of_it.run(start, 300)
        all_of_it.acknowledge(number)
        assert all_of_it.run(start + 300, 4 * 3600, step=60) == []
        assert all_of_it.state(number, "boss").cause.kind == model.BY_ACKNOWLEDGEMENT
        all_of_it.resolve(number, start + 5 * 3600)
        assert [letter[1:] for letter in all_of_it.run(start + 5 * 3600, 300)] == [("resolved", "it", (number,))]

    def test_an_alert_that_fires_again_needs_an_acknowledgement_of_its_own(self, province, start):
        all_of_it = province(Receiver(1, "it"), Receiver(2, "boss", step=1))
        first = all_of_it.fire(start)
        all_of_it.run(start, 300)
        all_of_it.acknowledge(first)
        all_of_it.resolve(first, start + 400)
        all_of_it.run(start + 400, 300)
        second = all_of_it.fire(start + 1000)
        told = all_of_it.run(start + 1000, 3000, step=60)
        assert [letter[1:] for letter in told] == [("firing", "it", (second,)), ("escalation", "boss", (second,))]


class TestEscalation:
    def test_step_after_step_while_nobody_acknowledges(self, province, start):
        all_of_it = province(Receiver(1, "it"), Receiver(2, "boss", step=1), Receiver(3, "director", step=2))
        number = all_of_it.fire(start)
        told = all_of_it.run(start, 3700, step=60)
        assert [letter[1:3] for letter in told] == [
            ("firing", "it"),
            ("escalation", "boss"),
            ("reminder", "it"),
            ("escalation", "director"),
        ]
        assert [letter[0] for letter in told] == [1, 16, 61, 61]
        all_of_it.resolve(number, start + 4000)
        ends = all_of_it.run(start + 4000, 600)
        assert sorted(letter[1:3] for letter in ends) == [(("resolved"), name) for name in ("boss", "director", "it")]

    def test_over_in_time_is_not_escalated(self, province, start):
        all_of_it = province(Receiver(1, "it"), Receiver(2, "boss", step=1))
        number = all_of_it.fire(start)
        all_of_it.run(start, 300)
        all_of_it.resolve(number, start + 300)
        told = all_of_it.run(start + 300, 3600, step=60)
        assert [letter[1:3] for letter in told] == [("resolved", "it")]

    def test_what_is_withheld_from_the_first_is_not_escalated_to_the_second(self, province, start):
        all_of_it = province(Receiver(1, "it", quiet=NIGHT), Receiver(2, "boss", step=1), rules=province().rules)
        night = start + 14 * 3600
        number = all_of_it.fire(night, "disk_full", "pc1", "warning", device_id="pc1")
        assert all_of_it.run(night, 6 * 3600, step=300) == []
        assert all_of_it.state(number, "boss").cause.kind == model.BY_EARLIER_STEP

    def test_a_step_beyond_the_rules_never_comes_and_says_so(self, province, start):
        all_of_it = province(Receiver(1, "it"), Receiver(9, "nobody", step=5))
        number = all_of_it.fire(start)
        all_of_it.run(start, 300)
        assert all_of_it.state(number, "nobody").state == model.SPARED


class TestQuietHours:
    def test_less_than_critical_waits_for_the_morning_with_its_end(self, province, at):
        all_of_it = province(Receiver(1, "it", quiet=NIGHT))
        late = at("2026-03-02 23:00")
        over = all_of_it.fire(late, "disk_full", "pc1", "warning", device_id="pc1")
        stays = all_of_it.fire(late, "link_loss", "pc2/core", "warning", device_id="pc2")
        critical = all_of_it.fire(late, "outage", "17827/main", unit_code="17827")
        told = all_of_it.run(late, 3600, step=60)
        assert [letter[1:] for letter in told] == [("firing", "it", (critical,))]
        all_of_it.resolve(over, late + 3600)
        all_of_it.acknowledge(critical)
        assert all_of_it.run(late + 3600, 6.4 * 3600, step=300) == []
        told = all_of_it.run(at("2026-03-03 06:30"), 300)
        assert [letter[1:] for letter in told] == [("digest", "it", (over, stays))]
        assert (all_of_it.state(over, "it").state, all_of_it.state(stays, "it").state) == (model.DONE, model.TOLD)

    def test_the_end_of_what_was_told_by_day_goes_into_the_digest(self, province, at):
        all_of_it = province(Receiver(1, "it", quiet=NIGHT))
        evening = at("2026-03-02 21:50")
        number = all_of_it.fire(evening, "disk_full", "pc1", "warning", device_id="pc1")
        all_of_it.run(evening, 300)
        all_of_it.resolve(number, evening + 3600)
        assert all_of_it.run(evening + 3600, 3600, step=60) == []
        told = all_of_it.run(at("2026-03-03 06:30"), 300)
        assert [letter[1:] for letter in told] == [("digest", "it", (number,))]
        assert all_of_it.run(at("2026-03-03 06:40"), 3600, step=60) == []

    def test_the_receivers_own_time_zone_counts(self, province, at):
        far = Receiver(1, "it", quiet=NIGHT, time_zone="Europe/Paris")
        all_of_it = province(far)
        # 23:00 in Vinh is 17:00 in Paris.
        all_of_it.fire(at("2026-03-02 23:00"), "disk_full", "pc1", "warning", device_id="pc1")
        assert len(all_of_it.run(at("2026-03-02 23:00"), 300)) == 1


class TestFlapping:
    def flap(self, all_of_it, start, times=6):
        numbers = []
        for turn in range(times):
            numbers.append(all_of_it.fire(start + turn * 300))
            all_of_it.run(start + turn * 300, 135)
            all_of_it.resolve(numbers[-1], start + turn * 300 + 150)
            all_of_it.run(start + turn * 300 + 150, 135)
        return numbers

    def test_one_notice_then_quiet_until_it_has_settled(self, province, start):
        all_of_it = province()
        numbers = self.flap(all_of_it, start)
        kinds = [(kind, told) for _, kind, _, told in all_of_it.letters]
        assert kinds == [
            *[(kind, (number,)) for number in numbers[:3] for kind in ("firing", "resolved")],
            ("flapping", (numbers[3],)),
        ]
        settled = all_of_it.run(start + 1800, 3 * 3600, step=60)
        assert [letter[1:] for letter in settled] == [("resolved", "it", (numbers[3],))]
        assert all_of_it.state(numbers[5], "it").cause.kind == model.BY_FLAPPING

    def test_settled_while_firing_is_told_as_firing_and_ends_once(self, province, start):
        all_of_it = province()
        self.flap(all_of_it, start)
        stays = all_of_it.fire(start + 1800)
        told = all_of_it.run(start + 1800, 2400, step=60)
        assert told[-1][1] == "firing"
        assert told[-1][3] == (stays,)
        all_of_it.acknowledge(stays)
        all_of_it.resolve(stays, start + 9000)
        ends = all_of_it.run(start + 9000, 4 * 3600, step=60)
        assert [letter[1:] for letter in ends] == [("resolved", "it", (stays,))]
        open_notices = [one for one in all_of_it.notices.values() if one.state not in model.FINAL_STATES]
        assert open_notices == []


def test_a_removed_receiver_is_told_nothing_more(province, start):
    all_of_it = province(Receiver(1, "it"), Receiver(2, "gone"))
    told, fresh = all_of_it.fire(start), None
    all_of_it.run(start, 120)
    fresh = all_of_it.fire(start + 120, "disk_full", "pc1", "warning", device_id="pc1")
    gone = all_of_it.state(fresh, "gone"), all_of_it.state(told, "gone")
    all_of_it.receivers = [one for one in all_of_it.receivers if one.name != "gone"]
    all_of_it.resolve(told, start + 130)
    letters = all_of_it.run(start + 130, 600)
    assert {letter[2] for letter in letters} == {"it"}
    states = [all_of_it.notices[one.id] for one in gone]
    assert [(one.state, one.cause.kind) for one in states] == [
        (model.SPARED, model.BY_REMOVAL),
        (model.DONE, model.BY_REMOVAL),
    ]


def test_severities_that_change_between_two_firings_never_put_an_end_last(province, start):
    all_of_it = province()
    first = all_of_it.fire(start, severity="info")
    all_of_it.run(start, 720)
    all_of_it.resolve(first, start + 720)
    second = all_of_it.fire(start + 730, severity="critical")
    told = all_of_it.run(start + 730, 1800)
    assert told[-1][1:] == ("firing", "it", (second,))
    assert all_of_it.state(first, "it").state in {model.DONE, model.MERGED}
    assert replace(all_of_it.state(first, "it"), id=0).incident_id == first
