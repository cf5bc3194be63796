"""Line or core: by the edge, by the neighbours' edges, by their number; each alone where the others are missing."""

from __future__ import annotations

import math

import pytest

from alerts.congestion.place import Province, place_of, together
from alerts.congestion.site import View

NOBODY = Province(quorum=False, core_us=math.nan, raised=1, reporting=8)
MANY = NOBODY._replace(quorum=True, raised=6)


def view_of(added=40_000.0, edge=math.nan, *, hot=True, lossy=False):
    return View(added, edge, 8_000.0, hot, lossy, 3, 0, 6.0, False, True, 0.0, 0.0, 2, (None, None))


@pytest.mark.parametrize(
    ("view", "province", "place"),
    [
        (view_of(edge=39_000.0), NOBODY, "access"),
        (view_of(edge=1_000.0), NOBODY, "core"),
        (view_of(edge=-2_000.0), NOBODY, "core"),
        # Both parts: the longer one.
        (view_of(edge=21_000.0), MANY, "access"),
        (view_of(edge=19_000.0), NOBODY, "core"),
        # A site's own edge outvotes any number of sites.
        (view_of(edge=39_000.0), MANY, "access"),
        # Loss without delay: the edge's delay tells nothing.
        (view_of(1_000.0, edge=0.0, lossy=True), NOBODY, "access"),
        (view_of(1_000.0, edge=0.0, lossy=True), MANY, "core"),
        # No edge: what the neighbours see behind theirs must be there and must explain it.
        (view_of(), NOBODY._replace(core_us=38_000.0), "core"),
        (view_of(), NOBODY._replace(core_us=500.0), "access"),
        (view_of(200_000.0), NOBODY._replace(core_us=38_000.0), "access"),
        # Their word is better than the number of sites.
        (view_of(), MANY._replace(core_us=500.0), "access"),
        # No edge anywhere.
        (view_of(), NOBODY, "access"),
        (view_of(), MANY, "core"),
    ],
)
def test_place(view, province, place):
    assert place_of(view, province) == place


def test_what_sites_say_together(parameters):
    terms = parameters.congestion
    quiet = view_of(0.0, hot=False)
    few = together({1: view_of(), 2: view_of(), 3: quiet}, terms)
    assert (few.quorum, few.raised, few.reporting) == (False, 2, 3)
    assert together({n: view_of() for n in range(3)}, terms).quorum
    # Three of eight are less than two fifths.
    assert not together({n: view_of() if n < 3 else quiet for n in range(8)}, terms).quorum
    assert math.isnan(together({1: view_of(edge=1_000.0), 2: view_of()}, terms).core_us)
    both = together({1: view_of(edge=1_000.0), 2: view_of(10_000.0, edge=-500.0), 3: view_of()}, terms)
    # The lower of two: one site's own trouble is not the core's.
    assert both.core_us == 10_000.0
