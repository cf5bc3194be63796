"""What a plan says in sentences: why something waits, how much money, and by which method it was made."""

from __future__ import annotations

from agent.wire.message import Message, Translate, mark
from inventory.plan.model import BLOCK_LABELS, Candidate, InvestmentPlan, Wait

NO_BLOCK_LABEL = mark("block not known")


def money_text(amount_vnd: int) -> str:
    """`1.234.567 đồng`."""
    return f"{digits(amount_vnd)} đồng"


def digits(number: int) -> str:
    """A whole number in groups of three, as Vietnamese writes it: `1.234.567`."""
    return f"{number:,}".replace(",", ".")


def points_text(points: float) -> str:
    """A score with one decimal and a decimal comma: `78,5`."""
    return f"{points:.1f}".replace(".", ",")


def name_text(candidate: Candidate, translate: Translate) -> str:
    """What people call a candidate; an addition has the name of its kind."""
    return translate(candidate.name) if candidate.action == "add" else candidate.name


def block_text(block: str | None, translate: Translate) -> str:
    """The name of a block."""
    return translate(BLOCK_LABELS.get(block or "", NO_BLOCK_LABEL))


def wait_message(wait: Wait, translate: Translate = str) -> Message:
    """Why a year did not buy a candidate's pieces; the block's name within it is in the language of `translate`."""
    parameters = {
        "year": str(wait.year),
        "needed": money_text(wait.needed_vnd),
        "left": money_text(wait.left_vnd),
    }
    if wait.ceiling == "year":
        return Message(
            mark("{year}: one piece costs {needed}; at its turn {left} was left of the year's ceiling."), parameters
        )
    return Message(
        mark("{year}: one piece costs {needed}; at its turn {left} was left of the ceiling for the block {block}."),
        {**parameters, "block": block_text(wait.block, translate)},
    )


def method_messages(plan: InvestmentPlan) -> tuple[Message, ...]:
    """How the plan was made, for its readers."""
    return (
        Message(
            mark(
                "The priority score is the sum of its parts, 0 to 100 points, by the weights “{title}” "
                "(source: {source}); the block is no part of it. At equal scores the older goes first, then the "
                "cheaper, then by unit and reference."
            ),
            {"title": plan.weights_title, "source": plan.weights_source},
        ),
        Message(
            mark(
                "From the best score on, each item takes its pieces in the earliest year whose ceiling, and whose "
                "ceiling for its block, has room for a piece. So no item waits because the money went to a "
                "worse-ranked one; a worse-ranked one is bought before it only where it costs less, or where the "
                "better one waits for the ceiling of its block. Pieces of one line may be bought in different years. "
                "What is left of a ceiling is not carried into the next year."
            )
        ),
        Message(
            mark(
                "Amounts are at the prices of today. The cost of waiting is counted from the first year of the plan: "
                "prices are assumed to grow by {percent} percent a year, and each piece works 12 months a year beyond "
                "the age threshold of {years} years. What fits no year is counted to the year after the plan."
            ),
            {"percent": plan.price_growth_percent.replace(".", ","), "years": plan.threshold_years},
        ),
    )
