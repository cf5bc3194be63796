"""What is proposed for transfer: usable pieces above their office's norm, which come before buying elsewhere. Pure."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from agent.wire.message import Message, mark
from inventory.assessment import Assessment
from inventory.norms import Norms
from inventory.recommendation import basis_of
from inventory.shortage import Balance, Shortage


def propose_transfers(
    judged: Sequence[Assessment], balanced: Balance, norms: Norms, as_of: dt.date
) -> tuple[Assessment, ...]:
    """The same assessments in the same order, with what is above an office's norm proposed for transfer.

    Only what would be kept is transferred, the longest in use first; a row of several pieces only as a whole. Never
    machines for state-secret work, what is of no known block, or what has no norm.
    """
    left = {office: Counter(pieces) for office, pieces in balanced.surplus.items()}
    lacking = Counter(row.kind for row in balanced.shortages if row.to_add)
    rows = {(row.unit_code, row.block, row.kind): row for row in balanced.shortages if row.surplus}
    quantities = norms.quantities_on(as_of)
    ground = norms.ground("transfer_surplus", as_of)
    proposed: dict[int, Assessment] = {}
    order = sorted(range(len(judged)), key=lambda index: (-(judged[index].years_in_use or 0), index))
    for index in order:
        one = judged[index]
        office = (one.item.unit_code, one.item.block or "")
        pieces = left.get(office)
        if (
            quantities is None
            or pieces is None
            or one.recommendation != "keep"
            or one.item.is_for_secret_work
            or not 0 < one.item.quantity <= pieces[one.item.kind]
        ):
            continue
        row = rows.get((*office, quantities.item_of(one.item.kind)))
        if row is None:
            continue
        pieces[one.item.kind] -= one.item.quantity
        basis = (basis_of(ground),) if ground else ()
        reasons = (_above_the_norm(row), _who_lacks(lacking[row.kind]), *one.reasons)
        proposed[index] = replace(one, recommendation="transfer", reasons=reasons, legal_basis=basis)
    return tuple(proposed.get(index, one) for index, one in enumerate(judged))


def _above_the_norm(row: Shortage) -> Message:
    return Message(
        mark("Its office has {usable} usable pieces of this kind; the norm by headcount is {norm}."),
        {"usable": row.usable, "norm": row.norm_quantity or 0},
    )


def _who_lacks(offices: int) -> Message:
    if offices:
        return Message(mark("{count} other offices lack this kind."), {"count": offices})
    return Message(mark("No surveyed office lacks this kind; whom it goes to is for the competent authority to say."))
