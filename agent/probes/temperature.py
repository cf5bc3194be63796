"""Temperature of the processor, as the Linux kernel's own drivers of its sensors tell it.

Not of Windows: it has no source that a program without a driver or administrator rights can read, and ACPI zones, which
it shows to administrators, are often a constant that the firmware made up; on Linux they are left out for that too.
"""

from __future__ import annotations

from typing import List, Optional

from agent.errors import NoDataError, ProbeError
from agent.host import WINDOWS, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.report import Sample

# Drivers of sensors inside processors, by the names they give themselves.
_CHIPS = frozenset(
    {"coretemp", "k10temp", "k8temp", "zenpower", "via_cputemp", "cpu_thermal", "soc_thermal", "cpu0_thermal"}
)
_ZONES = ("x86_pkg_temp", "cpu-thermal", "cpu_thermal", "cpu0-thermal", "soc-thermal", "soc_thermal")
# A sensor that is not there, or whose reading is not valid, says 0, 127, 128 or 255, or less than nothing. No processor
# runs on above 120.
_LOWEST_CELSIUS, _HIGHEST_CELSIUS = 1.0, 120.0
# AMD adds up to 27 degrees to this one so that all models' fans follow one curve; the true one is Tdie.
_WITH_OFFSET, _TRUE = "Tctl", "Tdie"

_FILES = "files"


def collect(host: Host, context: ProbeContext) -> Collected:
    """Sample `cpu_temperature_celsius`, that of the hottest sensor.

    Raises:
        NoDataError: this machine shows no sensor of a processor.
        ProbeError: it shows some, and none says anything possible.
    """
    if host.system == WINDOWS:
        raise NoDataError("Windows tells the processor's temperature to no ordinary program")
    files: List[str] = context.memory.setdefault(_FILES, [])
    if not files:
        files.extend(_chip_files(host) or _zone_files(host))
    if not files:
        raise NoDataError("this machine shows no sensor of its processor's temperature")
    values = [value for value in (_celsius(host, name) for name in files) if value is not None]
    if not values:
        # Drivers come and go with the modules of the kernel: their numbers may be others by now.
        files.clear()
        raise ProbeError("the sensors of the processor's temperature say nothing possible")
    return Collected([Sample("cpu_temperature_celsius", max(values))])


def _chip_files(host: Host) -> List[str]:
    files: List[str] = []
    for path in sorted(host.path("/sys/class/hwmon").glob("*/name")):
        folder = f"/sys/class/hwmon/{path.parent.name}"
        if host.text_or_none(f"{folder}/name") not in _CHIPS:
            continue
        inputs = sorted(each.name for each in path.parent.glob("temp*_input"))
        labels = {each: host.text_or_none(f"{folder}/{each[: -len('input')]}label") for each in inputs}
        if _TRUE in labels.values():
            inputs = [each for each in inputs if labels[each] != _WITH_OFFSET]
        files.extend(f"{folder}/{each}" for each in inputs)
    return files


def _zone_files(host: Host) -> List[str]:
    folders = (f"/sys/class/thermal/{path.parent.name}" for path in host.path("/sys/class/thermal").glob("*/type"))
    return sorted(
        f"{folder}/temp" for folder in folders if (host.text_or_none(f"{folder}/type") or "").startswith(_ZONES)
    )


def _celsius(host: Host, name: str) -> Optional[float]:
    """What a sensor says, where that is possible; the kernel counts in thousandths."""
    try:
        value = int(host.text_or_none(name) or "") / 1000
    except ValueError:
        return None
    return round(value, 1) if _LOWEST_CELSIUS <= value <= _HIGHEST_CELSIUS else None
