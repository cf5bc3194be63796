"""`thongmang inventory plan`: what is bought in which budget year under the ceilings that are given."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import click

from agent.wire.message import Message, Translate, mark
from collector.cli.staffing import post_groups
from collector.clock import local_day, now_seconds
from collector.db.registry import open_registry
from collector.db.staffing import SqlStaffing
from collector.investing import investment_list
from collector.language import DEFAULT_LANGUAGE, translator
from collector.settings import state_directory
from inventory.export.wording import day_text, sentence
from inventory.investment import InvestmentList
from inventory.norms import NormError, load_norms
from inventory.plan import (
    Candidate,
    InvestmentPlan,
    PlanError,
    PlanInputError,
    PlannedItem,
    PlanWeights,
    PlanYear,
    PriceBook,
    WaitingItem,
    additions_of,
    build_plan,
    ceilings_from_words,
    load_weights,
    prices_from_file,
    prices_from_words,
    shortage_notices,
    weights_from,
)
from inventory.plan.ceilings import BLOCKS
from inventory.plan.json import write_json
from inventory.plan.wording import (
    block_text,
    digits,
    method_messages,
    money_text,
    name_text,
    points_text,
    wait_message,
)
from inventory.shortage import Shortage, shortages

REGISTRY_FILE = "registry.sqlite"
# Of each year and of what waits; the JSON has all.
LINES_SHOWN = 20
LARGEST_FILE_BYTES = 1 << 20
_OF_SEVERAL_WORDS = ("--ceiling", "--price")


class _SeveralWords(click.Command):
    """A command some of whose options take all words up to the next option: `--ceiling 2026=5 2027=6`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args))


def spread(words: Sequence[str]) -> list[str]:
    """`--ceiling a b` as `--ceiling a --ceiling b`, and `--price` alike."""
    told: list[str] = []
    option = ""
    for word in words:
        name = word.partition("=")[0]
        if word.startswith("--") and name in _OF_SEVERAL_WORDS:
            option = name
            # The option alone waits for its first word; `--ceiling=...` has it.
            if name == word:
                continue
            told.append(word)
        elif word.startswith("--") or (word.startswith("-") and not option):
            option = ""
            told.append(word)
        else:
            told += [f"{option}={word}"] if option else [word]
    return told


class _InputError(click.ClickException):
    """Input that cannot be used; the message says where and what was expected."""

    exit_code = 2


@click.command("plan", cls=_SeveralWords)
@click.option(
    "--ceiling",
    "ceiling_words",
    multiple=True,
    metavar="YEAR[:BLOCK]=VND",
    help="The most that may be spent in a budget year, or in it by a block; several words or several times.",
)
@click.option(
    "--price",
    "price_words",
    multiple=True,
    metavar="KIND=VND",
    help="Unit price of a kind (desktop), of an upgrade (upgrade:desktop) or of an item (A12).",
)
@click.option(
    "--price-file", type=click.Path(dir_okay=False, path_type=Path), help="Unit prices, TOML or CSV; --price outweighs."
)
@click.option(
    "--weights-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Weights of the score instead of those of the package, TOML.",
)
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="The day of judgement (default: today).")
@click.option("--block", type=click.Choice([*BLOCKS, "all"]), default="all")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the collector keeps its state (default: THONGMANG_STATE_DIR, else ./var).",
)
@click.option("--language", type=click.Choice(["vi", "en"]), default=DEFAULT_LANGUAGE, show_default=True)
def plan(
    *,
    ceiling_words: tuple[str, ...],
    price_words: tuple[str, ...],
    price_file: Path | None,
    weights_file: Path | None,
    as_of: dt.datetime | None,
    block: str,
    output_format: str,
    state_dir: Path | None,
    language: str,
) -> int:
    """Plans the investment list over budget years: what fits, what waits and why, what has no unit price."""
    translate = translator(language)
    try:
        ceilings = ceilings_from_words(ceiling_words)
        prices = _prices(price_file, price_words)
        weights = _weights(weights_file)
        day = as_of.date() if as_of else local_day(now_seconds())
        whole, lacking = _registered(state_dir or state_directory(), day)
        made = build_plan(
            whole,
            ceilings,
            prices=prices,
            additions=additions_of(lacking),
            weights=weights,
            block=None if block == "all" else block,
            notices=shortage_notices(lacking),
        )
    except PlanError as error:
        raise _InputError(sentence(error.message, translate)) from error
    except NormError as error:
        raise _InputError(str(error)) from error
    if output_format == "json":
        click.echo(write_json(made, translate).decode())
    else:
        _show(made, translate)
    return 0


def _registered(folder: Path, day: dt.date) -> tuple[InvestmentList, tuple[Shortage, ...]]:
    """The list of all blocks and what units are short of; nothing where no quantities are in force on the day."""
    engine = open_registry(folder / REGISTRY_FILE)
    try:
        with engine.connect().execution_options(read_only=True) as connection:
            whole = investment_list(connection, as_of=day)
            norms = load_norms()
            if norms.quantities_on(day) is None:
                return whole, ()
            staffing = SqlStaffing(connection).staffing(post_groups(folder, day))
    finally:
        engine.dispose()
    return whole, shortages((*whole.items, *whole.to_verify, *whole.not_listed), staffing, norms, day)


