"""Links of one site and target taken together: what most of its terminals agree on, and who stands alone."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alerts.minutes import Link
from alerts.state import Subject

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

SITE, TERMINAL, ALONE = "site", "terminal", "alone"


class Group(NamedTuple):
    """One site's links to one target."""

    unit_code: str
    site: str
    target: str


class Grouping(NamedTuple):
    """Links, and the groups that they belong to; each array has one place per link.

    Args:
        links: those that can be judged.
        columns: of each in the window.
        gateways: column of the same terminal's gateway, -1 where it has none.
        of: number of each one's group.
        groups: in the order of their numbers.
    """

    links: Sequence[Link]
    columns: Numbers
    gateways: Numbers
    of: Numbers
    groups: Sequence[Group]

    def only(self, kept: Flags) -> Grouping:
        """The same groups with some of the links."""
        places = np.flatnonzero(kept)
        links = [self.links[at] for at in places.tolist()]
        return Grouping(links, self.columns[places], self.gateways[places], self.of[places], self.groups)

    def sizes(self) -> Numbers:
        """How many links each group has."""
        return np.bincount(self.of, minlength=len(self.groups)).astype(np.int64)

    def sums(self, values: Floats) -> Floats:
        """Of each group."""
        return np.bincount(self.of, values, minlength=len(self.groups)).astype(np.float64)

    def greatest(self, values: Floats) -> Numbers:
        """Place of each group's link with the greatest value, -1 where a group has no link."""
        return self._ranked(values, self.sizes() - 1)

    def agreed(self, badness: Floats) -> Numbers:
        """Place of each group's lower median: more than half of its links are at least as bad. -1 without links."""
        return self._ranked(badness, (self.sizes() - 1) // 2)

    def _ranked(self, values: Floats, ranks: Numbers) -> Numbers:
        sizes = self.sizes()
        order = np.lexsort((values, self.of))
        starts = np.cumsum(sizes) - sizes
        found = np.full(len(sizes), -1, dtype=np.int64)
        there = sizes > 0
        found[there] = order[starts[there] + ranks[there]]
        return found


def grouping(links: Sequence[Link], gateway_target: str, target: str = "") -> Grouping:
    """Links by site and target.

    Args:
        links: of a window's columns.
        gateway_target: the target that is the office's own router.
        target: that one alone; empty: every target.
    """
    gateway = {link.device_id: at for at, link in enumerate(links) if link.target == gateway_target}
    # In an order of their own: links that are equally bad must not take turns by the order in which they came.
    chosen = sorted((at for at, link in enumerate(links) if not target or link.target == target), key=links.__getitem__)
    numbers: dict[tuple[str, ...], int] = {}
    of = [numbers.setdefault(links[at][1:], len(numbers)) for at in chosen]
    return Grouping(
        [links[at] for at in chosen],
        np.array(chosen, dtype=np.int64),
        np.array([gateway.get(links[at].device_id, -1) for at in chosen], dtype=np.int64),
        np.array(of, dtype=np.int64),
        [Group(*group) for group in numbers],
    )


def site_subject(group: Group) -> Subject:
    """A site's links to one target as what an alert is about."""
    return Subject(f"{group.unit_code}/{group.site}/{group.target}", "", group.unit_code, group.site)


def link_subject(link: Link) -> Subject:
    """One terminal's link to one target as what an alert is about."""
    return Subject(f"{link.device_id}/{link.target}", link.device_id, link.unit_code, link.site)


class Judged(NamedTuple):
    """One subject that is to be told of.

    Args:
        subject: a site or a terminal.
        scope: `SITE`; `TERMINAL` = others at its site can be judged too; `ALONE` = none can.
        at: place of the link whose numbers stand for it.
        group: its number.
        terminals: how many of the group can be judged.
        is_bad: whether it is to be warned of.
        is_absorbed: a terminal whose whole site is warned of.
    """

    subject: Subject
    scope: str
    at: int
    group: int
    terminals: int
    is_bad: bool
    is_absorbed: bool = False


def judged(
    seen: Grouping, stands_for: Numbers, bad_groups: Flags, bad_links: Flags, open_subjects: Container[str]
) -> Iterator[Judged]:
    """Every bad site, every bad terminal that its site does not share the trouble of, and all open ones of both.

    Where a single terminal of a site can be judged, the trouble is that terminal's, unless the site is warned of
    already: then it goes on.

    Args:
        seen: the links.
        stands_for: of each group, the place of the link whose numbers are told.
        bad_groups: what a group's links agree on; for one of a single link it has no meaning.
        bad_links: of each link.
        open_subjects: keys of those that are warned of, or nearly.
    """
    sizes = seen.sizes()
    shared = bad_groups & (sizes > 1)
    for number, group in enumerate(seen.groups):
        if sizes[number] == 0:
            continue
        subject = site_subject(group)
        is_open = subject.key in open_subjects
        at = int(stands_for[number])
        if sizes[number] == 1 and is_open:
            shared[number] = bool(bad_links[at])
        if shared[number] or is_open:
            yield Judged(subject, SITE, at, number, int(sizes[number]), bool(shared[number]))
    of, bad = seen.of.tolist(), bad_links.tolist()
    is_shared, counts = shared.tolist(), sizes.tolist()
    for at, link in enumerate(seen.links):
        number = of[at]
        is_bad = bad[at] and not is_shared[number]
        if is_bad or f"{link.device_id}/{link.target}" in open_subjects:
            scope = ALONE if counts[number] == 1 else TERMINAL
            yield Judged(link_subject(link), scope, at, number, counts[number], is_bad, is_shared[number])
