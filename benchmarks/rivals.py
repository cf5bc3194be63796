"""The alarm rules that people take from other monitoring systems, with their exact defaults.

Each looks at one terminal's probes of the server; a site alarms when any of its terminals does. Sources: Zabbix 6.0
template "ICMP Ping"; ping_exporter rules in use (`rtt > 100`, `loss > 5`, for 5m); Nagios sample
`check_ping!100.0,20%!500.0,60%`, four tries; dpinger/pfSense defaults 200 ms, 10 %; SmokePing's shipped `someloss` and
`rttdetect`; CAIDA's level of 7 ms above the minimum on 15-minute minima of far minus near.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks.scoring import Alarm
from benchmarks.traces import Terminal, Trace

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MILLISECOND = 1000.0
WINDOW_MINUTES = 5
PROMETHEUS_FOR_MINUTES = 5
NAGIOS_CHECK_MINUTES = 5
NAGIOS_TRIES = 4
SMOKEPING_STEP_MINUTES = 5
SMOKEPING_PINGS = 20
SMOKEPING_BETWEEN = 12
RTTDETECT_STEPS = 9
TSLP_BIN_MINUTES = 15
TSLP_HISTORY_BINS = 7 * 96
TSLP_FEWEST_BINS = 8


def loss_ratio(rows: dict[str, Floats]) -> Floats:
    """Return lost / sent of every minute; nan without a report."""
    return 1.0 - rows["received"] / rows["sent"]


def trailing(values: Floats, width: int, fold: Callable[..., Floats]) -> Floats:
    """Return a fold over each minute and the `width - 1` before it, leaving out nan; nan where all are nan."""
    padded = np.concatenate([np.full(width - 1, np.nan), values])
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    result = np.full(values.size, np.nan)
    known = ~np.isnan(windows).all(axis=1)
    result[known] = fold(windows[known], axis=1)
    return result


def average_above(rows: dict[str, Floats], *, limit_milliseconds: float) -> Flags:
    """Return the minutes in which the five-minute average is above a constant: the Telegraf and Grafana habit."""
    return trailing(rows["rtt_mean_us"], WINDOW_MINUTES, np.nanmean) > limit_milliseconds * MILLISECOND


def prometheus(rows: dict[str, Floats]) -> Flags:
    """Return the minutes of `rtt > 100 ms or loss > 5 %`, `for: 5m`."""
    met = (rows["rtt_mean_us"] > 100 * MILLISECOND) | (loss_ratio(rows) > 0.05)
    since = np.zeros(met.size, dtype=int)
    length = 0
    for minute, flag in enumerate(met.tolist()):
        length = length + 1 if flag else 0
        since[minute] = length
    return since > PROMETHEUS_FOR_MINUTES


def zabbix(rows: dict[str, Floats]) -> Flags:
    """Return the minutes of `avg(icmppingsec,5m)>0.15` or `min(icmppingloss,5m)>20` and below 100 %."""
    slow = average_above(rows, limit_milliseconds=150)
    lowest = trailing(loss_ratio(rows), WINDOW_MINUTES, np.nanmin)
    return slow | ((lowest > 0.2) & (lowest < 1.0))


def nagios(rows: dict[str, Floats]) -> Flags:
    """Return the minutes in a hard state of check_ping 100 ms, 20 %: a check in 5 minutes, 4 tries a minute apart."""
    bad = ((rows["rtt_mean_us"] > 100 * MILLISECOND) | (loss_ratio(rows) >= 0.2)).tolist()
    reported = (~np.isnan(rows["sent"])).tolist()
    alarmed = np.zeros(len(bad), dtype=bool)
    tries, next_check, hard = 0, 0, False
    for minute, (is_bad, is_known) in enumerate(zip(bad, reported, strict=True)):
        if not is_known:
            tries, hard = 0, False
        elif minute >= next_check:
            tries = tries + 1 if is_bad else 0
            hard = tries >= NAGIOS_TRIES
            next_check = minute + (1 if 0 < tries < NAGIOS_TRIES else NAGIOS_CHECK_MINUTES)
        alarmed[minute] = hard
    return alarmed


def dpinger(rows: dict[str, Floats]) -> Flags:
    """Return the minutes above 200 ms or 10 % on the average of 60 seconds."""
    return (rows["rtt_mean_us"] > 200 * MILLISECOND) | (loss_ratio(rows) > 0.1)


def smokeping_someloss(rows: dict[str, Floats]) -> Flags:
    """Return the steps that match `>0%,*12*,>0%,*12*,>0%` on 20 pings every 5 minutes."""
    lost, _ = _smokeping_steps(rows)
    matched = np.zeros(lost.size, dtype=bool)
    losses = np.flatnonzero(lost > 0)
    for third, second, first in zip(losses[2:], losses[1:-1], losses[:-2], strict=True):
        matched[third] = third - second <= SMOKEPING_BETWEEN + 1 and second - first <= SMOKEPING_BETWEEN + 1
    return _over_minutes(matched, SMOKEPING_STEP_MINUTES, rows["sent"].size)


def smokeping_rttdetect(rows: dict[str, Floats]) -> Flags:
    """Return the steps that match five medians below 10 ms, one below 100 and three above 100."""
    _, medians = _smokeping_steps(rows)
    matched = np.zeros(medians.size, dtype=bool)
    if medians.size >= RTTDETECT_STEPS:
        windows = np.lib.stride_tricks.sliding_window_view(medians / MILLISECOND, RTTDETECT_STEPS)
        slow = (windows[:, 6:] > 100).all(axis=1)
        matched[RTTDETECT_STEPS - 1 :] = (windows[:, :5] < 10).all(axis=1) & (windows[:, 5] < 100) & slow
    return _over_minutes(matched, SMOKEPING_STEP_MINUTES, rows["sent"].size)


def _smokeping_steps(rows: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Return lost probes and the median of each 5-minute step, from the first rows that hold 20 pings."""
    steps = -(-rows["sent"].size // SMOKEPING_STEP_MINUTES)
    lost, medians = np.zeros(steps), np.full(steps, np.nan)
    sent = np.nan_to_num(_binned(rows["sent"], SMOKEPING_STEP_MINUTES))
    received = np.nan_to_num(_binned(rows["received"], SMOKEPING_STEP_MINUTES))
    values = _binned(rows["rtt_p50_us"], SMOKEPING_STEP_MINUTES)
    used = (np.cumsum(sent, axis=1) - sent < SMOKEPING_PINGS) & (sent > 0)
    lost[:] = np.where(used, sent - received, 0.0).sum(axis=1)
    values = np.where(used, values, np.nan)
    known = ~np.isnan(values).all(axis=1)
    medians[known] = np.nanmedian(values[known], axis=1)
    return lost, medians


def tslp(terminal: Terminal, *, limit_milliseconds: float) -> Flags:
    """Return the 15-minute bins whose minimum of far minus near is above the usual (7 days' p10) by a constant."""
    far = _bin_minimum(terminal.targets["server"]["rtt_min_us"])
    if "gateway" in terminal.targets:
        far = far - _bin_minimum(terminal.targets["gateway"]["rtt_min_us"])
    alarmed = np.zeros(far.size, dtype=bool)
    for number in np.flatnonzero(~np.isnan(far)).tolist():
        history = far[max(0, number - TSLP_HISTORY_BINS) : number]
        history = history[~np.isnan(history)]
        if history.size >= TSLP_FEWEST_BINS:
            alarmed[number] = far[number] > np.percentile(history, 10) + limit_milliseconds * MILLISECOND
    return _over_minutes(alarmed, TSLP_BIN_MINUTES, terminal.targets["server"]["sent"].size)


def _binned(values: Floats, width: int) -> Floats:
    """Return values as one row per bin, the last filled up with nan."""
    short = -values.size % width
    return np.concatenate([values, np.full(short, np.nan)]).reshape(-1, width)


def _bin_minimum(values: Floats) -> Floats:
    bins = _binned(values, TSLP_BIN_MINUTES)
    lowest = np.full(len(bins), np.nan)
    known = ~np.isnan(bins).all(axis=1)
    lowest[known] = np.nanmin(bins[known], axis=1)
    return lowest


def _over_minutes(flags: Flags, width: int, minutes: int) -> Flags:
    return np.repeat(flags, width)[:minutes]


def _on_server(rule: Callable[[dict[str, Floats]], Flags]) -> Callable[[Terminal], Flags]:
    return lambda terminal: rule(terminal.targets["server"])


# Name, rule on one terminal, and the minutes a bin of the rule's clock lasts: it is known only at its end.
RIVALS: dict[str, tuple[Callable[[Terminal], Flags], int]] = {
    "avg(5m) > 100 ms": (_on_server(lambda rows: average_above(rows, limit_milliseconds=100)), 1),
    "Zabbix ICMP Ping": (_on_server(zabbix), 1),
    "Prometheus 100 ms or 5 %, for 5m": (_on_server(prometheus), 1),
    "Nagios 100 ms, 20 %, 4 tries": (_on_server(nagios), 1),
    "dpinger 200 ms, 10 %": (_on_server(dpinger), 1),
    "SmokePing someloss": (_on_server(smokeping_someloss), SMOKEPING_STEP_MINUTES),
    "SmokePing rttdetect": (_on_server(smokeping_rttdetect), SMOKEPING_STEP_MINUTES),
    "TSLP 15-min, + 7 ms": (lambda terminal: tslp(terminal, limit_milliseconds=7), TSLP_BIN_MINUTES),
    "TSLP 15-min, + 20 ms": (lambda terminal: tslp(terminal, limit_milliseconds=20), TSLP_BIN_MINUTES),
}


def alarms_of(name: str, trace: Trace) -> list[Alarm]:
    """Return a rival's alarms on a trace: per site, any terminal; known at the end of the minute or bin."""
    rule, width = RIVALS[name]
    alarms = []
    for site in trace.sites:
        flags = np.zeros(trace.minutes, dtype=bool)
        for terminal in trace.of_site(site):
            if "server" in terminal.targets:
                flags |= rule(terminal)
        edges = np.diff(np.concatenate([[False], flags, [False]]).astype(int))
        for start, end in zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True):
            known = start // width * width + width
            alarms.append(Alarm(site, "", trace.first + start, trace.first + end, trace.first + known))
    return alarms
