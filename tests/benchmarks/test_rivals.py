"""The rivals' rules fire when their documentation says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import rivals
from benchmarks.traces import FIELDS, Terminal, Trace


def rows(milliseconds, lost=None, sent=10):
    """One row a minute; None is no report."""
    lost = lost or [0] * len(milliseconds)
    values = np.array([np.nan if one is None else one * 1000.0 for one in milliseconds])
    known = ~np.isnan(values)
    columns = dict.fromkeys(FIELDS, values)
    columns["sent"] = np.where(known, float(sent), np.nan)
    columns["received"] = columns["sent"] - np.array(lost, dtype=float)
    return columns


def minutes(flags):
    return np.flatnonzero(flags).tolist()


def test_the_average_leaves_out_missing_minutes():
    given = rows([20, None, None, 400, 20, 20, 20, 20, 20])
    assert minutes(rivals.average_above(given, limit_milliseconds=100)) == [3, 4, 5, 6]


def test_prometheus_fires_when_the_condition_has_held_for_five_minutes():
    assert minutes(rivals.prometheus(rows([20] + [120] * 8 + [20]))) == [6, 7, 8]
    assert minutes(rivals.prometheus(rows([20] * 9, [0] + [1] * 8))) == [6, 7, 8]


def test_zabbix_takes_the_lowest_loss_of_five_minutes_and_leaves_full_loss_to_another_trigger():
    assert minutes(rivals.zabbix(rows([20] * 8, [0, 3, 3, 3, 3, 3, 0, 0]))) == [5]
    assert minutes(rivals.zabbix(rows([20] * 6, [10] * 6))) == []
    assert minutes(rivals.zabbix(rows([140] * 6))) == []
    assert minutes(rivals.zabbix(rows([160] * 2))) == [0, 1]


def test_nagios_alarms_at_the_fourth_bad_try_and_clears_at_the_next_check():
    assert minutes(rivals.nagios(rows([20] * 5 + [120] * 10 + [20] * 6))) == [8, 9, 10, 11, 12, 13, 14, 15, 16, 17]
    assert minutes(rivals.nagios(rows([20] * 5 + [120] * 3 + [20] * 6))) == []


def test_dpinger_looks_at_single_minutes():
    assert minutes(rivals.dpinger(rows([20, 201, 20, 20], [0, 0, 1, 2]))) == [1, 3]


@pytest.mark.parametrize(("between", "fires"), [(12, True), (13, False)])
def test_someloss_lets_twelve_steps_lie_between_losses(between, fires):
    steps = [0] * 40
    for number in range(3):
        steps[number * (between + 1)] = 1
    lost = [count for step in steps for count in (step, 0, 0, 0, 0)]
    alarmed = minutes(rivals.smokeping_someloss(rows([20] * 200, lost)))
    last = 2 * (between + 1) * 5
    assert alarmed == (list(range(last, last + 5)) if fires else [])


def test_someloss_sees_twenty_pings_of_a_step():
    lost = [0, 0, 1, 1, 1] * 10
    assert minutes(rivals.smokeping_someloss(rows([20] * 50, lost))) == []


def test_rttdetect_needs_a_path_below_ten_milliseconds():
    steps = [5] * 5 + [50] + [150] * 3
    assert minutes(rivals.smokeping_rttdetect(rows(np.repeat(steps, 5).tolist()))) == list(range(40, 45))
    assert minutes(rivals.smokeping_rttdetect(rows(np.repeat([20] * 5 + steps[5:], 5).tolist()))) == []


def test_tslp_compares_far_minus_near_with_the_usual():
    far = [20] * 150 + [29] * 15 + [26] * 15
    terminal = Terminal("a", "a-1", {"server": rows(far), "gateway": rows([2] * 180)})
    assert minutes(rivals.tslp(terminal, limit_milliseconds=7)) == list(range(150, 165))


def test_a_site_alarms_when_any_terminal_does_and_is_known_at_the_end_of_the_minute():
    quiet, loud = rows([20] * 4), rows([20, 300, 300, 20])
    terminals = [Terminal("a", "a-1", {"server": quiet}), Terminal("a", "a-2", {"server": loud})]
    (alarm,) = rivals.alarms_of("dpinger 200 ms, 10 %", Trace(1000, 4, terminals))
    assert (alarm.site, alarm.start, alarm.end, alarm.fired) == ("a", 1001, 1003, 1002)


@pytest.mark.parametrize("name", list(rivals.RIVALS))
def test_no_rule_alarms_on_a_quiet_line(name):
    quiet = Terminal("a", "a-1", {"server": rows([20] * 300), "gateway": rows([1] * 300)})
    assert rivals.alarms_of(name, Trace(0, 300, [quiet])) == []
