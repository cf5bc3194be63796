"""Whether two machines speak as one terminal: a disk was copied after its agent had enrolled. Pure.

A machine never returns to a boot that it has left. Where uploads come from one boot, then from another and then from
the first again, there are two machines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.wire.exchange import Moment
from inventory.hardware import OTHER, SAME, compare_hardware

# Two uploads of one boot agree to this on when it began.
LIFE_SECONDS = 300.0
# An upload that was held up on its way may come after the next boot's first; not so long after.
LATE_SECONDS = 300.0
COMEBACKS = 2
# Where the boots have one name, the collector's own clock that is set and set back looks alike.
COMEBACKS_OF_ONE_NAME = 4
WATCHED_SECONDS = 7 * 86400.0
MOST_TURNS = 24


@dataclass(frozen=True)
class Turn:
    """From a moment on, uploads came from this boot.

    Args:
        boot_id: as the reports name it.
        epoch_seconds: when it began, by its monotonic clock and the time of arrival.
        at: when the first of these uploads came.
    """

    boot_id: str
    epoch_seconds: float
    at: float

    def is_life_of(self, other: Turn) -> bool:
        """Whether both are the same boot of the same machine."""
        return self.boot_id == other.boot_id and abs(self.epoch_seconds - other.epoch_seconds) <= LIFE_SECONDS


def take_turn(turns: Sequence[Turn], sent: Moment, received_at: float) -> tuple[Turn, ...]:
    """The turns with an upload's added, without those of long ago; the same turns where nothing changed.

    Args:
        turns: in order of time.
        sent: the clocks of the sender.
        received_at: when the upload came.
    """
    turn = Turn(sent.boot_id, received_at - sent.monotonic_time_seconds, received_at)
    if turns and turns[-1].is_life_of(turn):
        return tuple(turns)
    kept = [one for one in turns if received_at - one.at < WATCHED_SECONDS]
    return (*kept, turn)[-MOST_TURNS:]


def are_two_machines(turns: Sequence[Turn]) -> bool:
    """Whether boots took turns as those of one machine cannot."""
    comebacks = of_one_name = 0
    for place, turn in enumerate(turns):
        earlier = [one for one in turns[:place] if one.is_life_of(turn)]
        if not earlier:
            continue
        between = [one for one in turns[:place] if one.at > earlier[0].at and not one.is_life_of(turn)]
        if between and turn.at - between[0].at > LATE_SECONDS:
            comebacks += 1
            of_one_name += all(one.boot_id == turn.boot_id for one in between)
    return comebacks - of_one_name >= COMEBACKS or comebacks >= COMEBACKS_OF_ONE_NAME


def is_the_copy(
    turns: Sequence[Turn],
    enrolled: Mapping[str, Sequence[str]],
    hardware: Mapping[str, Mapping[str, Sequence[str]]],
) -> bool:
    """Whether the machine of the last turn is the copy, where two speak as one.

    The machine whose hardware agrees with what was enrolled keeps the identity. Where hardware does not tell, the one
    that was heard first does; a person may turn that round.

    Args:
        turns: that `are_two_machines` has found to be of two.
        enrolled: keys of the hardware as it was first told (`inventory.hardware.hardware_keys`).
        hardware: boot id -> keys that this boot's reports told.
    """
    now = turns[-1]
    # Boots that came once may be of a time before the copy was made.
    speaking = [one for one in turns if sum(one.is_life_of(other) for other in turns) > 1]
    others = [one for one in speaking if not one.is_life_of(now)]
    own = compare_hardware(enrolled, hardware.get(now.boot_id, {}))
    theirs = {compare_hardware(enrolled, hardware.get(one.boot_id, {})) for one in others if one.boot_id != now.boot_id}
    if own == SAME and theirs <= {OTHER}:
        return False
    if own == OTHER and OTHER not in theirs:
        return True
    return not min(speaking, key=lambda one: one.at, default=now).is_life_of(now)
