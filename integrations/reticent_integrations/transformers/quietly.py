"""Saving and loading by Transformers' own functions, with nothing shown and nothing changed."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from reticent.files import write_private

_CREDENTIALS = {"token", "use_auth_token", "auth_token", "access_token", "hf_token", "api_key"}
"""What arguments of `from_pretrained` may have left in a config."""

_LARGE = {"tokenizer.json", "vocab.json", "added_tokens.json", "model.safetensors.index.json"}
"""Vocabularies, in which such a word is a word, and lists of weights."""


_lock = threading.Lock()
_within = 0
_shown = False


def save(part: Any, directory: Path, **options: Any) -> None:
    """Write a model, tokenizer or processor as its `save_pretrained` does, in no other format than safe ones."""
    with ExitStack() as stack:
        stack.enter_context(no_progress())
        stack.enter_context(_no_talk())
        for name in ("config", "generation_config"):  # a model notes its dtype and class in its config as it is saved
            config = getattr(part, name, None)
            if config is not None and hasattr(config, "__dict__"):
                stack.enter_context(_as_it_was(config))
        part.save_pretrained(str(directory), **options)
    for file in directory.rglob("*.json"):
        if file.name not in _LARGE:
            _without_credentials(file)


@contextmanager
def no_progress() -> Iterator[None]:
    """Show no progress bars; several threads may be in here at once, and what they show is of the whole process."""
    global _within, _shown
    from transformers.utils import logging

    with _lock:
        if _within == 0:
            _shown = logging.is_progress_bar_enabled()
            if _shown:
                logging.disable_progress_bar()
        _within += 1
    try:
        yield
    finally:
        with _lock:
            _within -= 1
            if _within == 0 and _shown:
                logging.enable_progress_bar()


@contextmanager
def _no_talk() -> Iterator[None]:
    """Log nothing of what goes well in this thread: where we write means nothing to the user. Other threads may talk."""
    me = threading.get_ident()

    def tells(record: logging.LogRecord) -> bool:
        return record.thread != me or record.levelno > logging.INFO

    loggers = [one for one in list(logging.root.manager.loggerDict.values()) if isinstance(one, logging.Logger)]
    ours = [one for one in loggers if one.name.partition(".")[0] == "transformers"]
    for one in ours:
        one.addFilter(tells)
    try:
        yield
    finally:
        for one in ours:
            one.removeFilter(tells)


@contextmanager
def _as_it_was(config: Any) -> Iterator[None]:
    before = dict(vars(config))
    try:
        yield
    finally:
        vars(config).clear()
        vars(config).update(before)


def _without_credentials(file: Path) -> None:
    content = json.loads(file.read_text("utf-8"))
    cleaned = _cleaned(content)
    if cleaned != content:
        write_private(file, json.dumps(cleaned, indent=2, ensure_ascii=False).encode())


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if name not in _CREDENTIALS or not isinstance(item, str)}
        return {name: _cleaned(item) for name, item in kept.items()}
    return [_cleaned(item) for item in value] if isinstance(value, list) else value
