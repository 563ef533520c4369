"""Protects the standard `logging` tree: no handler, whatever its formatter prints, gets a record with a secret in it.

A record is looked at where every one of them passes with all that belongs to it, in `logging.Logger.handle`: behind the
caller, before the filters and handlers of its logger and of the loggers above. (A filter on a logger does not see the
records of its children, and a record factory does not see the attributes of `extra`.) Records without secrets pass as
they are. One with a secret keeps its form: `args` stays what `msg` is formatted with.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from reticent_redact.found import UNSCANNED
from reticent_redact.redactor import Redactor
from reticent_redact.report import Report
from reticent_redact.signals import from_handler
from reticent_redact.structure import is_record, may_be_structure

Uninstall = Callable[[], None]

_NEVER_TEXT = (int, float, complex, type(None))
_PLAIN = (str, bytes, list, tuple, dict, set, frozenset)
_OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_NAMES = ("name", "pathname", "filename", "module", "funcName", "threadName", "processName", "taskName")
"""Own attributes that are texts of the program's, too."""
_UNSCANNED_MESSAGE = f"{UNSCANNED} a log record that could not be looked at"

_lock = threading.Lock()
_protected: dict[int, tuple[Redactor, str]] = {}
"""By the number of the installation: the redactor, and the name of the logger at the top of what it protects."""
_numbers = iter(range(1 << 62))
_original: Callable[[logging.Logger, logging.LogRecord], None] | None = None


def install_logging_filter(redactor: Redactor | None = None, logger: logging.Logger | None = None) -> Uninstall:
    """Redact every record that `logger` (the root logger: all) or a logger below it handles, until the function that is
    given back is called.

    Without `redactor`, one that knows the secrets of this process. What cannot be redacted says so in its place. A
    traceback with a secret is handed on as text alone, in `exc_text`.
    """
    if redactor is None:
        redactor = Redactor()
        redactor.know_process()
    top = "" if logger is None or logger is logging.getLogger() else logger.name
    with _lock:
        number = next(_numbers)
        _protected[number] = redactor, top
        _patch()

    def uninstall() -> None:
        with _lock:
            if _protected.pop(number, None) is not None and not _protected:
                _unpatch()

    return uninstall


def _patch() -> None:
    global _original
    if _original is not None:
        return
    original = logging.Logger.handle

    @functools.wraps(original)
    def handle(self: logging.Logger, record: logging.LogRecord) -> None:
        for redactor, top in list(_protected.values()):
            if not top or self.name == top or self.name.startswith(f"{top}."):
                redact_record(record, redactor)
        original(self, record)

    _original = original
    logging.Logger.handle = handle  # type: ignore[method-assign]


def _unpatch() -> None:
    global _original
    current: Any = logging.Logger.handle
    if getattr(current, "__wrapped__", None) is _original:  # else somebody has wrapped ours: it stays, and does nothing
        logging.Logger.handle = _original  # type: ignore[method-assign, assignment]
        _original = None


def redact_record(record: logging.LogRecord, redactor: Redactor) -> None:
    """Take the secrets out of a record. Never raises: a record that cannot be looked at says so and nothing else."""
    try:
        _redact_message(record, redactor)
        _redact_traceback(record, redactor)
        if record.stack_info:
            record.stack_info = redactor.redact_text(record.stack_info)
        for name, value in list(vars(record).items()):
            if name not in _OWN_ATTRIBUTES or name in _NAMES:
                setattr(record, name, _redacted(name, value, redactor))
    except Exception as error:  # fail closed: what the record says is not known, so none of it is said
        _empty(record)
        if from_handler(error):
            raise


def _redact_message(record: logging.LogRecord, redactor: Redactor) -> None:
    if not isinstance(record.msg, str):
        record.msg = _redacted("", record.msg, redactor)
    message = record.getMessage()
    clean = redactor.redact_text(_redacted("", message, redactor) if may_be_structure(message) else message)
    args = _redacted_args(record.args, redactor)
    if clean == message and args is record.args:
        return
    if not record.args:
        record.msg = clean
        return
    template = str(record.msg)
    record.msg, record.args = redactor.redact_text(template), args
    if clean == message and record.msg == template:
        return  # only what the message does not show was hidden in the arguments
    try:
        shown = redactor.redact_text(record.getMessage())
    except (TypeError, ValueError, KeyError):  # the template is another one without its secret
        shown = None
    if shown is None or shown != record.getMessage():
        # A secret that template and argument make together, as in ("password=%s", ...): its argument is not handed on.
        record.msg, record.args = clean, ()


def _redacted_args(args: Any, redactor: Redactor) -> Any:
    """The arguments without secrets; the same object if there are none in them."""
    if isinstance(args, Mapping):
        named = {name: _redacted(str(name), value, redactor) for name, value in args.items()}
        return args if all(named[name] is value for name, value in args.items()) else named
    if isinstance(args, tuple):
        clean = tuple(_redacted("", value, redactor) for value in args)
        return args if all(new is old for new, old in zip(clean, args, strict=True)) else clean
    return args


def _redacted(name: str, value: Any, redactor: Redactor) -> Any:
    """A value without secrets: itself if it has none. An object that shows one in its text becomes that text."""
    if isinstance(value, _NEVER_TEXT):
        return value
    if not isinstance(value, _PLAIN) and not is_record(value):
        text = str(value)
        clean = redactor.redact(name, text)
        if clean != text:
            return clean
        if isinstance(value, BaseException):  # what it was caused by is not in its text
            return value
    report = Report()
    plain = redactor.redact(name, value, report)
    return plain if any(hidden.action != "keep" for hidden in report.counts()) else value


def _redact_traceback(record: logging.LogRecord, redactor: Redactor) -> None:
    if record.exc_text:
        record.exc_text = redactor.redact_text(record.exc_text)
    if not record.exc_info or not isinstance(record.exc_info, tuple) or record.exc_info[1] is None:
        return
    text = logging.Formatter().formatException(record.exc_info)
    clean = redactor.redact_text(text)
    if clean != text:
        record.exc_info, record.exc_text = None, clean


def _empty(record: logging.LogRecord) -> None:
    record.msg, record.args = _UNSCANNED_MESSAGE, ()
    record.exc_info = record.exc_text = record.stack_info = None
    for name in [name for name in vars(record) if name not in _OWN_ATTRIBUTES or name in _NAMES]:
        setattr(record, name, UNSCANNED)
