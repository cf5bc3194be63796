"""The heading of a document: Party or State, chosen by the block whose equipment it lists."""

from __future__ import annotations

import datetime as dt
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import msgspec

from agent.wire.message import Message, Translate, mark
from inventory.export.columns import BLOCK_LABELS
from inventory.norms import NormConfidence

ALL_BLOCKS = "all"

PARTY_TITLE = "ĐẢNG CỘNG SẢN VIỆT NAM"
NATIONAL_TITLE = "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"
NATIONAL_MOTTO = "Độc lập - Tự do - Hạnh phúc"

# Written with a leading zero so that no digit can be put before: days below ten, January and February.
_LAST_PADDED_MONTH = 2


class Heading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who speaks, in which form.

    Args:
        form: `party` or `state`.
        superior: the body above, may be empty.
        issuing: the body whose paper it is.
        place: where it is dated.
        authority: who decides beyond the norm, empty where blocks differ.
        authority_article: where the law says so.
        confidence: of the names.
    """

    form: Literal["party", "state"]
    superior: str
    issuing: str
    place: str
    authority: str
    authority_article: str
    confidence: NormConfidence

    @property
    def right(self) -> tuple[str, ...]:
        """The lines at the top right; the last one is underlined."""
        return (PARTY_TITLE,) if self.form == "party" else (NATIONAL_TITLE, NATIONAL_MOTTO)


def heading_of(block: str | None) -> Heading:
    """The heading for a block (`dang`, `mttq`, `chinh-quyen`), or for all blocks where it is None."""
    return load_headings()[block or ALL_BLOCKS]


@lru_cache(maxsize=1)
def load_headings() -> dict[str, Heading]:
    """All headings by block, from `headings.toml`.

    Raises:
        msgspec.ValidationError: a key is missing, unknown or wrong.
    """
    text = files("inventory.export").joinpath("headings.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Heading])


def block_line(block: str | None, translate: Translate) -> str:
    """Which block a document is for."""
    if block is None:
        return translate(mark("All blocks; each block is decided on by its own authority"))
    return translate(mark("Block: {block}")).format(block=translate(BLOCK_LABELS[block]))


def place_and_date(place: str, day: dt.date, translate: Translate) -> str:
    """The line under the heading, as `Nghệ An, ngày 09 tháng 3 năm 2026`."""
    parameters = {"place": place, **_parts(day)}
    return Message(mark("{place}, day {day} month {month} year {year}"), parameters).render(translate)


def day_in_full(day: dt.date, translate: Translate) -> str:
    """A day in a sentence or a subtitle, as `Tính đến ngày 09 tháng 3 năm 2026`."""
    return Message(mark("As of day {day} month {month} year {year}"), _parts(day)).render(translate)


def _parts(day: dt.date) -> dict[str, str]:
    month = f"{day.month:02}" if day.month <= _LAST_PADDED_MONTH else str(day.month)
    return {"day": f"{day.day:02}", "month": month, "year": str(day.year)}
