from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.age.posterior import Observation, grid, log_weights, quantiles, shipped_laws

MONTHS = st.none() | st.floats(-8, 110)
OBSERVATIONS = st.builds(Observation, st.floats(0, 24), st.booleans(), st.booleans(), MONTHS, MONTHS)


@given(OBSERVATIONS, st.floats(-3, 20), st.floats(0, 90))
def test_quantiles_stand_in_order_within_the_cells(observation, first, width):
    cells = grid(first, first + width)
    weights = log_weights(observation, cells, shipped_laws())
    found = quantiles(cells, weights, (0.01, 0.5, 0.99))
    assert all(math.isfinite(value) for value in found)
    assert cells[0] - 0.25 - 1e-9 <= found[0] <= found[1] <= found[2] <= cells[-1] + 0.25 + 1e-9


def test_factory_firmware_and_first_battery_point_at_the_day():
    cells = grid(0, 40)

    def median(firmware, battery):
        observation = Observation(0.0, portable=True, workstation=False, firmware=firmware, battery=battery)
        return quantiles(cells, log_weights(observation, cells, shipped_laws()), (0.5,))[0]

    assert median(20.0, 22.0) == pytest.approx(24, abs=1.5)
    assert median(None, 10.0) == pytest.approx(12, abs=1.5)
    # A firmware of years later says that the machine was updated, no more.
    assert median(70.0, None) == pytest.approx(median(80.0, None), abs=0.5)


def test_learning_and_running_weigh_alike(dumps, as_of):
    numpy = pytest.importorskip("numpy")
    pytest.importorskip("scipy")
    from inventory.age import learning
    from inventory.age.dmidecode import facts_from_dmidecode
    from inventory.age.machine import Machine
    from inventory.age.posterior import observe, origin

    known = []
    for dump in dumps:
        machine = Machine(learning.without_vendor_dates(facts_from_dmidecode(dump["text"])), as_of)
        if origin(machine) is not None and machine.line == "business":
            known.append(
                learning.Known(dump["path"], machine.names, business=True, machine=machine, manufactured=as_of)
            )
    sample = learning.sample_of(known)
    weights = learning.log_weights(shipped_laws(), sample)
    compared = 0
    for row, item in enumerate(known):
        cells = grid(sample.first[row], sample.last[row])
        ours = numpy.array(log_weights(observe(item.machine, origin(item.machine)), cells, shipped_laws()))
        theirs = weights[row][numpy.isin(learning.CELLS, cells)]
        assert len(ours) == len(theirs)
        assert numpy.allclose(ours - ours.max(), theirs - theirs.max(), atol=1e-6)
        compared += 1
    assert compared >= 15
