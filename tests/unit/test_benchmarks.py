"""What the benchmarks share: turns, what is told of samples, tables, and processes with a tracker."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from benchmarks import __main__ as benchmarks
from benchmarks import crash, fits, labelled, machine, pages, pictures, processor, shown, turns
from benchmarks.asked import asked
from benchmarks.environments import environment
from benchmarks.tracker_processes import answer

PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}


def test_each_task_has_its_turn_in_every_round(capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []
    given = turns.in_turns({name: lambda name=name: order.append(name) or len(order) for name in "ab"}, 3)
    assert order == list("ababab")
    assert given == {"a": [1, 3, 5], "b": [2, 4, 6]}
    assert capsys.readouterr().err.splitlines()[1] == "b, 1 of 3..."


def test_a_spread_is_the_median_and_what_a_tenth_is_below_and_above() -> None:
    assert turns.spread(range(101)) == {"median": 50, "p10": 10, "p90": 90}
    assert turns.spread([7.0]) == {"median": 7, "p10": 7, "p90": 7}


def test_a_ratio_is_formed_within_each_round() -> None:
    assert turns.ratio([10.0, 200.0, 30.0], [1.0, 10.0, 1.0])["median"] == 20
    with pytest.raises(ValueError, match="zip"):
        turns.ratio([1.0], [1.0, 2.0])


def test_rounds_are_few_or_as_many_as_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_RUNS", raising=False)
    assert turns.rounds(2) == 2
    monkeypatch.setenv("BENCH_RUNS", "9")
    assert turns.rounds(2) == 9


def test_a_process_answers_and_what_it_prints_besides_is_no_answer() -> None:
    def settings(place: Path) -> dict[str, str]:
        child = "from benchmarks.asked import answer\nanswer(lambda a, b: [print('noise'), a + b, 1 / b])\n"
        (place / "child.py").write_text(child)
        return environment({})

    with asked("child", settings=settings) as child:
        assert child(1, 2) == [None, 3, 0.5]
        assert child(3, 1) == [None, 4, 1]
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            child(1, 0)
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            child(1, 1)


def test_what_a_fit_gains_is_of_pairs_and_its_ratio_of_turns() -> None:
    ours = [[fits.Pair(10, 12, 0, 0), fits.Pair(10, 11, 0, 0)], [fits.Pair(10, 9, 0, 0)]]
    theirs = [[fits.Pair(10, 40, 10, 50)], [fits.Pair(20, 40, 20, 70)]]
    told = fits.told_of(theirs, ours)
    assert told["bare ms"] == turns.spread([10.0, 20.0])
    assert told["added ms"] == turns.spread([30.0, 20.0])
    assert told["added CPU ms"] == turns.spread([40.0, 50.0])
    assert told["times bare"] == turns.spread([4.0, 2.0])
    assert told["added, times ours"] == turns.spread([30 / 1.5, 20 / fits.LEAST_MS])


def test_a_table_has_ranges_where_there_are_any() -> None:
    rows: list[turns.Row] = [
        {"who": "a", "us": turns.spread([1.0, 2.0, 3.0]), "n": 3},
        {"who": "b", "us": turns.spread([4321.0]), "n": ""},
    ]
    assert shown.table(rows).splitlines()[2:] == ["| a | 2 (1.2 to 2.8) | 3 |", "| b | 4,321 |  |"]


def test_a_table_of_the_readme_has_each_number_in_a_unit_that_fits_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (shown, benchmarks):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    row = {"script": "bare", "wall s": turns.spread([0.0123]), "processor s": turns.spread([1234.5]), "not shown": 7}
    (tmp_path / "script.json").write_text(json.dumps({"rows": [row]}))
    assert benchmarks.main(["--show"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| a script of eight trainings | wall | processor, with threads and child processes |",
        "| --- | --- | --- |",
        "| bare | 12 ms | 1,234 s |",
        "",
    ]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only page with places for results, which lie beside it."""
    monkeypatch.setattr(shown, "RESULTS", tmp_path)
    monkeypatch.setattr(pages, "PAGES", (tmp_path / "README.md",))
    return tmp_path / "README.md"


def test_the_readme_has_the_tables_of_the_results_that_there_are(page: Path) -> None:
    row = {"script": "bare", "wall s": 1.0, "processor s": 2.0}
    (page.parent / "script.json").write_text(json.dumps({"rows": [row]}))
    places = [
        "<!-- benchmark script -->",
        "former",
        "<!-- end -->",
        "between",
        "<!-- benchmark fits -->",
        "kept",
        "<!-- end -->",
    ]
    page.write_text("\n".join(places))
    for _ in "again":
        pages.into_pages(["script"])
    lines = page.read_text().splitlines()
    assert (lines[0], lines[4], lines[6:]) == (places[0], "| bare | 1.0 s | 2.0 s |", places[2:])


def test_pages_tell_the_machines_of_the_results_and_which_targets_were_reached(page: Path) -> None:
    one = machine.describe()
    added = {"import reticent": 59.0, "import reticent; reticent.autolog()": 171.0}
    startup = [{"code": f"`{code}`", "added ms": turns.spread([ms])} for code, ms in added.items()]
    lost = [{"tracker": "reticent.log_metric", "lost": 0}]
    for name, load, rows in (("startup", 0.5, startup), ("crash", 7.0, lost)):
        (page.parent / f"{name}.json").write_text(json.dumps({"machine": one | {"load": load}, "rows": rows}))
    page.write_text("<!-- benchmark machine -->\n<!-- end -->\n<!-- benchmark targets -->\n<!-- end -->\n")
    for _ in "again":
        pages.into_pages([])
    lines = page.read_text().splitlines()
    assert lines[2].startswith(machine.told(one))
    assert lines[2].endswith(": `crash` (load 7), `startup` (load 0.5).")
    assert lines[9:12] == [
        "| the start of a process gains by `import reticent` | at most 60 ms | 59 ms | yes |",
        "| the start of a process gains by `import reticent; reticent.autolog()` | at most 170 ms | 171 ms | **no** |",
        "| points lost by `kill -9` | at most 0 points | 0 points | yes |",
    ]


