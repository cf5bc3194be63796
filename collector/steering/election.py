"""Who probes a site's line: pure. Judged whenever a terminal speaks, for only then can it be told.

A prober and a standby upload each minute, so one that is off is known soon, and a standby that speaks takes its place
with the answer. Who has a role keeps it while it speaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PROBER = "prober"
STANDBY = "standby"
ORDINARY = "ordinary"

# A role changes hands for a better terminal at most so often, and only for one that has worked for a while.
SWAP_SECONDS = 3600.0
PROVED_SECONDS = 600.0
# Who lost a role by falling silent is not preferred for so long.
FLAPPING_SECONDS = 1800.0

_PORTABLE = frozenset({"portable", "laptop", "notebook", "sub notebook", "tablet", "convertible", "detachable"})
_WIRELESS = ("wl", "wi-fi", "wifi", "wireless")
_MAKER_LETTERS = 8


@dataclass(frozen=True, slots=True)
class Traits:
    """What makes a terminal a good prober; None where it is not known.

    Args:
        can_ping: whether it may send ICMP echoes.
        is_portable: whether it is carried about.
        is_wireless: whether it has no cable to the office's network.
        kind: model and maker of the network card: probers of several kinds do not share one fault.
    """

    can_ping: bool | None = None
    is_portable: bool | None = None
    is_wireless: bool | None = None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One terminal of a site.

    Args:
        device_id: names it.
        uploaded_at: its newest upload.
        working_since: first upload of those that followed each other without a long gap.
        traits: as far as its facts tell.
        lost_at: when it last lost a role by falling silent, None if never.
    """

    device_id: str
    uploaded_at: float
    working_since: float
    traits: Traits = Traits()
    lost_at: float | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A role that is held, and since when."""

    role: str
    since: float


@dataclass(frozen=True, slots=True)
class Terms:
    """How many of each, and after how long a silence one of them counts as off."""

    probers: int = 3
    standbys: int = 1
    silent_seconds: float = 90.0


@dataclass(frozen=True, slots=True)
class Change:
    """One terminal's new role, and whether it lost the old one by falling silent."""

    device_id: str
    role: str
    by_silence: bool = False


def elect(
    speaker: Member, members: Iterable[Member], held: Mapping[str, Held], now: float, terms: Terms
) -> list[Change]:
    """What changes at a site as one of its terminals speaks; the speaker's own new role comes first.

    Args:
        speaker: who has just uploaded.
        members: the site's terminals, the speaker among them or not.
        held: roles other than ordinary, of this site.
        now: seconds.
        terms: numbers and times.
    """
    site = _Site(speaker, members, held, now, terms)
    role = held[speaker.device_id].role if speaker.device_id in held else ORDINARY
    if role == PROBER:
        return site.give_up(PROBER, terms.probers)
    vacant = terms.probers - len(site.alive(PROBER))
    ready = [one for one in site.alive(STANDBY) if one != speaker.device_id]
    if vacant > 0 and (role == STANDBY or vacant > len(ready)):
        return [Change(speaker.device_id, PROBER), *site.make_room(PROBER, terms.probers)]
    if role == STANDBY:
        return site.give_up(STANDBY, terms.standbys) or site.swap(PROBER)
    if len(ready) < terms.standbys:
        return [Change(speaker.device_id, STANDBY), *site.make_room(STANDBY, terms.standbys)]
    return site.swap(PROBER) or site.swap(STANDBY)


