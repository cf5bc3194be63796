"""A trace as the probers' budget would leave it: few terminals of each site probe the line, with few echoes.

    python -m benchmarks.thinned TRACE OUT [--probers 3] [--budget 1000000] [--seed 1]

Gateway rows stay as they are. Rows of other targets stay at the probers alone, which keep their role while they report
and are replaced two minutes after they have stopped. A far row becomes what the echoes that the agent's own plan gives
that round would have measured: drawn from round trips that have the row's least, median, mean and greatest value.
Columns of what is rare (the first byte of a service) stay in the rounds in which the plan asks.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import itertools
import random
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from agent.link.budget import Account, Far, Share, connect_bytes, echo_bytes, plan_round, question_bytes
from agent.link.round_trips import nearest_rank
from benchmarks.traces import SECONDS_PER_MINUTE, minute_of

GATEWAY = "gateway"
# A prober that has stopped is noticed, and another knows of it, after so long.
TAKEOVER_MINUTES = 2
_SMALL_BYTES, _LARGE_BYTES = 8, 1400
_RARE = ("first_byte_us",)

Row = dict[str, str]


class Office:
    """Who probes at one site, minute by minute.

    Args:
        probers: how many at most.
    """

    def __init__(self, probers: int) -> None:
        self._probers = probers
        self._seen: dict[str, int] = {}

    def at(self, minute: int, present: Sequence[str]) -> set[str]:
        """The probers of a minute among those who report."""
        for one in [one for one, last in self._seen.items() if minute - last > TAKEOVER_MINUTES]:
            del self._seen[one]
        for one in sorted(present):
            if one in self._seen or len(self._seen) < self._probers:
                self._seen[one] = minute
        return set(self._seen) & set(present)


def far_of(rows: Sequence[Row]) -> list[Far]:
    """The targets of a terminal's minute as the agent's plan sees them: those that are asked have a port."""
    found = []
    for row in rows:
        is_service = row["target"] != "edge"
        echo, large = echo_bytes(4, _SMALL_BYTES), echo_bytes(4, _LARGE_BYTES)
        if is_service:
            found.append(Far(row["target"], echo, large, connect_bytes(4), question_bytes("http")))
        else:
            found.append(Far(row["target"], echo, is_edge=True))
    return found


def round_trips(row: Mapping[str, str]) -> list[float]:
    """Round trips of a row's answers, in rising order, with its least, median, mean and greatest value."""
    count = int(row["received"] or 0)
    if not count:
        return []
    least, middle, greatest, mean = (
        float(row[f"rtt_{name}_us"]) for name in ("min", "p50", "max" if row.get("rtt_max_us") else "p95", "mean")
    )
    below, above = count // 2, count - count // 2
    lower = [least + (middle - least) * at / max(below, 1) for at in range(below)]
    wanted = mean * count - sum(lower)
    flat, steep = 0.05, 50.0
    upper = [middle] * above
    for _ in range(30):
        bend = (flat + steep) / 2
        upper = [middle + (greatest - middle) * ((at + 1) / above) ** bend for at in range(above)]
        flat, steep = (bend, steep) if sum(upper) > wanted else (flat, bend)
    return lower + upper


def thinned(row: Row, share: Share, chance: random.Random) -> Row:
    """A row as fewer echoes would have measured it."""
    sent = int(row["sent"] or 0)
    if share.probes < sent:
        answers: list[float | None] = [*round_trips(row)]
        answers += [None] * (sent - len(answers))
        drawn = chance.sample(answers, share.probes)
        row = row | _numbers(drawn)
    return row if share.asks else row | {name: "" for name in _RARE if name in row}


def _numbers(drawn: Sequence[float | None]) -> Row:
    answered = [value for value in drawn if value is not None]
    numbers = {"sent": str(len(drawn)), "received": str(len(answered))}
    names = ("rtt_min_us", "rtt_p50_us", "rtt_p95_us", "rtt_max_us", "rtt_mean_us", "ipdv_us")
    if not answered:
        return numbers | dict.fromkeys(names, "")
    ordered = sorted(answered)
    steps = [abs(after - before) for before, after in itertools.pairwise(answered)]
    values = (
        ordered[0],
        statistics.median(ordered),
        nearest_rank(ordered, 0.95),
        ordered[-1],
        statistics.fmean(ordered),
        statistics.fmean(steps) if steps else None,
    )
    return numbers | {
        name: "" if value is None else str(round(value)) for name, value in zip(names, values, strict=True)
    }


def minutes_of(path: Path) -> Iterator[tuple[int, list[Row]]]:
    """The rows of a trace, minute by minute; they lie in order of time."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as raw:
        rows: list[Row] = []
        for row in csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8")):
            if rows and row["time"] != rows[0]["time"]:
                yield minute_of(rows[0]["time"]), rows
                rows = []
            rows.append(row)
        if rows:
            yield minute_of(rows[0]["time"]), rows


def thin(source: Path, target: Path, *, probers: int, budget_bytes: int, seed: int) -> None:
    """Writes the thinned trace."""
    chance = random.Random(seed)
    offices: dict[str, Office] = {}
    accounts: dict[str, Account] = {}
    with gzip.open(target, "wt", encoding="utf-8", newline="", compresslevel=3) as file:
        writer: csv.DictWriter[str] | None = None
        for minute, rows in minutes_of(source):
            if writer is None:
                writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                writer.writeheader()
            by_site: dict[str, dict[str, list[Row]]] = {}
            for row in rows:
                by_site.setdefault(row["site"], {}).setdefault(row["terminal"], []).append(row)
            for site, terminals in by_site.items():
                office = offices.setdefault(site, Office(probers))
                chosen = office.at(minute, list(terminals))
                for terminal, own in terminals.items():
                    writer.writerows(row for row in own if row["target"] == GATEWAY)
                    if terminal in chosen:
                        now = float(minute * SECONDS_PER_MINUTE)
                        account = accounts.setdefault(terminal, Account.new(now, now))
                        far = [row for row in own if row["target"] != GATEWAY]
                        writer.writerows(_probed(far, account, minute, budget_bytes, chance))


def _probed(
    rows: Sequence[Row], account: Account, minute: int, budget_bytes: int, chance: random.Random
) -> Iterator[Row]:
    far = far_of(rows)
    shares = plan_round(
        far,
        interval_seconds=SECONDS_PER_MINUTE,
        budget_bytes=budget_bytes,
        left_seconds=account.left_seconds(minute * SECONDS_PER_MINUTE),
        spent_bytes=account.spent_bytes,
        number=account.number,
        in_detail=False,
    )
    account.spend(sum(one.cost(shares[one.name]) for one in far if one.name in shares))
    for row in rows:
        if row["target"] in shares and shares[row["target"]].probes:
            yield thinned(row, shares[row["target"]], chance)


def main(words: list[str] | None = None) -> int:
    """Thins a trace; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--probers", type=int, default=3)
    parser.add_argument("--budget", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(words)
    thin(asked.source, asked.target, probers=asked.probers, budget_bytes=asked.budget, seed=asked.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
