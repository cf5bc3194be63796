"""What is proposed for one item, and why. Pure: norms, estimate and day come as arguments."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from agent.wire.message import Message, mark
from inventory.age.dates import add_years
from inventory.age.evidence import AgeEstimate, Decision
from inventory.depreciation import BookValue, book_value, expiry
from inventory.equipment import equipment_kinds
from inventory.items import Item
from inventory.norms import Norms, PriceCap
from inventory.operating_systems import OperatingSystemSupport, Windows11Fitness, support_state, windows_11_fitness
from inventory.overrides import Override, override_sentences
from inventory.recommendation import (
    RECOMMENDATION_LABELS,
    Case,
    LegalBasis,
    Recommendation,
    advise,
    legal_bases,
)

__all__ = ["DECISION_LABELS", "RECOMMENDATION_LABELS", "Assessment", "Recommendation", "assess"]

DECISION_LABELS: dict[Decision, str] = {"yes": mark("yes"), "no": mark("no"), "uncertain": mark("uncertain")}


@dataclass(frozen=True, slots=True)
class Assessment:
    """An item judged on one day.

    Args:
        item: what was judged.
        estimate: when it was made, as far as evidence tells.
        over_10_years: whether it is older than the threshold, or in use for longer.
        years_in_use: whole years; from the register, else from the likeliest day of manufacture.
        years_estimated: whether `years_in_use` is such an estimate.
        expired: whether its useful life by law is over.
        life_years: that useful life, None where no norm is known.
        book: depreciation so far, None where cost, year or life is unknown or it is no fixed asset.
        price_cap: the highest price of one new piece of this kind, None where there is no cap.
        recommendation: what is proposed.
        reasons: why, the weightiest first.
        evidence: every reason for the age, for people.
        remarks: contradictions, and what else a person should look at.
        override: the person's decision that `over_10_years` is, None where it is the evidence's; what the evidence says
            is `estimate.over_10_years` in either case.
        support: the state of its operating system, None for what has none.
        windows_11: whether it can run Windows 11, None for what no person works at.
        legal_basis: the articles that the recommendation rests on.
    """

    item: Item
    estimate: AgeEstimate
    over_10_years: Decision
    years_in_use: int | None
    years_estimated: bool
    expired: Decision
    life_years: int | None
    book: BookValue | None
    price_cap: PriceCap | None
    recommendation: Recommendation
    reasons: tuple[Message, ...]
    evidence: tuple[Message, ...]
    remarks: tuple[Message, ...]
    override: Override | None = None
    support: OperatingSystemSupport | None = None
    windows_11: Windows11Fitness | None = None
    legal_basis: tuple[LegalBasis, ...] = ()

    @property
    def amount_vnd(self) -> int | None:
        """The most that replacing all pieces may cost, None where there is no cap."""
        return None if self.price_cap is None else self.price_cap.price_vnd * self.item.quantity


def assess(
    item: Item,
    estimate: AgeEstimate,
    *,
    norms: Norms,
    as_of: dt.date,
    threshold_years: int = 10,
    override: Override | None = None,
) -> Assessment:
    """Judges one item.

    A terminal is judged by its evidence, in which the register's year is one piece. Equipment without an agent is
    judged by the register alone: by when it was put into use, which is what the books count from. A person's decision
    stands before either; its reasons come first and say what the evidence says.
    """
    if item.device is None:
        # The register bounds when it was made; a likeliest day it does not give.
        estimate = replace(
            estimate, best=None, confidence="low", over_10_years=_over_by_register(item, as_of, threshold_years)
        )
    over = override.decision if override else estimate.over_10_years
    years, estimated = _years_in_use(item, estimate, as_of)
    kind = equipment_kinds()[item.kind]
    expired, life = expiry(
        year=item.year_put_into_use,
        in_use_by=item.device.first_seen if item.device else None,
        life_class=kind.useful_life_class,
        norms=norms,
        as_of=as_of,
    )
    book = _book(item, kind.useful_life_class, norms, as_of)
    caps = norms.price_caps_on(as_of)
    facts = item.device.facts if item.device else {}
    support = support_state(facts, as_of) if item.is_computer else None
    windows_11 = windows_11_fitness(facts) if item.is_work_place else None
    life_years = life.life_years if life else None
    advice = advise(
        Case(
            over=over,
            expired=expired,
            broken=item.is_broken,
            threshold_years=threshold_years,
            life_years=life_years,
            support=support,
            windows_11=windows_11,
            secret=item.is_for_secret_work,
        )
    )
    evidence = tuple(piece.why for piece in estimate.evidence)
    if item.device is None and not evidence:
        evidence = _register_evidence(item)
    return Assessment(
        item=item,
        estimate=estimate,
        over_10_years=over,
        years_in_use=years,
        years_estimated=estimated,
        expired=expired,
        life_years=life_years,
        book=book,
        price_cap=caps.of(kind.price_class) if caps and kind.price_class else None,
        recommendation=advice.recommendation,
        reasons=(
            *(override_sentences(override, estimate.over_10_years, threshold_years) if override else ()),
            *advice.reasons,
        ),
        evidence=evidence,
        remarks=(*_remarks(item), *estimate.contradictions, *(item.device.findings if item.device else ())),
        override=override,
        support=support,
        windows_11=windows_11,
        legal_basis=legal_bases(advice, norms, as_of),
    )


def _over_by_register(item: Item, as_of: dt.date, threshold_years: int) -> Decision:
    """In use for longer than the threshold: the day decides, or the year where only that is stated."""
    threshold = add_years(as_of, -threshold_years)
    day, year = item.put_into_use_on, item.year_put_into_use
    if day is not None:
        return "yes" if day < threshold else "no"
    if year is None or year == threshold.year:
        return "uncertain"
    return "yes" if year < threshold.year else "no"


def _years_in_use(item: Item, estimate: AgeEstimate, as_of: dt.date) -> tuple[int | None, bool]:
    day = item.put_into_use_on
    if day is not None:
        return _whole_years(day, as_of), False
    if item.year_put_into_use is not None:
        return as_of.year - item.year_put_into_use, False
    if estimate.best is not None:
        return _whole_years(estimate.best, as_of), True
    return None, True


def _whole_years(day: dt.date, as_of: dt.date) -> int:
    return max(0, as_of.year - day.year - ((as_of.month, as_of.day) < (day.month, day.day)))


def _book(item: Item, life_class: str, norms: Norms, as_of: dt.date) -> BookValue | None:
    if item.asset is None or item.year_put_into_use is None or not life_class:
        return None
    cost = item.asset.values.original_cost_vnd
    if cost is None:
        return None
    return book_value(cost, item.quantity, item.year_put_into_use, life_class, norms, as_of)


def _register_evidence(item: Item) -> tuple[Message, ...]:
    if item.put_into_use_on is not None:
        return (
            Message(
                mark("The register says that it was put into use on {day}."), {"day": item.put_into_use_on.isoformat()}
            ),
        )
    if item.year_put_into_use is not None:
        year = str(item.year_put_into_use)
        return (Message(mark("The register says that it was put into use in {year}."), {"year": year}),)
    return (Message(mark("The register does not say when it was put into use.")),)


def _remarks(item: Item) -> tuple[Message, ...]:
    remarks = []
    if item.is_for_secret_work:
        remarks.append(
            Message(mark("It is for state-secret work: it stays off the network and comes on top of the norm."))
        )
    elif item.device is None and item.is_computer:
        remarks.append(Message(mark("No agent reports from it; its age is the register's word.")))
    if item.asset is None:
        remarks.append(Message(mark("It is not in the register.")))
    elif item.device is not None and item.device.unit_code != item.asset.values.unit_code:
        remarks.append(
            Message(
                mark("The register has it in unit {register}, it reports from unit {device}."),
                {"register": item.asset.values.unit_code, "device": item.device.unit_code},
            )
        )
    return tuple(remarks)
