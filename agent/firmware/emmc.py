"""What a soldered flash disk (eMMC) says of its wear, from the words that Linux makes of its registers. Pure.

Source: JEDEC JESD84-B51, registers DEVICE_LIFE_TIME_EST_TYP_A and _B (268, 269) and PRE_EOL_INFO (267).
"""

from __future__ import annotations

import re
from typing import List, Optional

from agent.firmware.smart import FAILING, OK, UNKNOWN, DiskHealth

_HEXADECIMAL = re.compile(r"(0x)?[0-9a-fA-F]{1,2}")
# Steps of a tenth; 0Bh: all of it is used up and more.
_STEPS = range(0x01, 0x0C)
# Reserve blocks: normal, four fifths used up, nine tenths used up ("urgent").
_VERDICTS = {0x01: OK, 0x02: OK, 0x03: FAILING}


def decode_emmc(life_time: Optional[str], reserve: Optional[str]) -> Optional[DiskHealth]:
    """Health by the files `life_time` ("0x02 0x01") and `pre_eol_info` ("0x01"); None where they tell nothing.

    Wear is the upper end of the step that the more worn of its two kinds of memory has reached.
    """
    steps = [number for number in _numbers(life_time) if number in _STEPS]
    verdict = _VERDICTS.get(next(iter(_numbers(reserve)), 0), UNKNOWN)
    if not steps and verdict == UNKNOWN:
        return None
    return DiskHealth(verdict=verdict, wear_ratio=max(steps) / 10 if steps else None)


def _numbers(text: Optional[str]) -> List[int]:
    words = (text or "").split()
    return [int(word, 16) for word in words] if all(_HEXADECIMAL.fullmatch(word) for word in words) else []
