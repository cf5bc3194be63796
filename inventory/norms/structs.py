"""The parts of norm files, as `inventory.norms` reads them."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from functools import lru_cache
from typing import Literal

import msgspec

from inventory.collation import search_key
from inventory.staffing.model import POST_GROUPS, PostGroup

NormConfidence = Literal["high", "medium", "low"]

_GROUP = re.compile(r"(?:nhom |group )?(vi{1,3})")
_SEVERAL_POSTS = re.compile(r"\bkiêm\b|\bđồng thời\b|[,;/+]", re.IGNORECASE)


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a norm file; a key it does not know is refused."""


class UsefulLifeClass(Strict, frozen=True):
    """A class of assets: its life in years and the share of the original cost charged each year, in per cent."""

    code: str
    life_years: int
    rate_percent: str
    confidence: NormConfidence

    @property
    def rate(self) -> Decimal:
        """The yearly share as a ratio."""
        return Decimal(self.rate_percent) / 100


class FixedAssetTest(Strict, frozen=True):
    """From which original cost on, in đồng, a piece is a fixed asset and depreciated."""

    smallest_cost_vnd: int
    article: str
    confidence: NormConfidence


class Transition(Strict, frozen=True):
    """How assets booked under the norm before go on under this one."""

    rule: Literal["spread_remaining_over_rest_of_new_life"]
    article: str
    confidence: NormConfidence


class UsefulLifeNorm(Strict, frozen=True, rename={"classes": "class"}):
    """Useful lives and depreciation from one financial year on."""

    kind: Literal["useful_life"]
    title: str
    effective_from: dt.date
    first_financial_year: int
    source: str
    article: str
    confidence: NormConfidence
    rounding: Literal["up", "half_up"]
    fixed_asset: FixedAssetTest
    classes: list[UsefulLifeClass]
    note: str = ""
    transition: Transition | None = None

    def of_class(self, code: str) -> UsefulLifeClass | None:
        """The class with this code, if the norm has one."""
        return next((item for item in self.classes if item.code == code), None)


class PriceCap(Strict, frozen=True):
    """The highest price of one piece in đồng, taxes included."""

    code: str
    price_vnd: int
    article: str
    excludes_software: bool


class PriceCaps(Strict, frozen=True, rename={"caps": "cap"}):
    """Highest prices from one day on."""

    kind: Literal["price_caps"]
    title: str
    effective_from: dt.date
    source: str
    article: str
    confidence: NormConfidence
    caps: list[PriceCap]
    note: str = ""

    def of(self, code: str) -> PriceCap | None:
        """The cap with this code, if the norm has one."""
        return next((item for item in self.caps if item.code == code), None)


class QuantityRule(Strict, frozen=True):
    """How many pieces some posts give a right to: one for each full or begun `staff_per_piece` people.

    Args:
        item: kind of equipment that is bought.
        met_by: kinds that meet it.
        post_groups: whose posts are counted.
        staff_per_piece: people to a piece.
        annex: Mục A to D; what Mục C gives has no cap.
        article: where the figure stands.
        confidence: of the figure.
        price_vnd: the cap where it differs from that of the kind.
    """

    item: str
    met_by: list[str]
    post_groups: list[PostGroup]
    staff_per_piece: int
    annex: Literal["A", "B", "C", "D"]
    article: str
    confidence: NormConfidence
    price_vnd: int | None = None


class Multifunction(Strict, frozen=True):
    """A kind that does the work of several; it is counted for one of `functions`, that of the highest cap first."""

    kind: str
    functions: list[str]
    article: str
    confidence: NormConfidence


class Quantities(Strict, frozen=True, rename={"rules": "rule"}):
    """The most pieces of each kind by headcount, from one day on."""

    kind: Literal["quantities"]
    title: str
    effective_from: dt.date
    source: str
    article: str
    confidence: NormConfidence
    rules: list[QuantityRule]
    multifunction: list[Multifunction]
    note: str = ""

    @property
    def items(self) -> tuple[str, ...]:
        """Kinds that have a norm, in the file's order."""
        return tuple(dict.fromkeys(rule.item for rule in self.rules))

    def item_of(self, kind: str) -> str:
        """The item under which a kind is shown: the last it meets, or its function of the highest cap; else empty."""
        met = [rule.item for rule in self.rules if kind in rule.met_by]
        if met:
            return met[-1]
        return next((several.functions[0] for several in self.multifunction if several.kind == kind), "")


class Post(Strict, frozen=True):
    """A post, how surveys write it, and its group; `rank_2026` is its rank by QD 10/2026, as far as it is known."""

    name: str
    aliases: list[str]
    block: str
    group: PostGroup
    rank_2026: str
    confidence: NormConfidence


class PostGroups(Strict, frozen=True, rename={"posts": "post"}):
    """Which post belongs to which group; the office edits this table."""

    kind: Literal["post_groups"]
    title: str
    effective_from: dt.date
    source: str
    article: str
    confidence: NormConfidence
    posts: list[Post]
    note: str = ""

    def group_of(self, text: str) -> PostGroup | None:
        """The group that a survey's words mean (`Nhóm VII`, or a post), None where the table does not know them.

        Where one person holds several posts, as `Bí thư Đảng ủy, Chủ tịch HĐND`, the higher group counts (Điều 3.2).
        """
        if match := _GROUP.fullmatch(search_key(text)):
            return match[1].upper()  # type: ignore[return-value]  # the expression allows these three only
        known = _post_words(tuple((post.group, post.name, *post.aliases) for post in self.posts))
        key = search_key(text)
        if key in known:
            return known[key]
        found = [group for part in _SEVERAL_POSTS.split(text) if (group := _longest(search_key(part), known))]
        return min(found, key=POST_GROUPS.index, default=None)


class Ground(Strict, frozen=True):
    """An article on which a recommendation rests; `says` is an English msgid."""

    code: str
    title: str
    article: str
    effective_from: dt.date
    says: str
    source: str
    confidence: NormConfidence


class Grounds(Strict, frozen=True, rename={"grounds": "ground"}):
    """The articles that recommendations name."""

    kind: Literal["grounds"]
    title: str
    effective_from: dt.date
    source: str
    article: str
    confidence: NormConfidence
    grounds: list[Ground]
    note: str = ""

    def of(self, code: str, day: dt.date) -> Ground | None:
        """The article with this code that was in force on a day, None before the first that is known."""
        fitting = [ground for ground in self.grounds if ground.code == code and ground.effective_from <= day]
        return max(fitting, key=lambda ground: ground.effective_from, default=None)


@lru_cache(maxsize=8)
def _post_words(posts: tuple[tuple[PostGroup, *tuple[str, ...]], ...]) -> dict[str, PostGroup]:
    """Words as `search_key` gives them -> group; each entry is a group and the names of its post."""
    return {search_key(word): post[0] for post in posts for word in post[1:]}


def _longest(key: str, known: dict[str, PostGroup]) -> PostGroup | None:
    fitting = [word for word in known if key == word or key.startswith(f"{word} ")]
    return known[max(fitting, key=len)] if fitting else None
