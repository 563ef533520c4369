"""What tells a tokenizer from another one."""

from __future__ import annotations

import weakref
from hashlib import blake2b
from typing import Any

MAX_TOKENS = 10_000
"""So many tokens of a vocabulary go into its digest."""

_known: weakref.WeakKeyDictionary[Any, tuple[int, str]] = weakref.WeakKeyDictionary()
"""Size and digest."""


def of(processing_class: Any) -> Any:
    """The tokenizer of a Trainer, which may be part of a processor; None if it has none."""
    if hasattr(processing_class, "convert_ids_to_tokens"):
        return processing_class
    inner = getattr(processing_class, "tokenizer", None)
    return inner if hasattr(inner, "convert_ids_to_tokens") else None


def describe(processing_class: Any) -> dict[str, Any]:
    """What is known of what prepares the inputs of a model, as params."""
    if processing_class is None:
        return {}
    tokenizer = of(processing_class)
    told = {} if processing_class is tokenizer else {"processor_class": type(processing_class).__name__}
    if tokenizer is None:
        return told
    return {
        **told,
        "tokenizer_class": type(tokenizer).__name__,
        "tokenizer_name": getattr(tokenizer, "name_or_path", ""),
        "tokenizer_vocab_size": len(tokenizer),
        "tokenizer_digest": digest(tokenizer),
        # Any `..._token=` that it is made with becomes one, also a secret, which checkpoints have without its name.
        "tokenizer_special_tokens": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
    }


def digest(tokenizer: Any) -> str:
    """Of its vocabulary, or of a sample of a large one, and its special tokens: the same on every machine."""
    size = len(tokenizer)
    known = _known.get(tokenizer)
    if known is None or known[0] != size:
        ids = list(range(0, size, -(-size // MAX_TOKENS) or 1))
        tokens = [str(token) for token in tokenizer.convert_ids_to_tokens(ids)]
        special = sorted((name, str(token)) for name, token in tokenizer.special_tokens_map.items())
        said = repr((type(tokenizer).__name__, size, tokens, special))
        known = _known[tokenizer] = size, blake2b(said.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
    return known[1]
