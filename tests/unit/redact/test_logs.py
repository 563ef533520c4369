"""The logging tree: no handler gets a secret, everything else stays as it was, and it can be taken out again."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import queue
import threading
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy
import pytest
from pandas import DataFrame

from reticent_redact import Policy, Redactor, install_logging_filter

GITHUB = "ghp_" + "a1B2" * 9
MASKED = "[REDACTED:github-token]"
PASSWORD = "blue-Harbour-42"


class Everything(logging.Formatter):
    """Prints all that a record has, in ways of its own."""

    def format(self, record: logging.LogRecord) -> str:
        error = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        return super().format(record) + error + repr(vars(record))


@dataclass
class Logged:
    logger: logging.Logger
    stream: io.StringIO
    records: list[logging.LogRecord]

    @property
    def text(self) -> str:
        return self.stream.getvalue()


@pytest.fixture
def install() -> Iterator[Callable[..., Callable[[], None]]]:
    """`install_logging_filter`, taken out at the end."""
    installed = []

    def begin(*arguments: Any, **named: Any) -> Callable[[], None]:
        uninstall = install_logging_filter(*arguments, **named)
        installed.append(uninstall)
        return uninstall

    yield begin
    for uninstall in installed:
        uninstall()


@pytest.fixture
def logged() -> Iterator[Logged]:
    """A logger below one that has a handler which prints everything."""
    parent = logging.getLogger("tests.logs")
    found = Logged(logging.getLogger("tests.logs.child"), io.StringIO(), [])
    handler = logging.StreamHandler(found.stream)
    handler.setFormatter(Everything("%(levelname)s %(message)s"))
    handler.addFilter(lambda record: found.records.append(record) or True)
    parent.addHandler(handler)
    parent.setLevel(logging.DEBUG)
    yield found
    parent.removeHandler(handler)


class Client:
    def __str__(self) -> str:
        return f"client with {GITHUB}"


MESSAGES: dict[str, Callable[[logging.Logger], object]] = {
    "in the message": lambda log: log.info(f"got {GITHUB}"),
    "in an argument": lambda log: log.info("got %s from %d", GITHUB, 7),
    "in the message, with an argument": lambda log: log.info(f"got {GITHUB} from %s", "there"),
    "in both together": lambda log: log.info("password=%s", PASSWORD),
    "in both together, too short to be learned": lambda log: log.info("password=%s", GITHUB[:4] + "x1"),
    "in a mapping": lambda log: log.info("with %(password)s", {"password": PASSWORD}),
    "in a mapping that the message does not show": lambda log: log.info("for %(who)s", {"who": "b", "token": GITHUB}),
    "in a structure": lambda log: log.info("with %s", {"headers": [("authorization", GITHUB)]}),
    "in an object": lambda log: log.info("with %s", Client()),
    "in an exception": lambda log: log.info("failed: %s", ValueError(GITHUB)),
    "in an extra": lambda log: log.info("hi", extra={"password": PASSWORD}),
    "in a structure of an extra": lambda log: log.info("hi", extra={"request": {"url": f"https://h/?q={GITHUB}"}}),
    "in an object of an extra": lambda log: log.info("hi", extra={"client": Client()}),
    "in a structure as the message": lambda log: log.info({"password": ["pass-w0rd"]}),
    "in pairs as the message": lambda log: log.info([("password", "pass-w0rd")]),
    "in an object with fields": lambda log: log.info("with %s", Namespace(password=["pass-w0rd"])),
    "in a table": lambda log: log.info(DataFrame({"password": ["pass-w0rd"]})),
    "in a structured array": lambda log: log.info("%s", numpy.array([("pass-w0rd",)], dtype=[("password", "U16")])),
    "in JSON as the message": lambda log: log.info(json.dumps({"password": ["pass-w0rd"]})),
    "in the name of the logger": lambda log: log.getChild(f"of {GITHUB}").info("hi"),
    "in the name of a file": lambda log: log.handle(
        logging.makeLogRecord({"levelno": 20, "levelname": "INFO", "pathname": GITHUB})
    ),
    "as the message": lambda log: log.info(Client()),
    "as a message of bytes": lambda log: log.info(b"got %s" % GITHUB.encode()),
    "in a template that is wrong": lambda log: log.info(f"%d {GITHUB}", "x"),
}


@pytest.mark.parametrize("place", MESSAGES)
def test_no_handler_gets_a_secret(
    place: str, logged: Logged, install: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    install(Redactor())
    MESSAGES[place](logged.logger)
    (record,) = logged.records
    assert record.levelname == "INFO"
    for secret in (GITHUB, PASSWORD, "ghp_x1", "pass-w0rd"):
        assert secret not in logged.text + capsys.readouterr().err
    assert "[REDACTED:" in logged.text


def test_args_stay_what_the_message_is_formatted_with(logged: Logged, install: Callable[..., Any]) -> None:
    install(Redactor())
    logged.logger.info('%s - "%s %s" %d', "1.2.3.4:99", "GET", f"/x?q={GITHUB}", 200)
    (record,) = logged.records
    assert record.args == ("1.2.3.4:99", "GET", f"/x?q={MASKED}", 200)
    assert record.getMessage() == f'1.2.3.4:99 - "GET /x?q={MASKED}" 200'


def test_a_traceback_that_user_code_logs(logged: Logged, install: Callable[..., Any]) -> None:
    install(Redactor())
    try:
        try:
            raise KeyError(GITHUB)
        except KeyError:
            raise RuntimeError(f"login with password='{PASSWORD}' failed") from None
    except RuntimeError:
        logged.logger.exception("no login")
        logged.logger.error("no login", stack_info=True, exc_info=True)
    assert GITHUB not in logged.text
    assert PASSWORD not in logged.text
    assert "RuntimeError: login with password='[REDACTED:" in logged.text
    assert "test_logs.py" in logged.text


def test_a_record_without_secrets_is_not_touched(logged: Logged, install: Callable[..., Any]) -> None:
    install(Redactor())
    message, argument, extra = object(), ["a"], {"b": Client.__name__}
    logged.logger.info(message)
    logged.logger.info("with %s, %s", argument, extra, extra={"request": extra})
    error = ValueError("plain")
    logged.logger.error("failed", exc_info=error)
    plain, rich, failed = logged.records
    assert failed.exc_info == (ValueError, error, None)
    assert plain.msg is message
    assert isinstance(rich.args, tuple)
    assert rich.args[0] is argument
    assert rich.args[1] is extra
    assert vars(rich)["request"] is extra


def test_what_cannot_be_redacted_is_not_said(logged: Logged, install: Callable[..., Any]) -> None:
    def decide(match: object) -> None:
        raise RuntimeError("the callback is broken")

    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError(GITHUB)

    install(Redactor(Policy(decide=decide)))
    logged.logger.info(f"got {GITHUB}", extra={"note": GITHUB})
    logged.logger.info("plain", extra={"note": GITHUB})
    logged.logger.info("got %s", Unspeakable())
    assert GITHUB not in logged.text
    assert [record.getMessage() for record in logged.records] == [
        "[REDACTED:unscanned] a log record that could not be looked at"
    ] * 3


def test_loggers_made_later_handlers_added_later_and_records_made_elsewhere(install: Callable[..., Any]) -> None:
    install(Redactor())
    passed: queue.SimpleQueue[Any] = queue.SimpleQueue()
    logger = logging.getLogger("tests.later")
    handler = logging.handlers.QueueHandler(passed)
    logger.addHandler(handler)
    try:
        logger.warning("got %s", GITHUB)
        logger.handle(logging.makeLogRecord({"msg": f"got {GITHUB}", "levelno": logging.ERROR}))
    finally:
        logger.removeHandler(handler)
    assert [passed.get().getMessage() for _ in range(2)] == [f"got {MASKED}"] * 2


def test_a_part_of_the_tree(logged: Logged, install: Callable[..., Any]) -> None:
    install(Redactor(), logging.getLogger("tests.logs.child"))
    logging.getLogger("tests.logs.children").info(GITHUB)
    assert GITHUB in logged.text
    logged.stream.truncate(0)
    logging.getLogger("tests.logs.child.of").info(GITHUB)
    logged.logger.info(GITHUB)
    assert GITHUB not in logged.text


def test_it_can_be_taken_out_again(logged: Logged) -> None:
    original = logging.Logger.handle
    first, second = install_logging_filter(Redactor()), install_logging_filter(Redactor(Policy(deny=("x",))))
    first()
    first()
    logged.logger.info(GITHUB)
    assert GITHUB not in logged.text
    second()
    assert logging.Logger.handle is original
    logged.logger.info(GITHUB)
    assert GITHUB in logged.text


def test_somebody_who_wraps_it_is_left_alone(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    uninstall = install_logging_filter(Redactor())
    ours = logging.Logger.handle
    seen = []

    def theirs(self: logging.Logger, record: logging.LogRecord) -> None:
        seen.append(record)
        ours(self, record)

    monkeypatch.setattr(logging.Logger, "handle", theirs)
    uninstall()
    assert logging.Logger.handle is theirs
    logged.logger.info(GITHUB)
    assert GITHUB in logged.text
    assert len(seen) == 1
    monkeypatch.undo()
    uninstall = install_logging_filter(Redactor())
    logged.logger.info(f"again {GITHUB}")
    assert f"again {GITHUB}" not in logged.text
    uninstall()
    assert logging.Logger.handle is not ours


def test_without_a_redactor_the_secrets_of_the_process_are_known(
    logged: Logged, install: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOY_PASSWORD", PASSWORD)
    install()
    logged.logger.info("it is %s", PASSWORD)
    assert PASSWORD not in logged.text


def test_many_threads(logged: Logged, install: Callable[..., Any]) -> None:
    def work(number: int) -> None:
        for count in range(50):
            logged.logger.info("thread %d: %s", number * 1000 + count, GITHUB)
            install_logging_filter(Redactor(), logged.logger)()

    install(Redactor())
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(logged.records) == 400
    assert GITHUB not in logged.text


def test_a_json_formatter_that_formats_exceptions_itself(install: Callable[..., Any]) -> None:
    class Json(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            error = self.formatException(record.exc_info) if record.exc_info else record.exc_text
            return json.dumps({"message": record.getMessage(), "error": error})

    install(Redactor())
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Json())
    logger = logging.getLogger("tests.json")
    logger.addHandler(handler)
    try:
        raise RuntimeError(f"with {GITHUB}")
    except RuntimeError:
        logger.exception("failed")
    finally:
        logger.removeHandler(handler)
    assert f"RuntimeError: with {MASKED}" in json.loads(stream.getvalue())["error"]
