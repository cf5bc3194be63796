"""How the network cards' cables do: speed, duplex, and the frames of each round that were broken or dropped.

Cards are named as in the fact `network_adapter`: by the kernel's word, or the identity that Windows gave.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from agent.errors import NoDataError, ProbeError
from agent.host import WINDOWS, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.report import Sample

_FOLDER = "/sys/class/net"
_COUNTS = "/proc/net/dev"
# Columns behind the name: frames, errors and drops, received and sent.
_RECEIVED, _SENT = (1, 2, 3), (9, 10, 11)
_HALF_DUPLEX = {"half": True, "full": False}
_BITS_A_MEGABIT = 1_000_000

_EARLIER = "earlier"


class Card(NamedTuple):
    """A physical network card that has a link.

    Args:
        name: its label.
        speed_bits_per_second: None where it is not known, or it has no cable (wireless).
        half_duplex: None where it is not known.
        counts: frames, errors, drops since it was started.
    """

    name: str
    speed_bits_per_second: Optional[int]
    half_duplex: Optional[bool]
    counts: Tuple[int, int, int]


def collect(host: Host, context: ProbeContext) -> Collected:
    """Samples `adapter_*` of each physical card with a link; what is counted, from the second round on.

    Raises:
        NoDataError: there is none.
        ProbeError: the system does not tell.
    """
    if host.system == WINDOWS:
        from agent.windows import adapters  # noqa: PLC0415  # the other system's module is not loaded

        cards = [Card(*row) for row in adapters.cards(host, context.memory)]
    else:
        cards = _linux_cards(host)
    earlier: Dict[str, Tuple[int, int, int]] = context.memory.get(_EARLIER, {})
    context.memory[_EARLIER] = {card.name: card.counts for card in cards}
    if not cards:
        raise NoDataError("no physical network card has a link")
    samples: List[Sample] = []
    for card in cards:
        values: Dict[str, Any] = {"speed_bits_per_second": card.speed_bits_per_second}
        values["half_duplex"] = None if card.half_duplex is None else int(card.half_duplex)
        if card.name in earlier:
            grown = [after - before for before, after in zip(earlier[card.name], card.counts)]
            # A card that was started anew counts from 0.
            if min(grown) >= 0:
                values.update(zip(("frames", "errors", "drops"), grown))
        labels = {"adapter": card.name}
        samples.extend(Sample(f"adapter_{name}", value, labels) for name, value in values.items() if value is not None)
    return Collected(samples)


def _linux_cards(host: Host) -> List[Card]:
    try:
        text = host.read_text(_COUNTS)
    except OSError as error:
        raise ProbeError("/proc/net/dev cannot be read") from error
    cards: List[Card] = []
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        folder, words = f"{_FOLDER}/{name.strip()}", rest.split()
        # Bridges, tunnels and the loopback hang on no device.
        if not colon or len(words) <= _SENT[-1] or not host.exists(f"{folder}/device"):
            continue
        if host.text_or_none(f"{folder}/carrier") != "1":
            continue
        counts = [int(words[received]) + int(words[sent]) for received, sent in zip(_RECEIVED, _SENT)]
        speed, half_duplex = None, None
        if not host.exists(f"{folder}/phy80211") and not host.exists(f"{folder}/wireless"):
            # Virtual cards know no speed and say -1.
            told = host.text_or_none(f"{folder}/speed") or ""
            speed = int(told) * _BITS_A_MEGABIT if told.isdigit() and int(told) > 0 else None
            half_duplex = _HALF_DUPLEX.get(host.text_or_none(f"{folder}/duplex") or "")
        cards.append(Card(name.strip(), speed, half_duplex, (counts[0], counts[1], counts[2])))
    return cards
