"""What a survey says: how many people a unit's offices have, and what line each site has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from inventory.collation import search_key

PostGroup = Literal["VI", "VII", "VIII"]
POST_GROUPS: tuple[PostGroup, ...] = ("VI", "VII", "VIII")


@dataclass(frozen=True, slots=True)
class Staffing:
    """How many people of one post an office has.

    Args:
        unit_code: official code of the commune or ward.
        block: `dang`, `mttq` or `chinh-quyen`.
        post_group: the group of QD 15/2025, Annex II, by which equipment is due.
        headcount: biên chế: assigned posts and approved contracts without term.
        as_of: the day the survey speaks of.
        site: the place within the unit, empty where the survey does not tell places apart.
        post: the post as the survey names it; empty where only the group is stated.
    """

    unit_code: str
    block: str
    post_group: PostGroup
    headcount: int
    as_of: dt.date
    site: str = ""
    post: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What may stand once, however it is spelt: unit, site, block, and the post or else the group."""
        return self.unit_code, search_key(self.site), self.block, search_key(self.post or self.post_group)


@dataclass(frozen=True, slots=True)
class SiteLine:
    """The line of one site and the equipment at its end; None is "not stated".

    Args:
        unit_code: official code of the commune or ward.
        as_of: the day the survey speaks of.
        site: the place within the unit, empty where it has only one.
        cpe_model: switch or router at the network's end point (TSLCD).
        cpe_serial: its serial number.
        carrier: who provides the line.
        up_kbit_per_second: capacity from the site.
        down_kbit_per_second: capacity towards the site.
    """

    unit_code: str
    as_of: dt.date
    site: str = ""
    cpe_model: str | None = None
    cpe_serial: str | None = None
    carrier: str | None = None
    up_kbit_per_second: int | None = None
    down_kbit_per_second: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What may stand once, however it is spelt: unit and site."""
        return self.unit_code, search_key(self.site)


class SurveyReader(Protocol):
    """Reads what surveys said."""

    def staffing(self) -> Sequence[Staffing]:
        """All staff, in the order of their keys."""

    def site_lines(self) -> Sequence[SiteLine]:
        """All lines, in the order of their keys."""


def headcounts(staffing: Iterable[Staffing]) -> dict[tuple[str, str], dict[PostGroup, int]]:
    """(unit, block) -> people by post group, all sites together; only what a survey stated is in it."""
    counts: dict[tuple[str, str], dict[PostGroup, int]] = {}
    for one in staffing:
        groups = counts.setdefault((one.unit_code, one.block), {})
        groups[one.post_group] = groups.get(one.post_group, 0) + one.headcount
    return counts
