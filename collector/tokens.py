"""Secrets of agents, people and join codes: made here, shown once, kept as hashes only.

The secrets are 256 random bits (join codes 60), so a plain SHA-256 cannot be searched; slow password hashes are for
what people choose themselves.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

TOKEN_PREFIX = "tm"  # noqa: S105 - a prefix, not a secret
# Crockford's base 32: no I, L, O or U, so that a code read aloud or from paper comes back right.
CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 12
CODE_GROUP = 4
TOKEN_PARTS = 3
LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


@dataclass(frozen=True)
class NewToken:
    """A token at its making: `text` goes to its owner once, the rest to the registry."""

    id: str
    text: str
    secret_hash: bytes


def new_token() -> NewToken:
    """A fresh token `tm_<id>_<secret>`; the id finds its row, the secret proves it."""
    token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    return NewToken(token_id, f"{TOKEN_PREFIX}_{token_id}_{secret}", hash_secret(secret))


def split_token(text: str) -> tuple[str, str] | None:
    """Id and secret of a token's text, or None where it is not one."""
    parts = text.split("_", TOKEN_PARTS - 1)
    if len(parts) != TOKEN_PARTS or parts[0] != TOKEN_PREFIX:
        return None
    return parts[1], parts[2]


def hash_secret(secret: str) -> bytes:
    """What the registry keeps of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def secret_matches(secret: str, secret_hash: bytes) -> bool:
    """Whether a secret is the hashed one, in constant time."""
    return hmac.compare_digest(hash_secret(secret), secret_hash)


def new_join_code() -> str:
    """A one-time code to type in at a terminal, as `7K2M-0QXT-9HZC`."""
    letters = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
    return "-".join(letters[start : start + CODE_GROUP] for start in range(0, CODE_LENGTH, CODE_GROUP))


def hash_join_code(code: str) -> bytes:
    """The hash of a code however it was typed: case, dashes, blanks and look-alike letters do not matter."""
    return hash_secret(code.upper().translate(LOOKALIKES))
