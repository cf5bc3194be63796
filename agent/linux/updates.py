"""Whether a Linux machine waits for a restart, and when its packages last changed: from files everybody may read."""

from __future__ import annotations

import re
from typing import Iterable, List, Optional, Tuple

from agent.host import Host

PACKAGES, NEWER_KERNEL = "packages", "newer_kernel"

# Written by packages of Debian and Ubuntu that want a restart; gone after it.
_FLAGS = ("/run/reboot-required", "/var/run/reboot-required")
_CHANGED = (
    "/var/lib/dpkg/status",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/var/lib/pacman/local",
    "/lib/apk/db/installed",
)
_CHECKED = (
    "/var/lib/apt/periodic/update-success-stamp",
    "/var/lib/apt/lists/partial",
    "/var/cache/dnf/last_makecache",
    "/var/lib/pacman/sync",
)
_DIGITS = re.compile(r"\d+")
_IMAGE = "vmlinuz-"


def newer_kernel(running: Optional[str], installed: Iterable[str]) -> Optional[bool]:
    """Whether a newer kernel of the running one's flavour is installed; None where the running one is not among them.

    Releases are of one flavour where they differ in their numbers only, as 6.1.0-13-amd64 and 6.1.0-25-amd64.
    """
    releases = list(installed)
    if running is None or running not in releases:
        return None
    flavour = _flavour(running)
    return any(_numbers(release) > _numbers(running) for release in releases if _flavour(release) == flavour)


def restart_reasons(host: Host) -> Tuple[Optional[List[str]], bool]:
    """(why a restart waits, whether the kernels could be compared); None where nothing tells whether one waits."""
    reasons = [PACKAGES] if any(host.exists(name) for name in _FLAGS) else []
    newer = newer_kernel(host.kernel_release(), _installed(host))
    if newer:
        reasons.append(NEWER_KERNEL)
    return (reasons if reasons or newer is not None else None), newer is not None


def last_change_seconds(host: Host) -> Optional[float]:
    """When packages were last installed or removed."""
    return _latest(host, _CHANGED)


def last_check_seconds(host: Host) -> Optional[float]:
    """When the lists of packages were last fetched."""
    return _latest(host, _CHECKED)


def _latest(host: Host, names: Iterable[str]) -> Optional[float]:
    moments = (host.modified_time_seconds(name) for name in names)
    return max((moment for moment in moments if moment is not None), default=None)


def _installed(host: Host) -> List[str]:
    images = [path.name[len(_IMAGE) :] for path in host.path("/boot").glob(_IMAGE + "*")]
    # Fedora and Arch keep an image beside the modules.
    images += [path.parent.name for path in host.path("/usr/lib/modules").glob("*/vmlinuz")]
    return sorted(set(images))


def _flavour(release: str) -> str:
    return _DIGITS.sub("#", release)


def _numbers(release: str) -> List[int]:
    return [int(number) for number in _DIGITS.findall(release)]
