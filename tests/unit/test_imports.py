"""Acting on imports leaves the modules, and who looks for them, as they are."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import pickle
import sys
import zipfile
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from reticent.imports import when_imported

SOURCE = "loaders = type(__loader__), type(__spec__.loader)\nready = True\n"


def test_it_acts_once_and_before_the_import_returns(place: Path) -> None:
    (place / "awaited_one.py").write_text(SOURCE)
    seen: list[bool] = []
    when_imported("awaited_one", lambda: seen.append(sys.modules["awaited_one"].ready))
    assert seen == []
    module = importlib.import_module("awaited_one")
    assert seen == [True]
    importlib.reload(module)
    assert seen == [True]
    when_imported("awaited_one", lambda: seen.append(False))
    assert seen == [True, False]


def test_the_module_never_sees_another_loader_than_its_own(place: Path) -> None:
    (place / "awaited_loader.py").write_text(SOURCE)
    when_imported("awaited_loader", lambda: None)
    module = importlib.import_module("awaited_loader")
    assert module.loaders == (SourceFileLoader, SourceFileLoader)
    assert type(module.__loader__) is SourceFileLoader
    assert module.__spec__ is not None
    assert module.__spec__.loader is module.__loader__


def test_who_only_looks_for_it_finds_what_there_is(place: Path) -> None:
    (place / "awaited_look.py").write_text(SOURCE)
    seen: list[str] = []
    when_imported("awaited_look", lambda: seen.append("awaited_look"))
    when_imported("awaited_nowhere", lambda: seen.append("awaited_nowhere"))
    assert importlib.util.find_spec("awaited_nowhere") is None
    spec = importlib.util.find_spec("awaited_look")
    assert spec is not None
    assert isinstance(spec.loader, SourceFileLoader)
    assert spec.loader.get_source("awaited_look") == SOURCE
    assert seen == []
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["awaited_look"] = module
    spec.loader.exec_module(module)
    assert seen == []
    assert module.ready
    assert seen == ["awaited_look"]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda spec: pickle.loads(pickle.dumps(spec))])
def test_what_is_found_can_be_copied(copied: Callable[[Any], Any], place: Path) -> None:
    (place / "awaited_copy.py").write_text(SOURCE)
    seen: list[str] = []
    when_imported("awaited_copy", lambda: seen.append("awaited_copy"))
    spec = importlib.util.find_spec("awaited_copy")
    assert spec is not None
    spec.loader = copied(spec.loader)
    module = importlib.util.module_from_spec(copied(spec))
    assert module.__spec__ is not None
    assert module.__spec__.loader is not None
    module.__spec__.loader.exec_module(module)
    assert module.ready
    assert seen == ["awaited_copy"]


def test_a_module_that_is_half_loaded_is_waited_for(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By another thread, which began before anybody waited for it, or by an import around this very call."""
    half, whole = Event(), Event()
    monkeypatch.setattr(sys, "awaited_half", (half, whole), raising=False)
    (place / "awaited_half.py").write_text(
        "import sys\nhalf, whole = sys.awaited_half\nhalf.set()\nwhole.wait(30)\nready = True\n"
    )
    seen: list[bool] = []
    thread = Thread(target=importlib.import_module, args=("awaited_half",), daemon=True)
    thread.start()
    assert half.wait(30)
    waiting = Thread(
        target=when_imported, args=("awaited_half", lambda: seen.append(sys.modules["awaited_half"].ready))
    )
    waiting.start()
    waiting.join(0.1)  # it has had the time to act too early
    whole.set()
    waiting.join(30)
    thread.join(30)
    assert seen == [True]

    (place / "awaited_circle.py").write_text("import sys\nsys.awaited_half(__name__)\nready = True\n")
    act = lambda: seen.append(hasattr(sys.modules["awaited_circle"], "ready"))  # noqa: E731 - it is waited for twice
    monkeypatch.setattr(sys, "awaited_half", lambda name: when_imported(name, act))
    when_imported("awaited_circle", act)
    importlib.import_module("awaited_circle")
    assert seen == [True, True, True]


def test_of_an_import_that_fails_it_waits_for_the_next(place: Path) -> None:
    (place / "awaited_part").mkdir()
    (place / "awaited_part" / "__init__.py").write_text("")
    (place / "awaited_part" / "inner.py").write_text("raise ImportError('not yet')")
    seen: list[bool] = []
    when_imported("awaited_part.inner", lambda: seen.append(True))
    with pytest.raises(ImportError, match="not yet"):
        importlib.import_module("awaited_part.inner")
    assert seen == []
    (place / "awaited_part" / "inner.py").write_text("ready = 'at last'\n")
    importlib.invalidate_caches()
    assert importlib.import_module("awaited_part.inner").ready
    assert seen == [True]


def test_a_module_in_an_archive(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(place / "archive.zip", "w") as archive:
        archive.writestr("awaited_zipped.py", SOURCE)
    monkeypatch.syspath_prepend(place / "archive.zip")
    seen: list[bool] = []
    when_imported("awaited_zipped", lambda: seen.append(True))
    assert importlib.import_module("awaited_zipped").ready
    assert seen == [True]


def test_threads_that_import_at_once_do_not_wait_for_each_other(place: Path) -> None:
    names = [f"awaited_thread_{number}" for number in range(40)]
    seen: list[str] = []
    for name, other in zip(names, [*names[1:], names[0]], strict=True):
        (place / f"{name}.py").write_text(f"import {other}\n")  # a circle, which each of them enters elsewhere
        when_imported(name, lambda name=name: seen.append(name))  # type: ignore[misc]
    threads = [Thread(target=importlib.import_module, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert sorted(seen) == sorted(names)
