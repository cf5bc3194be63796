"""What is proposed for one item, with its reasons and the articles they rest on. Pure.

The legal test for replacing is whether the piece qualifies for liquidation (its useful life is over, or it is beyond
repair); being over ten years old is a flag for priority. A system without updates is a reason to act, never a ground
by itself: it moves what may be replaced up, and what may not be replaced to an upgrade or to a person.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Literal

from agent.wire.message import Message, mark
from inventory.age.evidence import Decision
from inventory.norms import Ground, NormConfidence, Norms, UsefulLifeNorm
from inventory.operating_systems import OperatingSystemSupport, Windows11Fitness

Recommendation = Literal["keep", "upgrade", "transfer", "replace", "liquidate", "verify"]

RECOMMENDATION_LABELS: dict[Recommendation, str] = {
    "keep": mark("keep"),
    "upgrade": mark("upgrade"),
    "transfer": mark("transfer"),
    "replace": mark("replace"),
    "liquidate": mark("liquidate"),
    "verify": mark("verify"),
}


@dataclass(frozen=True, slots=True)
class LegalBasis:
    """An article that a recommendation rests on.

    Args:
        code: of the ground in `inventory/norms/grounds.toml`, or `useful_life`.
        title: the law's name.
        article: where in it.
        says: what it says in this matter.
        confidence: how sure the article's text is.
    """

    code: str
    title: str
    article: str
    says: Message
    confidence: NormConfidence


@dataclass(frozen=True, slots=True)
class Case:
    """What a recommendation is made from.

    Args:
        over: whether it is older than the threshold.
        expired: whether its useful life by law is over.
        broken: whether the register calls it broken.
        threshold_years: of `over`.
        life_years: the useful life, None where no norm is known.
        support: the state of its operating system, None for what has none.
        windows_11: whether it can run Windows 11, None for what is no work place.
        secret: whether it is for state-secret work.
    """

    over: Decision
    expired: Decision
    broken: bool
    threshold_years: int
    life_years: int | None
    support: OperatingSystemSupport | None = None
    windows_11: Windows11Fitness | None = None
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation, its reasons (the weightiest first) and codes of the grounds it rests on."""

    recommendation: Recommendation
    reasons: tuple[Message, ...]
    grounds: tuple[str, ...] = ()


def advise(case: Case) -> Advice:
    """The recommendation for one item, judged alone; what its unit has too much of is for `inventory.shortage`."""
    advice = _judged(case, _known(case))
    return replace(advice, grounds=(*advice.grounds, "secret_work_apart")) if case.secret else advice


def _judged(case: Case, known: tuple[Message, ...]) -> Advice:
    if case.broken:
        return _broken(case, known)
    if case.over == "yes":
        return _old(case, known)
    if case.support is not None and case.support.state == "out_of_support":
        advice = _unsupported(case, case.support, known)
        if advice is not None:
            return advice
    if case.over == "uncertain":
        return Advice("verify", known)
    if case.expired == "yes":
        stays = Message(mark("What is expired and still usable stays in use and on the books."))
        return Advice("keep", (*known, stays), ("expired_stays_in_use",))
    return Advice("keep", known)


def legal_bases(advice: Advice, norms: Norms, as_of: dt.date) -> tuple[LegalBasis, ...]:
    """The articles of an advice that were in force on the day, the useful life's own norm after them."""
    found = [ground for code in advice.grounds if (ground := norms.ground(code, as_of))]
    bases = [basis_of(ground) for ground in found]
    life = norms.useful_life_on(as_of)
    if life is not None and {"liquidate_expired", "expired_stays_in_use"} & set(advice.grounds):
        bases.append(_life_basis(life))
    return tuple(bases)


def basis_of(ground: Ground) -> LegalBasis:
    """A ground of the norm files as a basis."""
    return LegalBasis(ground.code, ground.title, ground.article, Message(ground.says), ground.confidence)