def _prices(path: Path | None, words: Sequence[str]) -> PriceBook:
    book = prices_from_words(words)
    return book if path is None else prices_from_file(str(path), _read(path)).updated(book)


def _weights(path: Path | None) -> PlanWeights:
    if path is None:
        return load_weights()
    try:
        return weights_from(str(path), _read(path).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise PlanInputError(
            Message(mark("{where}: not UTF-8 at byte {byte}"), {"where": str(path), "byte": error.start})
        ) from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise PlanInputError(
            Message(
                mark("{where}: cannot be read ({detail})"), {"where": str(path), "detail": error.strerror or str(error)}
            )
        ) from error
    if len(data) > LARGEST_FILE_BYTES:
        raise PlanInputError(
            Message(
                mark("{where}: larger than {bytes} bytes; expected a list of prices or weights"),
                {"where": str(path), "bytes": digits(LARGEST_FILE_BYTES)},
            )
        )
    return data


def _show(made: InvestmentPlan, translate: Translate) -> None:
    text = translate(mark("Investment plan (draft), as of {day}")).format(day=day_text(made.as_of))
    click.echo(f"{text} - {block_text(made.block, translate)}" if made.block else text)
    for year in made.years:
        _show_year(year, translate)
    if made.waiting:
        text = translate(mark("Waiting beyond the plan: {pieces} pieces, {amount}"))
        pieces = sum(item.quantity for item in made.waiting)
        click.echo("\n" + text.format(pieces=digits(pieces), amount=money_text(made.waiting_vnd)))
        _show_items(made.waiting, translate)
    if made.unpriced:
        click.echo(
            "\n" + translate(mark("Without a unit price, not planned: {count} lines")).format(count=len(made.unpriced))
        )
        for item in made.unpriced[:LINES_SHOWN]:
            click.echo(f"  - {_named(item.candidate, translate)}: {sentence(item.reason, translate)}")
        _show_hidden(len(made.unpriced), translate)
    _show_totals(made, translate)
    for message in (*made.notices, *method_messages(made)):
        click.echo(f"* {sentence(message, translate)}")


def _show_year(year: PlanYear, translate: Translate) -> None:
    text = translate(mark("Year {year}: ceiling {ceiling}, planned {spent} for {pieces} pieces, left {left}"))
    click.echo(
        "\n"
        + text.format(
            year=year.year,
            ceiling=money_text(year.ceiling_vnd),
            spent=money_text(year.spent_vnd),
            pieces=digits(year.pieces),
            left=money_text(year.leftover_vnd),
        )
    )
    for block in year.blocks:
        if block.ceiling_vnd is None or block.leftover_vnd is None:
            text = translate(mark("block {block}: planned {spent}")).format(
                block=block_text(block.block, translate), spent=money_text(block.spent_vnd)
            )
        else:
            text = translate(mark("block {block}: ceiling {ceiling}, planned {spent}, left {left}")).format(
                block=block_text(block.block, translate),
                ceiling=money_text(block.ceiling_vnd),
                spent=money_text(block.spent_vnd),
                left=money_text(block.leftover_vnd),
            )
        click.echo(f"  {text}")
    _show_items(year.items, translate)


def _show_items(items: Sequence[PlannedItem | WaitingItem], translate: Translate) -> None:
    pattern = translate(mark("{rank}. {name}: {quantity} × {price} = {amount}; {points} points"))
    for item in items[:LINES_SHOWN]:
        text = pattern.format(
            rank=item.rank,
            name=_named(item.candidate, translate),
            quantity=digits(item.quantity),
            price=digits(item.candidate.unit_price_vnd or 0),
            amount=money_text(item.amount_vnd),
            points=points_text(item.candidate.score.points),
        )
        click.echo(f"  {text}")
        if item.waits:
            click.echo(f"       {sentence(wait_message(item.waits[-1], translate), translate)}")
    _show_hidden(len(items), translate)


def _show_hidden(count: int, translate: Translate) -> None:
    if count > LINES_SHOWN:
        text = translate(mark("... and {count} more; --format json tells all."))
        click.echo("  " + text.format(count=digits(count - LINES_SHOWN)))


def _show_totals(made: InvestmentPlan, translate: Translate) -> None:
    text = translate(
        mark("Total: planned {spent} of {ceiling}, left {left}; waiting makes it {growth} dearer (assumed).")
    )
    click.echo(
        "\n"
        + text.format(
            spent=money_text(made.spent_vnd),
            ceiling=money_text(made.ceiling_vnd),
            left=money_text(made.ceiling_vnd - made.spent_vnd),
            growth=money_text(made.price_growth_vnd),
        )
    )


def _named(candidate: Candidate, translate: Translate) -> str:
    return f"[{candidate.reference}] {candidate.unit_name}, {name_text(candidate, translate)}"
