"""One file for each source of age evidence; `SOURCES` names them, the strongest first.

Of two that cannot both be true the one further up is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agent.wire.message import Message, mark
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine
from inventory.age.sources import (
    battery,
    bios_date,
    dell_dates,
    disk_hours,
    first_seen,
    hp_build,
    monitor,
    os_install,
    processor,
    production_window,
    put_into_use,
    samsung_date,
    serial_number,
    series,
    specification,
)

Source = Callable[[Machine], Iterator[Evidence | Message]]

# A source yields evidence, and a message for what it found and could not believe.
SOURCES: dict[str, Source] = {
    dell_dates.SOURCE: dell_dates.evidence,
    samsung_date.SOURCE: samsung_date.evidence,
    serial_number.SOURCE: serial_number.evidence,
    processor.SOURCE: processor.evidence,
    first_seen.SOURCE: first_seen.evidence,
    bios_date.SOURCE: bios_date.evidence,
    production_window.SOURCE: production_window.evidence,
    specification.SOURCE: specification.evidence,
    series.SOURCE: series.evidence,
    hp_build.SOURCE: hp_build.evidence,
    battery.SOURCE: battery.evidence,
    put_into_use.SOURCE: put_into_use.evidence,
    os_install.SOURCE: os_install.evidence,
    disk_hours.SOURCE: disk_hours.evidence,
    monitor.SOURCE: monitor.evidence,
}

# The sources' names in sentences.
TITLES: dict[str, str] = {
    dell_dates.SOURCE: mark("Dell's own date"),
    samsung_date.SOURCE: mark("Samsung's own date"),
    serial_number.SOURCE: mark("The serial number"),
    processor.SOURCE: mark("The processor's first sale"),
    first_seen.SOURCE: mark("The first report to the collector"),
    bios_date.SOURCE: mark("The firmware's date"),
    production_window.SOURCE: mark("The end of production with this processor"),
    specification.SOURCE: mark("The standard followed"),
    series.SOURCE: mark("The series' first sale"),
    hp_build.SOURCE: mark("HP's software build"),
    battery.SOURCE: mark("The battery's date"),
    put_into_use.SOURCE: mark("The register of assets"),
    os_install.SOURCE: mark("The installation of the operating system"),
    disk_hours.SOURCE: mark("The disk's running hours"),
    monitor.SOURCE: mark("The screen's date"),
}
