"""What each unit lacks: its norm by headcount, less what is usable and what will be replaced anyway. Pure.

Each office (a block of a unit) has a right to so many pieces by its posts. Usable pieces meet that first, a
multifunction device for one of its functions, that of the highest cap first. What the list proposes to replace is
bought there, so it meets the norm here. Pieces whose block nobody states are counted for the offices in turn, because
buying what is at hand wastes money. What then is open is to be added; what is left over is above the norm. Machines for
state-secret work are in neither. Kinds without a rule in `inventory/norms/quantities_*.toml` have no norm to exceed.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from agent.wire.message import Message, mark
from inventory.assessment import Assessment
from inventory.assets import BLOCK_FRONT, BLOCK_PARTY, BLOCK_STATE
from inventory.equipment import equipment_kinds
from inventory.norms import NormConfidence, Norms, PriceCaps, Quantities, QuantityRule
from inventory.staffing.model import PostGroup, Staffing, headcounts

_BLOCK_ORDER = (BLOCK_PARTY, BLOCK_FRONT, BLOCK_STATE, "")
_CONFIDENCE_ORDER: tuple[NormConfidence, ...] = ("low", "medium", "high")
_GOING = frozenset({"replace", "liquidate"})

Office = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Shortage:
    """The balance of one kind of equipment in one block of one unit; a line "bổ sung" where `to_add` is above zero.

    Args:
        unit_code: official code of the commune or ward.
        block: `dang`, `mttq` or `chinh-quyen`; empty for what no block is known of.
        kind: code of `inventory.equipment` of what would be bought.
        norm_quantity: the most pieces that the headcount gives a right to; None where the headcount is not known.
        usable: pieces at hand that are neither broken nor proposed for replacement or liquidation, no secret-work ones.
        to_replace: pieces that the list proposes to replace, each by a new one: they are bought there, not here.
        to_add: pieces to buy besides; None where the headcount is not known, which is not the same as 0.
        surplus: usable pieces above the norm; 0 where it is not known.
        price_cap_vnd: the highest price of one piece; None where the law sets none (Mục C).
        article: norm and article that give the quantity; empty where no norm is known for the day.
        confidence: that of the norm's figures: `high`, `medium` or `low`.
        reasons: how the figures came about, and what is not known.
    """

    unit_code: str
    block: str
    kind: str
    norm_quantity: int | None
    usable: int
    to_replace: int
    to_add: int | None
    surplus: int
    price_cap_vnd: int | None
    article: str
    confidence: NormConfidence
    reasons: tuple[Message, ...]

    @property
    def amount_vnd(self) -> int | None:
        """The most that what is to be added may cost, None without headcount or cap."""
        if self.to_add is None or self.price_cap_vnd is None:
            return None
        return self.to_add * self.price_cap_vnd


@dataclass(frozen=True, slots=True)
class Balance:
    """The offices' equipment against their norms.

    Args:
        shortages: by unit, block and kind, kinds in the order of the norm.
        surplus: (unit, block) -> pieces above the norm by their own kind.
    """

    shortages: tuple[Shortage, ...]
    surplus: dict[Office, Counter[str]]


def shortages(
    judged: Iterable[Assessment], staffing: Iterable[Staffing], norms: Norms, as_of: dt.date
) -> tuple[Shortage, ...]:
    """What each unit lacks of each kind that has a norm; see `balance`."""
    return balance(judged, staffing, norms, as_of).shortages


def balance(judged: Iterable[Assessment], staffing: Iterable[Staffing], norms: Norms, as_of: dt.date) -> Balance:
    """Holds what every office has against what its headcount gives a right to.

    Args:
        judged: all items of the units, whatever their block: those of none are counted too.
        staffing: what surveys said; units without it come out as not known.
        norms: the law; without quantities in force on the day nothing can be said and the balance is empty.
        as_of: the day.
    """
    quantities = norms.quantities_on(as_of)
    if quantities is None:
        return Balance((), {})
    stocks = _stocks(judged)
    counts = headcounts(staffing)
    law = _Law(quantities, norms.price_caps_on(as_of), _worst_confidence(norms, quantities, as_of))
    rows: list[Shortage] = []
    surplus: dict[Office, Counter[str]] = {}
    for unit in sorted({unit for unit, _ in (*stocks, *counts)}):
        accounts = {
            block: _Account(law, counts[unit, block], stocks.get((unit, block), _Stock()))
            for block in _BLOCK_ORDER
            if (unit, block) in counts
        }
        loose = stocks.get((unit, ""), _Stock()) if accounts else _Stock()
        for account in accounts.values():
            account.take_loose(loose)
        for block in _BLOCK_ORDER:
            if (account_of := accounts.get(block)) is not None:
                rows.extend(account_of.rows(unit, block))
                surplus[unit, block] = account_of.surplus
            elif (unit, block) in stocks:
                stock = loose if accounts and not block else stocks[unit, block]
                rows.extend(_unknown(law, unit, block, stock, is_rest=bool(accounts) and not block))
    return Balance(_with_offers(rows), surplus)


@dataclass(slots=True)
class _Stock:
    """Pieces of one office by kind."""

    usable: Counter[str] = field(default_factory=Counter)
    to_replace: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    secret: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Law:
    """What is in force: quantities, caps, and the lowest confidence of what the quantities rest on."""

    quantities: Quantities
    caps: PriceCaps | None
    confidence: NormConfidence

    def rules_of(self, item: str) -> list[QuantityRule]:
        return [rule for rule in self.quantities.rules if rule.item == item]

    def cap(self, item: str, rules: Sequence[QuantityRule]) -> int | None:
        """The lowest cap of these rules; None where one of them is of Mục C, or no cap is known."""
        if any(rule.annex == "C" for rule in rules):
            return None
        general = self.caps.of(equipment_kinds()[item].price_class) if self.caps else None
        known = [rule.price_vnd or (general.price_vnd if general else None) for rule in rules]
        return min((price for price in known if price is not None), default=None)

    def article(self, item: str) -> str:
        articles = dict.fromkeys(rule.article for rule in self.rules_of(item))
        return f"{self.quantities.title}, {'; '.join(articles)}"

    def confidence_of(self, item: str) -> NormConfidence:
        return min((self.confidence, *(rule.confidence for rule in self.rules_of(item))), key=_CONFIDENCE_ORDER.index)


class _Account:
    """The rights of one office, and what has met them so far."""

    def __init__(self, law: _Law, groups: dict[PostGroup, int], stock: _Stock) -> None:
        self._law = law
        self._groups = groups
        self._stock = stock
        self._need = [-(-self._staff(rule) // rule.staff_per_piece) for rule in law.quantities.rules]
        self._open = list(self._need)
        self._loose: Counter[str] = Counter()
        usable, leaving = Counter(stock.usable), Counter(stock.to_replace)
        self._usable = self._meet(usable)
        self._several = self._meet_by_several(usable)
        # A multifunction device above the norm is no surplus: each of its functions would have to be above its own.
        several = {one.kind for one in law.quantities.multifunction}
        self.surplus = Counter(
            {kind: n for kind, n in usable.items() if n and kind not in several and law.quantities.item_of(kind)}
        )
        self._left = _by_item(law, usable)
        self._replaced = self._meet(leaving) + self._meet_by_several(leaving)
        self._replaced_above = _by_item(law, leaving)

    def take_loose(self, loose: _Stock) -> None:
        """Counts pieces of no stated block for what is still open, and takes them out of `loose`."""
        for stock, counted in ((loose.usable, self._usable), (loose.to_replace, self._replaced)):
            met = self._meet(stock) + self._meet_by_several(stock)
            counted.update(met)
            self._loose.update(met)

    def rows(self, unit: str, block: str) -> Iterator[Shortage]:
        """The balance of every kind that has a norm."""
        for item in self._law.quantities.items:
            own = [(rule, index) for index, rule in enumerate(self._law.quantities.rules) if rule.item == item]
            norm = sum(self._need[index] for _, index in own)
            to_add = sum(self._open[index] for _, index in own)
            lacking = [rule for rule, index in own if self._open[index]] or [rule for rule, _ in own]
            surplus = sum(n for kind, n in self.surplus.items() if self._law.quantities.item_of(kind) == item)
            yield Shortage(
                unit_code=unit,
                block=block,
                kind=item,
                norm_quantity=norm,
                usable=self._usable[item] + self._several[item] + self._left[item],
                to_replace=self._replaced[item] + self._replaced_above[item],
                to_add=to_add,
                surplus=surplus,
                price_cap_vnd=self._law.cap(item, lacking),
                article=self._law.article(item),
                confidence=self._law.confidence_of(item),
                reasons=tuple(self._reasons(item, [(rule, self._need[index]) for rule, index in own], norm)),
            )

    def _staff(self, rule: QuantityRule) -> int:
        return sum(self._groups.get(group, 0) for group in rule.post_groups)

    def _meet(self, stock: Counter[str]) -> Counter[str]:
        met: Counter[str] = Counter()
        for index, rule in enumerate(self._law.quantities.rules):
            for kind in rule.met_by:
                met[rule.item] += self._take(index, kind, stock)
        return met

    def _meet_by_several(self, stock: Counter[str]) -> Counter[str]:
        met: Counter[str] = Counter()
        for several in self._law.quantities.multifunction:
            for item in several.functions:
                for index, rule in enumerate(self._law.quantities.rules):
                    if rule.item == item:
                        met[item] += self._take(index, several.kind, stock)
        return met

    def _take(self, index: int, kind: str, stock: Counter[str]) -> int:
        """Meets what is open of a rule with pieces of a kind, and takes them out of the stock."""
        count = min(self._open[index], stock[kind])
        self._open[index] -= count
        stock[kind] -= count
        return count

    def _reasons(self, item: str, rules: Sequence[tuple[QuantityRule, int]], norm: int) -> Iterator[Message]:
        for rule, need in rules:
            if need:
                pattern = mark("{need} for {staff} people of group {groups}: one for every {per}, rounded up.")
                counted = {"need": need, "staff": self._staff(rule), "per": rule.staff_per_piece}
                yield Message(pattern, {**counted, "groups": ", ".join(rule.post_groups)})
        missing = dict.fromkeys(g for rule, _ in rules for g in rule.post_groups if g not in self._groups)
        if missing:
            yield Message(
                mark("No staff of group {groups} is stated in the survey; none is counted."),
                {"groups": ", ".join(missing)},
            )
        if self._several[item]:
            yield Message(
                mark("{count} multifunction devices are counted here, each for one function only."),
                {"count": self._several[item]},
            )
        if self._loose[item]:
            yield Message(
                mark("{count} pieces of no stated block are counted here; state their block in the register."),
                {"count": self._loose[item]},
            )
        if self._replaced_above[item]:
            yield Message(
                mark("{count} of the pieces proposed for replacement are above the norm of {norm}: replace fewer."),
                {"count": self._replaced_above[item], "norm": norm},
            )
        yield from _uncounted(self._law, item, self._stock)


def _stocks(judged: Iterable[Assessment]) -> dict[Office, _Stock]:
    stocks: dict[Office, _Stock] = {}
    for one in judged:
        item = one.item
        stock = stocks.setdefault((item.unit_code, item.block or ""), _Stock())
        if item.is_for_secret_work:
            stock.secret[item.kind] += item.quantity
        elif one.recommendation == "replace":
            stock.to_replace[item.kind] += item.quantity
        elif one.recommendation not in _GOING and not item.is_broken:
            stock.usable[item.kind] += item.quantity
        elif item.is_broken and one.recommendation not in _GOING:
            stock.broken[item.kind] += item.quantity
    return stocks


def _unknown(law: _Law, unit: str, block: str, stock: _Stock, *, is_rest: bool) -> Iterator[Shortage]:
    """What is at hand where no headcount says what is due; of a rest only the kinds of which anything is left."""
    usable, leaving = _by_item(law, stock.usable), _by_item(law, stock.to_replace)
    why = mark("The headcount is not known, so what is lacking is not known either: survey it first.")
    if is_rest:
        why = mark("No block is stated for these pieces, and the blocks surveyed have their norm without them.")
    for item in law.quantities.items:
        if is_rest and not usable[item] and not leaving[item]:
            continue
        yield Shortage(
            unit_code=unit,
            block=block,
            kind=item,
            norm_quantity=None,
            usable=usable[item],
            to_replace=leaving[item],
            to_add=None,
            surplus=0,
            price_cap_vnd=law.cap(item, law.rules_of(item)),
            article=law.article(item),
            confidence=law.confidence_of(item),
            reasons=(Message(why), *_uncounted(law, item, stock)),
        )


def _uncounted(law: _Law, item: str, stock: _Stock) -> Iterator[Message]:
    for pieces, pattern in (
        (stock.broken, mark("{count} broken pieces whose useful life is not known to be over are not counted.")),
        (stock.secret, mark("{count} pieces for state-secret work come on top of the norm and are not counted.")),
    ):
        count = _by_item(law, pieces)[item]
        if count:
            yield Message(pattern, {"count": count})


def _with_offers(rows: Sequence[Shortage]) -> tuple[Shortage, ...]:
    """Adds to each lack how many pieces are above the norm elsewhere, because these come before buying."""
    offered = Counter[str]()
    for row in rows:
        offered[row.kind] += row.surplus
    pattern = mark("{count} usable pieces of this kind are above the norm elsewhere: transfer them before buying.")
    return tuple(
        replace(row, reasons=(*row.reasons, Message(pattern, {"count": offered[row.kind]})))
        if row.to_add and offered[row.kind]
        else row
        for row in rows
    )


def _by_item(law: _Law, pieces: Counter[str]) -> Counter[str]:
    """Pieces by the kind under which the balance shows them."""
    shown: Counter[str] = Counter()
    for kind, count in pieces.items():
        if count:
            shown[law.quantities.item_of(kind)] += count
    return shown


def _worst_confidence(norms: Norms, quantities: Quantities, as_of: dt.date) -> NormConfidence:
    posts = norms.post_groups_on(as_of)
    return min((quantities.confidence, *((posts.confidence,) if posts else ())), key=_CONFIDENCE_ORDER.index)
