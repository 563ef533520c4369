"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("untimed", deadline=None)  # no test fails because the machine is busy
hypothesis.settings.load_profile("untimed")
pytest.register_assert_rewrite("reticent.testing")

from reticent.testing import isolated  # noqa: E402 - its asserts must be rewritten when it is imported


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root of the test's own, strict; what was logged is delivered at its end."""
    with isolated(tmp_path / "root") as directory:
        yield directory
