"""What a person decided instead of the computed answer: which item it belongs to, and how it is told. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.wire.message import Message, mark
from inventory.age.evidence import Decision
from inventory.collation import normalise
from inventory.items import Item

SHORTEST_REASON = 10
LONGEST_REASON = 2000

_DECIDED: dict[Decision, str] = {
    "yes": mark("A person decided that it is over {years} years old."),
    "no": mark("A person decided that it is not over {years} years old."),
    "uncertain": mark("A person decided that it stays open whether it is over {years} years old."),
}
_COMPUTED: dict[Decision, str] = {
    "yes": mark("The evidence alone says: over {years} years."),
    "no": mark("The evidence alone says: not over {years} years."),
    "uncertain": mark("The evidence alone leaves it open."),
}


@dataclass(frozen=True, slots=True)
class Override:
    """A decision in force.

    Args:
        asset_id: number of the asset it was made for, None where the item was a terminal alone.
        device_id: identity of the terminal it was made for, None where the item was an asset alone.
        decision: what was decided.
        computed: what the evidence said when it was decided.
        reason: why, in the person's words.
        decided_by: the label of who decided.
        decided_on: the day.
    """

    asset_id: int | None
    device_id: str | None
    decision: Decision
    computed: Decision
    reason: str
    decided_by: str
    decided_on: dt.date


class ReasonError(ValueError):
    """A reason that is too short to be one or too long to be printed; `message` is the sentence for people."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(message.render())


def checked_reason(text: str) -> str:
    """The reason as one line of NFC text without control signs.

    Raises:
        ReasonError: shorter than 10 or longer than 2,000 signs.
    """
    reason = normalise("".join(sign if sign.isprintable() else " " for sign in text))
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        raise ReasonError(
            Message(
                mark("the reason has {length} signs; expected {shortest} to {longest}"),
                {"length": len(reason), "shortest": SHORTEST_REASON, "longest": LONGEST_REASON},
            )
        )
    return reason


class OverrideBook:
    """The decisions in force, found by item.

    A decision on a terminal goes with the terminal, whatever asset it is linked to later. A decision on an asset, or on
    an asset and a terminal that no longer reports, goes with the asset. Of several for one item the newest counts.

    Args:
        overrides: those in force, in the order in which they were made.
        device_ids: identities of all terminals of the list.
    """

    def __init__(self, overrides: Iterable[Override], device_ids: Iterable[str]) -> None:
        known = frozenset(device_ids)
        self._by_device: dict[str, tuple[int, Override]] = {}
        self._by_asset: dict[int, tuple[int, Override]] = {}
        for rank, override in enumerate(overrides):
            if override.device_id is not None and override.device_id in known:
                self._by_device[override.device_id] = (rank, override)
            elif override.asset_id is not None:
                self._by_asset[override.asset_id] = (rank, override)

    def of(self, item: Item) -> Override | None:
        """The decision on this item, None where there is none."""
        found = []
        if item.device is not None and item.device.id in self._by_device:
            found.append(self._by_device[item.device.id])
        if item.asset is not None and item.asset.id in self._by_asset:
            found.append(self._by_asset[item.asset.id])
        return max(found, key=lambda pair: pair[0])[1] if found else None


def override_sentences(override: Override, computed: Decision, threshold_years: int) -> tuple[Message, ...]:
    """What documents say of a decision: what was decided, what the evidence says today, who decided, when and why."""
    years: Mapping[str, int] = {"years": threshold_years}
    told = [
        Message(_DECIDED[override.decision], years),
        Message(_COMPUTED[computed], years),
        Message(
            mark("Decided by {who} on {day}: {reason}"),
            {"who": override.decided_by, "day": override.decided_on.isoformat(), "reason": override.reason},
        ),
    ]
    if computed != override.computed:
        told.append(Message(mark("The evidence has changed since that decision; look at it again.")))
    return tuple(told)