class _Site:
    """One site as its speaker speaks."""

    def __init__(
        self, speaker: Member, members: Iterable[Member], held: Mapping[str, Held], now: float, terms: Terms
    ) -> None:
        self._speaker = speaker
        self._members = {one.device_id: one for one in members} | {speaker.device_id: speaker}
        self._held = held
        self._now = now
        self._terms = terms

    def holders(self, role: str) -> list[str]:
        """Who has the role, the longest first."""
        found = [device_id for device_id, one in self._held.items() if one.role == role]
        return sorted(found, key=lambda device_id: (self._held[device_id].since, device_id))

    def alive(self, role: str) -> list[str]:
        """Those of them who speak."""
        return [device_id for device_id in self.holders(role) if self._speaks(device_id)]

    def _speaks(self, device_id: str) -> bool:
        member = self._members.get(device_id)
        if member is None:
            return False
        return device_id == self._speaker.device_id or self._now - member.uploaded_at <= self._terms.silent_seconds

    def make_room(self, role: str, most: int) -> list[Change]:
        """Who loses the role to the speaker: who has been silent longest, where there are too many."""
        holders = [device_id for device_id in self.holders(role) if device_id != self._speaker.device_id]
        if len(holders) < most:
            return []
        silent = [device_id for device_id in holders if not self._speaks(device_id)]
        gone = min(silent, key=lambda device_id: (self._uploaded_at(device_id), device_id))
        return [Change(gone, ORDINARY, by_silence=gone in self._members)]

    def _uploaded_at(self, device_id: str) -> float:
        member = self._members.get(device_id)
        return float("-inf") if member is None else member.uploaded_at

    def give_up(self, role: str, most: int) -> list[Change]:
        """The speaker's role, where more of those who speak have it than shall, and it has it least long."""
        alive = self.alive(role)
        return [Change(self._speaker.device_id, ORDINARY)] if self._speaker.device_id in alive[most:] else []

    def swap(self, role: str) -> list[Change]:
        """The speaker takes a role over from one that is less fit for it, where the whole is better for that."""
        if self._now - self._speaker.working_since < PROVED_SECONDS or self._flaps(self._speaker):
            return []
        alive = self.alive(role)
        if any(self._now - self._held[one].since < SWAP_SECONDS and not self._is_flapping(one) for one in alive):
            # One change at a time, and time to see what it was good for.
            alive = [one for one in alive if self._is_flapping(one)]
        best, gone = self._worth(self.alive(role)), None
        for one in alive:
            worth = self._worth([other for other in self.alive(role) if other != one] + [self._speaker.device_id])
            if worth > best:
                best, gone = worth, one
        return [] if gone is None else [Change(self._speaker.device_id, role), Change(gone, ORDINARY)]

    def _worth(self, devices: Sequence[str]) -> tuple[int, int]:
        members = [self._members[device_id] for device_id in devices]
        kinds = {one.traits.kind for one in members if one.traits.kind}
        return sum(fitness(one.traits) - 8 * self._flaps(one) for one in members), len(kinds)

    def _is_flapping(self, device_id: str) -> bool:
        return self._flaps(self._members[device_id])

    def _flaps(self, member: Member) -> bool:
        return member.lost_at is not None and self._now - member.lost_at < FLAPPING_SECONDS


def fitness(traits: Traits) -> int:
    """How good a prober a terminal of these traits is; what is not known stands in the middle."""
    return 4 * _worth_of(traits.can_ping) + _worth_of(_not(traits.is_portable)) + _worth_of(_not(traits.is_wireless))


def _worth_of(known: bool | None) -> int:  # noqa: FBT001 - what is judged
    return 1 if known is None else 2 * known


def _not(known: bool | None) -> bool | None:  # noqa: FBT001 - same
    return None if known is None else not known


def traits_of(facts: Mapping[str, Any]) -> Traits:
    """The traits that a terminal's facts tell."""
    methods = [str(row.get("method")) for row in _rows(facts, "link_method") if row.get("method")]
    cases = [str(row.get("type") or "").lower() for row in _rows(facts, "chassis")]
    cards = [row for row in _rows(facts, "network_adapter") if row.get("physical") is not False]
    linked = [str(row.get("name") or "").lower() for row in cards if row.get("speed_mbps")]
    is_portable = any(case in _PORTABLE for case in cases) if any(cases) else None
    if _rows(facts, "battery"):
        is_portable = True
    system = next(iter(_rows(facts, "system")), {})
    macs = sorted(str(row["mac"]) for row in cards if row.get("mac"))
    parts = [str(system.get(name)) for name in ("manufacturer", "product") if system.get(name)]
    return Traits(
        can_ping=any(method.startswith("icmp") for method in methods) if methods else None,
        is_portable=is_portable,
        is_wireless=all(name.startswith(_WIRELESS) for name in linked) if linked else None,
        kind="|".join([*parts, *(mac[:_MAKER_LETTERS] for mac in macs[:1])]),
    )


def _rows(facts: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = facts.get(name)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
