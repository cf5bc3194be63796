"""How well people can talk over a line: the E-model of ITU-T G.107 with its default values, and its scale of opinion.

Everything but network and codec stands at the default values of G.107 table 3, perfect echo cancellers included, which
reduces the rating to R = 93.2 - Idd(delay) - Ie,eff(loss). All functions take numbers or arrays of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# G.107 clause 7.7: the rating with all defaults, neither delay nor loss.
DEFAULT_RATING = 93.2
_HIGHEST_MOS = 4.5
_NO_DELAY_HEARD_MS = 100.0

# ITU-T Y.1541 table 1, classes 0 and 1: mean one-way delay, its variation, loss; of the class the milder delay.
CLASS_DELAYS_MS = (100.0, 400.0)
CLASS_VARIATION_MS = 50.0
CLASS_LOSS_RATIO = 0.001


@dataclass(frozen=True, slots=True)
class Codec:
    """What a codec does to speech (ITU-T G.113 appendix I).

    Args:
        impairment: Ie, without loss.
        robustness: Bpl, against loss; greater is better.
        burst_ratio: BurstR, 1 where losses are independent of each other.
    """

    impairment: float
    robustness: float
    burst_ratio: float = 1.0


@overload
def delay_impairment(delay_ms: float) -> float: ...
@overload
def delay_impairment(delay_ms: Floats) -> Floats: ...
def delay_impairment(delay_ms: float | Floats) -> float | Floats:
    """Idd of G.107 equations 7-27 and 7-28: what the delay from mouth to ear alone takes away."""
    heard = np.maximum(delay_ms, _NO_DELAY_HEARD_MS)
    doublings = np.log2(heard / _NO_DELAY_HEARD_MS)
    taken = 25.0 * ((1 + doublings**6) ** (1 / 6) - 3 * (1 + (doublings / 3) ** 6) ** (1 / 6) + 2)
    return taken if isinstance(delay_ms, np.ndarray) else float(taken)


@overload
def loss_impairment(loss_ratio: float, codec: Codec) -> float: ...
@overload
def loss_impairment(loss_ratio: Floats, codec: Codec) -> Floats: ...
def loss_impairment(loss_ratio: float | Floats, codec: Codec) -> float | Floats:
    """Ie,eff of G.107 equation 7-29: what codec and lost packets take away."""
    percent = 100.0 * loss_ratio
    share = percent / (percent / codec.burst_ratio + codec.robustness)
    return codec.impairment + (95.0 - codec.impairment) * share


@overload
def rating(delay_ms: float, loss_ratio: float, codec: Codec) -> float: ...
@overload
def rating(delay_ms: Floats, loss_ratio: Floats, codec: Codec) -> Floats: ...
def rating(delay_ms: float | Floats, loss_ratio: float | Floats, codec: Codec) -> float | Floats:
    """The transmission rating R, 0 to 100.

    Args:
        delay_ms: one way, from mouth to ear.
        loss_ratio: of voice packets, those that come too late for the receiver's buffer included.
        codec: at both ends.
    """
    found = np.clip(DEFAULT_RATING - delay_impairment(delay_ms) - loss_impairment(loss_ratio, codec), 0.0, 100.0)
    return found if isinstance(delay_ms, np.ndarray) else float(found)


@overload
def opinion(r: float) -> float: ...
@overload
def opinion(r: Floats) -> Floats: ...
def opinion(r: float | Floats) -> float | Floats:
    """The mean opinion score (MOS-CQE, 1 to 4.5) of a rating: G.107 annex B."""
    r = np.maximum(r, 0.0)
    curve = 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6
    found = np.where(np.asarray(r) >= 100, _HIGHEST_MOS, np.clip(curve, 1.0, _HIGHEST_MOS))  # noqa: PLR2004 - the scale
    return found if isinstance(r, np.ndarray) else float(found)


def network_class(delay_ms: float, variation_ms: float, loss_ratio: float) -> int | None:
    """The best class of Y.1541 for speech whose limits a line keeps, 0 or 1; None if it keeps neither's."""
    if variation_ms > CLASS_VARIATION_MS or loss_ratio > CLASS_LOSS_RATIO:
        return None
    return next((number for number, limit in enumerate(CLASS_DELAYS_MS) if delay_ms <= limit), None)
