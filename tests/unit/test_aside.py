"""Who does work that is done aside, when the process ends."""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Iterator

import pytest

from reticent.aside import Aside, EndedError


@pytest.fixture
def aside() -> Iterator[Aside]:
    one = Aside()
    yield one
    one.close()


def ask(aside: Aside) -> str:
    return aside.call(posixpath.basename, "place/name", timeout_s=60)


def test_a_child_that_has_worked_goes_on(aside: Aside) -> None:
    assert ask(aside) == "name"
    aside.take_back()
    assert ask(aside) == "name"


@pytest.mark.parametrize("before", ["nothing was done", "the child has ended"])
def test_no_other_child_is_waited_for(before: str, aside: Aside) -> None:
    if before == "the child has ended":
        ask(aside)
        assert aside._child is not None
        aside._child.kill()
    aside.take_back()
    with pytest.raises(OSError, match="done here"):
        ask(aside)


def test_what_is_under_way_can_be_given_up(aside: Aside) -> None:
    ask(aside)
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            aside.call(input, "", timeout_s=60)  # of what comes next, and nothing does
        except EndedError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    aside.end()
    waiting.join(30)
    assert len(errors) == 1
