"""`reticent runs`: the table, its JSON, and what it says where there is nothing."""

from __future__ import annotations

import json
from pathlib import Path

import reticent
from reticent.records import RunStatus
from reticent.testing import isolated

from .conftest import SECRET, Command


def lines_of(text: str) -> dict[str, str]:
    return {line.split()[0]: line for line in text.splitlines() if line.split()}


def test_each_run_is_a_line_with_its_name_experiment_and_status(command: Command) -> None:
    outcome = command("runs")
    assert outcome.code == 0
    lines = lines_of(outcome.out)
    assert "search" in lines["aaaa0001"]
    assert "churn" in lines["aaaa0001"]
    assert "✓ finished" in lines["aaaa0001"]
    assert "✗ failed" in lines["cccc0001"]


def test_children_are_counted_with_their_parent(command: Command) -> None:
    out = command("runs").out
    assert set(lines_of(out)) == {"id", "aaaa0001", "cccc0001", "dddd0001", "▲", "Children"}
    assert "search  +8 children" in lines_of(out)["aaaa0001"]
    assert "children" not in lines_of(out)["cccc0001"]
    assert "Children are listed with --children." in out


def test_as_many_as_asked_for_are_listed_whatever_children_they_have(command: Command) -> None:
    for count in (1, 2):
        assert len(command("runs", "-n", str(count)).out.split("\n\n")[0].splitlines()) == 1 + count


def test_children_come_indented_after_their_parent_in_order_of_time(command: Command) -> None:
    out = command("runs", "--children", "-n", "3").out
    ids = [line.split()[0] for line in out.splitlines() if "└" in line or "aaaa0001" in line]
    assert ids == ["aaaa0001", *[f"bbbb000{number}" for number in range(1, 9)]]
    assert "+8 children" not in out


def test_children_are_sorted_as_their_parents_are(command: Command) -> None:
    out = command("runs", "--children", "-s", "metrics.loss ASC").out
    assert [line.split()[0] for line in out.splitlines() if "└" in line] == [f"bbbb000{n}" for n in range(8, 0, -1)]


def test_the_children_of_children_and_of_runs_that_are_not_there(command: Command, tmp_path: Path) -> None:
    with isolated(tmp_path / "nested") as root:
        with reticent.start_run("outer"), reticent.start_run("middle"), reticent.start_run("inner", experiment="e"):
            pass
        with reticent.start_run("orphan", parent_run_id="carried-elsewhere"):
            pass
        with reticent.start_run("itself", run_id="0000ffff", parent_run_id="0000ffff"):
            pass

    names = {"outer", "middle", "inner", "orphan", "itself", "└", "+1"}
    plain, nested = (
        [word for line in command("runs", *more, root=root).out.splitlines() for word in line.split() if word in names]
        for more in ([], ["--children"])
    )
    assert plain == ["itself", "orphan", "outer", "+1"]
    assert nested == ["itself", "orphan", "outer", "└", "middle", "└", "inner"]
    assert "inner" in command("runs", "-e", "e", root=root).out  # its parent is in another experiment


def test_what_nothing_can_be_sorted_by_is_told_on_stderr(command: Command) -> None:
    for clause in ("metrics.nosuch", "params.nosuch DESC", "tags.`no such`"):
        outcome = command("runs", "-s", clause)
        assert outcome.code == 0
        assert "aaaa0001" in outcome.out
        told = clause.split(" D")[0].replace("`", "")
        assert outcome.err.startswith(f"reticent: none of these runs has {told} to be sorted by")
    assert "--children" in command("runs", "-s", "metrics.accuracy").err
    for arguments in (["metrics.val_loss"], ["start_time"], ["metrics.accuracy", "--children"]):
        assert command("runs", "-s", *arguments).err == ""
    assert json.loads(command("runs", "--json", "-s", "metrics.nosuch").out)


def test_what_the_runs_have_in_common_is_in_columns(command: Command) -> None:
    heading, *_ = command("runs", "--children").out.splitlines()
    assert {"accuracy", "C"} <= set(heading.split())
    assert "penalty" not in heading  # the same in all of them