def _life_basis(norm: UsefulLifeNorm) -> LegalBasis:
    says = Message(mark("Useful lives and rates of depreciation."))
    return LegalBasis("useful_life", norm.title, norm.article, says, norm.confidence)


_CAN_BE_LIQUIDATED = ("replace_when_liquidated", "liquidate_expired", "life_is_the_test")


def _known(case: Case) -> tuple[Message, ...]:
    reasons = []
    if case.over == "yes":
        reasons.append(Message(mark("It is over {years} years old."), {"years": case.threshold_years}))
    if case.over == "uncertain":
        reasons.append(
            Message(mark("Whether it is over {years} years old is not certain."), {"years": case.threshold_years})
        )
    if case.expired == "yes" and case.life_years is not None:
        reasons.append(Message(mark("Its useful life of {years} years is over."), {"years": case.life_years}))
    if case.broken:
        reasons.append(Message(mark("The register calls it broken.")))
    if case.support is not None and case.support.state != "supported" and case.support.ends is not None:
        reasons.extend(case.support.messages)
        if case.windows_11 is not None and case.windows_11.failing:
            reasons.extend(case.windows_11.reasons)
    return tuple(reasons)


def _broken(case: Case, known: tuple[Message, ...]) -> Advice:
    if case.expired == "yes":
        recommendation: Recommendation = "replace" if case.over == "yes" else "liquidate"
        return Advice(recommendation, known, _CAN_BE_LIQUIDATED)
    repair = Message(
        mark("It may be liquidated before its useful life is over only if repair is impossible or not worthwhile.")
    )
    if case.over == "yes" and case.expired == "uncertain":
        return Advice("replace", (*known, _check_life(), repair), ("replace_when_liquidated", "liquidate_broken"))
    return Advice("verify", (*known, repair), ("liquidate_broken",))


def _old(case: Case, known: tuple[Message, ...]) -> Advice:
    if case.expired == "yes":
        return Advice("replace", known, _CAN_BE_LIQUIDATED)
    if case.expired == "uncertain":
        return Advice("replace", (*known, _check_life()), _CAN_BE_LIQUIDATED)
    younger = Message(mark("The register has it in use for less than its age: check the year put into use there."))
    return Advice("verify", (*known, _check_life(), younger), _CAN_BE_LIQUIDATED)


def _check_life() -> Message:
    return Message(mark("Before it is liquidated, check that its useful life is over: the register does not say so."))


def _unsupported(case: Case, support: OperatingSystemSupport, known: tuple[Message, ...]) -> Advice | None:
    """What to do with a machine that is not known to be old and gets no updates; None where age must be known first."""
    if support.newer_in_place:
        newer = Message(mark("A newer version of its system can be installed on it without buying anything."))
        return Advice("keep", (*known, newer)) if case.over == "no" else None
    fitness = case.windows_11
    if fitness is None or "processor" in fitness.unknown:
        unclear = Message(mark("Whether a supported system can run on it is not known."))
        return Advice("verify", (*known, *(fitness.checks if fitness else ()), unclear))
    if fitness.is_fixable:
        return _upgrade(case, fitness, known)
    if case.expired == "yes":
        return Advice("replace", known, _CAN_BE_LIQUIDATED)
    if case.expired == "uncertain":
        register = Message(
            mark("The year put into use decides whether it may be replaced; the register does not tell it.")
        )
        return Advice("verify", (*known, register), ("replace_when_liquidated",))
    kept = Message(
        mark(
            "Its useful life is not over, so it may not be replaced yet; give it a system that gets updates, or keep "
            "it off the network."
        )
    )
    return Advice("keep", (*known, kept), ("replace_when_liquidated",)) if case.over == "no" else None


def _upgrade(case: Case, fitness: Windows11Fitness, known: tuple[Message, ...]) -> Advice | None:
    if case.over != "no":
        return None
    if fitness.failing:
        what = Message(mark("With more memory or a larger disk it can run Windows 11."))
    else:
        what = Message(mark("It can run Windows 11: no equipment need be bought."))
    return Advice("upgrade", (*known, what, *fitness.checks))
