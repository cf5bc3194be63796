"""Of half a million readings the rules get the few that they look at, and judge the same."""

from __future__ import annotations

import random

import pytest

from alerts.ports import Inputs
from alerts.rules import SHIPPED_RULES, load_rules
from collector.judging_inputs import newest_of_each
from collector.metrics.port import Reading

NOW = 1_800_000_000


def readings(chance, fields, labels):
    """Readings of a few terminals in any order, each with some of the fields, some from beyond the present."""
    found = []
    for _ in range(300):
        tags = {"province": "40", "unit": "u", "site": "main", "device_id": chance.choice(["a", "b", "c"]), **labels}
        chosen = [name for name in fields if chance.random() < 0.7] or [fields[0]]
        values = {name: chance.choice([0, 1, 5, 40, 120, 1000, 99_000]) for name in chosen}
        found.append(Reading(tags, NOW - chance.randrange(2000), values))
    return found


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", ["device_port_errors", "device_port_slow", "disk_full", "memory_stalled"])
def test_rules_judge_as_if_they_had_all(seed, name):
    condition = load_rules(SHIPPED_RULES)[name].condition
    assert condition.newest_only
    ((measurement, fields),) = condition.reading_fields.items()
    label = {"device_adapter": {"adapter": "eth0"}, "device_filesystem": {"filesystem": "/"}}.get(measurement, {})
    every = readings(random.Random(seed), [*fields, "another"], label)
    few = newest_of_each(every)
    assert len(few) <= 3 * 2 ** (len(fields) + 1)

    def judged(these):
        found = condition.judge(Inputs(readings={measurement: these}), {"a", "b/eth0", "c//"}, float(NOW))
        return sorted((subject.key, observation.level, str(observation.readings)) for subject, observation in found)

    assert judged(few) == judged(every)
