"""The same readings end in the same events, in whatever order they came within the hour, and as a replay tells them."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

LEARNING_MINUTES = 125
MINUTES = 240
BATCH_MINUTES = 15
# With the wait for the batch, less than an hour.
DELAY_MOST_MINUTES = 59 - BATCH_MINUTES
FULL = ("gateway", "edge", "server", "mail")

few = settings(
    max_examples=8,
    deadline=None,
    # A smaller province of other noise is no simpler one: shrinking takes minutes and tells nothing.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def plans(draw, small):
    sites = draw(st.integers(2, 3))
    site = st.one_of(st.none(), st.integers(0, sites - 1))
    troubles = draw(
        st.lists(
            st.builds(
                small.Trouble,
                st.sampled_from(
                    [
                        "lan",
                        "access",
                        "core",
                        "path",
                        "outage",
                        "outage_lan",
                        "outage_target",
                        "service",
                        "loss",
                        "large",
                        "off",
                    ]
                ),
                st.integers(LEARNING_MINUTES - 30, MINUTES - 20),
                st.integers(2, 60),
                st.sampled_from([9_000, 15_000, 40_000, 90_000]),
                site,
            ),
            min_size=1,
            max_size=5,
        )
    )
    own = draw(
        st.lists(
            st.builds(
                small.Trouble,
                st.sampled_from(["own", "off"]),
                st.integers(0, MINUTES - 20),
                st.integers(10, 90),
                st.just(60_000),
                site,
                st.just(0),
            ),
            max_size=2,
        )
    )
    targets = st.sampled_from([FULL, FULL, ("gateway", "server"), ("edge", "server"), ("server",), ("gateway", "edge")])
    return small.Plan(
        tuple(draw(st.lists(st.integers(1, 3), min_size=sites, max_size=sites))),
        MINUTES,
        tuple(draw(st.lists(targets, min_size=sites, max_size=sites))),
        (*troubles, *own),
        missing_ratio=draw(st.sampled_from([0.0, 0.03, 0.2])),
        repeats_ratio=draw(st.sampled_from([0.0, 0.05])),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def disordered(small, readings, seed):
    """Minute of arrival -> readings: each late by its own time, some again, handed over every quarter of an hour."""
    dice = np.random.default_rng(seed)
    arrivals = defaultdict(list)
    for one in readings:
        minute = (one.time_seconds - small.START) // small.MINUTE
        for delay in dice.integers(0, DELAY_MOST_MINUTES + 1, 1 + (dice.random() < 0.1)).tolist():
            at = minute + delay
            arrivals[at - at % BATCH_MINUTES + BATCH_MINUTES - 1].append(one)
    return {at: [batch[n] for n in dice.permutation(len(batch))] for at, batch in arrivals.items()}


def unbelievable(small, readings, seed):
    """Minute of arrival -> readings whose clock was wrong, and readings that come when all is settled."""
    dice = np.random.default_rng(seed)
    arrivals = defaultdict(list)
    for number in dice.choice(len(readings), len(readings) // 20, replace=False).tolist():
        one = readings[number]
        minute = (one.time_seconds - small.START) // small.MINUTE
        wrong = int(dice.choice([1_240_000_000, one.time_seconds + 86_400, 2_200_000_000]))
        arrivals[minute].append(small.Stored(one.tags, wrong, one.fields))
        # More probes and longer ways: it would win over the reading that came in time.
        fields = {name: value * 3 if name.endswith("_us") else value for name, value in one.fields.items()}
        late = small.Stored(one.tags, one.time_seconds, fields | {"sent": 20, "received": 11})
        arrivals[minute + 62 + int(dice.integers(0, 90))].append(late)
    return arrivals


@few
@given(data=st.data())
def test_any_order_within_the_hour(data, small, parameters):
    plan = data.draw(plans(small))
    readings = small.readings_of(plan)
    mixed = small.Live(parameters)
    mixed.feed(disordered(small, readings, plan.seed), MINUTES - 1, every=BATCH_MINUTES)
    assert small.told(mixed.events()) == small.replayed(readings, parameters)


@settings(few, max_examples=5)
@given(data=st.data())
def test_minute_by_minute_is_as_the_whole_and_wrong_clocks_change_nothing(data, small, parameters):
    plan = data.draw(plans(small))
    readings = small.readings_of(plan)
    arrivals = small.in_order(readings)
    wrong = unbelievable(small, readings, plan.seed)
    live = small.Live(parameters)
    live.feed(
        {
            minute: [*arrivals.get(minute, ()), *wrong.get(minute, ())]
            for minute in {*arrivals, *wrong}
            if minute < MINUTES
        },
        MINUTES - 1,
        alert_from=LEARNING_MINUTES - 30,
    )
    a, b = small.told(live.events()), small.replayed(readings, parameters)
    assert set(map(str, a)) ^ set(map(str, b)) == set()


def test_such_a_province_has_something_to_tell(small, parameters):
    """The properties above would hold of a detector that never says anything."""
    plan = small.Plan(
        (2, 3, 1),
        MINUTES,
        (FULL, FULL, FULL),
        (
            small.Trouble("path", 128, 100, 15_000, site=1),
            small.Trouble("access", 150, 20, site=0),
            small.Trouble("lan", 150, 20, site=2),
            small.Trouble("core", 190, 20),
            small.Trouble("outage_target", 215, 10),
            small.Trouble("outage", 225, 8, site=1),
            small.Trouble("service", 150, 15),
        ),
    )
    events = small.replayed(small.readings_of(plan), parameters)
    assert {(event.rule, event.place) for event in events} >= {
        ("path_change", "access"),
        ("congestion", "access"),
        ("congestion", "lan"),
        ("congestion", "core"),
        ("outage", "service"),
        ("outage", "access"),
        ("service_slow", "service"),
    }
