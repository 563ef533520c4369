"""What stands in the place of a secret: the rule that found it, and nothing of the secret.

    [REDACTED:openai-key]                          masked
    [REDACTED:openai-key:9f86d081884c7d65@3f2a91]  hashed: a keyed BLAKE2b of 64 bits, and which key it was made with

Equal secrets have equal hashes under one key and one rule; without the key a hash says nothing about what it is of.
"""

from __future__ import annotations

import os
import re

MARKER = re.compile(r"\[REDACTED:([a-z0-9-]{1,64})(?::[0-9a-f]{16}@[0-9a-z]{1,12})?\]")

_PROCESS_KEY = "process"
"""The id of a key that ends with this process: hashes made with it compare within one process only."""


def marker(rule: str) -> str:
    """The marker for a masked secret."""
    return f"[REDACTED:{rule}]"


class Hasher:
    """Makes the markers of hashed secrets. Without `key` (16 to 64 bytes) a random one is used, and markers say so."""

    def __init__(self, key: bytes | None) -> None:
        if key is not None and not 16 <= len(key) <= 64:
            raise ValueError("a key for hashing secrets has 16 to 64 bytes")
        self._key = key or os.urandom(32)
        self.key_id = _PROCESS_KEY if key is None else _id_of(key)

    def marker(self, rule: str, secret: str) -> str:
        """The marker for a hashed secret."""
        from hashlib import blake2b  # brings OpenSSL, for which most processes have no use here

        person = blake2b(rule.encode(), digest_size=16).digest()  # each rule has hashes of its own
        digest = blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key, person=person)
        return f"[REDACTED:{rule}:{digest.hexdigest()}@{self.key_id}]"


def _id_of(key: bytes) -> str:
    from hashlib import blake2b

    return blake2b(key, digest_size=3, person=b"reticent key id").hexdigest()
