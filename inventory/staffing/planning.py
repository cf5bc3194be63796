"""What importing a survey would do: every row created, updated, unchanged or rejected. Pure; nothing is written."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agent.wire.message import Message, mark
from inventory.norms import PostGroups
from inventory.register.extents import Limits
from inventory.register.reading import read_register_bytes
from inventory.register.rows import RejectedRow, SkippedRow
from inventory.staffing.model import SiteLine, Staffing
from inventory.staffing.reading import SurveyRow, SurveyRows, read_survey
from inventory.units import Unit


@dataclass(frozen=True, slots=True)
class SurveyPlan:
    """The outcome of each row; the four lists together are all rows.

    Args:
        created: rows of offices, posts or sites that were not known.
        updated: rows that change what is known, with what it will be.
        unchanged: rows that say what is known already.
        rejected: rows that cannot be used, with every reason.
        notices: what a person should know: posts that are known and that the survey does not name.
    """

    created: tuple[SurveyRow, ...]
    updated: tuple[SurveyRow, ...]
    unchanged: tuple[SurveyRow, ...]
    rejected: tuple[RejectedRow, ...]
    notices: tuple[Message, ...]

    @property
    def rows(self) -> int:
        """How many rows were judged."""
        return len(self.created) + len(self.updated) + len(self.unchanged) + len(self.rejected)


@dataclass(frozen=True, slots=True)
class PreparedSurvey:
    """What importing a file would do, and all that a person should be told of it.

    Args:
        file_name: for messages.
        sha256: of the file's bytes, in hex.
        plan: what becomes of each row.
        skipped: rows that are none of the survey's.
        notes: on the file, its sheets and columns.
    """

    file_name: str
    sha256: str
    plan: SurveyPlan
    skipped: tuple[SkippedRow, ...]
    notes: tuple[Message, ...]


def prepare_survey(
    data: bytes,
    file_name: str,
    staffing: Iterable[Staffing],
    lines: Iterable[SiteLine],
    *,
    default_unit: Unit | None,
    as_of: dt.date,
    posts: PostGroups,
    limits: Limits | None = None,
) -> PreparedSurvey:
    """Reads, judges and plans; writes nothing.

    Args:
        data: the file's bytes.
        file_name: for messages.
        staffing: what is known of staff.
        lines: what is known of lines.
        default_unit: the unit of rows that name none.
        as_of: the day the survey speaks of.
        posts: which post belongs to which group.
        limits: what the file may be at most.

    Raises:
        UnreadableFileError: the file cannot be used at all.
    """
    file = read_register_bytes(data, file_name, limits)
    rows = read_survey(file, default_unit=default_unit, as_of=as_of, posts=posts)
    plan = plan_survey(rows, staffing, lines)
    return PreparedSurvey(file_name, hashlib.sha256(data).hexdigest(), plan, rows.skipped, rows.notes)


def plan_survey(rows: SurveyRows, staffing: Iterable[Staffing], lines: Iterable[SiteLine]) -> SurveyPlan:
    """Decides for each row what it changes. What is known and not named stays, and is told; a blank changes nothing."""
    known: dict[tuple[str, ...], Staffing | SiteLine] = {one.key: one for one in staffing}
    known.update({one.key: one for one in lines})
    created: list[SurveyRow] = []
    updated: list[SurveyRow] = []
    unchanged: list[SurveyRow] = []
    usable: list[SurveyRow] = [row for row in rows.rows if not isinstance(row, RejectedRow)]
    for row in usable:
        before = known.get(row.value.key)
        after = _merged(before, row.value)
        if before is None:
            created.append(row)
        elif _same(before, after):
            unchanged.append(row)
        else:
            updated.append(replace(row, value=after))  # type: ignore[arg-type]  # each row keeps its own kind of value
    rejected = tuple(row for row in rows.rows if isinstance(row, RejectedRow))
    return SurveyPlan(tuple(created), tuple(updated), tuple(unchanged), rejected, _kept(usable, known.values()))


def _merged(before: Staffing | SiteLine | None, stated: Staffing | SiteLine) -> Staffing | SiteLine:
    if not isinstance(before, SiteLine) or not isinstance(stated, SiteLine):
        return stated
    return SiteLine(
        stated.unit_code,
        stated.as_of,
        stated.site,
        stated.cpe_model or before.cpe_model,
        stated.cpe_serial or before.cpe_serial,
        stated.carrier or before.carrier,
        before.up_kbit_per_second if stated.up_kbit_per_second is None else stated.up_kbit_per_second,
        before.down_kbit_per_second if stated.down_kbit_per_second is None else stated.down_kbit_per_second,
    )


def _same(before: Staffing | SiteLine, after: Staffing | SiteLine) -> bool:
    """Whether nothing but the day and the spelling of names differs; the same file again changes nothing."""
    if isinstance(before, Staffing) and isinstance(after, Staffing):
        return (before.headcount, before.post_group) == (after.headcount, after.post_group)
    return replace(after, as_of=before.as_of, site=before.site) == before


def _kept(rows: Sequence[SurveyRow], known: Iterable[Staffing | SiteLine]) -> tuple[Message, ...]:
    named = {row.value.key for row in rows}
    offices = {(row.value.unit_code, row.value.block) for row in rows if isinstance(row.value, Staffing)}
    pattern = mark(
        "unit {unit}: {count} people of post “{post}” are known from an earlier survey and not in this file; they stay "
        "(state 0 to end that)"
    )
    return tuple(
        Message(pattern, {"unit": one.unit_code, "count": one.headcount, "post": one.post or one.post_group})
        for one in known
        if isinstance(one, Staffing)
        and one.headcount
        and (one.unit_code, one.block) in offices
        and one.key not in named
    )
