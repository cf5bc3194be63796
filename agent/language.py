"""The agent's sentences in the reader's language: Vietnamese unless told otherwise."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from agent.wire.message import Translate

LANGUAGE_VARIABLE = "THONGMANG_LANGUAGE"
VIETNAMESE = "vi"
ENGLISH = "en"
LANGUAGES = (VIETNAMESE, ENGLISH)

_OPTION = "--lang"
_FOLDER = Path(__file__).parent / "locale"
_MAGIC = b"\xde\x12\x04\x95"


def take_language(arguments: Sequence[str]) -> Tuple[Optional[str], List[str]]:
    """(language, other arguments): what `--lang` asks for wherever it stands, None if it is not there.

    It is taken out before the other arguments are read, for their help and errors are in that language too.
    """
    language: Optional[str] = None
    others: List[str] = []
    waiting = False
    for argument in arguments:
        if waiting:
            language, waiting = argument, False
        elif argument == _OPTION:
            waiting = True
        elif argument.startswith(_OPTION + "="):
            language = argument[len(_OPTION) + 1 :]
        else:
            others.append(argument)
    return ("" if waiting else language), others


def chosen_language(asked: Optional[str] = None) -> str:
    """The language asked for, else that of the environment, else Vietnamese; what is unknown counts as not said."""
    for language in (asked, os.environ.get(LANGUAGE_VARIABLE)):
        if language in LANGUAGES:
            return str(language)
    return VIETNAMESE


def translator(language: str) -> Translate:
    """Gives sentences of the agent's catalogue in that language; one that is not there stays English."""
    if language == ENGLISH:
        return str
    path = _FOLDER / language / "LC_MESSAGES" / "agent.mo"
    return lambda pattern: _looked_up(path, pattern)


def _looked_up(path: Path, pattern: str) -> str:
    """A sentence out of a compiled catalogue, read anew each time: the running agent says little, and keeps nothing."""
    try:
        content = path.read_bytes()
        order = "<" if content[:4] == _MAGIC else ">"
        count, originals, translations = struct.unpack_from(order + "3I", content, 8)
        wanted = pattern.encode()
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            length, place = struct.unpack_from(order + "2I", content, originals + 8 * middle)
            found = content[place : place + length]
            if found == wanted:
                length, place = struct.unpack_from(order + "2I", content, translations + 8 * middle)
                return content[place : place + length].decode()
            low, high = (middle + 1, high) if found < wanted else (low, middle)
    except (OSError, struct.error, UnicodeDecodeError):
        pass
    return pattern
