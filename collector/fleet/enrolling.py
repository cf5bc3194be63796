"""Makes the terminals of a simulated fleet known to a collector of this machine."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from sqlalchemy import Engine, select

from collector.db.tables import device
from collector.enrolment import create_join_code, enrol
from collector.errors import CollectorError
from collector.fleet.terminal import SimulatedTerminal
from inventory.units import load_units

# Whoever meets one of its terminals in a list sees what it is ("mo phong": simulated).
SITE_PREFIX = "mo-phong-"
_CODE_SECONDS = 3600.0
_LONGEST_UPTIME_SECONDS = 5 * 86_400
_SITES_AT_ONCE = 10
# SQLite looks for its turn at most so seldom: without a gap the collector itself would never get one.
_TURN_SECONDS = 0.15


class RealTerminalsError(CollectorError):
    """A collector that serves real terminals is no place for simulated ones."""


def enrol_fleet(
    engine: Engine, *, terminals: int, sites: int, seed: int, now: float, upload_interval_seconds: float
) -> Iterator[SimulatedTerminal]:
    """The terminals of a new fleet, spread evenly over so many sites of the province's units.

    Raises:
        RealTerminalsError: the registry knows others than simulated terminals.
    """
    with engine.connect().execution_options(read_only=True) as connection:
        if connection.execute(select(device.c.id).where(~device.c.site.startswith(SITE_PREFIX)).limit(1)).first():
            raise RealTerminalsError(
                "this collector knows real terminals; simulate with another and a --state-dir of its own"
            )
    draw = random.Random(seed)  # noqa: S311 - measurements, not secrets
    units = [unit.code for unit in load_units()]
    for start in range(0, sites, _SITES_AT_ONCE):
        # In steps: the collector writes to the same registry meanwhile.
        with engine.begin() as connection:
            made = []
            for number in range(start, min(start + _SITES_AT_ONCE, sites)):
                count = terminals // sites + (number < terminals % sites)
                if not count:
                    continue
                unit_code, site = units[number % len(units)], f"{SITE_PREFIX}{number:04d}"
                code = create_join_code(
                    connection, unit_code=unit_code, site=site, now=now, valid_seconds=_CODE_SECONDS, max_uses=count
                )
                for _ in range(count):
                    joined = enrol(connection, code, now=now)
                    booted_at = now - draw.randrange(3600, _LONGEST_UPTIME_SECONDS)
                    made.append(
                        SimulatedTerminal(
                            joined.device_id,
                            joined.token,
                            unit_code,
                            site,
                            draw.getrandbits(32),
                            booted_at,
                            upload_interval_seconds,
                        )
                    )
        yield from made
        time.sleep(_TURN_SECONDS)
