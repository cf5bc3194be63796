"""Rounds: every probe gets an outcome, nothing outside the catalogue leaves, facts travel when they are news."""

import threading
import time

import pytest

from agent.admission import NOT_IN_CATALOGUE, NOT_STORABLE, clean_text
from agent.errors import NoDataError, ProbeError
from agent.host import Host
from agent.probes.contract import DAY_SECONDS, Collected, Probe, ProbeContext
from agent.runner import (
    AGAIN_AFTER_FAILURE_SECONDS,
    STILL_HANGING,
    TOOK_TOO_LONG,
    FactLedger,
    Round,
    Runner,
    build_report,
    next_round_at,
    round_offset_seconds,
    stamp_of,
)
from agent.wire.codec import report_from_json, report_to_json
from agent.wire.report import Fact, Sample


def run(host=None, **probes):
    table = {name: item if isinstance(item, Probe) else Probe(item, 2) for name, item in probes.items()}
    return Runner(host or Host(), table, ProbeContext()).round()


def raising(error):
    def collect(host, context):
        raise error

    return collect


def giving(*samples, remark="", **facts):
    return lambda host, context: Collected(list(samples), facts, remark)


def test_every_way_to_end():
    found = run(
        good=giving(Sample("uptime_seconds", 1.0), remark="could be better"),
        nothing=raising(NoDataError("none here")),
        failed=raising(ProbeError("cannot be read")),
        surprised=raising(KeyError("C:\\Users\\Nguyen Van A")),
    )
    outcomes = {item.probe: (item.outcome, item.message) for item in found.outcomes}
    assert outcomes == {
        "good": ("ok", "could be better"),
        "nothing": ("no_data", "none here"),
        "failed": ("error", "cannot be read"),
        "surprised": ("error", "KeyError"),
    }
    assert [outcome.probe for outcome in found.outcomes] == ["good", "nothing", "failed", "surprised"]
    assert found.samples == (Sample("uptime_seconds", 1.0),)


def test_a_deadline_ends_a_run_and_it_is_not_started_again_while_it_hangs():
    release, started = threading.Event(), []

    def hang(host, context):
        started.append(1)
        release.wait(20)
        return Collected([Sample("uptime_seconds", 9.0)])

    runner = Runner(Host(), {"slow": Probe(hang, 0.2), "fast": Probe(giving(), 2)}, ProbeContext())
    begun = time.perf_counter()
    first = runner.round()
    assert time.perf_counter() - begun < 1.5
    assert [(item.outcome, item.message) for item in first.outcomes] == [("timeout", TOOK_TOO_LONG), ("ok", "")]
    assert first.outcomes[0].duration_seconds >= 0.2
    second = runner.round()
    assert (second.outcomes[0].outcome, second.outcomes[0].message) == ("timeout", STILL_HANGING)
    assert second.outcomes[0].duration_seconds > first.outcomes[0].duration_seconds
    assert len(started) == 1
    release.set()
    wait_for(lambda: not any(thread.name == "probe-slow" for thread in threading.enumerate()))
    third = runner.round()
    assert third.outcomes[0].outcome == "ok"
    assert len(started) == 2


def wait_for(condition, seconds=5.0):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.01)


def test_probes_run_side_by_side():
    def nap(host, context):
        time.sleep(0.3)
        return Collected()

    begun = time.perf_counter()
    run(a=nap, b=nap, c=nap)
    assert time.perf_counter() - begun < 0.8


def test_a_stop_ends_a_round():
    release = threading.Event()
    runner = Runner(Host(), {"slow": Probe(lambda host, context: release.wait(20), 20)}, ProbeContext())
    begun = time.perf_counter()
    assert runner.round(lambda: time.perf_counter() - begun > 0.3) is None
    assert time.perf_counter() - begun < 2
    release.set()


@pytest.mark.parametrize(
    ("collected", "problem"),
    [
        (Collected([Sample("secret_words", 1.0)]), NOT_IN_CATALOGUE),
        (Collected([Sample("uptime_seconds", 1.0, {"user": "a"})]), NOT_IN_CATALOGUE),
        (Collected([Sample("link_probes_sent", 1.0)]), NOT_IN_CATALOGUE),
        (Collected([Sample("uptime_seconds", float("nan"))]), NOT_STORABLE),
        (Collected([Sample("uptime_seconds", float("inf"))]), NOT_STORABLE),
        (Collected([Sample("uptime_seconds", True)]), NOT_STORABLE),
        (Collected([Sample("uptime_seconds", "5")]), NOT_STORABLE),
        (Collected([Sample("uptime_seconds", 10**30)]), NOT_STORABLE),
        (Collected(facts={"logged_in_user": "a"}), NOT_IN_CATALOGUE),
        (Collected(facts={"os_name": [{"text": "a"}]}), NOT_IN_CATALOGUE),
        (Collected(facts={"bios": "Dell"}), NOT_IN_CATALOGUE),
        (Collected(facts={"bios": [{"vendor": "Dell", "owner": "a"}]}), NOT_IN_CATALOGUE),
        (Collected(facts={"os_name": b"Debian"}), NOT_STORABLE),
        (Collected(facts={"bios": [{"vendor": object()}]}), NOT_STORABLE),
    ],
)
def test_nothing_outside_the_catalogue_leaves(collected, problem):
    good = Sample("memory_total_bytes", 5)
    both = Collected([*collected.samples, good], dict(collected.facts, os_family="linux"))
    found = run(probe=lambda host, context: both)
    assert (found.outcomes[0].outcome, found.outcomes[0].message) == ("error", problem)
    assert found.samples == (good,)
    assert found.facts == {"os_family": "linux"}


