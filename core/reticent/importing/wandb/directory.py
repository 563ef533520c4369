"""Runs in a directory of W&B's SDK: `wandb/offline-run-*`, `wandb/run-*`, and what our own backend has written."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import md5
from itertools import chain
from pathlib import Path

from reticent.backends.wandb.mapping import EXIT_CODES
from reticent.errors import SourceError
from reticent.files import inside, make_directory, share
from reticent.importing.past import PastRun, Point
from reticent.importing.wandb import log
from reticent.importing.wandb.described import OUR_FILES, describe
from reticent.importing.wandb.log import LoggedArtifact
from reticent.importing.wandb.values import Rows, summary_points
from reticent.records import RunStatus

_LOGS = "run-*.wandb"
_NO_PROJECT = "uncategorized"
_CONSOLE = "output.log"
_OF_TABLES = "run_table"

_STATUS = {code: status for status, code in EXIT_CODES.items()}


def runs(place: str, experiments: Sequence[str]) -> Iterator[PastRun]:
    """The runs below a directory, of these projects or of all; one that was resumed is one run of several logs."""
    root = Path(place)
    if not root.is_dir():
        raise SourceError(f"{place!r} is no directory with runs of W&B")
    parts: dict[tuple[str, str], list[tuple[float, Path]]] = {}
    unreadable: list[PastRun] = []
    for path in sorted(root.rglob(_LOGS)):
        try:
            told = log.head(path)
        except (SourceError, OSError) as error:
            unreadable.append(_failing(path, str(error)))
            continue
        run = told.run.get("project") or _NO_PROJECT, told.run.get("id") or path.stem
        parts.setdefault(run, []).append((told.start, path))
    if not parts and not unreadable:
        raise SourceError(f"there are no runs of W&B ({_LOGS}) below {place!r}")
    if unknown := sorted(set(experiments) - {project for project, _ in parts}):
        raise SourceError(f"{place!r} has no runs of the project {', '.join(map(repr, unknown))}")
    yield from unreadable
    for (project, run_id), found in parts.items():
        if not experiments or project in experiments:
            yield _past(project, run_id, [path for _, path in sorted(found)])


def _past(project: str, run_id: str, paths: list[Path]) -> PastRun:
    try:
        told = [log.read(path) for path in paths]
    except (SourceError, OSError) as error:
        return _failing(paths[0], str(error))
    run = {key: value for one in told for key, value in one.run.items()}
    config = {key: value for one in told for key, value in one.config.items()}
    summary = {key: value for one in told for key, value in one.summary.items()}
    described = describe(project, run, told[-1].words, config, summary)
    left_out = [f"{one.damaged} bytes at the end of a log, which cannot be read" for one in told if one.damaged]
    # Those of tables, and all of our backend, are among the files of the run.
    artifacts = [one for part in told for one in part.artifacts if not (described.ours or one.kind == _OF_TABLES)]
    end = max(one.newest for one in told)
    return PastRun(
        id=f"{project}/{run_id}",
        name=run.get("name") or run_id,
        experiment=described.experiment,
        status=_status(told[-1].exit_code, described.status),
        start=told[0].start,
        end=end,
        parent=None if described.parent is None else f"{project}/{described.parent}",
        params=described.params,
        tags={key: value for one in told for key, value in one.tags.items()} | described.tags,
        points=partial(_points, paths, summary, end, left_out),
        files=lambda directory: chain(
            _files(paths, OUR_FILES if described.ours else "", left_out, directory),
            _artifacts(artifacts, left_out, directory),
        ),
        left_out=left_out,
    )


def _failing(path: Path, why: str) -> PastRun:
    """A run that cannot be read, which is told when it is asked for."""

    def fail() -> Iterator[Point]:
        raise SourceError(why)
        yield

    return PastRun(str(path), path.stem, _NO_PROJECT, RunStatus.FAILED, 0.0, 0.0, points=fail)


def _status(exit_code: int | None, ours: RunStatus | None) -> RunStatus:
    if exit_code is None:
        return RunStatus.RUNNING
    return ours or _STATUS.get(exit_code, RunStatus.FAILED)


def _points(paths: list[Path], summary: dict[str, object], end: float, left_out: list[str]) -> Iterator[Point]:
    rows = Rows()
    for path in paths:
        for row in log.rows(path):
            yield from rows.points(row)
    for step, (moment, loads) in enumerate(told for path in paths for told in log.stats(path)):
        for key, value in loads.items():
            if isinstance(value, (int, float)):
                yield Point(f"system/{key}", float(value), step, moment)
    yield from summary_points(summary, rows, end)
    left_out += rows.told()


def _files(paths: list[Path], inside_of: str, left_out: list[str], directory: Path) -> Iterator[Path]:
    """The files beside the logs; those of the place `inside_of` without its name."""
    given: set[str] = set()
    for number, path in enumerate(paths, 1):
        place = path.parent / "files"
        for source in sorted(place.rglob("*")):
            relative = source.relative_to(place).as_posix().removeprefix(inside_of)
            if source.is_symlink() and not source.exists():
                left_out.append(f"the file {relative}, a link to one that is gone")
            elif source.is_file():
                relative = relative if relative not in given else f"resumed_{number}/{relative}"
                given.add(relative)
                yield _shared(source, directory, relative)
        if not (place / _CONSOLE).exists():
            yield from _console(path, directory, _CONSOLE if number == 1 else f"resumed_{number}/{_CONSOLE}")


def _artifacts(artifacts: list[LoggedArtifact], left_out: list[str], directory: Path) -> Iterator[Path]:
    """Of W&B's artifacts the files that are still on this machine as they were logged."""
    versions: dict[str, list[str]] = {}
    for artifact in artifacts:
        known = versions.setdefault(artifact.name, [])
        if artifact.digest in known:
            continue
        known.append(artifact.digest)
        gone = 0
        for file in artifact.files:
            local = Path(file.local)
            # By its digest: what a log from elsewhere names may be any file of this machine.
            if file.local and local.is_file() and _md5(local) == file.md5:
                yield _shared(local, directory, f"{artifact.name}/v{len(known) - 1}/{file.path}")
            else:
                gone += 1
        if gone or not artifact.files:
            what = f"{gone} of {len(artifact.files)} files" if artifact.files else "the files"
            left_out.append(
                f"{what} of the artifact {artifact.name}, which are not on this machine as they were logged"
            )


def _console(path: Path, directory: Path, relative: str) -> Iterator[Path]:
    text = "".join(log.console(path))
    if text:
        make_directory((directory / relative).parent)
        (directory / relative).write_text(text, "utf-8")
        yield directory / relative


def _shared(source: Path, directory: Path, relative: str) -> Path:
    make_directory(directory)
    try:
        path = inside(directory, relative)
    except ValueError as error:
        raise SourceError(f"a file of the run is called as none can be: {error}") from None
    share(source.resolve(), path)
    return path


def _md5(path: Path) -> str:
    digest = md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return b64encode(digest.digest()).decode()
