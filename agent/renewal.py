"""Takes up another identity that the collector hands over in the answer to an upload that it authenticated.

The new identity is on disk before it is used, and the collector takes the old one until the new one was used: a power
cut in between loses neither. Reports that still name the former device are taken under the new one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Mapping, Optional

from agent.config import Identity, load_identity, save_identity
from agent.errors import ConfigurationError
from agent.wire.record import replace

# What the collector makes: ids of hexadecimal digits, tokens of letters, digits, `_` and `-`.
_DEVICE_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_TOKEN = re.compile(r"[0-9A-Za-z_-]{16,512}")


def take_identity(state_dir: Path, current: Identity, offered: Optional[Mapping[str, Any]]) -> Optional[Identity]:
    """The identity to go on with, kept on disk; None where nothing usable was offered or nothing changes.

    Nothing but the device's name and the token is taken: where to report, and whom to trust there, stays as a person
    said at this machine.

    Args:
        state_dir: where the identity is kept.
        current: the one in use.
        offered: `identity` of the collector's answer.

    Raises:
        OSError, ConfigurationError: it cannot be kept; the old one goes on, and the collector will offer again.
    """
    if not isinstance(offered, Mapping):
        return None
    device_id, token = offered.get("device_id"), offered.get("token")
    if not (isinstance(device_id, str) and isinstance(token, str)):
        return None
    if not (_DEVICE_ID.fullmatch(device_id) and _TOKEN.fullmatch(token)):
        return None
    if (device_id, token) == (current.device_id, current.token):
        return None
    kept = load_identity(state_dir)
    if kept is None or kept.token != current.token:
        # A person has enrolled this machine anew while the agent ran: theirs is the newer word.
        raise ConfigurationError("{path}: the identity was replaced meanwhile", path=str(state_dir))
    renewed = replace(kept, device_id=device_id, token=token)
    save_identity(state_dir, renewed)
    return renewed