def test_text_is_storable_everywhere():
    found = run(probe=giving(os_name="a\0b\ud800c\n", os_version="x" * 5000))
    assert found.facts["os_name"] == "a b?c"
    assert len(found.facts["os_version"]) == 512
    assert clean_text("Nghệ An ✓") == "Nghệ An ✓"


def test_daily_probes_come_back_after_a_day_and_sooner_after_a_failure(stepped_host):
    fails = [True]

    def sometimes(host, context):
        if fails[0]:
            raise ProbeError("not now")
        return Collected()

    probes = {
        "always": Probe(giving(), 2),
        "daily": Probe(giving(), 2, DAY_SECONDS),
        "sometimes": Probe(sometimes, 2, DAY_SECONDS),
    }
    runner = Runner(stepped_host, probes, ProbeContext())

    def due():
        return [outcome.probe for outcome in runner.round().outcomes]

    assert due() == ["always", "daily", "sometimes"]
    stepped_host.pass_time(60)
    assert due() == ["always"]
    stepped_host.pass_time(AGAIN_AFTER_FAILURE_SECONDS)
    fails[0] = False
    assert due() == ["always", "sometimes"]
    stepped_host.pass_time(DAY_SECONDS - AGAIN_AFTER_FAILURE_SECONDS)
    assert due() == ["always", "daily"]


def test_each_probe_keeps_its_own_memory():
    def remember(host, context):
        context.memory["runs"] = context.memory.get("runs", 0) + 1
        return Collected([Sample("uptime_seconds", context.memory["runs"])])

    runner = Runner(Host(), {"a": Probe(remember, 2), "b": Probe(remember, 2)}, ProbeContext())
    assert [sample.value for sample in runner.round().samples] == [1, 1]
    assert [sample.value for sample in runner.round().samples] == [2, 2]


def test_the_latency_window_may_change_between_rounds():
    seen = []

    def look(host, context):
        seen.append(context.latency_window_seconds)
        return Collected()

    runner = Runner(Host(), {"a": Probe(look, 2)}, ProbeContext(latency_window_seconds=2.0))
    runner.round()
    runner.latency_window_seconds = 30.0
    runner.round()
    assert seen == [2.0, 30.0]


def test_facts_travel_when_new_changed_or_a_day_old():
    ledger = FactLedger()
    facts = {"os_name": "Debian", "bios": [{"vendor": "Dell"}]}
    assert {fact.name for fact in ledger.due(facts, 0.0)} == {"os_name", "bios"}
    # Not kept by the spool: still due.
    assert len(ledger.due(facts, 60.0)) == 2
    ledger.note_sent(ledger.due(facts, 60.0), 60.0)
    assert ledger.due(facts, 120.0) == ()
    changed = dict(facts, os_name="Ubuntu")
    assert ledger.due(changed, 180.0) == (Fact("os_name", "Ubuntu"),)
    ledger.note_sent(ledger.due(changed, 180.0), 180.0)
    assert [fact.name for fact in ledger.due(changed, 60.0 + DAY_SECONDS)] == ["bios"]


def test_offset_is_stable_and_spread():
    assert round_offset_seconds("device-1", 60) == round_offset_seconds("device-1", 60)
    offsets = [round_offset_seconds(f"device-{number}", 60) for number in range(2000)]
    assert all(0 <= offset < 60 for offset in offsets)
    tenths = [sum(1 for offset in offsets if 6 * part <= offset < 6 * part + 6) for part in range(10)]
    assert min(tenths) > 120


@pytest.mark.parametrize("end", [148.7, 149.0, 153.9, 154.1, 156.0, 159.9])
def test_a_round_bears_a_planned_time_whenever_its_last_answer_came(end):
    """Else a terminal whose rounds end near a full minute has two reports in one minute and none in the next."""
    assert stamp_of(100.0, 48.6, 60.0, end) == 148.6


@pytest.mark.parametrize(("end", "stamp"), [(100.2, 100.0), (160.0, 160.0), (5000.0, 5000.0)])
def test_a_round_that_had_nothing_to_measure_or_was_held_up(end, stamp):
    assert stamp_of(100.0, 48.6, 60.0, end) == stamp


def test_a_report_is_stamped_with_both_clocks_of_one_moment(stepped_host):
    report = build_report(
        Round(),
        (),
        host=stepped_host,
        device_id="device-1",
        boot_id="boot",
        sequence=1,
        spool_reports=0,
        spool_dropped_total=0,
        made_at=992.5,
    )
    assert (report.wall_time_seconds, report.monotonic_time_seconds) == (1_799_999_992.5, 992.5)


@pytest.mark.parametrize(("now", "expected"), [(100.0, 117.0), (117.0, 177.0), (118.0, 177.0), (500.0, 537.0)])
def test_rounds_stay_on_the_device_s_grid(now, expected):
    assert next_round_at(100.0, 17.0, 60.0, now) == expected


def test_report_holds_what_was_found(stepped_host):
    found = Round(run(probe=giving(Sample("uptime_seconds", 1.5))).runs)
    report = build_report(
        found,
        (Fact("os_name", "Debian"),),
        host=stepped_host,
        device_id="device-1",
        boot_id="boot",
        sequence=7,
        spool_reports=3,
        spool_dropped_total=2,
    )
    assert (report.wall_time_seconds, report.monotonic_time_seconds) == (1_800_000_000.0, 1_000.0)
    values = {sample.metric: sample.value for sample in report.samples}
    assert values == {"uptime_seconds": 1.5, "spool_reports": 3, "spool_dropped_total": 2}
    assert report_from_json(report_to_json(report)) == report
