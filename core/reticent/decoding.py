"""Structs that several threads may decode, from the first time on."""

from __future__ import annotations

from typing import TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)


def decodable(struct: type[S]) -> type[S]:
    """A struct that `msgspec` decodes. It looks up the types of the fields when it decodes the first one, and a second
    thread that decodes another meanwhile crashes the process (msgspec 0.22). Here they are looked up where the class is
    made: by one thread, which holds the lock of the module's import."""
    msgspec.json.Decoder(struct)
    return struct