def test_what_a_training_took_tells_less_than_what_came_of_it(command: Command, tmp_path: Path) -> None:
    costs = {"fit_seconds": 0.1, "validate_samples_per_second": 5e4, "peak_memory_mb": 250, "eval_runtime": 0.2}
    with isolated(tmp_path / "costs") as root:
        for value in (1, 2):
            with reticent.start_run("long"):
                reticent.log_metrics({**costs, "a": value, "b": value, "c": value, "tree_count": value})
        with reticent.start_run("short"):
            reticent.log_metrics({**costs, "llf": 3})
        assert reticent.flush(20)
        heading, *lines = command("runs", root=root).out.splitlines()
    assert heading.split()[6:10] == ["a", "b", "c", "tree_count"]
    assert "llf 3" in lines[0]


def test_names_that_look_like_markup_are_shown_as_they_are(command: Command) -> None:
    out = command("runs").out
    assert "日本-ünï [red]x[/]" in out
    assert "odd [names]" in out


def test_redactions_are_counted_and_no_secret_is_shown(command: Command) -> None:
    out = command("runs").out
    assert "redacted" in out.splitlines()[0]
    assert SECRET not in out


def test_a_run_with_trouble_is_marked(command: Command) -> None:
    out = command("runs").out
    assert "▲" in lines_of(out)["dddd0001"]
    assert "`show` says what" in out


def test_filter_sort_max_and_experiment(command: Command) -> None:
    assert set(lines_of(command("runs", "-f", "metrics.accuracy > 0.965").out)) == {"id", "bbbb0007", "bbbb0008"}
    assert "search  +8" in command("runs", "-f", "params.lr = '0.1'").out
    ordered = command("runs", "-e", "churn", "-f", "metrics.loss > 0", "-s", "metrics.loss ASC", "-n", "2").out
    assert [line.split()[0] for line in ordered.splitlines()[1:3]] == ["bbbb0008", "bbbb0007"]
    assert "The first 2" in ordered
    assert set(lines_of(command("runs", "-e", "odd [names]").out)) == {"id", "cccc0001"}


def test_json_is_all_that_stdout_has(command: Command) -> None:
    outcome = command("runs", "--json")
    runs = {run["run_id"]: run for run in json.loads(outcome.out)}
    assert runs["bbbb0001"]["parent_id"] == "aaaa0001"
    assert runs["bbbb0001"]["params"] == {"C": "1", "penalty": "l2", "path": "p" * 60 + "1"}
    assert runs["aaaa0001"]["params"]["note"] == "[red]x[/]"
    assert runs["aaaa0001"]["redacted"] >= 1
    assert {run["status"] for run in runs.values()} <= {status.value for status in RunStatus}
    assert SECRET not in outcome.out


def test_an_empty_root_gets_a_hint_and_no_trace(command: Command, tmp_path: Path) -> None:
    outcome = command("runs", root=tmp_path / "none")
    assert outcome.code == 0
    assert "reticent.autolog()" in outcome.out
    assert "reticent demo" in outcome.out
    assert json.loads(command("runs", "--json", root=tmp_path / "none").out) == []
    assert not (tmp_path / "none").exists()


def test_a_filter_that_finds_nothing_says_so(command: Command) -> None:
    outcome = command("runs", "-f", "params.lr = 'none'")
    assert (outcome.code, outcome.out) == (0, "No run matches.\n")


def test_a_wrong_filter_is_a_usage_error_on_stderr(command: Command) -> None:
    outcome = command("runs", "--filter", "nonsense ==")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("reticent: ")
    assert "Traceback" not in outcome.err


def test_a_search_shows_its_best_score_and_its_candidates_their_means(command: Command, tmp_path: Path) -> None:
    with isolated(tmp_path / "searched") as root, reticent.start_run("GridSearchCV") as search:
        search.log_metrics({"GridSearchCV_score_eval": 0.9, "best_cv_score": 0.97, "training_score": 0.99})
        for number in range(3):
            with reticent.start_run(f"candidate_{number}") as candidate:
                scores = {f"split{split}_test_score": 0.9 + split / 100 for split in range(5)}
                candidate.log_metrics({**scores, "mean_test_score": 0.92, "mean_fit_time": 0.1})
    heading, parent, *_ = command("runs", "--children", root=root).out.splitlines()
    assert "best_cv_score 0.97" in parent
    assert "mean_test_score" in heading
    assert "split" not in heading