def test_secrets_that_are_found_are_counted_by_kind_and_others_that_are_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [("a", True, "bad"), ("a", True, "good"), ("b", True, "bad"), ("b", False, "bad"), ("b", False, "good")]
    samples = [dict(zip(("rule", "secret", "text"), one, strict=True)) for one in texts]
    found, hidden = labelled.of_texts(samples, {"one": lambda text: text == "bad", "all": lambda _: True})
    assert (found["one"], found["all"]) == (0.75, 1)
    assert (hidden["one"], hidden["all"]) == (1, 2)
    (tmp_path / "secrets.json").write_text(json.dumps(samples))
    (tmp_path / "ml_names.json").write_text(json.dumps(["optimizer", "api_key"]))
    monkeypatch.setenv("BENCH_LABELLED", str(tmp_path))
    *_, names = labelled.measure()
    assert (names["on labelled data"], names["reticent"]) == ("of 2 names of params hidden", 1)


def test_processor_time_is_that_of_all_threads_and_processes_and_finer_than_the_ticks_of_the_kernel() -> None:
    code = """
import threading, time
thread = threading.Thread(target=lambda: [None for _ in range(300_000)])
thread.start()
thread.join()
print(time.process_time(), flush=True)
input()
"""
    waits = subprocess.Popen([sys.executable, "-c", code], **PIPES)
    assert waits.stdout is not None
    told = float(waits.stdout.readline())
    assert told <= processor.of_tree(waits.pid) < told + 0.01
    beside = processor.of_this_tree()
    assert beside > told
    waits.communicate("\n")
    assert beside <= processor.of_this_tree() < beside + 0.1


def test_one_that_fails_does_not_keep_the_others_from_being_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> list[turns.Row]:
        raise RuntimeError("no server")

    for name, measure in {"first": fail, "second": lambda: [{"n": 1}]}.items():
        module = types.ModuleType(f"benchmarks.{name}", f"How many of the {name}?")
        module.__dict__["measure"] = measure
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(benchmarks, "ALL", ("first", "second"))
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path)
    monkeypatch.setattr(benchmarks, "draw", list)
    monkeypatch.setattr(pages, "PAGES", ())
    assert benchmarks.main([]) == 1
    told = capsys.readouterr()
    assert "## How many of the second? (second, 2 of 2)" in told.out
    assert "RuntimeError: no server" in told.err
    assert told.err.endswith("Failed: first\n")
    assert [path.name for path in tmp_path.iterdir()] == ["second.json"]
    assert benchmarks.main(["third"]) == 2


def test_points_of_a_process_are_counted_by_another(tmp_path: Path) -> None:
    told = answer(sys.executable, "log", "run.log_metric", tmp_path, None, 500)
    assert 0 < told["p50 us"] <= told["p99 us"] <= told["max us"]
    assert answer(sys.executable, "read", "run.log_metric", tmp_path, None) == 500


def test_a_training_is_killed_and_what_it_logged_counted() -> None:
    returned, found = crash.killed(sys.executable, "reticent.log_metric", 0.2)
    assert returned > 0
    assert found in (returned, returned + 1)
    assert crash.row("x", [(100, 90), (100, 101)])["lost"] == 10


def test_results_are_drawn_without_a_ground_and_with_their_names_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("reticent.log_metric", "another")
    rows = [{"tracker": name, "lost %": float(number)} for number, name in enumerate(names)]
    (tmp_path / "crash.json").write_text(json.dumps({"rows": rows}))
    monkeypatch.setattr(pictures, "RESULTS", tmp_path)
    monkeypatch.setattr(pictures, "DOCS", tmp_path)
    (drawn,) = pictures.draw()
    root = ElementTree.parse(drawn).getroot()
    texts = {element.text for element in root.iter() if element.tag.endswith("}text")}
    assert {*names, "1.0 %"} <= texts
    fills = [element.get("style", "") for element in root.iter() if element.tag.endswith("}path")]
    assert any(pictures.OURS in fill or pictures.OTHERS in fill for fill in fills)
    assert not any("fill: #ffffff" in fill for fill in fills)
    before = drawn.read_bytes()
    pictures.draw()
    assert drawn.read_bytes() == before


def test_fits_are_drawn_small_beside_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"fit": "a fit", "size": size, "logger": logger, "added ms": turns.spread([added])}
        for size, added in (("of ten", 3.0), ("of a million", 70.0))
        for logger in ("reticent", "mlflow")
    ]
    (tmp_path / "fits.json").write_text(json.dumps({"rows": rows}))
    monkeypatch.setattr(pictures, "RESULTS", tmp_path)
    monkeypatch.setattr(pictures, "DOCS", tmp_path)
    (drawn,) = pictures.draw()
    texts = [element.text for element in ElementTree.parse(drawn).getroot().iter() if element.tag.endswith("}text")]
    assert texts.count("a fit, reticent") == 1
    assert texts.count("3.0 ms") == texts.count("70 ms") == 2
